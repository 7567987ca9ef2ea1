//! Scenarios of aggregated ClusterRoles: their rules follow those that they select, through others that aggregate too.
mod cluster;

use api::access::CLUSTER_ROLES;
use cluster::Cluster;
use serde_json::{Value, json};

fn rule(verb: &str) -> Value {
    json!({"verbs": [verb], "apiGroups": [""], "resources": ["pods"]})
}

fn role(name: &str, to: &str, of: &str, rules: Value) -> Value {
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"to": to}}, "rules": rules});
    if !of.is_empty() {
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"to": of}}]});
    }
    role
}

#[test]
fn rules_follow_the_roles_that_are_selected() {
    let mut cluster = Cluster::new(0);
    cluster.create(CLUSTER_ROLES, role("top", "", "b", json!([])));
    cluster.create(CLUSTER_ROLES, role("middle", "b", "a", json!([rule("own")])));
    cluster.create(CLUSTER_ROLES, role("one", "a", "", json!([rule("get")])));
    cluster.settle();
    let rules =
        |cluster: &Cluster, name: &str| cluster.get(CLUSTER_ROLES, "", name).expect("the role")["rules"].clone();
    assert_eq!((rules(&cluster, "middle"), rules(&cluster, "top")), (json!([rule("get")]), json!([rule("get")])));
    cluster.create(CLUSTER_ROLES, role("other", "a", "", json!([rule("list"), rule("get")])));
    cluster.settle();
    assert_eq!(rules(&cluster, "top"), json!([rule("get"), rule("list")]));
    cluster.update(CLUSTER_ROLES, "", "one", |value| value["metadata"]["labels"]["to"] = "".into());
    cluster.update(CLUSTER_ROLES, "", "top", |value| value["rules"] = json!([rule("forged")]));
    cluster.settle();
    assert_eq!(rules(&cluster, "top"), json!([rule("list"), rule("get")]));
    assert_eq!(rules(&cluster, "one"), json!([rule("get")]), "what aggregates nothing is left alone");
}
