//! HorizontalPodAutoscaler between autoscaling/v2, in which it is stored, and v1: what the older form has no member for, it carries in
//! annotations, as Kubernetes does. It scales nothing.
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// The share of its processor at which v1 scales who does not say.
const DEFAULT_SHARE: i64 = 80;
const SHARE: &str = "targetCPUUtilizationPercentage";
const CURRENT_SHARE: &str = "currentCPUUtilizationPercentage";

/// An autoscaling/v2 object as v1 shows it.
pub(super) fn older(mut value: Value) -> Value {
    let metrics = taken(&mut value, "spec", "metrics");
    let metrics = metrics.as_array().cloned().unwrap_or_default();
    // The first that is of the processor has a member of its own.
    let processor = metrics.iter().find(|metric| of_processor(metric));
    if let Some(share) = processor.map(|metric| &metric["resource"]["target"]["averageUtilization"])
        && share.is_number()
    {
        put(&mut value, "spec", SHARE, share.clone());
    }
    let others: Vec<Value> = metrics
        .iter()
        .filter(|metric| !(of_processor(metric) && metric["resource"]["target"]["averageUtilization"].is_number()))
        .map(|metric| spoken(metric, older_source))
        .collect();
    note(&mut value, METRICS, &others.into());
    let behavior = taken(&mut value, "spec", "behavior");
    note(&mut value, BEHAVIOR, &behavior);
    if value["status"].is_object() {
        let current = taken(&mut value, "status", "currentMetrics");
        let current = current.as_array().cloned().unwrap_or_default();
        let shares = current.iter().filter(|metric| of_processor(metric));
        if let Some(share) =
            shares.map(|metric| &metric["resource"]["current"]["averageUtilization"]).rfind(|share| share.is_number())
        {
            put(&mut value, "status", CURRENT_SHARE, share.clone());
        }
        let current: Vec<Value> = current.iter().map(|metric| spoken(metric, older_status)).collect();
        note(&mut value, CURRENT, &current.into());
        let conditions = taken(&mut value, "status", "conditions");
        note(&mut value, CONDITIONS, &conditions);
    }
    named(value, "autoscaling/v1")
}

/// An autoscaling/v1 object as it is stored.
pub(super) fn newer(mut value: Value) -> Value {
    let own = taken(&mut value, "spec", SHARE);
    let noted = read(&mut value, METRICS);
    let mut metrics: Vec<Value> =
        noted.as_array().into_iter().flatten().map(|metric| spoken(metric, newer_source)).collect();
    if own.is_number() {
        metrics.push(processor(&own));
    }
    if metrics.is_empty() {
        metrics.push(processor(&DEFAULT_SHARE.into()));
    }
    put(&mut value, "spec", "metrics", metrics.into());
    let behavior = read(&mut value, BEHAVIOR);
    if behavior.is_object() {
        put(&mut value, "spec", "behavior", behavior);
    }
    let (current, conditions) = (read(&mut value, CURRENT), read(&mut value, CONDITIONS));
    if value["status"].is_object() {
        let share = taken(&mut value, "status", CURRENT_SHARE);
        if let Some(current) = current.as_array() {
            let current = current.iter().map(|metric| spoken(metric, newer_status)).collect();
            put(&mut value, "status", "currentMetrics", current);
        } else if share.is_number() {
            let current =
                json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": share}}}]);
            put(&mut value, "status", "currentMetrics", current);
        }
        if conditions.is_array() {
            put(&mut value, "status", "conditions", conditions);
        }
    }
    named(value, "autoscaling/v2")
}

fn named(mut value: Value, api_version: &str) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.insert("apiVersion".into(), api_version.into());
    }
    value
}

/// The metric that v2 has where nobody names one.
pub(crate) fn default_metrics() -> Value {
    json!([processor(&DEFAULT_SHARE.into())])
}

fn processor(share: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": share}}})
}

fn of_processor(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu"
}

