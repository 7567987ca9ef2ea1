//! A member's machine is lost for good, with its disk, and another takes its place with an id of its own, as `rutter member replace` has it.
//! Once a run: what two lost disks took may have been acknowledged by these two alone.
use super::kind::{Fault, MEMBERS_MIN, a_member};

pub(super) const FAULT: Fault = Fault {
    name: "replace",
    says: "a member's machine is lost with its disk; at the end another takes its place (once a run)",
    rate: 300,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| if size.members < MEMBERS_MIN { None } else { a_member(random, size) },
    begin: |site, step| step.nodes().for_each(|node| site.lose(node)),
    undo: |site, step| step.nodes().for_each(|node| site.place(node)),
};
