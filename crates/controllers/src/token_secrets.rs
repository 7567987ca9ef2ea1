//! Secrets that hold a token of a service account go with the account: one whose account is not there, or another now, proves nobody and is
//! taken away. It never fills them: who keeps the key does.
use crate::controller::Controller;
use crate::writes::begin_deletion;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use api::service_account::{ACCOUNT_NAME, ACCOUNT_UID, TOKEN_SECRET};
use store::view::View;

const RESOURCE: &str = "secrets";

pub(crate) const CONTROLLER: Controller = Controller { name: "token_secrets", keys, all, decide };

fn holds_token(secret: &Object) -> bool {
    &*secret.key.resource == RESOURCE && secret.facet.field("type") == Some(TOKEN_SECRET)
}

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    match &*object.key.resource {
        RESOURCE if event.act != Act::Deleted && holds_token(object) => vec![object.key.clone()],
        "serviceaccounts" if event.act != Act::Modified => {
            let all = view.list(RESOURCE, Some(&object.key.namespace)).filter(|secret| holds_token(secret));
            all.map(|secret| secret.key.clone()).collect()
        }
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).filter(|secret| holds_token(secret)).map(|secret| secret.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(secret) = view.get_key(key).filter(|secret| holds_token(secret)) else { return Decision::idle() };
    let value = secret.value();
    let told = |name: &str| value["metadata"]["annotations"][name].as_str().unwrap_or_default();
    let account = view.get("serviceaccounts", &key.namespace, told(ACCOUNT_NAME));
    let uid = told(ACCOUNT_UID);
    if account.is_some_and(|account| uid.is_empty() || account.uid.to_string() == uid) {
        return Decision::idle();
    }
    Decision::one(begin_deletion(secret, "", now).into_iter().collect(), "its service account is gone")
}
