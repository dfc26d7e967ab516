//! The batching policy: sizes of batches, waiting times, and the shapes that a device gets.

use std::time::Duration;

use super::job::Modality;
use crate::bundle::Variant;
use crate::runtime::Device;

/// The batching policy of one model.
#[derive(Debug, Clone, Copy)]
pub struct BatchPolicy {
    /// Most images in a batch.
    pub images: usize,
    /// Most texts in a batch.
    pub texts: usize,
    /// Maximum time of a bulk batch, for which an interactive item may have to wait.
    pub bulk_time: Duration,
    /// How long the first item of a batch waits for others. Zero on a CPU, where a batch of 8 images costs 8 % less per
    /// image but has eight times the latency; a GPU is idle most of the time with a batch of one.
    pub wait: Duration,
    /// Pad batches (and texts) to a power of two, so that the device gets few different shapes: for each new one a GPU
    /// searches for kernels and allocates memory.
    pub buckets: bool,
}

/// The defaults, by device.
impl BatchPolicy {
    /// Immediate small batches on a CPU; large ones, a short wait and buckets on a GPU.
    pub fn of(device: Device) -> Self {
        let bulk_time = Duration::from_millis(150);
        match device {
            Device::Cpu => Self {
                images: 8,
                texts: 32,
                bulk_time,
                wait: Duration::ZERO,
                buckets: false,
            },
            Device::Cuda(_) => Self {
                images: 64,
                texts: 256,
                bulk_time,
                wait: Duration::from_millis(2),
                buckets: true,
            },
        }
    }

    /// The policy as restricted by a variant: an item's embedding must not depend on other items.
    pub fn for_variant(self, variant: &Variant) -> Self {
        if variant.batch_dependent {
            Self {
                images: 1,
                texts: 1,
                wait: Duration::ZERO,
                ..self
            }
        } else {
            self
        }
    }

    /// Maximum number of items of a modality in a batch.
    pub fn most(&self, modality: Modality) -> usize {
        match modality {
            Modality::Image => self.images,
            Modality::Text => self.texts,
        }
    }

    /// Number of rows of the tensor for a batch of `items`.
    pub fn rows(&self, modality: Modality, items: usize) -> usize {
        if self.buckets {
            items
                .next_power_of_two()
                .min(self.most(modality))
                .max(items)
        } else {
            items
        }
    }

    /// Length to which texts of at most `longest` tokens are padded.
    pub fn length(&self, longest: usize) -> usize {
        if self.buckets {
            longest.next_power_of_two().max(SHORTEST)
        } else {
            longest
        }
    }

    /// Every result of [`Self::rows`], the largest first; empty without buckets.
    pub fn row_buckets(&self, modality: Modality) -> Vec<usize> {
        powers(1, self.most(modality), self.buckets)
    }

    /// Every result of [`Self::length`] for a context, the longest first; empty without buckets.
    pub fn length_buckets(&self, context: usize) -> Vec<usize> {
        powers(SHORTEST.min(context), context, self.buckets)
    }
}

/// Minimum padded length of texts: a label with its start and end token.
const SHORTEST: usize = 8;

fn powers(least: usize, most: usize, wanted: bool) -> Vec<usize> {
    if !wanted {
        return Vec::new();
    }
    let mut sizes = vec![most];
    let mut size = most.next_power_of_two() / 2;
    while size >= least.max(1) {
        sizes.push(size);
        size /= 2;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_has_the_shape_of_a_warm_bucket() {
        for most in [1, 7, 8, 48, 64] {
            let policy = BatchPolicy {
                images: most,
                ..BatchPolicy::of(Device::Cuda(0))
            };
            let buckets = policy.row_buckets(Modality::Image);
            assert!(buckets.is_sorted_by(|a, b| a > b));
            for items in 1..=most {
                let rows = policy.rows(Modality::Image, items);
                assert!(
                    rows >= items && buckets.contains(&rows),
                    "{items} of {most}"
                );
            }
        }
        let policy = BatchPolicy::of(Device::Cuda(0));
        let lengths = policy.length_buckets(77);
        for longest in 1..=77 {
            assert!(
                lengths.contains(&policy.length(longest).min(77)),
                "{longest}"
            );
        }
        assert_eq!(lengths, [77, 64, 32, 16, 8]);
    }

    #[test]
    fn a_cpu_does_not_wait_for_full_batches() {
        let policy = BatchPolicy::of(Device::Cpu);
        assert_eq!(policy.rows(Modality::Image, 5), 5);
        assert_eq!(policy.length(9), 9);
        assert!(policy.wait.is_zero() && policy.row_buckets(Modality::Text).is_empty());
    }
}
