//! Strategic merge patch against a slow model of what Kubernetes documents, and patches made of two objects, as `kubectl apply` makes
//! them: applied to the first, such a patch gives the second.
use api::patch::strategic::apply;
use api::schema::structure::message;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What the model knows of a place.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// One value, or a list that is replaced.
    Whole,
    /// Members merge; `$retainKeys` may stand here.
    Map(bool),
    /// Items merge by `name`.
    Named(bool),
    /// Scalars that merge as a set.
    Set,
}

fn how(name: &str) -> How {
    match name {
        "strategy" => How::Map(true),
        "containers" | "env" => How::Named(false),
        "volumes" => How::Named(true),
        "finalizers" => How::Set,
        "tolerations" | "command" => How::Whole,
        _ => How::Map(false),
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn directive(name: &str) -> bool {
    name.starts_with('$')
}

/// What a patch adds where nothing was.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !directive(name) && !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Array(items) => items.iter().filter(|item| item["$patch"].is_null()).map(plain).collect(),
        other => other.clone(),
    }
}

/// The model: the members of `old` after `patch`, in which the order of merged lists is not looked at.
fn merged(old: &Map<String, Value>, patch: &Map<String, Value>) -> Value {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => return plain(&Value::Object(patch.clone())),
        Some("delete") => return json!({}),
        _ => {}
    }
    let mut new = old.clone();
    if let Some(kept) = patch.get("$retainKeys") {
        new.retain(|name, _| list(kept).iter().any(|kept| kept == name));
    }
    for (name, value) in patch.iter().filter(|(name, _)| !directive(name)) {
        let value = match (new.get(name), value) {
            (_, Value::Null) => {
                new.remove(name);
                continue;
            }
            (Some(old), value) if old.is_object() && value.is_object() => merged(object(old), object(value)),
            (Some(old), value) if how(name) == How::Set => union(list(old), list(value)),
            (Some(old), value) if matches!(how(name), How::Named(_)) => named(list(old), list(value)),
            (_, value) => plain(value),
        };
        new.insert(name.clone(), value);
    }
    for (name, gone) in patch {
        if let Some(name) = name.strip_prefix("$deleteFromPrimitiveList/")
            && let Some(Value::Array(items)) = new.get_mut(name)
        {
            items.retain(|item| !list(gone).contains(item));
        }
    }
    Value::Object(new)
}

fn union(old: &[Value], patch: &[Value]) -> Value {
    let mut all = old.to_vec();
    all.extend(patch.iter().filter(|item| !old.contains(item)).cloned());
    all.into()
}

fn named(old: &[Value], patch: &[Value]) -> Value {
    let says = |item: &Value, what: &str| item["$patch"] == what;
    if patch.iter().any(|item| says(item, "replace")) {
        return plain(&Value::Array(patch.to_vec()));
    }
    let mut all = old.to_vec();
    all.retain(|item| !patch.iter().any(|change| says(change, "delete") && change["name"] == item["name"]));
    for change in patch.iter().filter(|change| !says(change, "delete")) {
        match all.iter_mut().find(|item| item["name"] == change["name"]) {
            Some(item) => *item = merged(object(item), object(change)),
            None => all.push(plain(change)),
        }
    }
    all.into()
}

/// With merged lists sorted.
fn unordered(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), unordered(name, value))).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| unordered("", item)).collect();
            if matches!(how(name), How::Named(_) | How::Set) {
                items.sort_by_key(|item| item.get("name").unwrap_or(item).to_string());
            }
            items.into()
        }
        other => other.clone(),
    }
}

/// The patch from `old` to `new`.
fn difference(old: &Map<String, Value>, new: &Map<String, Value>, retains: bool) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, after) in new {
        match old.get(name) {
            Some(before) if before == after => {}
            Some(before) => match how(name) {
                How::Named(retains) => lists(name, list(before), list(after), retains, &mut patch),
                How::Set => sets(name, list(before), list(after), &mut patch),
                How::Map(retains) if before.is_object() && after.is_object() => {
                    patch.insert(name.clone(), difference(object(before), object(after), retains).into());
                }
                _ => drop(patch.insert(name.clone(), after.clone())),
            },
            None => drop(patch.insert(name.clone(), after.clone())),
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        if !retains {
            patch.insert(name.clone(), Value::Null);
        }
    }
    if retains && old != new {
        patch.insert("$retainKeys".into(), new.keys().cloned().collect());
    }
    patch
}

