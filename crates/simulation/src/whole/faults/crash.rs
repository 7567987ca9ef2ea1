//! The machine of a member loses power: what was not synced is lost, kept in part, or torn.
use super::kind::{Fault, a_member};

pub(super) const FAULT: Fault = Fault {
    name: "crash",
    says: "a member's machine loses power: unsynced writes are lost, kept in part or torn",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: a_member,
    begin: |site, step| step.nodes().for_each(|node| site.down(node, true)),
    undo: |site, step| step.nodes().for_each(|node| site.up(node)),
};
