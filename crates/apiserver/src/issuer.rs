//! The cluster as an issuer of tokens that others can check (OpenID Connect Discovery 1.0, KEP-1393): what it is called, and its keys.
use crate::authentication::keys::PublicKey;
use crate::authentication::signer::ISSUER;
use crate::request::{Content, JSON, Response};
use api::status::Status;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::json;

/// Where the two documents are served.
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/openid/v1/jwks";
/// Keys change with the cluster's authority only: they may be kept for an hour.
const KEPT: &str = "public, max-age=3600";
const KEY_SET: &str = "application/jwk-set+json";

#[must_use]
pub fn configuration() -> Response {
    let body = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}"), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]});
    Response::new(200, JSON, Content::Whole(body.to_string().into())).with(CACHE_CONTROL, KEPT)
}

/// # Errors
/// 406 for who takes no key set.
pub fn key_set(accept: Option<&str>, key: &PublicKey) -> Result<Response, Status> {
    let mut asked =
        accept.unwrap_or("*/*").split(',').map(|clause| clause.split(';').next().unwrap_or_default().trim());
    if !asked.any(|media| matches!(media, "" | "*/*" | "application/*" | KEY_SET)) {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {KEY_SET}");
        return Err(Status::new(406, "NotAcceptable", message).detailed());
    }
    let body = json!({"keys": [key.shown()]}).to_string();
    Ok(Response::new(200, HeaderValue::from_static(KEY_SET), Content::Whole(body.into())).with(CACHE_CONTROL, KEPT))
}
