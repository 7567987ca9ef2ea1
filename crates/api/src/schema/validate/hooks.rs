//! Webhook configurations, admission policies and their bindings (admissionregistration.k8s.io). It calls nobody and reads no CEL.
use super::labels;
use super::words::{all, at, demanded, demanded_name, items, known, number, one_of, port_number, text, texts};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const FAILURE: [&str; 2] = ["Fail", "Ignore"];
const MATCH: [&str; 2] = ["Equivalent", "Exact"];
const EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const CONDITIONS_MAX: usize = 64;
const AUDIT_ANNOTATIONS_MAX: usize = 20;

pub(super) fn webhooks(value: &Value, mutating: bool, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, hook) in items(value, "webhooks").iter().enumerate() {
        let path = format!("webhooks[{place}]");
        webhook(hook, mutating, &path, problems);
        versions(hook, &path, problems);
        let own = text(hook, "name");
        if !own.is_empty() && !seen.insert(own) {
            problems.duplicate(format!("{path}.name"), &hook["name"]);
        }
    }
}

fn webhook(hook: &Value, mutating: bool, path: &str, problems: &mut Problems) {
    qualified(text(hook, "name"), &at(path, "name"), problems);
    for (place, rule) in items(hook, "rules").iter().enumerate() {
        self::rule(rule, &format!("{path}.rules[{place}]"), problems);
    }
    known(hook, "failurePolicy", path, &FAILURE, problems);
    known(hook, "matchPolicy", path, &MATCH, problems);
    match text(hook, "sideEffects") {
        "" => problems.required(at(path, "sideEffects"), &format!("must specify one of {}", EFFECTS.join(", "))),
        effects => one_of(&at(path, "sideEffects"), effects, &EFFECTS, problems),
    }
    let seconds = &hook["timeoutSeconds"];
    if seconds.as_i64().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        problems.invalid(at(path, "timeoutSeconds"), seconds, why);
    }
    selectors(hook, path, problems);
    if mutating {
        known(hook, "reinvocationPolicy", path, &["IfNeeded", "Never"], problems);
    }
    client(&hook["clientConfig"], &at(path, "clientConfig"), problems);
    conditions(hook, path, problems);
}

fn selectors(value: &Value, path: &str, problems: &mut Problems) {
    for member in ["namespaceSelector", "objectSelector"].into_iter().filter(|member| value[*member].is_object()) {
        labels::selector(&value[member], &at(path, member), problems);
    }
}

/// A name of at least three parts.
fn qualified(own: &str, path: &str, problems: &mut Problems) {
    if own.is_empty() {
        problems.required(path, "");
        return;
    }
    let whys = name::subdomain(own);
    if !whys.is_empty() {
        all(path, own, whys, problems);
    } else if own.split('.').count() < 3 {
        problems.invalid_text(path, own, "should be a domain with at least three segments separated by dots");
    }
}

/// Where a webhook or a conversion is asked.
pub(super) fn client(client: &Value, path: &str, problems: &mut Problems) {
    let (url, service) = (&client["url"], &client["service"]);
    if url.is_string() == service.is_object() {
        problems.required(path, "exactly one of url or service is required");
    } else if let Some(url) = url.as_str() {
        self::url(url, &at(path, "url"), problems);
    } else {
        self::service(service, &at(path, "service"), problems);
    }
}

