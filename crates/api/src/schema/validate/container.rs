//! The containers of a pod. It never asks whether their images are to be had.
use super::words::{all, at, demanded, items, known, members, number, one_of, text};
use super::{address, amounts, environment, probe, security, volume_source};
use crate::field::Problems;
use crate::name;
use crate::quantity::thousandths;
use serde_json::Value;
use std::collections::BTreeSet;

/// Rules by which one container starts again, and exit codes of one.
const RESTART_RULES_MAX: u64 = 20;
const EXIT_CODES_MAX: u64 = 255;
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
/// What an ephemeral container does not have.
const LASTING: [&str; 7] =
    ["ports", "resources", "resizePolicy", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];
/// What containers of one pod share.
pub(super) struct Pod<'a> {
    pub volumes: BTreeSet<&'a str>,
    /// Resource claims by the names that the pod gives them.
    pub claims: BTreeSet<&'a str>,
}

/// The containers of a pod.
pub(super) fn all_of(spec: &Value, path: &str, pod: &Pod, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    let containers = items(spec, "containers");
    if containers.is_empty() {
        problems.required(at(path, "containers"), "");
    }
    for (place, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{place}]");
        one(container, &path, pod, problems);
        unique(container, &path, &mut names, problems);
        restarts(container, &path, problems);
        probe::all_of(container, &path, problems);
    }
    for (place, container) in items(spec, "initContainers").iter().enumerate() {
        let path = format!("{path}.initContainers[{place}]");
        one(container, &path, pod, problems);
        unique(container, &path, &mut names, problems);
        restarts(container, &path, problems);
        if text(container, "restartPolicy") == "Always" {
            probe::all_of(container, &path, problems);
        } else {
            for member in ["lifecycle"].into_iter().chain(probe::PROBES) {
                if container[member].is_object() {
                    let why = "may not be set for init containers without restartPolicy=Always";
                    problems.forbidden(at(&path, member), why);
                }
            }
        }
    }
    host_ports(spec, path, problems);
    ephemeral(spec, path, pod, &mut names, problems);
}

/// A container's own policy, if it has one.
fn restarts(container: &Value, path: &str, problems: &mut Problems) {
    if container["restartPolicy"].is_string() {
        one_of(
            &at(path, "restartPolicy"),
            text(container, "restartPolicy"),
            &["Always", "Never", "OnFailure"],
            problems,
        );
    }
    let rules = items(container, "restartPolicyRules");
    if !rules.is_empty() && !container["restartPolicy"].is_string() {
        problems.required(at(path, "restartPolicy"), "must specify restartPolicy when restart rules are used");
    }
    few(rules, RESTART_RULES_MAX, at(path, "restartPolicyRules"), problems);
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("{path}.restartPolicyRules[{place}]");
        one_of(&at(&path, "action"), text(rule, "action"), &["Restart"], problems);
        let codes = at(&path, "exitCodes");
        if !rule["exitCodes"].is_object() {
            problems.required(codes, "must be specified");
            continue;
        }
        let (operator, values) = (text(&rule["exitCodes"], "operator"), items(&rule["exitCodes"], "values"));
        one_of(&at(&codes, "operator"), operator, &["In", "NotIn"], problems);
        few(values, EXIT_CODES_MAX, at(&codes, "values"), problems);
    }
}

fn few(list: &[Value], most: u64, path: String, problems: &mut Problems) {
    if list.len() as u64 > most {
        problems.too_many(path, list.len() as u64, most);
    }
}

fn ephemeral<'a>(spec: &'a Value, path: &str, pod: &Pod, names: &mut BTreeSet<&'a str>, problems: &mut Problems) {
    let lasting = names.clone();
    for (place, container) in items(spec, "ephemeralContainers").iter().enumerate() {
        let path = format!("{path}.ephemeralContainers[{place}]");
        let why = "cannot be set for an Ephemeral Container";
        one(container, &path, pod, problems);
        unique(container, &path, names, problems);
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !lasting.contains(target) {
            problems.not_found(at(&path, "targetContainerName"), target);
        }
        for member in LASTING {
            let empty = container[member].as_object().is_some_and(serde_json::Map::is_empty);
            if !container[member].is_null() && !empty {
                problems.forbidden(at(&path, member), why);
            }
        }
        for (place, mount) in items(container, "volumeMounts").iter().enumerate() {
            for member in ["subPath", "subPathExpr"].into_iter().filter(|member| !text(mount, member).is_empty()) {
                problems.forbidden(format!("{path}.volumeMounts[{place}].{member}"), why);
            }
        }
    }
}

