//! How long an append may take: longer the more bytes are on their way before it. With one limit for all, what is too much for a slow way
//! would be sent again and again, and a member that was away would never catch up. It knows no clock.
use crate::limits::{APPEND_BYTES_A_SECOND_MIN, APPEND_WAIT_MAX};
use crate::types::{Entry, Payload};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The bytes of appends on their way to one member. Cloning it clones the handle.
#[derive(Clone, Default)]
pub(crate) struct Way(Arc<AtomicU64>);

/// One append on its way, until it is dropped.
pub(crate) struct Load {
    way: Way,
    bytes: u64,
    /// How long it may take on the wire and on the follower's disk.
    pub(crate) limit: Duration,
}

impl Way {
    pub(crate) fn load(&self, entries: &[Entry]) -> Load {
        let one = |entry: &Entry| match &entry.payload {
            Payload::Normal(record) => record.bytes.len() as u64,
            Payload::Blank | Payload::Membership(_) => 0,
        };
        let bytes = entries.iter().map(one).sum();
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let limit = APPEND_WAIT_MAX + Duration::from_millis((before + bytes) * 1_000 / APPEND_BYTES_A_SECOND_MIN);
        Load { way: self.clone(), bytes, limit }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.way.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Record, log_id};
    use api::revision::Millis;

    #[test]
    fn what_waits_behind_much_may_take_long() {
        let entry = |bytes: usize| Entry {
            log_id: log_id(1, 1),
            payload: Payload::Normal(Record { time: Millis(0), bytes: vec![0; bytes].into() }),
        };
        let way = Way::default();
        let second = usize::try_from(APPEND_BYTES_A_SECOND_MIN).expect("it fits");
        assert_eq!(way.load(&[]).limit, APPEND_WAIT_MAX);
        let first = way.load(&[entry(second), entry(second)]);
        assert_eq!(first.limit, APPEND_WAIT_MAX + Duration::from_secs(2));
        let second = way.load(&[entry(second)]);
        assert_eq!(second.limit, APPEND_WAIT_MAX + Duration::from_secs(3));
        drop((first, second));
        assert_eq!(way.load(&[]).limit, APPEND_WAIT_MAX, "nothing is on its way");
    }
}
