//! Endpoints and EndpointSlice. It never asks whether anybody answers there.
use super::words::{all, demanded, immutable, items, named, number, one_of, port_number, text, texts};
use super::{address, labels};
use crate::field::Problems;
use crate::name;
use core::net::IpAddr;
use serde_json::Value;
use std::collections::BTreeSet;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX: usize = 1_000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const TOPOLOGY_MAX: usize = 16;
const HINTS_MAX: usize = 8;

pub(super) fn endpoints(value: &Value, problems: &mut Problems) {
    for (at, subset) in items(value, "subsets").iter().enumerate() {
        let path = format!("subsets[{at}]");
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| items(subset, list).is_empty()) {
            problems.required(path.as_str(), "must specify `addresses` or `notReadyAddresses`");
        }
        for list in lists {
            for (at, endpoint) in items(subset, list).iter().enumerate() {
                let (path, ip) = (format!("{path}.{list}[{at}]"), text(endpoint, "ip"));
                address::lenient(ip, &format!("{path}.ip"), problems);
                named(endpoint, "hostname", &path, name::label, problems);
                named(endpoint, "nodeName", &path, name::subdomain, problems);
                address::no_special(ip, &format!("{path}.ip"), problems);
            }
        }
        let ports = items(subset, "ports");
        for (at, port) in ports.iter().enumerate() {
            let path = format!("{path}.ports[{at}]");
            if ports.len() > 1 {
                demanded(port, "name", &path, problems);
            }
            named(port, "name", &path, name::label, problems);
            port_number(&port["port"], format!("{path}.port"), problems);
            let protocol = demanded(port, "protocol", &path, problems);
            if !protocol.is_empty() {
                one_of(&format!("{path}.protocol"), protocol, &PROTOCOLS, problems);
            }
            named(port, "appProtocol", &path, name::qualified, problems);
        }
    }
}

pub(super) fn slice(value: &Value, problems: &mut Problems) {
    let kind = demanded(value, "addressType", "", problems);
    if !kind.is_empty() {
        one_of("addressType", kind, &["FQDN", "IPv4", "IPv6"], problems);
    }
    let endpoints = items(value, "endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        problems.too_many("endpoints", endpoints.len() as u64, ENDPOINTS_MAX as u64);
    } else {
        for (at, endpoint) in endpoints.iter().enumerate() {
            self::endpoint(endpoint, kind, &format!("endpoints[{at}]"), problems);
        }
    }
    ports(value, problems);
}

fn endpoint(endpoint: &Value, kind: &str, path: &str, problems: &mut Problems) {
    let addresses = texts(endpoint, "addresses");
    let field = format!("{path}.addresses");
    if addresses.is_empty() {
        problems.required(field.as_str(), "must contain at least 1 address");
    } else if addresses.len() > ADDRESSES_MAX {
        problems.too_many(field.as_str(), addresses.len() as u64, ADDRESSES_MAX as u64);
    }
    for (at, address) in addresses.into_iter().enumerate() {
        self::address(address, kind, &format!("{field}[{at}]"), problems);
    }
    named(endpoint, "nodeName", path, name::subdomain, problems);
    let topology = endpoint["deprecatedTopology"].as_object().map_or(0, serde_json::Map::len);
    if topology > TOPOLOGY_MAX {
        problems.too_many(format!("{path}.deprecatedTopology"), topology as u64, TOPOLOGY_MAX as u64);
    }
    labels::labels(endpoint, "deprecatedTopology", &format!("{path}.deprecatedTopology"), problems);
    named(endpoint, "hostname", path, name::label, problems);
    for list in ["forZones", "forNodes"] {
        hints(&endpoint["hints"], list, &format!("{path}.hints.{list}"), problems);
    }
}

fn hints(hints: &Value, list: &str, path: &str, problems: &mut Problems) {
    let hints = items(hints, list);
    if hints.len() > HINTS_MAX {
        problems.too_many(path, hints.len() as u64, HINTS_MAX as u64);
        return;
    }
    let mut seen = BTreeSet::new();
    for (at, hint) in hints.iter().enumerate() {
        let (path, own) = (format!("{path}[{at}].name"), text(hint, "name"));
        if !seen.insert(own) {
            problems.duplicate(path.as_str(), &own.into());
        }
        let whys = if list == "forZones" { name::label_value(own) } else { name::subdomain(own) };
        all(&path, own, whys, problems);
    }
}

fn address(text: &str, kind: &str, path: &str, problems: &mut Problems) {
    let found = address::ip(text);
    match kind {
        "IPv4" | "IPv6" if found.is_none() => problems.invalid_text(path, text, address::NO_IP),
        "IPv4" if !matches!(found, Some(IpAddr::V4(_))) => {
            problems.invalid_text(path, text, "must be an IPv4 address");
        }
        "IPv6" if !matches!(found, Some(IpAddr::V6(_))) => {
            problems.invalid_text(path, text, "must be an IPv6 address");
        }
        "FQDN" => domain(text, path, problems),
        _ => {}
    }
    if matches!(kind, "IPv4" | "IPv6") {
        address::no_special(text, path, problems);
    }
}

fn domain(text: &str, path: &str, problems: &mut Problems) {
    if text.is_empty() {
        problems.required(path, "");
        return;
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let whys = name::subdomain(text);
    let good = whys.is_empty();
    all(path, text, whys, problems);
    if good && !text.contains('.') {
        problems.invalid_text(path, text, "should be a domain with at least two segments separated by dots");
    }
}

fn ports(value: &Value, problems: &mut Problems) {
    let ports = items(value, "ports");
    if ports.len() > PORTS_MAX {
        problems.too_many("ports", ports.len() as u64, PORTS_MAX as u64);
        return;
    }
    let mut seen = BTreeSet::new();
    for (at, port) in ports.iter().enumerate() {
        let (path, own) = (format!("ports[{at}]"), text(port, "name"));
        named(port, "name", &path, name::label, problems);
        if !seen.insert(own) {
            problems.duplicate(format!("{path}.name"), &own.into());
        }
        let protocol = demanded(port, "protocol", &path, problems);
        if !protocol.is_empty() {
            one_of(&format!("{path}.protocol"), protocol, &PROTOCOLS, problems);
        }
        if number(port, "port") != 0 {
            port_number(&port["port"], format!("{path}.port"), problems);
        }
        named(port, "appProtocol", &path, name::qualified, problems);
    }
}

pub(super) fn slice_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["addressType"], &new["addressType"], "addressType", problems);
}
