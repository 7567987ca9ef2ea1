//! RuntimeClass: a pod that names one costs what that costs, and goes only where that is (KEP-688, KEP-585).
use super::request::{Notes, Operation, Plugin, Request, items, text};
use crate::quantity::Quantity;
use crate::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "RuntimeClass", admit: Some(admit), validate: Some(validate) };

const CLASSES: &str = "runtimeclasses.node.k8s.io";
const DIFFERS: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/// The pod's class, if it names one.
fn class(request: &Request<'_>, pod: &Value) -> Result<Option<Value>, Status> {
    let name = text(&pod["spec"], "runtimeClassName");
    if name.is_empty() {
        return Ok(None);
    }
    let missing = || request.forbidden(pod, &format!("pod rejected: RuntimeClass {name:?} not found"));
    request.cluster.get(CLASSES, "", name).map(|class| Some(class.value())).ok_or_else(missing)
}

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    if !request.is(Operation::Create, "pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    let Some(class) = class(request, pod)? else { return Ok(()) };
    let fixed = &class["overhead"]["podFixed"];
    if class["overhead"].is_object() {
        let asked = &pod["spec"]["overhead"];
        if !asked.is_null() && !same(asked, fixed) {
            return Err(request.forbidden(pod, DIFFERS));
        }
        if fixed.is_object() {
            pod["spec"]["overhead"] = fixed.clone();
        }
    }
    if class["scheduling"].is_object() {
        schedule(request, &class["scheduling"], pod)?;
    }
    Ok(())
}

fn schedule(request: &Request<'_>, scheduling: &Value, pod: &mut Value) -> Result<(), Status> {
    for (key, value) in scheduling["nodeSelector"].as_object().into_iter().flatten() {
        let own = &pod["spec"]["nodeSelector"][key];
        if own.as_str().is_some_and(|own| Some(own) != value.as_str()) {
            let (theirs, own) = (value.as_str().unwrap_or_default(), own.as_str().unwrap_or_default());
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {theirs}; pod.spec.nodeSelector[{key}] = {own}"
            );
            return Err(request.forbidden(pod, &why));
        }
        if !pod["spec"]["nodeSelector"].is_object() {
            pod["spec"]["nodeSelector"] = json!({});
        }
        pod["spec"]["nodeSelector"][key] = value.clone();
    }
    let theirs = items(scheduling, "tolerations");
    if !theirs.is_empty() {
        pod["spec"]["tolerations"] = merged(items(&pod["spec"], "tolerations"), theirs);
    }
    Ok(())
}

/// Both lists, without what something broader in them covers; of equals the first stays.
fn merged(own: &[Value], theirs: &[Value]) -> Value {
    let all: Vec<&Value> = own.iter().chain(theirs).collect();
    let kept = all.iter().enumerate().filter(|(at, one)| {
        let others = all.iter().enumerate().filter(|(other_at, _)| other_at != at);
        !others.into_iter().any(|(other_at, other)| covers(other, one) && (other_at < *at || !covers(one, other)))
    });
    kept.map(|(_, one)| (*one).clone()).collect()
}

/// Whether `broad` tolerates whatever `narrow` does, for as long.
fn covers(broad: &Value, narrow: &Value) -> bool {
    let operator = |one| if text(one, "operator").is_empty() { "Equal" } else { text(one, "operator") };
    let any = text(broad, "key").is_empty() && operator(broad) == "Exists";
    let keyed = any || text(broad, "key") == text(narrow, "key");
    let effect = text(broad, "effect") == text(narrow, "effect") || text(broad, "effect").is_empty();
    let lasts = match (broad["tolerationSeconds"].as_i64(), narrow["tolerationSeconds"].as_i64()) {
        _ if text(broad, "effect") != "NoExecute" => true,
        (None, _) => true,
        (Some(_), None) => false,
        (Some(broad), Some(narrow)) => broad.max(0) >= narrow.max(0),
    };
    let valued = match operator(broad) {
        "Exists" => true,
        "Equal" => operator(narrow) == "Equal" && text(broad, "value") == text(narrow, "value"),
        _ => broad == narrow,
    };
    keyed && effect && lasts && valued
}

fn validate(request: &Request<'_>, pod: &Value, _: &mut Notes) -> Result<(), Status> {
    if !request.is(Operation::Create, "pods") {
        return Ok(());
    }
    let class = class(request, pod)?;
    let overhead = &pod["spec"]["overhead"];
    match class.as_ref().map(|class| &class["overhead"]).filter(|overhead| overhead.is_object()) {
        Some(theirs) if !same(overhead, &theirs["podFixed"]) => Err(request.forbidden(pod, DIFFERS)),
        None if !overhead.is_null() => {
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            Err(request.forbidden(pod, why))
        }
        _ => Ok(()),
    }
}

/// Whether two ResourceLists are of equal amounts, however written.
fn same(a: &Value, b: &Value) -> bool {
    let amount = |value: &Value| Quantity::parse(value.as_str().unwrap_or_default()).ok();
    let empty = serde_json::Map::new();
    let (a, b) = (a.as_object().unwrap_or(&empty), b.as_object().unwrap_or(&empty));
    a.len() == b.len()
        && a.iter().all(|(name, value)| {
            let other = b.get(name).and_then(amount);
            amount(value).zip(other).is_some_and(|(a, b)| a.minus(b).is_zero())
        })
}
