//! Nothing passes between anybody; afterwards everybody comes back at the same moment, all agents to whoever leads then.
use super::kind::Fault;
use crate::network::Network;

pub(super) const FAULT: Fault = Fault {
    name: "blackout",
    says: "nothing passes between any two processes; at the end all connect anew at once",
    rate: 150,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |_, _| Some((Vec::new(), 0)),
    begin: |site, _| site.ways(&|_, _| true, Network::cut),
    undo: |site, _| site.ways(&|_, _| true, Network::mend),
};
