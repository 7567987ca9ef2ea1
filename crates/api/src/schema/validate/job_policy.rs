//! What a Job says of failures (KEP-3329, KEP-3850), of success (KEP-3998), of replacements (KEP-3939) and of who manages it
//! (KEP-4368). It judges no pods.
use super::words::{all, invalid_whole, items, not_negative, number, one_of, text};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const MANAGER_BYTES_MAX: usize = 63;
const INDEXES_BYTES_MAX: usize = 64 * 1024;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const PATH_CHARACTERS: &str = "/-._~%!$&'()*+,;=:";

/// A controller's name: `acme.io/foo`.
pub(super) fn manager(spec: &Value, path: &str, problems: &mut Problems) {
    let Some(own) = spec["managedBy"].as_str() else { return };
    let field = format!("{path}.managedBy");
    match own.split_once('/') {
        _ if own.is_empty() => problems.required(field.as_str(), ""),
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => {
            all(&field, host, name::subdomain(host), problems);
            if !rest.chars().all(|c| c.is_ascii_alphanumeric() || PATH_CHARACTERS.contains(c)) {
                let why = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                problems.invalid_text(field.as_str(), rest, why);
            }
        }
        _ => {
            let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            problems.invalid_text(field.as_str(), own, why);
        }
    }
    if own.len() > MANAGER_BYTES_MAX {
        problems.too_long(field, MANAGER_BYTES_MAX);
    }
}

/// Everything that a Job says of what becomes of its pods, and when it has succeeded.
pub(super) fn policies(spec: &Value, path: &str, problems: &mut Problems) {
    let failure = &spec["podFailurePolicy"];
    if !failure.is_null() {
        failures(spec, &format!("{path}.podFailurePolicy.rules"), problems);
    }
    let success = &spec["successPolicy"];
    if !success.is_null() {
        if text(spec, "completionMode") == "Indexed" {
            successes(spec, &format!("{path}.successPolicy.rules"), problems);
        } else {
            problems.invalid(format!("{path}.successPolicy"), success, "requires indexed completion mode");
        }
    }
    if let Some(policy) = spec["podReplacementPolicy"].as_str() {
        let known: &[&str] = if failure.is_null() { &["Failed", "TerminatingOrFailed"] } else { &["Failed"] };
        one_of(&format!("{path}.podReplacementPolicy"), policy, known, problems);
    }
}

fn failures(spec: &Value, path: &str, problems: &mut Problems) {
    let rules = items(&spec["podFailurePolicy"], "rules");
    few(rules, path, RULES_MAX, problems);
    let pod = &spec["template"]["spec"];
    let containers: BTreeSet<&str> = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| items(pod, list))
        .map(|container| text(container, "name"))
        .collect();
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{place}]");
        let field = format!("{path}.action");
        match text(rule, "action") {
            "FailIndex" if spec["backoffLimitPerIndex"].is_null() => {
                problems.invalid_text(field, "FailIndex", "requires the backoffLimitPerIndex to be set");
            }
            action => word(&field, action, &ACTIONS, problems),
        }
        let (codes, conditions) = (&rule["onExitCodes"], items(rule, "onPodConditions"));
        if !codes.is_null() {
            exit_codes(codes, &format!("{path}.onExitCodes"), &containers, problems);
        }
        self::conditions(conditions, &format!("{path}.onPodConditions"), problems);
        match (codes.is_null(), conditions.is_empty()) {
            (false, false) => {
                let why = "specifying both OnExitCodes and OnPodConditions is not supported";
                invalid_whole(&path, why, problems);
            }
            (true, true) => {
                let why = "specifying one of OnExitCodes and OnPodConditions is required";
                invalid_whole(&path, why, problems);
            }
            _ => {}
        }
    }
}

