//! Machines that are network namespaces, each with an address on one bridge, and rules that cut them off from each other. Nothing here
//! touches the machine's own network, and nothing has a name that another test could have.
#[path = "../../../node/tests/lab/place.rs"]
mod place;

use place::{Place, able, must};
use std::collections::BTreeMap;

const NETWORK: &str = "10.201.0";

pub(crate) struct Ground {
    /// Holds the bridge.
    _switch: Place,
    hosts: BTreeMap<&'static str, (Place, String)>,
}

impl Ground {
    /// A host a name; `None`, and a word why, where this machine cannot have them.
    pub(crate) fn open(names: &[&'static str]) -> Option<Self> {
        if !able() {
            return None;
        }
        let switch = Place::new();
        switch.run(|| {
            must("ip link set lo up");
            must("ip link add lan type bridge");
            must("ip link set lan up");
        });
        let mut hosts = BTreeMap::new();
        for (number, name) in (11..).zip(names) {
            let (place, address) = (Place::new(), format!("{NETWORK}.{number}"));
            switch.run(|| {
                must(&format!("ip link add {name} type veth peer name eth0 netns {}", place.path()));
                must(&format!("ip link set {name} master lan up"));
            });
            place.run(|| {
                must("ip link set lo up");
                must(&format!("ip address add {address}/24 dev eth0"));
                must("ip link set eth0 up");
                must("nft add table inet cuts");
                must("nft add chain inet cuts in { type filter hook input priority 0 ; }");
            });
            hosts.insert(*name, (place, address));
        }
        Some(Self { _switch: switch, hosts })
    }

    pub(crate) fn address(&self, name: &str) -> &str {
        &self.hosts[name].1
    }

    /// Does it on that host; processes that it starts stay there.
    pub(crate) fn run<T: Send>(&self, name: &str, body: impl FnOnce() -> T + Send) -> T {
        self.hosts[name].0.run(body)
    }

    /// Nothing passes from the first to the second any more; the other direction works.
    pub(crate) fn cut(&self, from: &str, to: &str) {
        let rule = format!("nft add rule inet cuts in ip saddr {} counter drop", self.address(from));
        self.run(to, || must(&rule));
    }

    /// Nothing passes between one and each of the others.
    pub(crate) fn isolate(&self, name: &str, others: &[&str]) {
        for other in others.iter().filter(|other| **other != name) {
            self.cut(name, other);
            self.cut(other, name);
        }
    }

    /// Takes all cuts away; how many packets they have stopped.
    pub(crate) fn heal(&self) -> u64 {
        self.hosts.keys().map(|name| self.run(name, heal)).sum()
    }
}

fn heal() -> u64 {
    let listed = std::process::Command::new("nft").args(["list", "chain", "inet", "cuts", "in"]).output();
    let listed = String::from_utf8_lossy(&listed.expect("nft runs").stdout).into_owned();
    must("nft flush chain inet cuts in");
    let mut words = listed.split_whitespace();
    let mut stopped = 0;
    while words.by_ref().any(|word| word == "packets") {
        stopped += words.next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    }
    stopped
}
