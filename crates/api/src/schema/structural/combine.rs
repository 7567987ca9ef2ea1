//! `allOf`, `anyOf`, `oneOf` and `not`, in the words of Kubernetes' OpenAPI validator, which names no field of what they refuse as a whole.
use super::node::{Limits, Node};
use crate::problem::Problems;

/// Where Kubernetes says that what has no place of its own is wrong.
const NOWHERE: &str = "<nil>";

/// `tried`: what is wrong with the value by another schema.
pub(super) fn combined(limits: &Limits, tried: &dyn Fn(&Node) -> Problems, path: &str, problems: &mut Problems) {
    let whole = |problems: &mut Problems, why: &str, best: Option<Problems>| {
        problems.invalid_text(NOWHERE, "", &format!("{path:?} {why}"));
        problems.causes.extend(best.into_iter().flat_map(|best| best.causes));
    };
    if !limits.any_of.is_empty() {
        let tries: Vec<Problems> = limits.any_of.iter().map(|node| tried(node)).collect();
        if tries.iter().all(|inner| !inner.causes.is_empty()) {
            whole(problems, "must validate at least one schema (anyOf)", best(tries));
        }
    }
    if !limits.one_of.is_empty() {
        let tries: Vec<Problems> = limits.one_of.iter().map(|node| tried(node)).collect();
        match tries.iter().filter(|inner| inner.causes.is_empty()).count() {
            1 => {}
            0 => whole(problems, "must validate one and only one schema (oneOf). Found none valid", best(tries)),
            several => {
                let why = format!("must validate one and only one schema (oneOf). Found {several} valid alternatives");
                whole(problems, &why, None);
            }
        }
    }
    if !limits.all_of.is_empty() {
        let tries: Vec<Problems> = limits.all_of.iter().map(|node| tried(node)).collect();
        let valid = tries.iter().filter(|inner| inner.causes.is_empty()).count();
        if valid < tries.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            problems.causes.extend(tries.into_iter().flat_map(|inner| inner.causes));
            problems.invalid_text(NOWHERE, "", &format!("{path:?} must validate all the schemas (allOf){none}"));
        }
    }
    if limits.not.as_deref().is_some_and(|node| tried(node).causes.is_empty()) {
        problems.invalid_text(NOWHERE, "", &format!("{path:?} must not validate the schema (not)"));
    }
}

/// The attempt that came nearest.
fn best(tries: Vec<Problems>) -> Option<Problems> {
    tries.into_iter().min_by_key(|inner| inner.causes.len())
}
