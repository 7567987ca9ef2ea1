//! Service. It gives no addresses: whether one is free is the allocator's to say.
use super::words::{all, duplicate_shown, items, known, named, number, one_of, text, texts};
use super::{address, labels};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const OUT_OF_RANGE: &str = "must be between 1 and 65535, inclusive";

pub(super) fn service(spec: &Value, problems: &mut Problems) {
    let kind = text(spec, "type");
    let (ports, headless) = (items(spec, "ports"), text(spec, "clusterIP") == "None");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        problems.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            problems.invalid("spec.clusterIPs[0]", &spec["clusterIP"], &why);
        }
        "ExternalName" => external(spec, problems),
        _ => {}
    }
    self::ports(ports, problems);
    labels::labels(spec, "selector", "spec.selector", problems);
    let affinity = text(spec, "sessionAffinity");
    if affinity.is_empty() {
        problems.required("spec.sessionAffinity", "");
    } else {
        one_of("spec.sessionAffinity", affinity, &["ClientIP", "None"], problems);
    }
    if affinity == "ClientIP" {
        let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
        if seconds.as_i64().is_some_and(|seconds| !(1..=86_400).contains(&seconds)) {
            let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            problems.invalid(path, seconds, "must be greater than 0 and less than 86400");
        }
    }
    for (place, ip) in texts(spec, "externalIPs").into_iter().enumerate() {
        let field = format!("spec.externalIPs[{place}]");
        address::lenient(ip, &field, problems);
        address::no_special(ip, &field, problems);
    }
    if kind.is_empty() {
        problems.required("spec.type", "");
    } else {
        one_of("spec.type", kind, &TYPES, problems);
    }
    known(spec, "internalTrafficPolicy", "spec", &["Cluster", "Local"], problems);
    families(spec, problems);
    outside(spec, kind, problems);
}

