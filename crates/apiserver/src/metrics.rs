//! What this server counts, under the names that Kubernetes' dashboards ask for, in Prometheus' text format. It counts; it judges nothing.
pub mod page;

use crate::limits::METRIC_SHARDS;
use crate::trail::Trail;
use dashmap::DashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of `apiserver_request_duration_seconds` in milliseconds, as in Kubernetes.
const BOUNDS: [u64; 22] = [
    5, 25, 50, 100, 200, 400, 600, 800, 1_000, 1_250, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 15_000,
    20_000, 30_000, 60_000,
];

type Fixed = BuildHasherDefault<DefaultHasher>;

/// Counters of one server. What is counted by names of resources is counted for kinds that are served alone, so that no client can
/// make series without end.
pub struct Metrics {
    /// By labels, as they are printed.
    requests: DashMap<String, AtomicU64, Fixed>,
    durations: DashMap<String, Durations, Fixed>,
    watch_events: AtomicU64,
    audit_events: AtomicU64,
    audit_lost: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        // How many parts there are must not hang on the machine's cores.
        Self {
            requests: DashMap::with_hasher_and_shard_amount(Fixed::default(), METRIC_SHARDS),
            durations: DashMap::with_hasher_and_shard_amount(Fixed::default(), METRIC_SHARDS),
            watch_events: AtomicU64::default(),
            audit_events: AtomicU64::default(),
            audit_lost: AtomicU64::default(),
        }
    }
}

#[derive(Default)]
struct Durations {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Metrics {
    /// One request and its answer.
    pub fn answered(&self, trail: &Trail, code: u16, took: Duration) {
        let labels = labels(trail);
        if !trail.long_running() {
            let known = self.durations.get(labels.as_str());
            match known {
                Some(durations) => durations.add(took),
                None => self.durations.entry(labels.clone()).or_default().add(took),
            }
        }
        count(&self.requests, format!("code=\"{code}\",{labels}"));
    }

    pub fn watched(&self, events: u64) {
        self.watch_events.fetch_add(events, Ordering::Relaxed);
    }

    pub fn audited(&self, kept: bool) {
        if kept { &self.audit_events } else { &self.audit_lost }.fetch_add(1, Ordering::Relaxed);
    }
}

impl Durations {
    fn add(&self, took: Duration) {
        let millis = took.as_millis();
        let first = BOUNDS.iter().position(|bound| millis <= u128::from(*bound));
        if let Some(bucket) = first.and_then(|first| self.buckets.get(first)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn count(counts: &DashMap<String, AtomicU64, Fixed>, labels: String) {
    if let Some(known) = counts.get(labels.as_str()) {
        known.fetch_add(1, Ordering::Relaxed);
        return;
    }
    counts.entry(labels).or_default().fetch_add(1, Ordering::Relaxed);
}

/// The labels of a request but for its code, in the order of their names.
fn labels(trail: &Trail) -> String {
    let dry_run = if trail.dry_run { "All" } else { "" };
    let target = trail.target.as_ref().filter(|_| trail.known);
    let (group, resource, subresource, version, scope) = target.map_or(("", "", "", "", ""), |target| {
        let scope = match (target.name.is_empty(), target.namespace.is_empty()) {
            (false, _) => "resource",
            (true, false) => "namespace",
            (true, true) => "cluster",
        };
        (&*target.group, &*target.resource, &*target.subresource, &*target.version, scope)
    });
    format!(
        "component=\"apiserver\",dry_run={dry_run:?},group={group:?},resource={resource:?},scope={scope:?},\
         subresource={subresource:?},verb={:?},version={version:?}",
        verb(trail)
    )
}

/// The verb as the metrics of Kubernetes name it.
fn verb(trail: &Trail) -> &'static str {
    match trail.verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" if trail.long_running() => "CONNECT",
        "create" | "post" => "POST",
        "update" => "PUT",
        "patch" if trail.content_type().is_some_and(|media| media.starts_with("application/apply-patch")) => "APPLY",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "other",
    }
}
