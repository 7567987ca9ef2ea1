//! What was found out about tokens, for a while. Bounded; it keeps digests and never a token.
use crate::limits::TOKENS_KEPT;
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// SHA-256 of a token.
type Digest = [u8; 32];

/// Findings by token, each until its time.
pub struct Memory<T> {
    kept: Mutex<BTreeMap<Digest, (rt::Instant, T)>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<T: Clone> Memory<T> {
    #[must_use]
    pub fn get(&self, token: &str) -> Option<T> {
        // A token may be long: its digest is made before anybody is kept waiting.
        let digest = of(token);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&digest).filter(|(until, _)| *until > rt::now()).map(|(_, known)| known.clone())
    }

    /// Keeps a finding; what has had its time makes room, and if nothing has, whichever stands first.
    pub fn keep(&self, token: &str, known: T, lasts: Duration) {
        let (now, digest) = (rt::now(), of(token));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TOKENS_KEPT {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= TOKENS_KEPT {
            kept.pop_first();
        }
        kept.insert(digest, (now.after(lasts), known));
    }
}

fn of(token: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_bounded_and_forgets() {
        let memory = Memory::default();
        for number in 0..TOKENS_KEPT + 10 {
            memory.keep(&number.to_string(), number, Duration::from_secs(60));
        }
        assert_eq!(memory.kept.lock().expect("unpoisoned").len(), TOKENS_KEPT);
        assert_eq!(memory.get(&(TOKENS_KEPT + 9).to_string()), Some(TOKENS_KEPT + 9));
        memory.keep("gone", 0, Duration::ZERO);
        assert_eq!(memory.get("gone"), None);
    }
}
