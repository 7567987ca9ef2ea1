//! What this process has used of the machine, as the kernel tells it. In a simulation there is no process to be told of.
use std::fs;

/// USER_HZ: a hundred ticks a second on every Linux that Rust runs on.
const MICROS_PER_TICK: u64 = 10_000;
const TICKS_PER_SECOND: u64 = 100;

/// Of this process, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all threads, user and system.
    pub cpu_micros: u64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub open_files: u64,
    /// Seconds since the Unix epoch.
    pub started: u64,
}

/// What was used so far; `None` in a simulation, and where the kernel does not tell.
#[must_use]
pub fn usage() -> Option<Usage> {
    if crate::seam::simulated() {
        return None;
    }
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())?;
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    Some(Usage { open_files, ..read(&stat, &fs::read_to_string("/proc/self/status").ok()?, boot)? })
}

/// proc(5): `stat` counts its fields from the process's name, which stands in brackets and may hold anything.
fn read(stat: &str, status: &str, boot: u64) -> Option<Usage> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = rest.split_whitespace().map(|text| text.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 3).copied();
    let kibibytes = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    Some(Usage {
        cpu_micros: (field(14)? + field(15)?) * MICROS_PER_TICK,
        resident_bytes: kibibytes("VmRSS:")? * 1024,
        virtual_bytes: field(23)?,
        open_files: 0,
        started: boot + field(22)? / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::{Usage, read, usage};

    #[test]
    fn the_fields_of_proc_are_found() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 12345 1000000 200 1 1 1";
        let found = read(stat, "Name:\tx\nVmRSS:\t     12 kB\n", 1000).expect("a reading");
        let wanted = Usage {
            cpu_micros: 2_000_000,
            resident_bytes: 12_288,
            virtual_bytes: 1_000_000,
            open_files: 0,
            started: 1123,
        };
        assert_eq!(found, wanted);
        assert_eq!(read("7 (a", "", 0), None);
    }

    #[test]
    fn this_process_uses_something() {
        let found = usage().expect("a reading");
        assert!(found.resident_bytes > 100_000 && found.open_files > 0 && found.started > 1_600_000_000, "{found:?}");
    }
}
