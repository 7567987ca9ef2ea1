//! One pod as the agent keeps it: what is wanted, what is seen, what has been said. Pure: actions' outcomes in, state out.
use super::tokens::Tokens;
use super::work::{Finished, mark};
use crate::limits::{MAKE_WAIT_FIRST, REPORT_AGAIN_AFTER};
use crate::pod::plan::Action;
use crate::pod::probe;
use crate::pod::seen::{Failure, Image, Seen};
use crate::pod::spec::Pod;
use crate::runtime::RuntimeError;
use api::planted::{Bug, planted};
use serde_json::Value;
use std::sync::Arc;

pub(crate) struct Entry {
    /// As wanted; an unreadable pod has only its reason.
    pub(crate) pod: Result<Arc<Pod>, String>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) seen: Seen,
    /// The status made last, for its stamps.
    pub(crate) said: Option<Value>,
    /// The status that the log holds.
    pub(crate) kept: Option<Value>,
    /// A report under way: its number, the status (`None`: the removal), and when it was sent.
    pub(crate) sent: Option<(u64, Option<Value>, u64)>,
    /// The tokens of its volumes.
    pub(crate) tokens: Tokens,
    /// Look again then.
    pub(crate) wake: u64,
    /// It is no longer wanted here at all.
    pub(crate) gone: bool,
    /// Everything of it has been taken away.
    pub(crate) removed: bool,
}

impl Entry {
    #[must_use]
    pub(crate) fn new(object: &Value) -> Self {
        let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_owned();
        Self {
            pod: Pod::read(object).map(Arc::new),
            namespace: text("namespace"),
            name: text("name"),
            seen: Seen::default(),
            said: None,
            kept: None,
            sent: None,
            tokens: Tokens::default(),
            wake: 0,
            gone: false,
            removed: false,
        }
    }

    /// The pod is wanted in another way.
    pub(crate) fn want(&mut self, object: &Value) {
        self.pod = Pod::read(object).map(Arc::new);
        self.gone = false;
    }

    /// The pod is no longer wanted: it is ended at once.
    pub(crate) fn forsake(&mut self, now: &str) {
        self.gone = true;
        if let Ok(pod) = &mut self.pod {
            let pod = Arc::make_mut(pod);
            pod.metadata.deletion_timestamp.get_or_insert_with(|| now.to_owned());
            pod.metadata.deletion_grace_period_seconds = Some(0);
        }
    }

    /// Notes that an action begins.
    pub(crate) fn begin(&mut self, action: &Action, now: u64) {
        match (mark(action), action) {
            (Some(mark), _) => _ = self.seen.busy.insert(mark),
            (None, Action::Stop { id, grace, .. }) => {
                _ = self.seen.stopping.insert(id.clone(), now.saturating_add(*grace))
            }
            (None, _) => {}
        }
    }

    /// Notes what came of an action; `done` is what it was called while it was under way.
    pub(crate) fn finish(&mut self, finished: Finished, now: u64) {
        match finished {
            Finished::Volumes(result) => {
                self.seen.busy.remove("volumes");
                self.seen.volumes_ready = result.is_ok();
                self.outcome("volumes", result.map_err(|why| ("FailedMount", why)), now);
            }
            Finished::Sandbox(result) => {
                self.seen.busy.remove("sandbox");
                self.outcome("sandbox", result.map_err(|why| ("FailedCreatePodSandBox", why.to_string())), now);
            }
            Finished::Image(container, result) => {
                self.seen.busy.remove(&format!("image/{container}"));
                self.image(container, result, now);
            }
            Finished::Started(container, result) => {
                self.seen.busy.remove(&format!("start/{container}"));
                // Whether the image must be had again is asked anew at the next start.
                self.seen.images.remove(&container);
                let reason = |why: &RuntimeError| match why {
                    RuntimeError::Config(_) => "CreateContainerConfigError",
                    _ => "RunContainerError",
                };
                self.outcome(
                    &format!("container/{container}"),
                    result.map_err(|why| (reason(&why), why.to_string())),
                    now,
                );
            }
            Finished::Discarded(id, result) => {
                let what = format!("discard/{id}");
                self.seen.busy.remove(&what);
                self.outcome(&what, result.map_err(|why| ("FailedKillPod", why.to_string())), now);
            }
            Finished::Probed { container, id, kind, answer } => {
                self.seen.busy.remove(&format!("probe/{container}/{}", kind.name()));
                let pod = self.pod.clone();
                let asked = pod.as_ref().ok().and_then(|pod| kind.of(pod.container(&container)?));
                if let Some(asked) = asked {
                    let track = kind.track_mut(self.seen.probes_mut(&container, &id));
                    let message = answer.as_ref().err().cloned().unwrap_or_default();
                    probe::record(asked, track, answer.is_ok(), &message, now);
                }
            }
            Finished::Stopped(id, result) => {
                if result.is_err() {
                    self.seen.stopping.remove(&id);
                }
                let result = result.map_err(|why| ("FailedKillPod", why.to_string()));
                self.outcome(&format!("stop/{id}"), result, now);
            }
            Finished::SandboxStopped(result) => {
                self.seen.busy.remove("sandbox");
                self.outcome("end", result.map_err(|why| ("FailedKillPod", why.to_string())), now);
            }
            Finished::Removed(result) => {
                self.seen.busy.remove("remove");
                self.removed = result.is_ok();
                self.outcome("remove", result.map_err(|why| ("FailedKillPod", why)), now);
            }
        }
    }

