//! Tests of strategic merge patch: what a real API server answered, tables of directives, bad patches, properties.
use super::apply;
use crate::schema::structure::message;
use proptest::prelude::*;
use serde_json::{Value, json};

fn deployment(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn patched(old: &Value, patch: &Value) -> Value {
    apply(message("api.apps.v1.Deployment").expect("known"), old, patch).expect("it applies")
}

/// The four patches recorded of kube-apiserver, one after the other on one deployment.
#[test]
fn as_recorded() {
    let mut live = deployment(json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}));
    live["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}});
    live = patched(&live, &deployment(json!({"containers": [{"name": "c", "image": "j"}]})));
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"],
        json!([{"name": "c", "image": "j", "ports": [{"containerPort": 80}]}])
    );
    live = patched(
        &live,
        &deployment(json!({"containers": [{"name": "side", "image": "s"}, {"name": "c", "$patch": "delete"}]})),
    );
    assert_eq!(live["spec"]["template"]["spec"]["containers"], json!([{"name": "side", "image": "s"}]));
    let order = json!({"$setElementOrder/containers": [{"name": "z"}, {"name": "side"}], "containers": [{"name": "z", "image": "zz"}]});
    live = patched(&live, &deployment(order));
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"],
        json!([{"name": "z", "image": "zz"}, {"name": "side", "image": "s"}])
    );
    live = patched(&live, &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}));
    assert_eq!(live["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn directives() {
    let live = deployment(
        json!({"containers": [{"name": "a", "command": ["x"], "env": [{"name": "E", "value": "1"}]}, {"name": "b"}],
        "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {"k": "v"}}),
    );
    let table = [
        // A list without a merge key is replaced, a key with null goes.
        (
            json!({"containers": [{"name": "a", "command": ["y", "z"], "env": null}]}),
            "/containers/0",
            json!({"name": "a", "command": ["y", "z"]}),
        ),
        (json!({"containers": [{"$patch": "replace"}, {"name": "n"}]}), "/containers", json!([{"name": "n"}])),
        (json!({"nodeSelector": {"$patch": "replace", "q": "r"}}), "/nodeSelector", json!({"q": "r"})),
        (json!({"nodeSelector": {"$patch": "delete"}}), "/nodeSelector", json!({})),
        (json!({"nodeSelector": {"k": null, "new": "x"}}), "/nodeSelector", json!({"new": "x"})),
        // Another source takes the place of the old one.
        (
            json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}),
            "/volumes",
            json!([{"name": "v", "hostPath": {"path": "/"}}]),
        ),
        (json!({"containers": [{"name": "c"}]}), "/containers/0/name", json!("c")), // a new item comes first, as in Kubernetes
        (json!({"tolerations": [{"key": "k"}]}), "/tolerations", json!([{"key": "k"}])),
        (
            json!({"containers": [{"name": "a", "env": [{"name": "E", "value": "2"}, {"name": "F"}]}]}),
            "/containers/0/env",
            json!([{"name": "E", "value": "2"}, {"name": "F"}]),
        ),
    ];
    for (patch, path, expected) in table {
        let new = patched(&live, &deployment(patch.clone()));
        assert_eq!(new["spec"]["template"]["spec"].pointer(path), Some(&expected), "{patch}");
    }
}

#[test]
fn finalizers_are_a_set() {
    let live = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let new = patched(
        &live,
        &json!({"metadata": {"$setElementOrder/finalizers": ["d", "a"], "finalizers": ["d"],
        "$deleteFromPrimitiveList/finalizers": ["b"]}}),
    );
    assert_eq!(new["metadata"]["finalizers"], json!(["d", "a", "c"]));
    let new = patched(&live, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "c"]}}));
    assert_eq!(new["metadata"]["finalizers"], json!(["b"]));
    let new = patched(&live, &json!({"metadata": {"finalizers": null}}));
    assert_eq!(new["metadata"].get("finalizers"), None);
}

