//! The present at one revision: immutable, cloned in O(1), read without locks. It offers no way to change anything.
use api::key::Key;
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

/// Incremental hash of a whole state: the sum, modulo 2^128, of each live object's hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateHash(pub u128);

impl StateHash {
    /// The hash of a state with `object` put into it.
    #[must_use]
    pub(crate) fn with(self, object: &Object) -> Self {
        Self(self.0.wrapping_add(object_hash(object)))
    }

    /// The hash of a state with `object` taken out of it.
    #[must_use]
    pub(crate) fn without(self, object: &Object) -> Self {
        Self(self.0.wrapping_sub(object_hash(object)))
    }
}

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

type Objects = OrdMap<Arc<str>, Arc<Object>>;

/// The objects of one resource, by namespace and name, and by the fields that are looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kind {
    pub(crate) objects: Objects,
    /// (field path, value, place), for `INDEXED_FIELDS`.
    pub(crate) fields: OrdMap<(Arc<str>, Arc<str>, Arc<str>), ()>,
    pub(crate) counts: OrdMap<Arc<str>, usize>,
}

static EMPTY: LazyLock<Objects> = LazyLock::new(OrdMap::new);

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

    /// The resources that have objects, in order.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(|resource| &**resource)
    }

    /// The namespaces in which there are objects of a resource.
    pub fn namespaces(&self, resource: &str) -> impl Iterator<Item = &str> {
        let counts = self.kinds.get(resource).into_iter().flat_map(|kind| kind.counts.keys());
        counts.map(|namespace| &**namespace).filter(|namespace| !namespace.is_empty())
    }

    /// What differs in `newer`, ordered by key, in O(differences): (before, after).
    pub fn diff<'a>(
        &'a self,
        newer: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Arc<Object>>, Option<&'a Arc<Object>>)> {
        let resources: std::collections::BTreeSet<&Arc<str>> = self.kinds.keys().chain(newer.kinds.keys()).collect();
        resources.into_iter().flat_map(move |resource| {
            let (old, new) = (self.kinds.get(resource), newer.kinds.get(resource));
            let objects = |kind: Option<&'a Kind>| kind.map_or(&*EMPTY, |kind| &kind.objects);
            let (old, new) = (objects(old), objects(new));
            old.diff(new).map(|item| match item {
                DiffItem::Add(_, after) => (None, Some(after)),
                DiffItem::Update { old: (_, before), new: (_, after) } => (Some(before), Some(after)),
                DiffItem::Remove(_, before) => (Some(before), None),
            })
        })
    }

    /// The objects of `resources`, to be compared with those of another view.
    #[must_use]
    pub fn part(&self, resources: &[&'static str]) -> Part {
        let objects =
            |resource: &str| self.kinds.get(resource).map_or_else(|| EMPTY.clone(), |kind| kind.objects.clone());
        Part { objects: resources.iter().map(|resource| (*resource, objects(resource))).collect() }
    }

    /// The hash computed anew from all objects; it equals `hash` unless memory or code is at fault.
    #[must_use]
    pub fn rehash(&self) -> StateHash {
        self.all().fold(StateHash::default(), |hash, object| hash.with(object))
    }

    /// Sets what a restored view stands at, once its objects are in it.
    pub(crate) fn restored(&mut self, index: u64, revision: Revision, time: Millis) {
        (self.index, self.revision, self.time) = (index, revision, time);
    }

    /// All objects, ordered by key.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.kinds.values().flat_map(|kind| kind.objects.values())
    }
}

/// What admission looks up.
impl api::admission::request::Cluster for View {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.get(resource, namespace, name).cloned()
    }

    fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        self.list(resource, namespace).cloned().collect()
    }
}

/// The objects of some resources at one revision. It keeps nothing else of its view in memory.
#[derive(Clone, Debug, Default)]
pub struct Part {
    objects: Vec<(&'static str, Objects)>,
}

impl Part {
    /// Whether nothing of it has changed in `view`, in O(resources). It may say no of what was changed back.
    #[must_use]
    pub fn is_of(&self, view: &View) -> bool {
        let same = |(resource, objects): &(&str, Objects)| {
            objects.ptr_eq(view.kinds.get(*resource).map_or(&*EMPTY, |kind| &kind.objects))
        };
        !self.objects.is_empty() && self.objects.iter().all(same)
    }

    /// What differs in `newer`, a part of the same resources, in O(differences): (before, after).
    pub fn diff<'a>(
        &'a self,
        newer: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Arc<Object>>, Option<&'a Arc<Object>>)> {
        newer.objects.iter().flat_map(|(resource, new)| {
            let old = self.objects.iter().find(|(known, _)| known == resource).map_or(&*EMPTY, |(_, old)| old);
            old.diff(new).map(|item| match item {
                DiffItem::Add(_, after) => (None, Some(after)),
                DiffItem::Update { old: (_, before), new: (_, after) } => (Some(before), Some(after)),
                DiffItem::Remove(_, before) => (Some(before), None),
            })
        })
    }
}

/// The object's share of the state hash: BLAKE3 over key and bytes (which hold revision, uid and time), cut to 128 bits.
fn object_hash(object: &Object) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in [&*object.key.resource, &*object.key.namespace, &*object.key.name] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(&object.bytes);
    let hash = hasher.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(half)
}