    /// A question for a token was answered; gives whether it was this pod's. A pod that waits for it says why.
    pub(crate) fn token(&mut self, id: u64, answer: Result<(String, u64), &str>, now: u64) -> bool {
        let why = answer.as_ref().err().map(|why| (*why).to_owned());
        let own = self.tokens.answered(id, answer, now);
        if let Some(why) = why.filter(|_| own && !self.seen.volumes_ready) {
            self.outcome("volumes", Err(("FailedMount", why)), now);
        }
        own
    }

    fn outcome(&mut self, what: &str, result: Result<(), (&str, String)>, now: u64) {
        match result {
            Ok(()) => _ = self.seen.failures.remove(what),
            Err((reason, why)) => {
                tracing::warn!(
                    pod = format!("{}/{}", self.namespace, self.name),
                    what,
                    why,
                    "not done; it is tried again"
                );
                self.seen.fail(what, reason, why, now);
                self.wake = now + MAKE_WAIT_FIRST;
            }
        }
    }

    fn image(&mut self, container: String, result: Result<String, RuntimeError>, now: u64) {
        let image = match result {
            Ok(id) => Image::Here { id },
            Err(why) => {
                let reason = match &why {
                    RuntimeError::InvalidImage(_) => "InvalidImageName",
                    RuntimeError::Config(_) => "ErrImageNeverPull",
                    _ => "ErrImagePull",
                };
                let count = match self.seen.images.get(&container) {
                    Some(Image::Failed(failure)) => failure.count,
                    _ => 0,
                };
                Image::Failed(Failure { reason: reason.into(), message: why.to_string(), at: now, count: count + 1 })
            }
        };
        self.seen.images.insert(container, image);
    }

    /// Whether `status` (`None`: the removal) is to be said now: it is news, or it was said too long ago without an answer.
    #[must_use]
    pub(crate) fn to_say(&self, status: Option<&Value>, now: u64) -> bool {
        match &self.sent {
            Some((_, sent, at)) if sent.as_ref() == status => now >= at + REPORT_AGAIN_AFTER && !planted(Bug::SaysOnce),
            _ => status.is_none() || self.kept.as_ref() != status,
        }
    }

    /// A report was answered; `error` is empty if it was written.
    pub(crate) fn answered(&mut self, id: u64, error: &str, now: u64) {
        let Some((_, status, _)) = self.sent.take_if(|(sent, _, _)| *sent == id) else { return };
        if error.is_empty() {
            if status.is_some() {
                self.kept = status;
            }
        } else {
            tracing::info!(pod = format!("{}/{}", self.namespace, self.name), error, "a report was not written");
            self.wake = now + MAKE_WAIT_FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Entry {
        Entry::new(
            &json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"containers": [{"name": "c",
            "livenessProbe": {"tcpSocket": {"port": 1}, "failureThreshold": 1}}]}}),
        )
    }

    #[test]
    fn what_begins_is_busy_until_it_has_ended() {
        let mut entry = entry();
        let start = Action::Start { container: "c".into(), attempt: 0, level: 0 };
        entry.begin(&start, 5);
        assert!(entry.seen.busy.contains("start/c"));
        entry.finish(Finished::Started("c".into(), Err(RuntimeError::Config("no".into()))), 6);
        assert!(entry.seen.busy.is_empty());
        assert_eq!(
            entry.seen.failure("container/c").map(|failure| failure.reason.as_str()),
            Some("CreateContainerConfigError")
        );
        entry.finish(Finished::Started("c".into(), Ok(())), 7);
        assert!(entry.seen.failures.is_empty());
        entry.begin(&Action::Stop { container: "c".into(), id: "x".into(), grace: 10, why: String::new() }, 5);
        assert_eq!(entry.seen.stopping["x"], 15);
        entry.finish(
            Finished::Probed {
                container: "c".into(),
                id: "x".into(),
                kind: probe::Kind::Liveness,
                answer: Err("no".into()),
            },
            8,
        );
        assert_eq!(entry.seen.probes["c"].liveness.verdict, Some(false));
        for count in 1..3 {
            entry.finish(Finished::Image("c".into(), Err(RuntimeError::Pull("no".into()))), 9);
            assert!(matches!(&entry.seen.images["c"], Image::Failed(failure) if failure.count == count));
        }
    }

    #[test]
    fn a_report_is_said_once_and_again_only_without_an_answer() {
        let mut entry = entry();
        let status = json!({"phase": "Running"});
        assert!(entry.to_say(Some(&status), 0));
        entry.sent = Some((1, Some(status.clone()), 0));
        assert!(!entry.to_say(Some(&status), 5) && entry.to_say(Some(&status), REPORT_AGAIN_AFTER));
        assert!(entry.to_say(Some(&json!({"phase": "Failed"})), 5));
        entry.answered(2, "", 5);
        assert!(entry.sent.is_some(), "the answer to another report");
        entry.answered(1, "", 5);
        assert!(!entry.to_say(Some(&status), 9));
        entry.sent = Some((3, None, 0));
        entry.answered(3, "it has finalizers", 5);
        assert!(entry.sent.is_none() && entry.wake > 5);
    }
}
