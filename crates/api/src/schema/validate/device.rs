//! Devices (resource.k8s.io): classes, claims, their templates, slices. It allocates nothing and reads no CEL.
use super::labels;
use super::placement;
use super::words::{
    IMMUTABLE, all, at, demanded, demanded_name, driver_name, immutable, invalid_shown, items, members, named, number,
    one_of, text, texts,
};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

/// The most of anything that is listed in a claim.
const LIST_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const DEVICES_MAX: usize = 128;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const USERS_MAX: usize = 256;
const EXACTLY: &str = "exactly one of `exactly` or `firstAvailable` is required";

pub(super) fn class(spec: &Value, problems: &mut Problems) {
    selectors(spec, "spec", problems);
    for (place, config) in within(spec, "config", "spec", LIST_MAX, problems) {
        opaque(config, &format!("spec.config[{place}]"), problems);
    }
}

/// The items of a list, of which there may be so many.
fn within<'a>(
    value: &'a Value,
    member: &str,
    path: &str,
    most: usize,
    problems: &mut Problems,
) -> core::iter::Enumerate<core::slice::Iter<'a, Value>> {
    let list = items(value, member);
    if list.len() > most {
        problems.too_many(at(path, member), list.len() as u64, most as u64);
    }
    list.iter().enumerate()
}

fn selectors(value: &Value, path: &str, problems: &mut Problems) {
    for (place, selector) in within(value, "selectors", path, LIST_MAX, problems) {
        let path = format!("{path}.selectors[{place}].cel");
        if selector["cel"].is_object() {
            if text(&selector["cel"], "expression").len() > EXPRESSION_BYTES_MAX {
                problems.too_long(at(&path, "expression"), EXPRESSION_BYTES_MAX);
            }
        } else {
            problems.required(path, "");
        }
    }
}

fn opaque(config: &Value, path: &str, problems: &mut Problems) {
    let (opaque, path) = (&config["opaque"], at(path, "opaque"));
    if !opaque.is_object() {
        problems.required(path, "");
        return;
    }
    driver(opaque, &path, problems);
    if opaque["parameters"].is_null() {
        problems.required(at(&path, "parameters"), "");
    }
}

fn driver(value: &Value, path: &str, problems: &mut Problems) {
    let own = text(value, "driver");
    driver_name(own, &at(path, "driver"), problems);
}

pub(super) fn claim(spec: &Value, path: &str, problems: &mut Problems) {
    let (devices, path) = (&spec["devices"], at(path, "devices"));
    let mut names: BTreeSet<String> = BTreeSet::new();
    for request in items(devices, "requests") {
        names.insert(text(request, "name").to_owned());
        for other in items(request, "firstAvailable") {
            names.insert(format!("{}/{}", text(request, "name"), text(other, "name")));
        }
    }
    let mut seen = BTreeSet::new();
    for (place, request) in within(devices, "requests", &path, LIST_MAX, problems) {
        let path = format!("{path}.requests[{place}]");
        self::request(request, &path, problems);
        if !seen.insert(text(request, "name")) {
            problems.duplicate(at(&path, "name"), &text(request, "name").into());
        }
    }
    for (place, constraint) in within(devices, "constraints", &path, LIST_MAX, problems) {
        let path = format!("{path}.constraints[{place}]");
        meant(constraint, &names, &path, problems);
        if constraint["matchAttribute"].is_null() && constraint["distinctAttribute"].is_null() {
            problems.required(at(&path, "matchAttribute"), "");
        }
    }
    for (place, config) in within(devices, "config", &path, LIST_MAX, problems) {
        let path = format!("{path}.config[{place}]");
        meant(config, &names, &path, problems);
        opaque(config, &path, problems);
    }
}

/// The requests that something is about.
fn meant(value: &Value, names: &BTreeSet<String>, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, own) in texts(value, "requests").into_iter().enumerate() {
        let path = format!("{path}.requests[{place}]");
        if !names.contains(own) {
            let why = "must be the name of a request in the claim or the name of a request and a subrequest separated \
                       by '/'";
            problems.invalid_text(path.as_str(), own, why);
        }
        if !seen.insert(own) {
            problems.duplicate(path, &own.into());
        }
    }
}

fn request(request: &Value, path: &str, problems: &mut Problems) {
    demanded_name(request, "name", path, name::label, problems);
    let (exact, others) = (&request["exactly"], items(request, "firstAvailable"));
    match (exact.is_object(), others.is_empty()) {
        (false, true) => problems.required(path, EXACTLY),
        (true, false) => invalid_shown(path, "null", EXACTLY, problems),
        (true, true) => wanted(exact, &at(path, "exactly"), problems),
        (false, false) => {
            let mut seen = BTreeSet::new();
            for (place, other) in within(request, "firstAvailable", path, ALTERNATIVES_MAX, problems) {
                let path = format!("{path}.firstAvailable[{place}]");
                demanded_name(other, "name", &path, name::label, problems);
                wanted(other, &path, problems);
                if !seen.insert(text(other, "name")) {
                    problems.duplicate(at(&path, "name"), &text(other, "name").into());
                }
            }
        }
    }
}

/// Which devices, and how many.
fn wanted(wanted: &Value, path: &str, problems: &mut Problems) {
    demanded_name(wanted, "deviceClassName", path, name::subdomain, problems);
    selectors(wanted, path, problems);
    let (mode, count) = (text(wanted, "allocationMode"), number(wanted, "count"));
    match mode {
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            problems.invalid(at(path, "count"), &count.into(), why);
        }
        "ExactCount" if count <= 0 => {
            problems.invalid(at(path, "count"), &count.into(), "must be greater than zero");
        }
        other => one_of(&at(path, "allocationMode"), other, &["All", "ExactCount"], problems),
    }
    for (place, toleration) in items(wanted, "tolerations").iter().enumerate() {
        self::toleration(toleration, &format!("{path}.tolerations[{place}]"), problems);
    }
}