/// The members of a member, if it is an object.
fn within<'a>(value: &'a mut Value, parent: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(parent).and_then(Value::as_object_mut)
}

fn taken(value: &mut Value, parent: &str, member: &str) -> Value {
    within(value, parent).and_then(|members| members.remove(member)).unwrap_or_default()
}

fn put(value: &mut Value, parent: &str, member: &str, new: Value) {
    if let Some(members) = within(value, parent) {
        members.insert(member.into(), new);
    }
}

/// Writes what is not empty into an annotation.
fn note(value: &mut Value, annotation: &str, noted: &Value) {
    let empty = noted.as_array().is_some_and(Vec::is_empty);
    if noted.is_null() || empty {
        return;
    }
    let Some(meta) = within(value, "metadata") else { return };
    let annotations = meta.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(annotation.into(), noted.to_string().into());
    }
}

/// Takes an annotation away and gives what it carries.
fn read(value: &mut Value, annotation: &str) -> Value {
    let Some(meta) = within(value, "metadata") else { return Value::Null };
    let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) else { return Value::Null };
    let found = annotations.remove(annotation);
    if annotations.is_empty() {
        meta.remove("annotations");
    }
    found.and_then(|text| serde_json::from_str(text.as_str().unwrap_or_default()).ok()).unwrap_or_default()
}

/// A metric whose source `say` words otherwise.
fn spoken(metric: &Value, say: fn(&str, &Value) -> Value) -> Value {
    let mut out = Map::new();
    for (member, source) in metric.as_object().into_iter().flatten() {
        out.insert(member.clone(), if source.is_object() { say(member, source) } else { source.clone() });
    }
    Value::Object(out)
}

