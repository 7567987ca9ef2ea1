//! Built-in kinds, read once from `data/kinds.tsv`. It never reads a file: the table is part of the program.
use crate::kind::{DeleteReturns, Kind, Schema, Subresource};
use crate::status::qualified;
use std::sync::LazyLock;

static TABLE: &str = include_str!("../../data/kinds.tsv");
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| TABLE.lines().skip(1).filter_map(row).collect());

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

pub(super) fn builtin() -> &'static [Kind] {
    &KINDS
}

fn row(line: &str) -> Option<Kind> {
    let mut cells = line.split('\t');
    let mut next = || cells.next();
    let (group, version, kind, plural, singular) = (next()?, next()?, next()?, next()?, next()?);
    let (short_names, categories, scope, verbs, subresources) = (next()?, next()?, next()?, next()?, next()?);
    let (returns, message) = (next()?, next()?);
    // What its users are warned of, for the few that are.
    let deprecated = next().map(Into::into);
    Some(Kind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        list_kind: format!("{kind}List").into(),
        plural: plural.into(),
        singular: singular.into(),
        short_names: words(short_names, ','),
        categories: words(categories, ','),
        namespaced: scope == "n",
        verbs: verb_list(verbs),
        subresources: subresources.split(';').filter_map(|text| subresource(text, group, version, kind)).collect(),
        delete_returns: if returns == "object" { DeleteReturns::Object } else { DeleteReturns::Status },
        resource: if group == "events.k8s.io" { plural.into() } else { qualified(group, plural).into() },
        schema: Schema::Message(message.into()),
        columns: Vec::new(),
        selectable: Vec::new(),
        scale: None,
        deprecated,
        stored_in: None,
        defined: 0,
    })
}

fn verb_list(text: &str) -> Vec<Box<str>> {
    match text.strip_prefix('-') {
        Some(without) => VERBS.iter().filter(|verb| **verb != without).map(|verb| (*verb).into()).collect(),
        None if text == "*" => VERBS.iter().map(|verb| (*verb).into()).collect(),
        None => words(text, ','),
    }
}

/// `status:get+patch+update:` (body of the kind itself) or `scale:get+update:autoscaling/v1/Scale`.
fn subresource(text: &str, group: &str, version: &str, kind: &str) -> Option<Subresource> {
    let mut parts = text.split(':');
    let (name, verbs, body) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, version, kind) = match body.split('/').collect::<Vec<_>>()[..] {
        [group, version, kind] => (group, version, kind),
        [version, kind] => ("", version, kind),
        _ => (group, version, kind),
    };
    Some(Subresource {
        name: name.into(),
        verbs: words(verbs, '+'),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
    })
}

fn words(text: &str, separator: char) -> Vec<Box<str>> {
    text.split(separator).filter(|word| !word.is_empty()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::{TABLE, builtin};
    use crate::kind::DeleteReturns;

    #[test]
    fn every_row_is_a_kind() {
        assert_eq!(builtin().len(), TABLE.lines().count() - 1);
        for kind in builtin() {
            assert!(!kind.verbs.is_empty() && !kind.plural.is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn pods_are_what_they_are() {
        let pods = builtin().iter().find(|kind| &*kind.plural == "pods").expect("pods are built in");
        assert_eq!((&*pods.resource, &*pods.api_version(), pods.namespaced), ("pods", "v1", true));
        assert_eq!(pods.delete_returns, DeleteReturns::Object);
        let eviction = pods.subresource("eviction").expect("pods can be evicted");
        assert_eq!((&*eviction.group, &*eviction.version, &*eviction.kind), ("policy", "v1", "Eviction"));
        assert_eq!(&*pods.subresource("status").expect("pods have a status").kind, "Pod");
        assert!(pods.has("deletecollection") && pods.stored());
    }
}
