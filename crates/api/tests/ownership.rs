//! Server-side apply against a slow model: what is there and who owns it are sets of places. Several appliers and one who updates,
//! on a built-in kind and on a custom one of the same shape.
use api::apply::place::Place;
use api::apply::set::Set;
use api::apply::{Writer, apply, note};
use api::kind::Kind;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where the kinds of places stand in an object.
struct Shape {
    kind: Kind,
    /// Two texts,
    texts: [&'static str; 2],
    /// a map of texts,
    map: &'static str,
    /// a list of items with names, which have two texts each,
    items: &'static str,
    of_item: [&'static str; 2],
    /// a list that is a set,
    set: &'static str,
    /// and a list that has one owner.
    whole: &'static str,
    /// What stands in that.
    one: fn(&str) -> Value,
}

fn builtin() -> Shape {
    let kind = api::kinds::builtin().iter().find(|kind| &*kind.plural == "deployments").expect("built in").clone();
    Shape {
        kind,
        texts: ["/spec/template/spec/hostname", "/spec/template/spec/nodeName"],
        map: "/spec/template/metadata/labels",
        items: "/spec/template/spec/containers",
        of_item: ["image", "workingDir"],
        set: "/metadata/finalizers",
        whole: "/spec/template/spec/tolerations",
        one: |text| json!({"key": text}),
    }
}

fn custom() -> Shape {
    let text = json!({"type": "string"});
    let list = |more: Value| {
        let mut list = json!({"type": "array", "items": text});
        list.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        list
    };
    let item = json!({"type": "object", "properties": {"name": text, "v": text, "w": text}});
    let keyed = json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item});
    let spec = json!({"type": "object", "properties": {"a": text, "b": text, "items": list(keyed), "whole": list(json!({})),
        "m": {"type": "object", "additionalProperties": text}, "set": list(json!({"x-kubernetes-list-type": "set"}))}});
    let definition = json!({"metadata": {"name": "boats.rutter.dev"}, "spec": {"group": "rutter.dev", "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat"}, "versions": [{"name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}});
    let kind = api::kinds::custom::from_crd(&definition).expect("it is sound").remove(0);
    let (texts, one): (_, fn(&str) -> Value) = (["/spec/a", "/spec/b"], |text| json!(text));
    let (map, items, of_item) = ("/spec/m", "/spec/items", ["v", "w"]);
    Shape { kind, texts, map, items, of_item, set: "/spec/set", whole: "/spec/whole", one }
}

/// Places and what stands there: `t0`, `t1`, `m:x`, `i:n` (an item), `i:n:0` (a text of it), `s:x`, `w`.
type Places = BTreeMap<String, String>;

/// Puts a value at a pointer whose parts may not be there.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let at = pointer[1..].split('/').fold(object, |at, part| &mut at[part]);
    *at = value;
}

fn push(object: &mut Value, pointer: &str, item: Value) {
    let at = pointer[1..].split('/').fold(object, |at, part| &mut at[part]);
    match at.as_array_mut() {
        Some(list) => list.push(item),
        None => *at = json!([item]),
    }
}

fn built(shape: &Shape, places: &Places) -> Value {
    let mut object =
        json!({"apiVersion": shape.kind.api_version(), "kind": &*shape.kind.kind, "metadata": {"name": "x"}});
    for (place, value) in places {
        match place.split(':').collect::<Vec<_>>()[..] {
            ["t0"] => put(&mut object, shape.texts[0], json!(value)),
            ["t1"] => put(&mut object, shape.texts[1], json!(value)),
            ["m", key] => put(&mut object, &format!("{}/{key}", shape.map), json!(value)),
            ["s", item] => push(&mut object, shape.set, json!(item)),
            ["w"] => put(&mut object, shape.whole, json!([(shape.one)(value)])),
            ["i", name] => {
                let mut item = json!({"name": name});
                for (at, member) in shape.of_item.iter().enumerate() {
                    if let Some(value) = places.get(&format!("i:{name}:{at}")) {
                        item[member] = json!(value);
                    }
                }
                push(&mut object, shape.items, item);
            }
            _ => {}
        }
    }
    object
}

fn read(shape: &Shape, object: &Value) -> Places {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut places = Places::new();
    for (at, pointer) in shape.texts.iter().enumerate() {
        places.extend(object.pointer(pointer).map(|value| (format!("t{at}"), text(value))));
    }
    let map = object.pointer(shape.map).and_then(Value::as_object).into_iter().flatten();
    places.extend(map.map(|(key, value)| (format!("m:{key}"), text(value))));
    places.extend(list(shape.set).iter().map(|item| (format!("s:{}", text(item)), String::new())));
    for item in list(shape.items) {
        let name = text(&item["name"]);
        for (at, member) in shape.of_item.iter().enumerate() {
            places.extend(item.get(*member).map(|value| (format!("i:{name}:{at}"), text(value))));
        }
        assert!(places.insert(format!("i:{name}"), String::new()).is_none(), "an item is there twice");
    }
    let whole = list(shape.whole);
    places.extend(whole.first().map(|item| ("w".to_owned(), text(item.get("key").unwrap_or(item)))));
    places
}

/// The places that a `fieldsV1` names.
fn owned(shape: &Shape, fields: &Value) -> BTreeSet<String> {
    assert_eq!(Set::read(fields).to_value(), *fields, "it reads back");
    let at = |pointer: &str| {
        let path: String = pointer[1..].split('/').map(|part| format!("/f:{part}")).collect();
        fields.pointer(&path)
    };
    let below = |pointer: &str| at(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
    let quoted = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let mut places = BTreeSet::new();
    places.extend(shape.texts.iter().enumerate().filter(|(_, path)| at(path).is_some()).map(|(n, _)| format!("t{n}")));
    places.extend(below(shape.map).keys().filter_map(|key| Some(format!("m:{}", key.strip_prefix("f:")?))));
    let items = below(shape.set);
    let items = items.keys().filter_map(|key| key.strip_prefix("v:"));
    places.extend(items.map(|item| format!("s:{}", quoted(item).as_str().expect("a text"))));
    places.extend(at(shape.whole).map(|_| "w".to_owned()));
    for (key, below) in below(shape.items) {
        let Some(key) = key.strip_prefix("k:") else { continue };
        let name = quoted(key)["name"].as_str().expect("a name").to_owned();
        assert!(below.get(".").is_some() && below.get("f:name").is_some(), "who owns an item owns its name: {below}");
        let texts = shape.of_item.iter().enumerate();
        places.extend(
            texts
                .filter(|(_, member)| below.get(format!("f:{member}")).is_some())
                .map(|(at, _)| format!("i:{name}:{at}")),
        );
        places.insert(format!("i:{name}"));
    }
    places
}

/// Who owns what was there when nobody owned anything.
const BEFORE: &str = "before-first-apply";

/// The model.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    live: Places,
    owned: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    fn others_own(&self, own: &str, place: &str) -> Vec<String> {
        let others = self.owned.iter().filter(|(name, places)| *name != own && places.contains(place));
        others.map(|(name, _)| name.clone()).collect()
    }

    /// What stands at these places is another's no more, except who did it.
    fn taken(&mut self, own: &str, changed: &BTreeSet<String>) {
        let live = self.live.clone();
        for (name, places) in &mut self.owned {
            places.retain(|place| live.contains_key(place) && (name == own || !changed.contains(place)));
        }
    }

    fn settle(&mut self) {
        self.owned.retain(|_, places| !places.is_empty());
    }

    /// The names of those who object, once for each place: then nothing has changed.
    fn apply(&mut self, own: &str, config: &Places, force: bool) -> Result<(), Vec<String>> {
        let mut after = self.clone();
        if after.owned.is_empty() {
            // What nobody owns is not to go with whoever applies first.
            after.owned.insert(BEFORE.to_owned(), after.live.keys().cloned().collect());
        }
        after.applied(own, config, force)?;
        *self = after;
        Ok(())
    }

    fn applied(&mut self, own: &str, config: &Places, force: bool) -> Result<(), Vec<String>> {
        let differs = |place: &&String| self.live.get(*place).is_some_and(|value| config[*place] != *value);
        let changed: BTreeSet<String> = config.keys().filter(differs).cloned().collect();
        let conflicts: Vec<String> = changed.iter().flat_map(|place| self.others_own(own, place)).collect();
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        let last = self.owned.insert(own.to_owned(), config.keys().cloned().collect()).unwrap_or_default();
        self.live.extend(config.clone());
        for place in last.iter().filter(|place| !config.contains_key(*place)) {
            if self.others_own(own, place).is_empty() {
                // An item goes with all that is in it.
                let inside = format!("{place}:");
                self.live.retain(|other, _| other != place && !(place.starts_with("i:") && other.starts_with(&inside)));
            }
        }
        self.taken(own, &changed);
        self.settle();
        Ok(())
    }

    fn update(&mut self, own: &str, place: &str, value: Option<&String>) {
        if self.live.get(place) == value {
            return;
        }
        match value {
            Some(value) => drop(self.live.insert(place.to_owned(), value.clone())),
            None => drop(self.live.remove(place)),
        }
        if self.owned.is_empty() {
            return;
        }
        self.owned.entry(own.to_owned()).or_default().insert(place.to_owned());
        self.taken(own, &BTreeSet::from([place.to_owned()]));
        self.settle();
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Apply { own: usize, config: Places, force: bool },
    Update { place: &'static str, value: Option<String> },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    const ALL: [&str; 13] =
        ["t0", "t1", "m:x", "m:y", "i:n", "i:n:0", "i:n:1", "i:o", "i:o:0", "s:x", "s:y", "s:z", "w"];
    let text = || prop_oneof![Just("x".to_owned()), Just("y".to_owned())];
    let config = proptest::collection::vec(proptest::option::of(text()), ALL.len()).prop_map(|values| {
        let said: Places =
            ALL.iter().zip(values).filter_map(|(place, value)| Some(((*place).to_owned(), value?))).collect();
        let has = |place: &str| place.len() < 4 || said.contains_key(&place[..3]);
        let bare = |place: &str| place.starts_with("s:") || (place.starts_with("i:") && place.len() == 3);
        let each = said.iter().filter(|(place, _)| has(place));
        each.map(|(place, value)| (place.clone(), if bare(place) { String::new() } else { value.clone() })).collect()
    });
    let apply = (0..3_usize, config, any::<bool>()).prop_map(|(own, config, force)| Deed::Apply { own, config, force });
    let place = prop_oneof![Just("t0"), Just("t1"), Just("m:x"), Just("w")];
    let update = (place, proptest::option::of(text())).prop_map(|(place, value)| Deed::Update { place, value });
    proptest::collection::vec(prop_oneof![3 => apply, 1 => update], 1..12)
}

fn writer<'a>(name: &'a str, version: &'a str, force: bool) -> Writer<'a> {
    Writer { name, api_version: version, subresource: "", time: "2026-01-01T00:00:00Z", force }
}

/// What the object says of itself.
fn seen(shape: &Shape, object: &Value) -> World {
    let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owned = managers.map(|entry| {
        assert_eq!(entry["operation"] == "Update", entry["manager"] == "updater" || entry["manager"] == BEFORE);
        (entry["manager"].as_str().expect("a name").to_owned(), owned(shape, &entry["fieldsV1"]))
    });
    let mut world = World { live: read(shape, object), owned: owned.collect() };
    world.settle();
    world
}

fn follow(shape: &Shape, deeds: Vec<Deed>) {
    let (place, version) = (Place::of(&shape.kind), shape.kind.api_version());
    let mut model = World::default();
    let mut live = built(shape, &Places::new());
    for deed in deeds {
        match &deed {
            Deed::Apply { own, config, force } => {
                let own = format!("m{own}");
                let done = apply(place, Some(&live), &built(shape, config), writer(&own, &version, *force));
                match (done, model.apply(&own, config, *force)) {
                    (Ok(new), Ok(())) => live = new,
                    (Err(status), Err(mut expected)) => {
                        assert_eq!(status.code, 409);
                        let named = |message: &str| message.split('"').nth(1).unwrap_or_default().to_owned();
                        let mut told: Vec<String> = status.causes.iter().map(|cause| named(&cause.message)).collect();
                        told.sort();
                        expected.sort();
                        assert_eq!(told, expected, "{deed:?}: {}", status.message);
                    }
                    (done, model) => panic!("{deed:?}: {done:?}, and by the model {model:?}"),
                }
            }
            Deed::Update { place: at, value } => {
                model.update("updater", at, value.as_ref());
                let mut new = built(shape, &model.live);
                new["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
                note(place, Some(&live), &mut new, writer("updater", &version, false));
                live = new;
            }
        }
        assert_eq!(seen(shape, &live), model, "after {deed:?}: {live}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_built_in_kind_does_what_the_model_does(deeds in deeds()) {
        follow(&builtin(), deeds);
    }

    #[test]
    fn a_custom_kind_does_what_the_model_does(deeds in deeds()) {
        follow(&custom(), deeds);
    }
}
