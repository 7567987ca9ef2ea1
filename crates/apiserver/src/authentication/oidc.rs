//! Tokens of an issuer that speaks OpenID Connect (Core 1.0, Discovery 1.0), as Kubernetes' structured authentication configuration
//! describes it: whom to believe, and which claims are a user's name and groups. Its keys are fetched when they are first needed, and again
//! when a token names one that is not known.
use super::authenticator::{Authenticator, Known, Verdict};
use super::https::Client;
use super::jwt::{Jwt, audiences};
use super::keys::PublicKey;
use crate::identity::User;
use crate::limits::{ISSUER_ASK_AGAIN, ISSUER_KEYS_KEPT};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What is believed of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuer {
    /// `iss` of its tokens, and where it says where its keys are, unless `discovery` is another place.
    pub url: String,
    pub discovery: String,
    /// Tokens must be for one of these.
    pub audiences: Vec<String>,
    /// The claims that are a user's name, groups and uid; empty: none is.
    pub username: Claim,
    pub groups: Claim,
    pub uid: String,
    /// Claims that must have a value.
    pub required: Vec<(String, String)>,
}

/// A claim, and what is put before its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    pub prefix: String,
}

pub struct Oidc {
    issuer: Issuer,
    client: Client,
    keys: Mutex<Fetched>,
}

/// The keys, and when they were asked for last.
#[derive(Default)]
struct Fetched {
    at: Option<rt::Instant>,
    keys: Arc<Vec<PublicKey>>,
}

impl Oidc {
    #[must_use]
    pub fn new(issuer: Issuer, client: Client) -> Self {
        Self { issuer, client, keys: Mutex::default() }
    }

    /// The keys as they were fetched at most `age` ago. Who asks meanwhile waits for the same answer.
    async fn keys(&self, age: std::time::Duration) -> Result<Arc<Vec<PublicKey>>, String> {
        let mut fetched = self.keys.lock().await;
        let fresh = fetched.at.is_some_and(|at| rt::now().since(at) < age);
        if !fresh {
            fetched.at = Some(rt::now());
            match self.fetch().await {
                Ok(keys) => fetched.keys = Arc::new(keys),
                // Those that are known stay good while the issuer is away.
                Err(why) if fetched.keys.is_empty() => {
                    fetched.at = None;
                    tracing::warn!(
                        issuer = self.issuer.url,
                        why,
                        "the keys of an issuer cannot be fetched: its tokens are refused"
                    );
                    return Err(format!("oidc: fetching keys {why}"));
                }
                Err(why) => tracing::warn!(why, "the keys of an issuer could not be fetched again"),
            }
        }
        Ok(fetched.keys.clone())
    }

    async fn fetch(&self) -> Result<Vec<PublicKey>, String> {
        let Issuer { url, discovery, .. } = &self.issuer;
        let at = if discovery.is_empty() {
            format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'))
        } else {
            discovery.clone()
        };
        let told = self.client.ask(&at, None, None).await?;
        if told["issuer"] != url.as_str() {
            return Err(format!("{at}: it is the configuration of issuer {}", told["issuer"]));
        }
        let keys = told["jwks_uri"].as_str().ok_or_else(|| format!("{at}: it names no jwks_uri"))?;
        Ok(PublicKey::of_set(&self.client.ask(keys, None, None).await?))
    }

    async fn known(&self, token: &str) -> Verdict {
        let Some(read) = Jwt::read(token).filter(|read| read.issuer() == self.issuer.url) else { return Ok(None) };
        let keys = self.keys(ISSUER_KEYS_KEPT).await?;
        let claims = match read.proved(&*keys) {
            Some(claims) => claims.clone(),
            None => {
                // It may be signed with a new one.
                let keys = self.keys(ISSUER_ASK_AGAIN).await?;
                let proved = read.proved(&*keys).cloned();
                proved.ok_or("oidc: verify token: failed to verify signature: failed to verify id token signature")?
            }
        };
        let user = self.issuer.user(&claims, rt::wall() / 1_000)?;
        Ok(Some(Known { user, audiences: Vec::new() }))
    }
}

impl Authenticator for Oidc {
    fn authenticate<'a>(&'a self, token: &'a str, _audiences: &'a [String]) -> BoxFuture<'a, Verdict> {
        self.known(token).boxed()
    }
}

impl Issuer {
    /// The user of proved claims; `now` in seconds.
    ///
    /// # Errors
    /// In words, if the token is for others, late or early, or says not what a user needs.
    pub fn user(&self, claims: &Value, now: u64) -> Result<User, String> {
        let seconds = |name: &str| claims[name].as_f64().map(|seconds| seconds.max(0.0) as u64);
        match seconds("exp") {
            Some(expires) if expires > now => {}
            _ => return Err("oidc: verify token: oidc: token is expired".into()),
        }
        let leeway = crate::limits::TOKEN_LEEWAY.as_secs();
        if seconds("nbf").is_some_and(|begins| begins > now + leeway) {
            return Err("oidc: verify token: oidc: token is not valid yet".into());
        }
        let has = audiences(claims);
        if !self.audiences.iter().any(|one| has.contains(one)) {
            return Err(format!("oidc: verify token: oidc: expected audience in {:?} got {has:?}", self.audiences));
        }
        for (name, value) in &self.required {
            if claims[name] != value.as_str() {
                return Err(format!("oidc: required claim {name} value does not match"));
            }
        }
        let name = claims[&self.username.name].as_str().filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| format!("oidc: parse username claims {:?}: claim not present", self.username.name))?;
        if self.username.name == "email" && claims.get("email_verified").is_some_and(|verified| *verified != true) {
            return Err("oidc: email not verified".into());
        }
        let groups = self.groups(&claims[&self.groups.name])?;
        let groups: Vec<String> = groups.iter().map(|group| format!("{}{group}", self.groups.prefix)).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let mut user = User::new(&format!("{}{name}", self.username.prefix), &groups);
        user.uid = claims[&self.uid].as_str().filter(|_| !self.uid.is_empty()).unwrap_or_default().into();
        Ok(user)
    }

    /// One group or a list of them.
    fn groups(&self, claim: &Value) -> Result<Vec<String>, String> {
        let wrong =
            || format!("oidc: parse groups claim {:?}: it is neither a text nor a list of texts", self.groups.name);
        match claim {
            Value::Null => Ok(Vec::new()),
            Value::String(one) => Ok(vec![one.clone()]),
            Value::Array(list) => {
                list.iter().map(|group| group.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            _ => Err(wrong()),
        }
    }
}
