//! The node's own object, from the facts of its machine. Pure.
use super::machine::Machine;
use crate::image::architecture;
use crate::limits::PODS_MAX;
use crate::runtime::About;
use api::revision::Millis;
use serde_json::{Value, json};

/// What the machine keeps for itself of memory, in bytes: pods may not have it all.
const MEMORY_RESERVED: u64 = 128 << 20;

/// The Node to register. `why_not_ready`: what keeps it from taking pods. `before`: the live object, whose stamps stay where
/// nothing changed.
#[must_use]
pub(crate) fn node(
    name: &str,
    machine: &Machine,
    about: &About,
    why_not_ready: Option<&str>,
    before: Option<&Value>,
    now: u64,
) -> Value {
    let amounts = |memory: u64| {
        json!({"cpu": machine.cores.to_string(), "memory": format!("{}Ki", memory / 1_024), "pods": PODS_MAX.to_string(),
            "ephemeral-storage": format!("{}Ki", machine.disk_bytes / 1_024)})
    };
    let (word, reason, message) = match why_not_ready {
        None => ("True", "AgentReady", "the agent is ready for pods".to_owned()),
        Some(why) => ("False", "AgentNotReady", why.to_owned()),
    };
    let mut conditions = vec![condition("Ready", word, reason, &message, before, now)];
    for (kind, reason, message) in [
        ("MemoryPressure", "AgentHasSufficientMemory", "there is memory"),
        ("DiskPressure", "AgentHasNoDiskPressure", "there is room on the disk"),
        ("PIDPressure", "AgentHasSufficientPID", "there are process numbers"),
    ] {
        conditions.push(condition(kind, "False", reason, message, before, now));
    }
    let arch = architecture();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch,
            "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch, "rutter.dev/runtime": about.name},
            "annotations": {"rutter.dev/lacks": about.lacks.join("; ")}},
        "status": {
            "capacity": amounts(machine.memory_bytes),
            "allocatable": amounts(machine.memory_bytes.saturating_sub(MEMORY_RESERVED)),
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": machine.ip}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"architecture": arch, "operatingSystem": "linux", "kernelVersion": machine.kernel, "osImage": machine.system,
                "machineID": machine.machine_id, "systemUUID": machine.machine_id, "bootID": machine.boot_id,
                "containerRuntimeVersion": format!("{}://{}", about.name, about.version),
                "kubeletVersion": "v1.35.0-rutter", "kubeProxyVersion": ""},
        }
    })
}

fn condition(kind: &str, word: &str, reason: &str, message: &str, before: Option<&Value>, now: u64) -> Value {
    let old = before.and_then(|node| node["status"]["conditions"].as_array());
    let same = old.and_then(|old| old.iter().find(|old| old["type"] == kind && old["status"] == word));
    let now = || Value::from(Millis(now).rfc3339());
    let stamp = |member: &str| same.map(|old| old[member].clone()).filter(Value::is_string).unwrap_or_else(now);
    json!({"type": kind, "status": word, "reason": reason, "message": message,
        "lastHeartbeatTime": stamp("lastHeartbeatTime"), "lastTransitionTime": stamp("lastTransitionTime")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saying_it_again_changes_nothing() {
        let machine = Machine { cores: 2, memory_bytes: 4 << 30, ..Machine::default() };
        let about = About { name: "oci".into(), ..About::default() };
        let first = node("n1", &machine, &about, None, None, 1_000);
        assert_eq!(node("n1", &machine, &about, None, Some(&first), 900_000), first);
        let ill = node("n1", &machine, &about, Some("no range"), Some(&first), 900_000);
        assert_eq!(ill["status"]["conditions"][0]["lastTransitionTime"], Millis(900_000).rfc3339());
        assert_eq!(ill["status"]["conditions"][1], first["status"]["conditions"][1]);
        assert_eq!(first["status"]["capacity"]["memory"], "4194304Ki");
    }
}
