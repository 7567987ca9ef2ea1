//! Who owns what, as recorded from Kubernetes, and as its rules say.
use super::*;
use crate::kinds::builtin;

fn kind(plural: &str) -> &'static crate::kind::Kind {
    builtin().iter().find(|kind| &*kind.plural == plural).expect("a built-in kind")
}

fn writer<'a>(name: &'a str, api_version: &'a str) -> Writer<'a> {
    Writer { name, api_version, subresource: "", time: "2026-11-25T00:00:00Z", force: false }
}

fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["manager"] == manager)
        .map(|entry| entry["fieldsV1"].clone())
        .next()
        .unwrap_or_default()
}

fn deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}}}})
}

#[test]
fn appliers_conflict_and_force_as_recorded() {
    let place = Place::of(kind("deployments"));
    let first = apply(place, None, &deployment(1), writer("m1", "apps/v1")).expect("applies");
    let ports = json!({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}});
    let template = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"c\"}":
        {".": {}, "f:image": {}, "f:name": {}, "f:ports": ports}}}});
    let m1 = json!({"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": template}});
    assert_eq!(owned(&first, "m1"), m1);
    let refused = apply(place, Some(&first), &deployment(3), writer("m2", "apps/v1")).expect_err("it is m1's");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"m1\": .spec.replicas")
    );
    assert_eq!(
        (refused.causes[0].reason, refused.causes[0].field.as_str()),
        ("FieldManagerConflict", ".spec.replicas")
    );
    let forced = Writer { force: true, ..writer("m2", "apps/v1") };
    let second = apply(place, Some(&first), &deployment(3), forced).expect("by force");
    assert_eq!(second["spec"]["replicas"], 3);
    assert_eq!(owned(&second, "m2"), m1);
    assert_eq!(owned(&second, "m1"), json!({"f:spec": {"f:selector": {}, "f:template": template}}));
    let again = apply(place, Some(&second), &deployment(3), Writer { time: "later", ..forced }).expect("applies");
    assert_eq!(again, second, "what changes nothing changes no time");
}

#[test]
fn updates_are_noted_as_recorded() {
    let place = Place::of(kind("configmaps"));
    let object = |data: Value, labels: Option<Value>| {
        let mut object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c0", "uid": "u"}, "data": data});
        if let Some(labels) = labels {
            object["metadata"]["labels"] = labels;
        }
        object
    };
    let step = |old: Option<&Value>, mut new: Value| {
        note(place, old, &mut new, writer("unknown", "v1"));
        new
    };
    let made = step(None, object(json!({"k": "v"}), Some(json!({"l": "0"}))));
    assert_eq!(
        owned(&made, "unknown"),
        json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}})
    );
    let put = step(Some(&made), object(json!({"k": "w"}), None));
    assert_eq!(owned(&put, "unknown"), json!({"f:data": {".": {}, "f:k": {}}}));
    let patched = step(Some(&put), object(json!({"k": "w", "x": "y"}), None));
    assert_eq!(owned(&patched, "unknown"), json!({"f:data": {".": {}, "f:k": {}, "f:x": {}}}));
    let merged = step(Some(&patched), object(json!({"k": "w"}), None));
    assert_eq!(owned(&merged, "unknown"), json!({"f:data": {".": {}, "f:k": {}}}));
    let mut cleared = merged.clone();
    cleared["metadata"]["managedFields"] = json!([{}]);
    let cleared = step(Some(&merged), cleared);
    assert!(cleared["metadata"].get("managedFields").is_none(), "{cleared}");
}

#[test]
fn what_an_applier_no_longer_says_goes_unless_somebody_else_owns_it() {
    let place = Place::of(kind("configmaps"));
    let config =
        |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    let one = apply(place, None, &config(json!({"a": "1", "b": "1"})), writer("one", "v1")).expect("applies");
    let two = apply(place, Some(&one), &config(json!({"b": "1"})), writer("two", "v1")).expect("agrees");
    let less = apply(place, Some(&two), &config(json!({})), writer("one", "v1")).expect("applies");
    assert_eq!(less["data"], json!({"b": "1"}), "two still wants b");
    let none = apply(place, Some(&less), &config(json!({})), writer("two", "v1")).expect("applies");
    assert!(none.get("data").is_none(), "{none}");
    // What was written by other ways is nobody's to take away.
    let mut by_hand = config(json!({"a": "1", "h": "1"}));
    note(place, Some(&one), &mut by_hand, writer("kubectl-edit", "v1"));
    let after = apply(place, Some(&by_hand), &config(json!({"a": "1"})), writer("one", "v1")).expect("applies");
    assert_eq!(after["data"], json!({"a": "1", "h": "1"}));
    let refused =
        apply(place, Some(&after), &config(json!({"h": "2"})), writer("one", "v1")).expect_err("h is another's");
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1 at 2026-11-25T00:00:00Z: .data.h"
    );
}

