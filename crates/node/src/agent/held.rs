//! The part of the cluster that this node has been told of. Words in, changes out; it never asks and never acts.
use crate::pod::env::Sources;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Name {
    #[must_use]
    pub(crate) fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }

    fn of(resource: &str, object: &Value) -> Self {
        let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default();
        Self::new(resource, text("namespace"), text("name"))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Held {
    objects: BTreeMap<Name, Value>,
    /// While everything is being told anew: what has been named so far. What is not named in the end is gone.
    named: Option<BTreeSet<Name>>,
    /// The last revision up to which everything has been told.
    pub(crate) seen: u64,
}

impl Held {
    /// A session begins.
    pub(crate) fn begin(&mut self, full: bool) {
        self.named = full.then(BTreeSet::new);
    }

    pub(crate) fn set(&mut self, resource: &str, object: Value) -> Name {
        let name = Name::of(resource, &object);
        if let Some(named) = &mut self.named {
            named.insert(name.clone());
        }
        self.objects.insert(name.clone(), object);
        name
    }

    /// Whether it was there.
    pub(crate) fn gone(&mut self, name: &Name) -> bool {
        self.objects.remove(name).is_some()
    }

    /// Everything up to `revision` has been told; gives what is gone because it was not named.
    pub(crate) fn through(&mut self, revision: u64) -> Vec<Name> {
        self.seen = revision;
        let Some(named) = self.named.take() else { return Vec::new() };
        let gone: Vec<Name> = self.objects.keys().filter(|name| !named.contains(name)).cloned().collect();
        for name in &gone {
            self.objects.remove(name);
        }
        gone
    }

    #[must_use]
    pub(crate) fn get(&self, name: &Name) -> Option<&Value> {
        self.objects.get(name)
    }

    pub(crate) fn list<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |(name, _)| name.resource == resource).map(|(_, object)| object)
    }

    /// What a pod of `namespace` may refer to; the facts of the machine are left to the caller.
    #[must_use]
    pub(crate) fn sources(&self, namespace: &str) -> Sources {
        let of = |resource: &str| -> BTreeMap<String, Value> {
            let from = Name::new(resource, namespace, "");
            let mine = self
                .objects
                .range(from..)
                .take_while(|(name, _)| name.resource == resource && name.namespace == namespace);
            mine.map(|(name, object)| (name.name.clone(), object.clone())).collect()
        };
        let mut services: Vec<Value> = of("services").into_values().collect();
        if namespace != "default" {
            services.extend(self.get(&Name::new("services", "default", "kubernetes")).cloned());
        }
        Sources { config_maps: of("configmaps"), secrets: of("secrets"), services, ..Sources::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_full_telling_does_not_name_is_gone() {
        let object = |name: &str| json!({"metadata": {"namespace": "d", "name": name}});
        let mut held = Held::default();
        held.begin(true);
        held.set("pods", object("a"));
        held.set("configmaps", object("m"));
        assert!(held.through(5).is_empty());
        assert_eq!(held.sources("d").config_maps.keys().collect::<Vec<_>>(), ["m"]);
        assert!(held.sources("e").config_maps.is_empty());
        held.begin(false);
        assert!(held.through(6).is_empty(), "only changes were told");
        held.begin(true);
        held.set("pods", object("b"));
        assert_eq!(held.through(9), [Name::new("configmaps", "d", "m"), Name::new("pods", "d", "a")]);
        assert_eq!((held.seen, held.list("pods").count()), (9, 1));
        assert!(held.gone(&Name::new("pods", "d", "b")) && !held.gone(&Name::new("pods", "d", "b")));
    }
}
