//! When to try again: the back-off of containers, pulls and makings. Pure arithmetic.
use super::seen::{Attempt, Exit, Failure};
use super::spec::RestartPolicy;
use crate::limits::{
    MAKE_WAIT_FIRST, MAKE_WAIT_MAX, PULL_WAIT_FIRST, PULL_WAIT_MAX, RESTART_FORGIVEN_AFTER, RESTART_WAIT_FIRST,
    RESTART_WAIT_MAX,
};

/// Whether an ended container is to run again.
#[must_use]
pub fn again(policy: RestartPolicy, exit: &Exit) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit.code != 0,
        RestartPolicy::Never => false,
    }
}

/// When the next attempt may start. The first restart is at once, then 10 s, doubling to 300 s.
#[must_use]
pub fn due(attempt: &Attempt, exit: &Exit) -> u64 {
    if forgiven(exit) || attempt.level == 0 {
        return exit.finished;
    }
    exit.finished + doubling(RESTART_WAIT_FIRST, RESTART_WAIT_MAX, attempt.level - 1)
}

/// The level of the attempt after this one.
#[must_use]
pub fn level_after(attempt: &Attempt, exit: &Exit) -> u32 {
    if forgiven(exit) { 1 } else { attempt.level.saturating_add(1) }
}

fn forgiven(exit: &Exit) -> bool {
    exit.finished.saturating_sub(exit.started) >= RESTART_FORGIVEN_AFTER
}

/// When a failed pull may be tried again.
#[must_use]
pub fn pull_due(failure: &Failure) -> u64 {
    failure.at + doubling(PULL_WAIT_FIRST, PULL_WAIT_MAX, failure.count.saturating_sub(1))
}

/// When a failed making may be tried again.
#[must_use]
pub fn make_due(failure: &Failure) -> u64 {
    failure.at + doubling(MAKE_WAIT_FIRST, MAKE_WAIT_MAX, failure.count.saturating_sub(1))
}

/// `first` doubled `times` times, at most `most`.
#[must_use]
pub fn doubling(first: u64, most: u64, times: u32) -> u64 {
    first.saturating_mul(1_u64.checked_shl(times.min(32)).unwrap_or(u64::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::seen::State;

    #[test]
    fn waits_double_from_ten_seconds_to_five_minutes_and_are_forgiven() {
        let exit = |ran: u64| Exit {
            code: 1,
            signal: 0,
            reason: "Error".into(),
            message: String::new(),
            started: 0,
            finished: ran,
        };
        let attempt = |level| Attempt {
            id: "c".into(),
            sandbox: "s".into(),
            attempt: level,
            level,
            image_id: String::new(),
            state: State::Exited(exit(1)),
        };
        let waits: Vec<_> = (0..9).map(|level| due(&attempt(level), &exit(1)) - 1).collect();
        assert_eq!(waits, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
        assert_eq!(due(&attempt(8), &exit(600_000)), 600_000);
        assert_eq!((level_after(&attempt(8), &exit(600_000)), level_after(&attempt(8), &exit(5))), (1, 9));
        assert!(again(RestartPolicy::OnFailure, &exit(1)) && !again(RestartPolicy::Never, &exit(1)));
    }
}
