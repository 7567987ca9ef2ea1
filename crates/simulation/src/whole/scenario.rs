//! One run of a whole cluster as data: everything that a seed decides. It prints itself as a scenario file: what failed can be handed on,
//! edited and run again. It draws nothing and runs nothing.
use super::backup::Backup;
use super::expect::Expectation;
use super::faults::Plan;
use super::size::Size;
use super::words::span;
use crate::machine::Temper;
use crate::world::Order;
use serde::{Deserialize, Serialize};
use std::fmt;

/// So many clients that do one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// The name of a kind of work.
    pub work: String,
    pub count: u16,
}

/// What carries the sessions of members and nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carrier {
    /// The twin of sessions: light enough for many nodes.
    #[default]
    Twin,
    /// Production's QUIC over pretended datagrams.
    Quic,
}

/// Everything about one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    pub seed: u64,
    pub size: Size,
    pub order: Order,
    pub carrier: Carrier,
    /// For each member, then each node: drift of its clock (millionths), how far its wall clock is off (ms).
    pub clocks: Vec<(i32, i64)>,
    /// Microseconds that a packet, and a write or sync, takes on average.
    pub network_micros: u64,
    pub disk_micros: u64,
    pub temper: Temper,
    pub crews: Vec<Crew>,
    /// Milliseconds between two calls of a client, on average.
    pub pause: u64,
    /// Milliseconds of processor time that a pod asks for: what of it fits on a node.
    pub pod_millis: u64,
    /// Bytes after which a segment of the log is closed.
    pub segment_bytes: u64,
    /// The last member keeps its log within about so many bytes, and so must be sent snapshots.
    pub keep_bytes: Option<u64>,
    /// Events kept in memory for watchers: what lies before is read from the log.
    pub ring_events: usize,
    /// Entries after which a member makes a checkpoint, if there are no more objects than that.
    pub checkpoint_entries: u64,
    pub plan: Plan,
    /// What must happen beside what every run promises.
    pub expected: Vec<Expectation>,
    /// The past of a real cluster with which it begins; it does not fit into a scenario file.
    #[serde(skip)]
    pub from: Option<Backup>,
}

impl Scenario {
    /// What the cluster calls the node of this number, from 1 on.
    pub(super) fn node(&self, number: u16) -> String {
        let seat = self.from.as_ref().and_then(|backup| backup.seat(number));
        seat.map_or_else(|| format!("n{number}"), |seat| seat.name.clone())
    }
}

impl fmt::Display for Scenario {
    /// The scenario as a file that `Sheet::read` reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { members, nodes, span: storm } = self.size;
        writeln!(f, "members {members}\nnodes {nodes}\nfor {}", span(storm))?;
        writeln!(f, "order {}", if self.order == Order::Fifo { "fifo" } else { "random" })?;
        writeln!(f, "sessions {}", if self.carrier == Carrier::Quic { "quic" } else { "twin" })?;
        writeln!(f, "network {}us\ndisk {}us\npause {}", self.network_micros, self.disk_micros, span(self.pause))?;
        writeln!(f, "pod {}m\nsegment {}", self.pod_millis, self.segment_bytes)?;
        match self.keep_bytes {
            Some(bytes) => writeln!(f, "keep {bytes}")?,
            None => writeln!(f, "keep all")?,
        }
        writeln!(f, "ring {}\ncheckpoint {}", self.ring_events, self.checkpoint_entries)?;
        let Temper { pull_millis, work_millis, failing, crashing } = self.temper;
        let (pull, work) = (span(pull_millis), span(work_millis));
        writeln!(f, "machine pull {pull} work {work} failing {failing} crashing {crashing}")?;
        writeln!(f, "clocks right")?;
        for (at, (drift, off)) in self.clocks.iter().enumerate().filter(|(_, clock)| **clock != (0, 0)) {
            let members = usize::from(members);
            let (letter, number) = if at < members { ("m", at + 1) } else { ("n", at + 1 - members) };
            writeln!(f, "clock {letter}{number} drift {drift} off {off}")?;
        }
        self.crews.iter().try_for_each(|crew| writeln!(f, "clients {} {}", crew.count, crew.work))?;
        if self.plan.is_empty() {
            writeln!(f, "faults none")?;
        }
        self.plan.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        self.expected.iter().try_for_each(|expected| writeln!(f, "{expected}"))
    }
}
