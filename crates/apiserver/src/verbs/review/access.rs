//! May somebody do something: answered by the very function that lets requests in (authorization.k8s.io/v1).
use crate::call::Call;
use crate::draft;
use crate::identity::User;
use crate::permission;
use api::attempt::Attempt;
use api::problem::Problems;
use api::status::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The status of a Self-, Local- or SubjectAccessReview.
///
/// # Errors
/// 422 for neither or both kinds of attributes, for nobody, or for another namespace than the review's.
pub(super) async fn answer(call: &Call, review: &mut Value) -> Result<Value, Status> {
    let (own, local) = match &*call.kind.kind {
        "SelfSubjectAccessReview" => (true, false),
        kind => (false, kind == "LocalSubjectAccessReview"),
    };
    if local {
        draft::place(call, review)?;
    }
    validate(call, review, own, local)?;
    let spec = &review["spec"];
    let user = if own { call.user.clone() } else { subject(spec) };
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let fields = selected(&resource["fieldSelector"]);
    let attempt = if path.is_object() {
        Attempt { verb: text(path, "verb"), path: text(path, "path"), ..Attempt::default() }
    } else {
        Attempt {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            path: "",
            fields: &fields,
        }
    };
    let (allowed, reason) = match permission::answer(&call.room, &user, &attempt).await? {
        Ok(reason) => (true, reason.to_string()),
        Err(reason) => (false, reason),
    };
    let mut status = json!({ "allowed": allowed });
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    Ok(status)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value) -> impl Iterator<Item = Box<str>> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into)
}

fn subject(spec: &Value) -> User {
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra: BTreeMap<_, _> = extra.map(|(key, values)| (key.as_str().into(), texts(values).collect())).collect();
    User {
        name: text(spec, "user").into(),
        uid: text(spec, "uid").into(),
        groups: texts(&spec["groups"]).collect(),
        extra,
    }
}

/// What a field selector demands, be it one text or a list of requirements.
fn selected(selector: &Value) -> Vec<(String, String)> {
    let raw = crate::attempt::demanded(selector["rawSelector"].as_str());
    let requirements = selector["requirements"].as_array().into_iter().flatten().filter_map(|requirement| {
        let values: Vec<Box<str>> = texts(&requirement["values"]).collect();
        match (text(requirement, "operator"), &values[..]) {
            ("In", [value]) => Some((text(requirement, "key").to_owned(), value.to_string())),
            _ => None,
        }
    });
    raw.into_iter().chain(requirements).collect()
}

fn validate(call: &Call, review: &Value, own: bool, local: bool) -> Result<(), Status> {
    let mut problems = Problems::default();
    let spec = &review["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() && path.is_object() {
        let why = "cannot be specified in combination with resourceAttributes";
        problems.invalid("spec.nonResourceAttributes", path, why);
    }
    if !resource.is_object() && !path.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        problems.invalid("spec.resourceAttributes", &Value::Null, why);
    }
    for (member, attributes) in [
        ("fieldSelector", "spec.resourceAttributes.fieldSelector"),
        ("labelSelector", "spec.resourceAttributes.labelSelector"),
    ] {
        selector(&resource[member], attributes, &mut problems);
    }
    if !own && text(spec, "user").is_empty() && texts(&spec["groups"]).next().is_none() {
        problems.invalid_text("spec.user", "", "at least one of user or group must be specified");
    }
    let kept = |member: &str| matches!(member, "managedFields" | "creationTimestamp") || local && member == "namespace";
    let meta = review["metadata"].as_object().into_iter().flatten();
    if meta.into_iter().any(|(member, value)| !kept(member) && !value.is_null() && *value != "") {
        let why = if local { "must be empty except for namespace" } else { "must be empty" };
        problems.invalid("metadata", &review["metadata"], why);
    }
    if local && resource.is_object() && text(resource, "namespace") != call.target.namespace {
        let why = "must match metadata.namespace";
        problems.invalid_text("spec.resourceAttributes.namespace", text(resource, "namespace"), why);
    }
    if local && path.is_object() {
        problems.invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request");
    }
    if problems.causes.is_empty() { Ok(()) } else { Err(draft::invalid(&call.kind, "", problems.causes)) }
}

/// A selector is one text or requirements, not both and not neither.
fn selector(selector: &Value, path: &str, problems: &mut Problems) {
    if !selector.is_object() {
        return;
    }
    let raw = text(selector, "rawSelector");
    let requirements = selector["requirements"].as_array().is_some_and(|list| !list.is_empty());
    if !raw.is_empty() && requirements {
        problems.invalid_text(format!("{path}.rawSelector"), raw, "may not specified at the same time as requirements");
    }
    if raw.is_empty() && !requirements {
        let name = path.rsplit('.').next().unwrap_or_default();
        let why = format!("when {name} is specified, requirements or rawSelector is required");
        problems.required(format!("{path}.requirements"), &why);
    }
}
