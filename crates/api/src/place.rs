//! Where a member stands in a document, as complaints name it: `spec.ports[0].name`. Never longer than is worth reading, however long
//! the names in the document are.
use crate::limits::PLACE_BYTES_MAX;

/// `text`, or as much of its beginning as a place may have.
pub(crate) fn clipped(mut text: String) -> String {
    if text.len() > PLACE_BYTES_MAX {
        let mut end = PLACE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// The member `name` of what stands at `path`.
pub(crate) fn member(path: &str, name: &str) -> String {
    match path {
        "" => clipped(name.to_owned()),
        path if path.len() >= PLACE_BYTES_MAX => path.to_owned(),
        path => clipped(format!("{path}.{name}")),
    }
}

/// The item `at` of the list that stands at `path`.
pub(crate) fn item(path: &str, at: usize) -> String {
    clipped(format!("{path}[{at}]"))
}
