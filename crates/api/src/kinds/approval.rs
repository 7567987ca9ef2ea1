//! Whether a definition in one of Kubernetes' own groups says who approved it (KEP-1111). It judges nothing else.
use serde_json::Value;

pub const ANNOTATION: &str = "api-approved.kubernetes.io";
/// Groups that are Kubernetes' own, and those below them.
const PROTECTED: [&str; 2] = ["k8s.io", "kubernetes.io"];
const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Approved,
    Bypassed,
    Missing,
    Invalid,
}

impl Approval {
    /// The reason of the condition `KubernetesAPIApprovalPolicyConformant`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Approved => "ApprovedAnnotation",
            Self::Bypassed => "UnapprovedAnnotation",
            Self::Missing => "MissingAnnotation",
            Self::Invalid => "InvalidAnnotation",
        }
    }
}

#[must_use]
pub fn protected(group: &str) -> bool {
    PROTECTED.iter().any(|own| group.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What the annotation of a definition says, and how that is worded.
#[must_use]
pub fn of(definition: &Value) -> (Approval, String) {
    let said = definition["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default();
    let address = said.split_once("://").is_some_and(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !scheme.is_empty() && scheme.chars().all(char::is_alphanumeric) && !host.is_empty()
    });
    if said.is_empty() {
        (Approval::Missing, format!("protected groups must have approval annotation {ANNOTATION:?}, {SEE}"))
    } else if said.starts_with("unapproved") {
        (Approval::Bypassed, format!("not approved: {said:?}"))
    } else if address {
        (Approval::Approved, format!("approved in {said}"))
    } else {
        let either = "with either a URL or a reason starting with \"unapproved\"";
        let why = format!("protected groups must have approval annotation {ANNOTATION:?} {either}, {SEE}");
        (Approval::Invalid, why)
    }
}
