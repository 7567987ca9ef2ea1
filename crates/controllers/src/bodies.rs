//! A decoded object made into a body: the one place where controllers meet the kinds' facets.
use api::facet::{Facet, Owner};
use api::object::{Body, Uid};
use api::revision::Millis;
use serde_json::Value;

use crate::fields::{at, list, number, text};

/// The body of an object of `resource`; `None` if it cannot be one (too large), which leaves the matter as it is.
pub(crate) fn body(_resource: &str, value: &Value) -> Option<Body> {
    Body::new(value, facet(value)).ok()
}

fn facet(value: &Value) -> Facet {
    let labels = at(value, "/metadata/labels").as_object();
    let labels =
        labels.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into()))).collect();
    let owners = list(value, "/metadata/ownerReferences").iter().filter_map(|owner| {
        Some(Owner {
            uid: Uid::parse(text(owner, "/uid"))?.0,
            controller: at(owner, "/controller") == true,
            block: at(owner, "/blockOwnerDeletion") == true,
            kind: text(owner, "/kind").into(),
            name: text(owner, "/name").into(),
        })
    });
    let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
    if text(value, "/kind") == "Pod" {
        fields.push(("spec.nodeName".into(), text(value, "/spec/nodeName").into()));
        fields.push(("status.phase".into(), text(value, "/status/phase").into()));
    }
    Facet {
        labels,
        owners: owners.collect(),
        fields,
        amounts: Vec::new(),
        deleting: Millis::parse(text(value, "/metadata/deletionTimestamp")).map(|time| time.0),
        finalizers: !list(value, "/metadata/finalizers").is_empty(),
        generation: number(value, "/metadata/generation").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
    }
}
