//! EndpointSlices of Services with selectors: which pods answer, on which ports. It never touches slices that another manages,
//! nor Services without selectors.
use crate::conditions::{find, is_true};
use crate::controller::Controller;
use crate::fields::{at, flag, list, number, text};
use crate::limits::SLICE_ENDPOINTS;
use crate::owners::{controlled, controller_key, controller_reference};
use crate::pods::free_name;
use crate::selectors::of_labels;
use crate::service_targets::target;
use crate::writes::{create, remove, replace};
use api::command::Write;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Millis;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "services";
const SLICES: &str = "endpointslices.discovery.k8s.io";
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
const MANAGER_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

pub(crate) const CONTROLLER: Controller = Controller { name: "endpoint_slice", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let states = || [Some(object), event.before.as_ref()].into_iter().flatten();
    match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        SLICES => states().find_map(|slice| controller_key(slice, "Service", RESOURCE)).into_iter().collect(),
        "pods" => {
            // A pod that runs nowhere has no address: it was not, and is not, in any slice.
            if states().all(|pod| pod.facet.field("spec.nodeName").is_none_or(str::is_empty)) {
                return Vec::new();
            }
            let services = view.list(RESOURCE, Some(&object.key.namespace));
            let selects = |service: &&Arc<Object>| {
                let selector = of_labels(at(&service.value(), "/spec/selector"));
                selector.is_some_and(|selector| states().any(|pod| selector.matches(&pod.facet)))
            };
            services.filter(selects).map(|service| service.key.clone()).collect()
        }
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_none()) else {
        return Decision::idle();
    };
    let service = object.value();
    if text(&service, "/spec/type") == "ExternalName" {
        return Decision::idle();
    }
    let Some(selector) = of_labels(at(&service, "/spec/selector")) else { return Decision::idle() };
    let pods = view.list("pods", Some(&key.namespace)).filter(|pod| selector.matches(&pod.facet));
    // Named target ports may differ from pod to pod; each set of numbers has slices of its own.
    let mut groups: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods {
        let pod = pod.value();
        if let Some(endpoint) = endpoint(view, &service, &pod) {
            let ports = ports(&service, &pod);
            let signature = Value::from(ports.clone()).to_string();
            groups.entry(signature).or_insert_with(|| (ports, Vec::new())).1.push(endpoint);
        }
    }
    if groups.is_empty() {
        // A Service that nothing answers still has a slice, so that its readers know.
        groups.insert(String::new(), (Vec::new(), Vec::new()));
    }
    let slices: Vec<&Arc<Object>> = controlled(view, SLICES, object)
        .into_iter()
        .filter(|slice| slice.facet.label(MANAGER_LABEL) == Some(MANAGER) && slice.facet.deleting.is_none())
        .collect();
    let writes = reconcile(view, object, &service, groups, &slices);
    Decision::one(writes, "")
}

