//! The memory limit of the process, so that an alert can detect "nearly full" on any machine.

use std::fs::read_to_string;
use std::path::Path;

/// The smallest limit of a control group (version 2) around the process, or the machine's memory; `None` if the system does
/// not report it.
pub fn bytes() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = machine_bytes(&read_to_string("/proc/meminfo").ok()?);
    let limits = of_groups(Path::new("/sys/fs/cgroup"), &groups);
    limits.into_iter().chain(machine).min()
}

/// The smallest limit of a process's control group and its parents. `groups` is the content of `/proc/self/cgroup`.
fn of_groups(root: &Path, groups: &str) -> Option<u64> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| {
        let text = read_to_string(root.join(group).join("memory.max")).ok()?;
        text.trim().parse().ok() // "max": no limit
    };
    Path::new(path).ancestors().filter_map(limit).min()
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_memory_limit_applies() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("pod/server");
        std::fs::create_dir_all(&inner).unwrap();
        let of = |groups| of_groups(root.path(), groups);
        assert_eq!(of("0::/pod/server\n"), None);
        std::fs::write(inner.join("memory.max"), "max\n").unwrap();
        std::fs::write(root.path().join("pod/memory.max"), "4096\n").unwrap();
        assert_eq!(of("4:memory:/old\n0::/pod/server\n"), Some(4096));
        std::fs::write(inner.join("memory.max"), "1024\n").unwrap();
        assert_eq!(of("0::/pod/server\n"), Some(1024));
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of("4:memory:/old\n"), None);
        // A container sees its own group as the root.
        std::fs::write(root.path().join("memory.max"), "2048\n").unwrap();
        assert_eq!(of("0::/\n"), Some(2048));
    }

    #[test]
    fn the_memory_of_the_machine_is_read_from_meminfo() {
        assert_eq!(
            machine_bytes("MemTotal:         2 kB\nMemFree: 1 kB\n"),
            Some(2048)
        );
        assert_eq!(machine_bytes("MemTotal: many\n"), None);
        assert!(bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
