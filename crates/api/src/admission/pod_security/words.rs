//! The words in which checks tell what they found, and the parts of a pod that they all read.
use serde_json::Value;
use std::collections::BTreeSet;

/// What a check looks at: a pod, or what a template says of pods.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    pub annotations: &'a Value,
    pub spec: &'a Value,
}

/// What a pod does that its policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub reason: String,
    pub detail: String,
}

pub(super) fn violation(reason: &str, detail: String) -> Option<Violation> {
    Some(Violation { reason: reason.to_owned(), detail })
}

impl<'a> Pod<'a> {
    /// Init containers, containers, ephemeral ones.
    pub(super) fn containers(self) -> impl Iterator<Item = &'a Value> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().filter_map(move |list| self.spec[list].as_array()).flatten()
    }

    /// The names of the containers of which `bad` holds.
    pub(super) fn bad(self, bad: impl Fn(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| bad(container)).map(name).collect()
    }

    /// Its own security context.
    pub(super) fn context(self) -> &'a Value {
        &self.spec["securityContext"]
    }

    /// A windows pod has no use for what only Linux knows.
    pub(super) fn windows(self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// It has users of its own (KEP-127).
    pub(super) fn own_users(self) -> bool {
        self.spec["hostUsers"] == false
    }
}

pub(super) fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}

/// A container's security context.
pub(super) fn context(container: &Value) -> &Value {
    &container["securityContext"]
}

pub(super) fn plural<'a>(one: &'a str, more: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { more }
}

/// `"a", "b"`.
pub(super) fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn named(containers: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", containers.len()), quoted(containers))
}

/// `pod and container "a"`: who set something. `None` if nobody did.
pub(super) fn setters(pod: bool, containers: &[&str]) -> Option<String> {
    let pod = pod.then(|| "pod".to_owned());
    let containers = (!containers.is_empty()).then(|| named(containers));
    let all: Vec<String> = pod.into_iter().chain(containers).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

/// The texts of a list, or of one member, that `allowed` does not know.
pub(super) fn strange<'a>(texts: impl Iterator<Item = &'a Value>, allowed: &[&str]) -> BTreeSet<&'a str> {
    texts.filter_map(Value::as_str).filter(|text| !allowed.contains(text)).collect()
}
