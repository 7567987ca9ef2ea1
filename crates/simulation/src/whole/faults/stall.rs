//! A member's disk answers nothing until the end of the step.
use super::kind::{Fault, a_member};

pub(super) const FAULT: Fault = Fault {
    name: "stall",
    says: "a member's writes and syncs take until the end",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: true,
    draw: a_member,
    begin: |site, step| {
        let until = site.world().time() + step.lasts * 1_000_000;
        step.nodes().filter_map(|node| site.device(node)).for_each(|device| device.stall(until));
    },
    undo: |_, _| {},
};
