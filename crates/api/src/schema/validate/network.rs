//! NetworkPolicy, Ingress, IngressClass, IPAddress, ServiceCIDR. It filters and routes nothing.
use super::words::{
    IMMUTABLE, all, at, demanded, demanded_name, immutable, invalid_whole, items, known, named, number, one_of,
    port_number, text, texts,
};
use super::{address, labels};
use crate::field::Problems;
use crate::name;
use serde_json::Value;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const DIRECTIONS: [&str; 2] = ["Ingress", "Egress"];
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: [&str; 2] = ["/..", "/."];
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Bytes of the name of an ingress controller.
const CONTROLLER_BYTES_MAX: usize = 250;

pub(super) fn policy(spec: &Value, problems: &mut Problems) {
    labels::selector(&spec["podSelector"], "spec.podSelector", problems);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (place, rule) in items(spec, direction).iter().enumerate() {
            let path = format!("spec.{direction}[{place}]");
            for (place, port) in items(rule, "ports").iter().enumerate() {
                policy_port(port, &format!("{path}.ports[{place}]"), problems);
            }
            for (place, peer) in items(rule, peers).iter().enumerate() {
                self::peer(peer, &format!("{path}.{peers}[{place}]"), problems);
            }
        }
    }
    let kinds = texts(spec, "policyTypes");
    if kinds.len() > DIRECTIONS.len() {
        problems.invalid("spec.policyTypes", &spec["policyTypes"], "may not specify more than two policyTypes");
        return;
    }
    for (place, kind) in kinds.into_iter().enumerate() {
        one_of(&format!("spec.policyTypes[{place}]"), kind, &DIRECTIONS, problems);
    }
}

fn policy_port(port: &Value, path: &str, problems: &mut Problems) {
    known(port, "protocol", path, &PROTOCOLS, problems);
    let (own, end) = (&port["port"], &port["endPort"]);
    let field = format!("{path}.endPort");
    match (own, end.as_i64()) {
        (Value::Null, Some(_)) => problems.invalid(field, end, "may not be specified when `port` is not specified"),
        (Value::Null, None) => {}
        (Value::Number(_), last) => {
            port_number(own, format!("{path}.port"), problems);
            if let Some(last) = last {
                if last < own.as_i64().unwrap_or(0) {
                    problems.invalid(field.as_str(), end, "must be greater than or equal to `port`");
                }
                port_number(end, field, problems);
            }
        }
        (own, last) => {
            if last.is_some() {
                problems.invalid(field, end, "may not be specified when `port` is non-numeric");
            }
            let own = own.as_str().unwrap_or_default();
            all(&format!("{path}.port"), own, name::port(own), problems);
        }
    }
}

fn peer(peer: &Value, path: &str, problems: &mut Problems) {
    let mut others = 0;
    for selector in ["podSelector", "namespaceSelector"].into_iter().filter(|member| peer[*member].is_object()) {
        others += 1;
        labels::selector(&peer[selector], &format!("{path}.{selector}"), problems);
    }
    let block = &peer["ipBlock"];
    if block.is_object() {
        self::block(block, &format!("{path}.ipBlock"), problems);
        if others > 0 {
            problems.forbidden(path, "may not specify both ipBlock and another peer");
        }
    } else if others == 0 {
        problems.required(path, "must specify a peer");
    }
}

fn block(block: &Value, path: &str, problems: &mut Problems) {
    let own = demanded(block, "cidr", path, problems);
    if own.is_empty() {
        return;
    }
    let Some((first, bits)) = address::cidr(own) else {
        problems.invalid_text(format!("{path}.cidr"), own, address::NO_CIDR);
        return;
    };
    for (place, except) in texts(block, "except").into_iter().enumerate() {
        let field = format!("{path}.except[{place}]");
        let Some((inner, narrower)) = address::cidr(except) else {
            problems.invalid_text(field, except, address::NO_CIDR);
            continue;
        };
        let inside = first.is_ipv4() == inner.is_ipv4() && address::masked(inner, bits) == address::masked(first, bits);
        if !inside || bits >= narrower {
            problems.invalid_text(field, except, "must be a strict subset of `cidr`");
        }
    }
}

