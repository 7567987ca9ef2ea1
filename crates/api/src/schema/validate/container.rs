//! The containers of a pod. It never asks whether their images are to be had.
use super::volume;
use super::words::{all, items, members, not_negative, number, one_of, text};
use crate::field::Problems;
use crate::name;
use crate::quantity::{Quantity, thousandths};
use serde_json::Value;
use std::collections::BTreeSet;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

/// The containers of a pod whose volumes have the names `volumes`.
pub(super) fn all_of(spec: &Value, path: &str, volumes: &BTreeSet<&str>, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    let containers = items(spec, "containers");
    if containers.is_empty() {
        problems.required(format!("{path}.containers"), "");
    }
    for (at, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{at}]");
        one(container, &path, volumes, problems);
        unique(container, &path, &mut names, problems);
        probes(container, &path, problems);
    }
    for (at, container) in items(spec, "initContainers").iter().enumerate() {
        let path = format!("{path}.initContainers[{at}]");
        one(container, &path, volumes, problems);
        unique(container, &path, &mut names, problems);
        if text(container, "restartPolicy") == "Always" {
            probes(container, &path, problems);
        } else {
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if container[probe].is_object() {
                    let why = "may not be set for init containers without restartPolicy=Always";
                    problems.forbidden(format!("{path}.{probe}"), why);
                }
            }
        }
    }
}

fn unique<'a>(container: &'a Value, path: &str, names: &mut BTreeSet<&'a str>, problems: &mut Problems) {
    let name = text(container, "name");
    if !names.insert(name) && !name.is_empty() {
        problems.duplicate(format!("{path}.name"), &container["name"]);
    }
}

