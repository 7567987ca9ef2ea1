//! Which keys are to be decided, which are being decided, and when others want to be woken. Pure: time is an argument.
//! At most one decision per (decider, key) is in flight; what happens meanwhile makes it be decided once more.
use crate::limits::{DECISIONS_PER_SECOND_MAX, DEFECT_REST_MAX, DEFECT_REST_MIN, RETRY_MAX, RETRY_MIN};
use api::key::Key;
use api::planted::{Bug, planted};
use api::revision::{Millis, Revision};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A decider, by its place in the list, and a key of its.
pub(crate) type Subject = (usize, Key);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: VecDeque<Subject>,
    subjects: BTreeMap<Subject, State>,
    timers: BTreeSet<(Millis, Subject)>,
    in_flight: usize,
    /// Decisions by subject in the second that began at `window`.
    rates: BTreeMap<Subject, u32>,
    window: Millis,
}

#[derive(Debug, Default)]
struct State {
    /// Stands in `ready`.
    queued: bool,
    running: bool,
    /// Something happened while it was running.
    again: bool,
    /// The newest revision that provoked it.
    cause: Revision,
    /// Stands in `timers`.
    wake: Option<Millis>,
    failures: u32,
    /// Its decider met a defect: whatever happens, it waits for its timer.
    rests: bool,
}

/// How the commands of a decision fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fared {
    Well,
    /// A condition did not hold: the world has moved on.
    Refused,
    /// The log could not be reached.
    Failed,
    /// The decider panicked.
    Defect,
}

impl Queue {
    /// Something at revision `cause` concerns the subject.
    pub(crate) fn provoke(&mut self, subject: Subject, cause: Revision) {
        let state = self.subjects.entry(subject.clone()).or_default();
        state.cause = state.cause.max(cause);
        if state.running {
            state.again = !planted(Bug::MissesWhileBusy);
        } else if !state.queued && !state.rests {
            state.queued = true;
            self.ready.push_back(subject);
        }
    }

    /// The next subject to decide, and what provoked it; it is then in flight until `finished`.
    pub(crate) fn next(&mut self, now: Millis) -> Option<(Subject, Revision)> {
        if now.0 >= self.window.0 + 1_000 {
            self.window = now;
            self.rates.clear();
        }
        while let Some(subject) = self.ready.pop_front() {
            let Some(state) = self.subjects.get_mut(&subject) else { continue };
            state.queued = false;
            let rate = self.rates.entry(subject.clone()).or_default();
            *rate += 1;
            if *rate > DECISIONS_PER_SECOND_MAX {
                if *rate == DECISIONS_PER_SECOND_MAX + 1 {
                    tracing::warn!(decider = subject.0, key = %subject.1, "decided too often; slowed down");
                }
                self.set_timer(&subject, Some(Millis(self.window.0 + 1_000)));
                continue;
            }
            state.running = true;
            let cause = state.cause;
            self.in_flight += 1;
            self.set_timer(&subject, None);
            return Some((subject, cause));
        }
        None
    }

    /// A decision's commands have their outcomes. `wake_at` is what the decider asked for.
    pub(crate) fn finished(&mut self, subject: &Subject, wake_at: Option<Millis>, fared: Fared, now: Millis) {
        let Some(state) = self.subjects.get_mut(subject) else { return };
        state.running = false;
        self.in_flight -= 1;
        let again = std::mem::take(&mut state.again);
        let mut wake = wake_at;
        let fared = if planted(Bug::NeverTriesAgain) { Fared::Well } else { fared };
        match fared {
            Fared::Well => state.failures = 0,
            Fared::Refused | Fared::Failed => {
                // The first refusal is a lost race and is decided again at once on what won it.
                let at = if fared == Fared::Refused && state.failures == 0 {
                    now
                } else {
                    Millis(now.0 + delay(state.failures, RETRY_MIN, RETRY_MAX))
                };
                state.failures += 1;
                wake = Some(wake.map_or(at, |wake| wake.min(at)));
            }
            Fared::Defect => {
                state.rests = true;
                wake = Some(Millis(now.0 + delay(state.failures, DEFECT_REST_MIN, DEFECT_REST_MAX)));
                state.failures += 1;
            }
        }
        self.set_timer(subject, wake);
        if again {
            self.provoke(subject.clone(), Revision(0));
        } else if wake.is_none() {
            self.subjects.remove(subject);
        }
    }

