//! How models are run.

use super::batching::BatchPolicy;
use crate::preprocess::{ImageOptions, Limits};
use crate::runtime::{CudaSettings, Device};

/// How a model is run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The devices that run it, all of one kind.
    pub devices: Vec<Device>,
    /// Worker threads on each device, each with sessions of its own; by default one for each core on the CPU (each runs on one
    /// thread), and one for each card.
    pub workers: Option<usize>,
    /// Threads inside one session on the CPU.
    pub threads_per_worker: usize,
    /// Settings of CUDA sessions.
    pub cuda: CudaSettings,
    /// Items that may wait in each lane.
    pub queue_capacity: usize,
    /// How batches are formed.
    pub batching: BatchPolicy,
    /// What an image may be.
    pub image_limits: Limits,
    /// How images are read, where a request leaves it open.
    pub image_options: ImageOptions,
    /// Longest text in bytes.
    pub max_text_bytes: usize,
    /// Bytes that the cache of text embeddings may hold; 0 switches it off.
    pub text_cache_bytes: u64,
    /// Bytes that the cache of image embeddings may hold; 0 switches it off.
    pub image_cache_bytes: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            devices: vec![Device::Cpu],
            workers: None,
            threads_per_worker: 1,
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
    /// The first device, which decides what kind they are.
    pub(super) fn device(&self) -> Device {
        self.devices.first().copied().unwrap_or_default()
    }

    pub(super) fn workers_on(&self, device: Device) -> usize {
        self.workers.unwrap_or(match device {
            // Two sessions of one thread answer 21 images/s where one session of two threads answers 20 (ViT-B/32).
            Device::Cpu => (num_cpus::get() / self.threads_per_worker.max(1)).max(1),
            Device::Cuda(_) => 1,
        })
    }
}
