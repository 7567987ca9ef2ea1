//! Tables of what is counted, refused and left.
use super::*;

fn quota(hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
}

fn pod(resources: Value) -> Value {
    let class = if resources == json!({}) { "BestEffort" } else { "Burstable" };
    json!({"spec": {"containers": [{"name": "c", "resources": resources}]}, "status": {"phase": "Pending", "qosClass": class}})
}

fn printed(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{name}={}", amount.canonical())).collect::<Vec<_>>().join(",")
}

fn takes(hard: Value, resource: &str, value: &Value) -> String {
    printed(&Quota::read(&quota(hard)).takes(resource, value))
}

#[test]
fn each_kind_takes_what_it_takes() {
    let some = json!({"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "1"}});
    let hard = json!({"pods": "9", "count/pods": "9", "requests.cpu": "9", "cpu": "9", "limits.cpu": "9", "memory": "1Gi", "requests.storage": "1Gi"});
    assert_eq!(
        takes(hard.clone(), "pods", &pod(some.clone())),
        "count/pods=1,cpu=250m,limits.cpu=1,memory=64Mi,pods=1,requests.cpu=250m"
    );
    let mut done = pod(some);
    done["status"]["phase"] = "Succeeded".into();
    assert_eq!(takes(hard, "pods", &done), "count/pods=1", "a finished pod takes only its place in the store");
    let service = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2, "nodePort": 30_000}]}});
    let hard = json!({"services": "9", "services.nodeports": "9", "services.loadbalancers": "9"});
    assert_eq!(takes(hard.clone(), "services", &service), "services=1,services.loadbalancers=1,services.nodeports=2");
    let mut few = service;
    few["spec"]["allocateLoadBalancerNodePorts"] = false.into();
    assert_eq!(takes(hard, "services", &few), "services=1,services.loadbalancers=1,services.nodeports=1");
    let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}});
    let hard = json!({"requests.storage": "9Gi", "persistentvolumeclaims": "9", "fast.storageclass.storage.k8s.io/requests.storage": "9Gi",
        "slow.storageclass.storage.k8s.io/requests.storage": "9Gi"});
    assert_eq!(
        takes(hard, "persistentvolumeclaims", &claim),
        "fast.storageclass.storage.k8s.io/requests.storage=2Gi,persistentvolumeclaims=1,requests.storage=2Gi"
    );
    assert_eq!(takes(json!({"count/jobs.batch": "1"}), "jobs.batch", &json!({})), "count/jobs.batch=1");
    assert_eq!(takes(json!({"count/events": "1"}), "events", &json!({})), "", "Events are never counted");
    assert_eq!(takes(json!({"configmaps": "1"}), "secrets", &json!({})), "");
}

#[test]
fn init_containers_and_overhead_are_counted_as_the_scheduler_does() {
    let ask = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let pod = json!({"spec": {"containers": [{"resources": ask("1")}, {"resources": ask("1")}],
        "initContainers": [{"resources": ask("500m"), "restartPolicy": "Always"}, {"resources": ask("3")}],
        "overhead": {"cpu": "100m"}}});
    assert_eq!(takes(json!({"cpu": "9"}), "pods", &pod), "cpu=3600m");
}

#[test]
fn scopes_say_which_pods() {
    let mut short = pod(json!({}));
    short["spec"]["activeDeadlineSeconds"] = 5.into();
    let mut vital = pod(json!({"requests": {"cpu": "1"}}));
    vital["spec"]["priorityClassName"] = "high".into();
    let class = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    for (spec, want) in [
        (json!({"scopes": ["Terminating"]}), [true, false]),
        (json!({"scopes": ["NotTerminating"]}), [false, true]),
        (json!({"scopes": ["BestEffort"]}), [true, false]),
        (json!({"scopes": ["NotBestEffort"]}), [false, true]),
        (json!({"scopes": ["Terminating", "NotBestEffort"]}), [false, false]),
        (class("In", json!(["high"])), [false, true]),
        (class("NotIn", json!(["high"])), [true, false]),
        (class("Exists", json!([])), [false, true]),
        (class("DoesNotExist", json!([])), [true, false]),
    ] {
        let mut value = quota(json!({"pods": "9", "configmaps": "9"}));
        spec.as_object().into_iter().flatten().for_each(|(name, scope)| value["spec"][name] = scope.clone());
        let quota = Quota::read(&value);
        let counted = [&short, &vital].map(|pod| !quota.takes("pods", pod).is_empty());
        assert_eq!(counted, want, "{spec}");
        assert!(!quota.counts("configmaps"), "{spec}: a scope is about pods");
    }
}

