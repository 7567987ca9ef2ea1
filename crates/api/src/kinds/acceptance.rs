//! Which of a definition's names are its own, and whether it is served: its `status`, from its `spec` and from what others of its group
//! have been given. It asks nobody and writes nothing.
use crate::kinds::approval;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Whether its kind is served: once it is, it stays so.
#[must_use]
pub fn established(definition: &Value) -> bool {
    holds(definition, "Established")
}

/// Whether it has all the names that it asks for.
#[must_use]
pub fn accepted(definition: &Value) -> bool {
    holds(definition, "NamesAccepted") && definition["spec"]["names"] == definition["status"]["acceptedNames"]
}

fn holds(definition: &Value, kind: &str) -> bool {
    conditions(definition).any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn conditions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["status"]["conditions"].as_array().into_iter().flatten()
}

/// Names that definitions of one group have been given.
#[derive(Debug, Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Notes the names of another definition, if it is of the group of `definition`.
    pub fn note(&mut self, definition: &Value, other: &Value) {
        let same = definition["metadata"]["name"] == other["metadata"]["name"];
        if same || definition["spec"]["group"] != other["spec"]["group"] {
            return;
        }
        let names = &other["status"]["acceptedNames"];
        let text = |member: &str| names[member].as_str().map(str::to_owned);
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        self.resources.extend(text("plural").into_iter().chain(text("singular")).chain(short));
        self.kinds.extend(text("kind").into_iter().chain(text("listKind")));
    }
}

/// Brings `status` up to what `spec` asks for and `taken` leaves.
pub fn settle(definition: &mut Value, taken: &Taken, now: &str) {
    let (names, conflict) = names(definition, taken);
    let served = established(definition);
    definition["status"]["acceptedNames"] = names;
    match &conflict {
        None => set(definition, "NamesAccepted", true, "NoConflicts", "no conflicts found", now),
        Some((reason, message)) => set(definition, "NamesAccepted", false, reason, message, now),
    }
    if !served {
        match conflict {
            None => {
                let message = "the initial names have been accepted";
                set(definition, "Established", true, "InitialNamesAccepted", message, now);
            }
            Some(_) => set(definition, "Established", false, "NotAccepted", "not all names are accepted", now),
        }
    }
    if approval::protected(definition["spec"]["group"].as_str().unwrap_or_default()) {
        let (state, message) = approval::of(definition);
        let fine = state == approval::Approval::Approved;
        set(definition, "KubernetesAPIApprovalPolicyConformant", fine, state.reason(), &message, now);
    }
    stored(definition);
}

/// Its objects are being deleted, and it is deleted after them.
pub fn terminate(definition: &mut Value, now: &str) {
    let message = "CustomResource deletion is in progress";
    set(definition, "Terminating", true, "InstanceDeletionInProgress", message, now);
}

/// The names that it has now, and the last conflict that was met.
fn names(definition: &Value, taken: &Taken) -> (Value, Option<(&'static str, String)>) {
    let (wanted, had) = (&definition["spec"]["names"], &definition["status"]["acceptedNames"]);
    let mut names = had.as_object().cloned().unwrap_or_default();
    let mut conflict = None;
    let mut claim = |member: &str, reason: &'static str, used: &BTreeSet<String>| {
        let name = wanted[member].as_str().unwrap_or_default();
        if *name != *had[member].as_str().unwrap_or_default() && used.contains(name) {
            conflict = Some((reason, format!("{name:?} is already in use")));
        } else if !name.is_empty() {
            names.insert(member.to_owned(), name.into());
        }
    };
    claim("plural", "PluralConflict", &taken.resources);
    claim("singular", "SingularConflict", &taken.resources);
    let short = &wanted["shortNames"];
    let list = |names: &Value| -> Vec<String> {
        names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let old = list(&had["shortNames"]);
    let used: Vec<String> = list(short)
        .into_iter()
        .filter(|name| !old.contains(name) && taken.resources.contains(name))
        .map(|name| format!("{name:?} is already in use"))
        .collect();
    let of_short = match &used[..] {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    };
    if let Some(message) = &of_short {
        conflict = Some(("ShortNamesConflict", message.clone()));
    }
    let mut claim = |member: &str, reason: &'static str| {
        let name = wanted[member].as_str().unwrap_or_default();
        if *name != *had[member].as_str().unwrap_or_default() && taken.kinds.contains(name) {
            conflict = Some((reason, format!("{name:?} is already in use")));
        } else if !name.is_empty() {
            names.insert(member.to_owned(), name.into());
        }
    };
    claim("kind", "KindConflict");
    claim("listKind", "ListKindConflict");
    for (member, given) in [("shortNames", of_short.is_none()), ("categories", true)] {
        match wanted.get(member).filter(|list| given && !list.is_null()) {
            Some(list) => _ = names.insert(member.to_owned(), list.clone()),
            None if given => _ = names.remove(member),
            None => {}
        }
    }
    for member in ["plural", "kind"] {
        names.entry(member).or_insert_with(|| "".into());
    }
    (names.into(), conflict)
}

