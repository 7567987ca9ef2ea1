//! The schemas of every cluster are valid, and requests find theirs as in Kubernetes.
use super::{Flow, LEVELS, SCHEMAS, Who, objects};
use crate::attempt::Attempt;
use crate::kinds::set::Kinds;
use serde_json::Value;

#[test]
fn what_every_cluster_has_is_valid_and_needs_no_defaults() {
    let kinds = Kinds::new([]);
    assert_eq!((objects().iter().filter(|(at, _)| *at == LEVELS).count(), objects().len()), (8, 21));
    for (resource, object) in objects() {
        let kind = kinds.by_resource(resource).expect("a kind");
        let mut filled = object.clone();
        crate::schema::default::fill(kind, &mut filled);
        assert_eq!(&filled, object);
        crate::schema::validate::new_object(kind, object).expect("it is valid");
    }
}

#[test]
fn a_request_belongs_to_the_first_that_takes_it() {
    let mut flows: Vec<Flow> =
        objects().iter().filter(|(at, _)| *at == SCHEMAS).map(|(_, one)| Flow::of(one)).collect();
    flows.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
    let read = |resource, namespace| Attempt { verb: "get", resource, namespace, ..Attempt::default() };
    let lease = Attempt {
        verb: "update",
        group: "coordination.k8s.io",
        resource: "leases",
        namespace: "n",
        ..Attempt::default()
    };
    let path = |path| Attempt { verb: "get", path, ..Attempt::default() };
    let status = Attempt { subresource: "status", ..read("nodes", "") };
    for (user, groups, attempt, want) in [
        ("admin", &["system:masters", "system:authenticated"][..], read("pods", "n"), "exempt"),
        ("ann", &["system:authenticated"], read("pods", "n"), "global-default"),
        ("ann", &["system:authenticated"], path("/healthz"), "probes"),
        ("ann", &["system:authenticated"], path("/healthz/ping"), "global-default"),
        ("system:anonymous", &["system:unauthenticated"], path("/version"), "global-default"),
        ("system:node:n1", &["system:nodes", "system:authenticated"], read("nodes", ""), "system-node-high"),
        ("system:node:n1", &["system:nodes", "system:authenticated"], status, "system-node-high"),
        ("system:node:n1", &["system:nodes", "system:authenticated"], read("pods", "n"), "system-nodes"),
        ("system:kube-scheduler", &["system:authenticated"], lease, "system-leader-election"),
        ("system:kube-scheduler", &["system:authenticated"], read("pods", "n"), "kube-scheduler"),
        (
            "system:serviceaccount:kube-system:x",
            &["system:serviceaccounts"],
            read("pods", "n"),
            "kube-system-service-accounts",
        ),
        ("system:serviceaccount:kube-system:endpoint-controller", &[], read("endpoints", "n"), "endpoint-controller"),
        ("system:serviceaccount:a:x", &["system:serviceaccounts"], read("pods", "n"), "service-accounts"),
    ] {
        let groups: Vec<Box<str>> = groups.iter().map(|group| (*group).into()).collect();
        let who = Who { user, groups: &groups };
        let found = flows.iter().find(|flow| flow.takes(who, &attempt)).map(|flow| &*flow.name);
        assert_eq!(found, Some(want), "{user} {attempt:?}");
    }
}

#[test]
fn what_is_no_schema_takes_nothing() {
    let who = Who { user: "u", groups: &[] };
    assert!(!Flow::of(&Value::Null).takes(who, &Attempt::default()));
}
