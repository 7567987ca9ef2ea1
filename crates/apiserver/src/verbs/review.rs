//! Questions that are answered and not kept: may I, who am I, what may I.
use crate::body;
use crate::call::Call;
use crate::identity::{MASTERS, User};
use crate::permission::{Attempt, check};
use crate::request::Response;
use crate::shape;
use api::revision::Millis;
use api::status::Status;
use serde_json::{Value, json};

/// # Errors
/// 400 for a body that is no review.
pub async fn review(call: &Call) -> Result<Response, Status> {
    let decoded = body::object(call, crate::query::FieldValidation::Ignore).await?;
    let mut review = decoded.value;
    crate::draft::identify(&call.kind, &mut review)?;
    review["status"] = match &*call.kind.kind {
        "SelfSubjectAccessReview" => access(&call.user, &review["spec"]),
        "SubjectAccessReview" | "LocalSubjectAccessReview" => access(&subject(&review["spec"]), &review["spec"]),
        "SelfSubjectRulesReview" => rules(&call.user),
        "SelfSubjectReview" => json!({"userInfo": {"username": &*call.user.name, "groups": groups(&call.user)}}),
        "TokenReview" => {
            json!({"authenticated": false, "error": "this cluster knows no bearer tokens; use a client certificate"})
        }
        _ => return Err(crate::call::not_allowed()),
    };
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    review["metadata"]["creationTimestamp"] =
        if &*call.kind.kind == "SelfSubjectReview" { Millis(rt::wall()).rfc3339().into() } else { Value::Null };
    shape::answer(call, 201, &review)
}

fn groups(user: &User) -> Vec<&str> {
    user.groups.iter().map(|group| &**group).collect()
}

fn subject(spec: &Value) -> User {
    let groups: Vec<&str> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    User {
        name: spec["user"].as_str().unwrap_or_default().into(),
        groups: groups.into_iter().map(Into::into).collect(),
    }
}

fn access(user: &User, spec: &Value) -> Value {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |value: &'_ Value, member: &str| value[member].as_str().unwrap_or_default().to_owned();
    let fields = ["verb", "group", "resource", "subresource", "namespace", "name"].map(|member| text(resource, member));
    let (path_verb, path_text) = (text(path, "verb"), text(path, "path"));
    let [verb, group, resource, subresource, namespace, name] = &fields;
    let attempt = if path.is_object() {
        Attempt { verb: &path_verb, path: &path_text, ..Attempt::default() }
    } else {
        Attempt { verb, group, resource, subresource, namespace, name, path: "" }
    };
    match check(user, &attempt) {
        Ok(reason) => json!({"allowed": true, "reason": reason}),
        Err(status) => json!({"allowed": false, "reason": status.message.clone()}),
    }
}

fn rules(user: &User) -> Value {
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    if user.in_group(MASTERS) {
        resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    resources.push(json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}));
    resources.push(
        json!({"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}),
    );
    paths
        .push(json!({"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez",
        "/openapi", "/openapi/*", "/readyz", "/version", "/version/"]}));
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}
