//! Finding a kind: built-in and custom ones in one immutable set. It never changes: a new definition makes a new set.
use crate::kind::Kind;
use crate::kinds::priority;
use crate::kinds::table::builtin;
use std::sync::Arc;

/// All kinds that are served. Cheap to share behind an `Arc`; made anew when a definition comes or goes.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// In the order of discovery.
    all: Vec<Arc<Kind>>,
    /// Places in `all`, ordered by (group, version, plural).
    by_path: Vec<usize>,
}

impl Kinds {
    /// The built-in kinds and `custom`. A custom kind never hides a built-in one.
    #[must_use]
    pub fn new(custom: impl IntoIterator<Item = Arc<Kind>>) -> Self {
        let mut all: Vec<Arc<Kind>> = builtin().iter().cloned().map(Arc::new).collect();
        let own = all.len();
        for kind in custom {
            let taken = all[..own].iter().any(|known| known.group == kind.group && known.plural == kind.plural);
            if !taken {
                all.push(kind);
            }
        }
        let mut by_path: Vec<usize> = (0..all.len()).collect();
        by_path.sort_by(|a, b| path(&all[*a]).cmp(&path(&all[*b])));
        Self { all, by_path }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.all.iter()
    }

    /// What stands at `/apis/GROUP/VERSION/…/PLURAL`.
    #[must_use]
    pub fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        let wanted = (group, version, plural);
        let found = self.by_path.binary_search_by(|at| path(&self.all[*at]).cmp(&wanted)).ok()?;
        Some(&self.all[self.by_path[found]])
    }

    #[must_use]
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.all.iter().find(|known| (&*known.group, &*known.version, &*known.kind) == (group, version, kind))
    }

    /// The kind an object says it is: by its `apiVersion` and `kind`.
    #[must_use]
    pub fn by_api_version(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.by_kind(group, version, kind)
    }

    /// The first (preferred) kind stored under `resource`.
    #[must_use]
    pub fn by_resource(&self, resource: &str) -> Option<&Arc<Kind>> {
        self.all.iter().find(|known| &*known.resource == resource)
    }

    /// By plural, singular, short name, or `plural.group`, as a person would type it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Kind>> {
        let plain = |kind: &&Arc<Kind>| {
            &*kind.plural == name || &*kind.singular == name || kind.short_names.iter().any(|short| &**short == name)
        };
        self.all.iter().find(plain).or_else(|| {
            let (plural, group) = name.split_once('.')?;
            self.all.iter().find(|kind| &*kind.group == group && (&*kind.plural == plural || &*kind.singular == plural))
        })
    }

    /// The kinds of a category: `all`, `api-extensions`.
    pub fn by_category<'a>(&'a self, category: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.all.iter().filter(move |kind| kind.categories.iter().any(|known| &**known == category))
    }

    /// Groups in the order of discovery, the core group (empty) first.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for kind in &self.all {
            if !groups.contains(&&*kind.group) {
                groups.push(&kind.group);
            }
        }
        groups
    }

    /// The versions of `group`, most stable and newest first.
    #[must_use]
    pub fn versions(&self, group: &str) -> Vec<&str> {
        let mut versions: Vec<&str> = Vec::new();
        for kind in self.all.iter().filter(|kind| &*kind.group == group) {
            if !versions.contains(&&*kind.version) {
                versions.push(&kind.version);
            }
        }
        versions.sort_by(|a, b| priority::compare(a, b));
        versions
    }

    /// The kinds of one group and version.
    pub fn of<'a>(&'a self, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.all.iter().filter(move |kind| &*kind.group == group && &*kind.version == version)
    }
}

fn path(kind: &Kind) -> (&str, &str, &str) {
    (&kind.group, &kind.version, &kind.plural)
}

#[cfg(test)]
mod tests {
    use super::Kinds;

    #[test]
    fn kinds_are_found_by_all_their_names() {
        let kinds = Kinds::new([]);
        assert_eq!(&*kinds.get("apps", "v1", "deployments").expect("built in").kind, "Deployment");
        assert!(kinds.get("apps", "v1", "pods").is_none());
        assert_eq!(&*kinds.by_name("deploy").expect("short name").plural, "deployments");
        assert_eq!(&*kinds.by_name("events.events.k8s.io").expect("qualified").group, "events.k8s.io");
        assert_eq!(&*kinds.by_api_version("apps/v1", "ReplicaSet").expect("built in").plural, "replicasets");
        assert_eq!(kinds.by_resource("events").map(|kind| &*kind.group), Some(""));
        assert_eq!(kinds.groups()[0], "");
        assert!(kinds.by_category("all").any(|kind| &*kind.plural == "services"));
    }
}
