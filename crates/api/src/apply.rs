//! Server-side apply (KEP-555): who owns which member of an object. Pure: objects, owners and a time in, the object out. It knows
//! neither requests nor the store.
//!
//! An applier says all that it wants; what it no longer says goes, unless somebody else owns it; what another owns it may take only
//! by force. The rules are those of `structured-merge-diff` v6, in whose words the members of this module are named.
mod last_applied;
pub mod managers;
mod order;
pub mod place;
pub mod set;
mod unowned;
mod walk;

use crate::status::Status;
pub use managers::Writer;
use managers::{Manager, Managers};
use place::Place;
use serde_json::{Value, json};
use set::{Difference, Set, Step};
use unowned::{UNOWNED, strip};

/// The object after `writer` applied `config` to `live`, its managers included. Without defaults: they are the caller's.
///
/// # Errors
/// 409 that names every member which another owns, unless by force.
pub fn apply(place: Place<'_>, live: Option<&Value>, config: &Value, writer: Writer<'_>) -> Result<Value, Status> {
    let unset = json!({});
    let live = live.unwrap_or(&unset);
    let mut managers = Managers::of(live);
    if managers.is_empty() && live.get("metadata").is_some() {
        // What was there before anybody was noted belongs to nobody who applies.
        let mut all = Set::default();
        walk::fields(place, live, &mut all);
        strip(&mut all);
        managers.put(&Manager::before_first_apply(writer.api_version, writer.time), all);
    }
    let mut wanted = Set::default();
    walk::fields(place, config, &mut wanted);
    strip(&mut wanted);
    let own = Manager::applier(writer);
    // Who says all that they said last time takes nothing away.
    let last = managers.get(&own).filter(|last| !wanted.covers(last)).cloned();
    managers.put(&own, wanted);
    let mut new = walk::merge(place, live, config);
    if let Some(last) = last {
        new = prune(place, new, &last, &managers);
    }
    let difference = stripped(walk::compare(place, live, &new));
    let allowed = last_applied::allowed(place, live, writer.name);
    managers.yield_to(&own, &difference, &allowed, writer.force)?;
    last_applied::keep(&mut new, config, writer.name);
    managers.write(live, &mut new);
    Ok(new)
}

/// Notes in `new` who owns what after `writer` made `new` of `old` by another way than apply.
pub fn note(place: Place<'_>, old: Option<&Value>, new: &mut Value, writer: Writer<'_>) {
    let unset = json!({});
    let old = old.unwrap_or(&unset);
    // A client that sends none leaves them as they are; one that sends an empty one clears them.
    // Through a subresource nobody says who owns the object.
    let sent = if writer.subresource.is_empty() { Managers::sent(new, old) } else { None };
    let mut managers = sent.unwrap_or_else(|| Managers::of(old));
    if managers.is_empty() && old.get("metadata").is_some() {
        // Nobody has said who owns what of it: that begins with the next who applies.
        return managers.write(old, new);
    }
    let difference = stripped(walk::compare(place, old, new));
    managers.update(&Manager::updater(writer), &difference);
    managers.write(old, new);
}

/// What is wrong with a document that is to be applied: where, and that an item lacks its key or has it twice.
///
/// # Errors
/// In the words of `structured-merge-diff`.
pub fn check(place: Place<'_>, config: &Value) -> Result<(), String> {
    walk::check(place, config, "")
}

/// Takes away what the applier had said before and nobody says now.
fn prune(place: Place<'_>, merged: Value, last: &Set, managers: &Managers<'_>) -> Value {
    // What nobody owns stays: with the last label that somebody applied, the metadata does not go.
    let mut managed = Set::default();
    for path in UNOWNED {
        path.iter().fold(&mut managed, |set, name| set.at(Step::Field((*name).to_owned()))).member = true;
    }
    for set in managers.sets() {
        managed = managed.union(set);
    }
    let mut there = Set::default();
    walk::fields(place, &merged, &mut there);
    let gone =
        walk::named(place, &there).intersection(&walk::named(place, last)).difference(&walk::named(place, &managed));
    walk::remove(place, merged, &gone)
}

fn stripped(mut difference: Difference) -> Difference {
    [&mut difference.added, &mut difference.modified, &mut difference.removed].into_iter().for_each(strip);
    difference
}

#[cfg(test)]
mod tests;
