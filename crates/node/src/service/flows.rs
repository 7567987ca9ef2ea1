//! Flows of UDP that the kernel still leads where the table does not any more: which they are (pure), and cutting them with
//! `conntrack`. It must never cut TCP: a connection belongs to its two ends until they close it.
use super::table::{Endpoint, Protocol, Server};
use crate::limits::SERVICE_FLOWS_CUT_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

/// How long one run of the tool may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where connections arrive: an address (`None`: any of this machine's) and a port.
type Front = (Option<Ipv4Addr>, u16);

/// What is to be cut, as arguments of `conntrack`.
#[must_use]
pub(super) fn stale(before: &[Server], after: &[Server]) -> Vec<Vec<String>> {
    let (before, after) = (leads(before), leads(after));
    let mut cuts = BTreeSet::new();
    for (front, old) in &before {
        let now = after.get(front);
        for gone in old.iter().filter(|endpoint| !now.is_some_and(|now| now.contains(endpoint))) {
            cuts.insert((*front, Some(gone.ip)));
        }
    }
    // What a client sent before anybody answered here went past the rules, and goes on doing so.
    cuts.extend(after.keys().filter(|front| !before.contains_key(*front)).map(|front| (*front, None)));
    cuts.into_iter().take(SERVICE_FLOWS_CUT_MAX).map(|(front, endpoint)| arguments(front, endpoint)).collect()
}

/// The endpoints behind each front that has any.
fn leads(servers: &[Server]) -> BTreeMap<Front, BTreeSet<Endpoint>> {
    let mut leads: BTreeMap<Front, BTreeSet<Endpoint>> = BTreeMap::new();
    for server in servers.iter().filter(|server| server.protocol == Protocol::Udp && !server.endpoints.is_empty()) {
        let all = server.cluster_addresses.iter().chain(&server.external_addresses).chain(&server.balancer_addresses);
        let fronts = all.map(|ip| (Some(*ip), server.port)).chain(server.node_port.map(|port| (None, port)));
        for front in fronts {
            leads.entry(front).or_default().extend(server.endpoints.iter().chain(&server.local_endpoints));
        }
    }
    leads
}

fn arguments((ip, port): Front, endpoint: Option<Ipv4Addr>) -> Vec<String> {
    let mut words: Vec<String> = ["-D", "-p", "udp"].map(str::to_owned).to_vec();
    words.extend(["--orig-port-dst".into(), port.to_string()]);
    if let Some(ip) = ip {
        words.extend(["--orig-dst".into(), ip.to_string()]);
    }
    if let Some(endpoint) = endpoint {
        words.extend(["--dst-nat".into(), endpoint.to_string()]);
    }
    words
}

/// Cuts them. A flow that cannot be cut ends by itself when it has been silent for a while, so failing is no error.
pub(super) async fn cut(stale: Vec<Vec<String>>) {
    for arguments in stale {
        let mut command = tokio::process::Command::new("conntrack");
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match rt::timeout(PATIENCE, command.status()).await {
            // It ends with 1 where there was nothing to cut.
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                tracing::debug!(%why, "conntrack cannot be run: old UDP flows go on until they are silent");
                return;
            }
            None => tracing::debug!(?arguments, "conntrack did not end in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(protocol: Protocol, endpoints: &[&str]) -> Server {
        let endpoint = |ip: &&str| Endpoint { ip: ip.parse().expect("an address"), port: 5353 };
        Server {
            service: "a/dns".into(),
            port_name: String::new(),
            protocol,
            port: 53,
            cluster_addresses: [Ipv4Addr::new(10, 96, 0, 10)].into(),
            external_addresses: BTreeSet::new(),
            balancer_addresses: BTreeSet::new(),
            node_port: Some(30053),
            sources: None,
            affinity: None,
            inside: Default::default(),
            outside: Default::default(),
            endpoints: endpoints.iter().map(endpoint).collect(),
            local_endpoints: Vec::new(),
        }
    }

    #[test]
    fn flows_to_gone_endpoints_and_flows_older_than_the_rules_are_cut() {
        let words = |before: &[Server], after: &[Server]| -> Vec<String> {
            stale(before, after).into_iter().map(|words| words[3..].join(" ")).collect()
        };
        let (one, two) = (server(Protocol::Udp, &["10.1.0.1"]), server(Protocol::Udp, &["10.1.0.1", "10.1.0.2"]));
        assert_eq!(words(&[], &[]), [""; 0]);
        let fresh = ["--orig-port-dst 30053", "--orig-port-dst 53 --orig-dst 10.96.0.10"];
        assert_eq!(words(&[], std::slice::from_ref(&one)), fresh);
        assert_eq!(words(&[server(Protocol::Udp, &[])], std::slice::from_ref(&one)), fresh);
        assert_eq!(words(std::slice::from_ref(&one), std::slice::from_ref(&two)), [""; 0]);
        let gone =
            ["--orig-port-dst 30053 --dst-nat 10.1.0.2", "--orig-port-dst 53 --orig-dst 10.96.0.10 --dst-nat 10.1.0.2"];
        assert_eq!(words(&[two], &[one]), gone);
        assert_eq!(words(&[server(Protocol::Tcp, &["10.1.0.1"])], &[]), [""; 0]);
    }
}
