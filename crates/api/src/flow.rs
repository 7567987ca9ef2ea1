//! Flow schemas and priority levels (KEP-1040): those that every cluster has, as data (`data/flow.txt`), and which schema a request belongs to.
//! It queues nothing and counts nothing.
mod classify;

pub use classify::{Flow, Who};

use serde_json::{Value, json};
use std::sync::LazyLock;

/// Where FlowSchemas are stored.
pub const SCHEMAS: &str = "flowschemas.flowcontrol.apiserver.k8s.io";
/// Where PriorityLevelConfigurations are stored.
pub const LEVELS: &str = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io";

const DATA: &str = include_str!("../data/flow.txt");
const VERSION: &str = "flowcontrol.apiserver.k8s.io/v1";

static OBJECTS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(read);

/// Every level and schema that a cluster begins with, and where it is stored.
#[must_use]
pub fn objects() -> &'static [(&'static str, Value)] {
    &OBJECTS
}

fn read() -> Vec<(&'static str, Value)> {
    let mut objects: Vec<(&'static str, Value)> = Vec::new();
    for line in DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["PriorityLevel", name, ref limits @ ..] => {
                objects.push((LEVELS, object("PriorityLevelConfiguration", name, level(limits))))
            }
            ["FlowSchema", name, level, precedence, method, ref subjects @ ..] => {
                let spec = schema(level, precedence, method, subjects);
                objects.push((SCHEMAS, object("FlowSchema", name, spec)));
            }
            _ => {
                if let Some((_, schema)) = objects.last_mut() {
                    rule(&mut schema["spec"]["rules"][0], &words);
                }
            }
        }
    }
    objects
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let annotations = json!({"apf.kubernetes.io/autoupdate-spec": "true"});
    json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name, "generation": 1, "annotations": annotations},
        "spec": spec, "status": {}})
}

fn number(text: &str) -> Value {
    text.parse::<u64>().map_or(Value::Null, Value::from)
}

fn level(limits: &[&str]) -> Value {
    let (shares, lendable, response) = match *limits {
        [shares, lendable, "reject"] => (shares, lendable, json!({"type": "Reject"})),
        [shares, lendable, queues, hand, length] => {
            let (queues, hand, length) = (number(queues), number(hand), number(length));
            let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": length});
            (shares, lendable, json!({"type": "Queue", "queuing": queuing}))
        }
        _ => return json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}),
    };
    let limited = json!({"nominalConcurrencyShares": number(shares), "lendablePercent": number(lendable), "limitResponse": response});
    json!({"type": "Limited", "limited": limited})
}

fn schema(level: &str, precedence: &str, method: &str, subjects: &[&str]) -> Value {
    let subjects: Vec<Value> = subjects.iter().filter_map(|subject| self::subject(subject)).collect();
    let mut spec = json!({"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": number(precedence),
        "rules": [{ "subjects": subjects }]});
    if method != "-" {
        spec["distinguisherMethod"] = json!({ "type": method });
    }
    spec
}

fn subject(text: &str) -> Option<Value> {
    let (kind, name) = text.split_once(':')?;
    Some(match kind {
        "user" => json!({"kind": "User", "user": { "name": name }}),
        "group" => json!({"kind": "Group", "group": { "name": name }}),
        _ => {
            let (namespace, name) = name.split_once('/')?;
            json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": name}})
        }
    })
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(|word| if word == "-" { "" } else { word }).collect()
}

/// Adds a line's rule to the rules of a schema.
fn rule(rules: &mut Value, words: &[&str]) {
    let (member, rule) = match *words {
        [verbs, "url", paths] => ("nonResourceRules", json!({"verbs": list(verbs), "nonResourceURLs": list(paths)})),
        [verbs, groups, resources, scope] => {
            let mut rule = json!({"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources), "namespaces": ["*"]});
            if scope == "all" {
                rule["clusterScope"] = true.into();
            }
            ("resourceRules", rule)
        }
        _ => return,
    };
    if rules[member].is_null() {
        rules[member] = json!([]);
    }
    if let Some(rules) = rules[member].as_array_mut() {
        rules.push(rule);
    }
}

#[cfg(test)]
mod tests;