fn lists(name: &str, old: &[Value], new: &[Value], retains: bool, patch: &mut Map<String, Value>) {
    let mut items = Vec::new();
    for item in new {
        match old.iter().find(|before| before["name"] == item["name"]) {
            None => items.push(item.clone()),
            Some(before) if before == item => {}
            Some(before) => {
                let mut change = difference(object(before), object(item), retains);
                change.insert("name".into(), item["name"].clone());
                items.push(change.into());
            }
        }
    }
    let gone = old.iter().filter(|before| !new.iter().any(|item| item["name"] == before["name"]));
    items.extend(gone.map(|before| json!({"name": before["name"], "$patch": "delete"})));
    if !items.is_empty() {
        patch.insert(name.to_owned(), items.into());
    }
    let order: Vec<Value> = new.iter().map(|item| json!({"name": item["name"]})).collect();
    patch.insert(format!("$setElementOrder/{name}"), order.into());
}

fn sets(name: &str, old: &[Value], new: &[Value], patch: &mut Map<String, Value>) {
    let without = |all: &[Value], other: &[Value]| -> Vec<Value> {
        all.iter().filter(|item| !other.contains(item)).cloned().collect()
    };
    let (added, gone) = (without(new, old), without(old, new));
    if !added.is_empty() {
        patch.insert(name.to_owned(), added.into());
    }
    if !gone.is_empty() {
        patch.insert(format!("$deleteFromPrimitiveList/{name}"), gone.into());
    }
    patch.insert(format!("$setElementOrder/{name}"), new.to_vec().into());
}

fn word() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!("x")), Just(json!("y")), Just(json!("z"))]
}