    /// Queues what wanted to be woken by `now`.
    pub(crate) fn wake(&mut self, now: Millis) {
        while let Some((at, subject)) = self.timers.first().cloned() {
            if at > now {
                return;
            }
            self.set_timer(&subject, None);
            if let Some(state) = self.subjects.get_mut(&subject) {
                state.rests = false;
            }
            self.provoke(subject, Revision(0));
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_wake(&self) -> Option<Millis> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether something waits to be decided.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn set_timer(&mut self, subject: &Subject, wake: Option<Millis>) {
        let Some(state) = self.subjects.get_mut(subject) else { return };
        if let Some(old) = state.wake {
            self.timers.remove(&(old, subject.clone()));
        }
        state.wake = wake;
        if let Some(at) = wake {
            self.timers.insert((at, subject.clone()));
        }
    }
}

fn delay(failures: u32, shortest: Duration, longest: Duration) -> u64 {
    let longest = longest.as_millis();
    let delay = shortest.as_millis().checked_shl(failures).unwrap_or(longest).min(longest);
    u64::try_from(delay).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        (0, Key::new("pods", "default", name))
    }

    #[test]
    fn one_in_flight_and_once_more_for_all_that_happened_meanwhile() {
        let mut queue = Queue::default();
        queue.provoke(subject("a"), Revision(1));
        queue.provoke(subject("a"), Revision(2));
        assert_eq!(queue.next(Millis(0)), Some((subject("a"), Revision(2))));
        queue.provoke(subject("a"), Revision(3));
        queue.provoke(subject("a"), Revision(4));
        assert_eq!(queue.next(Millis(0)), None);
        queue.finished(&subject("a"), None, Fared::Well, Millis(0));
        assert_eq!(queue.next(Millis(0)), Some((subject("a"), Revision(4))));
        queue.finished(&subject("a"), None, Fared::Well, Millis(0));
        assert_eq!((queue.next(Millis(0)), queue.in_flight()), (None, 0));
        assert!(queue.subjects.is_empty() && queue.timers.is_empty());
    }

    #[test]
    fn a_timer_wakes_once_and_an_earlier_decision_replaces_it() {
        let mut queue = Queue::default();
        queue.provoke(subject("a"), Revision(1));
        queue.next(Millis(0));
        queue.finished(&subject("a"), Some(Millis(50)), Fared::Well, Millis(0));
        queue.wake(Millis(49));
        assert_eq!((queue.next(Millis(49)), queue.next_wake()), (None, Some(Millis(50))));
        queue.provoke(subject("a"), Revision(2));
        assert_eq!(queue.next(Millis(49)), Some((subject("a"), Revision(2))));
        assert_eq!(queue.next_wake(), None);
        queue.finished(&subject("a"), Some(Millis(60)), Fared::Well, Millis(49));
        queue.wake(Millis(60));
        assert_eq!(queue.next(Millis(60)), Some((subject("a"), Revision(2))));
    }

    #[test]
    fn a_refused_decision_is_made_again_at_once_then_later_and_later() {
        let mut queue = Queue::default();
        queue.provoke(subject("a"), Revision(1));
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..6 {
            queue.wake(Millis(now));
            assert!(queue.next(Millis(now)).is_some());
            queue.finished(&subject("a"), None, Fared::Refused, Millis(now));
            let wake = queue.next_wake().expect("it is tried again").0;
            waits.push(wake - now);
            now = wake;
        }
        assert_eq!(waits, [0, 20, 40, 80, 160, 320]);
    }

    #[test]
    fn a_key_that_met_a_defect_rests_longer_and_longer_whatever_happens() {
        let mut queue = Queue::default();
        queue.provoke(subject("a"), Revision(1));
        let mut rests = Vec::new();
        let mut now = 0;
        for _ in 0..10 {
            queue.wake(Millis(now));
            assert!(queue.next(Millis(now)).is_some());
            queue.provoke(subject("a"), Revision(2));
            queue.finished(&subject("a"), None, Fared::Defect, Millis(now));
            queue.provoke(subject("a"), Revision(3));
            assert_eq!(queue.next(Millis(now)), None, "it rests");
            let wake = queue.next_wake().expect("it is tried again").0;
            rests.push((wake - now) / 1_000);
            now = wake;
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        queue.wake(Millis(now));
        assert_eq!(queue.next(Millis(now)), Some((subject("a"), Revision(3))));
        queue.finished(&subject("a"), None, Fared::Well, Millis(now));
        queue.provoke(subject("a"), Revision(4));
        assert!(queue.next(Millis(now)).is_some(), "it is well again");
    }

    #[test]
    fn a_controller_that_answers_itself_is_slowed_down() {
        let mut queue = Queue::default();
        let mut decided = 0;
        for step in 0..2_000u64 {
            let now = Millis(5_000 + step / 2);
            queue.wake(now);
            queue.provoke(subject("a"), Revision(step));
            if queue.next(now).is_some() {
                decided += 1;
                queue.finished(&subject("a"), None, Fared::Well, now);
            }
        }
        assert!(decided <= 2 * DECISIONS_PER_SECOND_MAX, "{decided} in a second");
        queue.wake(Millis(7_000));
        assert!(queue.next(Millis(7_000)).is_some(), "what was put off is decided later");
    }
}
