//! The quality of service class of a pod (pod-qos): whoever asks for as much as they may have is guaranteed, whoever asks for nothing gets
//! what is left. It evicts nobody.
use crate::quantity::thousandths;
use serde_json::Value;

/// `BestEffort`, `Burstable` or `Guaranteed`, by the processor and memory that the containers of a pod's spec ask for.
#[must_use]
pub fn of(spec: &Value) -> &'static str {
    let (mut any, mut all) = (false, true);
    for member in ["containers", "initContainers"] {
        for container in spec[member].as_array().into_iter().flatten() {
            for resource in ["cpu", "memory"] {
                let amount = |part: &str| {
                    container["resources"][part][resource].as_str().map(thousandths).filter(|amount| *amount != 0)
                };
                let (request, limit) = (amount("requests"), amount("limits"));
                any |= request.is_some() || limit.is_some();
                all &= limit.is_some() && (request.is_none() || request == limit);
            }
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::{Value, json};

    #[test]
    fn classes() {
        let pod = |resources: Value| json!({"containers": [{"name": "c", "resources": resources}]});
        assert_eq!(of(&pod(json!({}))), "BestEffort");
        assert_eq!(of(&pod(json!({"limits": {"cpu": "1", "memory": "1Gi"}}))), "Guaranteed");
        let equal = json!({"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1024Mi"}});
        assert_eq!(of(&pod(equal)), "Guaranteed");
        assert_eq!(of(&pod(json!({"requests": {"cpu": "1"}}))), "Burstable");
        assert_eq!(of(&pod(json!({"requests": {"cpu": "0"}}))), "BestEffort");
    }
}