fn one(container: &Value, path: &str, volumes: &BTreeSet<&str>, problems: &mut Problems) {
    let (name, image) = (text(container, "name"), text(container, "image"));
    if name.is_empty() {
        problems.required(format!("{path}.name"), "");
    } else {
        all(&format!("{path}.name"), name, name::label(name), problems);
    }
    if image.is_empty() {
        problems.required(format!("{path}.image"), "");
    } else if image.trim() != image {
        problems.invalid_text(format!("{path}.image"), image, "must not have leading or trailing whitespace");
    }
    let known: [(&str, &[&str]); 2] = [
        ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
        ("terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ];
    for (member, known) in known {
        let value = text(container, member);
        if !value.is_empty() {
            one_of(&format!("{path}.{member}"), value, known, problems);
        }
    }
    ports(container, path, problems);
    for (at, variable) in items(container, "env").iter().enumerate() {
        environment(variable, &format!("{path}.env[{at}]"), problems);
    }
    mounts(container, path, volumes, problems);
    resources(&container["resources"], &format!("{path}.resources"), problems);
}

fn ports(container: &Value, path: &str, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for (at, port) in items(container, "ports").iter().enumerate() {
        let (path, name) = (format!("{path}.ports[{at}]"), text(port, "name"));
        if !name.is_empty() {
            let whys = port_name(name);
            if whys.is_empty() && !names.insert(name) {
                problems.duplicate(format!("{path}.name"), &port["name"]);
            }
            all(&format!("{path}.name"), name, whys, problems);
        }
        if number(port, "containerPort") == 0 {
            problems.required(format!("{path}.containerPort"), "");
        }
        for member in ["containerPort", "hostPort"] {
            if !(0..=65_535).contains(&number(port, member)) {
                problems.invalid(format!("{path}.{member}"), &port[member], "must be between 1 and 65535, inclusive");
            }
        }
        match text(port, "protocol") {
            "" => problems.required(format!("{path}.protocol"), ""),
            protocol => one_of(&format!("{path}.protocol"), protocol, &PROTOCOLS, problems),
        }
    }
}

/// What is wrong with a port's name (RFC 6335).
fn port_name(name: &str) -> Vec<String> {
    let mut whys: Vec<&str> = Vec::new();
    if name.len() > 15 {
        whys.push("must be no more than 15 characters");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        whys.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        whys.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        whys.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        whys.push("must not begin or end with a hyphen");
    }
    whys.into_iter().map(str::to_owned).collect()
}

fn environment(variable: &Value, path: &str, problems: &mut Problems) {
    if text(variable, "name").is_empty() {
        problems.required(format!("{path}.name"), "");
    }
    let from = &variable["valueFrom"];
    if from.is_null() {
        return;
    }
    let path = format!("{path}.valueFrom");
    let sources = from.as_object().map_or(0, serde_json::Map::len);
    if !text(variable, "value").is_empty() {
        problems.invalid_text(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        problems.invalid_text(path, "", "may not have more than one field specified at a time");
    } else if sources == 0 {
        problems.invalid_text(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        );
    } else {
        for source in ["configMapKeyRef", "secretKeyRef"].into_iter().filter(|source| from[*source].is_object()) {
            if text(&from[source], "key").is_empty() {
                problems.required(format!("{path}.{source}.key"), "");
            }
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &BTreeSet<&str>, problems: &mut Problems) {
    let mut places = BTreeSet::new();
    for (at, mount) in items(container, "volumeMounts").iter().enumerate() {
        let (path, name) = (format!("{path}.volumeMounts[{at}]"), text(mount, "name"));
        if name.is_empty() {
            problems.required(format!("{path}.name"), "");
        } else if !volumes.contains(name) {
            problems.not_found(format!("{path}.name"), name);
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            problems.required(format!("{path}.mountPath"), "");
        } else if !places.insert(place) {
            problems.invalid_text(format!("{path}.mountPath"), place, "must be unique");
        }
        volume::below(text(mount, "subPath"), &format!("{path}.subPath"), problems);
        if !text(mount, "subPath").is_empty() && !text(mount, "subPathExpr").is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            problems.invalid_text(format!("{path}.subPathExpr"), text(mount, "subPathExpr"), why);
        }
    }
}

fn resources(resources: &Value, path: &str, problems: &mut Problems) {
    for part in ["limits", "requests"] {
        for (name, amount) in members(resources, part) {
            let amount = amount.as_str().unwrap_or_default();
            if Quantity::parse(amount).is_ok_and(|amount| amount.is_negative()) {
                let field = format!("{path}.{part}[{name}]");
                problems.invalid_text(field, amount, "must be greater than or equal to 0");
            }
        }
    }
    for (name, request) in members(resources, "requests") {
        let (Some(request), Some(limit)) = (request.as_str(), resources["limits"][name].as_str()) else { continue };
        let (asked, most) = (thousandths(request), thousandths(limit));
        let scarce = name.contains('/') && !name.contains("kubernetes.io/") || name.starts_with("hugepages-");
        if scarce && asked != most {
            let why = format!("must be equal to {name} limit of {limit}");
            problems.invalid_text(format!("{path}.requests"), request, &why);
        } else if asked > most {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            problems.invalid_text(format!("{path}.requests"), request, &why);
        }
    }
}

fn probes(container: &Value, path: &str, problems: &mut Problems) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let (probe, path) = (&container[name], format!("{path}.{name}"));
        if !probe.is_object() {
            continue;
        }
        handler(probe, &path, problems);
        let counts = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
        not_negative(probe, &path, &counts, problems);
        if name != "readinessProbe" && number(probe, "successThreshold") != 1 {
            problems.invalid(format!("{path}.successThreshold"), &probe["successThreshold"], "must be 1");
        }
    }
    for hook in ["postStart", "preStop"] {
        let handler = &container["lifecycle"][hook];
        if handler.is_object() && handler.as_object().is_some_and(serde_json::Map::is_empty) {
            problems.required(format!("{path}.lifecycle.{hook}"), "must specify a handler type");
        }
    }
}

fn handler(probe: &Value, path: &str, problems: &mut Problems) {
    let mut found = HANDLERS.into_iter().filter(|handler| probe[*handler].is_object());
    let Some(first) = found.next() else {
        problems.required(path, "must specify a handler type");
        return;
    };
    for other in found {
        problems.forbidden(format!("{path}.{other}"), "may not specify more than 1 handler type");
    }
    let handler = &probe[first];
    if first == "exec" && items(handler, "command").is_empty() {
        problems.required(format!("{path}.exec.command"), "");
    }
    if handler["port"].as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
        problems.invalid(format!("{path}.{first}.port"), &handler["port"], "must be between 1 and 65535, inclusive");
    }
}
