//! The cluster falls into two parts that hear nothing of each other: a minority of the members with half of the nodes, and the others.
use super::kind::{AGENTS, Fault, PLACED, Prey, Step, Who, one};
use crate::network::Network;
use crate::trace::Node;
use crate::whole::size::MEMBERS_MAX;

pub(super) const FAULT: Fault = Fault {
    name: "split",
    says: "nothing passes between AMOUNT members, from the named one on and with every odd node, and the others",
    rate: 250,
    lasts: (50, 25_000),
    most: MEMBERS_MAX as u64,
    sets: false,
    draw: |random, size| {
        let minority = size.members.checked_sub(1)? / 2;
        let first = Who::Member(one(random, size.members));
        (minority > 0).then(|| (vec![first], random.between(1, u64::from(minority))))
    },
    begin: |site, step| each(site, step, Network::cut),
    undo: |site, step| each(site, step, Network::mend),
};

fn each(site: &dyn Prey, step: &Step, change: fn(&Network, Node, Node)) {
    let Some(first) = step.nodes().next() else { return };
    let members = u64::try_from(site.members().len()).unwrap_or(1).max(1);
    let apart = |node: Node| {
        if node.0 > AGENTS {
            return node.0 % 2 == 1;
        }
        // Who takes a member's place stands on its side.
        let place = |node: Node| u64::from((node.0 - 1) % PLACED);
        (place(node) + members - place(first)) % members < step.amount
    };
    site.ways(&|one, other| apart(one) != apart(other), change);
}
