//! Questions that are answered and not kept: may I, who am I, what may I.
mod access;
mod rules;

use crate::body;
use crate::call::Call;
use crate::request::Response;
use crate::shape;
use api::revision::Millis;
use api::status::Status;
use serde_json::{Value, json};

/// # Errors
/// 400 for a body that is no review, 422 for one that asks nothing or too much.
pub async fn review(call: &Call) -> Result<Response, Status> {
    let decoded = body::object(call, crate::query::FieldValidation::Ignore).await?;
    let mut review = decoded.value;
    crate::draft::identify(&call.kind, &mut review)?;
    review["status"] = match &*call.kind.kind {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            access::answer(call, &mut review).await?
        }
        "SelfSubjectRulesReview" => rules::answer(call, &review["spec"]).await?,
        "SelfSubjectReview" => json!({"userInfo": call.user.shown()}),
        "TokenReview" => token(call, &review["spec"]).await?,
        _ => return Err(crate::call::not_allowed()),
    };
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    review["metadata"]["creationTimestamp"] =
        if &*call.kind.kind == "SelfSubjectReview" { Millis(rt::wall()).rfc3339().into() } else { Value::Null };
    shape::answer(call, 201, &review)
}

/// Whose a token is.
async fn token(call: &Call, spec: &Value) -> Result<Value, Status> {
    let text = spec["token"].as_str().filter(|token| !token.is_empty());
    let text = text.ok_or_else(|| Status::bad_request("token is required for TokenReview in authentication"))?;
    let audiences = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let audiences: Vec<String> = audiences.map(str::to_owned).collect();
    Ok(match call.room.chain.known(text, &audiences).await {
        Ok(Some(known)) => json!({"authenticated": true, "user": known.user.shown(), "audiences": known.audiences}),
        Ok(None) => json!({"user": {}, "error": "invalid bearer token"}),
        Err(why) => json!({"user": {}, "error": why}),
    })
}
