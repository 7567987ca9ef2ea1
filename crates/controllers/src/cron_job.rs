//! CronJob: a Job each time its schedule is due in the time of its zone, and of those that have ended only a few. Its Jobs do the work; it
//! counts no pods.

use crate::conditions::is_true;
use crate::controller::Controller;
use crate::fields::{at, flag, number, set, text};
use crate::owners::{controlled, controller_key, controller_reference};
use crate::reports;
use crate::writes::{begin_deletion, create, replace};
use api::command::Write;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::kind::Kind;
use api::kinds::builtin;
use api::object::Object;
use api::report::Report;
use api::revision::Millis;
use api::schedule::{self, Schedule};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use store::view::View;

const RESOURCE: &str = "cronjobs.batch";
const JOBS: &str = "jobs.batch";

/// Keys are CronJobs.
pub(crate) const CONTROLLER: Controller = Controller { name: "cron_job", keys, all, decide };

fn keys(event: &Event, _view: &View) -> Vec<Key> {
    let object = &event.object;
    match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        JOBS => controller_key(object, "CronJob", RESOURCE).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_none()) else {
        return Decision::idle();
    };
    let value = object.value();
    Turn { view, object, next: value.clone(), value, now, writes: Vec::new(), wake_at: None }.decide()
}

/// One decision about one CronJob.
struct Turn<'a> {
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    /// As it will be.
    next: Value,
    now: Millis,
    writes: Vec<Write>,
    wake_at: Option<Millis>,
}

