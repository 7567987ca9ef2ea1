//! One run of a whole cluster as data: everything that a seed decides, printed with a failure and fed back for a replay.
use crate::machine::Temper;
use crate::stream::Stream;
use crate::whole::faults::{self, Plan};
use crate::whole::size::Size;
use crate::world::Order;
use serde::{Deserialize, Serialize};

/// Everything about one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    pub seed: u64,
    pub size: Size,
    pub order: Order,
    /// For each member, then each node: drift of its clock (millionths), how far its wall clock is off (ms).
    pub clocks: Vec<(i32, i64)>,
    /// Nanoseconds that a packet, and a write or sync, takes on average.
    pub network_mean: u64,
    pub disk_mean: u64,
    pub temper: Temper,
    pub clients: u16,
    /// Milliseconds between two calls of a client, on average.
    pub pause: u64,
    /// Milliseconds of processor time that a pod asks for: what of it fits on a node.
    pub pod_millis: u64,
    pub plan: Plan,
}

impl Scenario {
    /// What this seed decides.
    #[must_use]
    pub fn draw(seed: u64, size: Size) -> Self {
        let mut random = Stream::new(seed, "whole");
        let drifts = random.chance(500);
        let clocks = (0..size.members + size.nodes)
            .map(|_| {
                let drift = i32::try_from(random.below(1_000)).unwrap_or(0) - 500;
                let off = i64::try_from(random.below(2_000)).unwrap_or(0) - 1_000;
                if drifts { (drift, off) } else { (0, 0) }
            })
            .collect();
        let troubled = random.chance(600);
        let temper = Temper {
            pull_millis: *random.pick(&[50, 500, 4_000]),
            work_millis: *random.pick(&[5, 50, 300]),
            failing: if troubled { random.between(1, 80) } else { 0 },
            crashing: if troubled { random.between(1, 200) } else { 0 },
        };
        Self {
            seed,
            size,
            order: *random.pick(&[Order::Fifo, Order::Random]),
            clocks,
            network_mean: *random.pick(&[200_000, 1_000_000, 5_000_000]),
            disk_mean: *random.pick(&[100_000, 1_000_000]),
            temper,
            clients: u16::try_from(random.between(1, 3)).unwrap_or(1),
            pause: *random.pick(&[100, 500, 2_000]),
            // A node has 4,000; all that clients can leave behind must fit, or there is no rest to come to.
            pod_millis: u64::from(size.nodes) * *random.pick(&[4, 40, 80]),
            plan: faults::draw(&mut Stream::new(seed, "whole plan"), size),
        }
    }
}
