//! Who asks, as far as they proved it. It decides nothing about what they may.
pub mod authenticator;
pub mod bearer;
pub mod bootstrap;
pub mod chain;
pub mod claims;
pub mod config;
pub mod https;
pub mod jwt;
pub mod keys;
pub mod memory;
pub mod oidc;
pub mod service_accounts;
pub mod signer;
pub mod webhook;

use crate::identity::User;
use crate::permission;
use crate::request::Request;
use api::status::Status;
use chain::Chain;
use hyper::HeaderMap;

/// The user that TLS proved, or else a token; nobody in particular where a path is open to everybody.
///
/// # Errors
/// 401 if nothing was proved, or what should prove it is no good.
pub async fn who(chain: &Chain, request: &Request, path: &str) -> Result<User, Status> {
    if let Some(user) = &request.user {
        return Ok(user.clone());
    }
    match by_token(chain, &request.headers).await? {
        Some(user) => Ok(user),
        None if permission::anonymous(path) => Ok(User::anonymous()),
        None => Err(unauthorized()),
    }
}

/// The user that a bearer token proves; `None` if the request has none.
///
/// # Errors
/// 401 if it proves nothing.
pub async fn by_token(chain: &Chain, headers: &HeaderMap) -> Result<Option<User>, Status> {
    let Some(token) = bearer::token(headers) else { return Ok(None) };
    match chain.known(&token, &[]).await {
        Ok(Some(known)) => Ok(Some(known.user)),
        Ok(None) => Err(unauthorized()),
        Err(why) => {
            // Who asks is not told: it may not be theirs to know.
            tracing::debug!(why, "a bearer token was refused");
            Err(unauthorized())
        }
    }
}

fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}
