//! What happened, as one rolling digest with checkpoints, and the last lines of it. Equal seeds must give equal digests;
//! where they do not, the checkpoints say between which events the first difference lies.
use crate::clock::Nanos;
use std::collections::VecDeque;
use std::fmt;

/// One machine of the simulated site: a member, a client, or the harness itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Node(pub u16);

/// Events between two checkpoints.
pub const CHECKPOINT_EVENTS: u64 = 1_000;
/// Lines kept of each kind of window.
const LINES_KEPT: usize = 400;

/// One event. Numbers only: nothing is formatted unless somebody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub number: u64,
    pub time: Nanos,
    pub node: Node,
    pub what: &'static str,
    pub a: u64,
    pub b: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.time / 1_000_000_000, self.time % 1_000_000_000);
        write!(f, "#{} {seconds}.{nanos:09} node {} {} {:x} {:x}", self.number, self.node.0, self.what, self.a, self.b)
    }
}

/// The rolling digest.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    digest: u64,
    count: u64,
    checkpoints: Vec<u64>,
    last: VecDeque<Line>,
    /// Events numbered at or after this are all kept (at most `CHECKPOINT_EVENTS` of them): the second look at a difference.
    pub window: Option<u64>,
    windowed: Vec<Line>,
}

impl Trace {
    /// Adds an event.
    pub fn note(&mut self, time: Nanos, node: Node, what: &'static str, a: u64, b: u64) {
        self.count += 1;
        self.digest = mix(self.digest ^ hash(what.as_bytes()));
        for word in [time, u64::from(node.0), a, b] {
            self.digest = mix(self.digest.rotate_left(23) ^ word);
        }
        if self.count % CHECKPOINT_EVENTS == 0 {
            self.checkpoints.push(self.digest);
        }
        let line = Line { number: self.count, time, node, what, a, b };
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
        if self.window.is_some_and(|start| self.count > start) && (self.windowed.len() as u64) < CHECKPOINT_EVENTS {
            self.windowed.push(line);
        }
    }

    /// The digest of everything so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last events of one node, oldest first.
    pub fn last_of(&self, node: Node) -> impl Iterator<Item = &Line> {
        self.last.iter().filter(move |line| line.node == node)
    }

    /// What the window caught.
    #[must_use]
    pub fn windowed(&self) -> &[Line] {
        &self.windowed
    }

    /// The number of the last event up to which two traces surely agree; `None` if they agree in all.
    #[must_use]
    pub fn parting(&self, other: &Self) -> Option<u64> {
        if self.digest == other.digest && self.count == other.count {
            return None;
        }
        let equal = self.checkpoints.iter().zip(&other.checkpoints).take_while(|(a, b)| a == b).count();
        Some(equal as u64 * CHECKPOINT_EVENTS)
    }
}

/// FNV-1a, sixty-four bits: for short texts and message bytes in the trace.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(change: u64) -> Trace {
        let mut trace = Trace { window: Some(2_000), ..Trace::default() };
        for number in 0..5_000 {
            trace.note(number * 10, Node(1), "event", number, u64::from(number == change));
        }
        trace
    }

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(run(9_999).parting(&run(9_999)), None);
        let (one, two) = (run(9_999), run(2_345));
        assert_eq!(one.parting(&two), Some(2_000));
        let first = one.windowed().iter().zip(two.windowed()).find(|(a, b)| a != b).map(|(a, _)| a.number);
        assert_eq!(first, Some(2_346));
        assert_eq!(one.last_of(Node(1)).count(), LINES_KEPT);
    }
}
