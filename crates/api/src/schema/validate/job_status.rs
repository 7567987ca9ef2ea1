//! What may be written as the status of a Job (KEP-4368): what is counted stays counted, what has ended stays ended, and the
//! conditions say one thing. It counts no pods.
use super::words::{at, invalid_whole, items, not_negative, number, text, texts};
use crate::field::Problems;
use serde_json::Value;
use std::collections::BTreeSet;

/// A Job, old or new, as its status tells of it.
struct Told<'a> {
    spec: &'a Value,
    status: &'a Value,
}

impl Told<'_> {
    fn has(&self, condition: &str) -> bool {
        items(self.status, "conditions").iter().any(|own| own["type"] == condition && own["status"] == "True")
    }

    fn finished(&self) -> bool {
        self.has("Complete") || self.has("Failed")
    }

    fn indexed(&self) -> bool {
        text(self.spec, "completionMode") == "Indexed"
    }
}

pub(super) fn update(old: &Value, new: &Value, problems: &mut Problems) {
    let old = Told { spec: &old["spec"], status: &old["status"] };
    let new = Told { spec: &new["spec"], status: &new["status"] };
    let counts = ["active", "succeeded", "failed", "ready", "terminating"];
    not_negative(new.status, "status", &counts, problems);
    uncounted(new.status, problems);
    conditions(&old, &new, problems);
    times(&old, &new, problems);
    pods(&old, &new, problems);
    indexes(&old, &new, problems);
    kept(&old, &new, problems);
}

fn wrong(why: &str, problems: &mut Problems) {
    invalid_whole("status.conditions", why, problems);
}

fn uncounted(status: &Value, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for (place, uid) in texts(&status["uncountedTerminatedPods"], list).into_iter().enumerate() {
            let field = format!("status.uncountedTerminatedPods.{list}[{place}]");
            if uid.is_empty() {
                problems.invalid_text(field, uid, "must not be empty");
            } else if !seen.insert(uid) {
                problems.duplicate(field, &uid.into());
            }
        }
    }
}

fn conditions(old: &Told, new: &Told, problems: &mut Problems) {
    let turned = |condition: &str| old.has(condition) != new.has(condition);
    let (complete, failed, met) = (new.has("Complete"), new.has("Failed"), new.has("SuccessCriteriaMet"));
    if (turned("Complete") || turned("Failed")) && complete && failed {
        wrong("cannot set Complete=True and Failed=true conditions", problems);
    }
    if (turned("Complete") || turned("FailureTarget")) && complete && new.has("FailureTarget") {
        wrong("cannot set Complete=True and FailureTarget=true conditions", problems);
    }
    let failed_indexes = old.status["failedIndexes"] != new.status["failedIndexes"];
    if (turned("Failed") || failed_indexes) && failed && !new.has("FailureTarget") {
        wrong("cannot set Failed=True condition without the FailureTarget=true condition", problems);
    }
    if (turned("Complete") || turned("SuccessCriteriaMet")) && complete && !met {
        wrong("cannot set Complete=True condition without the SuccessCriteriaMet=true condition", problems);
    }
    if met && failed {
        wrong("cannot set SuccessCriteriaMet=True and Failed=true conditions", problems);
    }
    if met && new.has("FailureTarget") {
        wrong("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", problems);
    }
    if !new.spec["successPolicy"].is_null() && complete && !met {
        wrong("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True", problems);
    }
}

