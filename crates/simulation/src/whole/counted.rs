//! How often each kind of thing happened in a run: a kind that never does is not tested. It judges nothing.
use super::evidence::{Mark, Marked, SILENCE, Whole};
use super::scenario::Scenario;
use super::spoken::Spoken;
use crate::clock::Nanos;
use api::event::Act;
use std::collections::BTreeMap;

const SECOND: Nanos = 1_000_000_000;

/// Counts it all, by what scenario files call it (`expect::COUNTED`), and the faults by their kind.
pub(super) fn sometimes(scenario: &Scenario, evidence: &Whole, time: Nanos) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for step in &scenario.plan {
        *counts.entry(step.fault.name).or_insert(0) += 1;
    }
    let events = &evidence.members.reference.events;
    let of = |resource: &str, act: Act| {
        events.iter().filter(|event| event.act == act && &*event.object.key.resource == resource).count() as u64
    };
    let told = |reasons: &[&str]| {
        let made = events.iter().filter(|event| event.act == Act::Added && &*event.object.key.resource == "events");
        let reason = |event: &&std::sync::Arc<api::event::Event>| {
            let field = |path: &str| event.object.facet.field(path).unwrap_or_default();
            field("involvedObject.kind") == "Job" && reasons.contains(&field("reason"))
        };
        made.filter(reason).count() as u64
    };
    let connections: u32 = evidence.watches.iter().map(|watched| watched.connections.saturating_sub(1)).sum();
    let again = |life: &&crate::machine::Life| life.to.is_some();
    let done = |method: &str, end: &str, good: u16| {
        let is = |said: &&Spoken| said.method == method && said.path.ends_with(end) && said.code == good;
        evidence.spoken.iter().filter(is).count() as u64
    };
    let said = |is: fn(&Spoken) -> bool| evidence.spoken.iter().filter(|said| is(said)).count() as u64;
    let marks = |is: fn(&Mark) -> bool| evidence.marks.iter().filter(|mark| is(mark)).count() as u64;
    counts.extend([
        ("revisions", events.len() as u64),
        ("pods made", of("pods", Act::Added)),
        ("namespaces ended", of("namespaces", Act::Deleted)),
        ("deployments ended", of("deployments.apps", Act::Deleted)),
        ("jobs complete", told(&["Completed"])),
        ("jobs failed", told(&["BackoffLimitExceeded", "DeadlineExceeded"])),
        ("jobs suspended", told(&["Suspended"])),
        ("kinds defined", of("customresourcedefinitions.apiextensions.k8s.io", Act::Added)),
        ("containers ended", evidence.lives.iter().filter(again).count() as u64),
        ("evictions granted", done("POST", "/eviction", 201)),
        ("scales written", done("PUT", "/scale", 200)),
        ("lease changes", lease_changes(evidence)),
        ("watches resumed", u64::from(connections)),
        ("answered", evidence.answered),
        ("unanswered", evidence.unanswered),
        ("starts", marks(|mark| mark.what == Marked::Up && mark.who != STORM)),
        ("terms led", marks(|mark| matches!(mark.what, Marked::Leads(_)))),
        ("faults begun", scenario.plan.len() as u64),
        ("virtual seconds", time / SECOND),
        ("seconds to rest", rested(evidence, time)),
        ("objects applied", said(|said| applies(said) && said.code < 300)),
        ("applies refused", said(|said| applies(said) && said.code == 409)),
        ("dry runs", said(|said| said.path.contains("dryRun=") && said.code < 300)),
        ("tokens used", said(|said| said.by.contains("token") && said.code < 300)),
        ("requests forbidden", said(|said| said.code == 403)),
    ]);
    counts
}

fn applies(said: &Spoken) -> bool {
    said.method == "PATCH" && said.parameter("force").is_some() && said.parameter("dryRun").is_none()
}

/// Who a mark is of that stands for the storm.
const STORM: &str = "storm";

/// From the end of the storm to the end of the run, less the silence after rest; all of it if there was no rest.
fn rested(evidence: &Whole, time: Nanos) -> u64 {
    let over = evidence.marks.iter().rev().find(|mark| mark.who == STORM && mark.what == Marked::Down);
    let silence = if evidence.unrest.is_none() { SILENCE.as_secs() } else { 0 };
    over.map_or(0, |mark| ((time - mark.time) / SECOND).saturating_sub(silence))
}

fn lease_changes(evidence: &Whole) -> u64 {
    let (resource, namespace, name) = super::workload::LEASE;
    let holder = |object: &api::object::Object| object.value()["spec"]["holderIdentity"].clone();
    let ours = |key: &api::key::Key| (&*key.resource, &*key.namespace, &*key.name) == (resource, namespace, name);
    let events = evidence.members.reference.events.iter().filter(|event| ours(&event.object.key));
    let changed = |event: &&std::sync::Arc<api::event::Event>| {
        event.before.as_ref().is_some_and(|before| holder(before) != holder(&event.object))
    };
    events.filter(changed).count() as u64
}
