//! FlowSchema and PriorityLevelConfiguration. It queues nothing.
use super::words::{all, at, demanded, items, number, one_of, text, texts};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of the hash that deals hands of queues.
const HASH_BITS_MAX: u32 = 60;
const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

pub(super) fn schema(value: &Value, problems: &mut Problems) {
    let (spec, own) = (&value["spec"], text(&value["metadata"], "name"));
    let (field, precedence) = ("spec.matchingPrecedence", number(spec, "matchingPrecedence"));
    if precedence <= 0 {
        problems.invalid(field, &precedence.into(), "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        problems.invalid(field, &precedence.into(), &format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && own != "exempt" {
        let why = "only the schema named 'exempt' may have matchingPrecedence 1";
        problems.invalid(field, &precedence.into(), why);
    }
    let method = &spec["distinguisherMethod"];
    if method.is_object() && !matches!(text(method, "type"), "ByNamespace" | "ByUser") {
        problems.unsupported("spec.distinguisherMethod.type", method, &["ByNamespace", "ByUser"]);
    }
    let level = &spec["priorityLevelConfiguration"];
    match text(level, "name") {
        "" => problems.required("spec.priorityLevelConfiguration.name", "must reference a priority level"),
        own => all("spec.priorityLevelConfiguration.name", own, name::subdomain(own), problems),
    }
    for (place, rule) in items(spec, "rules").iter().enumerate() {
        self::rule(rule, &format!("spec.rules[{place}]"), problems);
    }
}

fn rule(rule: &Value, path: &str, problems: &mut Problems) {
    if items(rule, "subjects").is_empty() {
        problems.required(at(path, "subjects"), "subjects must contain at least one value");
    }
    for (place, subject) in items(rule, "subjects").iter().enumerate() {
        self::subject(subject, &format!("{path}.subjects[{place}]"), problems);
    }
    let (resources, others) = (items(rule, "resourceRules"), items(rule, "nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        problems.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for (place, rule) in resources.iter().enumerate() {
        let path = format!("{path}.resourceRules[{place}]");
        verbs(rule, &path, problems);
        listed(rule, "apiGroups", &path, ["resource rules must supply at least one api group", "api groups"], problems);
        listed(rule, "resources", &path, ["resource rules must supply at least one resource", "resources"], problems);
        namespaces(rule, &path, problems);
    }
    for (place, rule) in others.iter().enumerate() {
        let path = format!("{path}.nonResourceRules[{place}]");
        verbs(rule, &path, problems);
        urls(rule, &path, problems);
    }
}

fn subject(subject: &Value, path: &str, problems: &mut Problems) {
    let kinds = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = text(subject, "kind");
    let Some((_, own)) = kinds.iter().find(|(known, _)| *known == kind) else {
        one_of(&at(path, "kind"), kind, &["Group", "ServiceAccount", "User"], problems);
        return;
    };
    let path_of = |member: &str| at(path, member);
    if !subject[*own].is_object() {
        problems.required(path_of(own), &format!("{own} is required when subject kind is '{kind}'"));
    } else if kind == "ServiceAccount" {
        let account = demanded(&subject[*own], "name", &path_of(own), problems);
        if !account.is_empty() && account != "*" {
            all(&format!("{path}.{own}.name"), account, name::subdomain(account), problems);
        }
        match text(&subject[*own], "namespace") {
            "" => {
                problems.required(format!("{path}.{own}.namespace"), "must specify namespace for service account");
            }
            space => all(&format!("{path}.{own}.namespace"), space, name::label(space), problems),
        }
    } else {
        demanded(&subject[*own], "name", &path_of(own), problems);
    }
    for (other, member) in kinds.iter().filter(|(other, _)| *other != kind) {
        if subject[*member].is_object() {
            let why = format!("{member} is forbidden when subject kind is not '{other}'");
            problems.forbidden(path_of(member), &why);
        }
    }
}

fn verbs(rule: &Value, path: &str, problems: &mut Problems) {
    let (field, verbs) = (at(path, "verbs"), texts(rule, "verbs"));
    if verbs.is_empty() {
        problems.required(field, "verbs must contain at least one value");
    } else if verbs.contains(&"*") {
        if verbs.len() > 1 {
            problems.invalid(field, &rule["verbs"], "if '*' is present, must not specify other verbs");
        }
    } else if !verbs.iter().all(|verb| VERBS.contains(verb)) {
        problems.unsupported(field, &rule["verbs"], &VERBS);
    }
}

fn listed(rule: &Value, member: &str, path: &str, [missing, others]: [&str; 2], problems: &mut Problems) {
    let list = texts(rule, member);
    if list.is_empty() {
        problems.required(at(path, member), missing);
    } else if list.len() > 1 && list.contains(&"*") {
        let why = format!("if '*' is present, must not specify other {others}");
        problems.invalid(at(path, member), &rule[member], &why);
    }
}

fn namespaces(rule: &Value, path: &str, problems: &mut Problems) {
    let (field, list) = (at(path, "namespaces"), texts(rule, "namespaces"));
    if list.is_empty() && rule["clusterScope"] != true {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        problems.required(field, why);
    } else if list.contains(&"*") {
        if list.len() > 1 {
            let why = "if '*' is present, must not specify other namespaces";
            problems.invalid(field, &rule["namespaces"], why);
        }
    } else {
        for (place, own) in list.into_iter().enumerate() {
            for why in name::label(own) {
                let why = format!("each member of this list must be '*' or a DNS-1123 label; {why}");
                problems.invalid_text(format!("{field}[{place}]"), own, &why);
            }
        }
    }
}

fn urls(rule: &Value, path: &str, problems: &mut Problems) {
    let (field, list) = (at(path, "nonResourceURLs"), texts(rule, "nonResourceURLs"));
    if list.is_empty() {
        problems.required(field, "nonResourceURLs must contain at least one value");
    } else if list.contains(&"*") {
        if list.len() > 1 {
            let why = "if '*' is present, must not specify other non-resource URLs";
            problems.invalid(field, &rule["nonResourceURLs"], why);
        }
    } else {
        for (place, url) in list.into_iter().enumerate() {
            let stars = url.matches('*').count();
            let why = match url {
                "" => "must not be empty",
                "/" => continue,
                _ if !url.starts_with('/') => "must start with slash",
                _ if url.contains(' ') => "must not contain white-space",
                _ if url.contains("//") => "must not contain double slash",
                _ if stars > 1 || (stars == 1 && !url.ends_with("/*")) => "wildcard can only do suffix matching",
                _ => continue,
            };
            problems.invalid_text(format!("{field}[{place}]"), url, why);
        }
    }
}

pub(super) fn level(value: &Value, problems: &mut Problems) {
    let (spec, own) = (&value["spec"], text(&value["metadata"], "name"));
    let kind = text(spec, "type");
    if (own == "exempt") != (kind == "Exempt") {
        problems.invalid_text("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'");
    }
    let (limited, exempt) = (&spec["limited"], &spec["exempt"]);
    match kind {
        "Exempt" => {
            if limited.is_object() {
                problems.forbidden("spec.limited", "must be nil if the type is not Limited");
            }
            shares(exempt, "spec.exempt", problems);
        }
        "Limited" => {
            if exempt.is_object() {
                problems.forbidden("spec.exempt", "must be nil if the type is Limited");
            }
            if limited.is_object() {
                self::limited(limited, problems);
            } else {
                problems.required("spec.limited", "must not be empty when type is Limited");
            }
        }
        other => one_of("spec.type", other, &["Exempt", "Limited"], problems),
    }
}

fn shares(value: &Value, path: &str, problems: &mut Problems) {
    let own = number(value, "nominalConcurrencyShares");
    if own < 0 {
        problems.invalid(at(path, "nominalConcurrencyShares"), &own.into(), "must be a non-negative integer");
    }
    let lent = number(value, "lendablePercent");
    if !(0..=100).contains(&lent) {
        problems.invalid(at(path, "lendablePercent"), &lent.into(), "must be between 0 and 100, inclusive");
    }
}

fn limited(limited: &Value, problems: &mut Problems) {
    let path = "spec.limited";
    shares(limited, path, problems);
    let borrowed = number(limited, "borrowingLimitPercent");
    if borrowed < 0 {
        let why = "if specified, must be a non-negative integer";
        problems.invalid(at(path, "borrowingLimitPercent"), &borrowed.into(), why);
    }
    let (response, path) = (&limited["limitResponse"], "spec.limited.limitResponse");
    let queuing = &response["queuing"];
    match text(response, "type") {
        "Reject" if queuing.is_object() => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            problems.forbidden(at(path, "queuing"), why);
        }
        "Queue" if !queuing.is_object() => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            problems.required(at(path, "queuing"), why);
        }
        "Reject" => {}
        "Queue" => queues(queuing, &at(path, "queuing"), problems),
        other => one_of(&at(path, "type"), other, &["Queue", "Reject"], problems),
    }
}

