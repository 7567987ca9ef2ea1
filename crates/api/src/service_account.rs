//! What a ServiceAccount means for others: what a namespace is born with, and what a pod that runs as one is given (Kubernetes'
//! admission plug-in ServiceAccount). Pure: whoever calls has found the account.
use serde_json::{Value, json};

/// The account of pods that name none.
pub const DEFAULT: &str = "default";
/// The ConfigMap in each namespace that says whose certificates are to be believed.
pub const ROOT_CA: &str = "kube-root-ca.crt";
/// Where the cluster's authority is published, for the copies: namespace, name.
pub const AUTHORITY: (&str, &str) = ("kube-system", "cluster-ca");
/// Where programs in pods look for their token.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds for which that token is asked: an hour, and seven by which Kubernetes knows that nobody chose it.
pub const TOKEN_SECONDS: u64 = 3_607;
/// The type of Secrets that hold a token without an end.
pub const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";
/// The annotations by which such a Secret names its account.
pub const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
pub const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// How the names of token volumes begin.
const VOLUME: &str = "kube-api-access-";
/// The annotation of pods that a node agent runs by itself and only shows.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The ServiceAccount `default` of a namespace.
#[must_use]
pub fn default_account(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": namespace}})
}

/// The copy of the cluster's authority in a namespace.
#[must_use]
pub fn root_ca(namespace: &str, pem: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": pem},
        "metadata": {"name": ROOT_CA, "namespace": namespace, "annotations": {"kubernetes.io/description":
            "Contains a CA bundle that can be used to verify the cluster's API server."}}})
}

/// Whether it is only the shadow of a pod that a node agent runs by itself.
#[must_use]
pub fn mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

/// The account the pod names; `default` if it names none.
#[must_use]
pub fn of_pod(pod: &Value) -> &str {
    let named = |member: &str| pod["spec"][member].as_str().filter(|name| !name.is_empty());
    named("serviceAccountName").or_else(|| named("serviceAccount")).unwrap_or(DEFAULT)
}

/// Completes a pod that runs as `account`: the names, the secrets for pulling images, and a volume with a token in every container that
/// has nothing mounted there, unless the pod or else the account does not want it. `suffix` ends the volume's name.
pub fn complete(pod: &mut Value, account: &Value, suffix: &str) {
    let name = of_pod(pod).to_owned();
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    spec["serviceAccountName"] = name.as_str().into();
    spec["serviceAccount"] = name.into();
    let wants = |value: &Value| value.get("automountServiceAccountToken").and_then(Value::as_bool);
    if wants(spec).or_else(|| wants(account)).unwrap_or(true) {
        mount_token(spec, suffix);
    }
    let secrets = &account["imagePullSecrets"];
    let none = spec.get("imagePullSecrets").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if none && secrets.as_array().is_some_and(|secrets| !secrets.is_empty()) {
        spec["imagePullSecrets"] = secrets.clone();
    }
}

fn mount_token(spec: &mut Value, suffix: &str) {
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let known = volumes.filter_map(|volume| volume["name"].as_str()).find(|name| name.starts_with(VOLUME));
    let (there, name) = match known {
        Some(name) => (true, name.to_owned()),
        None => (false, format!("{VOLUME}{suffix}")),
    };
    let mut needed = false;
    for member in ["initContainers", "containers"] {
        let containers = spec.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers.filter(|container| container.is_object()) {
            let mounts = &mut container["volumeMounts"];
            if !mounts.is_array() {
                *mounts = json!([]);
            }
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != TOKEN_PATH) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
                needed = true;
            }
        }
    }
    if there || !needed {
        return;
    }
    if !spec["volumes"].is_array() {
        spec["volumes"] = json!([]);
    }
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.push(token_volume(&name));
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of volumes, and of what each container has mounted at the token's path.
    fn given(spec: Value, account: &Value) -> (Vec<String>, Vec<Vec<String>>) {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": spec});
        complete(&mut pod, account, "abcde");
        let once = pod.clone();
        complete(&mut pod, account, "other");
        assert_eq!(pod, once, "a complete pod stays as it is");
        let names = |list: &Value, member: &str| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect()
        };
        let containers = ["initContainers", "containers"].map(|member| once["spec"][member].as_array().cloned());
        let mounts = containers.iter().flatten().flatten().map(|container| {
            let mounts = container["volumeMounts"].as_array().into_iter().flatten();
            mounts.map(|mount| mount["name"].as_str().unwrap_or_default().to_owned()).collect()
        });
        (names(&once["spec"]["volumes"], "name"), mounts.collect())
    }

    #[test]
    fn a_token_is_mounted_where_nothing_is() {
        let plain = json!({});
        let own = "kube-api-access-abcde".to_owned();
        let spec = json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}], "ephemeralContainers": [{"name": "e"}]});
        assert_eq!(given(spec, &plain), (vec![own.clone()], vec![vec![own.clone()]; 2]));
        let taken = json!({"containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": TOKEN_PATH}]}]});
        assert_eq!(given(taken, &plain), (vec![], vec![vec!["v".to_owned()]]));
        let brought = json!({"volumes": [{"name": "kube-api-access-x"}], "containers": [{"name": "c"}]});
        let brought_name = "kube-api-access-x".to_owned();
        assert_eq!(given(brought, &plain), (vec![brought_name.clone()], vec![vec![brought_name]]));
    }

    #[test]
    fn the_pod_decides_and_else_the_account() {
        let refuses = json!({"automountServiceAccountToken": false, "imagePullSecrets": [{"name": "pull"}]});
        let spec = |wants: Value| json!({"automountServiceAccountToken": wants, "containers": [{"name": "c"}]});
        assert_eq!(given(spec(json!(true)), &refuses).0.len(), 1);
        assert_eq!(given(spec(json!(null)), &refuses).0.len(), 0);
        assert_eq!(given(spec(json!(false)), &json!({})).0.len(), 0);
        let mut pod = json!({"spec": {"serviceAccount": "robot", "containers": []}});
        complete(&mut pod, &refuses, "x");
        let want = json!({"serviceAccount": "robot", "serviceAccountName": "robot", "containers": [], "imagePullSecrets": [{"name": "pull"}]});
        assert_eq!(pod["spec"], want);
        let mut pod = json!({"spec": {"imagePullSecrets": [{"name": "own"}]}});
        complete(&mut pod, &refuses, "x");
        assert_eq!(pod["spec"]["imagePullSecrets"][0]["name"], "own");
    }
}
