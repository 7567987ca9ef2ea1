//! The order of a merged list: each side's items in its own order, as `structured-merge-diff` interleaves them. It knows places in
//! lists only.
use std::collections::{BTreeMap, BTreeSet};

/// Where an item of the merged list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Left(usize),
    Right(usize),
    Both(usize, usize),
}

/// The merged order of two lists of names, each without doubles: the right one's order holds, and what only the left has stays where
/// it was between what both have, before what is new there on the right.
pub(super) fn merged<T: Ord>(left: &[T], right: &[T]) -> Vec<From> {
    let of_left: BTreeMap<&T, usize> = left.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let in_right: BTreeSet<&T> = right.iter().collect();
    // What both have, in the order of the right: the next of them is waited for on the left.
    let mut shared = right.iter().filter(|name| of_left.contains_key(name)).peekable();
    let mut order = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        match left.get(l) {
            Some(name) if !in_right.contains(name) => {
                order.push(From::Left(l));
                l += 1;
                continue;
            }
            // Its turn was before, or comes later.
            Some(name) if r == right.len() || shared.peek().is_some_and(|next| *next != name) => {
                l += 1;
                continue;
            }
            _ => {}
        }
        let Some(name) = right.get(r) else { break };
        match of_left.get(name) {
            Some(place) => order.push(From::Both(*place, r)),
            None => order.push(From::Right(r)),
        }
        if shared.next_if(|next| *next == name).is_some() && left.get(l) == Some(name) {
            l += 1;
        }
        r += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_kept() {
        let names = |left: &[&str], right: &[&str]| -> Vec<String> {
            merged(left, right)
                .into_iter()
                .map(|from| match from {
                    From::Left(at) => left[at].to_owned(),
                    From::Right(at) | From::Both(_, at) => right[at].to_owned(),
                })
                .collect()
        };
        assert_eq!(names(&["a", "b"], &["b", "c"]), ["a", "b", "c"]);
        assert_eq!(names(&["a", "b", "c"], &["c", "a"]), ["b", "c", "a"]);
        assert_eq!(names(&["x"], &["y"]), ["x", "y"]);
        assert_eq!(names(&["a", "s", "b"], &["n", "s"]), ["a", "n", "s", "b"]);
        assert_eq!(names(&["a", "s", "t"], &["t", "n", "s", "m"]), ["a", "t", "n", "s", "m"]);
        assert_eq!(names(&[], &["x"]), ["x"]);
        assert_eq!(names(&["x"], &[]), ["x"]);
    }
}
