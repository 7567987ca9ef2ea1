//! ConfigMap, Secret, Lease: what is kept for others to read. It never reads what a value means.
use super::words::{all, immutable, members, number, text};
use crate::base64;
use crate::field::Problems;
use crate::name;
use serde_json::Value;

/// Bytes of all values of one ConfigMap or Secret.
const DATA_BYTES_MAX: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

pub(super) fn config_map(value: &Value, problems: &mut Problems) {
    let mut bytes = 0;
    for (key, data) in members(value, "data") {
        let path = format!("data[{key}]");
        all(&path, key, name::config_key(key), problems);
        if value["binaryData"].get(key).is_some() {
            problems.invalid_text(path, key, "duplicate of key present in binaryData");
        }
        bytes += data.as_str().map_or(0, str::len);
    }
    for (key, data) in members(value, "binaryData") {
        all(&format!("binaryData[{key}]"), key, name::config_key(key), problems);
        bytes += decoded(data);
    }
    if bytes > DATA_BYTES_MAX {
        problems.too_long("[]", DATA_BYTES_MAX);
    }
}

/// Bytes of a value that is written in base64.
fn decoded(data: &Value) -> usize {
    let text = data.as_str().unwrap_or_default();
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count().min(text.len() / 4 * 3)
}

pub(super) fn secret(value: &Value, problems: &mut Problems) {
    let mut bytes = 0;
    for (key, data) in members(value, "data") {
        all(&format!("data[{key}]"), key, name::config_key(key), problems);
        bytes += decoded(data);
    }
    if bytes > DATA_BYTES_MAX {
        problems.too_long("data", DATA_BYTES_MAX);
    }
    let has = |key: &str| value["data"].get(key).is_some();
    let required: &[&str] = match text(value, "type") {
        "kubernetes.io/service-account-token" => {
            let annotation = "kubernetes.io/service-account.name";
            if text(&value["metadata"]["annotations"], annotation).is_empty() {
                problems.required(format!("metadata.annotations[{annotation}]"), "");
            }
            &[]
        }
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        _ => &[],
    };
    for key in required.iter().filter(|key| !has(key)) {
        problems.required(format!("data[{key}]"), "");
    }
    for key in [".dockercfg", ".dockerconfigjson"].into_iter().filter(|key| required.contains(key) && has(key)) {
        let bytes = base64::decode(text(&value["data"], key)).unwrap_or_default();
        if serde_json::from_slice::<Value>(&bytes).is_err() {
            problems.invalid_text(format!("data[{key}]"), "<secret contents redacted>", "invalid json");
        }
    }
}

pub(super) fn config_map_change(old: &Value, new: &Value, problems: &mut Problems) {
    frozen(old, new, &["data", "binaryData"], problems);
}

pub(super) fn secret_change(old: &Value, new: &Value, problems: &mut Problems) {
    immutable(&old["type"], &new["type"], "type", problems);
    frozen(old, new, &["data"], problems);
}

fn frozen(old: &Value, new: &Value, members: &[&str], problems: &mut Problems) {
    if old["immutable"] != true {
        return;
    }
    if new["immutable"] != true {
        problems.forbidden("immutable", FROZEN);
    }
    for member in members.iter().filter(|member| old[**member] != new[**member]) {
        problems.forbidden(*member, FROZEN);
    }
}

pub(super) fn lease(spec: &Value, problems: &mut Problems) {
    let seconds = &spec["leaseDurationSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        problems.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0");
    }
    if number(spec, "leaseTransitions") < 0 {
        let why = "must be greater than or equal to 0";
        problems.invalid("spec.leaseTransitions", &spec["leaseTransitions"], why);
    }
}
