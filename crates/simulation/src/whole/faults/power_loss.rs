//! The whole site of the members loses power at one moment.
use super::kind::Fault;

pub(super) const FAULT: Fault = Fault {
    name: "power-loss",
    says: "all members' machines lose power at the same moment",
    rate: 300,
    lasts: (50, 10_000),
    most: 0,
    sets: false,
    draw: |_, _| Some((Vec::new(), 0)),
    begin: |site, _| site.members().into_iter().for_each(|node| site.down(node, true)),
    undo: |site, _| site.members().into_iter().for_each(|node| site.up(node)),
};
