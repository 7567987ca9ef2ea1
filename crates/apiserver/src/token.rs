//! Tokens of service accounts, made: for a client that asks for one (`serviceaccounts/NAME/token`), and for a node on behalf of its pods.
use crate::authentication::claims::{Claims, Named};
use crate::authentication::signer::{ISSUER, Signer};
use crate::draft;
use api::object::{Object, Uid};
use api::revision::Millis;
use api::status::{Cause, Status};
use std::sync::Arc;
use store::view::View;

/// The shortest and the longest life that may be asked for, in seconds, as in Kubernetes.
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub namespace: String,
    pub account: String,
    /// Empty: the API's own.
    pub audiences: Vec<String>,
    pub seconds: i64,
    pub bound: Option<Reference>,
}

/// The object with which a token ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    /// Empty: whichever has the name.
    pub uid: String,
}

/// A token and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub token: String,
    pub expires: Millis,
    pub audiences: Vec<String>,
}

/// A token under the name `id`, of what is there in `view`.
///
/// # Errors
/// 404, 400, 409 or 422 in Kubernetes' words.
pub fn issue(view: &View, signer: &Signer, wanted: Wanted, now: Millis, id: u128) -> Result<Issued, Status> {
    let Wanted { namespace, account: name, audiences, seconds, bound } = wanted;
    let found = view.get("serviceaccounts", &namespace, &name);
    let account = found.ok_or_else(|| Status::not_found("", "serviceaccounts", &name))?;
    let seconds = lasting(seconds)?;
    let audiences = if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences };
    let begins = now.0 / 1_000;
    let mut claims = Claims {
        audiences: audiences.clone(),
        issued: begins,
        not_before: begins,
        expires: Some(begins + seconds),
        id: Uid(id).to_string(),
        namespace,
        account: of(account),
        ..Claims::default()
    };
    if let Some(reference) = &bound {
        bind(view, &mut claims, reference)?;
    }
    Ok(Issued { token: signer.sign(&claims.to_value()), expires: Millis((begins + seconds) * 1_000), audiences })
}

fn of(object: &Object) -> Named {
    Named { name: object.key.name.to_string(), uid: object.uid.to_string() }
}

fn lasting(seconds: i64) -> Result<u64, Status> {
    let why = match seconds {
        ..SECONDS_MIN => "may not specify a duration less than 10 minutes",
        SECONDS_MIN..=SECONDS_MAX => return Ok(seconds.unsigned_abs()),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let (message, field) = (format!("Invalid value: {seconds}: {why}"), "spec.expirationSeconds");
    let text = format!("TokenRequest.authentication.k8s.io \"\" is invalid: {field}: {message}");
    let mut status = Status::new(422, "Invalid", text);
    status.causes = vec![Cause { reason: "FieldValueInvalid", message, field: field.into() }];
    Err(status.about("authentication.k8s.io", "TokenRequest", ""))
}

/// Binds the token to what `reference` names.
fn bind(view: &View, claims: &mut Claims, reference: &Reference) -> Result<(), Status> {
    let Reference { api_version, kind, name, uid } = reference;
    let find = |resource: &str, namespace: &str| -> Result<Arc<Object>, Status> {
        view.get(resource, namespace, name).cloned().ok_or_else(|| Status::not_found("", resource, name))
    };
    let object = match (api_version.contains('/'), kind.as_str()) {
        (false, "Pod") => {
            let pod = find("pods", &claims.namespace)?;
            let value = pod.value();
            if api::service_account::of_pod(&value) != claims.account.name {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                    claims.account.name
                )));
            }
            claims.pod = Some(of(&pod));
            let node = value["spec"]["nodeName"].as_str().filter(|node| !node.is_empty());
            claims.node = node.map(|node| {
                let uid = view.get("nodes", "", node).map(|found| found.uid.to_string());
                Named { name: node.to_owned(), uid: uid.unwrap_or_default() }
            });
            pod
        }
        (false, "Secret") => {
            let secret = find("secrets", &claims.namespace)?;
            claims.secret = Some(of(&secret));
            secret
        }
        (false, "Node") => {
            let node = find("nodes", "")?;
            claims.node = Some(of(&node));
            node
        }
        _ => {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let what = format!("{group}/{version}, Kind={kind}");
            return Err(Status::bad_request(format!("cannot bind token to object of type {what}")));
        }
    };
    if !uid.is_empty() && *uid != object.uid.to_string() {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. \
             The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", kind, name, &why));
    }
    Ok(())
}

/// The refusal of a request whose metadata names another account than its path.
#[must_use]
pub fn elsewhere(account: &str, member: &str, given: &str, what: &str) -> Status {
    let field = format!("metadata.{member}");
    let message = format!("Invalid value: {given:?}: must match the service account {what} if specified");
    let text = format!("TokenRequest.authentication.k8s.io {account:?} is invalid: {field}: {message}");
    let mut status = Status::new(422, "Invalid", text);
    status.causes = vec![Cause { reason: "FieldValueInvalid", message, field }];
    status.about("authentication.k8s.io", "TokenRequest", account)
}

/// What a request says beside its kind.
///
/// # Errors
/// 422 if its metadata names another account.
pub fn wanted(request: &serde_json::Value, namespace: &str, account: &str) -> Result<Wanted, Status> {
    for (member, own, what) in [("name", account, "name"), ("namespace", namespace, "namespace")] {
        let given = draft::text(request, member);
        if !given.is_empty() && given != own {
            return Err(elsewhere(account, member, given, what));
        }
    }
    let spec = &request["spec"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let reference = &spec["boundObjectRef"];
    let bound = reference.is_object().then(|| Reference {
        api_version: text(&reference["apiVersion"]),
        kind: text(&reference["kind"]),
        name: text(&reference["name"]),
        uid: text(&reference["uid"]),
    });
    Ok(Wanted {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
        audiences: spec["audiences"].as_array().into_iter().flatten().map(text).collect(),
        seconds: spec["expirationSeconds"].as_i64().unwrap_or(crate::limits::TOKEN_SECONDS),
        bound,
    })
}
