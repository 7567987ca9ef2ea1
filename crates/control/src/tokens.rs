//! Join tokens in the cluster's own state: a Secret each, of the type and name that Kubernetes' bootstrap tokens have, but with a
//! hash in the place of the secret. It decides who may join.
use api::command::{Change, Condition, Outcome, Write};
use api::key::Key;
use api::revision::Millis;
use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consensus::Member;
use link::authority::Pin;
use link::token::{Kept, Role, Token};
use serde_json::{Value, json};
use store::view::View;

use crate::submit::{By, submit};

const NAMESPACE: &str = "kube-system";

fn key(id: &str) -> Key {
    Key::new("secrets", NAMESPACE, &format!("bootstrap-token-{id}"))
}

/// Makes a token and keeps its hash; for a member that takes the place of another, with that one's id.
///
/// # Errors
/// If the log cannot be reached.
pub(crate) async fn create(
    member: &Member,
    by: By<'_>,
    pin: Pin,
    role: Role,
    valid_ms: u64,
    replaces: Option<u64>,
) -> Result<Token, Status> {
    let expires = Millis(rt::wall().saturating_add(valid_ms));
    // A secret: every bit unpredictable.
    let secret = (u128::from(rt::random()) << 64) | u128::from(rt::random());
    let token = Token::make(role, secret, rt::random(), expires, pin);
    let body =
        api::kinds::body("secrets", &object(&token, replaces)).map_err(|why| Status::internal(why.to_string()))?;
    let writes = vec![Write { key: key(&token.id), condition: Condition::Absent, change: Change::Put(body) }];
    let read = member.view().revision();
    match submit(member, by, read, writes).await {
        Ok(Outcome::Done { .. }) => Ok(token),
        Ok(Outcome::Refused { .. }) => Err(Status::unavailable("another token has this id; ask again")),
        Err(error) => Err(Status::unavailable(format!("the token was not kept: {error}"))),
    }
}

fn object(token: &Token, replaces: Option<u64>) -> Value {
    let kept = token.kept();
    let data = |text: &str| STANDARD.encode(text);
    let mut object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"namespace": NAMESPACE, "name": &*key(&token.id).name},
        "data": {
            "token-id": data(&token.id), "secret-hash": data(&kept.hash), "role": data(kept.role.text()),
            "expiration": data(&kept.expires.rfc3339()),
        },
    });
    if let Some(id) = replaces {
        object["data"]["replaces"] = data(&id.to_string()).into();
    }
    object
}

/// The member whose place the token with this id gives.
pub(crate) fn replaces(view: &View, id: &str) -> Option<u64> {
    let secret = view.get_key(&key(id))?.value();
    String::from_utf8(STANDARD.decode(secret["data"]["replaces"].as_str()?).ok()?).ok()?.parse().ok()
}

/// What is kept of the token with this id.
pub(crate) fn kept(view: &View, id: &str) -> Option<Kept> {
    let secret = view.get_key(&key(id))?.value();
    let text = |member: &str| String::from_utf8(STANDARD.decode(secret["data"][member].as_str()?).ok()?).ok();
    Some(Kept {
        role: Role::parse(&text("role")?)?,
        expires: Millis::parse(&text("expiration")?)?,
        hash: text("secret-hash")?,
    })
}

/// The tokens that are kept, without what could be used.
pub(crate) fn list(view: &View) -> Vec<Value> {
    let names =
        view.list("secrets", Some(NAMESPACE)).filter_map(|secret| secret.key.name.strip_prefix("bootstrap-token-"));
    let shown = |id: &str| {
        let kept = kept(view, id)?;
        Some(json!({"id": id, "role": kept.role.text(), "expires": kept.expires.rfc3339()}))
    };
    names.filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: By<'_> = By { actor: "somebody", agent: "a test" };

    #[tokio::test]
    async fn a_token_is_kept_without_its_secret_and_known_again() {
        let member = Member::alone();
        let token = create(&member, BY, [1; 32], Role::Node, 60_000, None).await.expect("made");
        let of_place = create(&member, BY, [1; 32], Role::Member, 60_000, Some(7)).await.expect("made");
        let view = member.view();
        assert_eq!((replaces(&view, &token.id), replaces(&view, &of_place.id)), (None, Some(7)));
        let now = Millis(rt::wall());
        assert_eq!(token.check(kept(&view, &token.id).as_ref(), Role::Node, now), Ok(()));
        assert!(token.check(kept(&view, &token.id).as_ref(), Role::Member, now).is_err());
        let printed = token.to_string();
        let secret = printed.split('.').nth(3).expect("a secret");
        let stored = String::from_utf8_lossy(&view.get_key(&key(&token.id)).expect("kept").bytes).into_owned();
        assert!(!stored.contains(secret) && !stored.contains(&STANDARD.encode(secret)));
        assert!(list(&view).contains(&json!({"id": token.id, "role": "node", "expires": token.expires.rfc3339()})));
        assert_eq!(kept(&view, "zzzzzz"), None);
    }
}
