//! The environment of a container: `env`, `envFrom`, references, `$(VAR)`, and the variables that name services. Pure.
use super::quantity::{memory_bytes, millicores, thousandths};
use super::spec::{Amount, Container, EnvVar, Pod, ResourceFieldRef, ValueFrom};
use base64::Engine as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a reference may name: objects of the pod's namespace, and facts of the machine.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub config_maps: BTreeMap<String, Value>,
    pub secrets: BTreeMap<String, Value>,
    /// Services of the pod's namespace, and `kubernetes` of `default`.
    pub services: Vec<Value>,
    /// The service account tokens of the pod.
    pub tokens: BTreeMap<TokenKey, String>,
    pub node_name: String,
    pub host_ip: String,
    pub pod_ips: Vec<String>,
    /// The machine's allocatable amounts, where a container names no limit: thousandths of a core, and bytes.
    pub cpu_milli: u64,
    pub memory_bytes: u64,
}

/// Which token a volume asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKey {
    /// Empty: the API's own.
    pub audience: String,
    pub seconds: u64,
}

/// The container's variables in order, later ones over earlier ones of the same name.
///
/// # Errors
/// In words, if something is missing that is not optional: the container waits with `CreateContainerConfigError`.
pub fn make(pod: &Pod, container: &Container, sources: &Sources) -> Result<Vec<(String, String)>, String> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    if pod.spec.enable_service_links.unwrap_or(true) {
        sources.services.iter().for_each(|service| service_variables(service, &mut known));
    } else {
        sources
            .services
            .iter()
            .filter(|service| service["metadata"]["name"] == "kubernetes")
            .for_each(|service| service_variables(service, &mut known));
    }
    let links = known.clone();
    let mut made: Vec<(String, String)> = Vec::new();
    let mut put = |made: &mut Vec<(String, String)>, name: String, value: String| {
        known.insert(name.clone(), value.clone());
        made.retain(|(other, _)| *other != name);
        made.push((name, value));
        known.clone()
    };
    for from in &container.env_from {
        let (kind, reference, objects) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(reference), _) => ("configmap", reference, &sources.config_maps),
            (None, Some(reference)) => ("secret", reference, &sources.secrets),
            (None, None) => continue,
        };
        let Some(object) = objects.get(&reference.name) else {
            if reference.optional {
                continue;
            }
            return Err(format!("{kind} \"{}\" not found", reference.name));
        };
        for (key, value) in texts(object) {
            put(&mut made, format!("{}{key}", from.prefix), value);
        }
    }
    let mut all = made.iter().cloned().chain(links.clone()).collect::<BTreeMap<_, _>>();
    for variable in &container.env {
        let value = match &variable.value_from {
            None => expand(&variable.value, &all),
            Some(from) => match refer(pod, container, from, sources)? {
                Some(value) => value,
                None => continue,
            },
        };
        all = put(&mut made, variable.name.clone(), value);
    }
    let named: std::collections::BTreeSet<_> = made.iter().map(|(name, _)| name.clone()).collect();
    let mut result: Vec<_> = links.into_iter().filter(|(name, _)| !named.contains(name)).collect();
    result.extend(made);
    Ok(result)
}

/// `$(NAME)` becomes the value if there is one and stays as it is if not; `$$` is one dollar.
#[must_use]
pub fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest.strip_prefix("$(").and_then(|inner| inner.find(')').map(|end| &inner[..end]));
        if rest.starts_with("$$") {
            out.push('$');
            rest = &rest[2..];
        } else if let Some(name) = name {
            match known.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[..name.len() + 3]),
            }
            rest = &rest[name.len() + 3..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn refer(pod: &Pod, container: &Container, from: &ValueFrom, sources: &Sources) -> Result<Option<String>, String> {
    if let Some(field) = &from.field_ref {
        return self::field(pod, &field.field_path, sources).map(Some);
    }
    if let Some(resource) = &from.resource_field_ref {
        return self::resource(pod, container, resource, sources).map(Some);
    }
    let (kind, reference, objects) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(reference), _) => ("configmap", reference, &sources.config_maps),
        (None, Some(reference)) => ("secret", reference, &sources.secrets),
        (None, None) => return Err("valueFrom names no source".into()),
    };
    let Some(object) = objects.get(&reference.name) else {
        return if reference.optional { Ok(None) } else { Err(format!("{kind} \"{}\" not found", reference.name)) };
    };
    match texts(object).remove(&reference.key) {
        Some(value) => Ok(Some(value)),
        None if reference.optional => Ok(None),
        None => {
            Err(format!("couldn't find key {} in {kind} {}/{}", reference.key, pod.metadata.namespace, reference.name))
        }
    }
}

