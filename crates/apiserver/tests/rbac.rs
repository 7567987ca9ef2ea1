//! Who may do what by roles and bindings, asked through the API without sockets; and the compiled form against a slow and obvious one.
mod serve;

use api::attempt::Attempt;
use apiserver::identity::User;
use apiserver::rbac::policy::Policies;
use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask, ask_as};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";
const JSON: [&str; 1] = ["Content-Type: application/json"];
const MERGE: [&str; 1] = ["Content-Type: application/merge-patch+json"];

async fn admin(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(server, method, path, &JSON, body).await
}

async fn by(server: &ApiServer, who: &User, method: &str, path: &str, body: Value) -> Reply {
    let headers = if method == "PATCH" { MERGE } else { JSON };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask_as(server, Some(who.clone()), method, path, &headers, body).await
}

fn user(name: &str) -> User {
    User::new(name, &[])
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}

fn role(name: &str, rules: Value) -> Value {
    json!({"metadata": {"name": name}, "rules": rules})
}

fn binding(name: &str, role: (&str, &str), subject: Value) -> Value {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1});
    json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
}

fn subject(user: &str) -> Value {
    json!({"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"})
}

async fn made(server: &ApiServer, path: &str, body: Value) -> Value {
    let reply = admin(server, "POST", path, body).await;
    assert_eq!(reply.code, 201, "{path}: {}", reply.body);
    reply.json()
}

/// A namespace `a` in which `ann` may edit.
async fn with_editor() -> ApiServer {
    let server = alone().await;
    for namespace in ["a", "b"] {
        made(&server, "/api/v1/namespaces", json!({"metadata": {"name": namespace}})).await;
    }
    let editor = binding("editors", ("ClusterRole", "edit"), subject("ann"));
    made(&server, &format!("{RBAC}/namespaces/a/rolebindings"), editor).await;
    server
}

#[tokio::test]
async fn an_editor_of_one_namespace_edits_there_and_nowhere_else() {
    let server = with_editor().await;
    let ann = user("ann");
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"x": "y"}}, "template":
        {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "v"}});
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "a", "name": "p"}, "reason": "r", "message": "m"});
    let none = Value::Null;
    let scale = json!({"spec": {"replicas": 3}});
    let table = [
        ("GET", "/api", none.clone(), 200),
        ("GET", "/apis", none.clone(), 200),
        ("GET", "/openapi/v3", none.clone(), 200),
        ("GET", "/version", none.clone(), 200),
        ("GET", "/api/v1/namespaces/a", none.clone(), 200),
        ("POST", "/apis/apps/v1/namespaces/a/deployments", deployment.clone(), 201),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d", json!({"metadata": {"labels": {"l": "1"}}}), 200),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", scale.clone(), 200),
        ("GET", "/apis/apps/v1/namespaces/a/deployments?watch=1&timeoutSeconds=1", none.clone(), 200),
        ("POST", "/api/v1/namespaces/a/secrets", secret.clone(), 201),
        ("GET", "/api/v1/namespaces/a/secrets/s", none.clone(), 200),
        ("POST", "/api/v1/namespaces/a/events", event, 201),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments/d", none.clone(), 200),
        ("GET", "/api/v1/namespaces/a/resourcequotas", none.clone(), 200),
        // What an editor may not, or not elsewhere.
        ("POST", "/api/v1/namespaces/a/resourcequotas", json!({"metadata": {"name": "q"}}), 403),
        ("PATCH", "/api/v1/namespaces/a/pods/p/status", json!({}), 403),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/a/roles", role("r", json!([])), 403),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings", none.clone(), 403),
        ("GET", "/api/v1/namespaces", none.clone(), 403),
        ("GET", "/api/v1/namespaces/b", none.clone(), 403),
        ("GET", "/api/v1/namespaces/b/pods", none.clone(), 403),
        ("GET", "/api/v1/pods", none.clone(), 403),
        ("POST", "/apis/apps/v1/namespaces/b/deployments", deployment, 403),
        ("GET", "/api/v1/namespaces/b/secrets", none.clone(), 403),
        ("GET", "/api/v1/nodes", none.clone(), 403),
        ("DELETE", "/api/v1/namespaces/a", none.clone(), 403),
        ("GET", "/metrics", none.clone(), 403),
        ("GET", "/", none.clone(), 403),
        ("GET", "/livez/ping", none.clone(), 200),
        ("GET", "/rutter/v1/log", none, 403),
    ];
    for (method, path, body, code) in table {
        let reply = by(&server, &ann, method, path, body).await;
        assert_eq!(reply.code, code, "{method} {path}: {}", reply.body);
    }
    let refused = by(&server, &ann, "GET", "/api/v1/namespaces/b/pods", Value::Null).await;
    let want = r#"pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "b""#;
    assert_eq!(message(&refused), want);
    let refused = by(&server, &ann, "GET", "/api/v1/namespaces/b", Value::Null).await;
    let want = r#"namespaces "b" is forbidden: User "ann" cannot get resource "namespaces" in API group "" in the namespace "b""#;
    assert_eq!(message(&refused), want);
}