/// A condition that says what it said before keeps its time.
fn set(definition: &mut Value, kind: &str, holds: bool, reason: &str, message: &str, now: &str) {
    let status = if holds { "True" } else { "False" };
    let known = conditions(definition).find(|known| known["type"] == kind && known["status"] == status);
    let since = known.map_or_else(|| now.into(), |known| known["lastTransitionTime"].clone());
    let condition =
        json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message});
    let status = &mut definition["status"];
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(list) = status["conditions"].as_array_mut() else { return };
    match list.iter_mut().find(|known| known["type"] == kind) {
        Some(known) => *known = condition,
        None => list.push(condition),
    }
}

/// The version in which objects are stored is one of those in which there may be some.
fn stored(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let Some(name) = versions.clone().find(|version| version["storage"] == true).map(|version| version["name"].clone())
    else {
        return;
    };
    let status = &mut definition["status"];
    match status["storedVersions"].as_array_mut() {
        Some(list) if list.contains(&name) => {}
        Some(list) => list.push(name),
        None => status["storedVersions"] = json!([name]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boats(plural: &str, kind: &str, short: &[&str]) -> Value {
        let names = json!({"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"),
            "shortNames": short});
        json!({"metadata": {"name": format!("{plural}.rutter.dev")}, "spec": {"group": "rutter.dev", "names": names,
            "versions": [{"name": "v1", "storage": true, "served": true}]}})
    }

    fn said(definition: &Value, kind: &str) -> String {
        let found = conditions(definition).find(|known| known["type"] == kind).cloned().unwrap_or_default();
        let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("status"), text("reason"), text("message"))
    }

    #[test]
    fn names_are_given_once_and_again_when_they_are_free() {
        let (mut first, mut none) = (boats("boats", "Boat", &["bt"]), Taken::default());
        settle(&mut first, &none, "t1");
        assert!(established(&first) && accepted(&first));
        assert_eq!(first["status"]["acceptedNames"], first["spec"]["names"]);
        for (mut other, reason) in [
            (boats("ships", "Boat", &[]), "False ListKindConflict \"BoatList\" is already in use"),
            (boats("ships", "Ship", &["bt"]), "False ShortNamesConflict \"bt\" is already in use"),
            (boats("boat", "Ship", &[]), "False PluralConflict \"boat\" is already in use"),
            (boats("ships", "BoatList", &[]), "False KindConflict \"BoatList\" is already in use"),
        ] {
            let mut taken = Taken::default();
            taken.note(&other, &first);
            settle(&mut other, &taken, "t2");
            // Of several conflicts the last one is told.
            let told = said(&other, "NamesAccepted");
            assert!(told == reason, "{told} {reason}");
            assert_eq!(said(&other, "Established"), "False NotAccepted not all names are accepted");
            settle(&mut other, &none, "t3");
            assert!(established(&other) && accepted(&other), "{other}");
        }
        // A name that is asked for later and taken does not end what is served.
        let mut second = boats("ships", "Ship", &[]);
        settle(&mut second, &none, "t1");
        second["spec"]["names"]["shortNames"] = json!(["bt"]);
        none.note(&second, &first);
        settle(&mut second, &none, "t2");
        assert!(established(&second) && !accepted(&second));
        assert_eq!(second["status"]["acceptedNames"]["shortNames"], json!([]));
    }

    #[test]
    fn stored_versions_are_added_and_times_are_kept() {
        let mut one = boats("boats", "Boat", &[]);
        settle(&mut one, &Taken::default(), "t1");
        one["spec"]["versions"] = json!([{"name": "v1", "served": true}, {"name": "v2", "storage": true}]);
        settle(&mut one, &Taken::default(), "t2");
        assert_eq!(one["status"]["storedVersions"], json!(["v1", "v2"]));
        assert!(conditions(&one).all(|known| known["lastTransitionTime"] == "t1"));
        terminate(&mut one, "t3");
        assert_eq!(said(&one, "Terminating"), "True InstanceDeletionInProgress CustomResource deletion is in progress");
    }
}
