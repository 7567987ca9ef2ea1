//! What reading and writing agree on: how a body begins, and which message a kind is. It reads and writes nothing.
use crate::schema::structure::{Field, Message, Type, message, messages};

/// How every body begins; a `runtime.Unknown` follows.
pub(super) const MAGIC: &[u8; 4] = b"k8s\0";
/// The schema that a CustomResourceDefinition holds.
pub(super) const SCHEMA: &str = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// The message of an object's kind: by its name and group version, whose package ends in the group's first word and the version.
pub(crate) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Message> {
    if matches!(kind, "DeleteOptions" | "Status") {
        return message(&format!("apimachinery.pkg.apis.meta.v1.{kind}"));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let group = match group.split('.').next().unwrap_or_default() {
        "" => "core",
        known => known,
    };
    let tail = format!("{group}.{version}.{kind}");
    messages().find(|message| message.name.strip_suffix(tail.as_str()).is_some_and(|head| head.ends_with('.')))
}

/// A member that says something by being there: the status subresource of a CustomResourceDefinition, an empty message.
pub(super) fn is_marker(field: &Field) -> bool {
    field.kind == Type::Any && field.name == "status"
}
