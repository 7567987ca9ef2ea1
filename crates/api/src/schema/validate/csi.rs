//! What storage drivers say and are told (storage.k8s.io): drivers, nodes, capacities, attachments, classes. It attaches nothing.
use super::words::{
    IMMUTABLE, all, at, demanded, driver_name, immutable, items, known, members, named, not_negative, number, one_of,
    text, texts,
};
use super::{labels, volume_source};
use crate::field::Problems;
use crate::name;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

/// Parameters of a class: how many, and bytes of them all.
const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;
const NODE_ID_BYTES_MAX: usize = 256;

pub(super) fn class(value: &Value, problems: &mut Problems) {
    provisioner(value, "provisioner", problems);
    parameters(value, true, problems);
    known(value, "reclaimPolicy", "", &["Delete", "Retain"], problems);
    known(value, "volumeBindingMode", "", &["Immediate", "WaitForFirstConsumer"], problems);
    for (place, term) in items(value, "allowedTopologies").iter().enumerate() {
        let mut seen = BTreeSet::new();
        for (inner, expression) in items(term, "matchLabelExpressions").iter().enumerate() {
            let path = format!("allowedTopologies[{place}].matchLabelExpressions[{inner}]");
            let (key, values) = (text(expression, "key"), texts(expression, "values"));
            let mut known = BTreeSet::new();
            if values.is_empty() {
                problems.required(at(&path, "values"), "");
            }
            for (place, value) in values.into_iter().enumerate() {
                if !known.insert(value) {
                    problems.duplicate(format!("{path}.values[{place}]"), &value.into());
                }
            }
            all(&at(&path, "key"), key, name::qualified(key), problems);
            if !seen.insert(key) {
                problems.duplicate(at(&path, "key"), &key.into());
            }
        }
    }
}

fn provisioner(value: &Value, member: &str, problems: &mut Problems) {
    let own = demanded(value, member, "", problems).to_lowercase();
    if !own.is_empty() {
        all(member, &own, name::qualified(&own), problems);
    }
}

fn parameters(value: &Value, may_lack: bool, problems: &mut Problems) {
    let field = "parameters";
    let count = members(value, field).count();
    if count > PARAMETERS_MAX {
        problems.too_long(field, PARAMETERS_MAX);
        return;
    }
    if members(value, field).any(|(key, _)| key.is_empty()) {
        problems.invalid_text(field, "", "field can not be empty.");
    }
    let bytes: usize =
        members(value, field).map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if bytes > PARAMETERS_BYTES_MAX {
        problems.too_long(field, PARAMETERS_BYTES_MAX);
    }
    if !may_lack && count == 0 {
        problems.required(field, "must contain at least one key/value pair");
    }
}

pub(super) fn class_change(old: &Value, new: &Value, problems: &mut Problems) {
    kept(old, new, &["parameters", "provisioner", "reclaimPolicy"], problems);
    immutable(&old["volumeBindingMode"], &new["volumeBindingMode"], "volumeBindingMode", problems);
}

fn kept(old: &Value, new: &Value, members: &[&str], problems: &mut Problems) {
    for member in members.iter().filter(|member| old[**member] != new[**member]) {
        problems.forbidden(*member, &format!("updates to {member} are forbidden."));
    }
}

/// A VolumeAttributesClass.
pub(super) fn attributes(value: &Value, problems: &mut Problems) {
    provisioner(value, "driverName", problems);
    parameters(value, false, problems);
}

pub(super) fn attributes_change(old: &Value, new: &Value, problems: &mut Problems) {
    kept(old, new, &["driverName", "parameters"], problems);
}

