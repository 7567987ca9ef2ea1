//! LimitRanger: what the LimitRanges of a namespace give containers that do not say what they need, and what they do not let in.
mod amounts;
#[cfg(test)]
mod tests;

use super::request::{Notes, Operation, Plugin, Request, items, text};
use crate::status::Status;
use amounts::{Amounts, Sides, amounts, of_claim, of_container, of_pod};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const PLUGIN: Plugin = Plugin { name: "LimitRanger", admit: Some(admit), validate: Some(validate) };

const RANGES: &str = "limitranges";
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// The LimitRanges of the request's namespace, decoded.
fn ranges(request: &Request<'_>) -> Vec<Value> {
    request.cluster.list(RANGES, Some(request.namespace)).iter().map(|range| range.value()).collect()
}

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    if !request.is(Operation::Create, "pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    let ranges = ranges(request);
    for range in &ranges {
        let mut told = Vec::new();
        for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
            for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                complete(range, container, what, &mut told);
            }
        }
        if !told.is_empty() {
            if !pod["metadata"]["annotations"].is_object() {
                pod["metadata"]["annotations"] = json!({});
            }
            pod["metadata"]["annotations"][ANNOTATION] = format!("LimitRanger plugin set: {}", told.join("; ")).into();
        }
    }
    Ok(())
}

/// Gives a container the defaults of a LimitRange, and tells which.
fn complete(range: &Value, container: &mut Value, what: &str, told: &mut Vec<String>) {
    let mut set = [("requests", "defaultRequest", Vec::new()), ("limits", "default", Vec::new())];
    for item in items(&range["spec"], "limits").iter().filter(|item| item["type"] == "Container") {
        for (side, from, names) in &mut set {
            for (name, amount) in item[*from].as_object().into_iter().flatten() {
                if !container["resources"].is_object() {
                    container["resources"] = json!({});
                }
                if !container["resources"][*side].is_object() {
                    container["resources"][*side] = json!({});
                }
                if container["resources"][*side][name].is_null() {
                    container["resources"][*side][name] = amount.clone();
                    names.push(name.clone());
                }
            }
        }
    }
    for ((_, _, mut names), side) in set.into_iter().zip(["request", "limit"]) {
        if !names.is_empty() {
            names.sort();
            told.push(format!("{} {side} for {what} {}", names.join(", "), text(container, "name")));
        }
    }
}

/// Containers do not come or change later, except through `/resize`.
fn validate(request: &Request<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
    let pods = &*request.kind.resource == "pods";
    let concerns = match (request.operation, request.subresource) {
        (Operation::Create, "") => pods || &*request.kind.resource == "persistentvolumeclaims",
        (Operation::Update, "") => &*request.kind.resource == "persistentvolumeclaims",
        (Operation::Update, "resize") => pods,
        _ => false,
    };
    let going = request.old.is_some_and(|old| !text(&old["metadata"], "deletionTimestamp").is_empty());
    if !concerns || going {
        return Ok(());
    }
    for range in ranges(request) {
        let wrong: Vec<String> =
            items(&range["spec"], "limits").iter().flat_map(|item| item_against(item, object, pods)).collect();
        // Each complaint is told once.
        let mut seen = BTreeSet::new();
        let wrong: Vec<String> = wrong.into_iter().filter(|told| seen.insert(told.clone())).collect();
        match wrong.as_slice() {
            [] => {}
            [one] => return Err(request.forbidden(object, one)),
            many => return Err(request.forbidden(object, &format!("[{}]", many.join(", ")))),
        }
    }
    Ok(())
}

/// What one item of a LimitRange has against an object.
fn item_against(item: &Value, object: &Value, pods: bool) -> Vec<String> {
    let kind = text(item, "type");
    match (kind, pods) {
        ("Container", true) => {
            let all = ["containers", "initContainers"].iter().flat_map(|list| items(&object["spec"], list));
            all.flat_map(|container| against(item, kind, &of_container(container))).collect()
        }
        ("Pod", true) => against(item, kind, &of_pod(&object["spec"])),
        ("PersistentVolumeClaim", false) => {
            let asked = of_claim(object);
            let mut wrong: Vec<String> = amounts(&item["min"])
                .iter()
                .filter_map(|(name, least)| too_little(kind, name, least, &asked))
                .collect();
            let most = amounts(&item["max"]);
            wrong.extend(most.iter().filter_map(|(name, most)| asks_too_much(kind, name, most, &asked)));
            wrong
        }
        _ => Vec::new(),
    }
}

fn against(item: &Value, kind: &str, sides: &Sides) -> Vec<String> {
    let (min, max, ratio) = (amounts(&item["min"]), amounts(&item["max"]), amounts(&item["maxLimitRequestRatio"]));
    let mut wrong: Vec<String> = min.iter().filter_map(|(name, least)| too_little(kind, name, least, sides)).collect();
    wrong.extend(max.iter().filter_map(|(name, most)| too_much(kind, name, most, sides)));
    wrong.extend(ratio.iter().filter_map(|(name, most)| too_far_apart(kind, name, most, sides)));
    wrong
}

type Amount = crate::quantity::Quantity;

fn too_little(kind: &str, name: &str, least: &Amount, sides: &Sides) -> Option<String> {
    let told = format!("minimum {name} usage per {kind} is {}", least.canonical());
    let below = |side: &Amounts| side.get(name).filter(|amount| least.exceeds(amount)).map(Amount::canonical);
    if !sides.requests.contains_key(name) {
        return Some(format!("{told}.  No request is specified"));
    }
    if let Some(request) = below(&sides.requests) {
        return Some(format!("{told}, but request is {request}"));
    }
    below(&sides.limits).map(|limit| format!("{told}, but limit is {limit}"))
}

fn too_much(kind: &str, name: &str, most: &Amount, sides: &Sides) -> Option<String> {
    let told = format!("maximum {name} usage per {kind} is {}", most.canonical());
    let above = |side: &Amounts| side.get(name).filter(|amount| amount.exceeds(most)).map(Amount::canonical);
    if !sides.limits.contains_key(name) {
        return Some(format!("{told}.  No limit is specified"));
    }
    if let Some(limit) = above(&sides.limits) {
        return Some(format!("{told}, but limit is {limit}"));
    }
    above(&sides.requests).map(|request| format!("{told}, but request is {request}"))
}

/// Of claims only requests count.
fn asks_too_much(kind: &str, name: &str, most: &Amount, sides: &Sides) -> Option<String> {
    let told = format!("maximum {name} usage per {kind} is {}", most.canonical());
    match sides.requests.get(name) {
        None => Some(format!("{told}.  No request is specified")),
        Some(request) => request.exceeds(most).then(|| format!("{told}, but request is {}", request.canonical())),
    }
}

fn too_far_apart(kind: &str, name: &str, most: &Amount, sides: &Sides) -> Option<String> {
    let told = format!("{name} max limit to request ratio per {kind} is {}", most.canonical());
    let said = |side: &Amounts| side.get(name).copied().filter(|amount| !amount.is_zero());
    let Some(request) = said(&sides.requests) else {
        return Some(format!("{told}, but no request is specified or request is 0"));
    };
    let Some(limit) = said(&sides.limits) else {
        return Some(format!("{told}, but no limit is specified or limit is 0"));
    };
    limit.exceeds_times(&request, most).then(|| format!("{told}, but provided ratio is {}", limit.ratio(&request)))
}