pub(super) fn ingress(spec: &Value, problems: &mut Problems) {
    let rules = items(spec, "rules");
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        problems.invalid("spec", &spec["rules"], "either `defaultBackend` or `rules` must be specified");
    }
    if spec["defaultBackend"].is_object() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", problems);
    }
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{place}]");
        host(text(rule, "host"), &format!("{path}.host"), problems);
        let ways = &rule["http"];
        if ways.is_object() && items(ways, "paths").is_empty() {
            problems.required(format!("{path}.http.paths"), "");
        }
        for (place, way) in items(ways, "paths").iter().enumerate() {
            self::way(way, &format!("{path}.http.paths[{place}]"), problems);
        }
    }
    for (place, tls) in items(spec, "tls").iter().enumerate() {
        let path = format!("spec.tls[{place}]");
        for (place, host) in texts(tls, "hosts").into_iter().enumerate() {
            let whys = if host.contains('*') { name::wildcard(host) } else { name::subdomain(host) };
            all(&format!("{path}.hosts[{place}]"), host, whys, problems);
        }
        named(tls, "secretName", &path, name::subdomain, problems);
    }
    if !spec["ingressClassName"].is_null() {
        let class = text(spec, "ingressClassName");
        all("spec.ingressClassName", class, name::subdomain(class), problems);
    }
}

fn host(host: &str, path: &str, problems: &mut Problems) {
    if host.is_empty() {
        return;
    }
    if address::ip(host).is_some() {
        problems.invalid_text(path, host, "must be a DNS name, not an IP address");
    }
    let whys = if host.contains('*') { name::wildcard(host) } else { name::subdomain(host) };
    all(path, host, whys, problems);
}

fn way(way: &Value, path: &str, problems: &mut Problems) {
    let (own, field) = (text(way, "path"), format!("{path}.path"));
    match text(way, "pathType") {
        "" => {
            problems.required(format!("{path}.pathType"), "pathType must be specified");
            return;
        }
        "Exact" | "Prefix" => {
            if !own.starts_with('/') {
                problems.invalid_text(field.as_str(), own, "must be an absolute path");
            }
            for bad in BAD_SEQUENCES.into_iter().filter(|bad| own.contains(bad)) {
                problems.invalid_text(field.as_str(), own, &format!("must not contain '{bad}'"));
            }
            for bad in BAD_ENDS.into_iter().filter(|bad| own.ends_with(bad)) {
                problems.invalid_text(field.as_str(), own, &format!("cannot end with '{bad}'"));
            }
        }
        "ImplementationSpecific" => {
            if !own.is_empty() && !own.starts_with('/') {
                problems.invalid_text(field, own, "must be an absolute path");
            }
        }
        kind => {
            one_of(&format!("{path}.pathType"), kind, &["Exact", "ImplementationSpecific", "Prefix"], problems);
        }
    }
    backend(&way["backend"], &format!("{path}.backend"), problems);
}

fn backend(backend: &Value, path: &str, problems: &mut Problems) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_object(), resource.is_object()) {
        (true, true) => problems.invalid_text(path, "", "cannot set both resource and service backends"),
        (false, false) => problems.invalid_text(path, "", "resource or service backend is required"),
        (false, true) => reference(resource, &format!("{path}.resource"), problems),
        (true, false) => {
            demanded_name(service, "name", &format!("{path}.service"), name::label_1035, problems);
            let (own, number) = (text(&service["port"], "name"), number(&service["port"], "number"));
            if !own.is_empty() && number != 0 {
                problems.invalid_text(path, "", "cannot set both port name & port number");
            } else if !own.is_empty() {
                all(&format!("{path}.service.port.name"), own, name::port(own), problems);
            } else if number != 0 {
                port_number(&service["port"]["number"], format!("{path}.service.port.number"), problems);
            } else {
                problems.required(path, "port name or number is required");
            }
        }
    }
}

/// A reference to an object of any kind: `apiGroup`, `kind`, `name`.
fn reference(reference: &Value, path: &str, problems: &mut Problems) {
    if reference["apiGroup"].is_string() {
        let group = text(reference, "apiGroup");
        all(&at(path, "apiGroup"), group, name::subdomain(group), problems);
    }
    demanded_name(reference, "kind", path, name::path_segment, problems);
    demanded_name(reference, "name", path, name::path_segment, problems);
}

pub(super) fn new_ingress(value: &Value, problems: &mut Problems) {
    let annotation = &value["metadata"]["annotations"][CLASS_ANNOTATION];
    let class = &value["spec"]["ingressClassName"];
    if annotation.is_string() && class.is_string() && annotation != class {
        let why = "must match `ingressClassName` when both are specified";
        problems.invalid(format!("annotations.{CLASS_ANNOTATION}"), annotation, why);
    }
}

