//! A node's own clocks: monotonic with offset, drift and suspension, and wall with jumps. Monotonic time never goes back,
//! and a timer never fires before its instant by the clock of its node.

/// Nanoseconds of virtual time since the simulation began.
pub type Nanos = u64;

/// The wall clock at the start of every simulation: 2026-01-01T00:00:00Z.
pub const WALL_START_MILLIS: i64 = 1_767_225_600_000;

const MILLION: i128 = 1_000_000;

/// The clocks of one node.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// What the monotonic clock shows at the start.
    pub offset: Nanos,
    /// How much faster (slower) than true time it runs, in millionths.
    pub drift_ppm: i32,
    /// How far the wall clock is off.
    pub wall_offset_millis: i64,
    /// Virtual time spent suspended: the monotonic clock stood still, as a virtual machine's does.
    slept: Nanos,
    suspended_since: Option<Nanos>,
}

impl Clock {
    /// The monotonic clock at virtual time `now`.
    #[must_use]
    pub fn monotonic(&self, now: Nanos) -> Nanos {
        let awake = self.suspended_since.unwrap_or(now) - self.slept;
        self.offset + self.drifted(awake)
    }

    /// The wall clock at virtual time `now`, in milliseconds since the Unix epoch. It does not stand still in a suspension.
    #[must_use]
    pub fn wall(&self, now: Nanos) -> u64 {
        let millis = i64::try_from(self.drifted(now) / 1_000_000).unwrap_or(i64::MAX);
        u64::try_from(WALL_START_MILLIS + millis + self.wall_offset_millis).unwrap_or(0)
    }

    /// The first virtual time at which the monotonic clock shows at least `local`, if it is not suspended again.
    #[must_use]
    pub fn when(&self, local: Nanos) -> Nanos {
        let awake = i128::from(local.saturating_sub(self.offset)) * MILLION / (MILLION + i128::from(self.drift_ppm));
        let mut awake = u64::try_from(awake).unwrap_or(u64::MAX / 2).min(u64::MAX / 2);
        while self.offset + self.drifted(awake) < local && awake < u64::MAX / 2 {
            awake += 1;
        }
        // A slow clock is rounded the other way, and may show it a nanosecond earlier.
        while awake > 0 && self.offset + self.drifted(awake - 1) >= local {
            awake -= 1;
        }
        awake + self.slept
    }

    /// The monotonic clock stands still from now on.
    pub fn suspend(&mut self, now: Nanos) {
        self.suspended_since.get_or_insert(now);
    }

    /// The monotonic clock goes on where it stood.
    pub fn resume(&mut self, now: Nanos) {
        if let Some(since) = self.suspended_since.take() {
            self.slept += now - since;
        }
    }

    fn drifted(&self, awake: Nanos) -> Nanos {
        let drift = i128::from(awake) * i128::from(self.drift_ppm) / MILLION;
        u64::try_from(i128::from(awake) + drift).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use proptest::prelude::*;

    #[test]
    fn a_slow_clock_wakes_nobody_late() {
        let clock = Clock { drift_ppm: -1_188, ..Clock::default() };
        let local = clock.monotonic(1_109_635_664_770) + 66_322_505_092;
        let when = clock.when(local);
        assert!(clock.monotonic(when) >= local && clock.monotonic(when - 1) < local);
    }

    proptest! {
        #[test]
        fn timers_never_fire_early(
            offset in 0u64..1 << 40, drift_ppm in -2_000i32..2_000, start in 0u64..1 << 44, wait in 0u64..1 << 36,
            nap in 0u64..1 << 36,
        ) {
            let mut clock = Clock { offset, drift_ppm, ..Clock::default() };
            let before = clock.monotonic(start);
            clock.suspend(start);
            prop_assert_eq!(clock.monotonic(start + nap), before, "it stands still");
            clock.resume(start + nap);
            prop_assert_eq!(clock.monotonic(start + nap), before, "and goes on where it stood");
            let when = clock.when(before + wait);
            prop_assert!(clock.monotonic(when) >= before + wait);
            prop_assert!(wait < 2 || when == 0 || clock.monotonic(when - 1) < before + wait, "nor late");
        }
    }
}
