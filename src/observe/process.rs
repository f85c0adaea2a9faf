//! What the kernel knows of this process, from `/proc`. Where there is none, figures are 0.

use std::fs;

/// `/proc/self/stat` counts time in these, a hundredth of a second on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory in bytes.
pub fn resident() -> usize {
    kilobytes("/proc/self/status", "VmRSS:") * 1024
}

/// The part of `resident` that the process has filled itself, in bytes: without pages of its program file, which
/// come with use and which the kernel may drop. Before Linux 4.5: all.
pub fn anonymous() -> usize {
    match kilobytes("/proc/self/status", "RssAnon:") * 1024 {
        0 => resident(),
        bytes => bytes,
    }
}

/// The machine's memory in bytes.
pub fn total_memory() -> usize {
    kilobytes("/proc/meminfo", "MemTotal:") * 1024
}

fn kilobytes(path: &str, field: &str) -> usize {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub user: f64,
    pub system: f64,
}

/// Of the process with all its threads.
pub fn cpu() -> CpuTime {
    cpu_of("/proc/self/stat")
}

/// Of the main thread alone.
pub fn cpu_of_main_thread() -> CpuTime {
    let id = std::process::id();
    cpu_of(&format!("/proc/self/task/{id}/stat"))
}

fn cpu_of(path: &str) -> CpuTime {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The name in brackets may hold blanks; behind it user and system time are fields 12 and 13.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|ticks| ticks.parse::<f64>().ok());
    CpuTime {
        user: ticks(11).unwrap_or(0.0) / TICKS_PER_SECOND,
        system: ticks(12).unwrap_or(0.0) / TICKS_PER_SECOND,
    }
}

/// As `uname -srm` says: `Linux 6.1.0 x86_64`.
pub fn system_name() -> String {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_owned()
    };
    format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_tells_of_us() {
        assert!(super::resident() > 100_000);
        assert!((100_000..=super::resident()).contains(&super::anonymous()));
        assert!(super::total_memory() > super::resident());
        assert!(super::system_name().starts_with("Linux "));
        assert!(super::cpu().user >= 0.0);
    }
}
