//! PodSecurity: what the labels of a namespace allow its pods (KEP-2579). Pods that violate what is enforced are refused; who writes a pod
//! or a template that violates what is warned of is told. Nobody is exempt.
mod baseline;
mod policy;
mod restricted;
#[cfg(test)]
mod tests;
mod words;

use super::request::{Notes, Operation, Plugin, Request, items, text};
use crate::status::Status;
use policy::{Level, Policies, Policy, violations};
use serde_json::Value;
use std::collections::BTreeMap;
use words::{Pod, Violation};

pub const PLUGIN: Plugin = Plugin { name: "PodSecurity", admit: None, validate: Some(validate) };

const PREFIX: &str = "pod-security.kubernetes.io/";
/// Subresources through which nothing changes of what a pod may do.
const HARMLESS: [&str; 8] = ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];
/// Most pods that are looked at when a namespace's policy becomes stricter.
const PODS_CHECKED_MAX: usize = 3_000;

fn validate(request: &Request<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status> {
    if !matches!(request.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    match &*request.kind.resource {
        "namespaces" if request.subresource.is_empty() => namespace(request, object, notes),
        "pods" if !HARMLESS.contains(&request.subresource) => pod(request, object, notes),
        resource if request.subresource.is_empty() => match template(resource, object) {
            Some(template) => evaluate(request, object, template, false, notes),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What a controller makes its pods of.
fn template<'a>(resource: &str, object: &'a Value) -> Option<Pod<'a>> {
    let template = match resource {
        "replicationcontrollers"
        | "replicasets.apps"
        | "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => &object["spec"]["template"],
        "cronjobs.batch" => &object["spec"]["jobTemplate"]["spec"]["template"],
        "podtemplates" => &object["template"],
        _ => return None,
    };
    template.is_object().then(|| seen(template))
}

fn seen(of: &Value) -> Pod<'_> {
    Pod { annotations: &of["metadata"]["annotations"], spec: &of["spec"] }
}

fn pod(request: &Request<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status> {
    match request.old {
        Some(old) if request.operation == Operation::Update && !significant(old, object) => Ok(()),
        _ => evaluate(request, object, seen(object), true, notes),
    }
}

/// Whether an update of a pod changes what its policy looks at: images, seccomp's annotations, ephemeral containers.
fn significant(old: &Value, new: &Value) -> bool {
    const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
    let annotation = |pod: &Value, name: &str| super::request::annotation(pod, name).to_owned();
    let other = |name: &str| annotation(old, name) != annotation(new, name);
    let images = |pod: &Value, list: &str| -> BTreeMap<String, String> {
        let all = items(&pod["spec"], list).iter();
        all.map(|container| (text(container, "name").to_owned(), text(container, "image").to_owned())).collect()
    };
    let seccomp = |name: &String| other(&format!("container.seccomp.security.alpha.kubernetes.io/{name}"));
    other("seccomp.security.alpha.kubernetes.io/pod")
        || LISTS.iter().any(|list| images(old, list) != images(new, list) || images(new, list).keys().any(seccomp))
}

fn evaluate(
    request: &Request<'_>,
    object: &Value,
    pod: Pod<'_>,
    enforced: bool,
    notes: &mut Notes,
) -> Result<(), Status> {
    let Some(namespace) = request.cluster.get("namespaces", "", request.namespace) else { return Ok(()) };
    if !namespace.facet.labels.iter().any(|(name, _)| name.starts_with(PREFIX)) {
        return Ok(());
    }
    let (policies, wrong) = Policies::of(&namespace.value()["metadata"]["labels"]);
    if let Some(first) = wrong.first() {
        let told = format!("Failed to parse policy: {}: {}", first.field, first.message);
        notes.audit.insert(format!("{PREFIX}error"), told);
    }
    if enforced {
        notes.audit.insert(format!("{PREFIX}enforce-policy"), policies.enforce.to_string());
    }
    let against = |policy: Policy| {
        let found = violations(policy, pod);
        (!found.is_empty()).then(|| format!("violate PodSecurity \"{policy}\": {}", told(&found)))
    };
    if let Some(told) = against(policies.audit) {
        notes.audit.insert(format!("{PREFIX}audit-violations"), format!("would {told}"));
    }
    if let Some(told) = against(policies.enforce).filter(|_| enforced) {
        return Err(request.forbidden(object, &told.replacen("violate", "violates", 1)));
    }
    notes.warnings.extend(against(policies.warn).map(|told| format!("would {told}")));
    Ok(())
}

/// Reasons, each with its details.
fn told(violations: &[Violation]) -> String {
    let one = |violation: &Violation| match violation.detail.as_str() {
        "" => violation.reason.clone(),
        detail => format!("{} ({detail})", violation.reason),
    };
    violations.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The labels must be readable; who makes a policy stricter is told which pods it would refuse.
fn namespace(request: &Request<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status> {
    let (new, wrong) = Policies::of(&object["metadata"]["labels"]);
    let old = request.old.map(|old| Policies::of(&old["metadata"]["labels"]));
    if !wrong.is_empty() && old.as_ref().is_none_or(|(_, before)| *before != wrong) {
        let shown: Vec<String> = wrong.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let shown = if shown.len() == 1 { shown.concat() } else { format!("[{}]", shown.join(", ")) };
        let name = text(&object["metadata"], "name");
        let mut status = Status::new(422, "Invalid", format!("Namespace \"{name}\" is invalid: {shown}"));
        status.causes = wrong;
        return Err(status.about("", "Namespace", name));
    }
    let Some((old, _)) = old else { return Ok(()) };
    let (new, old) = (new.enforce, old.enforce);
    let laxer = new.version == old.version && new.level <= old.level;
    if new != old && new.level != Level::Privileged && !laxer {
        notes.warnings.extend(violators(request, text(&object["metadata"], "name"), new));
    }
    Ok(())
}

/// What is told of the pods in `namespace` that a policy would refuse.
fn violators(request: &Request<'_>, namespace: &str, policy: Policy) -> Vec<String> {
    let pods = request.cluster.list("pods", Some(namespace));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in pods.iter().take(PODS_CHECKED_MAX) {
        let reasons = violations(policy, seen(&pod.value())).into_iter().map(|violation| violation.reason);
        let reasons: Vec<String> = reasons.collect();
        if !reasons.is_empty() {
            found.entry(reasons.join(", ")).or_default().push(pod.key.name.to_string());
        }
    }
    let mut told = Vec::new();
    if pods.len() > PODS_CHECKED_MAX {
        let (all, some) = (pods.len(), PODS_CHECKED_MAX);
        told.push(format!(
            "new PodSecurity enforce level only checked against the first {some} of {all} existing pods"
        ));
    }
    if !found.is_empty() {
        told.push(format!(
            "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{policy}\""
        ));
    }
    let mut lines: Vec<String> = found
        .iter()
        .map(|(reasons, names)| match names.as_slice() {
            [only] => format!("{only}: {reasons}"),
            [first, _] => format!("{first} (and 1 other pod): {reasons}"),
            [first, others @ ..] => format!("{first} (and {} other pods): {reasons}", others.len()),
            [] => reasons.clone(),
        })
        .collect();
    lines.sort();
    told.extend(lines);
    told
}
