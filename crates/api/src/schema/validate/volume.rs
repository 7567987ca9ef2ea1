//! The volumes of a pod. It never asks whether what a volume names is there.
use super::words::{all, items, text};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a source must name: the source, the member that names it.
const NAMED: [(&str, &str); 7] = [
    ("hostPath", "path"),
    ("secret", "secretName"),
    ("configMap", "name"),
    ("persistentVolumeClaim", "claimName"),
    ("csi", "driver"),
    ("nfs", "server"),
    ("nfs", "path"),
];

/// Checks the volumes of a pod; their names.
pub(super) fn volumes<'a>(spec: &'a Value, path: &str, problems: &mut Problems) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (at, volume) in items(spec, "volumes").iter().enumerate() {
        let (path, name) = (format!("{path}.volumes[{at}]"), text(volume, "name"));
        if name.is_empty() {
            problems.required(format!("{path}.name"), "");
        } else {
            all(&format!("{path}.name"), name, name::label(name), problems);
            if !names.insert(name) {
                problems.duplicate(format!("{path}.name"), &volume["name"]);
            }
        }
        source(volume, &path, problems);
    }
    names
}

fn source(volume: &Value, path: &str, problems: &mut Problems) {
    let sources = volume.as_object().into_iter().flatten().filter(|(name, _)| *name != "name");
    for (source, _) in sources.skip(1) {
        problems.forbidden(format!("{path}.{source}"), "may not specify more than 1 volume type");
    }
    for (source, member) in NAMED {
        if volume[source].is_object() && text(&volume[source], member).is_empty() {
            problems.required(format!("{path}.{source}.{member}"), "");
        }
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        let mode = &volume[source]["defaultMode"];
        if mode.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
            let why = "must be a number between 0 and 0777 (octal), both inclusive";
            problems.invalid(format!("{path}.{source}.defaultMode"), mode, why);
        }
    }
    for source in ["secret", "configMap"] {
        for (at, item) in items(&volume[source], "items").iter().enumerate() {
            let path = format!("{path}.{source}.items[{at}]");
            if text(item, "key").is_empty() {
                problems.required(format!("{path}.key"), "");
            }
            file(text(item, "path"), &format!("{path}.path"), problems);
        }
    }
}

/// A path that stays below the volume it is in.
fn file(file: &str, path: &str, problems: &mut Problems) {
    if file.is_empty() {
        problems.required(path, "");
    } else if file.starts_with("..") && !file.starts_with("../") && file != ".." {
        problems.invalid_text(path, file, "must not start with '..'");
    } else {
        below(file, path, problems);
    }
}

/// A relative path that does not climb.
pub(super) fn below(file: &str, path: &str, problems: &mut Problems) {
    if file.starts_with('/') {
        problems.invalid_text(path, file, "must be a relative path");
    }
    if file.split('/').any(|part| part == "..") {
        problems.invalid_text(path, file, "must not contain '..'");
    }
}
