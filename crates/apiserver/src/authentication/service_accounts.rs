//! Tokens of service accounts. A signature is checked once; whether the account, and what the token is bound to, are still there is looked
//! up each time, so that a token is worth nothing from the moment that its pod is gone.
use super::authenticator::{Authenticator, Known, Verdict};
use super::claims::{Claims, LEGACY_ISSUER, Named};
use super::jwt::Jwt;
use super::memory::Memory;
use super::signer::{ISSUER, Signer};
use crate::identity::User;
use crate::limits::{TOKEN_LEEWAY, TOKEN_REMEMBERED};
use api::object::Object;
use api::revision::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consensus::Member;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

pub struct ServiceAccounts {
    member: Member,
    signer: Arc<Signer>,
    /// Claims whose signature was checked.
    proved: Memory<Arc<Claims>>,
}

impl ServiceAccounts {
    #[must_use]
    pub fn new(member: Member, signer: Arc<Signer>) -> Self {
        Self { member, signer, proved: Memory::default() }
    }

    /// `Ok(None)`: another has issued it.
    fn prove(&self, token: &str) -> Result<Option<Arc<Claims>>, String> {
        if let Some(known) = self.proved.get(token) {
            return Ok(Some(known));
        }
        let Some(read) = Jwt::read(token).filter(|read| matches!(read.issuer(), ISSUER | LEGACY_ISSUER)) else {
            return Ok(None);
        };
        let claims = read.proved([self.signer.key()]).and_then(Claims::read).map(Arc::new);
        let claims = claims.ok_or("invalid bearer token")?;
        self.proved.keep(token, claims.clone(), TOKEN_REMEMBERED);
        Ok(Some(claims))
    }

    async fn known(&self, token: &str, asked: &[String]) -> Verdict {
        let Some(claims) = self.prove(token)? else { return Ok(None) };
        let now = Millis(rt::wall());
        claims.timely(now)?;
        let good_for = good_for(&claims, asked)?;
        let seen = match there(&self.member.view(), &claims, token, now) {
            // What is missing here may have been made a moment ago, through another member.
            Err(_) if self.member.leading().is_none() => {
                let newest = self.member.linearizable().await.map_err(|why| why.0)?;
                there(&newest, &claims, token, now)
            }
            seen => seen,
        };
        seen.map(|()| Some(Known { user: user(&claims), audiences: good_for }))
    }
}

impl Authenticator for ServiceAccounts {
    fn authenticate<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Verdict> {
        self.known(token, audiences).boxed()
    }
}

/// Which of the audiences that ask it is for; a legacy token is for the API's own, of which this is not asked.
fn good_for(claims: &Claims, asked: &[String]) -> Result<Vec<String>, String> {
    if claims.expires.is_none() {
        return Ok(Vec::new());
    }
    let both: Vec<String> = asked.iter().filter(|one| claims.audiences.contains(one)).cloned().collect();
    if both.is_empty() {
        let has = &claims.audiences;
        return Err(format!("token audiences {has:?} is invalid for the target audiences {asked:?}"));
    }
    Ok(both)
}

/// Whether everything that the token stands on is there, with the uids that it says, and not long on its way out.
fn there(view: &View, claims: &Claims, token: &str, now: Millis) -> Result<(), String> {
    let Claims { namespace, account, .. } = claims;
    let live = |object: &&Arc<Object>| {
        let leeway = u64::try_from(TOKEN_LEEWAY.as_millis()).unwrap_or_default();
        object.facet.deleting().is_none_or(|at| at.0.saturating_add(leeway) >= now.0)
    };
    let found = view.get("serviceaccounts", namespace, &account.name);
    let found = found.ok_or_else(|| format!("serviceaccounts {:?} not found", account.name))?;
    if !live(&found) {
        return Err(format!("service account {namespace}/{} has been deleted", account.name));
    }
    let uid = found.uid.to_string();
    if uid != account.uid {
        return Err(format!("service account UID ({uid}) does not match claim ({})", account.uid));
    }
    let bound = |resource: &str, what: &str, namespace: &str, named: &Named| {
        let invalidated = || "service account token has been invalidated".to_owned();
        let found = view.get(resource, namespace, &named.name).filter(live).ok_or_else(invalidated)?;
        let uid = found.uid.to_string();
        if named.uid.is_empty() || uid == named.uid {
            return Ok(found);
        }
        Err(format!("{what} UID ({uid}) does not match service account {what} ref claim ({})", named.uid))
    };
    if let Some(secret) = &claims.secret {
        let found = bound("secrets", "secret", namespace, secret)?;
        if claims.expires.is_none() && kept(&found.value()).as_deref() != Some(token) {
            return Err("token does not match server's copy".into());
        }
    }
    match (&claims.pod, &claims.node) {
        // The node is only told of a pod's token: the pod itself says where it may be used.
        (Some(pod), _) => bound("pods", "pod", namespace, pod).map(drop),
        (None, Some(node)) => bound("nodes", "node", "", node).map(drop),
        (None, None) => Ok(()),
    }
}

/// The token that a Secret holds.
fn kept(secret: &Value) -> Option<String> {
    String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str()?).ok()?).ok()
}

fn user(claims: &Claims) -> User {
    let Claims { namespace, account, .. } = claims;
    let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut user = User::new(&format!("system:serviceaccount:{namespace}:{}", account.name), &groups);
    user.uid = account.uid.as_str().into();
    let mut tell = |name: &str, value: String| {
        if !value.is_empty() {
            user.extra.insert(format!("authentication.kubernetes.io/{name}").into(), vec![value.into()]);
        }
    };
    if !claims.id.is_empty() {
        tell("credential-id", format!("JTI={}", claims.id));
    }
    for (what, named) in [("pod", &claims.pod), ("node", &claims.node)] {
        if let Some(Named { name, uid }) = named {
            tell(&format!("{what}-name"), name.clone());
            tell(&format!("{what}-uid"), uid.clone());
        }
    }
    user
}
