//! From Services and EndpointSlices to the table of virtual servers. Pure: it knows nothing of rules, sockets or time, and
//! must never fail: what it cannot read it leaves out.
use crate::limits::SERVICE_AFFINITY_SECONDS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            _ => None,
        }
    }

    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub ip: Ipv4Addr,
    pub port: u16,
}

/// Which endpoints a connection may be led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Cluster,
    /// Only those on this node.
    Local,
}

/// A range of addresses that may come in through a load balancer's address: network and length.
pub type Source = (Ipv4Addr, u8);

/// One port of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Namespace and name.
    pub service: String,
    pub port_name: String,
    pub protocol: Protocol,
    pub port: u16,
    pub cluster_addresses: BTreeSet<Ipv4Addr>,
    pub external_addresses: BTreeSet<Ipv4Addr>,
    pub balancer_addresses: BTreeSet<Ipv4Addr>,
    pub node_port: Option<u16>,
    /// Who may come through the balancer's addresses; `None`: everybody.
    pub sources: Option<BTreeSet<Source>>,
    /// Seconds for which a client stays with its endpoint.
    pub affinity: Option<u64>,
    /// For connections to the cluster's addresses.
    pub inside: Policy,
    /// For connections to all others.
    pub outside: Policy,
    /// Endpoints anywhere.
    pub endpoints: Vec<Endpoint>,
    /// Endpoints on this node.
    pub local_endpoints: Vec<Endpoint>,
}

/// How good an endpoint is. Only the best kind there is gets connections (KEP-1669).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It is going, and answers until it has gone.
    Draining,
    Ready,
}

/// The virtual servers, in the order of their services' namespaces and names.
#[must_use]
pub fn servers(services: &[Value], slices: &[Value], node: &str) -> Vec<Server> {
    let mut slices_of: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for slice in slices.iter().filter(|slice| matches!(text(slice, "/addressType"), "IPv4" | "")) {
        let owner = text(slice, "/metadata/labels/kubernetes.io~1service-name");
        slices_of.entry((text(slice, "/metadata/namespace"), owner)).or_default().push(slice);
    }
    let named = |service| ((text(service, "/metadata/namespace"), text(service, "/metadata/name")), service);
    let services: BTreeMap<_, _> = services.iter().filter(|service| served(service)).map(named).collect();
    let mut servers = Vec::new();
    for (key, service) in services {
        let slices = slices_of.get(&key).map_or(&[][..], Vec::as_slice);
        servers.extend(list(service, "/spec/ports").iter().filter_map(|port| server(service, port, slices, node)));
    }
    servers
}

/// Not headless, not a mere alias, and not given to another proxy.
fn served(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName"
        && !cluster_addresses(service).is_empty()
        && service.pointer("/metadata/labels/service.kubernetes.io~1service-proxy-name").is_none()
}

fn server(service: &Value, port: &Value, slices: &[&Value], node: &str) -> Option<Server> {
    let protocol = Protocol::parse(text(port, "/protocol"))?;
    let port_name = text(port, "/name");
    let found = found(slices, port_name, protocol, node);
    let kind = text(service, "/spec/type");
    let balanced = kind == "LoadBalancer";
    Some(Server {
        service: format!("{}/{}", text(service, "/metadata/namespace"), text(service, "/metadata/name")),
        port_name: port_name.to_owned(),
        protocol,
        port: number(port, "/port")?,
        cluster_addresses: cluster_addresses(service),
        external_addresses: addresses(list(service, "/spec/externalIPs")),
        balancer_addresses: if balanced { balancer_addresses(service) } else { BTreeSet::new() },
        node_port: if balanced || kind == "NodePort" { number(port, "/nodePort") } else { None },
        sources: if balanced { sources(service) } else { None },
        affinity: affinity(service),
        inside: policy(service, "/spec/internalTrafficPolicy"),
        outside: policy(service, "/spec/externalTrafficPolicy"),
        endpoints: best(&found, false),
        local_endpoints: best(&found, true),
    })
}

