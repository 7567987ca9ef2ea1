//! A server of others that knows tokens: it is asked with a TokenReview (authentication.k8s.io/v1) and answers with its status.
use super::authenticator::{Authenticator, Known, Verdict};
use super::https::Client;
use super::memory::Memory;
use crate::identity::User;
use crate::limits::{WEBHOOK_ATTEMPTS, WEBHOOK_KNOWN, WEBHOOK_PAUSE, WEBHOOK_UNKNOWN};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

pub struct Webhook {
    url: String,
    client: Client,
    /// With what it is told who asks; empty: with nothing.
    bearer: String,
    answers: Memory<Verdict>,
}

impl Webhook {
    #[must_use]
    pub fn new(url: String, client: Client, bearer: String) -> Self {
        Self { url, client, bearer, answers: Memory::default() }
    }

    async fn known(&self, token: &str, audiences: &[String]) -> Verdict {
        // An answer is for those who asked.
        let question = format!("{token}\n{}", audiences.join("\n"));
        if let Some(answer) = self.answers.get(&question) {
            return answer;
        }
        let review = self.review(token, audiences).await;
        let review =
            review.inspect_err(|why| tracing::warn!(why, "a token webhook does not answer: its tokens are refused"));
        let answer = verdict(&review?["status"], audiences);
        let lasts = if matches!(answer, Ok(Some(_))) { WEBHOOK_KNOWN } else { WEBHOOK_UNKNOWN };
        self.answers.keep(&question, answer.clone(), lasts);
        answer
    }

    /// The answered review. That it could not be asked is not kept.
    async fn review(&self, token: &str, audiences: &[String]) -> Result<Value, String> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {"creationTimestamp": null},
            "spec": {"token": token, "audiences": audiences}});
        let bearer = Some(self.bearer.as_str()).filter(|bearer| !bearer.is_empty());
        let mut attempt = 1;
        loop {
            match self.client.ask(&self.url, Some(&review), bearer).await {
                Err(why) if attempt < WEBHOOK_ATTEMPTS => {
                    tracing::debug!(why, "a token webhook did not answer; it is asked again");
                    attempt += 1;
                    rt::sleep(WEBHOOK_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }
}

impl Authenticator for Webhook {
    fn authenticate<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Verdict> {
        self.known(token, audiences).boxed()
    }
}

/// What an answer says to `asked`, the audiences that were named to it. A token for others proves nothing here.
fn verdict(status: &Value, asked: &[String]) -> Verdict {
    if status["authenticated"] != true {
        return match status["error"].as_str().unwrap_or_default() {
            "" => Ok(None),
            why => Err(why.to_owned()),
        };
    }
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (told, groups) = (&status["user"], texts(&status["user"]["groups"]));
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut user = User::new(told["username"].as_str().unwrap_or_default(), &groups);
    if user.name.is_empty() {
        return Err("the webhook named no user".into());
    }
    user.uid = told["uid"].as_str().unwrap_or_default().into();
    let extra = told["extra"].as_object().into_iter().flatten();
    user.extra = extra
        .map(|(name, values)| (name.as_str().into(), texts(values).into_iter().map(Into::into).collect()))
        .collect();
    let mut audiences = texts(&status["audiences"]);
    let told = !audiences.is_empty();
    audiences.retain(|one| asked.contains(one));
    Ok(if told && audiences.is_empty() { None } else { Some(Known { user, audiences }) })
}

#[cfg(test)]
mod tests {
    use super::verdict;
    use serde_json::json;

    #[test]
    fn a_token_for_others_proves_nothing() {
        let asked = ["here".to_owned()];
        for (told, wanted) in [
            (json!([]), Some(vec![])),
            (json!(["there", "here"]), Some(vec!["here".to_owned()])),
            (json!(["there"]), None),
        ] {
            let status = json!({"authenticated": true, "user": {"username": "a"}, "audiences": told});
            let known = verdict(&status, &asked).expect("no refusal");
            assert_eq!(known.map(|known| known.audiences), wanted, "{told}");
        }
    }
}
