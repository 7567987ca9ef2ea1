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

/// The merged order of two lists of names, each without doubles: the right one's order holds, and what only the left has keeps its
/// place before what followed it there.
pub(super) fn merged<T: Ord>(left: &[T], right: &[T]) -> Vec<From> {
    let of_left: BTreeMap<&T, usize> = left.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let in_right: BTreeSet<&T> = right.iter().collect();
    let mut order = Vec::with_capacity(left.len() + right.len());
    let mut next = 0;
    let mut taken = BTreeSet::new();
    for (at, name) in right.iter().enumerate() {
        match of_left.get(name).copied() {
            None => order.push(From::Right(at)),
            Some(place) => {
                while next < place {
                    if !in_right.contains(&left[next]) && taken.insert(next) {
                        order.push(From::Left(next));
                    }
                    next += 1;
                }
                taken.insert(place);
                order.push(From::Both(place, at));
            }
        }
    }
    order.extend((0..left.len()).filter(|at| !taken.contains(at) && !in_right.contains(&left[*at])).map(From::Left));
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
        assert_eq!(names(&[], &["x"]), ["x"]);
        assert_eq!(names(&["x"], &[]), ["x"]);
    }
}
