//! The settings of the engine.

use super::batching::BatchPolicy;
use crate::preprocess::{ImageOptions, Limits};
use crate::runtime::{CudaSettings, Device};

/// The settings of the engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The devices, all of one kind.
    pub devices: Vec<Device>,
    /// Worker threads per device, each with its own sessions; by default one per core on the CPU (each with one thread), and
    /// one per GPU.
    pub workers: Option<usize>,
    /// Threads inside one session on the CPU.
    pub threads_per_worker: usize,
    /// Threads of the additional sessions that run a batch when nothing else runs or waits, on the CPU. At most one: there
    /// are no such sessions.
    pub wide_threads: usize,
    /// Settings of CUDA sessions.
    pub cuda: CudaSettings,
    /// Maximum number of waiting items in each lane.
    pub queue_capacity: usize,
    /// The batching policy.
    pub batching: BatchPolicy,
    /// The limits of images.
    pub image_limits: Limits,
    /// The default image options.
    pub image_options: ImageOptions,
    /// Maximum text length in bytes.
    pub max_text_bytes: usize,
    /// Maximum bytes of the text cache; 0 turns it off.
    pub text_cache_bytes: u64,
    /// Maximum bytes of the image cache; 0 turns it off.
    pub image_cache_bytes: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            devices: vec![Device::Cpu],
            workers: None,
            threads_per_worker: 1,
            wide_threads: 1,
            cuda: CudaSettings::default(),
            queue_capacity: 1024,
            batching: BatchPolicy::of(Device::Cpu),
            image_limits: Limits::default(),
            image_options: ImageOptions::default(),
            max_text_bytes: 64 * 1024,
            text_cache_bytes: 64 << 20,
            image_cache_bytes: 0,
        }
    }
}

impl EngineSettings {
    /// The first device, which determines their kind.
    pub(super) fn device(&self) -> Device {
        self.devices.first().copied().unwrap_or_default()
    }

    pub(super) fn workers_on(&self, device: Device) -> usize {
        self.workers.unwrap_or(match device {
            // Two sessions with one thread answer 21 images/s; one session with two threads answers 20 (ViT-B/32).
            Device::Cpu => (num_cpus::get() / self.threads_per_worker.max(1)).max(1),
            Device::Cuda(_) => 1,
        })
    }
}