/// What a controller says of where an Ingress or a Service is reached from outside.
pub(super) fn load_balancer(status: &Value, problems: &mut Problems) {
    for (place, way) in items(&status["loadBalancer"], "ingress").iter().enumerate() {
        let path = format!("status.loadBalancer.ingress[{place}]");
        let (ip, own) = (text(way, "ip"), text(way, "hostname"));
        if !ip.is_empty() {
            address::lenient(ip, &format!("{path}.ip"), problems);
        }
        if !own.is_empty() {
            all(&format!("{path}.hostname"), own, name::subdomain(own), problems);
            if address::ip(own).is_some() {
                problems.invalid_text(format!("{path}.hostname"), own, "must be a DNS name, not an IP address");
            }
        }
    }
}

pub(super) fn class(spec: &Value, problems: &mut Problems) {
    let own = demanded(spec, "controller", "spec", problems);
    if own.len() > CONTROLLER_BYTES_MAX {
        problems.too_long("spec.controller", CONTROLLER_BYTES_MAX);
    }
    if !own.is_empty() {
        domain_path(own, "spec.controller", problems);
    }
    let parameters = &spec["parameters"];
    if !parameters.is_object() {
        return;
    }
    let path = "spec.parameters";
    reference(parameters, path, problems);
    match text(parameters, "scope") {
        "" => problems.required("spec.parameters.scope", ""),
        "Namespace" if parameters["namespace"].is_null() => {
            problems.required("spec.parameters.namespace", "`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => named(parameters, "namespace", path, name::label, problems),
        "Cluster" if !parameters["namespace"].is_null() => {
            problems.forbidden("spec.parameters.namespace", "`parameters.scope` is set to 'Cluster'");
        }
        scope => one_of("spec.parameters.scope", scope, &["Cluster", "Namespace"], problems),
    }
}

/// `example.com/path`.
pub(super) fn domain_path(own: &str, path: &str, problems: &mut Problems) {
    let Some((host, rest)) = own.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        problems.invalid_text(path, own, why);
        return;
    };
    all(path, host, name::subdomain(host), problems);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    if !rest.chars().all(allowed) {
        let why = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        problems.invalid_text(path, rest, why);
    }
}

pub(super) fn class_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["controller"], &new["controller"], "spec.controller", problems);
}

pub(super) fn ip_address(spec: &Value, problems: &mut Problems) {
    let (parent, path) = (&spec["parentRef"], "spec.parentRef");
    if !parent.is_object() {
        problems.required(path, "");
        return;
    }
    named(parent, "group", path, name::subdomain, problems);
    demanded_name(parent, "resource", path, name::path_segment, problems);
    demanded_name(parent, "name", path, name::path_segment, problems);
    named(parent, "namespace", path, name::path_segment, problems);
}

pub(super) fn ip_address_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["parentRef"], &new["parentRef"], "spec.parentRef", problems);
}

pub(super) fn service_cidr(spec: &Value, problems: &mut Problems) {
    let (path, ranges) = ("spec.cidrs", texts(spec, "cidrs"));
    if ranges.is_empty() {
        problems.required(path, "at least one CIDR required");
        return;
    }
    if ranges.len() > 2 {
        problems.invalid(path, spec, "may only hold up to 2 values");
        return;
    }
    for (place, range) in ranges.iter().enumerate() {
        all(&format!("{path}[{place}]"), range, address::strict_cidr(range), problems);
    }
    let families: Vec<bool> =
        ranges.iter().filter_map(|range| address::cidr(range)).map(|(first, _)| first.is_ipv4()).collect();
    if families.len() == 2 && families[0] == families[1] {
        let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        problems.invalid(path, &spec["cidrs"], why);
    }
}

/// A second family may come to the first, nothing else.
pub(super) fn service_cidr_change(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (texts(old, "cidrs"), texts(new, "cidrs"));
    if before.len() == after.len() || (before.len() == 1 && after.len() == 2) {
        for (place, (before, after)) in before.iter().zip(&after).enumerate() {
            if before != after {
                problems.invalid_text(format!("spec.cidrs[{place}]"), after, IMMUTABLE);
            }
        }
    } else if after.is_empty() {
        invalid_whole("spec.cidrs", IMMUTABLE, problems);
    } else {
        problems.invalid("spec.cidrs", &new["cidrs"], IMMUTABLE);
    }
}
