//! What a cluster has from its first moment: namespaces, the Service `kubernetes`, priority classes, the service network.
//! Asking twice does no harm.
use crate::identity::User;
use crate::request::{Content, Request};
use crate::server::ApiServer;
use crate::service::NETWORK;
use api::status::Status;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

/// Creates what is missing. Called by the leader, once it leads.
///
/// # Errors
/// What the log or a rule refuses; what is there already is none.
pub async fn found(server: &ApiServer, port: u16) -> Result<(), Status> {
    for (path, object) in objects(port) {
        post(server, path, &object).await?;
    }
    Ok(())
}

/// Says by whom the cluster's certificates are signed; each namespace is then given a copy.
///
/// # Errors
/// As `found`, after which it is called.
pub async fn publish_authority(server: &ApiServer, pem: &str) -> Result<(), Status> {
    let map = json!({"metadata": {"name": "cluster-ca"}, "data": {"ca.crt": pem}});
    post(server, "/api/v1/namespaces/kube-system/configmaps", &map).await
}

async fn post(server: &ApiServer, path: &str, object: &Value) -> Result<(), Status> {
    let uri = path.parse().map_err(|_| Status::internal("a path of the founding is no URI"))?;
    let body = object.to_string().into();
    let request = Request { method: Method::POST, uri, headers: HeaderMap::new(), body, user: Some(User::cluster()) };
    let response = server.handle(request).await;
    if response.code.is_success() || response.code.as_u16() == 409 {
        return Ok(());
    }
    let told = match &response.content {
        Content::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    Err(Status::internal(format!("founding the cluster: {path}: {told}")))
}

fn objects(port: u16) -> Vec<(&'static str, Value)> {
    let mut objects = Vec::new();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        objects.push(("/api/v1/namespaces", json!({"metadata": {"name": name}})));
    }
    let classes = [
        (
            "system-node-critical",
            2_000_001_000_u64,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved.",
        ),
    ];
    for (name, value, description) in classes {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description, "preemptionPolicy": "PreemptLowerPriority"});
        objects.push(("/apis/scheduling.k8s.io/v1/priorityclasses", class));
    }
    let network = json!({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [format!("{NETWORK}/16")]}});
    objects.push(("/apis/networking.k8s.io/v1/servicecidrs", network));
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let ports = json!([{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]);
    let service =
        json!({"metadata": {"name": "kubernetes", "labels": labels}, "spec": {"type": "ClusterIP", "ports": ports}});
    objects.push(("/api/v1/namespaces/default/services", service));
    objects
}
