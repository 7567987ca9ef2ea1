//! What a seed decides, where the sheet of a scenario file leaves it open. A new thing to be drawn has a stream of its own, or comes last:
//! what old seeds draw does not change then.
use super::faults;
use super::scenario::{Carrier, Crew, Scenario};
use super::sheet::Sheet;
use super::size::{NODE_CORES, Size};
use super::workload;
use crate::machine::Temper;
use crate::stream::Stream;
use crate::world::Order;

/// Of a thousand seeds: in how many QUIC carries the sessions. It costs a few times as much as its twin.
const QUIC: u64 = 100;

impl Scenario {
    /// What this seed decides where nothing but the size is fixed.
    #[must_use]
    pub fn draw(seed: u64, size: Size) -> Self {
        Self::drawn(seed, &Sheet::of(size))
    }

    /// What this seed decides of what the sheet leaves open.
    #[must_use]
    pub fn drawn(seed: u64, sheet: &Sheet) -> Self {
        let size = sheet.size;
        let mut random = Stream::new(seed, "whole");
        let drawn = Self {
            seed,
            size,
            clocks: clocks(&mut random, size),
            temper: temper(&mut random),
            order: *random.pick(&[Order::Fifo, Order::Random]),
            carrier: if Stream::new(seed, "whole sessions").chance(QUIC) { Carrier::Quic } else { Carrier::Twin },
            network_micros: *random.pick(&[200, 1_000, 5_000]),
            disk_micros: *random.pick(&[100, 1_000]),
            pause: *random.pick(&[100, 500, 2_000]),
            // All that clients can leave behind must fit, or there is no rest to come to.
            pod_millis: (u64::from(size.nodes) * *random.pick(&[4, 40, 60])).min(NODE_CORES * 1_000 / 2),
            segment_bytes: *random.pick(&[16 << 10, 256 << 10]),
            keep_bytes: *random.pick(&[None, None, Some(64 << 10)]),
            ring_events: *random.pick(&[store::limits::RING_EVENTS_MAX, 64]),
            checkpoint_entries: *Stream::new(seed, "whole checkpoints").pick(&[100, 1_000, 20_000]),
            crews: crews(&mut Stream::new(seed, "whole crews")),
            from: None,
            expected: Vec::new(),
            plan: faults::draw(&mut Stream::new(seed, "whole plan"), size, &sheet.faults),
        };
        sheet.over(drawn)
    }
}

fn clocks(random: &mut Stream, size: Size) -> Vec<(i32, i64)> {
    let drifts = random.chance(500);
    let mut one = |_| {
        let drift = i32::try_from(random.below(1_000)).unwrap_or(0) - 500;
        let off = i64::try_from(random.below(2_000)).unwrap_or(0) - 1_000;
        if drifts { (drift, off) } else { (0, 0) }
    };
    (0..size.members + size.nodes).map(&mut one).collect()
}

fn temper(random: &mut Stream) -> Temper {
    let troubled = random.chance(600);
    Temper {
        pull_millis: *random.pick(&[50, 500, 4_000]),
        work_millis: *random.pick(&[5, 50, 300]),
        failing: if troubled { random.between(1, 80) } else { 0 },
        crashing: if troubled { random.between(1, 200) } else { 0 },
    }
}

/// Somebody always rolls out; of the other kinds of work each seed has some.
fn crews(random: &mut Stream) -> Vec<Crew> {
    let one = |random: &mut Stream, work: &workload::Work| {
        let count = u16::try_from(random.between(1, u64::from(work.most))).unwrap_or(1);
        (work.name == workload::ALWAYS || random.chance(250)).then(|| Crew { work: work.name.to_owned(), count })
    };
    workload::ALL.iter().filter_map(|work| one(random, work)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read_as_it_is_printed() {
        for seed in 0..50 {
            let scenario = Scenario::draw(seed, Size::default());
            let sheet = Sheet::read(&scenario.to_string()).expect("a printed scenario can be read");
            assert_eq!(Scenario::drawn(seed, &sheet), scenario, "{scenario}");
            assert_eq!(Scenario::drawn(seed + 1, &sheet), Scenario { seed: seed + 1, ..scenario });
        }
    }
}