/// The value of a downward API field.
///
/// # Errors
/// If there is no such field.
pub fn field(pod: &Pod, path: &str, sources: &Sources) -> Result<String, String> {
    let lines = |map: &BTreeMap<String, String>| {
        map.iter().map(|(key, value)| format!("{key}={}", Value::from(value.as_str()))).collect::<Vec<_>>().join("\n")
    };
    let keyed = |prefix: &str| {
        path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("['")).and_then(|rest| rest.strip_suffix("']"))
    };
    if let Some(key) = keyed("metadata.labels") {
        return Ok(pod.metadata.labels.get(key).cloned().unwrap_or_default());
    }
    if let Some(key) = keyed("metadata.annotations") {
        return Ok(pod.metadata.annotations.get(key).cloned().unwrap_or_default());
    }
    let first = || sources.pod_ips.first().cloned().unwrap_or_default();
    Ok(match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "metadata.labels" => lines(&pod.metadata.labels),
        "metadata.annotations" => lines(&pod.metadata.annotations),
        "spec.nodeName" => sources.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.hostIP" | "status.hostIPs" => sources.host_ip.clone(),
        "status.podIP" if pod.spec.host_network => sources.host_ip.clone(),
        "status.podIP" => first(),
        "status.podIPs" => sources.pod_ips.join(","),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// The value of `resourceFieldRef`, in units of its divisor, rounded up.
///
/// # Errors
/// If it names no container or no resource that has an amount.
pub fn resource(
    pod: &Pod,
    container: &Container,
    reference: &ResourceFieldRef,
    sources: &Sources,
) -> Result<String, String> {
    let container = match reference.container_name.as_str() {
        "" => container,
        name => pod.container(name).ok_or_else(|| format!("resourceFieldRef: no container {name}"))?,
    };
    let resources = &container.resources;
    let amount = match reference.resource.as_str() {
        "limits.cpu" => i128::from(millicores(&resources.limits).unwrap_or(sources.cpu_milli)),
        "requests.cpu" => {
            i128::from(millicores(&resources.requests).or_else(|| millicores(&resources.limits)).unwrap_or(0))
        }
        "limits.memory" => i128::from(memory_bytes(&resources.limits).unwrap_or(sources.memory_bytes)) * 1_000,
        "requests.memory" => {
            i128::from(memory_bytes(&resources.requests).or_else(|| memory_bytes(&resources.limits)).unwrap_or(0))
                * 1_000
        }
        other => {
            let (side, name) = other.split_once('.').unwrap_or(("", other));
            let side = if side == "limits" { &resources.limits } else { &resources.requests };
            side.get(name).and_then(thousandths).unwrap_or(0)
        }
    };
    let divisor = match &reference.divisor {
        Some(Amount::Text(text)) if text == "0" => 1_000,
        Some(divisor) => {
            thousandths(divisor).filter(|divisor| *divisor > 0).ok_or("resourceFieldRef: the divisor is no quantity")?
        }
        None => 1_000,
    };
    Ok((amount / divisor + i128::from(amount % divisor != 0)).to_string())
}

/// The texts of a config map (`data`) or a secret (`data`, base64).
fn texts(object: &Value) -> BTreeMap<String, String> {
    let secret = object["kind"] == "Secret";
    let data = object.get("data").and_then(Value::as_object);
    let read = |value: &Value| -> Option<String> {
        let text = value.as_str()?;
        if !secret {
            return Some(text.to_owned());
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    data.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), read(value)?))).collect()
}

/// `REDIS_SERVICE_HOST` and its kin, as Docker links named them.
fn service_variables(service: &Value, into: &mut BTreeMap<String, String>) {
    let (Some(name), Some(ip)) = (service["metadata"]["name"].as_str(), service["spec"]["clusterIP"].as_str()) else {
        return;
    };
    if ip.is_empty() || ip == "None" {
        return;
    }
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let prefix = upper(name);
    into.insert(format!("{prefix}_SERVICE_HOST"), ip.into());
    for (at, port) in service["spec"]["ports"].as_array().into_iter().flatten().enumerate() {
        let Some(number) = port["port"].as_u64() else { continue };
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let url = format!("{}://{ip}:{number}", protocol.to_lowercase());
        if at == 0 {
            into.insert(format!("{prefix}_SERVICE_PORT"), number.to_string());
            into.insert(format!("{prefix}_PORT"), url.clone());
        }
        if let Some(name) = port["name"].as_str() {
            into.insert(format!("{prefix}_SERVICE_PORT_{}", upper(name)), number.to_string());
        }
        let stem = format!("{prefix}_PORT_{number}_{protocol}");
        into.insert(stem.clone(), url);
        into.insert(format!("{stem}_PROTO"), protocol.to_lowercase());
        into.insert(format!("{stem}_PORT"), number.to_string());
        into.insert(format!("{stem}_ADDR"), ip.into());
    }
}

/// The names of config maps and secrets that the pod's environment asks for: what is to be looked up.
#[must_use]
pub fn wanted(pod: &Pod) -> (Vec<&str>, Vec<&str>) {
    let (mut maps, mut secrets) = (Vec::new(), Vec::new());
    for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
        for from in &container.env_from {
            maps.extend(from.config_map_ref.iter().map(|reference| reference.name.as_str()));
            secrets.extend(from.secret_ref.iter().map(|reference| reference.name.as_str()));
        }
        for from in container.env.iter().filter_map(|EnvVar { value_from, .. }| value_from.as_ref()) {
            maps.extend(from.config_map_key_ref.iter().map(|reference| reference.name.as_str()));
            secrets.extend(from.secret_key_ref.iter().map(|reference| reference.name.as_str()));
        }
    }
    (maps, secrets)
}

#[cfg(test)]
mod tests;