/// An object of the members that have a value.
fn made<const N: usize>(members: [(&str, &Value); N]) -> Value {
    let there = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

fn older_source(kind: &str, source: &Value) -> Value {
    let (target, metric) = (&source["target"], &source["metric"]);
    match kind {
        "object" => made([
            ("target", &source["describedObject"]),
            ("metricName", &metric["name"]),
            ("targetValue", target.get("value").unwrap_or(&json!("0"))),
            ("selector", &metric["selector"]),
            ("averageValue", &target["averageValue"]),
        ]),
        "pods" => made([
            ("metricName", &metric["name"]),
            ("targetAverageValue", &target["averageValue"]),
            ("selector", &metric["selector"]),
        ]),
        "external" => made([
            ("metricName", &metric["name"]),
            ("metricSelector", &metric["selector"]),
            ("targetValue", &target["value"]),
            ("targetAverageValue", &target["averageValue"]),
        ]),
        _ => made([
            ("name", &source["name"]),
            ("targetAverageUtilization", &target["averageUtilization"]),
            ("targetAverageValue", &target["averageValue"]),
            ("container", &source["container"]),
        ]),
    }
}

fn newer_source(kind: &str, source: &Value) -> Value {
    let of = |name: &str, selector: &str| made([("name", &source[name]), ("selector", &source[selector])]);
    let target = |kind: &str, value: &str, average: &str, share: &str| {
        made([
            ("type", &kind.into()),
            ("value", &source[value]),
            ("averageValue", &source[average]),
            ("averageUtilization", &source[share]),
        ])
    };
    match kind {
        "object" => {
            let by = if source["averageValue"].is_null() { "Value" } else { "AverageValue" };
            let mut goal = target(by, "targetValue", "averageValue", "");
            if by == "AverageValue"
                && goal["value"] == "0"
                && let Some(goal) = goal.as_object_mut()
            {
                goal.remove("value");
            }
            json!({"describedObject": source["target"], "target": goal, "metric": of("metricName", "selector")})
        }
        "pods" => json!({"metric": of("metricName", "selector"),
            "target": target("AverageValue", "", "targetAverageValue", "")}),
        "external" => {
            let by = if source["targetValue"].is_null() { "AverageValue" } else { "Value" };
            json!({"metric": of("metricName", "metricSelector"),
                "target": target(by, "targetValue", "targetAverageValue", "")})
        }
        _ => {
            let by = if source["targetAverageUtilization"].is_null() { "AverageValue" } else { "Utilization" };
            let goal = target(by, "", "targetAverageValue", "targetAverageUtilization");
            made([("name", &source["name"]), ("container", &source["container"]), ("target", &goal)])
        }
    }
}

fn older_status(kind: &str, source: &Value) -> Value {
    let (current, metric) = (&source["current"], &source["metric"]);
    match kind {
        "object" => made([
            ("target", &source["describedObject"]),
            ("metricName", &metric["name"]),
            ("currentValue", &current["value"]),
            ("selector", &metric["selector"]),
            ("averageValue", &current["averageValue"]),
        ]),
        "pods" => made([
            ("metricName", &metric["name"]),
            ("currentAverageValue", &current["averageValue"]),
            ("selector", &metric["selector"]),
        ]),
        "external" => made([
            ("metricName", &metric["name"]),
            ("metricSelector", &metric["selector"]),
            ("currentValue", &current["value"]),
            ("currentAverageValue", &current["averageValue"]),
        ]),
        _ => made([
            ("name", &source["name"]),
            ("currentAverageUtilization", &current["averageUtilization"]),
            ("currentAverageValue", &current["averageValue"]),
            ("container", &source["container"]),
        ]),
    }
}

fn newer_status(kind: &str, source: &Value) -> Value {
    let of = |selector: &str| made([("name", &source["metricName"]), ("selector", &source[selector])]);
    let current = |average: &str| {
        made([
            ("value", &source["currentValue"]),
            ("averageValue", &source[average]),
            ("averageUtilization", &source["currentAverageUtilization"]),
        ])
    };
    match kind {
        "object" => {
            json!({"describedObject": source["target"], "metric": of("selector"), "current": current("averageValue")})
        }
        "pods" => json!({"metric": of("selector"), "current": current("currentAverageValue")}),
        "external" => json!({"metric": of("metricSelector"), "current": current("currentAverageValue")}),
        _ => made([
            ("name", &source["name"]),
            ("container", &source["container"]),
            ("current", &current("currentAverageValue")),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::{newer, older};
    use serde_json::json;

    #[test]
    fn the_older_form_says_all_that_the_newer_says() {
        let whole = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3,
                "metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "2"}}},
                    {"type": "Object", "object": {"describedObject": {"kind": "Service", "name": "s"},
                        "target": {"type": "Value", "value": "5"}, "metric": {"name": "o"}}},
                    {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
                    {"type": "ContainerResource", "containerResource": {"name": "memory", "container": "c",
                        "target": {"type": "Utilization", "averageUtilization": 7}}},
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
                "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}},
            "status": {"currentReplicas": 1, "desiredReplicas": 2,
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9, "averageValue": "10m"}}}],
                "conditions": [{"type": "AbleToScale", "status": "True"}]}});
        let old = older(whole.clone());
        assert_eq!(
            (&old["spec"]["targetCPUUtilizationPercentage"], &old["apiVersion"]),
            (&json!(50), &json!("autoscaling/v1"))
        );
        assert_eq!(old["status"]["currentCPUUtilizationPercentage"], 9);
        let notes = old["metadata"]["annotations"].as_object().expect("annotations");
        assert_eq!(notes.len(), 4, "{notes:?}");
        let metrics = notes["autoscaling.alpha.kubernetes.io/metrics"].as_str().expect("text");
        assert!(metrics.contains(r#"{"metricName":"m","targetAverageValue":"2"}"#), "{metrics}");
        assert_eq!(newer(old), whole);
    }

    #[test]
    fn who_says_nothing_scales_by_the_processor() {
        let old = json!({"apiVersion": "autoscaling/v1", "metadata": {"name": "h"}, "spec": {"maxReplicas": 3}});
        let new = newer(old);
        assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        let old = older(new);
        assert_eq!(old["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}));
        assert!(old["metadata"].get("annotations").is_none());
    }
}
