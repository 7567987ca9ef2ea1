//! A decoded object made into a body: the one place where controllers meet the kinds' facets, and admission.
use api::object::Body;
use serde_json::Value;
use store::view::View;

/// The body of an object of `resource`; `None` if it cannot be one (too large), which leaves the matter as it is.
pub(crate) fn body(resource: &str, value: &Value) -> Option<Body> {
    api::kinds::body(resource, value).ok()
}

/// Lets admission complete a new object of `resource`, which a refusal calls `called`.
///
/// # Errors
/// Why admission does not let it in, as a client would be told it.
pub(crate) fn admit(view: &View, resource: &str, called: &str, value: &mut Value) -> Result<(), String> {
    let Some(kind) = api::kinds::builtin().iter().find(|kind| &*kind.resource == resource) else { return Ok(()) };
    api::schema::default(kind, value);
    api::admission::made(kind, view, called, value).map_err(|status| status.message.clone())
}
