//! Variables of containers, and what of a pod they and its files may hold. It looks nothing up.
use super::words::{all, at, demanded, items, one_of, text};
use crate::field::Problems;
use crate::name;
use serde_json::Value;

/// Fields of a pod that its environment may hold.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Those that its files may hold.
const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// All that can be asked for; what is asked for elsewhere is told otherwise.
const LABELS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];
/// Amounts of a container that its environment and files may hold; of huge pages, each size.
const AMOUNTS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// The variables of a container at `path`.
pub(super) fn all_of(container: &Value, path: &str, problems: &mut Problems) {
    for (place, variable) in items(container, "env").iter().enumerate() {
        one(variable, &format!("{path}.env[{place}]"), problems);
    }
    for (place, source) in items(container, "envFrom").iter().enumerate() {
        many(source, &format!("{path}.envFrom[{place}]"), problems);
    }
}

fn one(variable: &Value, path: &str, problems: &mut Problems) {
    let own = demanded(variable, "name", path, problems);
    if !own.is_empty() {
        all(&at(path, "name"), own, name::variable(own), problems);
    }
    let from = &variable["valueFrom"];
    if from.is_null() {
        return;
    }
    let path = at(path, "valueFrom");
    if from["fieldRef"].is_object() {
        field(&from["fieldRef"], &at(&path, "fieldRef"), &FIELDS, problems);
    }
    if from["resourceFieldRef"].is_object() {
        amount(&from["resourceFieldRef"], &at(&path, "resourceFieldRef"), problems);
    }
    for source in ["configMapKeyRef", "secretKeyRef"].into_iter().filter(|source| from[*source].is_object()) {
        let path = at(&path, source);
        demanded(&from[source], "name", &path, problems);
        let key = demanded(&from[source], "key", &path, problems);
        if !key.is_empty() {
            all(&at(&path, "key"), key, name::config_key(key), problems);
        }
    }
    let sources = from.as_object().map_or(0, serde_json::Map::len);
    if sources == 0 {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        problems.invalid_text(path, "", why);
    } else if !text(variable, "value").is_empty() {
        problems.invalid_text(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        problems.invalid_text(path, "", "may not have more than one field specified at a time");
    }
}

fn many(source: &Value, path: &str, problems: &mut Problems) {
    let prefix = text(source, "prefix");
    if !prefix.is_empty() {
        all(&at(path, "prefix"), prefix, name::variable(prefix), problems);
    }
    let found: Vec<&str> =
        ["configMapRef", "secretRef"].into_iter().filter(|member| source[*member].is_object()).collect();
    match found[..] {
        [] => problems.invalid_text(path, "", "must specify one of: `configMapRef` or `secretRef`"),
        [one] => drop(demanded(&source[one], "name", &at(path, one), problems)),
        _ => problems.invalid_text(path, "", "may not have more than one field specified at a time"),
    }
}

/// A field of the pod that a file holds.
pub(super) fn file_field(reference: &Value, path: &str, problems: &mut Problems) {
    field(reference, path, &FILE_FIELDS, problems);
}

fn field(reference: &Value, path: &str, known: &[&str], problems: &mut Problems) {
    demanded(reference, "apiVersion", path, problems);
    let own = demanded(reference, "fieldPath", path, problems);
    if own.is_empty() {
        return;
    }
    let version = text(reference, "apiVersion");
    let of_map = own.strip_suffix("']").and_then(|path| path.split_once("['"));
    let label = match (version, of_map) {
        ("v1", Some(("metadata.annotations" | "metadata.labels", key))) => {
            all(path, key, name::qualified(&key.to_lowercase()), problems);
            return;
        }
        ("v1", Some(_)) => Err(format!("field label does not support subscript: {own}")),
        ("v1", None) if own == "spec.host" => Ok("spec.nodeName"),
        ("v1", None) if LABELS.contains(&own) => Ok(own),
        ("v1", None) => Err(format!("field label not supported: {own}")),
        _ => Err(format!("unsupported pod version: {version}")),
    };
    match label {
        Err(why) => problems.invalid_text(at(path, "fieldPath"), own, &format!("error converting fieldPath: {why}")),
        Ok(label) if !known.contains(&own) => one_of(&at(path, "fieldPath"), label, known, problems),
        Ok(_) => {}
    }
}

/// An amount of a container that a variable or a file holds.
pub(super) fn amount(reference: &Value, path: &str, problems: &mut Problems) {
    let own = demanded(reference, "resource", path, problems);
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|kind| own.starts_with(kind));
    if !own.is_empty() && !huge {
        one_of(&at(path, "resource"), own, &AMOUNTS, problems);
    }
}
