//! What a decider wants done, as plain values. Nothing here decides or submits: actor, cause and the revision read are added by who runs it.
use crate::command::Write;
use crate::revision::Millis;

/// One atomic command in the making: all its writes happen, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub writes: Vec<Write>,
    /// What the decider wants remembered of its reasons (compact JSON, or a few words); may be empty.
    pub note: String,
}

/// What a decider made of one key at one view and time. Its drafts do not depend on each other: each may be refused alone,
/// and a refused one is decided again from a newer view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub drafts: Vec<Draft>,
    /// Decide this key again at this time even if nothing happens until then.
    pub wake_at: Option<Millis>,
}

impl Decision {
    /// Nothing to do until something happens.
    #[must_use]
    pub fn idle() -> Self {
        Self::default()
    }

    /// One atomic command; idle if there are no writes.
    #[must_use]
    pub fn one(writes: Vec<Write>, note: impl Into<String>) -> Self {
        let mut decision = Self::default();
        decision.push(writes, note);
        decision
    }

    /// Adds a command, unless it has no writes.
    pub fn push(&mut self, writes: Vec<Write>, note: impl Into<String>) {
        if !writes.is_empty() {
            self.drafts.push(Draft { writes, note: note.into() });
        }
    }

    /// Asks to be woken at `time`, or earlier if it already asked for that.
    pub fn wake(&mut self, time: Millis) {
        self.wake_at = Some(self.wake_at.map_or(time, |at| at.min(time)));
    }
}
