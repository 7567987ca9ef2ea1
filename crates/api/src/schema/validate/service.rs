//! Service and Ingress. It gives no addresses: whether one is free is the allocator's to say.
use super::labels;
use super::words::{all, duplicate_shown, items, number, one_of, text};
use crate::field::Problems;
use crate::name;
use core::net::IpAddr;
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
    for (at, ip) in items(spec, "externalIPs").iter().enumerate() {
        let text = ip.as_str().unwrap_or_default();
        if text.parse::<IpAddr>().is_err() && !text.starts_with(|c: char| c.is_ascii_digit()) {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            problems.invalid_text(format!("spec.externalIPs[{at}]"), text, why);
        }
    }
    if kind.is_empty() {
        problems.required("spec.type", "");
    } else {
        one_of("spec.type", kind, &TYPES, problems);
    }
    for (member, known) in
        [("internalTrafficPolicy", ["Cluster", "Local"]), ("externalTrafficPolicy", ["Cluster", "Local"])]
    {
        let policy = text(spec, member);
        if !policy.is_empty() {
            one_of(&format!("spec.{member}"), policy, &known, problems);
        }
    }
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

pub(super) fn ingress(spec: &Value, problems: &mut Problems) {
    let rules = items(spec, "rules");
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        problems.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified");
    }
    backend(&spec["defaultBackend"], "spec.defaultBackend", problems);
    for (at, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{at}]");
        let host = text(rule, "host");
        if !host.is_empty() && host.parse::<IpAddr>().is_ok() {
            problems.invalid_text(format!("{path}.host"), host, "must be a DNS name, not an IP address");
        }
        for (at, way) in items(&rule["http"], "paths").iter().enumerate() {
            let path = format!("{path}.http.paths[{at}]");
            match text(way, "pathType") {
                "" => problems.required(format!("{path}.pathType"), "pathType must be specified"),
                "Exact" | "Prefix" if !text(way, "path").starts_with('/') => {
                    problems.invalid_text(format!("{path}.path"), text(way, "path"), "must be an absolute path");
                }
                kind => {
                    one_of(&format!("{path}.pathType"), kind, &["Exact", "ImplementationSpecific", "Prefix"], problems)
                }
            }
            backend(&way["backend"], &format!("{path}.backend"), problems);
        }
    }
}

fn backend(backend: &Value, path: &str, problems: &mut Problems) {
    let service = &backend["service"];
    if !service.is_object() {
        return;
    }
    if text(service, "name").is_empty() {
        problems.required(format!("{path}.service.name"), "");
    }
    if text(&service["port"], "name").is_empty() && number(&service["port"], "number") == 0 {
        problems.required(path, "port name or number is required");
    }
}
