//! PodTopologyLabels (KEP-4742): a pod that has got a node bears the labels that say where that node stands, so that its containers may
//! know. It overwrites none.
use super::request::{Operation, Plugin, Request, text};
use crate::object::Object;
use crate::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "PodTopologyLabels", admit: Some(admit), validate: None };

const LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    if !request.is(Operation::Create, "pods") {
        return Ok(());
    }
    let name = text(&pod["spec"], "nodeName");
    if let Some(node) = (!name.is_empty()).then(|| request.cluster.get("nodes", "", name)).flatten() {
        stand(pod, &node);
    }
    Ok(())
}

/// Puts the labels of its node on a pod; whoever binds one does so.
pub fn stand(pod: &mut Value, node: &Object) {
    for label in LABELS {
        let Some(place) = node.facet.label(label) else { continue };
        if !pod["metadata"].is_object() {
            pod["metadata"] = json!({});
        }
        let labels = &mut pod["metadata"]["labels"];
        if labels.is_null() {
            *labels = json!({});
        }
        if labels.get(label).is_none() {
            labels[label] = place.into();
        }
    }
}
