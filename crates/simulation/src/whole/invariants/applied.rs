//! Who owns a member of an object wrote it (server-side apply, KEP-555): each value that names its writer is owned by that writer and by
//! nobody else, what somebody applied is there, and what another owns is taken by force alone. So an applied value stays until somebody else
//! owns it, and goes when its applier no longer says it. Owners are read anew here, without production's.
use crate::whole::evidence::Whole;
use crate::whole::spoken::{Named, Spoken, named};
use crate::whole::workload::{MANAGERS, PLACE};
use api::event::{Act, Event};
use api::object::Object;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MAPS: &str = "configmaps";

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let ours = |event: &&Arc<Event>| {
        let key = &event.object.key;
        event.act != Act::Deleted && *key.resource == *MAPS && *key.namespace == *PLACE
    };
    let mut brought = BTreeMap::new();
    for event in evidence.members.reference.events.iter().filter(ours) {
        owned(&event.object)?;
        brought.insert(event.revision.0, event);
    }
    evidence.spoken.iter().try_for_each(|one| gentle(one, &brought))
}

/// The writer that a value names.
fn writer(value: &Value) -> Option<&'static str> {
    let named = value.as_str()?.split_once(':')?.0;
    MANAGERS.into_iter().find(|name| *name == named)
}

/// The names of those that own a member of `data`.
fn owners<'a>(value: &'a Value, member: &str) -> BTreeSet<&'a str> {
    let entries = value["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owns = |entry: &&Value| !entry["fieldsV1"]["f:data"][format!("f:{member}")].is_null();
    entries.filter(owns).filter_map(|entry| entry["manager"].as_str()).collect()
}

fn owned(object: &Object) -> Result<(), String> {
    let value = object.value();
    let wrong = |why: String| Err(format!("{} at revision {}: {why}", object.key, object.revision));
    for (member, content) in value["data"].as_object().into_iter().flatten() {
        let Some(writer) = writer(content) else { continue };
        let owners = owners(&value, member);
        if owners != BTreeSet::from([writer]) {
            return wrong(format!("{member} is {content}, and its owners are {owners:?}"));
        }
    }
    for entry in value["metadata"]["managedFields"].as_array().into_iter().flatten() {
        for member in entry["fieldsV1"]["f:data"].as_object().into_iter().flat_map(|members| members.keys()) {
            let Some(member) = member.strip_prefix("f:") else { continue };
            if value["data"][member].is_null() {
                return wrong(format!("{} owns {member}, which is not there", entry["manager"]));
            }
        }
    }
    Ok(())
}

/// That an apply without force took nothing that another owned.
fn gentle(one: &Spoken, brought: &BTreeMap<u64, &Arc<Event>>) -> Result<(), String> {
    let applies = one.method == "PATCH" && one.code == 200 && one.path.contains("force=false");
    let (true, Named::One(key)) = (applies, named(&one.path)) else { return Ok(()) };
    let at = one.answer["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok());
    let event = at.and_then(|at: u64| brought.get(&at)).filter(|event| event.object.key == key);
    let Some((event, before)) = event.and_then(|event| Some((event, event.before.as_ref()?))) else { return Ok(()) };
    let (old, new) = (before.value(), event.object.value());
    for (member, content) in old["data"].as_object().into_iter().flatten() {
        let changed = &new["data"][member] != content;
        let others = owners(&old, member).into_iter().any(|owner| Some(owner) != one.parameter("fieldManager"));
        if changed && others {
            return Err(format!(
                "{key} at revision {}: {member} was {content}, and {} took it without force",
                event.revision, one.path
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::Story;
    use serde_json::json;

    /// `k` is of `ann`, as she says.
    fn map(value: &str, owners: &[(&str, &str)]) -> Value {
        let owner = |(name, member): &(&str, &str)| {
            let member = format!("f:{member}");
            json!({"manager": name, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {member: {}}}})
        };
        let managed: Vec<Value> = owners.iter().map(owner).collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
            "metadata": {"namespace": PLACE, "name": "m", "managedFields": managed}})
    }

    #[test]
    fn breaks_are_found() {
        let judged = |value: &str, owners: &[(&str, &str)]| {
            check(&Story::default().put("a", MAPS, map(value, owners)).whole()).err().unwrap_or_default()
        };
        assert_eq!(judged("ann:1", &[("ann", "k")]), "");
        assert_eq!(judged("somebody's", &[]), "");
        for (value, owners, word) in [
            ("ann:1", &[][..], "its owners are {}"),
            ("ann:1", &[("ben", "k")], "its owners are {\"ben\"}"),
            ("ann:1", &[("ann", "k"), ("ben", "k")], "its owners are"),
            ("ann:1", &[("ann", "k"), ("ben", "gone")], "not there"),
        ] {
            let found = judged(value, owners);
            assert!(found.contains(word), "{word}: {found}");
        }
    }

    #[test]
    fn what_is_taken_without_force_is_found() {
        let taken = |by: &str, force: bool| {
            let story = Story::default().put("a", MAPS, map("ann:1", &[("ann", "k")]));
            let mut whole = story.put("a", MAPS, map("ben:1", &[("ben", "k")])).whole();
            let (method, by) = ("PATCH".to_owned(), format!("?fieldManager={by}&force={force}"));
            let path = format!("/api/v1/namespaces/{PLACE}/configmaps/m{by}");
            let answer = json!({"metadata": {"resourceVersion": "2"}});
            let (name, by) = (None, String::new());
            whole.spoken = vec![Spoken { begin: 0, end: 1, method, path, name, by, code: 200, answer }];
            check(&whole)
        };
        assert_eq!(taken("ben", true), Ok(()));
        assert_eq!(taken("ann", false), Ok(()));
        assert!(taken("ben", false).is_err_and(|found| found.contains("without force")));
    }
}
