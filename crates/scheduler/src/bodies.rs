//! A decoded object made into a body: the one place where the scheduler meets the kinds' facets.
use api::object::Body;
use serde_json::Value;

/// The body of an object of `resource`; `None` if it cannot be one (too large), which leaves the matter as it is.
pub(crate) fn body(resource: &str, value: &Value) -> Option<Body> {
    api::kinds::body(resource, value).ok()
}
