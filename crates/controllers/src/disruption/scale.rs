//! How many pods the controllers of some pods want together. It judges no pod.
use crate::fields::{at, list, number, text};
use crate::kinds::{Referred, find};
use crate::pods::Pod;
use api::object::Object;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::view::View;

/// The built-in resources that have a scale.
pub(super) const BUILT_IN: [&str; 4] =
    ["deployments.apps", "replicasets.apps", "statefulsets.apps", "replicationcontrollers"];

/// The replicas of all controllers of `pods`, each counted once. Pods without a controller count for nothing.
///
/// A pod whose controller is not there, or has no scale, makes it impossible to say: that is told.
pub(super) fn expected(view: &View, pods: &[Pod]) -> Result<i64, String> {
    let mut scales: BTreeMap<u128, i64> = BTreeMap::new();
    let mut seen = Vec::new();
    for pod in pods {
        let Some(controller) = pod.object.facet.controller() else { continue };
        if seen.contains(&controller.uid) {
            continue;
        }
        seen.push(controller.uid);
        let owner = controller_of(&pod.object.value());
        let Referred::There(object) = find(view, &pod.object.key.namespace, &owner) else {
            return Err(format!("found no controllers for pod {:?}", &*pod.object.key.name));
        };
        let object = deployment_of(view, object);
        scales.insert(object.uid.0, replicas(view, object)?);
    }
    Ok(scales.values().fold(0, |sum, scale| sum.saturating_add(*scale)))
}

fn controller_of(value: &Value) -> Value {
    let owners = list(value, "/metadata/ownerReferences");
    owners.iter().find(|owner| owner["controller"] == true).cloned().unwrap_or_else(|| json!({}))
}

/// Where a ReplicaSet belongs to a Deployment, that one says how many.
fn deployment_of<'a>(view: &'a View, object: &'a Object) -> &'a Object {
    let of_deployment = &*object.key.resource == "replicasets.apps"
        && object.facet.controller().is_some_and(|owner| &*owner.kind == "Deployment");
    if !of_deployment {
        return object;
    }
    match find(view, &object.key.namespace, &controller_of(&object.value())) {
        Referred::There(deployment) => deployment,
        _ => object,
    }
}

fn replicas(view: &View, object: &Object) -> Result<i64, String> {
    let resource = &*object.key.resource;
    let value = object.value();
    if BUILT_IN.contains(&resource) {
        return Ok(number(&value, "/spec/replicas").unwrap_or(1));
    }
    let definition = view.get("customresourcedefinitions.apiextensions.k8s.io", "", resource);
    let definition = definition.map(|definition| definition.value()).unwrap_or_default();
    let scaled =
        |version: &&Value| text(version, "/name") == text(&value, "/apiVersion").rsplit('/').next().unwrap_or("");
    let version = list(&definition, "/spec/versions").iter().find(scaled);
    let path = version.map_or("", |version| text(version, "/subresources/scale/specReplicasPath"));
    if path.is_empty() {
        return Err(format!("{resource} does not implement the scale subresource"));
    }
    Ok(at(&value, &path.replace('.', "/")).as_i64().unwrap_or(0))
}
