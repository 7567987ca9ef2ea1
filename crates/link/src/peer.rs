//! Who is at the other end, as its certificate says. The certificate has been verified before it comes here.
use crate::error::LinkError;
use rustls_pki_types::CertificateDer;

/// What stands before a member's name in the common name of its certificate.
pub const MEMBER_PREFIX: &str = "system:rutter:member:";
/// As Kubernetes names nodes (user and group).
pub const NODE_PREFIX: &str = "system:node:";
pub const NODE_GROUP: &str = "system:nodes";
/// The name by which every member proves itself to whoever dials it: members are many and move between addresses.
pub const MEMBER_SERVER_NAME: &str = "member.rutter";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It has shown no certificate: it may ask to join and nothing else.
    Nobody,
    Member(String),
    Node(String),
}

impl Peer {
    /// Reads the subject of a verified certificate.
    ///
    /// # Errors
    /// If it names neither a member nor a node: a person's certificate is for the API, not for link.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, LinkError> {
        let unreadable = |why: String| LinkError::Stranger(format!("its certificate cannot be read: {why}"));
        let (_, parsed) =
            x509_parser::parse_x509_certificate(certificate).map_err(|why| unreadable(why.to_string()))?;
        let subject = parsed.subject();
        let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let is_node = subject.iter_organization().any(|group| group.as_str() == Ok(NODE_GROUP));
        if let Some(name) = name.strip_prefix(MEMBER_PREFIX) {
            return Ok(Self::Member(name.to_owned()));
        }
        match name.strip_prefix(NODE_PREFIX) {
            Some(name) if is_node => Ok(Self::Node(name.to_owned())),
            _ => Err(LinkError::Stranger(format!("`{name}` is neither a member nor a node"))),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("somebody without a certificate"),
            Self::Member(name) => write!(f, "member {name}"),
            Self::Node(name) => write!(f, "node {name}"),
        }
    }
}

/// Checks a name that is to stand in a certificate and in object names.
///
/// # Errors
/// If it is no DNS-1123 subdomain or too long.
pub fn check_name(name: &str) -> Result<(), LinkError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let fits = name.len() <= crate::limits::NAME_BYTES_MAX && name.chars().all(good) && !name.contains("..");
    if fits && edge(name.chars().next()) && edge(name.chars().last()) {
        return Ok(());
    }
    let max = crate::limits::NAME_BYTES_MAX;
    Err(LinkError::Certificate(format!(
        "`{name}` cannot be a name: at most {max} of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "n1", "node-1.zone-a", "0"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a..b", ".a", "a/b", "ä", &"x".repeat(64), "a\nb"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn garbage_is_a_stranger() {
        let garbage = CertificateDer::from(vec![0x30, 0x82, 0xff]);
        assert!(matches!(Peer::of_certificate(&garbage), Err(LinkError::Stranger(_))));
    }
}
