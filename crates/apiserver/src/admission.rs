//! Admission: Kubernetes' plug-ins in Kubernetes' order, each asked twice: first all may complete an object, then, when it is complete and
//! valid, all may refuse it. The plug-ins themselves are pure and stand a file each: here those that ask who asks or concern only what
//! clients do, in `api::admission` those that controllers' objects pass too.
pub mod certificates;
pub mod default_ingress_class;
pub mod namespace_lifecycle;
pub mod persistent_volume_claim_resize;
pub mod taint_nodes_by_condition;

use crate::call::Call;
use crate::draft;
use crate::permission;
use api::admission::request::{Notes, Operation, Plugin, Request, Who};
use api::admission::{
    self as shared, default_storage_class, default_toleration_seconds, limit_ranger, pod_security, pod_topology_labels,
    priority, runtime_class, service_account, storage_object_in_use_protection,
};
use api::attempt::Attempt;
use api::status::Status;
use serde_json::Value;
use store::view::View;

/// The plug-ins that Kubernetes 1.35 turns on, in its order (`kubeapiserver/options/plugins.go`). `ResourceQuota` is the last of all: what
/// it charges goes into the command itself (`quota.rs`). Policies and webhooks have their place between the last one here and that:
/// the mutating ones end the first pass, the validating ones end the second.
const ORDER: &[&Plugin] = &[
    &namespace_lifecycle::PLUGIN,
    &limit_ranger::PLUGIN,
    &service_account::PLUGIN,
    &taint_nodes_by_condition::PLUGIN,
    &pod_security::PLUGIN,
    &priority::PLUGIN,
    &default_toleration_seconds::PLUGIN,
    &default_storage_class::PLUGIN,
    &storage_object_in_use_protection::PLUGIN,
    &persistent_volume_claim_resize::PLUGIN,
    &runtime_class::PLUGIN,
    &certificates::APPROVAL,
    &certificates::SIGNING,
    &certificates::SUBJECT,
    &default_ingress_class::PLUGIN,
    &pod_topology_labels::PLUGIN,
];

/// One request on its way through the plug-ins.
pub struct Door<'a> {
    pub call: &'a Call,
    pub view: &'a View,
    pub operation: Operation,
    pub dry_run: bool,
    /// The object as it is; `None` for a new one.
    pub old: Option<&'a Value>,
}

impl Door<'_> {
    /// The mutating pass.
    ///
    /// # Errors
    /// The first refusal.
    pub fn admit(&self, object: &mut Value) -> Result<(), Status> {
        let name = self.name(object);
        self.ask(&name, |request| shared::admit(ORDER, request, object))
    }

    /// The validating pass; of a deletion `object` is the one that goes.
    ///
    /// # Errors
    /// The first refusal.
    pub fn validate(&self, object: &Value) -> Result<Notes, Status> {
        self.ask(&self.name(object), |request| shared::validate(ORDER, request, object))
    }

    fn name(&self, object: &Value) -> String {
        let named = self.call.target.name.as_str();
        if named.is_empty() { draft::text(object, "name").to_owned() } else { named.to_owned() }
    }

    fn ask<T>(&self, name: &str, pass: impl FnOnce(&Request<'_>) -> T) -> T {
        let user = &self.call.user;
        let may = |attempt: &Attempt<'_>| permission::decide(&self.call.room, self.view, user, attempt).is_ok();
        pass(&Request {
            operation: self.operation,
            kind: &self.call.kind,
            subresource: &self.call.target.subresource,
            namespace: &self.call.target.namespace,
            name,
            user: Who { name: &user.name, groups: &user.groups },
            dry_run: self.dry_run,
            old: self.old,
            cluster: self.view,
            may: &may,
        })
    }
}
