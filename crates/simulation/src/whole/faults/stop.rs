//! The process of a member or an agent dies and is started again at the end. What it wrote stays with the system; containers run on.
use super::kind::{Fault, anybody};

pub(super) const FAULT: Fault = Fault {
    name: "stop",
    says: "a process dies (kill -9) and is started again at the end; its machine and its containers go on",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| Some((vec![anybody(random, size)], 0)),
    begin: |site, step| step.nodes().for_each(|node| site.down(node, false)),
    undo: |site, step| step.nodes().for_each(|node| site.up(node)),
};
