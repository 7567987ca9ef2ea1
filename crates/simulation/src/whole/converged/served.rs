//! Whether each Service leads to the ready pods that it selects and to no others, and every node was told of exactly that.
use crate::services::SimulatedServices;
use api::object::Object;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::view::View;

const SLICES: &str = "endpointslices.discovery.k8s.io";

/// The first Service that is not served as it should be.
pub(super) fn unserved(view: &View, nodes: &BTreeMap<String, SimulatedServices>) -> Result<(), String> {
    view.list("services", None).try_for_each(|service| leads(view, service))?;
    for (name, told) in nodes {
        let (services, slices) = told.applied();
        for (resource, told) in [("services", services), (SLICES, slices)] {
            let told: BTreeSet<String> = told.iter().map(mark).collect();
            let wanted: BTreeSet<String> = view.list(resource, None).map(|object| mark(&object.value())).collect();
            if told != wanted {
                return Err(format!("node {name} serves {resource} {told:?}, there are {wanted:?}"));
            }
        }
    }
    Ok(())
}

/// Which object in which state.
fn mark(object: &Value) -> String {
    let meta = &object["metadata"];
    format!("{} {}", meta["uid"], meta["resourceVersion"])
}

fn leads(view: &View, service: &Object) -> Result<(), String> {
    let (namespace, name, value) = (&service.key.namespace, &*service.key.name, service.value());
    let Some(selector) = value["spec"]["selector"].as_object().filter(|selector| !selector.is_empty()) else {
        return Ok(());
    };
    let selects = |pod: &Object| selector.iter().all(|(key, value)| pod.facet.label(key) == value.as_str());
    let ready = |pod: &Object| {
        let value = pod.value();
        let conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        (is && pod.facet.deleting.is_none()).then(|| value["status"]["podIP"].as_str().unwrap_or_default().to_owned())
    };
    let pods = view.list("pods", Some(namespace)).filter(|pod| selects(pod));
    let wanted: BTreeSet<String> = pods.filter_map(|pod| ready(pod)).collect();
    let ours = |slice: &Object| slice.facet.label("kubernetes.io/service-name") == Some(name);
    let mut there = BTreeSet::new();
    for slice in view.list(SLICES, Some(namespace)).filter(|slice| ours(slice)) {
        for endpoint in slice.value()["endpoints"].as_array().into_iter().flatten() {
            let addresses = endpoint["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if endpoint["conditions"]["ready"] == true {
                there.extend(addresses.map(str::to_owned));
            }
        }
    }
    match there == wanted {
        true => Ok(()),
        false => Err(format!("service {namespace}/{name} leads to {there:?}, ready are {wanted:?}")),
    }
}
