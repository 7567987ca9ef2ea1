//! Nothing passes between one process and all the others.
use super::kind::{Fault, Prey, Step, anybody};
use crate::network::Network;

pub(super) const FAULT: Fault = Fault {
    name: "isolate",
    says: "nothing passes between a process and all others",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| Some((vec![anybody(random, size)], 0)),
    begin: |site, step| each(site, step, Network::cut),
    undo: |site, step| each(site, step, Network::mend),
};

fn each(site: &dyn Prey, step: &Step, change: fn(&Network, crate::trace::Node, crate::trace::Node)) {
    for who in step.nodes() {
        site.ways(&|one, other| one == who || other == who, change);
    }
}
