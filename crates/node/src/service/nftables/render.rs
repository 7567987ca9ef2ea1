//! From the table of virtual servers to rules. Pure. It must never let an object's text into a rule unless it has been parsed
//! or reduced to letters that cannot end a word.
use super::ruleset::{Chain, Ruleset};
use crate::limits::{SERVICE_CHOICES_BY_RULE, SERVICE_NAME_SHOWN};
use crate::service::table::{Endpoint, Policy, Server};

/// What the rules must know of this machine.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The addresses of the pods here, once they are known.
    pub pod_range: Option<String>,
    /// Whether packets between two pods on the bridge pass these rules. If not, an answer would go past them.
    pub bridge_is_seen: bool,
}

/// Set on a connection's first packet whose source is to become this machine's: the bit that kube-proxy uses as well.
const MARK: &str = "meta mark set meta mark or 0x4000";
const SERVERS: &str = "servers";
const NODE_PORTS: &str = "node_ports";
const CLUSTER_ADDRESSES: &str = "cluster_addresses";
const REFUSE: &str = "goto refuse";

#[must_use]
pub fn render(servers: &[Server], place: &Place) -> Ruleset {
    let mut ruleset = frame(place);
    let verdicts: Vec<_> = servers.iter().map(|server| chains(&mut ruleset, server, place)).collect();
    // In order of worth: nobody takes another's cluster address by naming it as an external one.
    for (server, verdict) in servers.iter().zip(&verdicts) {
        for ip in &server.cluster_addresses {
            ruleset.elements.insert((CLUSTER_ADDRESSES, ip.to_string()), String::new());
            enter(&mut ruleset, server, ip.to_string(), &verdict.cluster);
        }
    }
    for (server, verdict) in servers.iter().zip(&verdicts) {
        server.balancer_addresses.iter().for_each(|ip| enter(&mut ruleset, server, ip.to_string(), &verdict.balancer));
        if let Some(port) = server.node_port {
            let key = format!("{} . {port}", server.protocol.text());
            ruleset.elements.entry((NODE_PORTS, key)).or_insert_with(|| verdict.external.clone());
        }
    }
    for (server, verdict) in servers.iter().zip(&verdicts) {
        for ip in server.external_addresses.iter().map(ToString::to_string) {
            if !ruleset.elements.contains_key(&(CLUSTER_ADDRESSES, ip.clone())) {
                enter(&mut ruleset, server, ip, &verdict.external);
            }
        }
    }
    ruleset
}

fn enter(ruleset: &mut Ruleset, server: &Server, ip: String, verdict: &str) {
    let key = format!("{ip} . {} . {}", server.protocol.text(), server.port);
    ruleset.elements.entry((SERVERS, key)).or_insert_with(|| verdict.to_owned());
}

/// What is there without any service.
fn frame(place: &Place) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for (name, kind, declaration) in [
        (SERVERS, "map", "type ipv4_addr . inet_proto . inet_service : verdict;"),
        (NODE_PORTS, "map", "type inet_proto . inet_service : verdict;"),
        (CLUSTER_ADDRESSES, "set", "type ipv4_addr;"),
    ] {
        ruleset.sets.insert(name.into(), (kind, declaration.into()));
    }
    let mut post = vec![
        // The mark goes with the packet into tunnels: it is taken off before anything else sees it.
        "meta mark and 0x4000 == 0x4000 meta mark set meta mark xor 0x4000 masquerade fully-random".to_owned(),
    ];
    if let (Some(range), false) = (&place.pod_range, place.bridge_is_seen) {
        post.push(format!("ct status dnat ip saddr {range} ip daddr {range} masquerade fully-random"));
    }
    let jump = vec!["jump dispatch".to_owned()];
    for (name, hook, rules) in [
        ("prerouting", Some("type nat hook prerouting priority dstnat"), jump.clone()),
        // The name `dstnat` is refused on this hook.
        ("output", Some("type nat hook output priority -100"), jump),
        ("postrouting", Some("type nat hook postrouting priority srcnat - 1"), post),
        ("dispatch", None, dispatch()),
        ("refuse", None, refuse()),
    ] {
        ruleset.chains.insert(name.into(), Chain { hook, rules });
    }
    ruleset
}

fn dispatch() -> Vec<String> {
    vec![
        format!("ip daddr . meta l4proto . th dport vmap @{SERVERS}"),
        format!("ip daddr @{CLUSTER_ADDRESSES} meta l4proto {{ tcp, udp }} {REFUSE}"),
        format!("fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @{NODE_PORTS}"),
    ]
}

fn refuse() -> Vec<String> {
    ["meta l4proto tcp reject with tcp reset", "reject with icmp type port-unreachable"].map(str::to_owned).to_vec()
}

/// What becomes of a connection, by the kind of address it came to.
struct Verdicts {
    cluster: String,
    external: String,
    balancer: String,
}

