//! What an object of a kind may hold: structure, members, defaults, validation. It never stores and never decides.
//!
//! `check_fields(&Kind, &mut Value) -> Result<Vec<String>, Status>`: complaints about unknown members, which are gone then.
//! `default(&Kind, &mut Value)`; `validate_new(&Kind, &Value)`; `validate_update(&Kind, &old, &new, subresource)`.
pub mod default;
pub mod fields;
pub mod structural;
pub mod structure;
pub mod validate;

use crate::kind::{Kind, Schema};
use crate::status::Status;
use serde_json::Value;

/// Takes unknown members out and complains of them (`unknown field "spec.foo"`); brings what is left into the form in which
/// equal objects are equal: canonical quantities and times, no nulls, no zeros that mean absence.
///
/// # Errors
/// 400 for a value of the wrong type.
pub fn check_fields(kind: &Kind, value: &mut Value) -> Result<Vec<String>, Status> {
    let unknown = unknown_fields(kind, value)?;
    Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// As `check_fields`, the paths alone.
///
/// # Errors
/// 400 for a value of the wrong type.
pub fn unknown_fields(kind: &Kind, value: &mut Value) -> Result<Vec<String>, Status> {
    read_fields(kind, value).map_err(|why| {
        let message =
            format!("{} in version {:?} cannot be handled as a {}: {why}", kind.kind, kind.version, kind.kind);
        Status::bad_request(message)
    })
}

/// As `unknown_fields`.
///
/// # Errors
/// What Go's decoder says of a value of the wrong type.
pub fn read_fields(kind: &Kind, value: &mut Value) -> Result<Vec<String>, String> {
    Ok(match &kind.schema {
        Schema::Message(name) => match structure::message(name) {
            Some(message) => fields::check(message, value)?,
            None => Vec::new(),
        },
        Schema::Custom(schema) => {
            let mut unknown = schema.prune(value);
            if let (Some(message), Some(meta)) = (structure::message(structure::OBJECT_META), value.get_mut("metadata"))
                && !meta.is_null()
            {
                let gone = fields::check(message, meta)?;
                unknown.extend(gone.into_iter().map(|path| format!("metadata.{path}")));
            }
            unknown
        }
    })
}

/// Fills in what the object does not say. Built-in kinds have rules, custom kinds their schema's `default`s.
pub fn default(kind: &Kind, value: &mut Value) {
    match &kind.schema {
        Schema::Message(_) => default::fill(kind, value),
        Schema::Custom(schema) => schema.default(value),
    }
}
