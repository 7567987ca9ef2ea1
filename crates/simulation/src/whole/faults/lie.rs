//! A member's disk answers syncs and does nothing, until its machine loses power. What a member promised on such a disk (votes, entries) is
//! gone, and it need not notice. Raft promises nothing then: so whoever lost power on a disk that lied is replaced, as an operator must.
use super::kind::{Fault, MEMBERS_MIN, Prey, Step, a_member};
use crate::trace::Node;

pub(super) const FAULT: Fault = Fault {
    name: "lie",
    says: "a member's disk answers syncs and does nothing; at the end its power goes, and another takes its place (one member a run)",
    rate: 100,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| if size.members < MEMBERS_MIN { None } else { a_member(random, size) },
    begin,
    undo: |site, step| {
        for node in lied(site, step) {
            site.lose(node);
            site.place(node);
        }
    },
};

/// As `lie`, but whoever operates it starts the member again on what is left. Drawn by no seed: acknowledged writes are lost by it, and
/// `tests/disks.rs` shows that this is seen.
pub const TRUSTED: Fault = Fault {
    name: "trusted-lie",
    says: "as `lie`, and the member goes on from what is left",
    rate: 0,
    begin,
    undo: |site, step| {
        for node in lied(site, step) {
            site.down(node, true);
            if let Some(device) = site.device(node) {
                device.forgive();
            }
            site.up(node);
        }
    },
    ..FAULT
};

fn begin(site: &dyn Prey, step: &Step) {
    let doubtful = step.nodes().filter(|node| site.doubt(*node));
    doubtful.filter_map(|node| site.device(node)).for_each(|device| device.lie(true));
}

/// Whose disk lied and is not replaced yet. It keeps its word from here on; what it was told until now it lets go of with the power.
fn lied(site: &dyn Prey, step: &Step) -> Vec<Node> {
    step.nodes().filter(|node| site.doubt(*node)).collect()
}
