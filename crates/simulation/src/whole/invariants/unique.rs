//! No uid is given twice, and no object changes its own (Kubernetes' API: `metadata.uid` is unique in time and space). No two Services have
//! one address of the service network at a time, nor one port of the nodes, no two nodes one range of pod addresses, and no two pods that have
//! not ended one port of one node (KEP-1880; kube-controller-manager's `--allocate-node-cidrs`; kube-scheduler's NodePorts).
use crate::whole::evidence::Whole;
use api::event::Act;
use api::key::Key;
use api::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut born = BTreeMap::new();
    for event in &evidence.members.reference.events {
        let object = &event.object;
        if event.act == Act::Added {
            if let Some(before) = born.insert(object.uid.0, object.key.clone()) {
                return Err(format!("{} and {before} have the uid {}", object.key, object.uid));
            }
        } else if event.before.as_ref().is_some_and(|before| before.uid != object.uid) {
            return Err(format!("{} changes its uid at revision {}", object.key, event.revision));
        }
    }
    addresses(evidence)
}

/// Whoever has an address or a port loses it before another gets it.
fn addresses(evidence: &Whole) -> Result<(), String> {
    let mut held: BTreeMap<String, Key> = BTreeMap::new();
    for event in &evidence.members.reference.events {
        for before in event.before.as_deref().map(taken).unwrap_or_default() {
            held.remove(&before);
        }
        if event.act == Act::Deleted {
            continue;
        }
        let key = event.object.key.clone();
        for now in taken(&event.object) {
            if let Some(other) = held.insert(now.clone(), key.clone()).filter(|other| *other != key) {
                return Err(format!("{key} has {now} at revision {}, which {other} still has", event.revision));
            }
        }
    }
    Ok(())
}

/// What nobody else may have at the same time.
fn taken(object: &Object) -> Vec<String> {
    if !["services", "nodes", "pods"].contains(&&*object.key.resource) {
        return Vec::new();
    }
    let value = object.value();
    let address = |path: &str| {
        let address = value.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if address.is_empty() || address == "None" { Vec::new() } else { vec![address.to_owned()] }
    };
    match &*object.key.resource {
        "services" => {
            let mut all = address("/spec/clusterIP");
            all.extend(ports(&value["spec"], "nodePort").into_iter().map(|port| format!("port {port} of all nodes")));
            all
        }
        "nodes" => address("/spec/podCIDR"),
        _ => {
            let ended = matches!(object.facet.field("status.phase"), Some("Succeeded" | "Failed"));
            let node = object.facet.field("spec.nodeName").unwrap_or_default();
            if ended || node.is_empty() {
                return Vec::new();
            }
            let containers = value["spec"]["containers"].as_array().into_iter().flatten();
            let ports = containers.flat_map(|container| ports(container, "hostPort"));
            ports.map(|port| format!("port {port} of node {node}")).collect()
        }
    }
}

/// Numbers with their protocol, and the address if one is said.
fn ports(of: &Value, member: &str) -> Vec<String> {
    let all = of["ports"].as_array().into_iter().flatten();
    let word = |port: &Value, member: &str| port[member].as_str().unwrap_or_default().to_owned();
    let one = |port: &Value| {
        let number = port[member].as_u64().filter(|number| *number > 0)?;
        let protocol = Some(word(port, "protocol")).filter(|said| !said.is_empty()).unwrap_or_else(|| "TCP".into());
        Some(format!("{}{number}/{protocol}", word(port, "hostIP")))
    };
    all.filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};
    use serde_json::json;

    #[test]
    fn breaks_are_found() {
        let story = Story::default().put("a", "pods", pod("p", "", 1)).put("a", "pods", pod("q", "", 1));
        let mut whole = story.whole();
        assert_eq!(check(&whole), Ok(()));
        let mut again = (*whole.members.reference.events[0]).clone();
        again.revision = api::revision::Revision(9);
        whole.members.reference.events.push(std::sync::Arc::new(again));
        assert!(check(&whole).is_err_and(|found| found.contains("have the uid")));
    }

    #[test]
    fn one_address_for_two_is_found() {
        let service = |name: &str| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "a"},
            "spec": {"clusterIP": "10.96.0.9"}})
        };
        let one = Story::default().put("a", "services", service("s"));
        let after = one.clone().delete("a", "services", "a", "s").put("a", "services", service("t"));
        assert_eq!(check(&after.whole()), Ok(()));
        let twice = one.put("a", "services", service("t")).whole();
        assert!(check(&twice).is_err_and(|found| found.contains("10.96.0.9")));
    }

    #[test]
    fn one_port_for_two_is_found() {
        let service = |name: &str, protocol: &str| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "a"},
            "spec": {"ports": [{"port": 80, "nodePort": 30_080, "protocol": protocol}]}})
        };
        let one = Story::default().put("a", "services", service("s", "TCP"));
        assert_eq!(check(&one.clone().put("a", "services", service("t", "UDP")).whole()), Ok(()));
        let twice = one.put("a", "services", service("t", "TCP")).whole();
        assert!(check(&twice).is_err_and(|found| found.contains("port 30080/TCP of all nodes")));
        let pod = |name: &str, node: &str| {
            let mut pod = pod(name, node, 1);
            pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 8_080}]);
            pod
        };
        let one = Story::default().put("a", "pods", pod("p", "n1"));
        assert_eq!(check(&one.clone().put("a", "pods", pod("q", "n2")).whole()), Ok(()));
        let twice = one.put("a", "pods", pod("q", "n1")).whole();
        assert!(check(&twice).is_err_and(|found| found.contains("port 8080/TCP of node n1")));
    }
}
