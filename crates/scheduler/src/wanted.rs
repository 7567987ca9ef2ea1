//! A pod that waits, decoded once for the decision: what it asks, and of which company.
use crate::spec::{HostPort, host_ports, list, text};
use crate::terms::{Term, affinity, anti_affinity, preferred};
use api::object::Object;
use api::selector::Labels;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) object: Arc<Object>,
    pub(crate) value: Value,
    pub(crate) priority: i64,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) spread: Vec<Spread>,
    pub(crate) affinity: Vec<Term>,
    pub(crate) refuses: Vec<Term>,
    pub(crate) preferred: Vec<(i64, Term)>,
}

/// One `topologySpreadConstraints` entry.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    pub(crate) term: Term,
    pub(crate) skew: i64,
    /// `DoNotSchedule`; otherwise it only counts in the score.
    pub(crate) hard: bool,
    pub(crate) domains: i64,
    /// The pod itself is one of those counted.
    pub(crate) own: bool,
}

impl Wanted {
    pub(crate) fn read(object: &Arc<Object>) -> Self {
        let value = object.value();
        let namespace = &object.key.namespace;
        Self {
            object: object.clone(),
            priority: value["spec"]["priority"].as_i64().unwrap_or(0),
            ports: host_ports(&value),
            spread: list(&value["spec"], "topologySpreadConstraints")
                .iter()
                .map(|entry| spread(entry, object))
                .collect(),
            affinity: affinity(&value, namespace),
            refuses: anti_affinity(&value, namespace),
            preferred: preferred(&value, namespace),
            value,
        }
    }

    pub(crate) fn spec(&self) -> &Value {
        &self.value["spec"]
    }

    /// Equal for pods that no filter can tell apart by the node alone: of one template, as a rule.
    pub(crate) fn by_node(&self) -> String {
        let spec = self.spec();
        format!("{}{}{}", spec["nodeSelector"], spec["affinity"]["nodeAffinity"], spec["tolerations"])
    }

    /// Equal for pods of which one fits exactly where the other does.
    pub(crate) fn alike(&self) -> String {
        let facet = &self.object.facet;
        let spec = self.spec();
        format!(
            "{}{}{:?}{:?}{:?}{}{}",
            self.by_node(),
            self.object.key.namespace,
            facet.labels,
            facet.amounts,
            self.ports,
            spec["affinity"],
            spec["topologySpreadConstraints"]
        )
    }
}

fn spread(entry: &Value, pod: &Object) -> Spread {
    let mut selector = entry.get("labelSelector").cloned().unwrap_or(Value::Null);
    if selector.is_object() {
        let mut expressions = list(&selector, "matchExpressions").to_vec();
        for key in list(entry, "matchLabelKeys").iter().filter_map(Value::as_str) {
            if let Some(label) = pod.facet.label(key) {
                expressions.push(json!({"key": key, "operator": "In", "values": [label]}));
            }
        }
        selector["matchExpressions"] = expressions.into();
    }
    let own = Labels::of(&selector).is_ok_and(|selector| selector.matches(&pod.facet));
    Spread {
        term: Term::of_selector(text(entry, "topologyKey"), &selector, &pod.key.namespace),
        skew: entry["maxSkew"].as_i64().unwrap_or(1),
        hard: text(entry, "whenUnsatisfiable") != "ScheduleAnyway",
        domains: entry["minDomains"].as_i64().unwrap_or(1),
        own,
    }
}
