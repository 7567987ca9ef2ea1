//! The small typed part of an object that indexes, selectors and the scheduler read without touching its JSON.
//! Made once, above the log, from the object; it travels with it in the record. It never holds what only a client reads.
pub mod fields;
mod pod;

use crate::quantity;
use crate::revision::Millis;
use crate::uid::Uid;
use serde_json::Value;

/// What is read of an object in nanoseconds. All lists are sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The facet of an object of the storage `resource` (`pods`, `deployments.apps`). What is missing or of another type is left out.
#[must_use]
pub fn of(resource: &str, value: &Value) -> Facet {
    let meta = &value["metadata"];
    Facet {
        labels: labels(&meta["labels"]),
        owners: meta["ownerReferences"]
            .as_array()
            .map(|list| list.iter().filter_map(owner).collect())
            .unwrap_or_default(),
        fields: fields::of(resource, value),
        amounts: match resource {
            "pods" => pod::requests(value),
            "nodes" => amounts(&value["status"]["allocatable"]),
            _ => Vec::new(),
        },
        deleting: meta["deletionTimestamp"].as_str().and_then(Millis::parse).map(|time| time.0),
        finalizers: meta["finalizers"].as_array().is_some_and(|list| !list.is_empty()),
        generation: meta["generation"].as_u64().unwrap_or(0),
    }
}

/// A map of strings as a sorted list.
#[must_use]
pub fn labels(map: &Value) -> Vec<(Box<str>, Box<str>)> {
    let members = map.as_object().into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect()
}

fn owner(reference: &Value) -> Option<Owner> {
    let text = |name: &str| reference[name].as_str().unwrap_or_default().into();
    Some(Owner {
        uid: Uid::parse(reference["uid"].as_str()?)?.0,
        controller: reference["controller"].as_bool().unwrap_or(false),
        block: reference["blockOwnerDeletion"].as_bool().unwrap_or(false),
        kind: text("kind"),
        name: text("name"),
    })
}

/// Thousandths by resource name, of a Kubernetes ResourceList.
fn amounts(list: &Value) -> Vec<(Box<str>, i64)> {
    let members = list.as_object().into_iter().flatten();
    members.map(|(name, amount)| (name.as_str().into(), amount_of(amount))).collect()
}

fn amount_of(amount: &Value) -> i64 {
    match amount {
        Value::String(text) => quantity::thousandths(text),
        Value::Number(number) => quantity::thousandths(&number.to_string()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