#[tokio::test]
async fn a_change_of_a_role_holds_for_the_very_next_request() {
    let server = alone().await;
    let bob = user("bob");
    let list = "/api/v1/namespaces/default/configmaps";
    let roles = format!("{RBAC}/namespaces/default/roles");
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let rule = |verbs: Value, names: Value| json!([{"verbs": verbs, "apiGroups": [""], "resources": ["configmaps"], "resourceNames": names}]);
    let code = async || by(&server, &bob, "GET", list, Value::Null).await.code;
    assert_eq!(code().await, 403);
    made(&server, &bindings, binding("b", ("Role", "r"), subject("bob"))).await;
    let refused = by(&server, &bob, "GET", list, Value::Null).await;
    let want = "configmaps is forbidden: User \"bob\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\": RBAC: role.rbac.authorization.k8s.io \"r\" not found";
    assert_eq!(message(&refused), want);
    made(&server, &roles, role("r", rule(json!(["list"]), json!([])))).await;
    assert_eq!(code().await, 200);
    let patch = |rules: Value| {
        ask(
            &server,
            "PATCH",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r",
            &MERGE,
            json!({"rules": rules}).to_string(),
        )
    };
    assert_eq!(patch(rule(json!(["get", "list"]), json!(["only"]))).await.code, 200);
    assert_eq!(code().await, 403);
    let named = by(&server, &bob, "GET", &format!("{list}?fieldSelector=metadata.name%3Donly"), Value::Null).await;
    assert_eq!(named.code, 200, "a selected name is a name: {}", named.body);
    let named = by(&server, &bob, "GET", &format!("{list}?fieldSelector=metadata.name%3Dother"), Value::Null).await;
    assert_eq!(named.code, 403);
    assert_eq!(patch(rule(json!(["*"]), json!([]))).await.code, 200);
    assert_eq!(code().await, 200);
    assert_eq!(admin(&server, "DELETE", &format!("{bindings}/b"), Value::Null).await.code, 200);
    assert_eq!(code().await, 403);
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_have() {
    let server = with_editor().await;
    made(
        &server,
        &format!("{RBAC}/namespaces/a/rolebindings"),
        binding("admins", ("ClusterRole", "admin"), subject("adam")),
    )
    .await;
    let (adam, roles, bindings) =
        (user("adam"), format!("{RBAC}/namespaces/a/roles"), format!("{RBAC}/namespaces/a/rolebindings"));
    let pods = json!([{"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods"]}]);
    assert_eq!(by(&server, &adam, "POST", &roles, role("own", pods.clone())).await.code, 201);
    let more = json!([{"verbs": ["get", "update"], "apiGroups": [""], "resources": ["resourcequotas", "nodes"]},
        {"verbs": ["use"], "apiGroups": ["x.io"], "resources": ["things"], "resourceNames": ["t"]}]);
    let refused = by(&server, &adam, "POST", &roles, role("more", more.clone())).await;
    let want = "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"adam\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
        {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"update\"]}\n\
        {APIGroups:[\"\"], Resources:[\"resourcequotas\"], Verbs:[\"update\"]}\n\
        {APIGroups:[\"x.io\"], Resources:[\"things\"], ResourceNames:[\"t\"], Verbs:[\"use\"]}";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    let own = format!("{roles}/own");
    let refused = by(&server, &adam, "PATCH", &own, json!({ "rules": more })).await;
    assert_eq!(refused.code, 403, "{}", refused.body);
    assert_eq!(by(&server, &adam, "PATCH", &own, json!({"metadata": {"labels": {"x": "y"}}})).await.code, 200);
    let table = [
        (("Role", "own"), 201, ""),
        (("ClusterRole", "view"), 201, ""),
        (("ClusterRole", "cluster-admin"), 403, "is attempting to grant RBAC permissions not currently held"),
        (("ClusterRole", "system:node"), 403, "is attempting to grant"),
        (("ClusterRole", "none"), 404, "clusterroles.rbac.authorization.k8s.io \"none\" not found"),
        (("Role", "none"), 404, "roles.rbac.authorization.k8s.io \"none\" not found"),
    ];
    for (at, (of, code, want)) in table.into_iter().enumerate() {
        let reply = by(&server, &adam, "POST", &bindings, binding(&format!("b{at}"), of, subject("eve"))).await;
        assert!(reply.code == code && message(&reply).contains(want), "{of:?}: {} {}", reply.code, reply.body);
    }
    // To bind and to escalate can be allowed by name.
    let rules = json!([{"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]},
        {"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "resourceNames": ["own"]}]);
    made(&server, &roles, role("binder", rules)).await;
    made(&server, &bindings, binding("binder", ("Role", "binder"), subject("adam"))).await;
    let reply =
        by(&server, &adam, "POST", &bindings, binding("c", ("ClusterRole", "cluster-admin"), subject("eve"))).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    assert_eq!(by(&server, &adam, "PATCH", &own, json!({ "rules": all })).await.code, 200);
    let refused = by(&server, &adam, "POST", &roles, role("new", all)).await;
    assert_eq!(refused.code, 403, "he may escalate only that one, and is not bound to it: {}", refused.body);
}

#[tokio::test]
async fn an_aggregation_rule_is_for_who_may_do_everything() {
    let server = alone().await;
    let rules = json!([{"verbs": ["create", "update", "patch"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]);
    made(&server, &format!("{RBAC}/clusterroles"), role("writer", rules)).await;
    made(&server, &format!("{RBAC}/clusterrolebindings"), binding("writer", ("ClusterRole", "writer"), subject("bob")))
        .await;
    made(
        &server,
        &format!("{RBAC}/clusterrolebindings"),
        binding("root", ("ClusterRole", "cluster-admin"), subject("root")),
    )
    .await;
    let mut aggregate = role("all", json!([]));
    aggregate["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    let path = format!("{RBAC}/clusterroles");
    let refused = by(&server, &user("bob"), "POST", &path, aggregate.clone()).await;
    let want = "clusterroles.rbac.authorization.k8s.io \"all\" is forbidden: must have cluster-admin privileges to use an aggregationRule";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    assert_eq!(by(&server, &user("root"), "POST", &path, aggregate).await.code, 201);
    let refused = by(&server, &user("bob"), "PATCH", &format!("{path}/all"), json!({"aggregationRule": null})).await;
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
}

#[tokio::test]
async fn standing_in_for_others_is_allowed_piece_by_piece() {
    let server = alone().await;
    let rules = json!([{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["devs"]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
        {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids"], "resourceNames": ["u1"]},
        {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "resourceNames": ["view"]}]);
    made(&server, &format!("{RBAC}/clusterroles"), role("actor", rules)).await;
    made(&server, &format!("{RBAC}/clusterrolebindings"), binding("actor", ("ClusterRole", "actor"), subject("bob")))
        .await;
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let jane = "Impersonate-User: jane";
    let cannot = |what: &str, resource: &str, group: &str| {
        format!(
            "{what} is forbidden: User \"bob\" cannot impersonate resource \"{resource}\" in API group \"{group}\" at the cluster scope"
        )
    };
    let table: Vec<(Vec<&str>, u16, Value)> = vec![
        (vec![jane], 201, json!({"username": "jane", "groups": ["system:authenticated"]})),
        (
            vec![jane, "Impersonate-Group: devs", "Impersonate-Uid: u1", "Impersonate-Extra-Scopes: view"],
            201,
            json!({"username": "jane", "uid": "u1", "groups": ["devs", "system:authenticated"], "extra": {"scopes": ["view"]}}),
        ),
        (
            vec!["Impersonate-User: system:serviceaccount:default:x"],
            201,
            json!({"username": "system:serviceaccount:default:x",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]}),
        ),
        (vec!["Impersonate-User: joe"], 403, cannot("users \"joe\"", "users", "").into()),
        (
            vec![jane, "Impersonate-Group: system:masters"],
            403,
            cannot("groups \"system:masters\"", "groups", "").into(),
        ),
        (
            vec![jane, "Impersonate-Uid: u2"],
            403,
            cannot("uids.authentication.k8s.io \"u2\"", "uids", "authentication.k8s.io").into(),
        ),
        (
            vec![jane, "Impersonate-Extra-Scopes: edit"],
            403,
            cannot("userextras.authentication.k8s.io \"edit\"", "userextras/scopes", "authentication.k8s.io").into(),
        ),
    ];
    for (headers, code, want) in table {
        let all = [&headers[..], &JSON[..]].concat();
        let reply = ask_as(&server, Some(user("bob")), "POST", path, &all, "{}").await;
        let told = if code == 201 { reply.json()["status"]["userInfo"].clone() } else { message(&reply).into() };
        assert_eq!((reply.code, told), (code, want), "{headers:?}");
    }
    let reply = ask_as(&server, Some(user("eve")), "GET", "/api", &["Impersonate-User: eve"], "").await;
    assert_eq!(reply.code, 403, "not even oneself");
    let reply =
        ask_as(&server, Some(user("bob")), "GET", "https://h:1/api?a=b&c", &["Impersonate-Group: devs"], "").await;
    let want =
        "Internal Server Error: \"/api?a=b&amp;c\": requested [{Group  devs    }] without impersonating a user\n";
    assert_eq!((reply.code, reply.body.as_str()), (500, want));
    let media = reply.headers.get(hyper::header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    assert_eq!(media, Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn reviews_answer_as_requests_are_answered() {
    let server = with_editor().await;
    let review = |attributes: Value| json!({ "spec": attributes });
    let resource = |verb: &str, namespace: &str| json!({"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace}});
    let own = format!("{REVIEWS}/selfsubjectaccessreviews");
    let reply = by(&server, &user("ann"), "POST", &own, review(resource("delete", "a"))).await;
    let want = json!({"allowed": true, "reason": "RBAC: allowed by RoleBinding \"editors/a\" of ClusterRole \"edit\" to User \"ann\""});
    assert_eq!((reply.code, &reply.json()["status"]), (201, &want));
    let reply = by(&server, &user("ann"), "POST", &own, review(resource("delete", "b"))).await;
    assert_eq!(reply.json()["status"], json!({"allowed": false}));
    let path = json!({"nonResourceAttributes": {"verb": "get", "path": "/openapi/v3"}});
    let reply = by(&server, &user("ann"), "POST", &own, review(path.clone())).await;
    let want = "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\"";
    assert_eq!(reply.json()["status"]["reason"], want);

    let of_others = format!("{REVIEWS}/subjectaccessreviews");
    assert_eq!(by(&server, &user("ann"), "POST", &of_others, review(resource("get", "a"))).await.code, 403);
    let mut asked = resource("get", "a");
    asked["user"] = "ann".into();
    asked["groups"] = json!(["x"]);
    asked["extra"] = json!({"k": ["v"]});
    asked["uid"] = "u".into();
    asked["resourceAttributes"]["fieldSelector"] =
        json!({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]});
    let reply = admin(&server, "POST", &of_others, review(asked.clone())).await;
    assert_eq!((reply.code, &reply.json()["status"]["allowed"]), (201, &json!(true)), "{}", reply.body);
    let local = format!("{REVIEWS}/namespaces/a/localsubjectaccessreviews");
    assert_eq!(admin(&server, "POST", &local, review(asked.clone())).await.json()["status"]["allowed"], true);

    let mut both = resource("get", "a");
    both["nonResourceAttributes"] = path["nonResourceAttributes"].clone();
    let mut elsewhere = asked.clone();
    elsewhere["resourceAttributes"]["namespace"] = "b".into();
    let mut named = review(resource("get", "a"));
    named["metadata"]["name"] = "x".into();
    let exactly = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    let table = [
        (&own, review(json!({})), exactly),
        (&own, review(both), "spec.nonResourceAttributes: Invalid value: "),
        (&own, named, "metadata: Invalid value: "),
        (
            &of_others,
            review(resource("get", "a")),
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ),
        (&of_others, review(json!({"user": "ann"})), exactly),
        (
            &local,
            review(elsewhere),
            "spec.resourceAttributes.namespace: Invalid value: \"b\": must match metadata.namespace",
        ),
    ];
    for (path, body, want) in table {
        let reply = admin(&server, "POST", path, body.clone()).await;
        assert!(reply.code == 422 && message(&reply).contains(want), "{body}: {} {}", reply.code, reply.body);
    }
}

#[tokio::test]
async fn rules_reviews_tell_what_roles_give() {
    let server = with_editor().await;
    let path = format!("{REVIEWS}/selfsubjectrulesreviews");
    let reply = by(&server, &user("ann"), "POST", &path, json!({"spec": {"namespace": "a"}})).await;
    let status = reply.json()["status"].clone();
    let has = |status: &Value, verb: &str, resource: &str| {
        let lists = |rule: &Value, member: &str, text: &str| {
            rule[member].as_array().is_some_and(|list| list.iter().any(|item| item == text))
        };
        status["resourceRules"]
            .as_array()
            .expect("rules")
            .iter()
            .any(|rule| lists(rule, "verbs", verb) && lists(rule, "resources", resource))
    };
    assert!(has(&status, "delete", "deployments") && has(&status, "create", "selfsubjectreviews"), "{status}");
    assert_eq!((&status["incomplete"], status.get("evaluationError")), (&json!(false), None));
    assert!(status["nonResourceRules"].to_string().contains("/openapi/*"), "{status}");
    let reply = by(&server, &user("ann"), "POST", &path, json!({"spec": {"namespace": "b"}})).await;
    assert!(!has(&reply.json()["status"], "delete", "deployments"));
    let reply = admin(&server, "POST", &path, json!({"spec": {"namespace": "b"}})).await;
    assert!(has(&reply.json()["status"], "*", "*"));
    let reply = by(&server, &user("ann"), "POST", &path, json!({"spec": {}})).await;
    assert_eq!((reply.code, message(&reply).as_str()), (400, "no namespace on request"));
    let node = User::new("system:node:n1", &["system:nodes"]);
    let reply = by(&server, &node, "POST", &path, json!({"spec": {"namespace": "b"}})).await;
    assert_eq!(reply.json()["status"]["incomplete"], true);
}

#[tokio::test]
async fn a_cluster_begins_with_its_roles_and_completes_them() {
    let server = alone().await;
    let count = async |resource: &str| {
        admin(&server, "GET", &format!("{RBAC}/{resource}"), Value::Null).await.json()["items"].as_array().map(Vec::len)
    };
    assert_eq!((count("clusterroles").await, count("clusterrolebindings").await), (Some(68), Some(49)));
    assert_eq!((count("roles").await, count("rolebindings").await), (Some(7), Some(7)));
    let revision = async || {
        admin(&server, "GET", "/api/v1/namespaces", Value::Null).await.json()["metadata"]["resourceVersion"].clone()
    };
    let before = revision().await;
    apiserver::founding::access(&server).await.expect("nothing is missing");
    assert_eq!(revision().await, before);
    let path = format!("{RBAC}/clusterroles/system:kube-dns");
    assert_eq!(ask(&server, "PATCH", &path, &MERGE, r#"{"rules": []}"#).await.code, 200);
    let gone = format!("{RBAC}/clusterrolebindings/system:discovery");
    assert_eq!(admin(&server, "DELETE", &gone, Value::Null).await.code, 200);
    assert_eq!(by(&server, &user("bob"), "GET", "/apis", Value::Null).await.code, 403);
    apiserver::founding::access(&server).await.expect("what is missing is made");
    assert_eq!(by(&server, &user("bob"), "GET", "/apis", Value::Null).await.code, 200);
    let role = admin(&server, "GET", &path, Value::Null).await.json();
    assert_eq!(role["rules"].as_array().map(Vec::len), Some(4), "{role}");
}

#[tokio::test]
async fn without_any_roles_the_masters_may_do_everything() {
    let parts = apiserver::room::Parts::new(consensus::Member::alone());
    let server = ApiServer::new(parts);
    assert_eq!(admin(&server, "POST", "/api/v1/namespaces", json!({"metadata": {"name": "x"}})).await.code, 201);
    assert_eq!(admin(&server, "GET", "/apis", Value::Null).await.code, 200);
    assert_eq!(by(&server, &user("bob"), "GET", "/apis", Value::Null).await.code, 403);
    assert_eq!(ask_as(&server, None, "GET", "/livez", &[], "").await.code, 200);
}

mod compiled {
    //! The compiled policy answers as one that reads every object anew, whatever was changed in between.
    use super::*;
    use api::access::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
    use api::command::{Change, Command, CommandId, Condition, Write};
    use api::key::Key;
    use api::revision::Revision;
    use proptest::prelude::*;
    use store::view::View;

    #[derive(Clone, Debug)]
    enum Step {
        Put(&'static str, &'static str, &'static str, Value),
        Remove(&'static str, &'static str, &'static str),
        Ask(Box<User>, [String; 5], Option<String>),
    }

    fn pick(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        prop::sample::select(words)
    }

    fn picks(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(pick(words), 0..3)
    }

    fn rule() -> impl Strategy<Value = Value> {
        let paths = picks(&["/a", "/a/*", "*", "/b*"]);
        let lists = (
            picks(&["get", "list", "*"]),
            picks(&["", "g", "*"]),
            picks(&["r", "r/s", "*/s", "*"]),
            picks(&["x", "y"]),
            paths,
        );
        lists.prop_map(|(verbs, groups, resources, names, paths)| {
            json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names, "nonResourceURLs": paths})
        })
    }

    fn subject() -> impl Strategy<Value = Value> {
        let kinds = pick(&["User", "Group", "ServiceAccount"]);
        (kinds, pick(&["u", "v", "g"]), pick(&["", "n", "m"]))
            .prop_map(|(kind, name, namespace)| json!({"kind": kind, "name": name, "namespace": namespace}))
    }

    fn place() -> impl Strategy<Value = (&'static str, &'static str)> {
        let kinds = [
            (CLUSTER_ROLES, ""),
            (CLUSTER_ROLE_BINDINGS, ""),
            (ROLES, "n"),
            (ROLE_BINDINGS, "n"),
            (ROLES, "m"),
            (ROLE_BINDINGS, "m"),
        ];
        prop::sample::select(kinds.to_vec())
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || pick(&["one", "two"]);
        let content =
            (prop::collection::vec(rule(), 0..3), prop::collection::vec(subject(), 0..3), name(), any::<bool>());
        let put = (place(), name(), content).prop_map(|((resource, namespace), name, (rules, subjects, role, cluster))| {
            let kind = if cluster || namespace.is_empty() { "ClusterRole" } else { "Role" };
            let value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "X", "metadata": {"name": name, "namespace": namespace},
                "rules": rules, "subjects": subjects, "roleRef": {"kind": kind, "name": role}});
            Step::Put(resource, namespace, name, value)
        });
        let users = pick(&["u", "v", "system:serviceaccount:n:u", "system:serviceaccount:m:v"]);
        let what =
            (pick(&["get", "list"]), pick(&["", "g"]), pick(&["r", "q"]), pick(&["", "s"]), pick(&["", "x", "y"]));
        let asks = (
            users,
            picks(&["g", "h"]),
            what,
            pick(&["", "n", "m"]),
            prop::option::of(pick(&["/a", "/a/b", "/b", "/c"])),
        );
        let ask = asks.prop_map(|(user, groups, what, namespace, path)| {
            let (verb, group, resource, subresource, name) = what;
            let user = User { groups: groups.into_iter().map(Into::into).collect(), ..User::new(user, &[]) };
            let mut words = [verb, group, resource, subresource, name].map(str::to_owned);
            words[1] = format!("{group}|{namespace}");
            Step::Ask(Box::new(user), words, path.map(str::to_owned))
        });
        let remove =
            (place(), name()).prop_map(|((resource, namespace), name)| Step::Remove(resource, namespace, name));
        prop_oneof![4 => put, 1 => remove, 4 => ask]
    }

    fn list<'a>(value: &'a Value, member: &str) -> Vec<&'a str> {
        value[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Every binding, every subject, every rule: nothing is remembered.
    fn slowly(view: &View, user: &User, attempt: &Attempt<'_>) -> bool {
        let bound = |binding: &Value, namespace: &str| {
            binding["subjects"].as_array().into_iter().flatten().any(|subject| {
                let name = subject["name"].as_str().unwrap_or_default();
                match subject["kind"].as_str() {
                    Some("User") => name == &*user.name,
                    Some("Group") => user.in_group(name),
                    Some("ServiceAccount") => {
                        let own = subject["namespace"].as_str().unwrap_or_default();
                        let at = if own.is_empty() { namespace } else { own };
                        !at.is_empty() && *user.name == *format!("system:serviceaccount:{at}:{name}")
                    }
                    _ => false,
                }
            })
        };
        let allows = |rule: &Value| {
            let any = |member: &str, text: &str| list(rule, member).iter().any(|item| *item == "*" || *item == text);
            if !attempt.path.is_empty() {
                let fits = |known: &str| {
                    known == attempt.path
                        || known.strip_suffix('*').is_some_and(|start| attempt.path.starts_with(start))
                };
                return any("verbs", attempt.verb) && list(rule, "nonResourceURLs").into_iter().any(fits);
            }
            let whole = match attempt.subresource {
                "" => attempt.resource.to_owned(),
                sub => format!("{}/{sub}", attempt.resource),
            };
            let every = format!("*/{}", attempt.subresource);
            let names = list(rule, "resourceNames");
            any("verbs", attempt.verb)
                && any("apiGroups", attempt.group)
                && list(rule, "resources")
                    .iter()
                    .any(|item| *item == "*" || *item == whole || !attempt.subresource.is_empty() && *item == every)
                && (names.is_empty() || names.contains(&attempt.name))
        };
        let given = |binding: &Value, namespace: &str| {
            let name = binding["roleRef"]["name"].as_str().unwrap_or_default();
            let role = match binding["roleRef"]["kind"] == "Role" {
                true => view.get(ROLES, namespace, name),
                false => view.get(CLUSTER_ROLES, "", name),
            };
            let role = role.map(|role| role.value()).unwrap_or_default();
            bound(binding, namespace) && role["rules"].as_array().into_iter().flatten().any(allows)
        };
        let everywhere = view.list(CLUSTER_ROLE_BINDINGS, None).any(|binding| given(&binding.value(), ""));
        let here = !attempt.namespace.is_empty()
            && view
                .list(ROLE_BINDINGS, Some(attempt.namespace))
                .any(|binding| given(&binding.value(), attempt.namespace));
        everywhere || here
    }

    async fn write(member: &consensus::Member, id: usize, key: Key, change: Change) {
        let there = member.view().get_key(&key).map(|object| object.revision);
        let condition = match (&change, there) {
            (Change::Delete, None) => return,
            (_, None) => Condition::Absent,
            (_, Some(revision)) => Condition::Revision(revision),
        };
        let writes = vec![Write { key, condition, change }];
        let (cause, read, id) = (Revision(0), Revision(0), CommandId(id as u128 + 1));
        let command = Command { id, actor: "t".into(), agent: "t".into(), cause, read, note: "".into(), writes };
        member.submit(command).await.expect("it is written");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]
        #[test]
        fn it_answers_as_the_obvious_one(steps in prop::collection::vec(step(), 1..40)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let (member, policies) = (consensus::Member::alone(), Policies::default());
                let first = member.view();
                for (at, step) in steps.into_iter().enumerate() {
                    match step {
                        Step::Put(resource, namespace, name, value) => {
                            let body = api::kinds::body(resource, &value).expect("a body");
                            write(&member, at, Key::new(resource, namespace, name), Change::Put(body)).await;
                        }
                        Step::Remove(resource, namespace, name) => {
                            write(&member, at, Key::new(resource, namespace, name), Change::Delete).await;
                        }
                        Step::Ask(user, [verb, place, resource, subresource, name], path) => {
                            let (group, namespace) = place.split_once('|').expect("both");
                            let path = path.as_deref().unwrap_or_default();
                            let attempt = match path {
                                "" => Attempt { verb: &verb, group, resource: &resource, subresource: &subresource, namespace, name: &name, ..Attempt::default() },
                                path => Attempt { verb: &verb, path, ..Attempt::default() },
                            };
                            let view = member.view();
                            assert_eq!(policies.decide(&view, &user, &attempt).is_ok(), slowly(&view, &user, &attempt), "{user:?} {attempt:?}");
                            if at % 7 == 0 {
                                // Whoever looks back must not spoil it for the present.
                                assert!(policies.decide(&first, &user, &attempt).is_err());
                            }
                        }
                    }
                }
            });
        }
    }
}
