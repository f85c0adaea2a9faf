//! What the machine, or the container around us, offers: memory and CPUs.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

const MIB: u64 = 1024 * 1024;

/// Half of the memory we may use, in whole MiB; 512 MiB where nobody says how much that is.
pub(super) fn half_of_memory() -> u64 {
    let half = allowed_memory().unwrap_or(1024 * MIB) / 2;
    (half / MIB * MIB).max(MIB)
}

/// CPUs we may use; heeds affinity and cgroup quotas.
pub(super) fn cpus() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The machine's memory or the tightest limit of the cgroups that we are in, whichever is less.
fn allowed_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of_meminfo(&text));
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&cgroups)
        .into_iter()
        // "max" (v2) is no number; v1's "no limit" is one beyond any machine's memory.
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    machine.into_iter().chain(limits).min()
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Where the limits are that apply to us: each cgroup's own, and those of all above it. A container
/// may name a path that it cannot see; the mount's root, which is last, is then its own.
fn limit_files(proc_self_cgroup: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in proc_self_cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|above| Path::new(mount).join(above).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_from_meminfo() {
        let text = "MemTotal:       16305416 kB\nMemFree:         1234 kB\n";
        assert_eq!(total_of_meminfo(text), Some(16_305_416 * 1024));
        assert_eq!(total_of_meminfo("nothing of the kind"), None);
    }

    #[test]
    fn limits_of_all_cgroups_above_count() {
        let paths = |text| {
            let files = limit_files(text);
            files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            paths("0::/system.slice/magpie.service\n"),
            [
                "/sys/fs/cgroup/system.slice/magpie.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(
            paths("5:cpu,cpuacct:/\n4:memory:/docker/1f\n"),
            [
                "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
        assert!(paths("junk").is_empty());
    }

    #[test]
    fn the_default_is_some_memory() {
        assert!(half_of_memory() >= MIB);
        assert!(cpus() >= 1);
    }
}
