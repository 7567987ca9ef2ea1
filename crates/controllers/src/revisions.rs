//! The templates a StatefulSet or DaemonSet has had, each kept as a ControllerRevision in the form in which kubectl patches it back.
//! Which pods are of which is not its business.
use crate::fields::{at, number, set, text, unset};
use crate::limits::REVISION_HISTORY;
use crate::owners::{controlled, controller_reference, orphans, with_owner};
use crate::pods::letters;
use crate::writes::{begin_deletion, create, replace};
use api::command::Write;
use api::object::Object;
use api::revision::Millis;
use api::selector::Labels;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::view::View;

pub(crate) const RESOURCE: &str = "controllerrevisions.apps";
/// How a strategic merge patch says that an object takes the place of the other.
const PATCH: &str = "$patch";

/// In what the kinds differ that keep revisions.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) kind: &'static str,
    /// The label under which a revision says its hash.
    pub(crate) hash: &'static str,
    /// Whether revisions that are in use count among the old ones that are kept.
    pub(crate) counts_used: bool,
}

/// One revision: as it is (absent: it is new), and as it shall be.
struct Known {
    object: Option<Arc<Object>>,
    value: Value,
}

impl Known {
    fn name(&self) -> &str {
        text(&self.value, "/metadata/name")
    }

    fn number(&self) -> i64 {
        number(&self.value, "/revision").unwrap_or(0)
    }

    /// Its hash; its name where somebody made it without.
    fn hash(&self, keeper: &Keeper) -> &str {
        at(&self.value, "/metadata/labels").get(keeper.hash).and_then(Value::as_str).unwrap_or_else(|| self.name())
    }
}

/// All revisions of one set, the oldest first.
pub(crate) struct History {
    keeper: &'static Keeper,
    known: Vec<Known>,
    current: String,
    update: String,
}

impl History {
    /// Those that the set controls, and those that nobody does and its selector matches.
    pub(crate) fn read(view: &View, owner: &Object, selector: &Labels, keeper: &'static Keeper) -> Self {
        let own = |object: &Arc<Object>| Known { object: Some(object.clone()), value: object.value() };
        let mut known: Vec<Known> = controlled(view, RESOURCE, owner).into_iter().map(own).collect();
        if owner.facet.deleting.is_none() {
            for orphan in orphans(view, RESOURCE, &owner.key.namespace, selector) {
                let value = with_owner(orphan, controller_reference("apps/v1", keeper.kind, owner));
                known.push(Known { object: Some(orphan.clone()), value });
            }
        }
        known.sort_by_cached_key(|one| {
            let created = one.object.as_ref().map(|object| object.created);
            (one.number(), created, one.name().to_owned())
        });
        let status = owner.value();
        let said = |member: &str| text(at(&status, "/status"), member).to_owned();
        Self { keeper, known, current: said("/currentRevision"), update: said("/updateRevision") }
    }

    /// The revision of the pods that are not updated yet.
    pub(crate) fn current(&self) -> &str {
        &self.current
    }

    /// The revision of the set's present template.
    pub(crate) fn update(&self) -> &str {
        &self.update
    }

    /// Finds the revision of the present template or makes it; what was current stays so while it is known.
    pub(crate) fn choose(&mut self, view: &View, owner: &Object, value: &mut Value) {
        let data = data(value);
        let next = self.known.iter().map(Known::number).max().unwrap_or(0).saturating_add(1);
        // Of equal ones the newest counts.
        match self.known.iter_mut().rev().find(|one| *at(&one.value, "/data") == data) {
            Some(found) => {
                if found.number() + 1 != next {
                    set(&mut found.value, &["revision"], next);
                }
                self.update = found.name().to_owned();
            }
            None => {
                let made = make(view, owner, value, data, next, self.keeper);
                self.update = text(&made, "/metadata/name").to_owned();
                self.known.push(Known { object: None, value: made });
            }
        }
        if !self.known.iter().any(|one| one.name() == self.current) {
            self.current.clone_from(&self.update);
        }
    }

