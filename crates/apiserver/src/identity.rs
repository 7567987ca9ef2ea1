//! Who asks: a verified client certificate names its user (CN) and groups (O). It believes nobody that TLS did not prove.
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Somebody who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: Box<str>,
    /// Empty: whoever proved the name has none.
    pub uid: Box<str>,
    pub groups: Vec<Box<str>>,
    /// What else is known of them: the pod a token was made for, scopes.
    pub extra: BTreeMap<Box<str>, Vec<Box<str>>>,
}

/// May do everything.
pub const MASTERS: &str = "system:masters";
/// The node agents and kubelets.
pub const NODES: &str = "system:nodes";
/// Everybody who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who proved nothing.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// By what somebody proved who they are, among what else is known of them.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
/// The name of nobody.
pub const ANONYMOUS: &str = "system:anonymous";

impl User {
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<Box<str>> = groups.iter().map(|group| (*group).into()).collect();
        if groups.iter().all(|group| &**group != AUTHENTICATED) {
            groups.push(AUTHENTICATED.into());
        }
        Self { name: name.into(), uid: "".into(), groups, extra: BTreeMap::new() }
    }

    /// The cluster itself: what it writes on its own account.
    #[must_use]
    pub fn cluster() -> Self {
        Self::new("system:apiserver", &[MASTERS])
    }

    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        let groups = vec![UNAUTHENTICATED.into()];
        Self { name: ANONYMOUS.into(), uid: "".into(), groups, extra: BTreeMap::new() }
    }

    /// The user that a certificate names; the caller has verified it. `None` if it names no user.
    #[must_use]
    pub fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok().filter(|name| !name.is_empty())?;
        let groups: Vec<&str> = subject.iter_organization().filter_map(|group| group.as_str().ok()).collect();
        let mut proof = "X509SHA256=".to_owned();
        for byte in digest(&SHA256, der).as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(proof, "{byte:02x}");
        }
        let extra = BTreeMap::from([(CREDENTIAL.into(), vec![proof.into()])]);
        Some(Self { extra, ..Self::new(name, &groups) })
    }

    /// As Kubernetes shows somebody (`UserInfo`).
    #[must_use]
    pub fn shown(&self) -> Value {
        let texts = |list: &[Box<str>]| list.iter().map(|text| Value::from(&**text)).collect::<Vec<_>>();
        let mut shown = json!({"username": &*self.name, "groups": texts(&self.groups)});
        if !self.uid.is_empty() {
            shown["uid"] = (&*self.uid).into();
        }
        if !self.extra.is_empty() {
            let extra = self.extra.iter().map(|(name, values)| (name.to_string(), texts(values).into()));
            shown["extra"] = Value::Object(extra.collect());
        }
        shown
    }

    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|have| &**have == group)
    }

    /// The node whose agent this is: `system:node:n1` in `system:nodes`.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        if self.in_group(NODES) { self.name.strip_prefix("system:node:") } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_names_nobody() {
        for der in [&b""[..], b"\x30", b"\x30\x82\xff\xff\x00", &[0x30; 300]] {
            assert_eq!(User::from_certificate(der), None);
        }
    }

    #[test]
    fn a_certificate_names_user_groups_and_itself() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "bob");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "devs");
        let key = rcgen::KeyPair::generate().expect("a key");
        let der = params.self_signed(&key).expect("a certificate").der().to_vec();
        let bob = User::from_certificate(&der).expect("a user");
        assert_eq!((&*bob.name, bob.in_group("devs"), bob.in_group(AUTHENTICATED)), ("bob", true, true));
        let proof = bob.extra[CREDENTIAL].concat();
        let digits = proof.strip_prefix("X509SHA256=").expect("the digest of a certificate");
        let read: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits")).collect();
        assert_eq!((read.as_slice(), digits.len()), (digest(&SHA256, &der).as_ref(), 64));
    }

    #[test]
    fn a_node_is_named_by_user_and_group() {
        assert_eq!(User::new("system:node:n1", &[NODES]).node(), Some("n1"));
        assert_eq!(User::new("system:node:n1", &[]).node(), None);
    }
}
