//! What LimitRanges give and refuse, word by word.
use super::PLUGIN;
use crate::admission::town::{Town, kind};
use serde_json::{Value, json};

fn town(item: Value) -> Town {
    let mut range = json!({"metadata": {"name": "r", "namespace": "a"}, "spec": {"limits": [item]}});
    crate::schema::default(kind("limitranges"), &mut range);
    Town::default().with("limitranges", &range)
}

fn pod(resources: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": "p", "namespace": "a"},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}});
    crate::schema::default(kind("pods"), &mut pod);
    pod
}

#[test]
fn defaults_are_given_and_told() {
    let town = town(json!({"type": "Container", "max": {"cpu": "2"}, "default": {"memory": "1Gi"},
        "defaultRequest": {"cpu": "100m"}}));
    let mut pod = pod(&json!({"requests": {"memory": "10Mi"}}));
    pod["spec"]["initContainers"] =
        json!([{"name": "i", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}]);
    assert!(town.create(&[&PLUGIN], "pods", &mut pod).is_ok());
    let want = json!({"requests": {"memory": "10Mi", "cpu": "100m"}, "limits": {"cpu": "2", "memory": "1Gi"}});
    assert_eq!(pod["spec"]["containers"][0]["resources"], want);
    let told = "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; memory request for init container i; memory limit for init container i";
    assert_eq!(pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"], told);
}

#[test]
fn what_is_refused_is_told_in_kubernetes_words() {
    let container = |bounds: Value| {
        let mut item = bounds;
        item["type"] = "Container".into();
        item["default"] = json!({"x/none": "1"});
        item
    };
    let table = [
        (
            json!({"type": "Container", "max": {"cpu": "1"}}),
            json!({"limits": {"cpu": "2"}}),
            "[maximum cpu usage per Container is 1, but limit is 2]",
        ),
        (
            json!({"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}}),
            json!({"limits": {"cpu": "2", "memory": "2Gi"}}),
            "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]",
        ),
        (
            container(json!({"min": {"cpu": "200m"}})),
            json!({"requests": {"cpu": "100m"}}),
            "[minimum cpu usage per Container is 200m, but request is 100m]",
        ),
        (
            json!({"type": "Pod", "max": {"cpu": "1"}}),
            json!({}),
            "[maximum cpu usage per Pod is 1.  No limit is specified]",
        ),
        (
            json!({"type": "Pod", "min": {"cpu": "1"}}),
            json!({}),
            "[minimum cpu usage per Pod is 1.  No request is specified]",
        ),
        (
            container(json!({"maxLimitRequestRatio": {"cpu": "2"}})),
            json!({"requests": {"cpu": "1"}, "limits": {"cpu": "3"}}),
            "[cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000]",
        ),
        (
            container(json!({"maxLimitRequestRatio": {"cpu": "2"}})),
            json!({}),
            "[cpu max limit to request ratio per Container is 2, but no request is specified or request is 0]",
        ),
    ];
    for (item, resources, want) in table {
        let refused = town(item).create(&[&PLUGIN], "pods", &mut pod(&resources)).expect_err(want);
        let one = want.trim_matches(['[', ']']);
        let want = if refused.message.contains('[') { want } else { one };
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (403, format!("pods \"p\" is forbidden: {want}").as_str())
        );
    }
}

#[test]
fn a_pod_is_its_containers_and_its_largest_step() {
    let town = town(json!({"type": "Pod", "max": {"cpu": "2"}}));
    let limits = |cpu: &str| json!({"limits": {"cpu": cpu}});
    let mut two = pod(&limits("1500m"));
    two["spec"]["initContainers"] = json!([{"name": "step", "resources": limits("2")}]);
    assert!(town.create(&[&PLUGIN], "pods", &mut two.clone()).is_ok());
    two["spec"]["initContainers"] = json!([{"name": "side", "restartPolicy": "Always", "resources": limits("1")}]);
    let refused = town.create(&[&PLUGIN], "pods", &mut two).expect_err("too much together");
    assert!(refused.message.ends_with("maximum cpu usage per Pod is 2, but limit is 2500m"), "{refused}");
}

#[test]
fn claims_and_resizes_are_held_to_it_and_other_updates_are_not() {
    let claim = |storage: &str| json!({"metadata": {"name": "c", "namespace": "a"}, "spec": {"resources": {"requests": {"storage": storage}}}});
    let claims = town(json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}));
    let refused = claims.create(&[&PLUGIN], "persistentvolumeclaims", &mut claim("3Gi")).expect_err("too large");
    let want = "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi";
    assert_eq!(refused.message, want);
    assert!(claims.create(&[&PLUGIN], "persistentvolumeclaims", &mut claim("2Gi")).is_ok());
    let old = claim("1Gi");
    assert!(claims.ask(&[&PLUGIN], "persistentvolumeclaims", "", Some(&old), &mut claim("512Mi")).is_err());
    let pods = town(json!({"type": "Container", "max": {"cpu": "1"}}));
    let (old, big) = (pod(&json!({"limits": {"cpu": "1"}})), pod(&json!({"limits": {"cpu": "2"}})));
    assert!(pods.ask(&[&PLUGIN], "pods", "resize", Some(&old), &mut big.clone()).is_err());
    assert!(pods.ask(&[&PLUGIN], "pods", "", Some(&big), &mut big.clone()).is_ok());
}
