//! What containers, pods and claims ask for. It compares nothing.
use crate::admission::request::items;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) type Amounts = BTreeMap<String, Quantity>;

/// What is asked for, and what may at most be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    pub(super) requests: Amounts,
    pub(super) limits: Amounts,
}

/// A ResourceList.
pub(super) fn amounts(list: &Value) -> Amounts {
    let amount = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Quantity::parse(&text).ok()
    };
    list.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect()
}

pub(super) fn of_container(container: &Value) -> Sides {
    let resources = &container["resources"];
    Sides { requests: amounts(&resources["requests"]), limits: amounts(&resources["limits"]) }
}

pub(super) fn of_claim(claim: &Value) -> Sides {
    Sides { requests: amounts(&claim["spec"]["resources"]["requests"]), limits: Amounts::new() }
}

/// Of a whole pod: containers together with restartable init containers, or the largest init step if that is more; then what the pod
/// says of itself (KEP-753, KEP-2837).
pub(super) fn of_pod(spec: &Value) -> Sides {
    let whole = of_container(spec);
    Sides {
        requests: total(spec, whole.requests, |sides| sides.requests),
        limits: total(spec, whole.limits, |sides| sides.limits),
    }
}

fn total(spec: &Value, whole: Amounts, side: fn(Sides) -> Amounts) -> Amounts {
    let (mut total, mut beside, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in items(spec, "containers") {
        add(&mut total, &side(of_container(container)));
    }
    for container in items(spec, "initContainers") {
        let mut own = side(of_container(container));
        if container["restartPolicy"] == "Always" {
            add(&mut total, &own);
            add(&mut beside, &own);
            raise(&mut peak, &beside);
        } else {
            add(&mut own, &beside);
            raise(&mut peak, &own);
        }
    }
    raise(&mut total, &peak);
    total.extend(whole);
    total
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let place = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *place = place.plus(*amount);
    }
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let place = total.entry(name.clone()).or_insert(*amount);
        if amount.exceeds(place) {
            *place = *amount;
        }
    }
}
