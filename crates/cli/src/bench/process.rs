//! What processes cost: CPU time and resident memory, read from /proc. Linux only.
use std::fs;
use std::path::PathBuf;

/// Counts the CPU time of processes from now on.
pub(crate) struct Meter {
    pids: Vec<u32>,
    before: u64,
}

impl Meter {
    pub(crate) fn start(pids: &[u32]) -> Self {
        Self { pids: pids.to_vec(), before: cpu_us(pids) }
    }

    /// Microseconds since the start; `None` if no process is known. A process that ended meanwhile takes its time with it.
    pub(crate) fn used_us(&self) -> Option<u64> {
        (!self.pids.is_empty()).then(|| cpu_us(&self.pids).saturating_sub(self.before))
    }
}

/// CPU time in microseconds that these processes have used so far, all threads, user and system.
fn cpu_us(pids: &[u32]) -> u64 {
    pids.iter().map(|pid| cpu_of(*pid)).sum()
}

fn cpu_of(pid: u32) -> u64 {
    // The scheduler's own account of each thread, in nanoseconds; threads that ended are in the process's ticks only.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let exact: u64 = tasks.filter_map(|task| first_number(task.path().join("schedstat"))).sum();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    (exact / 1_000).max(ticks * MICROS_PER_TICK)
}

/// USER_HZ is 100 on every Linux that Rust runs on.
const MICROS_PER_TICK: u64 = 10_000;

fn first_number(path: PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Bytes that the process has caused to be written to disk.
pub(crate) fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_something() {
        let own = [std::process::id()];
        let mut sum = 0_u64;
        while super::cpu_us(&own) == 0 {
            sum = sum.wrapping_add(1);
        }
        assert!(super::resident(own[0]) > 100_000);
        assert!(super::Meter::start(&own).used_us().is_some() && super::Meter::start(&[]).used_us().is_none());
    }
}
