//! Kinds that share one storage under two shapes: `events.k8s.io/v1` is stored as the core `v1` Event.
//! autoscaling/v1 is stored as autoscaling/v2. It judges nothing.
use super::autoscaler;
use crate::kind::Kind;
use serde_json::{Map, Value};

/// (core v1, events.k8s.io/v1); all other members have one name.
const EVENT_MEMBERS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Whether objects of `kind` have another shape in the storage than on the wire.
#[must_use]
pub fn differs(kind: &Kind) -> bool {
    event(kind) || older_autoscaler(kind)
}

fn event(kind: &Kind) -> bool {
    &*kind.group == "events.k8s.io" && &*kind.kind == "Event"
}

fn older_autoscaler(kind: &Kind) -> bool {
    (&*kind.group, &*kind.version, &*kind.kind) == ("autoscaling", "v1", "HorizontalPodAutoscaler")
}

/// The stored shape of what a client of `kind` sent.
#[must_use]
pub fn to_storage(kind: &Kind, value: Value) -> Value {
    if older_autoscaler(kind) {
        return autoscaler::newer(value);
    }
    if event(kind) { renamed(value, "v1", |(core, new)| (new, core)) } else { value }
}

/// What a client of `kind` is shown of a stored object.
#[must_use]
pub fn from_storage(kind: &Kind, value: Value) -> Value {
    if older_autoscaler(kind) {
        return autoscaler::older(value);
    }
    if event(kind) { renamed(value, &kind.api_version(), |(core, new)| (core, new)) } else { value }
}

fn renamed(
    value: Value,
    api_version: &str,
    way: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Value {
    let Value::Object(members) = value else { return value };
    let mut out = Map::new();
    for (name, member) in members {
        let new =
            EVENT_MEMBERS.iter().map(|pair| way(*pair)).find(|(from, _)| *from == name).map(|(_, to)| to.to_owned());
        out.insert(new.unwrap_or(name), member);
    }
    if out.contains_key("apiVersion") {
        out.insert("apiVersion".into(), api_version.into());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::{from_storage, to_storage};
    use crate::kinds::set::Kinds;
    use serde_json::json;

    #[test]
    fn an_event_goes_there_and_back() {
        let kinds = Kinds::new([]);
        let kind = kinds.get("events.k8s.io", "v1", "events").expect("built in");
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "n", "regarding": {"kind": "Pod"},
            "reportingController": "c", "type": "Normal"});
        let stored = to_storage(kind, new.clone());
        assert_eq!(stored["involvedObject"]["kind"], "Pod");
        assert_eq!((stored["message"].as_str(), stored["apiVersion"].as_str()), (Some("n"), Some("v1")));
        assert_eq!(from_storage(kind, stored), new);
    }
}
