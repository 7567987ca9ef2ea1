//! Which objects a list or watch is about: label and field selectors, answered from the facet without decoding anything.
use crate::call::Call;
use crate::query::ListOptions;
use api::facet::fields;
use api::object::Object;
use api::selector::{Fields, Labels};
use api::status::Status;
use std::sync::Arc;
use store::watch::Interest;

/// What an object must have to be selected.
#[derive(Clone, Debug)]
pub struct Selection {
    namespace: Option<Arc<str>>,
    name: Option<Arc<str>>,
    labels: Labels,
    fields: Fields,
    all: bool,
}

impl Selection {
    /// # Errors
    /// 400 for a selector that cannot be read or names an unknown field.
    pub fn new(call: &Call, options: &ListOptions) -> Result<Self, Status> {
        let labels = Labels::parse(&options.labels)?;
        let mut known = fields::paths(&call.kind.resource).to_vec();
        known.extend(call.kind.selectable.iter().map(|path| &**path));
        let fields = Fields::parse(&options.fields, &known)?;
        let exact = |path: &str| fields.exact(path).map(Arc::from);
        let namespace = (!call.target.namespace.is_empty()).then(|| Arc::from(call.target.namespace.as_str()));
        let name =
            if call.target.name.is_empty() { exact("metadata.name") } else { Some(call.target.name.as_str().into()) };
        let all = options.labels.trim().is_empty() && options.fields.trim().is_empty() && name.is_none();
        Ok(Self { namespace: namespace.or_else(|| exact("metadata.namespace")), name, labels, fields, all })
    }

    /// Whether everything of the collection is selected.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.all
    }

    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The one name that can match, if there is but one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The node that pods are asked of, which an index answers.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.fields.exact("spec.nodeName")
    }

    #[must_use]
    pub fn matches(&self, object: &Object) -> bool {
        let key = &object.key;
        self.all && self.namespace.is_none()
            || (self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
                && self.name.as_ref().is_none_or(|name| *name == key.name)
                && self.labels.matches(&object.facet)
                && self.fields.matches(key, &object.facet))
    }

    /// What the store must tell a watcher of it.
    #[must_use]
    pub fn interest(&self, resource: &str) -> Interest {
        Interest {
            resource: Some(resource.into()),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            field: self.node().map(|node| ("spec.nodeName".into(), node.into())),
        }
    }
}
