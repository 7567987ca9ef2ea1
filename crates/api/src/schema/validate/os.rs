//! What a pod that names its operating system may not ask for, because the other one has it. It never asks which nodes there are.
use super::words::{at, items, text};
use crate::field::Problems;
use serde_json::Value;

/// Of a pod's spec, what is a Linux kernel's.
const LINUX_POD: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
/// Of a pod's security context.
const LINUX_CONTEXT: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
];
/// Of a container's security context.
const LINUX_CONTAINER: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

pub(super) fn pod(spec: &Value, path: &str, problems: &mut Problems) {
    let why = match text(&spec["os"], "name") {
        "windows" => "cannot be set for a windows pod",
        "linux" => "windows options cannot be set for a linux pod",
        _ => return,
    };
    let windows = why.starts_with("cannot");
    let mut refuse = |value: &Value, path: &str, members: &[&str]| {
        for member in members.iter().filter(|member| is_set(&value[**member])) {
            problems.forbidden(at(path, member), why);
        }
    };
    if windows {
        // Of no use to them, and false is as good as nothing.
        let set: Vec<&str> =
            LINUX_POD.into_iter().filter(|member| spec[*member] == true || *member == "hostUsers").collect();
        refuse(spec, path, &set);
    }
    let context = |value: &Value, path: &str, linux: &[&str], refuse: &mut dyn FnMut(&Value, &str, &[&str])| {
        let members = if windows { linux } else { &["windowsOptions"] };
        refuse(&value["securityContext"], &at(path, "securityContext"), members);
    };
    context(spec, path, &LINUX_CONTEXT, &mut refuse);
    for list in CONTAINERS {
        for (place, container) in items(spec, list).iter().enumerate() {
            context(container, &format!("{path}.{list}[{place}]"), &LINUX_CONTAINER, &mut refuse);
        }
    }
}

fn is_set(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_system_has_its_own() {
        let told = |spec: Value| {
            let mut problems = Problems::default();
            pod(&spec, "spec", &mut problems);
            problems.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect::<Vec<_>>()
        };
        let spec = |os: &str| {
            json!({"os": {"name": os}, "hostPID": true, "hostIPC": false, "hostUsers": false,
                "securityContext": {"runAsUser": 1, "sysctls": [], "windowsOptions": {}},
                "initContainers": [{"securityContext": {"privileged": false}}],
                "containers": [{}, {"securityContext": {"windowsOptions": {}, "procMount": "Default"}}]})
        };
        let windows = [
            "spec.hostUsers",
            "spec.hostPID",
            "spec.securityContext.runAsUser",
            "spec.initContainers[0].securityContext.privileged",
            "spec.containers[1].securityContext.procMount",
        ];
        let why = "Forbidden: cannot be set for a windows pod";
        assert_eq!(told(spec("windows")), windows.map(|field| format!("{field}: {why}")));
        let linux = ["spec.securityContext.windowsOptions", "spec.containers[1].securityContext.windowsOptions"];
        let why = "Forbidden: windows options cannot be set for a linux pod";
        assert_eq!(told(spec("linux")), linux.map(|field| format!("{field}: {why}")));
        assert_eq!(told(spec("")), [""; 0]);
    }
}
