//! Whether a cluster has come to rest: everything is as it is wanted, and what the log says of pods is true of the machines. It waits
//! for nothing and changes nothing; it says the first thing that is not so.
mod served;

use super::rest::{ended, filled, lined_up, ready, rolled_out, stray, worked_off};
use super::site::Site;
use crate::machine::Machine;
use api::object::Object;
use api::uid::Uid;
use node::runtime::ContainerView;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::view::View;

/// What is not at rest yet, save what need not be.
pub(super) fn unrest(site: &Site, nodes: usize) -> Result<(), String> {
    let spared = site.spared();
    let Some(view) = site.view() else { return Err("no member leads".into()) };
    if !site.equal() {
        return Err(format!("the members differ: {:?}", site.afterwards()));
    }
    let machines = site.machines();
    self::nodes(&view, nodes, spared)?;
    let of = |resource: &str| view.list(resource, None).filter(|object| !spared.contains(&object.uid));
    if let Some(ending) = of("namespaces").find(|namespace| namespace.facet.deleting.is_some()) {
        return Err(format!("namespace {} has not ended: {}", ending.key.name, ending.value()["status"]));
    }
    // What came too late into a namespace goes after a while, and is at rest only then.
    if let Some(stray) = view.all().find(|object| stray(&view, object) && !spared.contains(&object.uid)) {
        return Err(format!("{} is in a namespace that is gone", stray.key));
    }
    of("deployments.apps").try_for_each(|deployment| rolled_out(&deployment.value()))?;
    of("replicasets.apps").try_for_each(|set| filled(&set.value()))?;
    of("jobs.batch").try_for_each(|job| worked_off(&job.value()))?;
    of("statefulsets.apps").try_for_each(|set| lined_up(&view, set))?;
    of("pods").try_for_each(|pod| if ended(pod) { lies(pod, &machines) } else { runs(pod, &machines) })?;
    machines.iter().try_for_each(|(name, machine)| clean(&view, name, machine))?;
    served::unserved(&view, &site.services())
}

/// Whether all nodes are there and, save those that need not be, ready.
pub(super) fn nodes(view: &View, count: usize, spared: &BTreeSet<Uid>) -> Result<(), String> {
    let all = view.count("nodes", None);
    match view.list("nodes", None).find(|node| !ready(node) && !spared.contains(&node.uid)) {
        Some(node) => Err(format!("node {} is not ready: {}", node.key.name, node.value()["status"]["conditions"][0])),
        None if all != count => Err(format!("{all} of {count} nodes are there")),
        None => Ok(()),
    }
}

/// Whether a pod runs, and what is said of it is true of its machine.
fn runs(pod: &Object, machines: &BTreeMap<String, Machine>) -> Result<(), String> {
    let (key, value) = (&pod.key, pod.value());
    let status = &value["status"];
    let node = pod.facet.field("spec.nodeName").unwrap_or_default();
    if value["spec"]["containers"].as_array().into_iter().flatten().any(ends) {
        return Err(format!("{key} has not ended: {status}"));
    }
    let Some(machine) = machines.get(node) else { return Err(format!("{key} is on no node: {status}")) };
    if pod.facet.deleting.is_some() || status["phase"] != "Running" {
        let now = machine.views(Some(&pod.uid.to_string()));
        return Err(format!("{key} does not run on {node}: {status}; there: {now:?}"));
    }
    let views = machine.views(Some(&pod.uid.to_string()));
    let Some(sandbox) = views.iter().find(|view| view.ready) else {
        return Err(format!("{key} is said to run and has nothing on {node}"));
    };
    if Some(status["podIP"].as_str().unwrap_or_default()) != sandbox.ips.first().map(String::as_str) {
        return Err(format!("{key} is said to be at {}, it is at {:?}", status["podIP"], sandbox.ips));
    }
    for said in status["containerStatuses"].as_array().into_iter().flatten() {
        let running = |container: &&ContainerView| {
            container.end.is_none() && container.started.is_some() && said["name"] == container.name.as_str()
        };
        let Some(container) = sandbox.containers.iter().find(running) else {
            return Err(format!("{key} is said to run {said}, on {node} there is {:?}", sandbox.containers));
        };
        let id = said["containerID"].as_str().unwrap_or_default();
        let same = id.ends_with(&container.id) && said["restartCount"] == container.attempt;
        if !same || said["ready"] != true || said["state"]["running"].is_null() {
            return Err(format!("{key} is said to run {said}, in fact {container:?}"));
        }
    }
    let ready = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
    match ready.is_some_and(|one| one["status"] == "True") {
        true => Ok(()),
        false => Err(format!("{key} is not ready: {status}")),
    }
}

/// Whether a pod that has ended runs nowhere.
fn lies(pod: &Object, machines: &BTreeMap<String, Machine>) -> Result<(), String> {
    let uid = pod.uid.to_string();
    let runs = |(_, machine): &(&String, &Machine)| machine.views(Some(&uid)).iter().any(|view| view.ready);
    match machines.iter().find(runs) {
        Some((node, _)) => Err(format!("{} has ended and is still on {node}", pod.key)),
        None => Ok(()),
    }
}

/// Whether a container's program ends by itself.
fn ends(container: &Value) -> bool {
    container["command"][0] == "exit" || container["command"][0] == "toss"
}

/// Nothing is on a machine that is not wanted there.
fn clean(view: &View, name: &str, machine: &Machine) -> Result<(), String> {
    let wanted: Vec<String> =
        view.list_by_field("pods", "spec.nodeName", name).map(|pod| pod.uid.to_string()).collect();
    match machine.views(None).iter().find(|view| !wanted.contains(&view.uid)) {
        Some(left) => Err(format!("on node {name} there is still {}/{} ({})", left.namespace, left.name, left.uid)),
        None => Ok(()),
    }
}
