//! What a pod asks of a node: the rule of Kubernetes' scheduler (and KEP-753 for restartable init containers). It never reads a node.
use crate::quantity;
use serde_json::Value;
use std::collections::BTreeMap;

type Amounts<'a> = BTreeMap<&'a str, i64>;

/// Effective requests in thousandths by resource name, and `pods` = 1: containers together with restartable init containers,
/// or the largest init step if that is more; then overhead.
pub(super) fn requests(pod: &Value) -> Vec<(Box<str>, i64)> {
    let spec = &pod["spec"];
    let mut total = Amounts::new();
    for container in list(&spec["containers"]) {
        add(&mut total, &container_requests(container));
    }
    let mut beside = Amounts::new();
    let mut peak = Amounts::new();
    for container in list(&spec["initContainers"]) {
        let mut own = container_requests(container);
        if container["restartPolicy"] == "Always" {
            add(&mut beside, &own);
            add(&mut total, &own);
            raise(&mut peak, &beside);
        } else {
            add(&mut own, &beside);
            raise(&mut peak, &own);
        }
    }
    raise(&mut total, &peak);
    add(&mut total, &amounts(&spec["overhead"]));
    total.insert("pods", 1_000);
    total.into_iter().map(|(name, amount)| (name.into(), amount)).collect()
}

/// What is limited and not requested is requested as much as it is limited (the default the API server writes).
fn container_requests(container: &Value) -> Amounts<'_> {
    let mut own = amounts(&container["resources"]["limits"]);
    own.extend(amounts(&container["resources"]["requests"]));
    own
}

fn amounts(list: &Value) -> Amounts<'_> {
    let members = list.as_object().into_iter().flatten();
    let amount = |value: &Value| match value {
        Value::String(text) => quantity::thousandths(text),
        Value::Number(number) => quantity::thousandths(&number.to_string()),
        _ => 0,
    };
    members.map(|(name, value)| (name.as_str(), amount(value))).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn add<'a>(total: &mut Amounts<'a>, more: &Amounts<'a>) {
    for (name, amount) in more {
        let sum = total.entry(name).or_insert(0);
        *sum = sum.saturating_add(*amount);
    }
}

fn raise<'a>(total: &mut Amounts<'a>, least: &Amounts<'a>) {
    for (name, amount) in least {
        let sum = total.entry(name).or_insert(0);
        *sum = (*sum).max(*amount);
    }
}