pub(super) fn driver(spec: &Value, problems: &mut Problems) {
    known(spec, "fsGroupPolicy", "spec", &["File", "None", "ReadWriteOnceWithFSType"], problems);
    let mut seen = BTreeSet::new();
    for (place, request) in items(spec, "tokenRequests").iter().enumerate() {
        let path = format!("spec.tokenRequests[{place}]");
        if !seen.insert(text(request, "audience")) {
            problems.duplicate(at(&path, "audience"), &text(request, "audience").into());
            continue;
        }
        let seconds = &request["expirationSeconds"];
        let field = at(&path, "expirationSeconds");
        match seconds.as_i64() {
            Some(short) if short < 600 => {
                problems.invalid(field, seconds, "may not specify a duration less than 10 minutes");
            }
            Some(long) if long > 1 << 32 => {
                problems.invalid(field, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            _ => {}
        }
    }
    for mode in texts(spec, "volumeLifecycleModes") {
        one_of("spec.volumeLifecycleModes", mode, &["Persistent", "Ephemeral"], problems);
    }
    let seconds = &spec["nodeAllocatableUpdatePeriodSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds < 10) {
        let why = "must be greater than or equal to 10 seconds";
        problems.invalid("spec.nodeAllocatableUpdatePeriodSeconds", seconds, why);
    }
}

pub(super) fn driver_change(old: &Value, new: &Value, problems: &mut Problems) {
    // Kubernetes calls it so.
    immutable(&old["attachRequired"], &new["attachRequired"], "spec.attachedRequired", problems);
    let modes = "volumeLifecycleModes";
    immutable(&old[modes], &new[modes], "spec.volumeLifecycleModes", problems);
}

/// A CSINode: the drivers that a node has.
pub(super) fn node(spec: &Value, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, driver) in items(spec, "drivers").iter().enumerate() {
        let (path, own) = (format!("spec.drivers[{place}]"), text(driver, "name"));
        driver_name(own, &at(&path, "name"), problems);
        let id = demanded(driver, "nodeID", &path, problems);
        if id.len() > NODE_ID_BYTES_MAX {
            let why = format!("must be {NODE_ID_BYTES_MAX} characters or less");
            problems.invalid_text(at(&path, "nodeID"), id, &why);
        }
        not_negative(&driver["allocatable"], &at(&path, "allocatable"), &["count"], problems);
        if !seen.insert(own) {
            problems.duplicate(at(&path, "name"), &own.into());
        }
        let mut keys = BTreeSet::new();
        for key in texts(driver, "topologyKeys") {
            if key.is_empty() {
                problems.required(path.as_str(), "");
            }
            if !keys.insert(key) {
                problems.duplicate(path.as_str(), &key.into());
            }
            all(&path, key, name::qualified(key), problems);
        }
    }
}

/// A driver's entry stays as it is, but for how much it can attach.
pub(super) fn node_change(old: &Value, new: &Value, problems: &mut Problems) {
    let bare = |driver: &Value| {
        let mut driver = driver.clone();
        if let Some(members) = driver.as_object_mut() {
            members.remove("allocatable");
        }
        driver
    };
    for before in items(old, "drivers") {
        for after in items(new, "drivers").iter().filter(|after| after["name"] == before["name"]) {
            immutable(&bare(before), &bare(after), "spec.drivers", problems);
        }
    }
}

pub(super) fn capacity(value: &Value, problems: &mut Problems) {
    if value["nodeTopology"].is_object() {
        labels::selector(&value["nodeTopology"], "nodeTopology", problems);
    }
    let class = text(value, "storageClassName");
    all("storageClassName", class, name::subdomain(class), problems);
    let amount = text(value, "capacity");
    if Quantity::parse(amount).is_ok_and(|amount| amount.is_negative()) {
        problems.invalid_text("capacity", amount, "must be greater than or equal to 0");
    }
}

pub(super) fn capacity_change(old: &Value, new: &Value, problems: &mut Problems) {
    for member in ["nodeTopology", "storageClassName"] {
        immutable(&old[member], &new[member], member, problems);
    }
}

pub(super) fn attachment(spec: &Value, problems: &mut Problems) {
    demanded(spec, "attacher", "spec", problems);
    let (source, path) = (&spec["source"], "spec.source");
    let (volume, inline) = (&source["persistentVolumeName"], &source["inlineVolumeSpec"]);
    let exactly = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (volume.is_null(), inline.is_null()) {
        (true, true) => problems.required(path, exactly),
        (false, false) => problems.forbidden(path, exactly),
        (false, true) if volume == "" => {
            problems.required(at(path, "persistentVolumeName"), "must specify non empty persistentVolumeName");
        }
        (false, true) => {}
        (true, false) => volume_source::persistent(inline, &at(path, "inlineVolumeSpec"), problems),
    }
    let node = text(spec, "nodeName");
    all("spec.nodeName", node, name::subdomain(node), problems);
}

pub(super) fn new_attachment(spec: &Value, problems: &mut Problems) {
    driver_name(text(spec, "attacher"), "spec.attacher", problems);
    named(&spec["source"], "persistentVolumeName", "spec.source", name::subdomain, problems);
}

pub(super) fn attachment_change(old: &Value, new: &Value, problems: &mut Problems) {
    if old != new {
        problems.invalid("spec", new, IMMUTABLE);
    }
}

pub(super) fn attachment_status(status: &Value, problems: &mut Problems) {
    let bytes: usize = members(status, "attachmentMetadata")
        .map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len())
        .sum();
    if bytes > PARAMETERS_BYTES_MAX {
        problems.too_long("status.attachmentMetadata", PARAMETERS_BYTES_MAX);
    }
    for member in ["attachError", "detachError"] {
        let code = number(&status[member], "errorCode");
        if code < 0 {
            let why = "must be between 0 and 2147483647, inclusive";
            problems.invalid(format!("status.{member}.errorCode"), &code.into(), why);
        }
    }
}

/// A RuntimeClass (node.k8s.io).
pub(super) fn runtime(value: &Value, problems: &mut Problems) {
    let handler = text(value, "handler");
    all("handler", handler, name::label(handler), problems);
    for (resource, amount) in members(&value["overhead"], "podFixed") {
        super::amounts::amount(resource, amount, &format!("overhead.podFixed[{resource}]"), problems);
    }
    labels::labels(&value["scheduling"], "nodeSelector", "scheduling.nodeSelector", problems);
    for (place, toleration) in items(&value["scheduling"], "tolerations").iter().enumerate() {
        super::placement::toleration(toleration, &format!("scheduling.tolerations[{place}]"), problems);
    }
}

pub(super) fn runtime_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["handler"], &new["handler"], "handler", problems);
}
