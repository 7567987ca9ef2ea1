//! What the fold changes: the newest view, and the outcomes kept for retries. One writer holds it; readers get its views.
use crate::view::{INDEXED_FIELDS, Kind, View, place};
use api::command::{CommandId, Refusal};
use api::key::Key;
use api::limits::{OUTCOMES_KEPT, OUTCOMES_KEPT_MS, OUTCOMES_MAX};
use api::object::Object;
use api::revision::{Millis, Revision};
use std::sync::Arc;

/// The state after some entry. Equal entries give equal states, on every machine and for ever.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) view: View,
    pub(crate) outcomes: Outcomes,
}

/// The last outcomes by command id: a retry is answered, not done again. Cloned in O(1), as the view is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// How many came before the oldest in `order`.
    pub(crate) gone: u64,
    /// The oldest first, each with the state's time when it came.
    pub(crate) order: imbl::Vector<(CommandId, Millis)>,
    pub(crate) by_id: imbl::OrdMap<CommandId, Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Done { first: Revision, last: Revision },
    Refused { write: u32, refusal: Refusal },
}

/// Old outcomes that are dropped as one new comes: more than one, so that what a burst has left goes, and few, so that nobody waits.
const DROPPED_AT_ONCE: usize = 2;

impl Outcomes {
    /// Keeps one of the time `now`, and drops the oldest that need not be kept any more.
    pub(crate) fn keep(&mut self, id: CommandId, kept: Kept, now: Millis) {
        self.restore(id, kept, now);
        for _ in 0..DROPPED_AT_ONCE {
            let many = self.order.len();
            let old = self.order.front().is_some_and(|(_, time)| now.0.saturating_sub(time.0) > OUTCOMES_KEPT_MS);
            if !(many > OUTCOMES_MAX || many > OUTCOMES_KEPT && old) {
                return;
            }
            if let Some((oldest, _)) = self.order.pop_front() {
                self.by_id.remove(&oldest);
                self.gone += 1;
            }
        }
    }

    /// Puts back one that was kept.
    pub(crate) fn restore(&mut self, id: CommandId, kept: Kept, time: Millis) {
        if self.by_id.insert(id, kept).is_none() {
            self.order.push_back((id, time));
        }
    }
}

impl State {
    /// The present. O(1).
    #[must_use]
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The key with resource and namespace shared with the objects that are there: a million objects hold one `pods`.
    pub(crate) fn shared(&self, key: &Key) -> Key {
        let Some((resource, kind)) = self.view.kinds.get_key_value(&*key.resource) else { return key.clone() };
        let namespace = kind.counts.get_key_value(&*key.namespace).map_or(&key.namespace, |(namespace, _)| namespace);
        Key { resource: resource.clone(), namespace: namespace.clone(), name: key.name.clone() }
    }

    /// Puts `object` where `before` stands, or where nothing does.
    pub(crate) fn insert(&mut self, object: Arc<Object>, before: Option<&Arc<Object>>) {
        if let Some(before) = before {
            self.remove_from_indexes(before);
        }
        let view = &mut self.view;
        view.hash = view.hash.with(&object);
        for owner in &object.facet.owners {
            view.owned.insert((api::object::Uid(owner.uid), object.key.clone()), ());
        }
        if !view.kinds.contains_key(&*object.key.resource) {
            view.kinds.insert(object.key.resource.clone(), Kind::default());
        }
        let Some(kind) = view.kinds.get_mut(&*object.key.resource) else { return };
        let at: Arc<str> = place(&object.key.namespace, &object.key.name).into();
        for (path, value) in indexed(&object) {
            kind.fields.insert((path.into(), value.into(), at.clone()), ());
        }
        if before.is_none() {
            match kind.counts.get_mut(&*object.key.namespace) {
                Some(count) => *count += 1,
                None => drop(kind.counts.insert(object.key.namespace.clone(), 1)),
            }
        }
        kind.objects.insert(at, object);
    }

    /// Takes `object` away, which is there.
    pub(crate) fn remove(&mut self, object: &Arc<Object>) {
        self.remove_from_indexes(object);
        if let Some(kind) = self.view.kinds.get_mut(&*object.key.resource) {
            kind.objects.remove(place(&object.key.namespace, &object.key.name).as_str());
            let count = kind.counts.get(&object.key.namespace).copied().unwrap_or(0);
            if count > 1 {
                kind.counts.insert(object.key.namespace.clone(), count - 1);
            } else {
                kind.counts.remove(&object.key.namespace);
            }
            // A kind without objects leaves no trace, so that a restored state is the same as a folded one.
            if kind.objects.is_empty() {
                self.view.kinds.remove(&*object.key.resource);
            }
        }
    }

    /// Takes `old`, which is there, out of hash and indexes.
    fn remove_from_indexes(&mut self, old: &Object) {
        let view = &mut self.view;
        if let Some(kind) = view.kinds.get_mut(&*old.key.resource)
            && indexed(old).next().is_some()
        {
            let at: Arc<str> = place(&old.key.namespace, &old.key.name).into();
            for (path, value) in indexed(old) {
                kind.fields.remove(&(path.into(), value.into(), at.clone()));
            }
        }
        for owner in &old.facet.owners {
            view.owned.remove(&(api::object::Uid(owner.uid), old.key.clone()));
        }
        view.hash = view.hash.without(old);
    }
}

fn indexed(object: &Object) -> impl Iterator<Item = (&'static str, &str)> {
    INDEXED_FIELDS.into_iter().filter_map(|path| object.facet.field(path).map(|value| (path, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(outcomes: &mut Outcomes, ids: std::ops::Range<usize>, now: u64) {
        for id in ids {
            let done = Kept::Done { first: Revision(id as u64), last: Revision(id as u64) };
            outcomes.keep(CommandId(id as u128), done, Millis(now));
        }
    }

    fn knows(outcomes: &Outcomes, id: usize) -> bool {
        outcomes.by_id.contains_key(&CommandId(id as u128))
    }

    #[test]
    fn an_outcome_is_kept_by_age_and_by_count_and_never_beyond_a_bound() {
        let mut outcomes = Outcomes::default();
        let (few, age) = (OUTCOMES_KEPT, OUTCOMES_KEPT_MS);
        fill(&mut outcomes, 0..few, 0);
        fill(&mut outcomes, few..few + 10, 10 * age);
        assert!(!knows(&outcomes, 9) && knows(&outcomes, 10), "few, however old, then the oldest go");
        fill(&mut outcomes, few + 10..3 * few, 10 * age);
        assert!(outcomes.order.len() >= 2 * few, "many, while they are young");
        fill(&mut outcomes, 3 * few..3 * few + 10, 11 * age);
        assert!(knows(&outcomes, few), "at its age it is still there");
        fill(&mut outcomes, 3 * few + 10..6 * few, 11 * age + 1);
        assert!(!knows(&outcomes, few) && !knows(&outcomes, 2 * few), "what a burst left has gone");
        fill(&mut outcomes, 6 * few..6 * few + OUTCOMES_MAX, 11 * age + 1);
        assert_eq!((outcomes.order.len(), outcomes.by_id.len()), (OUTCOMES_MAX, OUTCOMES_MAX));
        assert_eq!(outcomes.gone as usize + outcomes.order.len(), 6 * few + OUTCOMES_MAX);
    }
}
