//! What the restricted policy demands beyond the baseline: what hardens a container (Kubernetes, Pod Security Standards). One function a check.
use super::baseline::{PROFILES, profiles};
use super::words::{Pod, Violation, context, name, named, plural, quoted, setters, strange, violation};
use crate::admission::request::items;
use serde_json::Value;
use std::collections::BTreeSet;

/// From 1.25 on windows pods need not say what only Linux knows.
pub(super) fn privilege_escalation_1_25(pod: Pod<'_>) -> Option<Violation> {
    if pod.windows() { None } else { privilege_escalation(pod) }
}

pub(super) fn privilege_escalation(pod: Pod<'_>) -> Option<Violation> {
    let bad = pod.bad(|container| context(container)["allowPrivilegeEscalation"] != false);
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", named(&bad));
    violation("allowPrivilegeEscalation != false", detail)
}

pub(super) fn capabilities_1_25(pod: Pod<'_>) -> Option<Violation> {
    if pod.windows() { None } else { capabilities(pod) }
}

pub(super) fn capabilities(pod: Pod<'_>) -> Option<Violation> {
    let list = |container, side| items(&context(container)["capabilities"], side);
    let added = |container| strange(list(container, "add").iter(), &["NET_BIND_SERVICE"]);
    let missing = pod.bad(|container| !list(container, "drop").iter().any(|dropped| dropped == "ALL"));
    let adding = pod.bad(|container| !added(container).is_empty());
    let mut told = Vec::new();
    if !missing.is_empty() {
        told.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named(&missing)));
    }
    if !adding.is_empty() {
        let all: BTreeSet<&str> = pod.containers().flat_map(added).collect();
        let all = quoted(all);
        told.push(format!("{} must not include {all} in securityContext.capabilities.add", named(&adding)));
    }
    if told.is_empty() { None } else { violation("unrestricted capabilities", told.join("; ")) }
}

/// Kinds of volumes that a pod may bring itself.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

pub(super) fn volumes(pod: Pod<'_>) -> Option<Violation> {
    let kind = |volume: &Value| {
        let members = volume.as_object().into_iter().flatten();
        let mut kinds = members.filter(|(member, value)| *member != "name" && !value.is_null());
        kinds.next().map_or_else(|| "unknown".to_owned(), |(member, _)| member.clone())
    };
    let bad = |volume: &&Value| !VOLUMES.iter().any(|allowed| !volume[*allowed].is_null());
    let bad: Vec<&Value> = items(pod.spec, "volumes").iter().filter(bad).collect();
    if bad.is_empty() {
        return None;
    }
    let kinds: BTreeSet<String> = bad.iter().map(|volume| kind(volume)).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|volume| name(volume))),
        plural("uses", "use", bad.len()),
        plural("restricted volume type", "restricted volume types", kinds.len()),
        quoted(kinds)
    );
    violation("restricted volume types", detail)
}

/// From 1.35 on a pod with users of its own may have a root of its own.
pub(super) fn non_root_1_35(pod: Pod<'_>) -> Option<Violation> {
    if pod.own_users() { None } else { non_root(pod) }
}

pub(super) fn non_root(pod: Pod<'_>) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    let asked = |context: &Value| context["runAsNonRoot"].as_bool();
    let whole = asked(pod.context());
    let explicit = pod.bad(|container| asked(context(container)) == Some(false));
    if let Some(who) = setters(whole == Some(false), &explicit) {
        return violation(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let implicit = pod.bad(|container| whole != Some(true) && asked(context(container)).is_none());
    if implicit.is_empty() {
        return None;
    }
    violation(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", named(&implicit)))
}

pub(super) fn root_user_1_35(pod: Pod<'_>) -> Option<Violation> {
    if pod.own_users() { None } else { root_user(pod) }
}

pub(super) fn root_user(pod: Pod<'_>) -> Option<Violation> {
    let root = |context: &Value| context["runAsUser"] == 0;
    let who = setters(root(pod.context()), &pod.bad(|container| root(context(container))))?;
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub(super) fn seccomp_1_25(pod: Pod<'_>) -> Option<Violation> {
    if pod.windows() { None } else { seccomp(pod) }
}

pub(super) fn seccomp(pod: Pod<'_>) -> Option<Violation> {
    const REASON: &str = "seccompProfile";
    let (who, values) = profiles(pod, REASON);
    if let Some(who) = who {
        let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(values));
        return violation(REASON, detail);
    }
    let set = |context: &Value| context[REASON]["type"].as_str().is_some_and(|profile| PROFILES.contains(&profile));
    let whole = set(pod.context());
    let missing = pod.bad(|container| !whole && context(container)[REASON].is_null());
    if missing.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        named(&missing)
    );
    violation(REASON, detail)
}
