//! A cluster of a few objects, for tests of plug-ins.
use super::request::{Cluster, Notes, Operation, Plugin, Request, Who};
use super::{admit, validate};
use crate::kind::Kind;
use crate::object::{Object, Uid};
use crate::revision::{Millis, Revision};
use crate::status::Status;
use serde_json::Value;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Town {
    objects: Vec<Arc<Object>>,
}

impl Town {
    /// Puts an object into it; each is a second younger than the one before.
    pub(super) fn with(mut self, resource: &str, value: &Value) -> Self {
        let text = |member: &str| value["metadata"][member].as_str().unwrap_or_default().to_owned();
        let key = crate::key::Key::new(resource, &text("namespace"), &text("name"));
        let mut value = value.clone();
        let kind = kind(resource);
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = (*kind.kind).into();
        let body = crate::kinds::body(resource, &value).expect("an object");
        let number = u64::try_from(self.objects.len()).expect("few") + 1;
        self.objects.push(Arc::new(body.join(key, Uid(number.into()), Millis(number * 1_000), Revision(number))));
        self
    }

    /// Both passes of some plug-ins over a new object.
    pub(super) fn create(&self, plugins: &[&Plugin], resource: &str, object: &mut Value) -> Result<Notes, Status> {
        self.ask(plugins, resource, "", None, object)
    }

    /// Both passes over a change through a subresource, or over a new object if there is no old one.
    pub(super) fn ask(
        &self,
        plugins: &[&Plugin],
        resource: &str,
        subresource: &str,
        old: Option<&Value>,
        object: &mut Value,
    ) -> Result<Notes, Status> {
        let kind = kind(resource);
        let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let request = Request {
            operation: if old.is_some() { Operation::Update } else { Operation::Create },
            kind,
            subresource,
            namespace: &namespace,
            name: &name,
            user: Who { name: "bob", groups: &[] },
            dry_run: false,
            old,
            cluster: self,
            may: &|_| true,
        };
        admit(plugins, &request, object)?;
        validate(plugins, &request, object)
    }
}

pub(super) fn kind(resource: &str) -> &'static Kind {
    crate::kinds::builtin().iter().find(|kind| &*kind.resource == resource).expect("a kind")
}

impl Cluster for Town {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let is = |object: &&Arc<Object>| {
            let key = &object.key;
            (&*key.resource, &*key.namespace, &*key.name) == (resource, namespace, name)
        };
        self.objects.iter().find(is).cloned()
    }

    fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let is = |object: &&Arc<Object>| {
            &*object.key.resource == resource && namespace.is_none_or(|namespace| &*object.key.namespace == namespace)
        };
        self.objects.iter().filter(is).cloned().collect()
    }
}
