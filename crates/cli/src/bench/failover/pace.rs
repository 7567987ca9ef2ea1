//! Where a trial takes place, and how patient its clients are.
use std::time::Duration;

pub(super) const NAMESPACE: &str = "failover";
/// Before an attempt after one that failed.
pub(super) const RETRY: Duration = Duration::from_millis(20);
/// A request that takes longer is asked again of the next member.
pub(super) const REQUEST_WAIT: Duration = Duration::from_secs(2);
