//! The 422 that lists what is wrong with an object of a kind, in Kubernetes' words. It never looks for problems itself.
use crate::kind::Kind;
pub use crate::problem::Problems;
use crate::status::{Cause, Status};

impl Problems {
    /// # Errors
    /// 422 if there are any.
    pub fn refuse(self, kind: &Kind, name: &str) -> Result<(), Status> {
        if self.causes.is_empty() { Ok(()) } else { Err(invalid(kind, name, self.causes)) }
    }
}

/// `Deployment.apps "x" is invalid: spec.selector: Required value`; several causes stand in brackets.
#[must_use]
pub fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Status {
    let told: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let told = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
    let full = if kind.group.is_empty() { kind.kind.to_string() } else { format!("{}.{}", kind.kind, kind.group) };
    let mut status = Status::new(422, "Invalid", format!("{full} \"{name}\" is invalid: {told}")).about(
        &kind.group,
        &kind.kind,
        name,
    );
    status.causes = causes;
    status
}