impl Turn<'_> {
    fn decide(mut self) -> Decision {
        let jobs: Vec<(Arc<Object>, Value)> =
            controlled(self.view, JOBS, self.object).into_iter().map(|job| (job.clone(), job.value())).collect();
        let ended = |job: &Value, kind: &str| is_true(job, kind);
        let (done, active): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|(_, job)| ended(job, "Complete") || ended(job, "Failed"));
        self.see(&done, &active);
        self.keep("successfulJobsHistoryLimit", 3, done.iter().filter(|(_, job)| ended(job, "Complete")));
        self.keep("failedJobsHistoryLimit", 1, done.iter().filter(|(_, job)| ended(job, "Failed")));
        if !flag(&self.value, "/spec/suspend") {
            self.schedule(&active);
        }
        self.writes.extend(replace(self.object, &self.next));
        Decision { wake_at: self.wake_at, ..Decision::one(self.writes, "") }
    }

    /// What is said of its Jobs: those at work, and when one succeeded last.
    fn see(&mut self, done: &[(Arc<Object>, Value)], active: &[(Arc<Object>, Value)]) {
        for (job, value) in done {
            let was_active = at(&self.value, "/status/active").as_array().into_iter().flatten();
            if was_active.into_iter().any(|one| text(one, "/uid") == job.uid.to_string()) {
                let how = if is_true(value, "Complete") { "Complete" } else { "Failed" };
                self.tell(false, "SawCompletedJob", &format!("Saw completed job: {}, condition: {how}", job.key.name));
            }
        }
        let refer = |(job, _): &(Arc<Object>, Value)| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "name": &*job.key.name, "namespace": &*job.key.namespace,
                "uid": job.uid.to_string()})
        };
        let mut status = at(&self.value, "/status").as_object().cloned().unwrap_or_default();
        if active.is_empty() {
            status.remove("active");
        } else {
            status.insert("active".into(), active.iter().map(refer).collect());
        }
        let last = done.iter().map(|(_, job)| text(job, "/status/completionTime")).max().unwrap_or("");
        if last > text(&self.value, "/status/lastSuccessfulTime") {
            status.insert("lastSuccessfulTime".into(), last.into());
        }
        self.next["status"] = status.into();
    }

    /// Of Jobs that have ended the oldest go.
    fn keep<'b>(&mut self, member: &str, usual: i64, jobs: impl Iterator<Item = &'b (Arc<Object>, Value)>) {
        let limit = usize::try_from(number(&self.value, &format!("/spec/{member}")).unwrap_or(usual)).unwrap_or(0);
        let mut jobs: Vec<&Arc<Object>> = jobs.map(|(job, _)| job).collect();
        jobs.sort_by_key(|job| (job.created, job.key.clone()));
        let surplus = jobs.len().saturating_sub(limit);
        for job in &jobs[..surplus] {
            self.end(job);
        }
    }

    fn end(&mut self, job: &Object) {
        if let Some(write) = begin_deletion(job, "", self.now) {
            self.writes.push(write);
            self.tell(false, "SuccessfulDelete", &format!("Deleted job {}", job.key.name));
        }
    }

    /// Makes the Job that is due, if one is; notes when the next will be.
    fn schedule(&mut self, active: &[(Arc<Object>, Value)]) {
        let zone = text(&self.value, "/spec/timeZone").to_owned();
        let Some(zone) = schedule::zone(if zone.is_empty() { "UTC" } else { &zone }) else {
            return self.tell_once("UnknownTimeZone", &format!("invalid timezone: {zone:?}: unknown time zone {zone}"));
        };
        let text_of = text(&self.value, "/spec/schedule").to_owned();
        let schedule = match Schedule::parse(&text_of) {
            Ok(schedule) => schedule.of(zone),
            Err(why) => {
                return self.tell_once("UnparseableSchedule", &format!("unparseable schedule: {text_of:?} : {why}"));
            }
        };
        let since = Millis::parse(text(&self.value, "/status/lastScheduleTime")).unwrap_or(self.object.created);
        let late = number(&self.value, "/spec/startingDeadlineSeconds").and_then(|late| u64::try_from(late).ok());
        let late = late.map_or(0, |late| self.now.0.saturating_sub(late.saturating_mul(1_000)));
        self.wake_at = schedule.next(since, self.now);
        let Some(due) = schedule.last(since, self.now).filter(|due| due.0 > late) else { return };
        match text(&self.value, "/spec/concurrencyPolicy") {
            "Forbid" if !active.is_empty() => return,
            "Replace" => active.iter().for_each(|(job, _)| self.end(job)),
            _ => {}
        }
        self.make(due, &schedule.shown(due));
    }

    fn make(&mut self, due: Millis, shown: &str) {
        let namespace = &*self.object.key.namespace;
        if self.view.get("namespaces", "", namespace).is_some_and(|namespace| namespace.facet.deleting.is_some()) {
            return;
        }
        let name = format!("{}-{}", self.object.key.name, due.0 / 60_000);
        if self.view.get(JOBS, namespace, &name).is_none() {
            let job = self.job(&name, shown);
            self.writes.extend(create(JOBS, &job));
            self.tell(false, "SuccessfulCreate", &format!("Created job {name}"));
        }
        set(&mut self.next, &["status", "lastScheduleTime"], due.rfc3339());
    }

    /// The Job of its template for that moment, as the API would let it in.
    fn job(&self, name: &str, due: &str) -> Value {
        static KIND: LazyLock<Option<&'static Kind>> =
            LazyLock::new(|| builtin().iter().find(|kind| &*kind.resource == JOBS));
        let template = at(&self.value, "/spec/jobTemplate");
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name,
            "namespace": &*self.object.key.namespace, "generation": 1,
            "ownerReferences": [controller_reference("batch/v1", "CronJob", self.object)]},
            "spec": at(template, "/spec"), "status": {}});
        for member in ["labels", "annotations"] {
            let value = at(template, &format!("/metadata/{member}"));
            if !value.is_null() {
                set(&mut job, &["metadata", member], value.clone());
            }
        }
        set(&mut job, &["metadata", "annotations", "batch.kubernetes.io/cronjob-scheduled-timestamp"], due);
        if let Some(kind) = *KIND {
            api::schema::default(kind, &mut job);
        }
        job
    }

    fn tell(&mut self, warning: bool, reason: &str, message: &str) {
        let report = Report { component: "cronjob-controller", warning, reason, message };
        self.writes.extend(reports::write(self.view, &self.value, report, self.now));
    }

    /// Says what stays so: once, and not again at every look.
    fn tell_once(&mut self, reason: &str, message: &str) {
        let report = Report { component: "cronjob-controller", warning: true, reason, message };
        if self.view.get_key(&report.key(&self.value)).is_none() {
            self.tell(true, reason, message);
        }
    }
}
