//! One decision about one Job in the making: what is counted, what is to be written, what is told. It counts, and does not judge.
use super::back_off;
use super::failure_policy::{Meaning, meaning};
use super::indexes;
use super::own::{Own, TRACKING, tracked};
use super::per_index;
use super::spec::Spec;
use crate::fields::{at, number, text};
use crate::limits::{ADMISSION_RETRY_MILLIS, BURST_PODS, DRAFT_BYTES, REPORTS_EACH};
use crate::owners::{controlled, without_owners};
use crate::reports;
use crate::writes::{begin_deletion_without, drop_finalizer, replace, weight, without_finalizer};
use api::command::{Change, Write};
use api::decision::Decision;
use api::object::Object;
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::view::View;

const COMPONENT: &str = "job-controller";

pub(super) struct Turn<'a> {
    pub(super) view: &'a View,
    pub(super) object: &'a Arc<Object>,
    /// The Job as it will be.
    pub(super) next: Value,
    pub(super) spec: Spec,
    pub(super) now: Millis,
    /// Pods that still run, or will.
    pub(super) active: Vec<Own>,
    /// Indexes of pods that end, and how many they are.
    pub(super) ending: Vec<Option<usize>>,
    /// Indexes that have succeeded, and indexes that are not tried again.
    pub(super) done: BTreeSet<usize>,
    pub(super) lost: BTreeSet<usize>,
    /// Failed pods that are kept, uncounted, until others take their places.
    pub(super) waiting: BTreeMap<usize, Own>,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    /// Failed pods that were let go of and do not count.
    ignored: usize,
    /// Pods that this decision makes.
    pub(super) made: usize,
    pub(super) wake_at: Option<Millis>,
    writes: Vec<Write>,
    /// About how many bytes `writes` take.
    bytes: usize,
}