/// Every endpoint of this port that may be used at all: how good it is, and whether it is on this node.
fn found(slices: &[&Value], port_name: &str, protocol: Protocol, node: &str) -> BTreeMap<Endpoint, (Worth, bool)> {
    let mut found = BTreeMap::new();
    for slice in slices {
        let same = |port: &&Value| {
            text(port, "/name") == port_name && Protocol::parse(text(port, "/protocol")) == Some(protocol)
        };
        let numbers = list(slice, "/ports").iter().filter(same).filter_map(|port| number(port, "/port"));
        let Some(port) = numbers.into_iter().next() else { continue };
        for endpoint in list(slice, "/endpoints") {
            // All addresses of an endpoint lead to the same pod.
            let first = list(endpoint, "/addresses").first().and_then(Value::as_str);
            let (Some(ip), Some(worth)) = (first.and_then(|ip| ip.parse().ok()), worth(endpoint)) else { continue };
            let local = !node.is_empty() && text(endpoint, "/nodeName") == node;
            let known = found.entry(Endpoint { ip, port }).or_insert((worth, local));
            *known = (known.0.max(worth), known.1 || local);
        }
    }
    found
}

fn worth(endpoint: &Value) -> Option<Worth> {
    let condition = |name: &str| endpoint.pointer("/conditions").and_then(|all| all.get(name)).and_then(Value::as_bool);
    // What is not said of readiness counts as true, of terminating as false.
    let ready = condition("ready").unwrap_or(true);
    let serving = condition("serving").unwrap_or(ready);
    let terminating = condition("terminating").unwrap_or(false);
    if ready {
        Some(Worth::Ready)
    } else if serving && terminating {
        Some(Worth::Draining)
    } else {
        None
    }
}

fn best(found: &BTreeMap<Endpoint, (Worth, bool)>, only_local: bool) -> Vec<Endpoint> {
    let allowed = |local: bool| local || !only_local;
    let most = found.values().filter(|(_, local)| allowed(*local)).map(|(worth, _)| *worth).max();
    let chosen = found.iter().filter(|(_, (worth, local))| allowed(*local) && Some(*worth) == most);
    chosen.map(|(endpoint, _)| *endpoint).collect()
}

fn cluster_addresses(service: &Value) -> BTreeSet<Ipv4Addr> {
    let mut all = addresses(list(service, "/spec/clusterIPs"));
    all.extend(text(service, "/spec/clusterIP").parse::<Ipv4Addr>());
    all
}

fn balancer_addresses(service: &Value) -> BTreeSet<Ipv4Addr> {
    let ingress = list(service, "/status/loadBalancer/ingress").iter();
    // A balancer of mode `Proxy` wants to be passed through even from inside.
    ingress
        .filter(|point| text(point, "/ipMode") != "Proxy")
        .filter_map(|point| text(point, "/ip").parse().ok())
        .collect()
}

fn sources(service: &Value) -> Option<BTreeSet<Source>> {
    let ranges = list(service, "/spec/loadBalancerSourceRanges");
    let parsed: BTreeSet<Source> = ranges.iter().filter_map(Value::as_str).filter_map(source).collect();
    // A list of which nothing can be read lets nobody in.
    if ranges.is_empty() || parsed.iter().any(|(_, length)| *length == 0) { None } else { Some(parsed) }
}

fn source(text: &str) -> Option<Source> {
    let (ip, length) = text.trim().split_once('/')?;
    let (ip, length) = (ip.parse::<Ipv4Addr>().ok()?, length.parse::<u8>().ok().filter(|length| *length <= 32)?);
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    Some((Ipv4Addr::from(u32::from(ip) & mask), length))
}

fn affinity(service: &Value) -> Option<u64> {
    let seconds = service.pointer("/spec/sessionAffinityConfig/clientIP/timeoutSeconds").and_then(Value::as_u64);
    let asked = text(service, "/spec/sessionAffinity") == "ClientIP";
    // No more than a day, as the API has it: a nonsense number must not spoil the rules of all.
    asked.then(|| seconds.unwrap_or(SERVICE_AFFINITY_SECONDS).clamp(1, 86_400))
}

fn policy(service: &Value, pointer: &str) -> Policy {
    if text(service, pointer) == "Local" { Policy::Local } else { Policy::Cluster }
}

fn addresses(values: &[Value]) -> BTreeSet<Ipv4Addr> {
    values.iter().filter_map(Value::as_str).filter_map(|ip| ip.parse().ok()).collect()
}

fn number(value: &Value, pointer: &str) -> Option<u16> {
    value.pointer(pointer).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
