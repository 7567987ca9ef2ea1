//! One run as data: everything that a seed decides, printed with a failure and fed back for a replay. It runs nothing.
use crate::faults::{self, Plan};
use crate::stream::Stream;
use crate::workload::Workload;
use crate::world::Order;
use serde::{Deserialize, Serialize};

/// A fault planted on purpose, to see that the invariants see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planted {
    /// The disks promise nothing, and say they do: what a member does that acknowledges before it has synced.
    LyingDisks,
    /// Reads are answered from the member's own view, without asking a majority.
    LocalReads,
}

/// Everything about one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    pub seed: u64,
    pub order: Order,
    pub members: u16,
    /// For each member: start of its monotonic clock (ns), drift (millionths), how far its wall clock is off (ms).
    pub clocks: Vec<(u64, i32, i64)>,
    /// Nanoseconds that a message takes on average.
    pub network_mean: u64,
    /// Nanoseconds that a write or sync takes on average.
    pub disk_mean: u64,
    /// Bytes after which a segment of the log is closed.
    pub segment_bytes: u64,
    /// The first member keeps its log within about so many bytes; the others keep everything, and so can be compared with.
    #[serde(default)]
    pub keep_bytes: Option<u64>,
    pub workload: Workload,
    /// Milliseconds over which faults begin.
    pub span: u64,
    pub plan: Plan,
    pub planted: Option<Planted>,
}

impl Scenario {
    /// What this seed decides for three members.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::draw_for(seed, 3)
    }

    /// What this seed decides for so many members.
    #[must_use]
    pub fn draw_for(seed: u64, members: u16) -> Self {
        let mut random = Stream::new(seed, "scenario");
        let drifts = random.chance(500);
        let clocks = (0..members)
            .map(|_| {
                let drift = i32::try_from(random.below(2_000)).unwrap_or(0) - 1_000;
                let off = i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000;
                (random.below(1 << 50), if drifts { drift } else { 0 }, if drifts { off } else { 0 })
            })
            .collect();
        let workload = Workload {
            clients: u16::try_from(random.between(2, 5)).unwrap_or(2),
            calls_each: u32::try_from(random.between(15, 50)).unwrap_or(15),
            keys: u32::try_from(random.between(2, 10)).unwrap_or(2),
            watchers: u16::try_from(random.between(1, 3)).unwrap_or(1),
            pause_micros: *random.pick(&[1_000, 20_000, 200_000, 500_000]),
        };
        let span = random.between(5_000, 15_000);
        Self {
            seed,
            order: *random.pick(&[Order::Fifo, Order::Random]),
            members,
            clocks,
            network_mean: *random.pick(&[100_000, 500_000, 2_000_000, 10_000_000]),
            disk_mean: *random.pick(&[50_000, 500_000, 5_000_000]),
            segment_bytes: *random.pick(&[4 << 10, 32 << 10, 1 << 20]),
            keep_bytes: None,
            workload,
            span,
            plan: faults::draw(&mut Stream::new(seed, "plan"), members, span),
            planted: None,
        }
    }
}