#[test]
fn items_of_lists_are_owned_one_by_one() {
    let place = Place::of(kind("services"));
    let ports = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}});
    let (web, dns) = (json!({"name": "web", "port": 80}), json!({"name": "dns", "port": 53, "protocol": "UDP"}));
    let one = apply(place, None, &ports(json!([web])), writer("one", "v1")).expect("applies");
    let two = apply(place, Some(&one), &ports(json!([dns])), writer("two", "v1")).expect("applies");
    assert_eq!(
        two["spec"]["ports"],
        json!([dns, web])
            .as_array()
            .map(|all| {
                let mut all = all.clone();
                all.sort_by_key(|port| {
                    two["spec"]["ports"].as_array().and_then(|ports| ports.iter().position(|other| other == port))
                });
                Value::Array(all)
            })
            .expect("a list")
    );
    assert_eq!(two["spec"]["ports"].as_array().map(Vec::len), Some(2));
    let gone = apply(place, Some(&two), &ports(json!([])), writer("one", "v1")).expect("applies");
    assert_eq!(gone["spec"]["ports"], json!([dns]));
    // Who applies an empty list again changes nothing, not even a time.
    let none = apply(place, None, &ports(json!([])), writer("one", "v1")).expect("applies");
    let later = Writer { time: "2026-11-26T00:00:00Z", ..writer("one", "v1") };
    assert_eq!(apply(place, Some(&none), &ports(json!([])), later).expect("applies"), none);
    // The port is no key of this one, its protocol is.
    assert_eq!(check(place, &ports(json!([{"name": "x"}]))), Ok(()));
    let refused = check(Place::of(kind("pods")), &json!({"spec": {"containers": [{"image": "i"}]}}));
    assert_eq!(
        refused.expect_err("no key"),
        ".spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't \
         have default values for any key fields)"
    );
}

#[test]
fn what_was_there_before_anybody_was_noted_is_kept() {
    let place = Place::of(kind("configmaps"));
    let live =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "uid": "u"}, "data": {"a": "1"}});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"b": "2"}});
    let new = apply(place, Some(&live), &config, writer("one", "v1")).expect("applies");
    assert_eq!(new["data"], json!({"a": "1", "b": "2"}));
    assert_eq!(owned(&new, "before-first-apply"), json!({"f:data": {"f:a": {}}}));
}

#[test]
fn of_many_updaters_the_oldest_become_one() {
    let place = Place::of(kind("configmaps"));
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"u0": "1"}});
    note(place, None, &mut object, Writer { time: "2026-11-25T00:00:00Z", ..writer("u0", "v1") });
    for turn in 1..14 {
        let (name, time) = (format!("u{turn}"), format!("2026-11-25T00:00:{turn:02}Z"));
        let mut new = object.clone();
        new["data"][&name] = "1".into();
        note(place, Some(&object), &mut new, Writer { time: &time, ..writer(&name, "v1") });
        object = new;
    }
    let entries = object["metadata"]["managedFields"].as_array().expect("managers");
    assert_eq!(entries.len(), 10);
    assert_eq!(
        owned(&object, "ancient-changes")["f:data"].as_object().map(serde_json::Map::len),
        Some(6),
        "their names and the map itself: {object}"
    );
}

#[test]
fn odd_managed_fields_are_read_with_care() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"f:a": deep});
    }
    for fields in [json!(null), json!(7), json!({"x": {}}), json!({"k:nonsense": {}}), json!({"f:a": 1}), deep] {
        let read = Set::read(&fields);
        assert_eq!(Set::read(&read.to_value()), read);
    }
}

#[test]
fn a_list_of_many_values_keeps_its_order_and_the_first_of_equals() {
    let places =
        crate::schema::structure::message(crate::schema::structure::OBJECT_META).map(super::place::Place::Message);
    let named = |names: Vec<String>| json!({"finalizers": names});
    let many = |from: u32| (from..from + 20_000).map(|number| format!("example.com/{number}"));
    let live = named(many(0).collect());
    let config = named(many(10_000).chain(many(10_000)).collect());
    let merged = super::walk::merge(places.expect("metadata is known"), &live, &config);
    assert_eq!(merged, named(many(0).chain(many(20_000).take(10_000)).collect()));
}

#[test]
fn with_the_last_label_the_metadata_does_not_go() {
    let place = Place::of(kind("configmaps"));
    let config = |meta: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v"}});
    let labelled = config(json!({"name": "c", "labels": {"a": "b"}}));
    let mut live = apply(place, None, &labelled, writer("m", "v1")).expect("applies");
    live["metadata"]["uid"] = "u".into();
    let new = apply(place, Some(&live), &config(json!({"name": "c"})), writer("m", "v1")).expect("applies");
    let meta = &new["metadata"];
    assert_eq!((&meta["name"], &meta["uid"], meta.get("labels")), (&json!("c"), &json!("u"), None));
    assert_eq!(owned(&new, "m"), json!({"f:data": {"f:k": {}}}));
}
