//! A pod and its containers in the words of the runtime. Pure.
use crate::pod::quantity::{Qos, memory_bytes, qos, quota, shares};
use crate::pod::spec::{Container, Pod};
use crate::runtime::{ContainerSpec, Dns, HostPort, Mount, SandboxSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the cluster says to every pod here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) domain: String,
    pub(crate) dns: Option<String>,
    /// The machine's own resolver.
    pub(crate) resolver: Dns,
    /// Bytes of memory of the machine: what a burstable pod's share is of.
    pub(crate) memory_bytes: u64,
}

/// Where the logs of a pod's containers stand below `logs`.
#[must_use]
pub(crate) fn log_dir(logs: &Path, pod: &Pod) -> PathBuf {
    logs.join(format!("{}_{}_{}", pod.metadata.namespace, pod.metadata.name, pod.metadata.uid))
}

#[must_use]
pub(crate) fn sandbox(pod: &Pod, attempt: u32, logs: &Path, cluster: &Cluster) -> SandboxSpec {
    let (meta, spec) = (&pod.metadata, &pod.spec);
    let class = match qos(pod) {
        Qos::Guaranteed => "",
        Qos::Burstable => "burstable/",
        Qos::BestEffort => "besteffort/",
    };
    let ports = spec.containers.iter().flat_map(|container| &container.ports).filter(|port| port.host_port != 0);
    SandboxSpec {
        uid: meta.uid.clone(),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        attempt,
        hostname: if spec.host_network { String::new() } else { pod.hostname().chars().take(63).collect() },
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_ipc: spec.host_ipc,
        log_dir: log_dir(logs, pod),
        dns: dns(pod, cluster),
        cgroup: format!("{class}pod{}", meta.uid),
        ports: if spec.host_network {
            Vec::new()
        } else {
            ports
                .map(|port| HostPort {
                    host: port.host_port,
                    container: port.container_port,
                    protocol: port.protocol.to_lowercase(),
                })
                .collect()
        },
        sysctls: spec.security_context.sysctls.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
        labels: meta.labels.clone(),
        annotations: meta.annotations.clone(),
    }
}

/// The pod's resolver, by its `dnsPolicy`. A cluster without a name server leaves pods the machine's.
fn dns(pod: &Pod, cluster: &Cluster) -> Dns {
    let spec = &pod.spec;
    let by_cluster = match spec.dns_policy.as_str() {
        "Default" | "None" => false,
        "ClusterFirst" | "" => !spec.host_network,
        _ => true,
    };
    let mut dns = match (&cluster.dns, spec.dns_policy.as_str()) {
        (_, "None") => Dns::default(),
        (Some(server), _) if by_cluster => {
            let domain = &cluster.domain;
            let namespace = &pod.metadata.namespace;
            let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
            searches.extend(cluster.resolver.searches.clone());
            Dns { servers: vec![server.clone()], searches, options: vec!["ndots:5".into()] }
        }
        _ => cluster.resolver.clone(),
    };
    dns.servers.extend(spec.dns_config.nameservers.clone());
    dns.searches.extend(spec.dns_config.searches.clone());
    for option in &spec.dns_config.options {
        let text =
            option.value.as_ref().map_or_else(|| option.name.clone(), |value| format!("{}:{value}", option.name));
        dns.options.retain(|known| known.split(':').next() != Some(option.name.as_str()));
        dns.options.push(text);
    }
    dns
}

/// How one container is to be started.
pub(crate) struct Start<'a> {
    pub(crate) attempt: u32,
    pub(crate) level: u32,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) cluster: &'a Cluster,
}

#[must_use]
pub(crate) fn container(pod: &Pod, container: &Container, start: Start<'_>) -> ContainerSpec {
    let (own, all) = (&container.security_context, &pod.spec.security_context);
    let known: BTreeMap<String, String> = start.env.iter().cloned().collect();
    let expanded = |words: &[String]| words.iter().map(|word| crate::pod::env::expand(word, &known)).collect();
    let mut groups = all.supplemental_groups.clone();
    groups.extend(all.fs_group);
    ContainerSpec {
        name: container.name.clone(),
        attempt: start.attempt,
        level: start.level,
        image: container.image.clone(),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone(),
        mounts: start.mounts,
        user: own.run_as_user.or(all.run_as_user),
        group: own.run_as_group.or(all.run_as_group),
        groups,
        must_not_be_root: own.run_as_non_root.or(all.run_as_non_root).unwrap_or(false),
        privileged: own.privileged,
        read_only_root: own.read_only_root_filesystem,
        no_new_privileges: own.allow_privilege_escalation == Some(false),
        capabilities_add: own.capabilities.add.clone(),
        capabilities_drop: own.capabilities.drop.clone(),
        cpu_shares: shares(&container.resources),
        cpu_quota: quota(&container.resources),
        memory_bytes: memory_bytes(&container.resources.limits).and_then(|bytes| i64::try_from(bytes).ok()),
        oom_score: oom_score(pod, container, start.cluster.memory_bytes),
        tty: container.tty,
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        termination_path: container.termination_message_path.clone().unwrap_or_else(|| "/dev/termination-log".into()),
        log_path: PathBuf::from(&container.name).join(format!("{}.log", start.attempt)),
        env: start.env,
    }
}

/// Who is ended first when memory runs out: kubelet's scores (`GetContainerOOMScoreAdjust`).
fn oom_score(pod: &Pod, container: &Container, memory: u64) -> i32 {
    match qos(pod) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1_000,
        Qos::Burstable => {
            let asked = memory_bytes(&container.resources.requests).unwrap_or(0);
            let share = asked.saturating_mul(1_000).checked_div(memory).unwrap_or(0).min(998);
            (1_000 - i32::try_from(share).unwrap_or(998)).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: serde_json::Value) -> Pod {
        let mut spec = spec;
        if spec["containers"].is_null() {
            spec["containers"] = json!([{"name": "c"}]);
        }
        Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})).expect("a pod")
    }

    #[test]
    fn the_resolver_follows_the_policy() {
        let resolver = Dns { servers: vec!["9.9.9.9".into()], searches: vec!["lan".into()], options: vec![] };
        let cluster =
            Cluster { domain: "cluster.local".into(), dns: Some("10.96.0.10".into()), resolver, memory_bytes: 0 };
        let servers = |spec| dns(&pod(spec), &cluster).servers;
        assert_eq!(servers(json!({})), ["10.96.0.10"]);
        assert_eq!(servers(json!({"hostNetwork": true})), ["9.9.9.9"]);
        assert_eq!(servers(json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"})), ["10.96.0.10"]);
        assert_eq!(servers(json!({"dnsPolicy": "Default"})), ["9.9.9.9"]);
        assert_eq!(servers(json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}})), ["1.1.1.1"]);
        let made = dns(&pod(json!({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}})), &cluster);
        assert_eq!(made.options, ["ndots:2"]);
        assert_eq!(made.searches, ["d.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"]);
    }

    #[test]
    fn commands_are_expanded_and_memory_is_scored() {
        let pod = pod(
            json!({"containers": [{"name": "c", "args": ["$(A)-$(B)"], "resources": {"requests": {"memory": "1Gi"}}}]}),
        );
        let cluster = Cluster { memory_bytes: 4 << 30, ..Cluster::default() };
        let start =
            Start { attempt: 3, level: 0, env: vec![("A".into(), "1".into())], mounts: vec![], cluster: &cluster };
        let made = container(&pod, &pod.spec.containers[0], start);
        assert_eq!((made.args[0].as_str(), made.oom_score, made.log_path.to_str()), ("1-$(B)", 750, Some("c/3.log")));
    }
}
