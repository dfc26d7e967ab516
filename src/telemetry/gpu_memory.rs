//! Memory of the GPUs that run models, from NVIDIA's management library (NVML, part of the driver): for the whole GPU,
//! including other processes.

use std::ffi::OsStr;
use std::sync::OnceLock;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use prometheus::{IntGaugeVec, Registry};

use super::registering::gauges;
use crate::runtime::Device;

/// The library's name on Linux.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Two metrics with one series per GPU.
#[derive(Debug)]
pub struct GpuMemory {
    watched: OnceLock<Cards>,
    used: IntGaugeVec,
    total: IntGaugeVec,
}

#[derive(Debug)]
struct Cards {
    library: Nvml,
    indices: Vec<u16>,
}

impl GpuMemory {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            watched: OnceLock::new(),
            used: gauges(
                registry,
                "clip_in_gpu_memory_used_bytes",
                "Used memory of a GPU, by this and all other processes.",
                &["device"],
            )?,
            total: gauges(
                registry,
                "clip_in_gpu_memory_total_bytes",
                "Total memory of a GPU.",
                &["device"],
            )?,
        })
    }

    /// From now on, reads the memory of the GPUs among these devices whenever metrics are requested. Without a driver, a
    /// warning is logged.
    pub fn watch(&self, devices: &[Device]) {
        if let Err(error) = self.watch_by(OsStr::new(LIBRARY), devices) {
            tracing::warn!(%error, "the metrics will not include the memory of the GPUs");
        }
    }

    fn watch_by(&self, library: &OsStr, devices: &[Device]) -> Result<(), NvmlError> {
        let mut indices: Vec<u16> = devices
            .iter()
            .filter_map(|device| match device {
                Device::Cuda(index) => Some(*index),
                Device::Cpu => None,
            })
            .collect();
        indices.dedup();
        if indices.is_empty() {
            return Ok(());
        }
        let library = Nvml::builder().lib_path(library).init()?;
        let cards = Cards { library, indices };
        self.read(&cards)?;
        // Only the first call has an effect: the devices of a process do not change.
        let _ = self.watched.set(cards);
        Ok(())
    }

    /// Updates the metrics, if GPUs are watched.
    pub(super) fn refresh(&self) {
        if let Some(cards) = self.watched.get() {
            // After an error there is no value.
            let _ = self.read(cards);
        }
    }

    /// If a GPU does not answer there are no values, because no value is better than an old one.
    fn read(&self, cards: &Cards) -> Result<(), NvmlError> {
        let mut all = cards.indices.iter();
        let read = all.try_for_each(|index| self.read_card(&cards.library, *index));
        read.inspect_err(|_| {
            self.used.reset();
            self.total.reset();
        })
    }

    fn read_card(&self, library: &Nvml, index: u16) -> Result<(), NvmlError> {
        let memory = library.device_by_index(index.into())?.memory_info()?;
        let label = [Device::Cuda(index).to_string()];
        for (gauge, bytes) in [(&self.used, memory.used), (&self.total, memory.total)] {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            gauge.with_label_values(&label).set(bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// A library with one GPU of 1000 bytes, which uses 10 more at each read and is gone after the third.
    const FAKE: &str = "
        struct memory { unsigned version; unsigned long long total, reserved, free, used; };
        static int looks = 0;
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) { *card = &looks; return index == 1 ? 0 : 2; }
        int nvmlDeviceGetMemoryInfo_v2(void *card, struct memory *memory) {
            if (++looks > 3) return 15;
            memory->total = 1000; memory->used = 10 * looks;
            return 0;
        }";

    fn fake(folder: &Path) -> std::path::PathBuf {
        let (source, library) = (folder.join("fake.c"), folder.join("libfake.so"));
        std::fs::write(&source, FAKE).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status()
            .unwrap();
        assert!(compiled.success());
        library
    }

    #[test]
    fn the_memory_of_a_gpu_is_read_each_time_until_it_disappears() {
        let folder = tempfile::tempdir().unwrap();
        let library = fake(folder.path());
        let registry = Registry::new();
        let memory = GpuMemory::new(&registry).unwrap();
        let watch = |devices: &[Device]| memory.watch_by(library.as_os_str(), devices);
        let seen = || {
            memory.refresh();
            let found = registry.gather();
            let values = found.iter().flat_map(|family| {
                let series = family.get_metric().iter();
                series.map(|one| (family.name().to_owned(), one.get_gauge().get_value()))
            });
            values.collect::<Vec<_>>()
        };
        watch(&[Device::Cpu]).unwrap();
        assert!(watch(&[Device::Cuda(0)]).is_err(), "there is no GPU 0");
        // The first one exists, and must not keep its value from this read.
        assert!(watch(&[Device::Cuda(1), Device::Cuda(0)]).is_err());
        assert_eq!(seen(), []);
        watch(&[Device::Cuda(1)]).unwrap();
        for used in [20.0, 30.0] {
            let total = ("clip_in_gpu_memory_total_bytes".to_owned(), 1000.0);
            let used = ("clip_in_gpu_memory_used_bytes".to_owned(), used);
            assert_eq!(seen(), [total, used]);
        }
        assert_eq!(seen(), []);
    }

    #[test]
    fn without_a_driver_there_is_an_error() {
        let memory = GpuMemory::new(&Registry::new()).unwrap();
        let missing = OsStr::new("libnvidia-ml-that-is-not-there.so");
        assert!(memory.watch_by(missing, &[Device::Cuda(0)]).is_err());
    }
}
