//! Secrets that hold a token of a service account without an end. A Secret of that type is complete from its first write: each member
//! has the key, so nobody need come after it. The token is good as long as the Secret holds it.
use crate::authentication::chain::Trust;
use crate::authentication::claims::{Claims, Named};
use crate::draft;
use api::service_account::{ACCOUNT_NAME, ACCOUNT_UID, TOKEN_SECRET};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use store::view::View;

/// Puts into a Secret of that type what it does not hold yet. One whose account is not there stays as it is.
pub fn fill(view: &View, trust: &Trust, secret: &mut Value) {
    if secret["type"] != TOKEN_SECRET {
        return;
    }
    let (namespace, name) = (draft::text(secret, "namespace").to_owned(), draft::text(secret, "name").to_owned());
    let account = secret["metadata"]["annotations"][ACCOUNT_NAME].as_str().unwrap_or_default().to_owned();
    let Some(found) = view.get("serviceaccounts", &namespace, &account) else { return };
    let uid = found.uid.to_string();
    match secret["metadata"]["annotations"][ACCOUNT_UID].as_str().unwrap_or_default() {
        "" => secret["metadata"]["annotations"][ACCOUNT_UID] = uid.as_str().into(),
        // It was another's of this name.
        known if known != uid => return,
        _ => {}
    }
    if !secret["data"].is_object() {
        secret["data"] = json!({});
    }
    let mut put = |member: &str, make: &dyn Fn() -> String| {
        if secret["data"][member].as_str().unwrap_or_default().is_empty() {
            secret["data"][member] = STANDARD.encode(make()).into();
        }
    };
    put("namespace", &|| namespace.clone());
    if !trust.authority_pem.is_empty() {
        put("ca.crt", &|| trust.authority_pem.to_string());
    }
    put("token", &|| {
        let account = Named { name: account.clone(), uid: uid.clone() };
        let secret = Some(Named { name: name.clone(), uid: String::new() });
        trust.signer.sign(&Claims { namespace: namespace.clone(), account, secret, ..Claims::default() }.to_value())
    });
}
