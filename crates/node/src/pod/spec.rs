//! What a worker reads of a Pod. Shapes only: what Rutter does not read of a pod it does not decode, and a pod whose
//! members have wrong types is an error with the member's name, never a panic.
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    pub metadata: Metadata,
    pub spec: Spec,
    /// As it was last written to the log.
    pub status: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub creation_timestamp: String,
    pub deletion_timestamp: Option<String>,
    pub deletion_grace_period_seconds: Option<u64>,
    pub generation: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub node_name: String,
    pub containers: Vec<Container>,
    pub init_containers: Vec<Container>,
    pub volumes: Vec<Volume>,
    pub restart_policy: RestartPolicy,
    pub termination_grace_period_seconds: Option<u64>,
    pub active_deadline_seconds: Option<u64>,
    pub host_network: bool,
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    pub hostname: String,
    pub subdomain: String,
    pub dns_policy: String,
    pub dns_config: DnsConfig,
    pub host_aliases: Vec<HostAlias>,
    pub security_context: PodSecurity,
    pub service_account_name: String,
    pub enable_service_links: Option<bool>,
    pub readiness_gates: Vec<ReadinessGate>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadinessGate {
    pub condition_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsConfig {
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<DnsOption>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsOption {
    pub name: String,
    pub value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostAlias {
    pub ip: String,
    pub hostnames: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub fs_group: Option<u32>,
    pub supplemental_groups: Vec<u32>,
    pub sysctls: Vec<EnvVar>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFrom>,
    pub ports: Vec<Port>,
    pub resources: Resources,
    pub volume_mounts: Vec<VolumeMount>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
    pub lifecycle: Lifecycle,
    pub image_pull_policy: String,
    pub security_context: Security,
    pub termination_message_path: Option<String>,
    pub termination_message_policy: String,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    /// Only on init containers, and only `Always`: a sidecar.
    pub restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    pub name: String,
    pub container_port: u16,
    pub host_port: u16,
    pub protocol: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    pub requests: BTreeMap<String, Amount>,
    pub limits: BTreeMap<String, Amount>,
}

/// A quantity as written: a string, or a bare number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    pub sub_path: String,
    pub sub_path_expr: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub privileged: bool,
    pub read_only_root_filesystem: bool,
    pub allow_privilege_escalation: Option<bool>,
    pub capabilities: Capabilities,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    pub add: Vec<String>,
    pub drop: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Handler {
    pub exec: Option<Exec>,
    pub http_get: Option<HttpGet>,
    pub tcp_socket: Option<TcpSocket>,
    pub sleep: Option<Sleep>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Sleep {
    pub seconds: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    #[serde(flatten)]
    pub handler: Handler,
    pub grpc: Option<Grpc>,
    pub initial_delay_seconds: u64,
    pub timeout_seconds: Option<u64>,
    pub period_seconds: Option<u64>,
    pub success_threshold: Option<u32>,
    pub failure_threshold: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Grpc {
    pub port: u16,
    pub service: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Exec {
    pub command: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGet {
    pub path: String,
    pub port: PortName,
    pub host: String,
    pub scheme: String,
    pub http_headers: Vec<EnvVar>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpSocket {
    pub port: PortName,
    pub host: String,
}

/// A number, or the name of a container's port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PortName {
    Number(u16),
    Name(String),
}

impl Default for PortName {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl PortName {
    /// The port it means in `container`.
    #[must_use]
    pub fn resolve(&self, container: &Container) -> Option<u16> {
        match self {
            Self::Number(number) => (*number != 0).then_some(*number),
            Self::Name(name) => container
                .ports
                .iter()
                .find(|port| port.name == *name)
                .map(|port| port.container_port)
                .or_else(|| name.parse().ok()),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
    pub value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    pub field_ref: Option<FieldRef>,
    pub resource_field_ref: Option<ResourceFieldRef>,
    pub config_map_key_ref: Option<KeyRef>,
    pub secret_key_ref: Option<KeyRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    pub field_path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    pub container_name: String,
    pub resource: String,
    pub divisor: Option<Amount>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRef {
    pub name: String,
    pub key: String,
    pub optional: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    pub prefix: String,
    pub config_map_ref: Option<KeyRef>,
    pub secret_ref: Option<KeyRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    pub name: String,
    pub empty_dir: Option<EmptyDir>,
    pub host_path: Option<HostPath>,
    pub config_map: Option<Source>,
    pub secret: Option<Source>,
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<Source>,
    pub projected: Option<Projected>,
    pub persistent_volume_claim: Option<Value>,
    pub csi: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDir {
    pub medium: String,
    pub size_limit: Option<Amount>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostPath {
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// A config map, a secret (`secretName` at the top, `name` in a projection) or downward API items.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    pub name: String,
    pub secret_name: String,
    pub items: Vec<Item>,
    pub default_mode: Option<u32>,
    pub optional: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    pub key: String,
    pub path: String,
    pub mode: Option<u32>,
    pub field_ref: Option<FieldRef>,
    pub resource_field_ref: Option<ResourceFieldRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Projected {
    pub sources: Vec<Projection>,
    pub default_mode: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Projection {
    pub config_map: Option<Source>,
    pub secret: Option<Source>,
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<Source>,
    pub service_account_token: Option<TokenSource>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenSource {
    pub path: String,
    pub audience: String,
    pub expiration_seconds: Option<u64>,
}

impl Pod {
    /// Reads a pod.
    ///
    /// # Errors
    /// In words, with the place, if a member has a type that a Pod does not have there.
    pub fn read(object: &Value) -> Result<Self, String> {
        let mut object = object.clone();
        strip_nulls(&mut object);
        let pod: Self = serde_json::from_value(object).map_err(|why| format!("the pod cannot be read: {why}"))?;
        if pod.metadata.uid.is_empty() || pod.metadata.name.is_empty() {
            return Err("the pod has no name or no uid".into());
        }
        let safe = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        if !safe(&pod.metadata.uid) || !safe(&pod.metadata.name) || !safe(&pod.metadata.namespace) {
            return Err("the pod's name, namespace or uid cannot be a file name".into());
        }
        let mut names = std::collections::BTreeSet::new();
        for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
            if !safe(&container.name) {
                return Err(format!("{:?} is no name for a container", container.name));
            }
            if !names.insert(&container.name) {
                return Err(format!("two containers are named {}", container.name));
            }
        }
        if let Some(volume) = pod.spec.volumes.iter().find(|volume| !safe(&volume.name)) {
            return Err(format!("{:?} is no name for a volume", volume.name));
        }
        if pod.spec.containers.is_empty() {
            return Err("the pod has no containers".into());
        }
        Ok(pod)
    }

    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.spec.containers.iter().chain(&self.spec.init_containers).find(|container| container.name == name)
    }

    /// Seconds from the request to end to the kill.
    #[must_use]
    pub fn grace_seconds(&self) -> u64 {
        self.metadata
            .deletion_grace_period_seconds
            .or(self.spec.termination_grace_period_seconds)
            .unwrap_or(crate::limits::GRACE_SECONDS)
    }

    #[must_use]
    pub fn hostname(&self) -> &str {
        if self.spec.hostname.is_empty() { &self.metadata.name } else { &self.spec.hostname }
    }
}

impl Container {
    /// An init container that goes on running beside the others.
    #[must_use]
    pub fn sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// JSON clients write `null` for "absent"; to the reader they are the same.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn odd_pods_are_errors_in_words() {
        let meta = json!({"name": "p", "namespace": "d", "uid": "u"});
        let table = [
            (json!({"metadata": {"name": "p"}}), "no uid"),
            (json!({"metadata": meta}), "no containers"),
            (json!({"metadata": meta, "spec": {"containers": "x"}}), "cannot be read"),
            (json!({"metadata": meta, "spec": {"containers": [{"name": "../x"}]}}), "no name for a container"),
            (json!({"metadata": meta, "spec": {"containers": [{"name": "a"}, {"name": "a"}]}}), "two containers"),
            (json!({"metadata": {"name": "p", "namespace": "d", "uid": "../../etc"}}), "file name"),
            (json!({"metadata": meta, "spec": {"restartPolicy": "Perhaps", "containers": []}}), "Perhaps"),
        ];
        for (pod, words) in table {
            let why = Pod::read(&pod).expect_err("an odd pod");
            assert!(why.contains(words), "{why} / {words}");
        }
    }

    #[test]
    fn nulls_are_absent() {
        let pod = Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": null},
            "spec": {"containers": [{"name": "a", "env": null, "livenessProbe": null}], "volumes": null}}));
        assert_eq!(pod.map(|pod| pod.grace_seconds()), Ok(30));
    }
}
