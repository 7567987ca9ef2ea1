//! The counters as a page in Prometheus' text format. It reads them and counts nothing.
use super::{BOUNDS, Fixed, Metrics};
use crate::room::Room;
use dashmap::DashMap;
use rt::process::Usage;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// All that this server and its member count.
#[must_use]
pub fn print(room: &Room) -> String {
    let mut page = Page::default();
    let metrics = &room.metrics;
    page.family("apiserver_request_total", "counter", "Requests, by what was asked and answered.");
    for (labels, value) in sorted(&metrics.requests) {
        page.line("apiserver_request_total", &labels, value);
    }
    page.durations(metrics);
    let (reads, changes) = room.flight.now();
    page.family("apiserver_current_inflight_requests", "gauge", "Requests being served, but for those that last.");
    page.line("apiserver_current_inflight_requests", "request_kind=\"readOnly\"", reads);
    page.line("apiserver_current_inflight_requests", "request_kind=\"mutating\"", changes);
    let watches = room.open_watches();
    page.family("apiserver_longrunning_requests", "gauge", "Open watches, by resource.");
    for (resource, open) in &watches {
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        page.line(
            "apiserver_longrunning_requests",
            &format!("group={group:?},resource={resource:?},verb=\"WATCH\""),
            open,
        );
    }
    page.one("apiserver_watch_events_total", "counter", "Events sent to watchers.", load(&metrics.watch_events));
    page.one("apiserver_audit_event_total", "counter", "Audit events written.", load(&metrics.audit_events));
    page.one(
        "apiserver_audit_error_total",
        "counter",
        "Audit events lost, for they came too fast.",
        load(&metrics.audit_lost),
    );
    let view = room.member().view();
    page.family("apiserver_storage_objects", "gauge", "Stored objects, by resource.");
    page.family("apiserver_resource_objects", "gauge", "Stored objects, by group and resource.");
    for name in view.resources() {
        let count = view.count(name, None);
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        page.line("apiserver_storage_objects", &format!("resource={name:?}"), count);
        page.line("apiserver_resource_objects", &format!("group={group:?},resource={resource:?}"), count);
    }
    page.one("rutter_revision", "gauge", "The newest revision that this member has seen.", view.revision().0);
    page.one("rutter_log_index", "gauge", "The newest log index that this member has applied.", view.index());
    page.one("rutter_leader", "gauge", "Whether this member leads.", u64::from(room.member().leading().is_some()));
    if let Some(usage) = rt::process::usage() {
        page.process(&usage);
    }
    page.print()
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn sorted(counts: &DashMap<String, AtomicU64, Fixed>) -> BTreeMap<String, u64> {
    counts.iter().map(|entry| (entry.key().clone(), load(entry.value()))).collect()
}

/// Families in the order they are first named, each with its lines.
#[derive(Default)]
struct Page {
    families: Vec<(String, String)>,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.families.push((name.to_owned(), format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")));
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let series = name.strip_suffix("_bucket").or(name.strip_suffix("_sum")).or(name.strip_suffix("_count"));
        let of = |known: &&mut (String, String)| known.0 == name || series == Some(&*known.0);
        if let Some((_, text)) = self.families.iter_mut().find(of) {
            let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{name}{braces} {value}");
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.line(name, "", value);
    }

    /// Under the names that every Prometheus client library uses.
    fn process(&mut self, usage: &Usage) {
        const CPU: &str = "process_cpu_seconds_total";
        self.family(CPU, "counter", "User and system CPU time.");
        self.line(CPU, "", format!("{}.{:06}", usage.cpu_micros / 1_000_000, usage.cpu_micros % 1_000_000));
        self.one("process_resident_memory_bytes", "gauge", "Resident memory.", usage.resident_bytes);
        self.one("process_virtual_memory_bytes", "gauge", "Virtual memory.", usage.virtual_bytes);
        self.one("process_open_fds", "gauge", "Open file descriptors.", usage.open_files);
        self.one("process_start_time_seconds", "gauge", "When the process started, since the epoch.", usage.started);
    }

    fn durations(&mut self, metrics: &Metrics) {
        const NAME: &str = "apiserver_request_duration_seconds";
        self.family(NAME, "histogram", "How long requests took, but for those that last.");
        let known: BTreeMap<String, ()> = metrics.durations.iter().map(|entry| (entry.key().clone(), ())).collect();
        for labels in known.into_keys() {
            let Some(durations) = metrics.durations.get(&labels) else { continue };
            let mut below = 0;
            for (bound, bucket) in BOUNDS.iter().zip(&durations.buckets) {
                below += load(bucket);
                self.line(&format!("{NAME}_bucket"), &format!("{labels},le=\"{}\"", seconds(*bound)), below);
            }
            self.line(&format!("{NAME}_bucket"), &format!("{labels},le=\"+Inf\""), load(&durations.count));
            let micros = load(&durations.micros);
            self.line(&format!("{NAME}_sum"), &labels, format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
            self.line(&format!("{NAME}_count"), &labels, load(&durations.count));
        }
    }

    fn print(self) -> String {
        self.families.into_iter().map(|(_, text)| text).collect()
    }
}

/// Milliseconds as seconds, without zeros that say nothing.
fn seconds(millis: u64) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn bounds_are_printed_as_kubernetes_does() {
        let shown = [5, 100, 1_000, 1_250, 60_000].map(super::seconds);
        assert_eq!(shown, ["0.005", "0.1", "1", "1.25", "60"]);
    }
}