impl<'a> Turn<'a> {
    pub(super) fn new(view: &'a View, object: &'a Arc<Object>, now: Millis) -> Self {
        let next = object.value();
        let spec = Spec::read(&next);
        let count = |member: &str| number(&next, member).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let indexes = |member: &str| indexes::read(text(&next, member), spec.completions.unwrap_or(0));
        let (done, lost) = (indexes("/status/completedIndexes"), indexes("/status/failedIndexes"));
        let succeeded = if spec.indexed { done.len() } else { count("/status/succeeded") };
        let failed = count("/status/failed");
        Self {
            view,
            object,
            spec,
            now,
            done,
            lost,
            waiting: BTreeMap::new(),
            succeeded,
            failed,
            ignored: 0,
            next,
            active: Vec::new(),
            ending: Vec::new(),
            made: 0,
            wake_at: None,
            writes: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn put(&mut self, write: Option<Write>) {
        if let Some(write) = write {
            self.bytes += weight(&write);
            self.writes.push(write);
        }
    }

    /// Whether more would make too much for one command. What is left is decided when this is done.
    pub(super) fn full(&self) -> bool {
        self.bytes >= DRAFT_BYTES || self.writes.len() >= 2 * BURST_PODS
    }

    pub(super) fn begun(&self) -> bool {
        !self.writes.is_empty()
    }

    /// What was put so far and no more.
    pub(super) fn only(self, note: &str) -> Decision {
        Decision::one(self.writes, note)
    }

    pub(super) fn wake(&mut self, at: Millis) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// The Job's pods. Those that it no longer selects are let go, uncounted.
    pub(super) fn own(&mut self, selector: &Labels) -> Vec<Own> {
        let mut pods = Vec::new();
        for pod in controlled(self.view, "pods", self.object) {
            if selector.matches(&pod.facet) {
                pods.push(Own::read(pod));
            } else if pod.facet.deleting.is_none() {
                let uid = self.object.uid.to_string();
                let value = without_finalizer(without_owners(pod, |owner| owner == uid), TRACKING);
                self.put(replace(pod, &value));
            } else if tracked(pod) {
                self.put(drop_finalizer(pod, TRACKING));
            }
        }
        pods
    }

    /// Counts every pod that has ended and was not counted, and need not wait to be replaced; false if there are more than one command
    /// holds.
    pub(super) fn count(&mut self, pods: Vec<Own>) -> bool {
        let before = (self.succeeded, self.failed);
        let lost = std::mem::take(&mut self.lost);
        let sifted = per_index::sift(&self.next, &self.spec, &pods, &self.done, lost);
        self.lost = sifted.failed;
        let mut all = true;
        for own in pods {
            let failed = own.failed(self.spec.only_failed);
            if let Some(index) = own.index.filter(|_| sifted.kept.contains(&own.pod.object.key)) {
                self.waiting.insert(index, own.clone());
            } else if own.tracked && (failed || own.succeeded()) {
                if self.full() {
                    all = false;
                } else {
                    self.put(drop_finalizer(&own.pod.object, TRACKING));
                    self.add(&own, failed);
                }
            }
            if own.terminating() {
                self.ending.push(own.index);
            } else if own.pod.active() {
                self.active.push(own);
            }
        }
        let (succeeded, failed) = (self.succeeded - before.0, self.failed - before.1);
        if self.spec.per_index.is_none() {
            // What does not count is waited for like all failures.
            back_off::note(&mut self.next, succeeded, failed + self.ignored, self.now);
        }
        all
    }

    /// Counts a pod that waited to be replaced, and lets it go.
    pub(super) fn settle(&mut self, own: &Own) {
        self.put(drop_finalizer(&own.pod.object, TRACKING));
        self.add(own, true);
    }

    /// Waits for no replacement any more: counts as many as fit into one command.
    pub(super) fn settle_all(&mut self) {
        while !self.full() {
            let Some((_, own)) = self.waiting.pop_first() else { break };
            self.settle(&own);
        }
    }

    /// Counts one pod, unless it failed in a way that the Job ignores. An index counts once, and only if it is one of the Job's.
    fn add(&mut self, own: &Own, failed: bool) {
        let known = own.index.filter(|index| self.spec.completions.is_some_and(|completions| *index < completions));
        match (self.spec.indexed, known) {
            (true, None) => {}
            _ if failed && meaning(&self.next, &own.pod.object) == Meaning::Ignored => self.ignored += 1,
            _ if failed => self.failed += 1,
            (true, Some(index)) => self.succeeded += usize::from(self.done.insert(index)),
            (false, _) => self.succeeded += 1,
        }
    }

    /// Ends an active pod. It does not count any more, or counts as failed, whatever becomes of it until its containers have ended.
    pub(super) fn end(&mut self, own: &Own, failed: bool) {
        let write = begin_deletion_without(&own.pod.object, TRACKING, self.now);
        if write.as_ref().is_some_and(|write| write.change != Change::Delete) {
            self.ending.push(own.index);
        }
        self.put(write);
        if failed && own.tracked {
            self.add(own, true);
        }
    }

    /// Tells once why a pod could not be made, and has it tried again after a while.
    pub(super) fn refused(&mut self, why: &str) {
        self.wake(Millis(self.now.0.saturating_add(ADMISSION_RETRY_MILLIS)));
        let message = format!("Error creating: {why}");
        let report = Report { component: COMPONENT, warning: true, reason: "FailedCreate", message: &message };
        if self.view.get_key(&report.key(&self.object.value())).is_none() {
            self.tell(true, "FailedCreate", &message);
        }
    }

    pub(super) fn tell(&mut self, warning: bool, reason: &str, message: &str) {
        let report = Report { component: COMPONENT, warning, reason, message };
        self.writes.extend(reports::write(self.view, &self.object.value(), report, self.now));
    }

    pub(super) fn tell_each(&mut self, reason: &str, what: &str, names: &[String]) {
        match names {
            [] => {}
            few if few.len() <= REPORTS_EACH => {
                few.iter().for_each(|name| self.tell(false, reason, &format!("{what}: {name}")));
            }
            many => self.tell(false, reason, &format!("{what}s: {} ({}, ...)", many.len(), many[0])),
        }
    }

    /// Writes the counts, and all that was decided.
    pub(super) fn report(mut self, note: impl Into<String>) -> Decision {
        let ready = self.active.iter().filter(|own| own.pod.ready.is_some()).count();
        let mut status = at(&self.next, "/status").as_object().cloned().unwrap_or_default();
        for (member, count) in
            [("active", self.active.len() + self.made), ("succeeded", self.succeeded), ("failed", self.failed)]
        {
            if count > 0 {
                status.insert(member.into(), count.into());
            } else {
                status.remove(member);
            }
        }
        status.insert("ready".into(), ready.into());
        status.insert("terminating".into(), self.ending.len().into());
        status.insert("uncountedTerminatedPods".into(), json!({}));
        if self.spec.indexed && !self.done.is_empty() {
            status.insert("completedIndexes".into(), indexes::write(&self.done).into());
        } else {
            status.remove("completedIndexes");
        }
        if self.spec.per_index.is_some() {
            status.insert("failedIndexes".into(), indexes::write(&self.lost).into());
        } else {
            status.remove("failedIndexes");
        }
        self.next["status"] = status.into();
        self.writes.extend(replace(self.object, &self.next));
        Decision { wake_at: self.wake_at, ..Decision::one(self.writes, note) }
    }
}
