//! Probes, purely: when one is due and what its result means. Who asks the container is `probing`.
use super::seen::{Probes, Track};
use super::spec::{Container, Probe};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    #[must_use]
    pub fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }

    #[must_use]
    pub fn track(self, probes: &Probes) -> &Track {
        match self {
            Self::Startup => &probes.startup,
            Self::Readiness => &probes.readiness,
            Self::Liveness => &probes.liveness,
        }
    }

    pub fn track_mut(self, probes: &mut Probes) -> &mut Track {
        match self {
            Self::Startup => &mut probes.startup,
            Self::Readiness => &mut probes.readiness,
            Self::Liveness => &mut probes.liveness,
        }
    }
}

/// When `probe` is next to be asked, of a container that runs since `since`.
#[must_use]
pub fn due(probe: &Probe, track: &Track, since: u64) -> u64 {
    let period = probe.period_seconds.unwrap_or(10).max(1) * 1_000;
    match track.last {
        Some(last) => last.saturating_add(period),
        None => since.saturating_add(probe.initial_delay_seconds.saturating_mul(1_000)),
    }
}

/// Milliseconds one asking may take.
#[must_use]
pub fn patience(probe: &Probe) -> u64 {
    probe.timeout_seconds.unwrap_or(1).max(1) * 1_000
}

/// Folds one result into the track.
pub fn record(probe: &Probe, track: &mut Track, passed: bool, message: &str, now: u64) {
    track.last = Some(now);
    message.clone_into(&mut track.message);
    if passed {
        track.failures = 0;
        track.passes = track.passes.saturating_add(1);
        if track.passes >= probe.success_threshold.unwrap_or(1).max(1) {
            track.verdict = Some(true);
        }
    } else {
        track.passes = 0;
        track.failures = track.failures.saturating_add(1);
        if track.failures >= probe.failure_threshold.unwrap_or(3).max(1) {
            track.verdict = Some(false);
        }
    }
}

/// The container has started: it has no startup probe, or that has passed.
#[must_use]
pub fn started(container: &Container, probes: Option<&Probes>) -> bool {
    container.startup_probe.is_none() || probes.is_some_and(|probes| probes.startup.verdict == Some(true))
}

/// A running container is ready: started, and its readiness probe, if it has one, has passed.
#[must_use]
pub fn ready(container: &Container, probes: Option<&Probes>) -> bool {
    started(container, probes)
        && (container.readiness_probe.is_none() || probes.is_some_and(|probes| probes.readiness.verdict == Some(true)))
}

/// Why a running container must be ended, if a probe says so.
#[must_use]
pub fn sick(container: &Container, probes: Option<&Probes>) -> Option<String> {
    let probes = probes?;
    [Kind::Startup, Kind::Liveness].into_iter().find_map(|kind| {
        let track = kind.track(probes);
        (kind.of(container).is_some() && track.verdict == Some(false))
            .then(|| format!("Container {} failed {} probe: {}", container.name, kind.name(), track.message))
    })
}

/// The probes to be asked now, and when the next is due.
#[must_use]
pub fn schedule(container: &Container, probes: Option<&Probes>, since: u64, now: u64) -> (Vec<Kind>, Option<u64>) {
    let fresh = Probes::default();
    let tracks = probes.unwrap_or(&fresh);
    let kinds: &[Kind] = if started(container, probes) { &[Kind::Readiness, Kind::Liveness] } else { &[Kind::Startup] };
    let (mut ask, mut wake) = (Vec::new(), None::<u64>);
    for kind in kinds {
        let Some(probe) = kind.of(container) else { continue };
        let when = due(probe, kind.track(tracks), since);
        if when <= now {
            ask.push(*kind);
        } else {
            wake = Some(wake.map_or(when, |earlier| earlier.min(when)));
        }
    }
    (ask, wake)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(probes: serde_json::Value) -> Container {
        let mut value = json!({"name": "c"});
        value.as_object_mut().expect("an object").extend(probes.as_object().cloned().unwrap_or_default());
        serde_json::from_value(value).expect("a container")
    }

    #[test]
    fn thresholds_turn_results_into_verdicts() {
        let container = container(
            json!({"livenessProbe": {"tcpSocket": {"port": 1}, "failureThreshold": 2, "successThreshold": 1}}),
        );
        let probe = container.liveness_probe.as_ref().expect("a probe");
        let table: [(&[bool], Option<bool>); 6] = [
            (&[], None),
            (&[false], None),
            (&[true], Some(true)),
            (&[false, true, false], Some(true)),
            (&[true, false, false], Some(false)),
            (&[false, false, true], Some(true)),
        ];
        for (results, verdict) in table {
            let mut track = Track::default();
            results.iter().for_each(|passed| record(probe, &mut track, *passed, "m", 5));
            assert_eq!(track.verdict, verdict, "{results:?}");
        }
    }

    #[test]
    fn nothing_else_is_asked_before_startup_has_passed() {
        let container = container(json!({
            "startupProbe": {"exec": {"command": ["a"]}, "initialDelaySeconds": 3, "periodSeconds": 2},
            "readinessProbe": {"httpGet": {"port": "web"}}, "livenessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 60}}));
        assert_eq!(schedule(&container, None, 0, 2_999), (vec![], Some(3_000)));
        assert_eq!(schedule(&container, None, 0, 3_000), (vec![Kind::Startup], None));
        let mut probes = Probes::default();
        assert!(!ready(&container, Some(&probes)));
        record(container.startup_probe.as_ref().expect("there"), &mut probes.startup, true, "", 3_000);
        assert_eq!(schedule(&container, Some(&probes), 0, 3_100), (vec![Kind::Readiness], Some(60_000)));
        assert!(started(&container, Some(&probes)) && !ready(&container, Some(&probes)));
        record(container.readiness_probe.as_ref().expect("there"), &mut probes.readiness, true, "", 3_200);
        assert!(ready(&container, Some(&probes)));
        assert_eq!(schedule(&container, Some(&probes), 0, 4_000), (vec![], Some(13_200)));
    }
}
