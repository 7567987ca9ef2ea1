//! Workloads that end: Job, CronJob. It knows no time: when a schedule is due is its controller's to say.
use super::words::{all, go_map, go_selector, immutable, invalid_shown, not_negative, number, one_of, text};
use super::{job_policy, pod};
use crate::field::Problems;
use crate::name;
use crate::schedule::{self, Schedule};
use crate::selector::Labels;
use serde_json::Value;

/// Pods at once, and failed indexes that are told, of a Job whose pods have indexes.
const INDEXED_MAX: i64 = 100_000;
/// Beyond so many completions, one that counts failures by index may run and tell of fewer.
const COMPLETIONS_MANY: i64 = 100_000;
const MANY_PARALLEL_MAX: i64 = 10_000;
const MANY_FAILED_MAX: i64 = 10_000;
/// What may be said anew of the pods of a Job that has not begun: where they may go, and what is written on them.
const MAY_MOVE: [&str; 3] = ["nodeSelector", "tolerations", "schedulingGates"];
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
    if spec["maxFailedIndexes"].is_number() && spec["backoffLimitPerIndex"].is_null() {
        problems.required(format!("{path}.backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    job_policy::manager(spec, path, problems);
    mode(spec, path, problems);
    job_policy::policies(spec, path, problems);
    pod::template(&spec["template"], &format!("{path}.template"), problems);
    let (field, policy) =
        (format!("{path}.template.spec.restartPolicy"), text(&spec["template"]["spec"], "restartPolicy"));
    if matches!(policy, "Always" | "") {
        problems.required(field, "valid values: \"OnFailure\", \"Never\"");
    } else if !matches!(policy, "OnFailure" | "Never") {
        one_of(&field, policy, &["OnFailure", "Never"], problems);
    } else if policy != "Never" && !spec["podFailurePolicy"].is_null() {
        let why = "only \"Never\" is supported when podFailurePolicy is specified";
        problems.invalid_text(field, policy, why);
    }
}

/// What depends on whether each of its pods has an index.
fn mode(spec: &Value, path: &str, problems: &mut Problems) {
    let mode = text(spec, "completionMode");
    if !mode.is_empty() {
        one_of(&format!("{path}.completionMode"), mode, &["NonIndexed", "Indexed"], problems);
    }
    match mode {
        "Indexed" => indexed(spec, path, problems),
        "NonIndexed" | "" => {
            for member in ["backoffLimitPerIndex", "maxFailedIndexes"].into_iter().filter(|m| spec[*m].is_number()) {
                problems.invalid(format!("{path}.{member}"), &spec[member], "requires indexed completion mode");
            }
        }
        _ => {}
    }
}

fn indexed(spec: &Value, path: &str, problems: &mut Problems) {
    let completions = spec["completions"].as_i64();
    if completions.is_none() {
        problems.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    let mut at_most = |member: &str, most: i64, when: &str| {
        if number(spec, member) > most {
            let why = format!("must be less than or equal to {most}{when}");
            problems.invalid(format!("{path}.{member}"), &spec[member], &why);
        }
    };
    at_most("parallelism", INDEXED_MAX, " when completion mode is Indexed");
    at_most("maxFailedIndexes", INDEXED_MAX, "");
    let many = completions.is_some_and(|completions| completions > COMPLETIONS_MANY);
    if many && !spec["backoffLimitPerIndex"].is_null() {
        let when = format!(" when completions are above {COMPLETIONS_MANY} and used with backoff limit per index");
        at_most("parallelism", MANY_PARALLEL_MAX, &when);
        at_most("maxFailedIndexes", MANY_FAILED_MAX, &when);
        if spec["maxFailedIndexes"].is_null() {
            let why = format!("must be specified when completions is above {COMPLETIONS_MANY}");
            problems.required(format!("{path}.maxFailedIndexes"), &why);
        }
    }
    if completions.is_some_and(|completions| number(spec, "maxFailedIndexes") > completions) {
        let why = "must be less than or equal to completions";
        problems.invalid(format!("{path}.maxFailedIndexes"), &spec["maxFailedIndexes"], why);
    }
}

/// Its pods' names are host names. Its selector is made for it, unless it says that it brings its own.
pub(super) fn new_job(value: &Value, problems: &mut Problems) {
    let (spec, own) = (&value["spec"], text(&value["metadata"], "name"));
    let completions = number(spec, "completions");
    if text(spec, "completionMode") == "Indexed" && completions > 0 {
        let host = format!("{own}-{}", completions - 1);
        if !name::label(&host).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {host}");
            problems.invalid_text("metadata.name", own, &why);
        }
    }
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
    if text(new, "completionMode") != "Indexed" {
        immutable(&old["completions"], &new["completions"], "spec.completions", problems);
    } else if old["completions"] != new["completions"]
        && !new["completions"].is_null()
        && number(new, "completions") != number(new, "parallelism")
    {
        let why = "can only be modified in tandem with spec.parallelism";
        problems.invalid("spec.completions", &new["completions"], why);
    }
    immutable(&old["selector"], &new["selector"], "spec.selector", problems);
    let (before, after) = (&old["template"], &new["template"]);
    if old["suspend"] != true || fixed(before) != fixed(after) {
        immutable(before, after, "spec.template", problems);
    }
    for member in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        immutable(&old[member], &new[member], &format!("spec.{member}"), problems);
    }
}

/// What stays of a template even before its Job has begun.
fn fixed(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(meta) = template["metadata"].as_object_mut() {
        meta.retain(|member, _| !matches!(member.as_str(), "labels" | "annotations"));
    }
    if let Some(spec) = template["spec"].as_object_mut() {
        spec.retain(|member, _| !MAY_MOVE.contains(&member.as_str()));
        let affinity = spec.get_mut("affinity").and_then(Value::as_object_mut);
        if affinity.is_some_and(|affinity| {
            affinity.remove("nodeAffinity");
            affinity.is_empty()
        }) {
            spec.remove("affinity");
        }
    }
    for member in ["metadata", "spec"] {
        if template[member].as_object().is_none_or(serde_json::Map::is_empty) {
            template[member] = Value::Null;
        }
    }
    template
}

pub(super) fn cron_job(spec: &Value, problems: &mut Problems) {
    when(spec, problems);
    not_negative(spec, "spec", &["startingDeadlineSeconds"], problems);
    let policies = ["Allow", "Forbid", "Replace"];
    one_of("spec.concurrencyPolicy", text(spec, "concurrencyPolicy"), &policies, problems);
    let inner = &spec["jobTemplate"]["spec"];
    job(inner, "spec.jobTemplate.spec", problems);
    if !inner["selector"].is_null() {
        let why = "`selector` will be auto-generated";
        invalid_shown("spec.jobTemplate.spec.selector", &go_selector(&inner["selector"]), why, problems);
    }
    if inner["manualSelector"] == true {
        problems.unknown_word("spec.jobTemplate.spec.manualSelector", &true.into(), &["nil", "false"]);
    }
    not_negative(spec, "spec", &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], problems);
}

