//! The small typed part of an object that indexes, selectors and the scheduler read without touching its JSON.
//! Made once, above the log, from the object; it travels with it in the record. It never holds what only a client reads.
use crate::revision::Millis;
use rkyv::{Archive, Deserialize, Serialize};

/// What is read of an object in nanoseconds. All lists are sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Facet {
    pub labels: Vec<(Box<str>, Box<str>)>,
    pub owners: Vec<Owner>,
    /// Values that field selectors may name, as declared by the kind: `spec.nodeName`, `status.phase`.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// Amounts by resource name, in thousandths: a pod's effective requests, a node's allocatable.
    pub amounts: Vec<(Box<str>, i64)>,
    /// `metadata.deletionTimestamp`, if deletion has begun (milliseconds since the epoch).
    pub deleting: Option<u64>,
    /// `metadata.finalizers` is not empty.
    pub finalizers: bool,
    pub generation: u64,
}

/// One `metadata.ownerReferences` entry.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u128,
    pub controller: bool,
    pub block: bool,
    pub kind: Box<str>,
    pub name: Box<str>,
}

impl Facet {
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        find(&self.labels, key)
    }

    #[must_use]
    pub fn field(&self, path: &str) -> Option<&str> {
        find(&self.fields, path)
    }

    /// Thousandths of `resource`; 0 if it names none.
    #[must_use]
    pub fn amount(&self, resource: &str) -> i64 {
        self.amounts.iter().find(|(name, _)| &**name == resource).map_or(0, |(_, amount)| *amount)
    }

    #[must_use]
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    #[must_use]
    pub fn deleting(&self) -> Option<Millis> {
        self.deleting.map(Millis)
    }
}

fn find<'a>(list: &'a [(Box<str>, Box<str>)], key: &str) -> Option<&'a str> {
    list.iter().find(|(k, _)| &**k == key).map(|(_, v)| &**v)
}