#[test]
fn order_of_the_live_list_is_kept_for_what_the_patch_does_not_name() {
    let live = deployment(json!({"containers": [{"name": "1"}, {"name": "2"}, {"name": "3"}, {"name": "4"}]}));
    let patch = deployment(
        json!({"$setElementOrder/containers": [{"name": "4"}, {"name": "2"}], "containers": [{"name": "2", "image": "x"}]}),
    );
    let new = patched(&live, &patch);
    let names: Vec<&str> = new["spec"]["template"]["spec"]["containers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(names, ["1", "3", "4", "2"]);
}

/// Not a benchmark, but quadratic work would show: each item once searched the whole list, several times.
#[test]
fn long_lists_are_merged_in_order() {
    let list = |numbers: &mut dyn Iterator<Item = u32>| -> Value {
        numbers.map(|number| json!({"name": format!("c{number}"), "image": "i"})).collect::<Vec<_>>().into()
    };
    let live = deployment(json!({"containers": list(&mut (0..20_000))}));
    let patch = json!({"containers": list(&mut (10_000..30_000)), "$setElementOrder/containers": list(&mut (10_000..30_000).rev())});
    let merged = patched(&live, &deployment(patch));
    let merged = merged["spec"]["template"]["spec"]["containers"].as_array().expect("a list").clone();
    assert_eq!((merged.len(), &merged[0]["name"], &merged[10_000]["name"]), (30_000, &json!("c29999"), &json!("c0")));
    let gone: Vec<Value> =
        (0..20_000).map(|number| json!({"name": format!("c{number}"), "$patch": "delete"})).collect();
    let left = patched(&live, &deployment(json!({"containers": gone})));
    assert_eq!(left["spec"]["template"]["spec"]["containers"], json!([]));
}

#[test]
fn faults_are_told_as_go_tells_them() {
    let live = deployment(json!({"containers": [{"name": "a"}]}));
    let known = message("api.apps.v1.Deployment").expect("known");
    for (patch, want) in [
        (
            json!({"containers": [{"image": "noname"}]}),
            "map: map[image:noname] does not contain declared merge key: name",
        ),
        (
            json!({"containers": [{"name": "a", "$patch": "frob"}]}),
            "unknown patch type: frob in map: map[$patch:frob name:a]",
        ),
        (
            json!({"$patch": "frob", "hostNetwork": true}),
            "unknown patch type: frob in map: map[$patch:frob hostNetwork:true]",
        ),
    ] {
        let refused = apply(known, &live, &deployment(patch)).expect_err(want);
        assert_eq!((refused.code, refused.message.as_str()), (422, want));
    }
}

#[test]
fn bad_patches_are_the_clients_fault() {
    let mut live = deployment(json!({"containers": [{"name": "a"}], "volumes": [{"name": "v"}]}));
    live["metadata"] = json!({"finalizers": ["f"]});
    let table = [
        (deployment(json!({"containers": [{"image": "x"}]})), 422),
        (deployment(json!({"containers": [{"name": "a", "$patch": "fold"}]})), 422),
        (deployment(json!({"$patch": 7})), 422),
        (deployment(json!({"containers": ["a"]})), 422),
        (deployment(json!({"$setElementOrder/containers": "a"})), 400),
        (deployment(json!({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]})), 400),
        (deployment(json!({"$retainKeys": ["x"], "containers": []})), 400),
        (json!({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}), 400),
        (json!([]), 400),
    ];
    for (patch, code) in table {
        let status = apply(message("api.apps.v1.Deployment").expect("known"), &live, &patch).expect_err("bad patch");
        assert_eq!(status.code, code, "{patch}");
    }
}

proptest! {
    /// A patch without directives is a fixed point: applying it twice changes nothing more.
    #[test]
    fn twice_is_once(names in proptest::collection::vec("[a-d]", 0..5), image in "[x-z]", labels in proptest::collection::btree_map("[a-c]", "[0-9]", 0..4)) {
        let live = deployment(json!({"containers": [{"name": "a", "image": "i"}, {"name": "b"}]}));
        let mut unique = names;
        unique.dedup();
        let containers: Vec<Value> = unique.iter().map(|name| json!({"name": name, "image": image})).collect();
        let mut patch = deployment(json!({"containers": containers}));
        patch["metadata"] = json!({"labels": labels});
        let once = patched(&live, &patch);
        let mut named: Vec<&str> = once["spec"]["template"]["spec"]["containers"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
        named.sort_unstable();
        named.dedup();
        prop_assert_eq!(named.len(), once["spec"]["template"]["spec"]["containers"].as_array().map_or(0, Vec::len));
        prop_assert_eq!(patched(&once, &patch), once);
    }
}
