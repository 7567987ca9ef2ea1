//! Which objects a list or watch is about: label and field selectors, answered from the facet without decoding anything but what is
//! selected by fields of a custom kind.
use crate::call::Call;
use crate::query::ListOptions;
use crate::shape::Version;
use api::facet::fields;
use api::object::Object;
use api::selector::{Fields, Labels, Term};
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;
use store::watch::Interest;

/// What an object must have to be selected.
#[derive(Clone)]
pub struct Selection {
    namespace: Option<Arc<str>>,
    name: Option<Arc<str>>,
    labels: Labels,
    fields: Fields,
    own: Option<Own>,
    all: bool,
}

/// Fields of a custom kind, as the version shows them that is asked for.
#[derive(Clone)]
struct Own {
    version: Version,
    terms: Vec<Term>,
}

impl Own {
    fn matches(&self, object: &Object) -> bool {
        let value = self.version.value(object);
        self.terms.iter().all(|term| {
            let found = term.path.split('.').try_fold(&value, |value, name| value.get(name));
            let found = match found {
                Some(Value::String(text)) => text.clone(),
                Some(plain @ (Value::Bool(_) | Value::Number(_))) => plain.to_string(),
                _ => String::new(),
            };
            (found == *term.value) == term.equal
        })
    }
}

impl Selection {
    /// # Errors
    /// 400 for a selector that cannot be read or names an unknown field.
    pub fn new(call: &Call, options: &ListOptions) -> Result<Self, Status> {
        let labels = Labels::parse(&options.labels)?;
        let named = fields::named(&call.kind.group, &call.kind.resource);
        let mut known: Vec<&str> = named.iter().map(|(path, _)| *path).collect();
        known.extend(call.kind.selectable.iter().map(|path| &**path));
        if call.kind.custom() {
            // Named, so that what it does not know is told in the words for kinds that know some.
            known.push("metadata.name");
        }
        let mut fields = Fields::parse(&options.fields, &known)?;
        for term in &mut fields.terms {
            if let Some((_, stored)) = named.iter().find(|(path, stored)| *path == &*term.path && path != stored) {
                term.path = (*stored).into();
            }
        }
        let exact = |path: &str| fields.exact(path).map(Arc::from);
        let namespace = (!call.target.namespace.is_empty()).then(|| Arc::from(call.target.namespace.as_str()));
        let name =
            if call.target.name.is_empty() { exact("metadata.name") } else { Some(call.target.name.as_str().into()) };
        let all = options.labels.trim().is_empty() && options.fields.trim().is_empty() && name.is_none();
        let namespace = namespace.or_else(|| exact("metadata.namespace"));
        let mut terms = Vec::new();
        if call.kind.custom() {
            (fields.terms, terms) = fields.terms.into_iter().partition(|term| term.path.starts_with("metadata."));
        }
        let own = (!terms.is_empty()).then(|| Own { version: Version::of(call), terms });
        Ok(Self { namespace, name, labels, fields, own, all })
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
                && self.fields.matches(key, &object.facet)
                && self.own.as_ref().is_none_or(|own| own.matches(object)))
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
