//! Roles and bindings (rbac.authorization.k8s.io/v1): what a rule allows, what of one rule another covers, what is aggregated, and what every
//! cluster begins with. It looks at no view and knows no user: who may do what is for who holds the objects.
pub mod aggregate;
pub mod bootstrap;
pub mod rule;

/// Where ClusterRoles are stored.
pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
/// Where ClusterRoleBindings are stored.
pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
/// Where Roles are stored.
pub const ROLES: &str = "roles.rbac.authorization.k8s.io";
/// Where RoleBindings are stored.
pub const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
/// The group of all four.
pub const GROUP: &str = "rbac.authorization.k8s.io";