/// What cron would not read.
fn when(spec: &Value, problems: &mut Problems) {
    let (own, zone) = (text(spec, "schedule"), spec["timeZone"].as_str());
    if own.is_empty() {
        problems.required("spec.schedule", "");
    } else if own.contains("TZ") {
        let why = match zone {
            Some(_) => "cannot use both timeZone field and TZ or CRON_TZ in schedule",
            None => "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        };
        problems.invalid_text("spec.schedule", own, why);
    } else if let Err(why) = Schedule::parse(own) {
        problems.invalid_text("spec.schedule", own, &why);
    }
}

/// A zone that is none.
fn zone(spec: &Value, problems: &mut Problems) {
    let (Some(zone), field) = (spec["timeZone"].as_str(), "spec.timeZone") else { return };
    let file = |part: &str| {
        let spelt = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte));
        spelt && (1..=14).contains(&part.len()) && !matches!(part, "." | "..") && !part.starts_with('-')
    };
    if zone.is_empty() {
        problems.invalid_text(field, zone, "timeZone must be nil or non-empty string");
        return;
    }
    if zone.split('/').all(file) && zone.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        problems.invalid_text(field, zone, why);
    }
    if zone != "Local" && schedule::zone(zone).is_none() {
        problems.invalid_text(field, zone, &format!("unknown time zone {zone}"));
    }
}

/// Only a zone that is new is judged.
pub(super) fn cron_job_change(old: &Value, new: &Value, problems: &mut Problems) {
    if old["timeZone"] != new["timeZone"] {
        zone(new, problems);
    }
}

pub(super) fn new_cron_job(value: &Value, problems: &mut Problems) {
    zone(&value["spec"], problems);
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
                "spec.schedule: Invalid value: \"* * * * 99\": end of range (99) above maximum (6): 99",
            ),
            (
                json!({"schedule": "TZ=UTC * * * * *"}),
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            ),
            (json!({"schedule": "* * * * *", "timeZone": "Local"}), "must be an explicit time zone"),
            (
                json!({"schedule": "* * * * *", "timeZone": "Foo/Bar"}),
                "spec.timeZone: Invalid value: \"Foo/Bar\": unknown time zone Foo/Bar",
            ),
            (json!({"schedule": "* * * * *", "timeZone": "../UTC"}), "unknown time zone ../UTC"),
            (json!({"schedule": "* * * * *", "timeZone": "Etc/GMT+5"}), ""),
            (json!({"schedule": "* * * * *", "timeZone": "UTC"}), ""),
            (json!({"schedule": "* * * * *", "timeZone": ""}), "must be nil or non-empty string"),
        ];
        for (spec, want) in table {
            let mut problems = Problems::default();
            when(&spec, &mut problems);
            zone(&spec, &mut problems);
            let told: Vec<String> =
                problems.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            assert_eq!(told.len(), usize::from(!want.is_empty()), "{spec}: {told:?}");
            assert!(told.concat().contains(want), "{spec}: {told:?}");
        }
    }
}
