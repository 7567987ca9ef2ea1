//! What one object takes of everything that a quota can count, and under which names. It knows no quota.
use super::Amounts;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CLAIMS: &str = "persistentvolumeclaims";
/// Kinds that are counted under their plain name too.
const PLAIN: [&str; 7] =
    ["pods", "services", CLAIMS, "configmaps", "secrets", "replicationcontrollers", super::RESOURCE];
/// What follows the name of a StorageClass.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
/// What every container must say where a quota counts it.
const TO_BE_SAID: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

/// A ResourceList.
pub(super) fn amounts(list: &Value) -> Amounts {
    let amount = |value: &Value| match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    };
    let members = list.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect()
}

/// The resource whose objects are counted under `name`; `None` for what is never counted (Events come and go by themselves).
pub(super) fn resource(name: &str) -> Option<&str> {
    if let Some(resource) = name.strip_prefix("count/") {
        return (!matches!(resource, "events" | "events.events.k8s.io")).then_some(resource);
    }
    match name {
        "services" | "services.loadbalancers" | "services.nodeports" => Some("services"),
        CLAIMS | "requests.storage" => Some(CLAIMS),
        _ if name.contains(OF_CLASS) => Some(CLAIMS),
        _ => Some(PLAIN.iter().find(|plain| **plain == name).copied().unwrap_or("pods")),
    }
}

/// Whether more than the number of its objects counts.
pub(super) fn looks_inside(resource: &str) -> bool {
    matches!(resource, "pods" | "services" | CLAIMS)
}

/// All that an object takes. Of kinds that it does not look into, `value` may be anything.
pub(super) fn usage(resource: &str, value: &Value) -> Amounts {
    let mut taken = Amounts::from([(format!("count/{resource}"), Quantity::of(1))]);
    let finished = resource == "pods" && matches!(value["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if PLAIN.contains(&resource) && !finished {
        taken.insert(resource.to_owned(), Quantity::of(1));
    }
    match resource {
        "pods" if !finished => pod(value, &mut taken),
        "services" => service(&value["spec"], &mut taken),
        CLAIMS => claim(value, &mut taken),
        _ => {}
    }
    taken
}

fn service(spec: &Value, taken: &mut Amounts) {
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let balanced = spec["type"] == "LoadBalancer";
    let given = |port: &&Value| port["nodePort"].as_i64().unwrap_or(0) != 0;
    let ports = match spec["type"].as_str() {
        Some("NodePort") => ports.len(),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] != false => ports.len(),
        Some("LoadBalancer") => ports.iter().filter(given).count(),
        _ => 0,
    };
    taken.insert("services.nodeports".into(), Quantity::of(ports));
    taken.insert("services.loadbalancers".into(), Quantity::of(usize::from(balanced)));
}

fn claim(value: &Value, taken: &mut Amounts) {
    let class = value["spec"]["storageClassName"].as_str().unwrap_or_default();
    let storage = amounts(&value["spec"]["resources"]["requests"]).get("storage").copied();
    taken.extend(storage.map(|storage| ("requests.storage".to_owned(), storage)));
    if !class.is_empty() {
        taken.insert(format!("{class}{OF_CLASS}{CLAIMS}"), Quantity::of(1));
        taken.extend(storage.map(|storage| (format!("{class}{OF_CLASS}requests.storage"), storage)));
    }
}

fn pod(value: &Value, taken: &mut Amounts) {
    for (name, amount) in effective(value, requested) {
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if plain || name.contains('/') {
            taken.insert(format!("requests.{name}"), amount);
        }
        if plain {
            taken.insert(name, amount);
        }
    }
    for (name, amount) in effective(value, limited) {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            taken.insert(format!("limits.{name}"), amount);
        }
    }
}

/// What is limited and not requested is requested as much as it is limited.
fn requested(container: &Value) -> Amounts {
    let mut own = limited(container);
    own.extend(amounts(&container["resources"]["requests"]));
    own
}

fn limited(container: &Value) -> Amounts {
    amounts(&container["resources"]["limits"])
}

/// Of a whole pod: containers together with restartable init containers, or the largest init step if that is more; then overhead.
fn effective(pod: &Value, side: fn(&Value) -> Amounts) -> Amounts {
    let spec = &pod["spec"];
    let (mut total, mut beside, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in spec["containers"].as_array().into_iter().flatten() {
        super::add(&mut total, &side(container));
    }
    for container in spec["initContainers"].as_array().into_iter().flatten() {
        let mut own = side(container);
        if container["restartPolicy"] == "Always" {
            super::add(&mut beside, &own);
            super::add(&mut total, &own);
            raise(&mut peak, &beside);
        } else {
            super::add(&mut own, &beside);
            raise(&mut peak, &own);
        }
    }
    raise(&mut total, &peak);
    super::add(&mut total, &amounts(&spec["overhead"]));
    total
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let place = total.entry(name.clone()).or_insert(Quantity::ZERO);
        if amount.exceeds(place) {
            *place = *amount;
        }
    }
}

/// What containers leave out that is counted: `limits.cpu for: a,b; memory for: a`. Empty if they say it all.
pub(super) fn missing(hard: &Amounts, pod: &Value) -> String {
    let wanted: Vec<&str> = TO_BE_SAID.into_iter().filter(|name| hard.contains_key(*name)).collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for member in ["containers", "initContainers"] {
        for container in pod["spec"][member].as_array().into_iter().flatten() {
            let (requests, limits) = (requested(container), limited(container));
            for name in &wanted {
                let said = match name.strip_prefix("limits.") {
                    Some(name) => limits.contains_key(name),
                    None => requests.contains_key(name.strip_prefix("requests.").unwrap_or(name)),
                };
                if !said {
                    missing.entry(name).or_default().insert(container["name"].as_str().unwrap_or_default());
                }
            }
        }
    }
    let told =
        missing.into_iter().map(|(name, who)| format!("{name} for: {}", who.into_iter().collect::<Vec<_>>().join(",")));
    told.collect::<Vec<_>>().join("; ")
}
