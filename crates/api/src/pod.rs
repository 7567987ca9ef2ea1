//! What a pod is as a whole, by what its containers say. It decides nothing.
use crate::quantity::Quantity;
use serde_json::{Value, json};

/// The quality of service class: with every limit equal to its request a pod is guaranteed, with none of either best effort.
/// (Kubernetes, Pod Quality of Service Classes; amounts of the pod itself go before those of containers, KEP-2837.)
#[must_use]
pub fn quality(spec: &Value) -> &'static str {
    let whole = &spec["resources"];
    let of_pod = ["requests", "limits"].iter().any(|side| whole[side].as_object().is_some_and(|list| !list.is_empty()));
    let (mut any, mut all) = (false, true);
    let containers = ["containers", "initContainers"].iter().flat_map(|member| spec[member].as_array()).flatten();
    let containers = containers.map(|container| &container["resources"]);
    let each: Vec<&Value> = if of_pod { vec![whole] } else { containers.collect() };
    for resources in each {
        for resource in ["cpu", "memory"] {
            let (request, limit) = (amount(&resources["requests"][resource]), amount(&resources["limits"][resource]));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && (request.is_none() || same(request, limit));
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The status of a pod that nobody has looked at yet.
#[must_use]
pub fn unseen(spec: &Value) -> Value {
    json!({"phase": "Pending", "qosClass": quality(spec)})
}

/// An amount that is more than nothing.
fn amount(value: &Value) -> Option<Quantity> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity::parse(&text).ok().filter(|amount| !amount.is_zero())
}

fn same(a: Option<Quantity>, b: Option<Quantity>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a.minus(b).is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_follows_requests_and_limits() {
        let both = |cpu: &str| json!({"cpu": cpu, "memory": "1Gi"});
        for (resources, want) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "0"}}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": both("1")}), "Guaranteed"),
            (json!({"limits": both("1"), "requests": {"cpu": "1000m"}}), "Guaranteed"),
            (json!({"limits": both("1"), "requests": {"cpu": "500m"}}), "Burstable"),
        ] {
            let spec = json!({"containers": [{"name": "a", "resources": resources}]});
            assert_eq!(quality(&spec), want, "{spec}");
        }
        let spec = json!({"resources": {"limits": both("1"), "requests": both("1")}, "containers": [{"name": "a"}]});
        assert_eq!(quality(&spec), "Guaranteed");
    }
}
