//! What a namespace is born with, so that the first pod in it has an account to run as. It writes nothing itself.
use crate::draft;
use api::command::{Change, Condition, Write};
use api::key::Key;
use api::service_account::{self, AUTHORITY};
use api::status::Status;
use store::view::View;

/// The writes that go with a new namespace: its account `default`, and whose certificates its pods are to believe if that is known.
///
/// # Errors
/// 500 if one of them is no object.
pub fn born(view: &View, namespace: &str) -> Result<Vec<Write>, Status> {
    let authority = view.get("configmaps", AUTHORITY.0, AUTHORITY.1).map(|map| map.value());
    let pem = authority.as_ref().and_then(|map| map["data"]["ca.crt"].as_str()).filter(|pem| !pem.is_empty());
    let account = ("serviceaccounts", service_account::default_account(namespace));
    let objects = [Some(account), pem.map(|pem| ("configmaps", service_account::root_ca(namespace, pem)))];
    let mut writes = Vec::with_capacity(objects.len());
    for (resource, value) in objects.into_iter().flatten() {
        let key = Key::new(resource, namespace, draft::text(&value, "name"));
        if view.get_key(&key).is_none() {
            let body = api::kinds::body(resource, &value).map_err(|why| Status::internal(why.to_string()))?;
            writes.push(Write { key, condition: Condition::Absent, change: Change::Put(body) });
        }
    }
    Ok(writes)
}
