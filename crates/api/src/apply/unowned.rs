//! What of an object nobody owns. It sees no object.
use crate::apply::set::Set;

/// Members that nobody owns: which object it is, and what the server writes.
pub(super) const UNOWNED: [&[&str]; 11] = [
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

pub(super) fn strip(set: &mut Set) {
    UNOWNED.iter().for_each(|path| set.drop_path(path));
}