/// Puts each group's endpoints into slices of at most `SLICE_ENDPOINTS`, changing as few slices as it can: an endpoint stays where it is.
fn reconcile(
    view: &View,
    object: &Arc<Object>,
    service: &Value,
    groups: BTreeMap<String, (Vec<Value>, Vec<Value>)>,
    slices: &[&Arc<Object>],
) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut spare: Vec<&Arc<Object>> = slices.to_vec();
    let mut count = 0;
    for (ports, endpoints) in groups.into_values() {
        let mut left: BTreeMap<String, Value> =
            endpoints.into_iter().map(|endpoint| (text(&endpoint, "/targetRef/uid").to_owned(), endpoint)).collect();
        let (own, others) = spare.into_iter().partition(|slice| list(&slice.value(), "/ports") == ports);
        spare = others;
        let own: Vec<&Arc<Object>> = own;
        let mut kept: Vec<(&Arc<Object>, Vec<Value>)> = Vec::new();
        for slice in own {
            let held = list(&slice.value(), "/endpoints")
                .iter()
                .filter_map(|old| {
                    let gone = planted(Bug::KeepsGoneEndpoints).then(|| old.clone());
                    left.remove(text(old, "/targetRef/uid")).or(gone)
                })
                .collect();
            kept.push((slice, held));
        }
        let mut new = left.into_values();
        for (_, held) in &mut kept {
            let room = SLICE_ENDPOINTS.saturating_sub(held.len());
            held.extend(new.by_ref().take(room));
        }
        let empty_ones = kept.iter().filter(|(_, held)| held.is_empty()).count();
        let all_empty = empty_ones == kept.len();
        for (at, (slice, held)) in kept.iter().enumerate() {
            // One empty slice stays if there is nothing else; the rest go.
            if held.is_empty() && !(all_empty && at == 0) {
                writes.push(remove(slice));
            } else {
                let name = slice.key.name.to_string();
                writes.extend(replace(slice, &slice_value(object, service, &name, &ports, held, Some(&slice.value()))));
            }
        }
        loop {
            let held: Vec<Value> = new.by_ref().take(SLICE_ENDPOINTS).collect();
            if held.is_empty() && !kept.is_empty() {
                break;
            }
            let stem = format!("{}-", object.key.name);
            let name = free_name(view, SLICES, &object.key.namespace, &stem, object.uid, &mut count);
            let more = !held.is_empty();
            writes.extend(create(SLICES, &slice_value(object, service, &name, &ports, &held, None)));
            if !more || new.len() == 0 {
                break;
            }
        }
    }
    writes.extend(spare.into_iter().map(|slice| remove(slice)));
    writes
}

fn slice_value(
    object: &Object,
    service: &Value,
    name: &str,
    ports: &[Value],
    endpoints: &[Value],
    old: Option<&Value>,
) -> Value {
    let mut labels = at(service, "/metadata/labels").as_object().cloned().unwrap_or_default();
    labels.insert(SERVICE_LABEL.into(), (*object.key.name).into());
    labels.insert(MANAGER_LABEL.into(), MANAGER.into());
    let headless = text(service, "/spec/clusterIP") == "None";
    if headless {
        labels.insert("service.kubernetes.io/headless".into(), "".into());
    }
    let generation = old.map_or(1, |old| {
        let same = list(old, "/endpoints") == endpoints && list(old, "/ports") == ports;
        number(old, "/metadata/generation").unwrap_or(1) + i64::from(!same)
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "generateName": format!("{}-", object.key.name), "namespace": &*object.key.namespace,
            "labels": labels, "generation": generation,
            "ownerReferences": [controller_reference("v1", "Service", object)]},
        "ports": ports, "endpoints": endpoints,
    })
}

/// The pod as an endpoint; `None` if it has no address, has finished, or may not be found yet.
fn endpoint(view: &View, service: &Value, pod: &Value) -> Option<Value> {
    let address = text(pod, "/status/podIP");
    let phase = text(pod, "/status/phase");
    if address.is_empty() || matches!(phase, "Succeeded" | "Failed") {
        return None;
    }
    let terminating = !at(pod, "/metadata/deletionTimestamp").is_null();
    let publish = flag(service, "/spec/publishNotReadyAddresses");
    let serving = find(pod, "Ready").is_some() && is_true(pod, "Ready");
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {"ready": publish || (serving && !terminating), "serving": serving || publish, "terminating": terminating},
        "nodeName": text(pod, "/spec/nodeName"),
        "targetRef": {"kind": "Pod", "namespace": text(pod, "/metadata/namespace"), "name": text(pod, "/metadata/name"),
            "uid": text(pod, "/metadata/uid")},
    });
    let node = view.get("nodes", "", text(pod, "/spec/nodeName"));
    if let Some(zone) = node.and_then(|node| node.facet.label("topology.kubernetes.io/zone")) {
        endpoint["zone"] = zone.into();
    }
    let hostname = text(pod, "/spec/hostname");
    if !hostname.is_empty() && text(pod, "/spec/subdomain") == text(service, "/metadata/name") {
        endpoint["hostname"] = hostname.into();
    }
    Some(endpoint)
}

/// The Service's ports as this pod has them; a name the pod does not know is left out.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let mut ports: Vec<Value> = list(service, "/spec/ports").iter().filter_map(|port| target(port, pod)).collect();
    ports.sort_by_cached_key(Value::to_string);
    ports
}