fn url(url: &str, path: &str, problems: &mut Problems) {
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = url.split_once("://") else {
        problems.invalid_text(path, "", &format!("'https' is the only allowed URL scheme{FORM}"));
        return;
    };
    if scheme != "https" {
        problems.invalid_text(path, scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (rest, fragment) = rest.split_once('#').map_or((rest, ""), |(rest, fragment)| (rest, fragment));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let host = rest.split('/').next().unwrap_or_default();
    let (user, host) = host.rsplit_once('@').map_or(("", host), |(user, host)| (user, host));
    if host.is_empty() {
        problems.invalid_text(path, host, &format!("host must be specified{FORM}"));
    }
    if !user.is_empty() {
        problems.invalid_text(path, user, &format!("user information is not permitted in the URL{FORM}"));
    }
    if !fragment.is_empty() {
        problems.invalid_text(path, fragment, &format!("fragments are not permitted in the URL{FORM}"));
    }
    if !query.is_empty() {
        problems.invalid_text(path, query, &format!("query parameters are not permitted in the URL{FORM}"));
    }
}

fn service(service: &Value, path: &str, problems: &mut Problems) {
    if text(service, "name").is_empty() {
        problems.required(at(path, "name"), "service name is required");
    }
    if text(service, "namespace").is_empty() {
        problems.required(at(path, "namespace"), "service namespace is required");
    }
    if number(service, "port") != 0 || service["port"] == 0 {
        let port = number(service, "port");
        if !(1..=65_535).contains(&port) {
            let why = "port is not valid: must be between 1 and 65535, inclusive";
            problems.invalid(at(path, "port"), &port.into(), why);
        }
    }
    let Some(way) = service["path"].as_str() else { return };
    let field = at(path, "path");
    if !way.starts_with('/') {
        problems.invalid_text(field.as_str(), way, "must start with a '/'");
        return;
    }
    if way == "/" {
        return;
    }
    let steps = way[1..].strip_suffix('/').unwrap_or(&way[1..]);
    for (place, step) in steps.split('/').enumerate() {
        if step.is_empty() {
            problems.invalid_text(field.as_str(), way, &format!("segment[{place}] may not be empty"));
            continue;
        }
        for why in name::subdomain(step) {
            problems.invalid_text(field.as_str(), way, &format!("segment[{place}]: {why}"));
        }
    }
}

fn versions(hook: &Value, path: &str, problems: &mut Problems) {
    let field = at(path, "admissionReviewVersions");
    let versions = texts(hook, "admissionReviewVersions");
    if versions.is_empty() {
        problems.required(field, &format!("must specify one of {}", REVIEW_VERSIONS.join(", ")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (place, version) in versions.iter().enumerate() {
        let field = format!("{field}[{place}]");
        if seen.insert(*version) {
            all(&field, version, name::label_1035(version), problems);
        } else {
            problems.invalid_text(field, version, "duplicate version");
        }
    }
    if !versions.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
        let why = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        problems.invalid(field, &hook["admissionReviewVersions"], &why);
    }
}

/// Operations, groups, versions and resources that something is for.
fn rule(rule: &Value, path: &str, problems: &mut Problems) {
    let several = |member: &str, star: &str| {
        let list = texts(rule, member);
        list.len() > 1 && list.contains(&star)
    };
    let operations = texts(rule, "operations");
    if operations.is_empty() {
        problems.required(at(path, "operations"), "");
    }
    if several("operations", "*") {
        let why = "if '*' is present, must not specify other operations";
        problems.invalid(at(path, "operations"), &rule["operations"], why);
    }
    for (place, operation) in operations.into_iter().enumerate() {
        one_of(&format!("{path}.operations[{place}]"), operation, &OPERATIONS, problems);
    }
    for (member, what) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        if items(rule, member).is_empty() {
            problems.required(at(path, member), "");
        }
        if several(member, "*") {
            let why = format!("if '*' is present, must not specify other {what}");
            problems.invalid(at(path, member), &rule[member], &why);
        }
    }
    for (place, version) in texts(rule, "apiVersions").into_iter().enumerate() {
        if version.is_empty() {
            problems.required(format!("{path}.apiVersions[{place}]"), "");
        }
    }
    resources(rule, &at(path, "resources"), problems);
    known(rule, "scope", path, &SCOPES, problems);
}

fn resources(rule: &Value, path: &str, problems: &mut Problems) {
    let resources = texts(rule, "resources");
    if resources.is_empty() {
        problems.required(path, "");
    }
    let (mut whole, mut every, mut plain) = (BTreeSet::new(), BTreeSet::new(), false);
    for (place, both) in resources.iter().enumerate() {
        let field = format!("{path}[{place}]");
        if both.is_empty() {
            problems.required(field, "");
            continue;
        }
        let Some((resource, part)) = both.split_once('/') else {
            plain = *both != "*";
            continue;
        };
        if whole.contains(resource) {
            let why = format!("if '{resource}/*' is present, must not specify {both}");
            problems.invalid_text(field.as_str(), both, &why);
        }
        if every.contains(part) {
            problems.invalid_text(field, both, &format!("if '*/{part}' is present, must not specify {both}"));
        }
        if part == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            every.insert(part);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        problems.invalid(path, &rule["resources"], "if '*/*' is present, must not specify other resources");
    }
    if resources.contains(&"*") && plain {
        let why = "if '*' is present, must not specify other resources without subresources";
        problems.invalid(path, &rule["resources"], why);
    }
}

fn conditions(value: &Value, path: &str, problems: &mut Problems) {
    let (field, list) = (at(path, "matchConditions"), items(value, "matchConditions"));
    if list.len() > CONDITIONS_MAX {
        problems.too_many(field.as_str(), list.len() as u64, CONDITIONS_MAX as u64);
    }
    let mut seen = BTreeSet::new();
    for (place, condition) in list.iter().enumerate() {
        let path = format!("{field}[{place}]");
        if text(condition, "expression").trim().is_empty() {
            problems.required(at(&path, "expression"), "");
        }
        demanded_name(condition, "name", &path, name::qualified, problems);
        let own = text(condition, "name");
        if !own.is_empty() && !seen.insert(own) {
            problems.duplicate(at(&path, "name"), &condition["name"]);
        }
    }
}

pub(super) fn policy(value: &Value, problems: &mut Problems) {
    let (spec, path) = (&value["spec"], "spec");
    let failure = demanded(spec, "failurePolicy", path, problems);
    if !failure.is_empty() {
        one_of("spec.failurePolicy", failure, &FAILURE, problems);
    }
    if spec["paramKind"].is_object() {
        parameter_kind(&spec["paramKind"], problems);
    }
    let constraints = &spec["matchConstraints"];
    if constraints.is_null() {
        problems.required("spec.matchConstraints", "");
    } else {
        matched(constraints, "spec.matchConstraints", problems);
        if items(constraints, "resourceRules").is_empty() {
            problems.required("spec.matchConstraints.resourceRules", "");
        }
    }
    conditions(spec, path, problems);
    for (place, variable) in items(spec, "variables").iter().enumerate() {
        let path = format!("spec.variables[{place}]");
        let own = text(variable, "name");
        if own.trim().is_empty() {
            problems.required(at(&path, "name"), "name is not specified");
        } else if !identifier(own) {
            problems.invalid_text(at(&path, "name"), own, "name is not a valid CEL identifier");
        }
        if text(variable, "expression").trim().is_empty() {
            problems.required(at(&path, "expression"), "expression is not specified");
        }
    }
    let (checks, notes) = (items(spec, "validations"), items(spec, "auditAnnotations"));
    if checks.is_empty() && notes.is_empty() {
        for member in ["validations", "auditAnnotations"] {
            problems.required(at(path, member), "validations or auditAnnotations must contain at least one item");
        }
        return;
    }
    for (place, check) in checks.iter().enumerate() {
        self::check(check, &format!("spec.validations[{place}]"), problems);
    }
    annotations(value, problems);
}

fn identifier(own: &str) -> bool {
    let mut characters = own.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check(check: &Value, path: &str, problems: &mut Problems) {
    if text(check, "expression").trim().is_empty() {
        problems.required(at(path, "expression"), "expression is not specified");
    }
    let (message, made) = (text(check, "message"), text(check, "messageExpression"));
    if !made.is_empty() && made.trim().is_empty() {
        problems.invalid_text(at(path, "messageExpression"), made, "must be non-empty if specified");
    }
    if !message.is_empty() && message.trim().is_empty() {
        problems.invalid_text(at(path, "message"), message, "message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        problems.invalid_text(at(path, "message"), message, "message must not contain line breaks");
    }
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
    known(check, "reason", path, &reasons, problems);
}

fn annotations(value: &Value, problems: &mut Problems) {
    let (list, field) = (items(&value["spec"], "auditAnnotations"), "spec.auditAnnotations");
    if list.len() > AUDIT_ANNOTATIONS_MAX {
        let why = format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations");
        problems.invalid(field, &value["spec"]["auditAnnotations"], &why);
    }
    let mut seen = BTreeSet::new();
    for (place, note) in list.iter().enumerate() {
        let (path, key) = (format!("{field}[{place}]"), text(note, "key"));
        let whole = format!("{}/{key}", text(&value["metadata"], "name"));
        all(&at(&path, "key"), &whole, name::qualified(&whole), problems);
        if text(note, "valueExpression").trim().is_empty() {
            problems.required(at(&path, "valueExpression"), "valueExpression is not specified");
        }
        if !seen.insert(key) {
            problems.duplicate(at(&path, "key"), &note["key"]);
        }
    }
}

fn parameter_kind(kind: &Value, problems: &mut Problems) {
    let path = "spec.paramKind";
    let version = demanded(kind, "apiVersion", path, problems);
    let field = at(path, "apiVersion");
    match version.split('/').collect::<Vec<_>>()[..] {
        _ if version.is_empty() => {}
        [version] => all(&field, version, name::label_1035(version), problems),
        [group, version] => {
            all(&field, group, name::subdomain(group), problems);
            all(&field, version, name::label_1035(version), problems);
        }
        _ => problems.invalid_text(field, version, &format!("unexpected GroupVersion string: {version}")),
    }
    let own = demanded(kind, "kind", path, problems);
    if !own.is_empty() {
        for why in name::label_1035(&own.to_lowercase()) {
            let why = format!("may have mixed case, but should otherwise match: {why}");
            problems.invalid_text(at(path, "kind"), own, &why);
        }
    }
}

/// Which requests a policy or a binding is for.
fn matched(matched: &Value, path: &str, problems: &mut Problems) {
    let policy = demanded(matched, "matchPolicy", path, problems);
    if !policy.is_empty() {
        one_of(&at(path, "matchPolicy"), policy, &MATCH, problems);
    }
    selectors(matched, path, problems);
    for list in ["resourceRules", "excludeResourceRules"] {
        for (place, rule) in items(matched, list).iter().enumerate() {
            let path = format!("{path}.{list}[{place}]");
            let mut seen = BTreeSet::new();
            for (place, own) in texts(rule, "resourceNames").into_iter().enumerate() {
                let path = format!("{path}.resourceNames[{place}]");
                all(&path, own, name::path_segment(own), problems);
                if !seen.insert(own) {
                    problems.duplicate(path, &own.into());
                }
            }
            self::rule(rule, &path, problems);
        }
    }
}

pub(super) fn binding(spec: &Value, problems: &mut Problems) {
    demanded_name(spec, "policyName", "spec", name::subdomain, problems);
    if spec["paramRef"].is_object() {
        parameters(&spec["paramRef"], problems);
    }
    if spec["matchResources"].is_object() {
        // Kubernetes spells its path so.
        matched(&spec["matchResources"], "spec.matchResouces", problems);
    }
    let (field, actions) = ("spec.validationActions", texts(spec, "validationActions"));
    let mut seen = BTreeSet::new();
    for (place, action) in actions.iter().enumerate() {
        one_of(&format!("{field}[{place}]"), action, &["Audit", "Deny", "Warn"], problems);
        if !seen.insert(*action) {
            problems.duplicate(format!("{field}[{place}]"), &(*action).into());
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                   response and headers serves no purpose)";
        problems.invalid(field, &spec["validationActions"], why);
    }
    if seen.is_empty() {
        problems.required(field, "at least one validation action is required");
    }
}

fn parameters(parameters: &Value, problems: &mut Problems) {
    let (path, own) = ("spec.paramRef", text(parameters, "name"));
    let both = !own.is_empty() && parameters["selector"].is_object();
    if !own.is_empty() {
        all(&at(path, "name"), own, name::path_segment(own), problems);
    }
    if parameters["selector"].is_object() {
        labels::selector(&parameters["selector"], &at(path, "selector"), problems);
    } else if own.is_empty() {
        problems.required(path, "one of name or selector must be specified");
    }
    if both {
        for member in ["name", "selector"] {
            problems.forbidden(at(path, member), "name and selector are mutually exclusive");
        }
    }
    let action = demanded(parameters, "parameterNotFoundAction", path, problems);
    if !action.is_empty() {
        one_of(&at(path, "parameterNotFoundAction"), action, &["Deny", "Allow"], problems);
    }
}

/// An APIService: which server answers for a group and version.
pub(super) fn api_service(value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let (own, wanted) = (text(&value["metadata"], "name"), format!("{version}.{group}"));
    if !own.is_empty() && own != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        problems.invalid_text("metadata.name", own, &why);
    }
    if group.is_empty() && version != "v1" {
        problems.required("spec.group", "only v1 may have an empty group and it better be legacy kube");
    }
    if !group.is_empty() {
        all("spec.group", group, name::subdomain(group), problems);
    }
    all("spec.version", version, name::label_1035(version), problems);
    for (member, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let priority = number(spec, member);
        if !(1..=most).contains(&priority) {
            let why = format!("must be positive and less than {most}");
            problems.invalid(at("spec", member), &priority.into(), &why);
        }
    }
    let bundle = text(spec, "caBundle");
    let service = &spec["service"];
    if !service.is_object() {
        if !bundle.is_empty() {
            problems.invalid_text("spec.caBundle", bundle, "local APIServices may not have a caBundle");
        }
        if spec["insecureSkipTLSVerify"] == true {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            problems.invalid("spec.insecureSkipTLSVerify", &true.into(), why);
        }
        return;
    }
    demanded(service, "namespace", "spec.service", problems);
    demanded(service, "name", "spec.service", problems);
    if service["port"].is_number() {
        port_number(&service["port"], "spec.service.port", problems);
    }
    if spec["insecureSkipTLSVerify"] == true && !bundle.is_empty() {
        problems.invalid("spec.insecureSkipTLSVerify", &true.into(), "may not be true if caBundle is present");
    }
}