/// An object of some of these members; with `nulls`, some are null.
fn members(all: Vec<(&'static str, BoxedStrategy<Value>)>, nulls: bool) -> BoxedStrategy<Map<String, Value>> {
    let each: Vec<_> = all
        .into_iter()
        .map(|(name, value)| {
            let null = if nulls { Just(Value::Null).boxed() } else { value.clone() };
            proptest::option::weighted(0.6, prop_oneof![5 => value, 1 => null])
                .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    each.prop_map(|members| members.into_iter().flatten().collect()).boxed()
}

/// A list of items with names, each once.
fn items(inner: BoxedStrategy<Map<String, Value>>) -> BoxedStrategy<Value> {
    let names = Just(vec!["a", "b", "c", "d"]).prop_shuffle();
    (names, proptest::collection::vec(inner, 0..4))
        .prop_map(|(names, inner)| {
            let item = |(name, mut members): (&str, Map<String, Value>)| {
                members.insert("name".into(), name.into());
                Value::Object(members)
            };
            names.into_iter().zip(inner).map(item).collect()
        })
        .boxed()
}

fn set() -> BoxedStrategy<Value> {
    (Just(vec!["f", "g", "h"]).prop_shuffle(), 0..4_usize)
        .prop_map(|(names, count)| names.into_iter().take(count).map(Value::from).collect())
        .boxed()
}

fn spec(nulls: bool) -> BoxedStrategy<Value> {
    let some = |all| members(all, nulls);
    let env = items(some(vec![("value", word().boxed())]));
    let command = proptest::collection::vec(word(), 0..3).prop_map(Value::from).boxed();
    let container = some(vec![("image", word().boxed()), ("command", command), ("env", env)]);
    let source = some(vec![
        ("emptyDir", Just(json!({})).boxed()),
        ("hostPath", some(vec![("path", word().boxed())]).prop_map(Value::from).boxed()),
    ]);
    let toleration = members(vec![("key", word().boxed()), ("value", word().boxed())], false);
    let tolerations = proptest::collection::vec(toleration.prop_map(Value::from), 0..3).prop_map(Value::from).boxed();
    let selector = some(vec![("k", word().boxed()), ("l", word().boxed())]).prop_map(Value::from).boxed();
    some(vec![
        ("containers", items(container)),
        ("volumes", items(source)),
        ("tolerations", tolerations),
        ("nodeSelector", selector),
    ])
    .prop_map(Value::from)
    .boxed()
}

fn deployment(nulls: bool) -> impl Strategy<Value = Value> {
    let some = |all| members(all, nulls).prop_map(Value::from).boxed();
    let rolling = some(vec![("maxSurge", word().boxed()), ("maxUnavailable", word().boxed())]);
    let strategy = some(vec![("type", word().boxed()), ("rollingUpdate", rolling)]);
    let labels = some(vec![("a", word().boxed()), ("b", word().boxed())]);
    (some(vec![("labels", labels), ("finalizers", set())]), strategy, proptest::option::of(0..9_u32), spec(nulls))
        .prop_map(|(meta, strategy, replicas, spec)| {
            let mut all = json!({"metadata": meta, "spec": {"strategy": strategy, "template": {"spec": spec}}});
            if let Some(replicas) = replicas {
                all["spec"]["replicas"] = replicas.into();
            }
            all
        })
}

/// Numbers, one after the other.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % count
    }
}

/// A patch with directives, drawn in the order of the walk.
fn directed(name: &str, value: Value, draw: &mut Draw) -> Value {
    match value {
        Value::Object(members) => {
            let choice = draw.below(12);
            let mut new = Map::new();
            for (name, value) in members {
                let order = draw.below(3) == 0;
                let value = directed(&name, value, draw);
                if order && value.is_array() && matches!(how(&name), How::Named(_) | How::Set) {
                    new.insert(format!("$setElementOrder/{name}"), ordered(&value));
                }
                // To add and to delete the same means nothing.
                let free = value.as_array().is_some_and(|items| !items.contains(&json!("f")));
                if how(&name) == How::Set && free && draw.below(2) == 0 {
                    new.insert(format!("$deleteFromPrimitiveList/{name}"), json!(["f"]));
                }
                new.insert(name, value);
            }
            match (name, choice) {
                ("nodeSelector" | "labels" | "strategy", 0) => drop(new.insert("$patch".into(), "replace".into())),
                ("nodeSelector" | "labels", 1) => drop(new.insert("$patch".into(), "delete".into())),
                ("strategy", 2 | 3) => {
                    new.insert("$retainKeys".into(), new.keys().filter(|name| !directive(name)).cloned().collect());
                }
                _ => {}
            }
            Value::Object(new)
        }
        Value::Array(items) if matches!(how(name), How::Named(_)) => {
            let items = items.into_iter().map(|item| {
                let gone = draw.below(5) == 0;
                let mut item = directed("", item, draw);
                if gone {
                    item = json!({"name": item["name"], "$patch": "delete"});
                }
                item
            });
            let mut items: Vec<Value> = items.collect();
            if draw.below(9) == 0 {
                items.insert(0, json!({"$patch": "replace"}));
            }
            items.into()
        }
        other => other,
    }
}

/// An order that names every item of the patch, and one more.
fn ordered(items: &Value) -> Value {
    let named = list(items).iter().filter(|item| item["$patch"] != "replace");
    let mut order: Vec<Value> =
        named.map(|item| item.get("name").map_or(item.clone(), |name| json!({"name": name}))).collect();
    order.reverse();
    let more = if order.first().is_some_and(Value::is_object) { json!({"name": "d"}) } else { json!("h") };
    if !order.is_empty() && !order.contains(&more) {
        order.push(more);
    }
    order.into()
}

fn patched(old: &Value, patch: &Value) -> Value {
    let message = message("api.apps.v1.Deployment").expect("known");
    apply(message, old, patch).unwrap_or_else(|why| panic!("{why:?}: {patch}"))
}

/// What `order` names stands in its order, and what it does not name in the order of the live list.
fn order_holds(old: &Value, patch: &Value, new: &Value) {
    let (Some(patch), Some(new)) = (patch.as_object(), new.as_object()) else { return };
    for (name, after) in new {
        let id = |item: &Value| item.get("name").unwrap_or(item).to_string();
        if let (Some(order), Some(items)) = (patch.get(&format!("$setElementOrder/{name}")), after.as_array()) {
            let order: Vec<String> = list(order).iter().map(id).collect();
            let live: Vec<String> = old[name].as_array().into_iter().flatten().map(id).collect();
            let items: Vec<String> = items.iter().map(id).collect();
            let among = |of: &[String], all: &[String]| -> Vec<String> {
                all.iter().filter(|item| of.contains(item)).cloned().collect()
            };
            let others: Vec<String> = items.iter().filter(|item| !order.contains(item)).cloned().collect();
            assert_eq!(among(&order, &items), among(&items, &order), "{name}: named items stand in the order");
            assert_eq!(among(&live, &others), among(&others, &live), "{name}: the others as they stood");
            assert_eq!(items.len(), items.iter().collect::<BTreeSet<_>>().len(), "{name}: nobody is there twice");
        }
        if let (Some(inner), true) = (patch.get(name), after.is_object()) {
            order_holds(&old[name], inner, after);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_patch_of_two_objects_makes_the_second_of_the_first(old in deployment(false), new in deployment(false)) {
        let patch = Value::Object(difference(object(&old), object(&new), false));
        prop_assert_eq!(patched(&old, &patch), new, "{}", patch);
    }

    #[test]
    fn it_does_what_the_model_does(old in deployment(false), patch in deployment(true), bits in any::<u64>()) {
        let patch = directed("", patch, &mut Draw(bits));
        let (new, model) = (patched(&old, &patch), merged(object(&old), object(&patch)));
        prop_assert_eq!(unordered("", &new), unordered("", &model), "{}", patch);
        order_holds(&old, &patch, &new);
    }
}
