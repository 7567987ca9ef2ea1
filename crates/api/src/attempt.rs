//! Something that somebody wants to do, as permissions, admission and the audit policy speak of it (Kubernetes' authorizer attributes). It
//! does not say whether they may.

/// A verb on a resource, or on a path that is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// Set instead of a resource for paths that are none.
    pub path: &'a str,
    /// What a field selector demands: path and value.
    pub fields: &'a [(String, String)],
}

impl<'a> Attempt<'a> {
    /// The value that the field selector demands at `path`.
    #[must_use]
    pub fn demands(&self, path: &str) -> Option<&'a str> {
        self.fields.iter().find(|(known, _)| known == path).map(|(_, value)| value.as_str())
    }
}