/// Two containers of a pod cannot have one port of the node; on the node's network a port is the node's.
fn host_ports(spec: &Value, path: &str, problems: &mut Problems) {
    let mut held = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (place, container) in items(spec, list).iter().enumerate() {
            for (port_place, port) in items(container, "ports").iter().enumerate() {
                let field = format!("{path}.{list}[{place}].ports[{port_place}]");
                let (own, host) = (number(port, "containerPort"), number(port, "hostPort"));
                if spec["hostNetwork"] == true && host != 0 && host != own {
                    let why = "must match `hostPort` when `hostNetwork` is true";
                    problems.invalid(at(&field, "containerPort"), &own.into(), why);
                }
                if host == 0 || list == "initContainers" {
                    continue;
                }
                let place = format!("{}/{}/{host}", text(port, "protocol"), text(port, "hostIP"));
                if !held.insert(place.clone()) {
                    problems.duplicate(at(&field, "hostPort"), &place.into());
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

fn one(container: &Value, path: &str, pod: &Pod, problems: &mut Problems) {
    let (name, image) = (text(container, "name"), text(container, "image"));
    if name.is_empty() {
        problems.required(at(path, "name"), "");
    } else {
        all(&at(path, "name"), name, name::label(name), problems);
    }
    if image.is_empty() {
        problems.required(at(path, "image"), "");
    } else if image.trim() != image {
        problems.invalid_text(at(path, "image"), image, "must not have leading or trailing whitespace");
    }
    known(container, "imagePullPolicy", path, &["Always", "IfNotPresent", "Never"], problems);
    known(container, "terminationMessagePolicy", path, &["File", "FallbackToLogsOnError"], problems);
    ports(container, path, problems);
    environment::all_of(container, path, problems);
    let devices = devices(container, path, pod, problems);
    mounts(container, path, pod, &devices, problems);
    resources(&container["resources"], &at(path, "resources"), pod, problems);
    resizing(container, path, problems);
    security::container(&container["securityContext"], &at(path, "securityContext"), problems);
}

fn resizing(container: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, policy) in items(container, "resizePolicy").iter().enumerate() {
        let path = format!("{path}.resizePolicy[{place}]");
        let own = text(policy, "resourceName");
        if !seen.insert(own) {
            problems.duplicate(path.as_str(), &own.into());
        }
        match own {
            "" => problems.required(path.as_str(), ""),
            own => one_of(&path, own, &["cpu", "memory"], problems),
        }
        match text(policy, "restartPolicy") {
            "" => problems.required(path, ""),
            policy => one_of(&path, policy, &["NotRequired", "RestartContainer"], problems),
        }
    }
}

fn ports(container: &Value, path: &str, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for (at, port) in items(container, "ports").iter().enumerate() {
        let (path, name) = (format!("{path}.ports[{at}]"), text(port, "name"));
        if !name.is_empty() {
            let whys = name::port(name);
            if whys.is_empty() && !names.insert(name) {
                problems.duplicate(format!("{path}.name"), &port["name"]);
            }
            all(&format!("{path}.name"), name, whys, problems);
        }
        if number(port, "containerPort") == 0 {
            problems.required(format!("{path}.containerPort"), "");
        }
        let ip = text(port, "hostIP");
        if !ip.is_empty() {
            address::lenient(ip, &format!("{path}.hostIP"), problems);
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

/// The places of devices; their names are of volumes as mounts' are.
fn devices<'a>(container: &'a Value, path: &str, pod: &Pod, problems: &mut Problems) -> BTreeSet<&'a str> {
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for (place, device) in items(container, "volumeDevices").iter().enumerate() {
        let path = format!("{path}.volumeDevices[{place}]");
        let (own, device_path) = (demanded(device, "name", &path, problems), text(device, "devicePath"));
        if !own.is_empty() && !names.insert(own) {
            problems.invalid_text(at(&path, "name"), own, "must be unique");
        }
        if !own.is_empty() && !pod.volumes.contains(own) {
            problems.not_found(at(&path, "name"), own);
        }
        if device_path.is_empty() {
            problems.required(at(&path, "devicePath"), "");
        } else if !places.insert(device_path) {
            problems.invalid_text(at(&path, "devicePath"), device_path, "must be unique");
        }
    }
    places
}

fn mounts(container: &Value, path: &str, pod: &Pod, devices: &BTreeSet<&str>, problems: &mut Problems) {
    let mut places = BTreeSet::new();
    for (place, mount) in items(container, "volumeMounts").iter().enumerate() {
        let (path, name) = (format!("{path}.volumeMounts[{place}]"), text(mount, "name"));
        if name.is_empty() {
            problems.required(at(&path, "name"), "");
        } else if !pod.volumes.contains(name) {
            problems.not_found(at(&path, "name"), name);
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            problems.required(at(&path, "mountPath"), "");
        } else if !places.insert(place) {
            problems.invalid_text(at(&path, "mountPath"), place, "must be unique");
        }
        if devices.contains(place) {
            let why = "must not already exist as a path in volumeDevices";
            problems.invalid_text(at(&path, "mountPath"), place, why);
        }
        for member in ["subPath", "subPathExpr"] {
            volume_source::below(text(mount, member), &at(&path, member), problems);
        }
        if !text(mount, "subPath").is_empty() && !text(mount, "subPathExpr").is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            problems.invalid_text(at(&path, "subPathExpr"), text(mount, "subPathExpr"), why);
        }
        let ways = ["Bidirectional", "HostToContainer", "None"];
        known(mount, "mountPropagation", &path, &ways, problems);
        let privileged = container["securityContext"]["privileged"] == true;
        if mount["mountPropagation"] == "Bidirectional" && !privileged {
            let why = "Bidirectional mount propagation is available only to privileged containers";
            problems.forbidden(at(&path, "mountPropagation"), why);
        }
    }
}

fn resources(resources: &Value, path: &str, pod: &Pod, problems: &mut Problems) {
    for part in ["limits", "requests"] {
        for (own, amount) in members(resources, part) {
            let field = format!("{path}.{part}[{own}]");
            amounts::container_resource(own, &at(path, part), problems);
            amounts::amount(own, amount, &field, problems);
        }
    }
    for (own, request) in members(resources, "requests") {
        let Some(request) = request.as_str() else { continue };
        let scarce = own.contains('/') && !own.contains("kubernetes.io/") || own.starts_with("hugepages-");
        let Some(limit) = resources["limits"][own].as_str() else {
            if scarce {
                problems.required(at(path, "limits"), "Limit must be set for non overcommitable resources");
            }
            continue;
        };
        let (asked, most) = (thousandths(request), thousandths(limit));
        if scarce && asked != most {
            let why = format!("must be equal to {own} limit of {limit}");
            problems.invalid_text(at(path, "requests"), request, &why);
        } else if asked > most {
            let why = format!("must be less than or equal to {own} limit of {limit}");
            problems.invalid_text(at(path, "requests"), request, &why);
        }
    }
    let named = |wanted: &dyn Fn(&str) -> bool| {
        ["limits", "requests"].iter().flat_map(|part| members(resources, part)).any(|(own, _)| wanted(own))
    };
    if named(&|own| own.starts_with("hugepages-")) && !named(&|own| matches!(own, "cpu" | "memory")) {
        problems.forbidden(path, "HugePages require cpu or memory");
    }
    let mut seen = BTreeSet::new();
    for (place, claim) in items(resources, "claims").iter().enumerate() {
        let (path, own) = (format!("{path}.claims[{place}]"), text(claim, "name"));
        if own.is_empty() {
            problems.required(at(&path, "name"), "");
        } else if !seen.insert((own, text(claim, "request"))) {
            problems.duplicate(path, &own.into());
        } else if !pod.claims.contains(own) {
            problems.not_found(at(&path, "name"), own);
        }
    }
}
