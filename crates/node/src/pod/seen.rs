//! What is observed of one pod on this machine: the plan's second argument. Values only; it never looks anything up.
use std::collections::{BTreeMap, BTreeSet};

/// All that is known of a pod's things here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The newest sandbox.
    pub sandbox: Option<Sandbox>,
    /// Attempts of each container, oldest first, over all sandboxes of the pod.
    pub containers: BTreeMap<String, Vec<Attempt>>,
    /// By container: whether its image is here for the next start.
    pub images: BTreeMap<String, Image>,
    pub volumes_ready: bool,
    /// What could not be made: `volumes`, `sandbox`, or a container's name prefixed with `container/`.
    pub failures: BTreeMap<String, Failure>,
    /// Probe tracks of the newest attempt of each container.
    pub probes: BTreeMap<String, Probes>,
    /// What is being done just now: `volumes`, `sandbox`, `remove`, `image/NAME`, `start/NAME`, `probe/NAME/KIND`, `discard/ID`.
    pub busy: BTreeSet<String>,
    /// Containers that were asked to stop, and when they will be killed.
    pub stopping: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    pub id: String,
    pub attempt: u32,
    pub ready: bool,
    pub ips: Vec<String>,
    pub created: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: String,
    pub sandbox: String,
    /// Counts from 0; the restart count is the newest one's.
    pub attempt: u32,
    /// Ends in a row before this one, for the back-off.
    pub level: u32,
    pub image_id: String,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Made and never started: a start that was interrupted.
    Created,
    Running {
        since: u64,
    },
    Exited(Exit),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub code: i32,
    pub signal: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    pub reason: String,
    pub message: String,
    pub started: u64,
    pub finished: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    Here { id: String },
    Failed(Failure),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// As Kubernetes words it: `ErrImagePull`, `CreateContainerConfigError`.
    pub reason: String,
    pub message: String,
    pub at: u64,
    /// Failures in a row.
    pub count: u32,
}

/// The three probes of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    pub id: String,
    pub startup: Track,
    pub readiness: Track,
    pub liveness: Track,
}

/// How one probe has gone so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    pub passes: u32,
    pub failures: u32,
    pub last: Option<u64>,
    /// Over a threshold: passed (`true`) or failed (`false`); `None` before either.
    pub verdict: Option<bool>,
    pub message: String,
}

impl Seen {
    #[must_use]
    pub fn newest(&self, container: &str) -> Option<&Attempt> {
        self.containers.get(container).and_then(|attempts| attempts.last())
    }

    /// Every attempt that runs.
    pub fn running(&self) -> impl Iterator<Item = (&str, &Attempt)> {
        self.containers
            .iter()
            .flat_map(|(name, attempts)| attempts.iter().map(move |attempt| (name.as_str(), attempt)))
            .filter(|(_, attempt)| matches!(attempt.state, State::Running { .. }))
    }

    #[must_use]
    pub fn failure(&self, what: &str) -> Option<&Failure> {
        self.failures.get(what)
    }

    /// Remembers that `what` failed at `now`.
    pub fn fail(&mut self, what: &str, reason: &str, message: String, now: u64) {
        let count = self.failures.get(what).map_or(0, |failure| failure.count) + 1;
        self.failures.insert(what.into(), Failure { reason: reason.into(), message, at: now, count });
    }

    /// The tracks of the newest attempt; fresh ones for a new attempt.
    pub fn probes_mut(&mut self, container: &str, id: &str) -> &mut Probes {
        let probes = self.probes.entry(container.into()).or_default();
        if probes.id != id {
            *probes = Probes { id: id.into(), ..Probes::default() };
        }
        probes
    }
}

impl Attempt {
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        match &self.state {
            State::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}
