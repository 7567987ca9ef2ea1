//! Slices of Endpoints that somebody made by hand for a Service without a selector, so that nodes route to them (KEP-752). It never
//! touches slices of other managers, nor mirrors what asks not to be.
use crate::controller::Controller;
use crate::fields::{at, list, number, text};
use crate::limits::ENDPOINTS_ADDRESSES;
use crate::owners::{controlled, controller_key, controller_reference};
use crate::pods::free_name;
use crate::writes::{create, remove, replace};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use core::net::IpAddr;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "endpoints";
const SERVICES: &str = "services";
const SLICES: &str = "endpointslices.discovery.k8s.io";
const MANAGER_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that speak of the Endpoints alone.
const OWN: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];

pub(crate) const CONTROLLER: Controller = Controller { name: "endpoint_slice_mirroring", keys, all, decide };

fn keys(event: &Event, _view: &View) -> Vec<Key> {
    let key = &event.object.key;
    match &*key.resource {
        RESOURCE => vec![key.clone()],
        SERVICES => vec![Key::new(RESOURCE, &key.namespace, &key.name)],
        SLICES => controller_key(&event.object, "Endpoints", RESOURCE).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    // With the Endpoints their slices go by themselves: they are owned.
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_none()) else {
        return Decision::idle();
    };
    let value = object.value();
    let mut spare: Vec<&Arc<Object>> = controlled(view, SLICES, object)
        .into_iter()
        .filter(|slice| slice.facet.label(MANAGER_LABEL) == Some(MANAGER) && slice.facet.deleting.is_none())
        .collect();
    let (mut writes, mut count) = (Vec::new(), 0);
    let wanted = if mirrored(view, key, object, &value) { groups(&value) } else { BTreeMap::new() };
    for ((family, _), (ports, endpoints)) in wanted {
        let same = |slice: &&Arc<Object>| {
            let slice = slice.value();
            text(&slice, "/addressType") == family && list(&slice, "/ports") == ports
        };
        let make = |name: &str, generation: i64| slice(object, &value, name, family, (&ports, &endpoints), generation);
        match spare.iter().position(same) {
            Some(found) => {
                let known = spare.remove(found);
                let old = known.value();
                let changed = list(&old, "/endpoints") != endpoints;
                let generation = number(&old, "/metadata/generation").unwrap_or(1) + i64::from(changed);
                writes.extend(replace(known, &make(&known.key.name, generation)));
            }
            None => {
                let stem = format!("{}-", key.name);
                let name = free_name(view, SLICES, &key.namespace, &stem, object.uid, &mut count);
                writes.extend(create(SLICES, &make(&name, 1)));
            }
        }
    }
    writes.extend(spare.into_iter().map(|slice| remove(slice)));
    Decision::one(writes, "")
}

fn mirrored(view: &View, key: &Key, object: &Object, value: &Value) -> bool {
    let service = view.get(SERVICES, &key.namespace, &key.name).map(|service| service.value());
    let selects =
        |service: &Value| at(service, "/spec/selector").as_object().is_some_and(|selector| !selector.is_empty());
    service.is_some_and(|service| !selects(&service))
        && object.facet.label(SKIP) != Some("true")
        && at(value, "/metadata/annotations").get(LEADER).is_none()
}

type Groups = BTreeMap<(&'static str, String), (Vec<Value>, Vec<Value>)>;

/// The addresses by family and ports.
fn groups(value: &Value) -> Groups {
    let mut groups = Groups::new();
    for subset in list(value, "/subsets") {
        let ports: Vec<Value> = list(subset, "/ports").iter().map(port).collect();
        let signature = Value::from(ports.clone()).to_string();
        let mut room = ENDPOINTS_ADDRESSES;
        for (member, ready) in [("/addresses", true), ("/notReadyAddresses", false)] {
            for address in list(subset, member) {
                let Ok(ip) = text(address, "/ip").parse::<IpAddr>() else { continue };
                if room == 0 {
                    break;
                }
                room -= 1;
                let family = if ip.is_ipv6() { "IPv6" } else { "IPv4" };
                let group = groups.entry((family, signature.clone())).or_insert_with(|| (ports.clone(), Vec::new()));
                group.1.push(endpoint(address, ip, ready));
            }
        }
    }
    groups
}

fn port(port: &Value) -> Value {
    let mut own = json!({"name": text(port, "/name"), "port": port["port"], "protocol": port["protocol"]});
    if !port["appProtocol"].is_null() {
        own["appProtocol"] = port["appProtocol"].clone();
    }
    own
}

fn endpoint(address: &Value, ip: IpAddr, ready: bool) -> Value {
    let mut endpoint = json!({"addresses": [ip.to_string()], "conditions": {"ready": ready}});
    for member in ["hostname", "nodeName", "targetRef"] {
        if !address[member].is_null() {
            endpoint[member] = address[member].clone();
        }
    }
    endpoint
}

fn slice(
    object: &Object,
    value: &Value,
    name: &str,
    family: &str,
    (ports, endpoints): (&[Value], &[Value]),
    generation: i64,
) -> Value {
    let own = &*object.key.name;
    let mut labels = at(value, "/metadata/labels").as_object().cloned().unwrap_or_default();
    labels.insert("kubernetes.io/service-name".into(), own.into());
    labels.insert(MANAGER_LABEL.into(), MANAGER.into());
    let mut annotations = at(value, "/metadata/annotations").as_object().cloned().unwrap_or_default();
    annotations.retain(|name, _| !OWN.contains(&name.as_str()));
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
        "metadata": {"name": name, "generateName": format!("{own}-"), "namespace": &*object.key.namespace,
            "labels": labels, "generation": generation,
            "ownerReferences": [controller_reference("v1", "Endpoints", object)]},
        "ports": ports, "endpoints": endpoints,
    });
    if !annotations.is_empty() {
        slice["metadata"]["annotations"] = annotations.into();
    }
    slice
}
