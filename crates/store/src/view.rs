//! The present at one revision: immutable, cloned in O(1), read without locks. It offers no way to change anything.
use api::key::Key;
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;

/// Incremental hash of a whole state: the sum, modulo 2^128, of each live object's hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateHash(pub u128);

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// All objects at one revision.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(crate) revision: Revision,
    pub(crate) index: u64,
    pub(crate) time: Millis,
    pub(crate) hash: StateHash,
    pub(crate) kinds: OrdMap<Arc<str>, Kind>,
    pub(crate) owned: OrdMap<(Uid, Key), ()>,
}

/// The objects of one resource, by namespace and name, and by the fields that are looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kind {
    pub(crate) objects: OrdMap<Arc<str>, Arc<Object>>,
    /// (field path, value, place), for `INDEXED_FIELDS`.
    pub(crate) fields: OrdMap<(Arc<str>, Arc<str>, Arc<str>), ()>,
    pub(crate) counts: OrdMap<Arc<str>, usize>,
}

/// Facet fields by which a view finds objects in O(matches).
pub const INDEXED_FIELDS: [&str; 1] = ["spec.nodeName"];

/// The place of an object among those of its resource. NUL cannot stand in a name, so the order is namespace, then name.
pub(crate) fn place(namespace: &str, name: &str) -> String {
    format!("{namespace}\0{name}")
}

impl View {
    /// The revision of the newest change in it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The log index of the newest entry in it.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The stamp of the newest entry in it.
    #[must_use]
    pub fn time(&self) -> Millis {
        self.time
    }

    #[must_use]
    pub fn hash(&self) -> StateHash {
        self.hash
    }

    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.kinds.get(resource)?.objects.get(place(namespace, name).as_str())
    }

    #[must_use]
    pub fn get_key(&self, key: &Key) -> Option<&Arc<Object>> {
        self.get(&key.resource, &key.namespace, &key.name)
    }

    /// The objects of `resource`, in all namespaces or one, ordered by namespace and name.
    pub fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.list_after(resource, namespace, None)
    }

    /// As `list`, but only what comes after (namespace, name): the next page.
    pub fn list_after<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&str>,
        after: Option<(&str, &str)>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let start = match (after, namespace) {
            (Some((namespace, name)), _) => Bound::Excluded(Arc::from(place(namespace, name))),
            (None, Some(namespace)) => Bound::Included(Arc::from(place(namespace, ""))),
            (None, None) => Bound::Unbounded,
        };
        let end = match namespace {
            Some(namespace) => Bound::Excluded(Arc::from(format!("{namespace}\u{1}"))),
            None => Bound::Unbounded,
        };
        let objects = self.kinds.get(resource).map(|kind| &kind.objects);
        objects
            .into_iter()
            .flat_map(move |objects| objects.range::<_, Arc<str>>((start.clone(), end.clone())))
            .map(|(_, object)| object)
    }

    /// How many objects `list` would give, without walking them.
    #[must_use]
    pub fn count(&self, resource: &str, namespace: Option<&str>) -> usize {
        let Some(kind) = self.kinds.get(resource) else { return 0 };
        match namespace {
            None => kind.objects.len(),
            Some(namespace) => kind.counts.get(namespace).copied().unwrap_or(0),
        }
    }

    /// The objects of `resource` whose facet field `path` (one of `INDEXED_FIELDS`) has `value`.
    pub fn list_by_field<'a>(
        &'a self,
        resource: &str,
        path: &'static str,
        value: &str,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let (path, value): (Arc<str>, Arc<str>) = (path.into(), value.into());
        let start = (path.clone(), value.clone(), Arc::from(""));
        let kind = self.kinds.get(resource);
        kind.into_iter().flat_map(move |kind| {
            let (path, value) = (path.clone(), value.clone());
            let matches =
                kind.fields.range(start.clone()..).take_while(move |((p, v, _), ())| *p == path && *v == value);
            matches.filter_map(|((_, _, place), ())| kind.objects.get(place))
        })
    }

    /// Everything that names `owner` in its ownerReferences, of any kind.
    pub fn list_by_owner(&self, owner: Uid) -> impl Iterator<Item = &Arc<Object>> {
        let start = (owner, Key::new("", "", ""));
        let owned = self.owned.range(start..).take_while(move |((uid, _), ())| *uid == owner);
        owned.filter_map(|((_, key), ())| self.get_key(key))
    }

    /// The resources that have, or had, objects, in order.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(|resource| &**resource)
    }

    /// All objects, ordered by key.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.kinds.values().flat_map(|kind| kind.objects.values())
    }
}
