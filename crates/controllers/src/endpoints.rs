//! Endpoints of Services with selectors: what EndpointSlices say, as clients read it that know none. It leaves alone what belongs to
//! Services without selectors, or to none.
use crate::conditions::{find, is_true};
use crate::controller::Controller;
use crate::fields::{at, flag, list, set, text, unset};
use crate::limits::ENDPOINTS_ADDRESSES;
use crate::owners::controller_key;
use crate::selectors::of_labels;
use crate::service_targets::target;
use crate::writes::{create, remove, replace};
use api::command::Write;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

const SERVICES: &str = "services";
const RESOURCE: &str = "endpoints";
const SLICES: &str = "endpointslices.discovery.k8s.io";
const MANAGER_LABEL: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Since when what is said is so: the readiness of a pod, or the Service.
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Who elects leaders by Endpoints keeps them without a Service.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// A key is that of the Service, there or gone.
pub(crate) const CONTROLLER: Controller = Controller { name: "endpoints", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    match &*object.key.resource {
        SERVICES => vec![object.key.clone()],
        RESOURCE => {
            let key = Key::new(SERVICES, &object.key.namespace, &object.key.name);
            if view.get_key(&key).is_some() { vec![key] } else { Vec::new() }
        }
        // Whatever of a pod matters here is in its slice too, so that not every event of a pod need be looked at twice.
        SLICES => controller_key(object, "Service", SERVICES).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    let services = view.list(SERVICES, None).map(|object| object.key.clone());
    let ours = view.list(RESOURCE, None).filter(|object| object.facet.label(MANAGER_LABEL) == Some(MANAGER));
    let left = ours.map(|object| Key::new(SERVICES, &object.key.namespace, &object.key.name));
    services.chain(left.filter(|key| view.get_key(key).is_none())).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let known = view.get(RESOURCE, &key.namespace, &key.name);
    let Some(object) = view.get_key(key) else {
        let left = known.filter(|known| at(&known.value(), "/metadata/annotations").get(LEADER).is_none());
        return Decision::one(left.map(|left| remove(left)).into_iter().collect(), "its Service is gone");
    };
    let service = object.value();
    if object.facet.deleting.is_some() || text(&service, "/spec/type") == "ExternalName" {
        return Decision::idle();
    }
    let Some(selector) = of_labels(at(&service, "/spec/selector")) else { return Decision::idle() };
    let namespace = view.get("namespaces", "", &key.namespace);
    if known.is_none() && namespace.is_some_and(|namespace| namespace.facet.deleting.is_some()) {
        return Decision::idle();
    }
    let pods: Vec<Value> = view
        .list("pods", Some(&key.namespace))
        .filter(|pod| selector.matches(&pod.facet))
        .map(|pod| pod.value())
        .collect();
    Decision::one(reconcile(known, &service, &pods).into_iter().collect(), "")
}

fn reconcile(known: Option<&Arc<Object>>, service: &Value, pods: &[Value]) -> Option<Write> {
    let mut subsets = subsets(service, pods);
    let over = truncate(&mut subsets);
    let labels = labels(service);
    let old = known.map(|known| known.value());
    if let Some(old) = &old
        && list(old, "/subsets") == subsets
        && at(old, "/metadata/labels").as_object() == Some(&labels)
        && at(old, "/metadata/annotations").get(OVER_CAPACITY).is_some() == over
    {
        return None;
    }
    let mut value = old.clone().unwrap_or_else(|| {
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": text(service, "/metadata/name"),
            "namespace": text(service, "/metadata/namespace")}})
    });
    set(&mut value, &["metadata", "labels"], labels);
    put(&mut value, &["metadata", "annotations", TRIGGERED], triggered(old.as_ref(), service, pods));
    put(&mut value, &["metadata", "annotations", OVER_CAPACITY], over.then(|| "truncated".to_owned()));
    if at(&value, "/metadata/annotations").as_object().is_some_and(Map::is_empty) {
        unset(&mut value, &["metadata", "annotations"]);
    }
    if subsets.is_empty() {
        unset(&mut value, &["subsets"]);
    } else {
        set(&mut value, &["subsets"], subsets);
    }
    match known {
        Some(known) => replace(known, &value),
        None => create(RESOURCE, &value),
    }
}

fn put(value: &mut Value, path: &[&str], new: Option<String>) {
    match new {
        Some(new) => set(value, path, new),
        None => unset(value, path),
    }
}

/// The Service's own labels, and what tells whose Endpoints these are.
fn labels(service: &Value) -> Map<String, Value> {
    let mut labels = at(service, "/metadata/labels").as_object().cloned().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.insert(MANAGER_LABEL.into(), MANAGER.into());
    if matches!(text(service, "/spec/clusterIP"), "" | "None") {
        labels.insert(HEADLESS.into(), "".into());
    }
    labels
}