/// A quota as it is kept, of which so many pods are used.
fn kept(hard: Value, used: Value) -> Arc<Object> {
    let mut value = quota(hard);
    value["status"] = json!({"used": used});
    let body = crate::kinds::body(RESOURCE, &value).expect("a body");
    let key = crate::key::Key::new(RESOURCE, "d", "q");
    Arc::new(body.join(key, crate::uid::Uid(1), crate::revision::Millis(1), crate::revision::Revision(7)))
}

fn nothing(_: &str) -> Vec<Arc<Object>> {
    Vec::new()
}

#[test]
fn a_charge_is_written_under_the_quota_revision_or_refused_in_words() {
    let new = pod(json!({"requests": {"cpu": "500m"}}));
    let taken = Taken { resource: "pods", old: None, new: &new };
    let quota = kept(json!({"pods": "2", "cpu": "1"}), json!({"pods": "1", "cpu": "500m"}));
    let writes = charge(std::slice::from_ref(&quota), &[taken], &nothing).expect("there is room");
    assert_eq!((writes.len(), writes[0].condition), (1, Condition::Revision(crate::revision::Revision(7))));
    let Change::Put(body) = &writes[0].change else { panic!("a quota is put") };
    assert!(String::from_utf8_lossy(&body.text).contains(r#""used":{"cpu":"1","pods":"2"}"#));
    let refused = charge(&[quota], &[taken, taken], &nothing).expect_err("both are too many");
    let want = "exceeded quota: q, requested: cpu=1,pods=2, used: cpu=500m,pods=1, limited: cpu=1,pods=2";
    assert_eq!(refused, want);
    let bare = pod(json!({}));
    let both = kept(json!({"limits.cpu": "1", "memory": "1Gi"}), json!({}));
    let unsaid = charge(&[both], &[Taken { new: &bare, ..taken }], &nothing).expect_err("it does not say");
    assert_eq!(unsaid, "failed quota: q: must specify limits.cpu for: c; memory for: c");
}

#[test]
fn a_change_is_charged_for_what_it_takes_more() {
    let service = |kind: &str| json!({"spec": {"type": kind, "ports": [{"port": 1}]}});
    let (old, new) = (service("ClusterIP"), service("NodePort"));
    let quota = || {
        kept(json!({"services.nodeports": "0", "services": "1"}), json!({"services.nodeports": "0", "services": "1"}))
    };
    let change = Taken { resource: "services", old: Some(&old), new: &new };
    let refused = charge(&[quota()], &[change], &nothing).expect_err("no port is left");
    assert_eq!(
        refused,
        "exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0"
    );
    let back = Taken { resource: "services", old: Some(&new), new: &old };
    assert_eq!(charge(&[quota()], &[back], &nothing), Ok(Vec::new()), "what becomes less costs nothing");
}

#[test]
fn room_is_for_as_many_as_fit() {
    let new = pod(json!({"requests": {"cpu": "300m"}}));
    let taken = Taken { resource: "pods", old: None, new: &new };
    let quota = kept(json!({"pods": "9", "cpu": "1"}), json!({"pods": "0", "cpu": "0"}));
    let (room, why) = super::room(std::slice::from_ref(&quota), taken, 5, &nothing);
    let want = "exceeded quota: q, requested: cpu=300m, used: cpu=900m, limited: cpu=1";
    assert_eq!((room, why.as_deref()), (3, Some(want)));
    assert_eq!(super::room(&[quota], taken, 2, &nothing), (2, None));
    assert_eq!(super::room(&[], taken, 2, &nothing), (2, None));
}

/// A charge that wrote what stood there already would take no revision, and a count of before would then hold against it.
#[test]
fn what_has_gone_is_given_back_by_a_write_of_its_own() {
    let new = pod(json!({}));
    let taken = Taken { resource: "pods", old: None, new: &new };
    let quota = [kept(json!({"pods": "2"}), json!({"pods": "2"}))];
    assert!(charge(&quota, &[taken], &nothing).is_err(), "what is said counts");
    let writes = recount(&quota, &nothing);
    let Some(Write { change: Change::Put(body), .. }) = writes.first() else { panic!("it is counted anew") };
    assert!(String::from_utf8_lossy(&body.text).contains(r#""used":{"pods":"0"}"#));
}
