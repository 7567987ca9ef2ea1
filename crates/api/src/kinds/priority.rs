//! The order of versions by their names. It knows no kind.
use std::cmp::Ordering;

/// Kubernetes' order of versions: v2, v1, v1beta1, v1alpha1, then whatever is no version by name.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    rank(b).cmp(&rank(a)).then_with(|| a.cmp(b))
}

fn rank(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..end].parse().ok()?;
    let (stage, minor) = match &rest[end..] {
        "" => (3, 0),
        tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(minor), _) => (2, minor.parse().ok()?),
            (_, Some(minor)) => (1, minor.parse().ok()?),
            _ => return None,
        },
    };
    Some((stage, major, minor))
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn versions_are_ordered_as_kubernetes_does() {
        let mut versions = ["foo1", "v1alpha1", "v1", "v2beta1", "v10", "v2"];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(versions, ["v10", "v2", "v1", "v2beta1", "v1alpha1", "foo1"]);
    }
}
