//! Role based access control (rbac.authorization.k8s.io/v1): what roles and bindings allow, and what of it may be passed on.
pub mod escalation;
pub mod policy;
