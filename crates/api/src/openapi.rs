//! OpenAPI documents, made of the kinds and their structure: v3, one per group and version, and v2, one of all. Nothing here is
//! served or kept.
//!
//! `index(&Kinds) -> Value` (paths with a hash of what the document is made of, so a client may keep it for ever);
//! `document(&Kinds, group, version) -> Option<Value>` (built when asked for: some hundred kilobytes for the core group);
//! `hash(&Kinds, group, version) -> String` (for the ETag);
//! `document_v2(&Kinds) -> Value`, `protobuf_v2(&Value) -> Vec<u8>` (gnostic's form of it).
mod gnostic;
mod paths;
mod schemas;
mod v2;

use crate::kind::{Kind, Schema};
use crate::kinds::set::Kinds;
use serde_json::{Map, Value, json};

/// `GET /openapi/v3`.
#[must_use]
pub fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for group in kinds.groups() {
        for version in kinds.versions(group) {
            let path = paths::root(group, version);
            let path = path.trim_start_matches('/');
            let url = format!("/openapi/v3/{path}?hash={}", hash(kinds, group, version));
            paths.insert(path.to_owned(), json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// `GET /openapi/v3/apis/GROUP/VERSION`; `None` if nobody serves it.
#[must_use]
pub fn document(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let own: Vec<&Kind> = kinds.of(group, version).map(|kind| &**kind).collect();
    if own.is_empty() {
        return None;
    }
    let mut paths = Map::new();
    for kind in &own {
        paths::of(kind, &mut paths);
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": paths,
        "components": {"schemas": schemas::of(&own)},
    }))
}

/// `GET /openapi/v2`: all groups in one document.
#[must_use]
pub fn document_v2(kinds: &Kinds) -> Value {
    let all: Vec<&Kind> = kinds.iter().map(|kind| &**kind).collect();
    let versions = kinds
        .groups()
        .into_iter()
        .flat_map(|group| kinds.versions(group).into_iter().map(move |version| (group, version)));
    v2::joined(versions.filter_map(|(group, version)| document(kinds, group, version)), &all)
}

/// That document as `com.github.proto-openapi.spec.v2`.
#[must_use]
pub fn protobuf_v2(document: &Value) -> Vec<u8> {
    gnostic::printed(document)
}

/// Changes whenever the document would.
#[must_use]
pub fn hash(kinds: &Kinds, group: &str, version: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    for kind in kinds.of(group, version) {
        for part in [&kind.group, &kind.version, &kind.kind, &kind.plural] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        match &kind.schema {
            Schema::Message(_) => hasher.update(crate::schema::structure::fingerprint().as_bytes()),
            Schema::Custom(schema) => hasher.update(schema.source.to_string().as_bytes()),
        };
        for subresource in &kind.subresources {
            hasher.update(subresource.name.as_bytes());
        }
        hasher.update(&[u8::from(kind.namespaced)]);
    }
    hasher.finalize().to_hex()[..32].to_uppercase()
}

#[cfg(test)]
mod tests;
