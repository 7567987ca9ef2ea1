//! Events of both groups. They are kept in the core group's shape, and complained of in the words of that shape.
//! It never asks whether what an event tells of is there.
use super::words::{all, at, demanded, immutable, number, text};
use crate::field::Problems;
use crate::kind::Kind;
use crate::kinds::convert;
use crate::name;
use serde_json::Value;

const SHORT_MAX: usize = 128;
const NOTE_MAX: usize = 1_024;
/// Members that the younger group lets nobody change: as kept, as complained of.
const KEPT: [(&str, &str); 12] = [
    ("involvedObject", "involvedObject"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("type", "type"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

/// An event as a client of `kind` wrote it.
pub(super) fn event(kind: &Kind, value: &Value, problems: &mut Problems) {
    let event = convert::to_storage(kind, value.clone());
    let (own, about) = (text(&event["metadata"], "namespace"), text(&event["involvedObject"], "namespace"));
    let mismatch = |problems: &mut Problems| {
        problems.invalid_text("involvedObject.namespace", about, "does not match event.namespace");
    };
    if event["eventTime"].is_null() {
        let fits = if about.is_empty() { matches!(own, "" | "default") } else { own == about };
        if !fits {
            mismatch(problems);
        }
    } else {
        if about.is_empty() && !matches!(own, "default" | "kube-system") {
            mismatch(problems);
        }
        let reporter = text(&event, "reportingComponent");
        if reporter.is_empty() {
            problems.required("reportingController", "");
        }
        all("reportingController", reporter, name::qualified(reporter), problems);
        for member in ["reportingInstance", "action", "reason"] {
            demanded(&event, member, "", problems);
            short(&event, member, SHORT_MAX, problems);
        }
        short(&event, "message", NOTE_MAX, problems);
    }
    all("namespace", own, name::subdomain(own), problems);
}

fn short(event: &Value, member: &str, most: usize, problems: &mut Problems) {
    if text(event, member).len() > most {
        problems.invalid_text(member, "", &format!("can have at most {most} characters"));
    }
}

/// What the younger group asks of a new event.
pub(super) fn new_event(kind: &Kind, value: &Value, problems: &mut Problems) {
    if kind.group.is_empty() {
        return;
    }
    let event = convert::to_storage(kind, value.clone());
    series(&event, problems);
    if event["eventTime"].is_null() {
        problems.required("eventTime", "");
    }
    let kind = text(&event, "type");
    if !matches!(kind, "Normal" | "Warning") {
        problems.invalid_text("type", "", &format!("has invalid value: {kind}"));
    }
    for member in ["firstTimestamp", "lastTimestamp", "count"] {
        if !event[member].is_null() && event[member] != 0 {
            problems.invalid_text(member, "", "needs to be unset");
        }
    }
    if ["component", "host"].iter().any(|member| !text(&event["source"], member).is_empty()) {
        problems.invalid_text("source", "", "needs to be unset");
    }
}

fn series(event: &Value, problems: &mut Problems) {
    let series = &event["series"];
    if !series.is_object() {
        return;
    }
    if number(series, "count") < 2 {
        problems.invalid_text("series.count", "", "should be at least 2");
    }
    if series["lastObservedTime"].is_null() {
        problems.required(at("series", "lastObservedTime"), "");
    }
}

/// Through the younger group only the series goes on.
pub(super) fn change(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    if kind.group.is_empty() {
        return;
    }
    let (old, new) = (convert::to_storage(kind, old.clone()), convert::to_storage(kind, new.clone()));
    if old["series"] != new["series"] {
        series(&new, problems);
    }
    for (member, path) in KEPT {
        immutable(&old[member], &new[member], path, problems);
    }
    // A time is the same whichever way it is written.
    immutable(&old["eventTime"], &new["eventTime"], "eventTime", problems);
}
