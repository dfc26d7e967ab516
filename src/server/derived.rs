//! Converts the settings to those of the server's parts.

use std::time::Duration;

use crate::config::ServeSettings;
use crate::engine::{BatchPolicy, EngineSettings};
use crate::images_by_url::{FetchRules, HostList, Networks};
use crate::preprocess::{ImageOptions, Limits, ValueBits};
use crate::runtime::{CudaSettings, Device};

const MIB: usize = 1 << 20;

/// Maximum bytes of bodies in memory, in units of the largest body: a few requests of the worst kind.
const BODIES_IN_FLIGHT: usize = 4;

impl ServeSettings {
    /// The settings of the engine.
    ///
    /// # Errors
    /// A sentence about devices that cannot be combined.
    pub fn engine(&self) -> Result<EngineSettings, String> {
        let cards = self.devices.iter().filter(|device| **device != Device::Cpu);
        if ![0, self.devices.len()].contains(&cards.count()) || self.devices.is_empty() {
            return Err("--devices: give cpu or only GPUs; a model runs on one kind".to_owned());
        }
        let usual = BatchPolicy::of(self.devices[0]);
        Ok(EngineSettings {
            devices: self.devices.clone(),
            workers: self.workers.map(usize::from),
            threads_per_worker: self.threads_per_worker.into(),
            wide_threads: self.wide_threads(),
            cuda: CudaSettings {
                memory_limit: self.cuda_memory_mib as usize * MIB,
                tf32: self.cuda_tf32,
            },
            queue_capacity: self.queue as usize,
            batching: BatchPolicy {
                images: self.max_batch_images.map_or(usual.images, usize::from),
                texts: self.max_batch_texts.map_or(usual.texts, usize::from),
                bulk_time: Duration::from_millis(self.bulk_batch_milliseconds.into()),
                wait: self
                    .batch_wait_microseconds
                    .map_or(usual.wait, |wait| Duration::from_micros(wait.into())),
                buckets: self.batch_buckets.unwrap_or(usual.buckets),
            },
            image_limits: Limits {
                max_bytes: usize::from(self.max_image_mib) * MIB,
                max_pixels: u64::from(self.max_image_megapixels) * 1_000_000,
                ..Limits::default()
            },
            image_options: ImageOptions {
                value_bits: self.value_bits.and_then(|bits| ValueBits::new(bits.into())),
                exif_orientation: self.exif_orientation,
                alpha: Some(self.alpha),
            },
            text_cache_bytes: u64::from(self.text_cache_mib) << 20,
            image_cache_bytes: u64::from(self.image_cache_mib) << 20,
            ..EngineSettings::default()
        })
    }

    /// The settings for fetching images by URL from these hosts and networks.
    pub fn image_url_rules(&self, hosts: HostList, networks: Networks) -> FetchRules {
        FetchRules {
            hosts,
            networks,
            time: Duration::from_secs(self.image_url_seconds.into()),
            max_bytes: usize::from(self.max_image_mib) * MIB,
            at_a_time: self.image_url_fetches.into(),
        }
    }

    /// Threads of the sessions for a batch that is alone. Whoever sets the workers or their threads has divided the cores
    /// already.
    fn wide_threads(&self) -> usize {
        let divided = self.workers.is_some() || self.threads_per_worker > 1;
        let usual = if divided { 1 } else { num_cpus::get() };
        self.wide_threads.map_or(usual, usize::from)
    }

    /// Number of threads of the pool that decodes and tokenises.
    pub fn prepare_threads(&self) -> usize {
        self.prepare_threads.map_or_else(num_cpus::get, usize::from)
    }

    /// Maximum body in bytes.
    pub fn max_body_bytes(&self) -> usize {
        usize::from(self.max_body_mib) * MIB
    }

    /// Maximum bytes of bodies in memory at the same time.
    pub fn bytes_in_flight(&self) -> usize {
        BODIES_IN_FLIGHT * self.max_body_bytes()
    }

    /// Maximum time of a request.
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds.into())
    }

    /// Maximum time until the head of a request arrives.
    pub fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds.into())
    }

    /// Between two searches for old images of lines.
    pub fn retention_time(&self) -> Duration {
        Duration::from_secs(self.retention_check_seconds.into())
    }

    /// How long a stopping server reports "not ready" before it closes anything.
    pub fn unready_time(&self) -> Duration {
        Duration::from_secs(self.unready_seconds.into())
    }

    /// Maximum time of a stop, from the moment at which it closes idle connections.
    pub fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }
}
