//! Workloads that end: Job, CronJob. It knows no time: when a schedule is due is its controller's to say.
use super::pod;
use super::words::{all, go_map, go_selector, immutable, invalid_shown, not_negative, number, one_of, text};
use crate::field::Problems;
use crate::name;
use crate::schedule::Schedule;
use crate::selector::Labels;
use serde_json::Value;

/// A CronJob's name leaves room for the time that its jobs' names end with.
const CRON_NAME_BYTES_MAX: usize = 52;

/// The spec of a Job, or of a CronJob's jobs, at `path`.
pub(super) fn job(spec: &Value, path: &str, problems: &mut Problems) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    not_negative(spec, path, &counts, problems);
    let mode = text(spec, "completionMode");
    if !mode.is_empty() {
        one_of(&format!("{path}.completionMode"), mode, &["NonIndexed", "Indexed"], problems);
    }
    if mode == "Indexed" && !spec["completions"].is_number() {
        problems.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    if mode != "Indexed" {
        for member in ["backoffLimitPerIndex", "maxFailedIndexes"].into_iter().filter(|m| spec[*m].is_number()) {
            problems.invalid(format!("{path}.{member}"), &spec[member], "requires indexed completion mode");
        }
    }
    pod::template(&spec["template"], &format!("{path}.template"), problems);
    if text(&spec["template"]["spec"], "restartPolicy") == "Always" {
        let field = format!("{path}.template.spec.restartPolicy");
        problems.required(field, "valid values: \"OnFailure\", \"Never\"");
    }
}

/// Its selector is made for it, unless it says that it brings its own.
pub(super) fn new_job(spec: &Value, problems: &mut Problems) {
    let selector = &spec["selector"];
    if spec["manualSelector"] != true {
        if !selector.is_null() {
            invalid_shown("spec.selector", &go_selector(selector), "`selector` not auto-generated", problems);
        }
        return;
    }
    if selector.is_null() {
        problems.required("spec.selector", "");
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !Labels::of(selector).is_ok_and(|selector| selector.matches_map(labels)) {
        let why = "`selector` does not match template `labels`";
        invalid_shown("spec.template.metadata.labels", &go_map(labels), why, problems);
    }
}

pub(super) fn job_change(old: &Value, new: &Value, problems: &mut Problems) {
    let elastic = text(new, "completionMode") == "Indexed" && number(new, "completions") == number(new, "parallelism");
    if !elastic {
        immutable(&old["completions"], &new["completions"], "spec.completions", problems);
    }
    for member in
        ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        immutable(&old[member], &new[member], &format!("spec.{member}"), problems);
    }
    // One that has not begun may still be told where its pods may go.
    if old["suspend"] != true {
        immutable(&old["template"], &new["template"], "spec.template", problems);
    }
}

pub(super) fn cron_job(spec: &Value, problems: &mut Problems) {
    schedule(spec, problems);
    not_negative(spec, "spec", &["startingDeadlineSeconds"], problems);
    let policies = ["Allow", "Forbid", "Replace"];
    one_of("spec.concurrencyPolicy", text(spec, "concurrencyPolicy"), &policies, problems);
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", problems);
    not_negative(spec, "spec", &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], problems);
}

/// What cron would not read, and a zone that names none. Which zones there are is not known here.
fn schedule(spec: &Value, problems: &mut Problems) {
    let (own, zone) = (text(spec, "schedule"), spec["timeZone"].as_str());
    let fields: Vec<&str> = own.split_whitespace().collect();
    // Kubernetes' reader takes `@every` too; here such a job is never due.
    let known = own.starts_with("@every ") || Schedule::parse(own).is_some();
    if own.is_empty() {
        problems.required("spec.schedule", "");
    } else if own.contains("TZ") {
        let why = match zone {
            Some(_) => "cannot use both timeZone field and TZ or CRON_TZ in schedule",
            None => "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        };
        problems.invalid_text("spec.schedule", own, why);
    } else if !known && fields.len() != 5 {
        let why = format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" "));
        problems.invalid_text("spec.schedule", own, &why);
    } else if !known {
        problems.invalid_text("spec.schedule", own, "a field is out of its range, or cannot be read");
    }
    match zone {
        Some("") => problems.invalid_text("spec.timeZone", "", "timeZone must be nil or non-empty string"),
        Some(zone) if zone.eq_ignore_ascii_case("local") => {
            let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            problems.invalid_text("spec.timeZone", zone, why);
        }
        _ => {}
    }
}

pub(super) fn new_cron_job(value: &Value, problems: &mut Problems) {
    let own = text(&value["metadata"], "name");
    if own.len() > CRON_NAME_BYTES_MAX && name::subdomain(own).is_empty() {
        let why = format!("must be no more than {CRON_NAME_BYTES_MAX} characters");
        all("metadata.name", own, vec![why], problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schedule_is_one_that_cron_reads() {
        let table = [
            (json!({"schedule": "*/5 0-3 1 jan,feb mon"}), ""),
            (json!({"schedule": "@daily"}), ""),
            (json!({"schedule": "@every 1h"}), ""),
            (json!({"schedule": "* * * * *", "timeZone": "Europe/Berlin"}), ""),
            (json!({}), "spec.schedule: Required value"),
            (
                json!({"schedule": "x y"}),
                "spec.schedule: Invalid value: \"x y\": expected exactly 5 fields, found 2: [x y]",
            ),
            (
                json!({"schedule": "* * * * 99"}),
                "spec.schedule: Invalid value: \"* * * * 99\": a field is out of its range",
            ),
            (
                json!({"schedule": "TZ=UTC * * * * *"}),
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            ),
            (json!({"schedule": "* * * * *", "timeZone": "Local"}), "must be an explicit time zone"),
            (json!({"schedule": "* * * * *", "timeZone": ""}), "must be nil or non-empty string"),
        ];
        for (spec, want) in table {
            let mut problems = Problems::default();
            schedule(&spec, &mut problems);
            let told: Vec<String> =
                problems.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            assert_eq!(told.len(), usize::from(!want.is_empty()), "{spec}: {told:?}");
            assert!(told.concat().contains(want), "{spec}: {told:?}");
        }
    }
}