fn chains(ruleset: &mut Ruleset, server: &Server, place: &Place) -> Verdicts {
    if server.endpoints.is_empty() {
        return Verdicts { cluster: REFUSE.into(), external: REFUSE.into(), balancer: REFUSE.into() };
    }
    let name = name(server);
    let anywhere = balance(ruleset, server, "anywhere", &name, &server.endpoints);
    let here = if server.inside == Policy::Local || server.outside == Policy::Local {
        balance(ruleset, server, "here", &name, &server.local_endpoints)
    } else {
        String::new()
    };
    let inside = if server.inside == Policy::Local { &here } else { &anywhere };
    let mut cluster = Vec::new();
    if let Some(range) = &place.pod_range {
        cluster.push(format!("ip saddr != {range} {MARK}"));
    }
    cluster.push(inside.clone());
    let external = external(server, place, &anywhere, &here);
    let chain = |ruleset: &mut Ruleset, kind: &str, rules: Vec<String>| {
        let name = format!("{kind}-{name}");
        let verdict = format!("goto {name}");
        ruleset.chains.insert(name, Chain { hook: None, rules });
        verdict
    };
    let cluster = chain(ruleset, "cluster", cluster);
    let has_others = !server.balancer_addresses.is_empty() || !server.external_addresses.is_empty();
    if server.node_port.is_none() && !has_others {
        return Verdicts { cluster, external: String::new(), balancer: String::new() };
    }
    let external = chain(ruleset, "external", external);
    let balancer = match &server.sources {
        Some(sources) if !server.balancer_addresses.is_empty() => {
            let mut rules: Vec<String> =
                sources.iter().map(|(ip, length)| format!("ip saddr {ip}/{length} {external}")).collect();
            rules.push("drop".into());
            chain(ruleset, "balancer", rules)
        }
        _ => external.clone(),
    };
    Verdicts { cluster, external, balancer }
}

/// From outside. Who is already inside is served from anywhere, whatever the policy.
fn external(server: &Server, place: &Place, anywhere: &str, here: &str) -> Vec<String> {
    match server.outside {
        Policy::Cluster => vec![MARK.to_owned(), anywhere.to_owned()],
        Policy::Local => {
            let inside = place.pod_range.iter().map(|range| format!("ip saddr {range} {anywhere}"));
            let mut rules: Vec<String> = inside.collect();
            rules.push(format!("fib saddr type local {MARK} {anywhere}"));
            rules.push(here.to_owned());
            rules
        }
    }
}

/// A chain that picks one of these endpoints; the verdict that leads to it.
fn balance(ruleset: &mut Ruleset, server: &Server, kind: &str, name: &str, endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "drop".into();
    }
    let mut rules = Vec::new();
    let mut verdicts = Vec::new();
    for endpoint in endpoints {
        let (verdict, clients) = lead(ruleset, server, name, *endpoint);
        rules.extend(clients.map(|clients| format!("ip saddr @{clients} {verdict}")));
        verdicts.push(verdict);
    }
    rules.extend(choice(&verdicts));
    let chain = format!("{kind}-{name}");
    let verdict = format!("goto {chain}");
    ruleset.chains.insert(chain, Chain { hook: None, rules });
    verdict
}

/// Each with the same likelihood. By rules, not by a nameless map, as long as they are few: the kernel gives a map without a
/// name one by walking through all there are, and ten thousand of them take it a minute.
fn choice(verdicts: &[String]) -> Vec<String> {
    let count = verdicts.len();
    if count > SERVICE_CHOICES_BY_RULE {
        let places: Vec<String> =
            verdicts.iter().enumerate().map(|(index, verdict)| format!("{index} : {verdict}")).collect();
        return vec![format!("numgen random mod {count} vmap {{ {} }}", places.join(", "))];
    }
    let rule = |(index, verdict): (usize, &String)| match count - index {
        1 => verdict.clone(),
        left => format!("numgen random mod {left} == 0 {verdict}"),
    };
    verdicts.iter().enumerate().map(rule).collect()
}

/// The chain of one endpoint: the verdict, and the set of the clients that stay with it.
fn lead(ruleset: &mut Ruleset, server: &Server, name: &str, endpoint: Endpoint) -> (String, Option<String>) {
    let Endpoint { ip, port } = endpoint;
    let chain = format!("to-{ip}-{port}-{name}");
    let mut rules = Vec::new();
    let clients = server.affinity.map(|seconds| {
        let set = format!("clients-{seconds}-{ip}-{port}-{name}");
        ruleset
            .sets
            .insert(set.clone(), ("set", format!("type ipv4_addr; flags dynamic,timeout; timeout {seconds}s;")));
        // A rule of its own: a full set must not keep the client from being served.
        rules.push(format!("update @{set} {{ ip saddr }}"));
        set
    });
    rules.push(format!("ip saddr {ip} {MARK}"));
    rules.push(format!("meta l4proto {} dnat to {ip}:{port}", server.protocol.text()));
    let verdict = format!("goto {chain}");
    ruleset.chains.insert(chain, Chain { hook: None, rules });
    (verdict, clients)
}

/// Unlike any other server's, and still readable in `nft list table`.
fn name(server: &Server) -> String {
    let full = format!("{}:{}:{}:{}", server.service, server.port_name, server.protocol.text(), server.port);
    let digest = crate::image::digest_of(full.as_bytes());
    let shown = full.chars().take(SERVICE_NAME_SHOWN);
    let plain: String = shown.map(|c| if c.is_ascii_alphanumeric() || "-./".contains(c) { c } else { '_' }).collect();
    format!("{}-{plain}", digest.trim_start_matches("sha256:").get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests;
