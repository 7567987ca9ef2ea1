//! The service account tokens of one pod's volumes: which it needs, which were asked for and are held, and when they are renewed. Pure:
//! answers and the time in, what to ask out. They are kept in memory and in the pod's volumes only.
use crate::limits::{REPORT_AGAIN_AFTER, TOKEN_AGE_MAX, TOKEN_ASK_AGAIN};
use crate::pod::env::TokenKey;
use crate::pod::file::tokens;
use crate::pod::spec::Pod;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Tokens {
    held: BTreeMap<TokenKey, Held>,
    /// Under way or refused: the question's number, and when it may be asked again.
    asked: BTreeMap<TokenKey, (u64, u64)>,
}

#[derive(Debug)]
struct Held {
    token: String,
    /// Another is asked for from then on.
    renew: u64,
}

impl Tokens {
    /// What is to be asked for at `now`: what is not held, and what is to be renewed.
    #[must_use]
    pub(crate) fn due(&self, pod: &Pod, now: u64) -> Vec<TokenKey> {
        let free = |key: &TokenKey| self.asked.get(key).is_none_or(|(_, again)| *again <= now);
        let old = |key: &TokenKey| self.held.get(key).is_none_or(|held| held.renew <= now);
        tokens(pod).into_iter().filter(|key| old(key) && free(key)).collect()
    }

    /// Whether all that the pod needs is held.
    #[must_use]
    pub(crate) fn complete(&self, pod: &Pod) -> bool {
        tokens(pod).iter().all(|key| self.held.contains_key(key))
    }

    /// When the next is due.
    #[must_use]
    pub(crate) fn wake(&self, pod: &Pod) -> Option<u64> {
        let at = |key: &TokenKey| {
            let renew = self.held.get(key).map_or(0, |held| held.renew);
            self.asked.get(key).map_or(renew, |(_, again)| renew.max(*again))
        };
        tokens(pod).iter().map(at).min()
    }

    pub(crate) fn asked(&mut self, key: TokenKey, id: u64, now: u64) {
        self.asked.insert(key, (id, now + REPORT_AGAIN_AFTER));
    }

    /// Another session: what was asked in the last one is not answered in this one.
    pub(crate) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Takes an answer: a token and its end, or why there is none. Gives whether the question was one of these.
    pub(crate) fn answered(&mut self, id: u64, answer: Result<(String, u64), &str>, now: u64) -> bool {
        let Some(key) = self.asked.iter().find(|(_, (asked, _))| *asked == id).map(|(key, _)| key.clone()) else {
            return false;
        };
        match answer {
            Ok((token, expires)) => {
                // As the kubelet does: at four fifths of its life, and after a day at the latest.
                let life = expires.saturating_sub(now) / 5 * 4;
                self.held.insert(key.clone(), Held { token, renew: now + life.min(TOKEN_AGE_MAX) });
                self.asked.remove(&key);
            }
            Err(_) => _ = self.asked.insert(key, (id, now + TOKEN_ASK_AGAIN)),
        }
        true
    }

    /// What the volumes are made of.
    #[must_use]
    pub(crate) fn texts(&self) -> BTreeMap<TokenKey, String> {
        self.held.iter().map(|(key, held)| (key.clone(), held.token.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_are_asked_for_kept_and_renewed() {
        let source = json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 600}});
        let pod = Pod::read(
            &json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"containers": [{"name": "c"}],
            "volumes": [{"name": "v", "projected": {"sources": [source]}}]}}),
        )
        .expect("a pod");
        let mut tokens = Tokens::default();
        let due = tokens.due(&pod, 5);
        assert_eq!(due, [TokenKey { audience: String::new(), seconds: 600 }]);
        tokens.asked(due[0].clone(), 1, 5);
        assert!(tokens.due(&pod, 6).is_empty() && !tokens.complete(&pod));
        assert!(!tokens.answered(2, Ok((String::new(), 0)), 6), "the answer to another's question");
        assert!(tokens.answered(1, Err("no"), 6));
        assert!(tokens.due(&pod, 7).is_empty(), "who was refused waits");
        tokens.forget_asked();
        tokens.asked(tokens.due(&pod, 7)[0].clone(), 3, 7);
        assert!(tokens.answered(3, Ok(("t".into(), 600_007)), 7) && tokens.complete(&pod));
        assert_eq!(
            (tokens.wake(&pod), tokens.due(&pod, 480_000).len(), tokens.due(&pod, 480_007).len()),
            (Some(480_007), 0, 1)
        );
        assert!(tokens.complete(&pod) && tokens.texts()[&due[0]] == "t", "the old one is good while the new one comes");
    }
}
