//! Completion indexes: sets of them as `status.completedIndexes` writes them (`1,3-5,7`), and the index of a pod.
use api::object::Object;
use std::collections::BTreeSet;

/// Annotation and label of a pod.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The index of a pod of an Indexed Job; its label says it.
pub(super) fn of(pod: &Object) -> Option<usize> {
    pod.facet.label(INDEX)?.parse().ok()
}

/// The indexes below `end` that `text` names. What cannot be read names none.
pub(super) fn read(text: &str, end: usize) -> BTreeSet<usize> {
    let mut indexes = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            indexes.extend(first..last.saturating_add(1).min(end));
        }
    }
    indexes
}

/// The shortest text that names them.
pub(super) fn write(indexes: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &index in indexes {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let shown = |(first, last): (usize, usize)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    ranges.into_iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_as_they_are_written() {
        for text in ["", "0", "0,1", "0-2", "1,3-5,7", "0,2,4"] {
            assert_eq!(write(&read(text, 100)), text);
        }
        assert_eq!(read("0-18446744073709551615", 3), BTreeSet::from([0, 1, 2]));
        assert_eq!(read("a,3-1,-,2", 9), BTreeSet::from([2]));
    }
}
