//! The way between two processes comes and goes.
use super::cut::pair;
use super::kind::Fault;
use crate::trace::Node;
use std::time::Duration;

const PHASE_MILLIS: (u64, u64) = (50, 2_000);

pub(super) const FAULT: Fault = Fault {
    name: "flap",
    says: "nothing passes between the two, in both directions, for AMOUNT ms, then everything for as long, and so on",
    rate: 250,
    lasts: (500, 25_000),
    most: 60_000,
    sets: false,
    draw: |random, size| Some((pair(random, size)?, random.between(PHASE_MILLIS.0, PHASE_MILLIS.1))),
    begin: |site, step| {
        // One turn at least.
        let (network, phase) = (site.network().clone(), step.amount.clamp(1, (step.lasts / 2).max(1)));
        let Some((one, other)) = step.nodes().zip(step.nodes().skip(1)).next() else { return };
        let (turns, phase) = (step.lasts / (2 * phase), Duration::from_millis(phase));
        site.world().spawn_on(Node::default(), "flap", async move {
            for _ in 0..turns {
                network.cut(one, other);
                network.cut(other, one);
                rt::sleep(phase).await;
                network.mend(one, other);
                network.mend(other, one);
                rt::sleep(phase).await;
            }
        });
    },
    // The last turn has mended it.
    undo: |_, _| (),
};
