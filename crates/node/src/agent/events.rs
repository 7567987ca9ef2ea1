//! Kubernetes Events that a worker has to tell of its pods. Pure, but for the memory of what was told before: it counts.
use crate::pod::spec::Pod;
use api::revision::Millis;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Different events of one machine that are remembered for counting.
const REMEMBERED_MAX: usize = 1_024;

/// One thing that happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `Normal` or `Warning`.
    pub(crate) kind: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// The container it is about; empty: the pod.
    pub(crate) container: String,
}

impl Event {
    #[must_use]
    pub(crate) fn normal(reason: &'static str, container: &str, message: String) -> Self {
        Self { kind: "Normal", reason, message, container: container.into() }
    }

    #[must_use]
    pub(crate) fn warning(reason: &'static str, container: &str, message: String) -> Self {
        Self { kind: "Warning", reason, message, container: container.into() }
    }
}

/// What was told, to tell it again with a count.
#[derive(Debug, Default)]
pub(crate) struct Told {
    counts: BTreeMap<String, (u64, u64)>,
}

impl Told {
    /// The Event object. The same event of the same pod has the same name, a higher count and a later time.
    pub(crate) fn object(&mut self, node: &str, pod: &Pod, event: &Event, now: u64) -> Value {
        let meta = &pod.metadata;
        let Event { kind, reason, message, container } = event;
        let mark = crate::image::digest_of(format!("{} {reason} {container} {message}", meta.uid).as_bytes());
        let name = format!("{}.{}", meta.name, &mark["sha256:".len()..][..16]);
        if self.counts.len() >= REMEMBERED_MAX && !self.counts.contains_key(&name) {
            self.counts.clear();
        }
        let (first, count) = self.counts.entry(name.clone()).or_insert((now, 0));
        *count += 1;
        let (list, known) = match pod.spec.init_containers.iter().any(|init| init.name == *container) {
            true => ("initContainers", true),
            false => ("containers", !container.is_empty()),
        };
        let mut involved =
            json!({"apiVersion": "v1", "kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid});
        if known {
            involved["fieldPath"] = format!("spec.{list}{{{container}}}").into();
        }
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"namespace": meta.namespace, "name": name}, "involvedObject": involved,
            "type": kind, "reason": reason, "message": message, "count": count,
            "firstTimestamp": Millis(*first).rfc3339(), "lastTimestamp": Millis(now).rfc3339(), "eventTime": null,
            "source": {"component": "rutter-node", "host": node}, "reportingComponent": "rutter-node", "reportingInstance": node})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_counts() {
        let pod =
            json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}});
        let pod = Pod::read(&pod).expect("a pod");
        let mut told = Told::default();
        let event = Event::warning("BackOff", "c", "again".into());
        let first = told.object("n", &pod, &event, 1_000);
        let second = told.object("n", &pod, &event, 9_000);
        assert_eq!((&first["metadata"]["name"], &first["count"]), (&second["metadata"]["name"], &json!(1)));
        assert_eq!((&second["count"], &second["firstTimestamp"]), (&json!(2), &first["firstTimestamp"]));
        assert_eq!(second["involvedObject"]["fieldPath"], "spec.containers{c}");
    }
}
