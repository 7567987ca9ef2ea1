//! What a cluster has from its first moment: roles and bindings, flow schemas and priority levels, namespaces, the Service `kubernetes`, priority classes, the service network.
//! Asking twice does no harm.
use crate::call::MODIFIED;
use crate::identity::User;
use crate::limits::WRITE_ATTEMPTS;
use crate::read;
use crate::request::{Content, Request};
use crate::server::ApiServer;
use crate::service::NETWORK;
use crate::submit;
use api::access::{GROUP, bootstrap};
use api::command::{Change, Condition, Write};
use api::key::Key;
use api::status::Status;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use store::view::View;

/// Creates what is missing. Called by the leader, once it leads.
///
/// # Errors
/// What the log or a rule refuses; what is there already is none.
pub async fn found(server: &ApiServer, port: u16) -> Result<(), Status> {
    access(server).await?;
    for (path, object) in objects(port) {
        post(server, path, &object).await?;
    }
    Ok(())
}

/// Says by whom the cluster's certificates are signed: each namespace is then given a copy, and servers that extend the API learn whose
/// client certificates to trust.
///
/// # Errors
/// As `found`, after which it is called.
pub async fn publish_authority(server: &ApiServer, pem: &str) -> Result<(), Status> {
    for (name, member) in [("cluster-ca", "ca.crt"), ("extension-apiserver-authentication", "client-ca-file")] {
        let map = json!({"metadata": {"name": name}, "data": {member: pem}});
        post(server, "/api/v1/namespaces/kube-system/configmaps", &map).await?;
    }
    Ok(())
}

/// Makes the roles and bindings that every cluster begins with, and completes those that are there: all in one command. Called whenever a
/// member begins to lead, as Kubernetes does at its start.
///
/// # Errors
/// What the log refuses; 409 if others change the same roles again and again.
pub async fn access(server: &ApiServer) -> Result<(), Status> {
    let room = server.room();
    for _ in 0..WRITE_ATTEMPTS {
        let view = read::for_write(room).await?;
        let writes = lacking(&view)?;
        if writes.is_empty() {
            return Ok(());
        }
        let note = "roles, bindings and flow schemas that every cluster has";
        if submit::as_cluster(room, view.revision(), note, writes).await?.is_ok() {
            return Ok(());
        }
    }
    Err(Status::conflict(GROUP, "clusterroles", "", MODIFIED))
}

fn lacking(view: &View) -> Result<Vec<Write>, Status> {
    let mut writes = Vec::new();
    for (resource, expected) in bootstrap::objects() {
        let text = |member: &str| expected["metadata"][member].as_str().unwrap_or_default();
        let key = Key::new(resource, text("namespace"), text("name"));
        let (condition, value) = match view.get_key(&key) {
            None => (Condition::Absent, Some(expected.clone())),
            Some(object) => (Condition::Revision(object.revision), bootstrap::completed(expected, &object.value())),
        };
        let Some(value) = value else { continue };
        let body = api::kinds::body(resource, &value).map_err(|why| Status::internal(why.to_string()))?;
        writes.push(Write { key, condition, change: Change::Put(body) });
    }
    for (resource, expected) in api::flow::objects() {
        let key = Key::new(resource, "", expected["metadata"]["name"].as_str().unwrap_or_default());
        if view.get_key(&key).is_none() {
            let body = api::kinds::body(resource, expected).map_err(|why| Status::internal(why.to_string()))?;
            writes.push(Write { key, condition: Condition::Absent, change: Change::Put(body) });
        }
    }
    Ok(writes)
}

async fn post(server: &ApiServer, path: &str, object: &Value) -> Result<(), Status> {
    let uri = path.parse().map_err(|_| Status::internal("a path of the founding is no URI"))?;
    let body = object.to_string().into();
    let (user, headers) = (Some(User::cluster()), HeaderMap::new());
    let request = Request { method: Method::POST, uri, headers, body, user, from: None };
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
