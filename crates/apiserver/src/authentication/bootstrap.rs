//! Bootstrap tokens (`abcdef.0123456789abcdef`): Secrets of kube-system, with which a new machine asks for its first certificate. The
//! cluster's own join tokens have such names too, but keep a hash and no secret: they prove nothing here.
use super::authenticator::{Authenticator, Known, Verdict};
use crate::identity::User;
use api::revision::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consensus::Member;
use futures::FutureExt;
use futures::future::BoxFuture;
use ring::digest::{SHA256, digest};
use store::view::View;

const NAMESPACE: &str = "kube-system";
/// The group of all whose tokens are of this kind, and how the others begin that a token may name.
const GROUP: &str = "system:bootstrappers";

pub struct BootstrapTokens {
    member: Member,
}

impl BootstrapTokens {
    #[must_use]
    pub fn new(member: Member) -> Self {
        Self { member }
    }
}

impl Authenticator for BootstrapTokens {
    fn authenticate<'a>(&'a self, token: &'a str, _audiences: &'a [String]) -> BoxFuture<'a, Verdict> {
        let known = async move {
            let Some((id, secret)) = parts(token) else { return Ok(None) };
            let now = Millis(rt::wall());
            let mut user = proved(&self.member.view(), id, secret, now);
            if user.is_none() && self.member.leading().is_none() {
                // It may have been made a moment ago, through another member.
                user = proved(&*self.member.linearizable().await.map_err(|why| why.0)?, id, secret, now);
            }
            Ok(user.map(|user| Known { user, audiences: Vec::new() }))
        };
        known.boxed()
    }
}

/// Six letters and digits, a dot, sixteen of them.
fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fine = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (id.len() == 6 && secret.len() == 16 && fine(id) && fine(secret)).then_some((id, secret))
}

fn proved(view: &View, id: &str, secret: &str, now: Millis) -> Option<User> {
    let object = view.get("secrets", NAMESPACE, &format!("bootstrap-token-{id}"))?;
    let kept = object.value();
    let data = |member: &str| String::from_utf8(STANDARD.decode(kept["data"][member].as_str()?).ok()?).ok();
    let same = |left: &str, right: &str| {
        digest(&SHA256, left.as_bytes()).as_ref() == digest(&SHA256, right.as_bytes()).as_ref()
    };
    let good = object.facet.deleting.is_none()
        && kept["type"] == "bootstrap.kubernetes.io/token"
        // Digests are compared, so that the time it takes says nothing of the secret.
        && data("token-secret").is_some_and(|kept| !kept.is_empty() && same(&kept, secret))
        && data("token-id").is_some_and(|kept| kept == id)
        && data("expiration").is_none_or(|text| text.is_empty() || Millis::parse(&text).is_some_and(|at| at > now))
        && data("usage-bootstrap-authentication").as_deref() == Some("true");
    if !good {
        return None;
    }
    let groups = groups(&data("auth-extra-groups").unwrap_or_default())?;
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    Some(User::new(&format!("system:bootstrap:{id}"), &groups))
}

/// `None`: it names a group that is not one for it, and is good for nothing.
fn groups(extra: &str) -> Option<Vec<String>> {
    let mut groups: Vec<String> = vec![GROUP.into()];
    for group in extra.split(',').filter(|group| !group.is_empty()) {
        let tail = group.strip_prefix("system:bootstrappers:")?;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '-');
        let ends = tail.starts_with(|c: char| c.is_ascii_alphanumeric())
            && tail.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !ends || !tail.chars().all(fine) {
            return None;
        }
        groups.push(group.into());
    }
    Some(groups)
}