fn times(old: &Told, new: &Told, problems: &mut Problems) {
    let (start, end) = (&new.status["startTime"], &new.status["completionTime"]);
    let start_changed = *start != old.status["startTime"];
    let end_changed = *end != old.status["completionTime"];
    let complete_changed = old.has("Complete") != new.has("Complete");
    let (field, complete) = ("status.completionTime", new.has("Complete"));
    if complete_changed || end_changed {
        if !end.is_null() && !complete {
            problems.invalid(field, end, "cannot set completionTime when there is no Complete=True condition");
        }
        if end.is_null() && complete {
            problems.required(field, "completionTime is required for Complete jobs");
        }
    }
    // Times are in one form, so that their texts are in their order.
    if (start_changed || end_changed) && start.as_str().zip(end.as_str()).is_some_and(|(start, end)| end < start) {
        problems.invalid(field, end, "completionTime cannot be set before startTime");
    }
    let nothing_to_do = new.spec["suspend"] == true && new.spec["completions"] == 0;
    let finished_changed = old.finished() != new.finished();
    if (finished_changed || start_changed) && !nothing_to_do && start.is_null() && new.finished() {
        problems.required("status.startTime", "startTime is required for finished job");
    }
}

fn pods(old: &Told, new: &Told, problems: &mut Problems) {
    let changed = |member: &str| old.status[member] != new.status[member];
    let finished_changed = old.finished() != new.finished();
    let (active, finished) = (number(new.status, "active"), new.finished());
    if (finished_changed || changed("active")) && active > 0 && finished {
        problems.invalid("status.active", &active.into(), "active>0 is invalid for finished job");
    }
    let uncounted = &new.status["uncountedTerminatedPods"];
    let any = ["succeeded", "failed"].iter().any(|list| !items(uncounted, list).is_empty());
    if (finished_changed || changed("uncountedTerminatedPods")) && finished && any {
        let why = "uncountedTerminatedPods needs to be empty for finished job";
        problems.invalid("status.uncountedTerminatedPods", uncounted, why);
    }
    let (ending, ready) = (number(new.status, "terminating"), number(new.status, "ready"));
    if (finished_changed || changed("terminating")) && ending > 0 && finished {
        problems.invalid("status.terminating", &ending.into(), "terminating>0 is invalid for finished job");
    }
    if (changed("ready") || changed("active")) && ready > active {
        problems.invalid("status.ready", &ready.into(), "cannot set more ready pods than active");
    }
}

fn indexes(old: &Told, new: &Told, problems: &mut Problems) {
    let completed = &new.status["completedIndexes"];
    if *completed != old.status["completedIndexes"]
        && !new.indexed()
        && !text(new.status, "completedIndexes").is_empty()
    {
        let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
        problems.invalid("status.completedIndexes", completed, why);
    }
    let failed = &new.status["failedIndexes"];
    let limited = !new.spec["backoffLimitPerIndex"].is_null();
    if *failed != old.status["failedIndexes"] && !limited && !failed.is_null() {
        let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        problems.invalid("status.failedIndexes", failed, why);
    }
}

/// What was counted and decided stays.
fn kept(old: &Told, new: &Told, problems: &mut Problems) {
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if old.has(condition) && !new.has(condition) {
            wrong(&format!("cannot disable the terminal {condition}=True condition"), problems);
        }
    }
    let elastic = new.indexed() && new.spec["completions"] == new.spec["parallelism"];
    for member in ["failed", "succeeded"].into_iter().filter(|member| *member == "failed" || !elastic) {
        let now = number(new.status, member);
        if now < number(old.status, member) {
            problems.invalid(at("status", member), &now.into(), &format!("cannot decrease the {member} counter"));
        }
    }
    let (before, after) = (&old.status["completionTime"], &new.status["completionTime"]);
    if !before.is_null() && !after.is_null() && before != after {
        problems.invalid("status.completionTime", after, "completionTime cannot be mutated");
    }
    let before = &old.status["startTime"];
    let resumed = old.has("Suspended") && !new.has("Suspended");
    if !before.is_null() && *before != new.status["startTime"] && new.spec["suspend"] != true && !resumed {
        problems.required("status.startTime", "startTime cannot be removed for unsuspended job");
    }
    if old.has("SuccessCriteriaMet") && !new.has("SuccessCriteriaMet") {
        wrong("cannot disable the SuccessCriteriaMet=True condition", problems);
    }
    if old.has("Complete") && !old.has("SuccessCriteriaMet") && new.has("SuccessCriteriaMet") {
        wrong("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", problems);
    }
}
