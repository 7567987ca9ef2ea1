//! What a pod and a pod template may say. It never asks whether a node could run it.
use super::words::{all, at, demanded, items, known, named, one_of, text, texts};
use super::{address, amounts, container, labels, os, placement, security, volume_source};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_BYTES_MAX: usize = 2_048;

/// The template of a workload, at `path`.
pub(super) fn template(template: &Value, path: &str, problems: &mut Problems) {
    let meta = &template["metadata"];
    labels::labels(meta, "labels", &format!("{path}.metadata.labels"), problems);
    labels::annotations(meta, &format!("{path}.metadata.annotations"), problems);
    spec(&template["spec"], &at(path, "spec"), problems);
    if !items(&template["spec"], "ephemeralContainers").is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        problems.forbidden(format!("{path}.spec.ephemeralContainers"), why);
    }
}

/// What holds of new pods alone.
pub(super) fn new_pod(spec: &Value, problems: &mut Problems) {
    if !items(spec, "ephemeralContainers").is_empty() {
        problems.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(spec, "nodeName").is_empty() && !items(spec, "schedulingGates").is_empty() {
        problems.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

pub(super) fn spec(spec: &Value, path: &str, problems: &mut Problems) {
    let volumes = volume_source::names(spec, path, problems);
    let claims = claims(spec, path, problems);
    container::all_of(spec, path, &container::Pod { volumes, claims }, problems);
    one_of(&at(path, "restartPolicy"), text(spec, "restartPolicy"), &["Always", "OnFailure", "Never"], problems);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(&at(path, "dnsPolicy"), text(spec, "dnsPolicy"), &policies, problems);
    labels::labels(spec, "nodeSelector", &at(path, "nodeSelector"), problems);
    security::pod(spec, path, problems);
    if spec["affinity"].is_object() {
        placement::affinity(&spec["affinity"], &at(path, "affinity"), problems);
    }
    dns(spec, path, problems);
    for (place, gate) in items(spec, "readinessGates").iter().enumerate() {
        let own = text(gate, "conditionType");
        all(&format!("{path}.readinessGates[{place}].conditionType"), own, name::qualified(own), problems);
    }
    placement::spreading(spec, path, problems);
    for (member, check) in [
        ("serviceAccountName", name::subdomain as fn(&str) -> Vec<String>),
        ("nodeName", name::subdomain),
        ("hostname", name::label),
        ("subdomain", name::label),
        ("priorityClassName", name::subdomain),
        ("runtimeClassName", name::subdomain),
        ("schedulerName", name::qualified),
    ] {
        named(spec, member, path, check, problems);
    }
    let deadline = &spec["activeDeadlineSeconds"];
    if deadline.as_i64().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        problems.invalid(at(path, "activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive");
    }
    for (place, toleration) in items(spec, "tolerations").iter().enumerate() {
        placement::toleration(toleration, &format!("{path}.tolerations[{place}]"), problems);
    }
    for (place, alias) in items(spec, "hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{place}]");
        address::lenient(text(alias, "ip"), &at(&path, "ip"), problems);
        for host in texts(alias, "hostnames") {
            all(&at(&path, "hostnames"), host, name::subdomain(host), problems);
        }
    }
    known(spec, "preemptionPolicy", path, &["PreemptLowerPriority", "Never"], problems);
    for (own, amount) in spec["overhead"].as_object().into_iter().flatten() {
        amounts::amount(own, amount, &format!("{path}.overhead[{own}]"), problems);
    }
    known(&spec["os"], "name", &at(path, "os"), &["linux", "windows"], problems);
    os::pod(spec, path, problems);
    gates(spec, path, problems);
}

/// The claims that a pod names for its containers.
fn claims<'a>(spec: &'a Value, path: &str, problems: &mut Problems) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (place, claim) in items(spec, "resourceClaims").iter().enumerate() {
        let path = format!("{path}.resourceClaims[{place}]");
        let own = demanded(claim, "name", &path, problems);
        if !own.is_empty() {
            if !seen.insert(own) {
                problems.duplicate(at(&path, "name"), &own.into());
            }
            all(&at(&path, "name"), own, name::label(own), problems);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        match sources.iter().filter(|member| claim[**member].is_string()).count() {
            0 => {
                let why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                problems.invalid(path.as_str(), claim, why);
            }
            1 => {}
            _ => {
                let why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                problems.invalid(path.as_str(), claim, why);
            }
        }
        for member in sources {
            named(claim, member, &path, name::subdomain, problems);
        }
    }
    seen
}

fn dns(spec: &Value, path: &str, problems: &mut Problems) {
    let (config, path) = (&spec["dnsConfig"], at(path, "dnsConfig"));
    let none = spec["dnsPolicy"] == "None";
    if !config.is_object() {
        if none {
            problems.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    }
    let (servers, searches) = (texts(config, "nameservers"), texts(config, "searches"));
    if none && servers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        problems.required(at(&path, "nameservers"), why);
    }
    if servers.len() > NAMESERVERS_MAX {
        let why = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        problems.invalid(at(&path, "nameservers"), &config["nameservers"], &why);
    }
    for (place, server) in servers.into_iter().enumerate() {
        address::lenient(server, &format!("{path}.nameservers[{place}]"), problems);
    }
    if searches.len() > SEARCHES_MAX {
        let why = format!("must not have more than {SEARCHES_MAX} search paths");
        problems.invalid(at(&path, "searches"), &config["searches"], &why);
    }
    if searches.join(" ").len() > SEARCH_BYTES_MAX {
        let why =
            format!("must not have more than {SEARCH_BYTES_MAX} characters (including spaces) in the search list");
        problems.invalid(at(&path, "searches"), &config["searches"], &why);
    }
    for (place, search) in searches.into_iter().enumerate() {
        // One that ends with a dot, or is one, or starts with an underscore, is a path too.
        let search = search.strip_suffix('.').unwrap_or(search).replace('_', "-");
        if !search.is_empty() && !search.starts_with('-') {
            let whys = name::subdomain(&search);
            all(&format!("{path}.searches[{place}]"), &search, whys, problems);
        }
    }
    for (place, option) in items(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            problems.required(format!("{path}.options[{place}]"), "must not be empty");
        }
    }
}

fn gates(spec: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, gate) in items(spec, "schedulingGates").iter().enumerate() {
        let (path, name) = (format!("{path}.schedulingGates[{place}]"), text(gate, "name"));
        all(&path, name, name::qualified(name), problems);
        if !seen.insert(name) {
            problems.duplicate(path, &gate["name"]);
        }
    }
}