    /// The hash of the revision of the present template.
    pub(crate) fn update_hash(&self) -> &str {
        self.find(&self.update).map_or("", |one| one.hash(self.keeper))
    }

    /// The name of the newest revision of this hash.
    pub(crate) fn named(&self, hash: &str) -> Option<&str> {
        self.known.iter().rev().find(|one| one.hash(self.keeper) == hash).map(Known::name)
    }

    /// The hashes of other revisions that have the present template, too.
    pub(crate) fn aliases(&self) -> BTreeSet<&str> {
        let Some(present) = self.find(&self.update) else { return BTreeSet::new() };
        let alike = |one: &&Known| at(&one.value, "/data") == at(&present.value, "/data");
        let hashes = self.known.iter().filter(alike).map(|one| one.hash(self.keeper));
        hashes.filter(|hash| *hash != present.hash(self.keeper)).collect()
    }

    fn find(&self, name: &str) -> Option<&Known> {
        self.known.iter().find(|one| one.name() == name)
    }

    /// The pod template of the revision of this name.
    pub(crate) fn template(&self, name: &str) -> Value {
        let mut template = self.find(name).map(|one| at(&one.value, "/data/spec/template").clone()).unwrap_or_default();
        unset(&mut template, &[PATCH]);
        template
    }

    /// What is to be written of the history: new and changed revisions, and the end of the oldest that nobody uses, beyond `limit`.
    pub(crate) fn writes(&self, live: &BTreeSet<String>, limit: Option<i64>, now: Millis) -> Vec<Write> {
        let mut writes = Vec::new();
        let mut old = Vec::new();
        let mut counted = 0;
        for one in &self.known {
            let write = match &one.object {
                None => create(RESOURCE, &one.value),
                Some(object) => replace(object, &one.value),
            };
            let name = one.name();
            let used = name == self.current || name == self.update || live.contains(name);
            let kept = one.object.is_some() && (!used || (self.keeper.counts_used && name != self.update));
            counted += usize::from(kept);
            // One that is written now goes another time: one command writes a key once.
            if let Some(object) = one.object.as_ref().filter(|_| !used) {
                old.push((object, write.is_some()));
            }
            writes.extend(write);
        }
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(REVISION_HISTORY);
        let surplus = counted.saturating_sub(limit);
        let ended = old.into_iter().take(surplus).filter(|(_, written)| !written);
        writes.extend(ended.filter_map(|(object, _)| begin_deletion(object, "", now)));
        writes
    }
}

/// The template as a patch of the set that puts it in the place of the other.
fn data(value: &Value) -> Value {
    let mut template = at(value, "/spec/template").clone();
    if at(&template, "/metadata/creationTimestamp").is_null() {
        unset(&mut template, &["metadata", "creationTimestamp"]);
    }
    set(&mut template, &[PATCH], "replace");
    json!({"spec": {"template": template}})
}

/// A revision of a name that is free; where the first is taken it counts that in the set's status.
fn make(view: &View, owner: &Object, value: &mut Value, data: Value, number: i64, keeper: &Keeper) -> Value {
    let mut collisions = crate::fields::number(value, "/status/collisionCount").unwrap_or(0);
    let (name, hash) = loop {
        let hash = letters(&[data.to_string().as_bytes(), &collisions.to_le_bytes()], 10);
        let name = format!("{}-{hash}", owner.key.name);
        if view.get(RESOURCE, &owner.key.namespace, &name).is_none() {
            break (name, hash);
        }
        collisions += 1;
    };
    if collisions > 0 {
        set(value, &["status", "collisionCount"], collisions);
    }
    let reference = controller_reference("apps/v1", keeper.kind, owner);
    let mut made = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": &*owner.key.namespace, "ownerReferences": [reference]},
        "data": data, "revision": number});
    let labels = at(value, "/spec/template/metadata/labels").as_object().cloned().unwrap_or_default();
    set(&mut made, &["metadata", "labels"], labels);
    set(&mut made, &["metadata", "labels", keeper.hash], hash);
    let annotations = at(value, "/metadata/annotations");
    if !annotations.is_null() {
        set(&mut made, &["metadata", "annotations"], annotations.clone());
    }
    made
}
