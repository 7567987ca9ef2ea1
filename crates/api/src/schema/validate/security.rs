//! Security contexts of pods and containers, and kernel settings. Whether they are allowed is for admission to say.
use super::words::{at, items, known, text};
use crate::field::Problems;
use serde_json::Value;
use std::collections::BTreeSet;

const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";
const SYSCTL_BYTES_MAX: usize = 253;

/// The context of a pod whose spec is `spec`.
pub(super) fn pod(spec: &Value, path: &str, problems: &mut Problems) {
    let (context, path) = (&spec["securityContext"], at(path, "securityContext"));
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        problems.invalid(at(&path, "shareProcessNamespace"), &true.into(), why);
    }
    if !context.is_object() {
        return;
    }
    for member in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&context[member], at(&path, member), problems);
    }
    for (place, group) in items(context, "supplementalGroups").iter().enumerate() {
        id(group, format!("{path}.supplementalGroups[{place}]"), problems);
    }
    known(context, "fsGroupChangePolicy", &path, &["Always", "OnRootMismatch"], problems);
    known(context, "supplementalGroupsPolicy", &path, &["Merge", "Strict"], problems);
    profiles(context, &path, problems);
    sysctls(spec, context, &at(&path, "sysctls"), problems);
}

fn id(id: &Value, path: String, problems: &mut Problems) {
    if id.as_i64().is_some_and(|number| !(0..=i64::from(i32::MAX)).contains(&number)) {
        problems.invalid(path, id, ID_RANGE);
    }
}

fn profiles(context: &Value, path: &str, problems: &mut Problems) {
    for (member, what) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
        let (profile, path) = (&context[member], at(path, member));
        if !profile.is_object() {
            continue;
        }
        let file = text(profile, "localhostProfile");
        let field = at(&path, "localhostProfile");
        match text(profile, "type") {
            "" => problems.required(at(&path, "type"), &format!("type is required when {member} is set")),
            "Localhost" if file.is_empty() => {
                problems.required(field, &format!("must be set when {what} type is Localhost"));
            }
            "Localhost" => super::volume_source::below(file, &field, problems),
            _ if !file.is_empty() => {
                let why = format!("can only be set when {what} type is Localhost");
                problems.invalid_text(field, file, &why);
            }
            _ => known(profile, "type", &path, &["Localhost", "RuntimeDefault", "Unconfined"], problems),
        }
    }
}

fn sysctls(spec: &Value, context: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, sysctl) in items(context, "sysctls").iter().enumerate() {
        let (own, field) = (text(sysctl, "name"), format!("{path}[{place}].name"));
        if own.is_empty() {
            problems.required(field.as_str(), "");
        } else if own.len() > SYSCTL_BYTES_MAX || !sysctl_name(own) {
            let why = "must have at most 253 characters and match regex \
                       ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            problems.invalid_text(field.as_str(), own, why);
        } else if !seen.insert(own) {
            problems.duplicate(field.as_str(), &own.into());
        }
        let dotted = own.replace('/', ".");
        if spec["hostNetwork"] == true && dotted.starts_with("net.") {
            problems.invalid_text(field.as_str(), own, "may not be specified when 'hostNetwork' is true");
        }
        let shared = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix));
        if spec["hostIPC"] == true && (shared || dotted == "kernel.sem") {
            problems.invalid_text(field, own, "may not be specified when 'hostIPC' is true");
        }
    }
}

fn sysctl_name(own: &str) -> bool {
    own.split(['.', '/']).all(|part| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || matches!(c, '-' | '_'))
    })
}

/// The context of a container.
pub(super) fn container(context: &Value, path: &str, problems: &mut Problems) {
    if !context.is_object() {
        return;
    }
    for member in ["runAsUser", "runAsGroup"] {
        id(&context[member], at(path, member), problems);
    }
    known(context, "procMount", path, &["Default", "Unmasked"], problems);
    profiles(context, path, problems);
    if context["allowPrivilegeEscalation"] == false {
        if context["privileged"] == true {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            problems.invalid(path, context, why);
        }
        if items(&context["capabilities"], "add").iter().any(|capability| capability == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            problems.invalid(path, context, why);
        }
    }
}
