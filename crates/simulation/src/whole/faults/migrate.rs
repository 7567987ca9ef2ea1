//! A worker's machine gets another address, and another one at the end. QUIC carries its sessions over; the twin of sessions knows no addresses
//! of those who dial.
use super::kind::{Fault, an_agent};

pub(super) const FAULT: Fault = Fault {
    name: "migrate",
    says: "a node's machine gets another address, and another one at the end; what goes to the old one is lost",
    rate: 250,
    lasts: (50, 20_000),
    most: 0,
    sets: false,
    draw: an_agent,
    begin: |site, step| step.nodes().for_each(|node| site.migrate(node)),
    undo: |site, step| step.nodes().for_each(|node| site.migrate(node)),
};
