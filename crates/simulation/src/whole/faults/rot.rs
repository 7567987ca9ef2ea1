//! Bits of what lies on a member's disk turn by themselves. At the end its process is started anew, so that somebody looks: what is found
//! damaged is replaced, as an operator has to; what nobody reads stays as it is.
use super::kind::{Fault, MEMBERS_MIN, Who, one};

const BITS_MAX: u64 = 8;

pub(super) const FAULT: Fault = Fault {
    name: "rot",
    says: "AMOUNT bits of a member's disk turn; started anew at the end, and replaced once it finds damage (one member a run)",
    rate: 100,
    lasts: (50, 25_000),
    most: BITS_MAX,
    sets: false,
    draw: |random, size| {
        let member = Who::Member(one(random, size.members));
        (size.members >= MEMBERS_MIN).then(|| (vec![member], random.between(1, BITS_MAX)))
    },
    begin: |site, step| {
        for node in step.nodes().filter(|node| site.doubt(*node)) {
            let Some(device) = site.device(node) else { continue };
            // An empty disk has nothing to lose.
            let _ = (0..step.amount).map(|_| device.flip()).filter(|turned| *turned).count();
        }
    },
    undo: |site, step| {
        for node in step.nodes().filter(|node| site.doubt(*node)) {
            site.down(node, false);
            site.up(node);
        }
    },
};
