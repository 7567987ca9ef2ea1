//! ServiceAccount: every pod runs as one, and is given a token of it where programs look for one.
use super::request::{Operation, Plugin, Request};
use crate::service_account;
use crate::status::Status;
use serde_json::Value;

pub const PLUGIN: Plugin = Plugin { name: "ServiceAccount", admit: Some(admit), validate: None };

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    if !request.is(Operation::Create, "pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    if service_account::mirror(pod) {
        return mirrored(request, pod);
    }
    let name = service_account::of_pod(pod).to_owned();
    let Some(account) = request.cluster.get("serviceaccounts", request.namespace, &name) else {
        let namespace = request.namespace;
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(request.forbidden(pod, &why));
    };
    let suffix = suffix(request, pod);
    service_account::complete(pod, &account.value(), &suffix);
    Ok(())
}

/// The shadow of a pod that a node runs by itself reaches for nothing of the cluster.
fn mirrored(request: &Request<'_>, pod: &Value) -> Result<(), Status> {
    let named = |member: &str| pod["spec"][member].as_str().is_some_and(|name| !name.is_empty());
    if named("serviceAccountName") || named("serviceAccount") {
        return Err(request.forbidden(pod, "a mirror pod may not reference service accounts"));
    }
    let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    if volumes.any(|volume| volume["secret"].is_object()) {
        return Err(request.forbidden(pod, "a mirror pod may not reference secrets"));
    }
    Ok(())
}

/// What ends the name of the token's volume. It need differ from the pod's other volumes only, so it is made of what the pod is called.
fn suffix(request: &Request<'_>, pod: &Value) -> String {
    let said = |member: &str| pod["metadata"][member].as_str().unwrap_or_default();
    let called = format!("{}/{}{}", request.namespace, said("name"), said("generateName"));
    let mut bits = [0; 8];
    bits.copy_from_slice(&blake3::hash(called.as_bytes()).as_bytes()[..8]);
    crate::name::suffix(u64::from_le_bytes(bits))
}