fn exit_codes(codes: &Value, path: &str, containers: &BTreeSet<&str>, problems: &mut Problems) {
    let operator = text(codes, "operator");
    word(&format!("{path}.operator"), operator, &OPERATORS, problems);
    if let Some(container) = codes["containerName"].as_str().filter(|name| !containers.contains(name)) {
        let why = "must be one of the container or initContainer names in the pod template";
        problems.invalid_text(format!("{path}.containerName"), container, why);
    }
    let (field, values) = (format!("{path}.values"), items(codes, "values"));
    if values.is_empty() {
        problems.invalid(field.as_str(), &Value::Array(Vec::new()), "at least one value is required");
    }
    few(values, &field, EXIT_CODES_MAX, problems);
    let mut seen = BTreeSet::new();
    for (place, value) in values.iter().enumerate() {
        let (field, code) = (format!("{field}[{place}]"), value.as_i64().unwrap_or(0));
        if operator == "In" && code == 0 {
            problems.invalid(field.as_str(), value, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            problems.duplicate(field, value);
        }
    }
    if !values.iter().map(Value::as_i64).is_sorted() {
        problems.invalid(field, &codes["values"], "must be ordered");
    }
}

fn conditions(patterns: &[Value], path: &str, problems: &mut Problems) {
    few(patterns, path, CONDITIONS_MAX, problems);
    for (place, pattern) in patterns.iter().enumerate() {
        let (path, kind) = (format!("{path}[{place}]"), text(pattern, "type"));
        all(&format!("{path}.type"), kind, name::qualified(kind), problems);
        word(&format!("{path}.status"), text(pattern, "status"), &STATUSES, problems);
    }
}

fn successes(spec: &Value, path: &str, problems: &mut Problems) {
    let rules = items(&spec["successPolicy"], "rules");
    if rules.is_empty() {
        problems.required(path, "at least one rules must be specified when the successPolicy is specified");
    }
    few(rules, path, RULES_MAX, problems);
    // Without them the Job is refused anyway.
    let Some(completions) = spec["completions"].as_i64() else { return };
    for (place, rule) in rules.iter().enumerate() {
        success(rule, completions, &format!("{path}[{place}]"), problems);
    }
}

fn success(rule: &Value, completions: i64, path: &str, problems: &mut Problems) {
    let (count, indexes) = (&rule["succeededCount"], rule["succeededIndexes"].as_str());
    if count.is_null() && indexes.is_none() {
        problems.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut named = 0;
    if let Some(indexes) = indexes {
        let field = format!("{path}.succeededIndexes");
        if indexes.len() > INDEXES_BYTES_MAX {
            problems.too_long(field.as_str(), INDEXES_BYTES_MAX);
        }
        match total(indexes, completions) {
            Ok(total) => named = total,
            Err(why) => problems.invalid_text(field, indexes, &format!("error parsing succeededIndexes: {why}")),
        }
    }
    not_negative(rule, path, &["succeededCount"], problems);
    let (field, wanted) = (format!("{path}.succeededCount"), number(rule, "succeededCount"));
    if wanted > completions {
        let why = format!("must be less than or equal to {completions} (the number of specified completions)");
        problems.invalid(field.as_str(), count, &why);
    }
    if indexes.is_some() && wanted > named {
        let why = format!(
            "must be less than or equal to {named} (the number of indexes in the specified succeededIndexes field)"
        );
        problems.invalid(field, count, &why);
    }
}

/// How many indexes below `end` a text such as `1,3-5` names, or what is wrong with it.
fn total(text: &str, end: i64) -> Result<i64, String> {
    let (mut total, mut last) = (0, None);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        if part.matches('-').count() > 1 {
            return Err(format!(
                "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
            ));
        }
        let (first, until) = match part.split_once('-') {
            None => (index(part, end)?, None),
            Some((first, until)) => (index(first, end)?, Some(index(until, end)?)),
        };
        let before = last.filter(|last| *last >= first).map(|last| (last, first));
        let within = until.filter(|until| first >= *until).map(|until| (first, until));
        if let Some((previous, current)) = within.or(before) {
            return Err(format!("non-increasing order, previous: {previous}, current: {current}"));
        }
        let until = until.unwrap_or(first);
        total += until - first + 1;
        last = Some(until);
    }
    Ok(total)
}

fn index(text: &str, end: i64) -> Result<i64, String> {
    let index: i64 = text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
    if index >= end { Err(format!("too large index: {text:?}")) } else { Ok(index) }
}

/// A word that must be there and be one of the known.
fn word(field: &str, found: &str, known: &[&str], problems: &mut Problems) {
    if found.is_empty() {
        let known: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
        problems.required(field, &format!("valid values: [{}]", known.join(" ")));
    } else {
        one_of(field, found, known, problems);
    }
}

fn few(list: &[Value], path: &str, most: usize, problems: &mut Problems) {
    if list.len() > most {
        problems.too_many(path, list.len() as u64, most as u64);
    }
}
