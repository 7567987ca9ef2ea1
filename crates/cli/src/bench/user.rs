//! Whom a load asks as: a service account which RBAC lets do no more than it needs, so that what is measured is what a user's controller pays.
use crate::client::Target;
use crate::failure::Failure;
use hyper::Method;
use serde_json::{Value, json};

const NAME: &str = "bench";
/// Longer than any run.
const TOKEN_SECONDS: u64 = 24 * 60 * 60;

/// Makes the account with its role in the namespace; a token of it.
pub(crate) async fn make(admin: &Target, namespace: &str) -> Result<String, Failure> {
    let mut connection = admin.connect().await?;
    let (core, rbac) = (
        format!("/api/v1/namespaces/{namespace}"),
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"),
    );
    let accounts = format!("{core}/serviceaccounts");
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps", "pods", "pods/status"], "verbs": verbs}]);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME});
    let subject = json!({"kind": "ServiceAccount", "name": NAME, "namespace": namespace});
    let made = [
        (accounts.clone(), json!({"metadata": {"name": NAME}})),
        (format!("{rbac}/roles"), json!({"metadata": {"name": NAME}, "rules": rules})),
        (
            format!("{rbac}/rolebindings"),
            json!({"metadata": {"name": NAME}, "roleRef": reference, "subjects": [subject]}),
        ),
    ];
    for (path, object) in &made {
        connection.json(Method::POST, path, Some(object)).await?;
    }
    let request = json!({"spec": {"expirationSeconds": TOKEN_SECONDS}});
    let granted = connection.json(Method::POST, &format!("{accounts}/{NAME}/token"), Some(&request)).await?;
    let token = granted.pointer("/status/token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| Failure::new("the server gave no token", "name a Kubernetes API server"))
}