/// When what is newly said began: of new Endpoints their Service, else the newest readiness that was not told of yet. Nothing is
/// remembered between decisions, so two changes that are told of at once have the time of the later.
fn triggered(old: Option<&Value>, service: &Value, pods: &[Value]) -> Option<String> {
    let Some(old) = old else { return Some(text(service, "/metadata/creationTimestamp").to_owned()) };
    let told = text(at(old, "/metadata/annotations").get(TRIGGERED).unwrap_or(&Value::Null), "");
    let times = pods.iter().filter_map(|pod| find(pod, "Ready")).map(|ready| text(ready, "/lastTransitionTime"));
    times.filter(|time| *time > told).max().map(str::to_owned)
}

/// An address and whether it is ready, by address and uid of its pod.
type Addresses = BTreeMap<(String, String), (Value, bool)>;

/// The pods that are told of, grouped by the ports that they have in common.
fn subsets(service: &Value, pods: &[Value]) -> Vec<Value> {
    let publish = flag(service, "/spec/publishNotReadyAddresses");
    let mut by_port: BTreeMap<String, (Option<Value>, Addresses)> = BTreeMap::new();
    for pod in pods {
        let Some(address) = address(service, pod, publish) else { continue };
        let ready = publish || is_true(pod, "Ready");
        let name = (text(&address, "/ip").to_owned(), text(&address, "/targetRef/uid").to_owned());
        let wanted = list(service, "/spec/ports");
        let mut ports: Vec<Option<Value>> = wanted.iter().filter_map(|port| target(port, pod)).map(Some).collect();
        if wanted.is_empty() && text(service, "/spec/clusterIP") == "None" {
            ports.push(None);
        }
        for mut port in ports {
            if let Some(port) = port.as_mut().and_then(Value::as_object_mut).filter(|port| port["name"] == "") {
                port.remove("name");
            }
            let signature = port.as_ref().map(|port| format!("{} {port}", text(port, "/name"))).unwrap_or_default();
            let group = by_port.entry(signature).or_insert_with(|| (port, Addresses::new()));
            group.1.insert(name.clone(), (address.clone(), ready));
        }
    }
    // Ports that the same addresses have are told of together.
    let mut groups: BTreeMap<Vec<(String, String)>, (Vec<Value>, Addresses)> = BTreeMap::new();
    for (port, addresses) in by_port.into_values() {
        let names = addresses.keys().cloned().collect();
        groups.entry(names).or_insert_with(|| (Vec::new(), addresses)).0.extend(port);
    }
    groups.into_values().map(|(ports, addresses)| subset(ports, addresses)).collect()
}

fn subset(ports: Vec<Value>, addresses: Addresses) -> Value {
    let mut subset = Map::new();
    for (member, wanted) in [("addresses", true), ("notReadyAddresses", false)] {
        let some: Vec<Value> =
            addresses.values().filter(|(_, ready)| *ready == wanted).map(|(address, _)| address.clone()).collect();
        if !some.is_empty() {
            subset.insert(member.into(), some.into());
        }
    }
    if !ports.is_empty() {
        subset.insert("ports".into(), ports.into());
    }
    subset.into()
}

/// The pod's address; `None` if it has none, has finished, or is going.
fn address(service: &Value, pod: &Value, publish: bool) -> Option<Value> {
    let ip = text(pod, "/status/podIP");
    let going = !at(pod, "/metadata/deletionTimestamp").is_null();
    if ip.is_empty() || matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") || (going && !publish) {
        return None;
    }
    let mut address = json!({"ip": ip, "nodeName": text(pod, "/spec/nodeName"),
        "targetRef": {"kind": "Pod", "namespace": text(pod, "/metadata/namespace"),
            "name": text(pod, "/metadata/name"), "uid": text(pod, "/metadata/uid")}});
    let hostname = text(pod, "/spec/hostname");
    if !hostname.is_empty() && text(pod, "/spec/subdomain") == text(service, "/metadata/name") {
        address["hostname"] = hostname.into();
    }
    Some(address)
}

/// Leaves as many addresses as one object holds, those that are ready before the others; whether any was left out.
fn truncate(subsets: &mut Vec<Value>) -> bool {
    let mut room = ENDPOINTS_ADDRESSES;
    let mut over = false;
    for member in ["addresses", "notReadyAddresses"] {
        for subset in subsets.iter_mut().filter_map(Value::as_object_mut) {
            let Some(addresses) = subset.get_mut(member).and_then(Value::as_array_mut) else { continue };
            over |= addresses.len() > room;
            addresses.truncate(room);
            room -= addresses.len();
            if addresses.is_empty() {
                subset.remove(member);
            }
        }
    }
    subsets.retain(|subset| subset.get("addresses").is_some() || subset.get("notReadyAddresses").is_some());
    over
}