/// The families of its addresses.
fn families(spec: &Value, problems: &mut Problems) {
    let (families, ips) = (texts(spec, "ipFamilies"), texts(spec, "clusterIPs"));
    for (place, family) in families.iter().enumerate() {
        let field = format!("spec.ipFamilies[{place}]");
        if !matches!(*family, "IPv4" | "IPv6") {
            problems.unsupported(field.as_str(), &(*family).into(), &["IPv4", "IPv6"]);
        }
        if families[..place].contains(family) {
            problems.duplicate(field, &(*family).into());
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    known(spec, "ipFamilyPolicy", "spec", &policies, problems);
    for (place, ip) in ips.iter().enumerate() {
        let field = format!("spec.clusterIPs[{place}]");
        if *ip == "None" {
            if ips.len() > 1 {
                problems.invalid_text(field, ip, "'None' must be the first and only value");
            }
        } else if address::ip(ip).is_none() {
            problems.invalid_text(field, ip, address::NO_IP);
        }
    }
    if ips.len() > 2 {
        let why = "may only hold up to 2 values";
        problems.invalid("spec.clusterIPs", &spec["clusterIPs"], why);
    }
}

/// What a service has that is reached from outside, and another may not have.
fn outside(spec: &Value, kind: &str, problems: &mut Problems) {
    let balanced = kind == "LoadBalancer";
    let external = balanced || kind == "NodePort" || !items(spec, "externalIPs").is_empty();
    let policy = text(spec, "externalTrafficPolicy");
    if !policy.is_empty() && !external {
        let why = "may only be set for externally-accessible services";
        problems.invalid_text("spec.externalTrafficPolicy", policy, why);
    } else {
        known(spec, "externalTrafficPolicy", "spec", &["Cluster", "Local"], problems);
    }
    let probe = &spec["healthCheckNodePort"];
    if number(spec, "healthCheckNodePort") != 0 && !(balanced && policy == "Local") {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        problems.invalid("spec.healthCheckNodePort", probe, why);
    }
    if !spec["allocateLoadBalancerNodePorts"].is_null() && !balanced {
        let why = "may only be used when `type` is 'LoadBalancer'";
        problems.forbidden("spec.allocateLoadBalancerNodePorts", why);
    }
    let class = &spec["loadBalancerClass"];
    if !class.is_null() && !balanced {
        problems.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'");
    }
    named(spec, "loadBalancerClass", "spec", name::qualified, problems);
    for (place, range) in texts(spec, "loadBalancerSourceRanges").into_iter().enumerate() {
        if address::cidr(range.trim()).is_none() {
            let field = format!("spec.loadBalancerSourceRanges[{place}]");
            problems.invalid_text(field, range, address::NO_CIDR);
        }
    }
    if !items(spec, "loadBalancerSourceRanges").is_empty() && !balanced {
        let why = "may only be used when `type` is 'LoadBalancer'";
        problems.forbidden("spec.LoadBalancerSourceRanges", why);
    }
    let ways = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    known(spec, "trafficDistribution", "spec", &ways, problems);
}

fn external(spec: &Value, problems: &mut Problems) {
    if !items(spec, "clusterIPs").is_empty() {
        problems.forbidden("spec.clusterIPs", "may not be set for ExternalName services");
    }
    let target = text(spec, "externalName");
    let target = target.strip_suffix('.').unwrap_or(target);
    if target.is_empty() {
        problems.required("spec.externalName", "");
    } else {
        all("spec.externalName", target, name::subdomain(target), problems);
    }
}

fn ports(ports: &[Value], problems: &mut Problems) {
    let (mut names, mut seen, mut held) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (at, port) in ports.iter().enumerate() {
        let (path, name) = (format!("spec.ports[{at}]"), text(port, "name"));
        let (protocol, own) = (text(port, "protocol"), number(port, "port"));
        if name.is_empty() {
            if ports.len() > 1 {
                problems.required(format!("{path}.name"), "");
            }
        } else {
            all(&format!("{path}.name"), name, name::label(name), problems);
            if !names.insert(name) {
                problems.duplicate(format!("{path}.name"), &port["name"]);
            }
        }
        if !(1..=65_535).contains(&own) {
            problems.invalid(format!("{path}.port"), &own.into(), OUT_OF_RANGE);
        }
        if protocol.is_empty() {
            problems.required(format!("{path}.protocol"), "");
        } else {
            one_of(&format!("{path}.protocol"), protocol, &PROTOCOLS, problems);
        }
        target(&port["targetPort"], &format!("{path}.targetPort"), problems);
        named(port, "appProtocol", &path, name::qualified, problems);
        let node = number(port, "nodePort");
        if node != 0 && !(1..=65_535).contains(&node) {
            problems.invalid(format!("{path}.nodePort"), &port["nodePort"], OUT_OF_RANGE);
        }
        if !seen.insert((protocol, own)) {
            duplicate_shown(&path, &shown(protocol, "Port", own), problems);
        }
        if node != 0 && !held.insert((protocol, node)) {
            problems.duplicate(format!("{path}.nodePort"), &port["nodePort"]);
        }
    }
}

/// A port as Kubernetes prints it, of which all but two members are left out.
fn shown(protocol: &str, member: &str, port: i64) -> String {
    let of = |name: &str| if name == member { port } else { 0 };
    format!(
        "core.ServicePort{{Name:\"\", Protocol:{protocol:?}, AppProtocol:(*string)(nil), Port:{}, \
         TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:{}}}",
        of("Port"),
        of("NodePort")
    )
}

fn target(target: &Value, path: &str, problems: &mut Problems) {
    if target.as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
        problems.invalid(path, target, OUT_OF_RANGE);
    }
    if let Some(name) = target.as_str() {
        if name.len() > 15 {
            problems.invalid_text(path, name, "must be no more than 15 characters");
        }
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            let why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
            problems.invalid_text(path, name, why);
        }
    }
}

/// A node port needs a type that has them. A service whose type changes loses its ports on the way in, so only new ones count.
pub(super) fn new_service(spec: &Value, problems: &mut Problems) {
    if text(spec, "type") != "ClusterIP" {
        return;
    }
    for (at, _) in items(spec, "ports").iter().enumerate().filter(|(_, port)| number(port, "nodePort") != 0) {
        problems.forbidden(format!("spec.ports[{at}].nodePort"), "may not be used when `type` is 'ClusterIP'");
    }
}

/// An address that was given stays. One that is not said is kept.
pub(super) fn change(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (text(old, "clusterIP"), text(new, "clusterIP"));
    let external = text(old, "type") == "ExternalName" || text(new, "type") == "ExternalName";
    if !external && !before.is_empty() && !after.is_empty() && before != after {
        problems.invalid_text("spec.clusterIPs[0]", after, "may not change once set");
    }
}
