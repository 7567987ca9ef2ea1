//! A pod is bound where there is room for what it asks, and where no taint keeps it away that it does not tolerate, on the view that was
//! decided on (Kubernetes' scheduler: NodeResourcesFit, TaintToleration, NodeUnschedulable). Room is counted at the bind itself too.
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use api::event::Act;
use api::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is counted on every node.
const AMOUNTS: [&str; 3] = ["cpu", "memory", "pods"];

#[derive(Default)]
struct Used {
    /// By pod: its node and what it asks for.
    pods: BTreeMap<String, (String, Vec<i64>)>,
}

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut used = Used::default();
    for deed in &evidence.deeds {
        for event in deed.changes.iter().filter(|event| &*event.object.key.resource == "pods") {
            let node = |pod: &Object| pod.facet.field("spec.nodeName").unwrap_or_default().to_owned();
            let before = event.before.as_deref().map(node).unwrap_or_default();
            let (pod, name) = (&event.object, node(&event.object));
            let finished = matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"));
            if event.act == Act::Deleted || finished || name.is_empty() {
                used.pods.remove(&pod.uid.to_string());
                continue;
            }
            used.pods.insert(pod.uid.to_string(), (name.clone(), asks(pod)));
            if before.is_empty() {
                used.room(deed, pod, &name)?;
                welcome(deed, pod, &name)?;
            }
        }
    }
    Ok(())
}

fn asks(pod: &Object) -> Vec<i64> {
    // A pod is one pod, whatever its facet says.
    AMOUNTS.iter().map(|amount| if *amount == "pods" { 1_000 } else { pod.facet.amount(amount) }).collect()
}

impl Used {
    fn room(&self, deed: &Deed, pod: &Object, name: &str) -> Result<(), String> {
        let Some(node) = deed.read.get("nodes", "", name) else {
            return Err(format!("{} is bound to node {name}, which was not there", pod.key));
        };
        for (at, amount) in AMOUNTS.iter().enumerate() {
            let taken: i64 = self.pods.values().filter(|(on, _)| on == name).map(|(_, asks)| asks[at]).sum();
            let room = node.facet.amount(amount);
            if taken > room {
                return Err(format!(
                    "with {} at revision {} pods ask {taken} of {room} thousandths of {amount} on node {name}",
                    pod.key, pod.revision
                ));
            }
        }
        Ok(())
    }
}

fn welcome(deed: &Deed, pod: &Object, name: &str) -> Result<(), String> {
    let Some(node) = deed.read.get("nodes", "", name) else { return Ok(()) };
    let (node, spec) = (node.value(), pod.value()["spec"].clone());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let tolerations = list(&spec["tolerations"]);
    for taint in list(&node["spec"]["taints"]) {
        let keeps = matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute"));
        if keeps && !tolerations.iter().any(|toleration| bears(toleration, &taint)) {
            return Err(format!("{} is bound to node {name} in spite of {taint}", pod.key));
        }
    }
    match node["spec"]["unschedulable"] == true {
        true => Err(format!("{} is bound to node {name}, which is cordoned", pod.key)),
        false => Ok(()),
    }
}

fn bears(toleration: &Value, taint: &Value) -> bool {
    let any = |member: &str| toleration[member].is_null() || toleration[member] == "";
    let exists = toleration["operator"] == "Exists";
    (any("effect") || toleration["effect"] == taint["effect"])
        && (toleration["key"] == taint["key"] || any("key") && exists)
        && (exists || toleration["value"].as_str().unwrap_or_default() == taint["value"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, node, pod};
    use serde_json::json;

    fn bind(story: Story, name: &str, millis: u64) -> Story {
        story.put("a", "pods", pod(name, "", millis)).put("s", "pods", pod(name, "n1", millis))
    }

    #[test]
    fn breaks_are_found() {
        let story = || bind(Story::default().put("k", "nodes", node("n1", json!({}))), "p", 600);
        assert_eq!(check(&bind(story(), "q", 400).whole()), Ok(()));
        let full = bind(story(), "q", 401).whole();
        assert!(check(&full).is_err_and(|found| found.contains("1001 of 1000")));
        let room_again = bind(story().delete("a", "pods", "d", "p"), "q", 900).whole();
        assert_eq!(check(&room_again), Ok(()));
        let taint = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
        let kept_away = bind(Story::default().put("k", "nodes", node("n1", taint)), "p", 1).whole();
        assert!(check(&kept_away).is_err_and(|found| found.contains("in spite of")));
        let cordoned = bind(Story::default().put("k", "nodes", node("n1", json!({"unschedulable": true}))), "p", 1);
        assert!(check(&cordoned.whole()).is_err_and(|found| found.contains("cordoned")));
    }
}
