//! A member's disk has room for so many more bytes, and then none: the write that does not fit is cut short. Started again when there is
//! room.
use super::kind::{Fault, Who, one};

const ROOM_MAX: u64 = 100_000;

pub(super) const FAULT: Fault = Fault {
    name: "fill",
    says: "a member's disk has room for AMOUNT more bytes; at the end there is room again",
    rate: 300,
    lasts: (500, 25_000),
    most: ROOM_MAX,
    sets: true,
    draw: |random, size| Some((vec![Who::Member(one(random, size.members))], random.between(1, ROOM_MAX))),
    begin: |site, step| {
        let room = usize::try_from(step.amount).unwrap_or(usize::MAX);
        step.nodes().filter_map(|node| site.device(node)).for_each(|device| device.set_room(Some(room)));
    },
    undo: |site, step| {
        for node in step.nodes() {
            if let Some(device) = site.device(node) {
                device.set_room(None);
            }
            site.revive(node);
        }
    },
};