fn toleration(toleration: &Value, path: &str, problems: &mut Problems) {
    named(toleration, "key", path, name::qualified, problems);
    let value = text(toleration, "value");
    match text(toleration, "operator") {
        "Exists" if !value.is_empty() => {
            problems.invalid_text(at(path, "value"), value, "must be empty for operator `Exists`");
        }
        "Equal" => all(&at(path, "value"), value, name::label_value(value), problems),
        "" => problems.required(at(path, "operator"), ""),
        other => one_of(&at(path, "operator"), other, &["Equal", "Exists"], problems),
    }
    if text(toleration, "key").is_empty() && text(toleration, "operator") != "Exists" {
        problems.required(at(path, "key"), "");
    }
}

/// What is claimed stays as it was asked for.
pub(super) fn claim_change(old: &Value, new: &Value, problems: &mut Problems) {
    if old != new {
        problems.invalid("spec", new, IMMUTABLE);
    }
}

pub(super) fn claim_status(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (&old["status"], &new["status"]);
    let (users, field) = (items(after, "reservedFor"), "status.reservedFor");
    if users.len() > USERS_MAX {
        problems.too_many(field, users.len() as u64, USERS_MAX as u64);
    }
    let mut seen = BTreeSet::new();
    for (place, user) in users.iter().enumerate() {
        let path = format!("{field}[{place}]");
        for member in ["resource", "name", "uid"] {
            demanded(user, member, &path, problems);
        }
        if !seen.insert(text(user, "uid")) {
            problems.duplicate(at(&path, "uid"), &user["uid"]);
        }
    }
    if !users.is_empty() {
        if after["allocation"].is_null() {
            problems.forbidden(field, "may not be specified when `allocated` is not set");
        } else if !old["metadata"]["deletionTimestamp"].is_null()
            && users.iter().any(|user| !items(before, "reservedFor").contains(user))
        {
            let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            problems.forbidden(field, why);
        }
    }
    if !before["allocation"].is_null() && !after["allocation"].is_null() {
        immutable(&before["allocation"], &after["allocation"], "status.allocation", problems);
    }
}

pub(super) fn template(spec: &Value, problems: &mut Problems) {
    labels::labels(&spec["metadata"], "labels", "spec.metadata.labels", problems);
    labels::annotations(&spec["metadata"], "spec.metadata.annotations", problems);
    claim(&spec["spec"], "spec.spec", problems);
}

pub(super) fn slice(spec: &Value, problems: &mut Problems) {
    let path = "spec";
    driver(spec, path, problems);
    pool(&spec["pool"], problems);
    let mut set = Vec::new();
    let node = text(spec, "nodeName");
    if !node.is_empty() {
        set.push("`nodeName`");
        all("spec.nodeName", node, name::subdomain(node), problems);
    }
    if spec["nodeSelector"].is_object() {
        set.push("`nodeSelector`");
        placement::node_selector(&spec["nodeSelector"], "spec.nodeSelector", problems);
        let terms = &spec["nodeSelector"]["nodeSelectorTerms"];
        if items(&spec["nodeSelector"], "nodeSelectorTerms").len() != 1 {
            let why = "must have exactly one node selector term";
            problems.invalid("spec.nodeSelector.nodeSelectorTerms", terms, why);
        }
    }
    for (member, shown) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")] {
        if spec[member] == true {
            set.push(shown);
        }
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match set.len() {
        0 => problems.required(path, one),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", set.join(", "));
            problems.invalid_text(path, &shown, &format!("{one}, but multiple fields are set"));
        }
    }
    let mut seen = BTreeSet::new();
    for (place, device) in within(spec, "devices", path, DEVICES_MAX, problems) {
        let path = format!("spec.devices[{place}]");
        demanded_name(device, "name", &path, name::label, problems);
        if !seen.insert(text(device, "name")) {
            problems.duplicate(at(&path, "name"), &text(device, "name").into());
        }
        attributes(device, &path, problems);
    }
}

fn pool(pool: &Value, problems: &mut Problems) {
    let path = "spec.pool";
    let own = demanded(pool, "name", path, problems);
    if !own.is_empty() {
        for part in own.split('/') {
            all("spec.pool.name", part, name::subdomain(part), problems);
        }
    }
    let (count, generation) = (number(pool, "resourceSliceCount"), number(pool, "generation"));
    if count <= 0 {
        problems.invalid(at(path, "resourceSliceCount"), &count.into(), "must be greater than zero");
    }
    if generation < 0 {
        let why = "must be greater than or equal to zero";
        problems.invalid(at(path, "generation"), &generation.into(), why);
    }
}

fn attributes(device: &Value, path: &str, problems: &mut Problems) {
    for (key, attribute) in members(device, "attributes") {
        let path = format!("{path}.attributes[{key}]");
        match attribute.as_object().map_or(0, serde_json::Map::len) {
            0 => problems.required(path, "exactly one value must be specified"),
            1 => {}
            _ => problems.invalid(path, attribute, "exactly one value must be specified"),
        }
    }
    let count = members(device, "attributes").count() + members(device, "capacity").count();
    if count > LIST_MAX {
        let why = format!("the total number of attributes and capacities must not exceed {LIST_MAX}");
        problems.invalid(path, &count.into(), &why);
    }
}

pub(super) fn slice_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["pool"]["name"], &new["pool"]["name"], "spec.pool.name", problems);
    for member in ["driver", "nodeName"] {
        immutable(&old[member], &new[member], &at("spec", member), problems);
    }
}