fn queues(queuing: &Value, path: &str, problems: &mut Problems) {
    let of = |member: &str| number(queuing, member);
    let (length, queues, hand) = (of("queueLengthLimit"), of("queues"), of("handSize"));
    if length <= 0 {
        problems.invalid(at(path, "queueLengthLimit"), &length.into(), "must be positive");
    }
    if queues <= 0 {
        problems.invalid(at(path, "queues"), &queues.into(), "must be positive");
    } else if queues > QUEUES_MAX {
        problems.invalid(at(path, "queues"), &queues.into(), &format!("must not be greater than {QUEUES_MAX}"));
    }
    if hand <= 0 {
        problems.invalid(at(path, "handSize"), &hand.into(), "must be positive");
    } else if hand > queues {
        problems.invalid(at(path, "handSize"), &hand.into(), &format!("should not be greater than queues ({queues})"));
    } else if bits(queues, hand) > HASH_BITS_MAX {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS_MAX}"
        );
        problems.invalid(at(path, "handSize"), &hand.into(), &why);
    }
}

/// Bits that tell every hand of so many queues from every other.
fn bits(queues: i64, hand: i64) -> u32 {
    let mut hands: u128 = 1;
    for dealt in 0..hand {
        hands = hands.saturating_mul(u128::try_from(queues - dealt).unwrap_or(1));
        if hands > 1 << HASH_BITS_MAX {
            return HASH_BITS_MAX + 1;
        }
    }
    u128::BITS - hands.saturating_sub(1).leading_zeros()
}

/// The conditions of either kind: each type once.
pub(super) fn conditions(status: &Value, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, condition) in items(status, "conditions").iter().enumerate() {
        let path = format!("status.conditions[{place}]");
        if !seen.insert(text(condition, "type")) {
            problems.duplicate(at(&path, "type"), &condition["type"]);
        }
        if text(condition, "type").is_empty() {
            problems.required(at(&path, "type"), "must not be empty");
        }
    }
}
