//! How Kubernetes words values in complaints, and small looks into JSON. It judges nothing by itself.
use crate::field::Problems;
use crate::status::Cause;
use serde_json::Value;

pub(super) const IMMUTABLE: &str = "field is immutable";

/// A text; absent and empty are the same.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A list; absent and empty are the same.
pub(super) fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// The members of a map; absent and empty are the same.
pub(super) fn members<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    value[member].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// A whole number; absent and 0 are the same.
pub(super) fn number(value: &Value, member: &str) -> i64 {
    value[member].as_i64().unwrap_or(0)
}

/// Complains of a name or value in every word that the check of it found.
pub(super) fn all(field: &str, value: &str, whys: Vec<String>, problems: &mut Problems) {
    for why in whys {
        problems.invalid_text(field, value, &why);
    }
}

/// As `Problems::invalid`, of a value that Kubernetes prints as Go writes it.
pub(super) fn invalid_shown(field: &str, shown: &str, why: &str, problems: &mut Problems) {
    let message = format!("Invalid value: {shown}: {why}");
    problems.causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
}

/// As `Problems::duplicate`, likewise.
pub(super) fn duplicate_shown(field: &str, shown: &str, problems: &mut Problems) {
    let message = format!("Duplicate value: {shown}");
    problems.causes.push(Cause { reason: "FieldValueDuplicate", message, field: field.into() });
}

/// As `Problems::unsupported`, in the order in which Kubernetes names what it knows.
pub(super) fn one_of(field: &str, value: &str, known: &[&str], problems: &mut Problems) {
    if !known.contains(&value) {
        let known: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", known.join(", "));
        problems.causes.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
    }
}

/// A number that is there must not be negative.
pub(super) fn not_negative(value: &Value, path: &str, names: &[&str], problems: &mut Problems) {
    for name in names.iter().filter(|name| number(value, name) < 0) {
        problems.invalid(at(path, name), &value[*name], "must be greater than or equal to 0");
    }
}

/// Complains if a member is not what it was.
pub(super) fn immutable(old: &Value, new: &Value, path: &str, problems: &mut Problems) {
    if old != new {
        problems.invalid(path, new, IMMUTABLE);
    }
}

/// `map[string]string{"a":"b"}`.
pub(super) fn go_map(map: &Value) -> String {
    match map.as_object() {
        None => "map[string]string(nil)".into(),
        Some(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key:?}:{:?}", value.as_str().unwrap_or_default()));
            format!("map[string]string{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn go_texts(list: &Value) -> String {
    match list.as_array() {
        None => "[]string(nil)".into(),
        Some(list) => {
            let texts = list.iter().map(|text| format!("{:?}", text.as_str().unwrap_or_default()));
            format!("[]string{{{}}}", texts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `v1.LabelSelector{MatchLabels:…, MatchExpressions:…}`.
pub(super) fn go_selector(selector: &Value) -> String {
    if selector.is_null() {
        return "null".into();
    }
    let expressions = match selector["matchExpressions"].as_array() {
        None => "[]v1.LabelSelectorRequirement(nil)".into(),
        Some(list) => {
            let one = |item: &Value| {
                let (key, operator) = (text(item, "key"), text(item, "operator"));
                let values = go_texts(&item["values"]);
                format!("v1.LabelSelectorRequirement{{Key:{key:?}, Operator:{operator:?}, Values:{values}}}")
            };
            let list: Vec<String> = list.iter().map(one).collect();
            format!("[]v1.LabelSelectorRequirement{{{}}}", list.join(", "))
        }
    };
    let labels = go_map(&selector["matchLabels"]);
    format!("v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{expressions}}}")
}

/// `rbac.RoleRef{APIGroup:…, Kind:…, Name:…}`.
pub(super) fn go_role(role: &Value) -> String {
    let (group, kind, name) = (text(role, "apiGroup"), text(role, "kind"), text(role, "name"));
    format!("rbac.RoleRef{{APIGroup:{group:?}, Kind:{kind:?}, Name:{name:?}}}")
}

/// The path of a member; the object itself has none.
pub(super) fn at(path: &str, member: &str) -> String {
    if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") }
}

/// A text that must be there; what is missing is complained of.
pub(super) fn demanded<'a>(value: &'a Value, member: &str, path: &str, problems: &mut Problems) -> &'a str {
    let found = text(value, member);
    if found.is_empty() {
        problems.required(at(path, member), "");
    }
    found
}

/// A text that, where it is there, must be one of the known ones.
pub(super) fn known(value: &Value, member: &str, path: &str, known: &[&str], problems: &mut Problems) {
    let found = text(value, member);
    if !found.is_empty() {
        one_of(&at(path, member), found, known, problems);
    }
}

/// A text that, where it is there, must pass a check of names.
pub(super) fn named(
    value: &Value,
    member: &str,
    path: &str,
    check: impl Fn(&str) -> Vec<String>,
    problems: &mut Problems,
) {
    let found = text(value, member);
    if !found.is_empty() {
        all(&at(path, member), found, check(found), problems);
    }
}

/// A name that must be there and pass a check.
pub(super) fn demanded_name(
    value: &Value,
    member: &str,
    path: &str,
    check: impl Fn(&str) -> Vec<String>,
    problems: &mut Problems,
) {
    let found = demanded(value, member, path, problems);
    if !found.is_empty() {
        all(&at(path, member), found, check(found), problems);
    }
}

/// The texts of a list.
pub(super) fn texts<'a>(value: &'a Value, member: &str) -> Vec<&'a str> {
    items(value, member).iter().map(|item| item.as_str().unwrap_or_default()).collect()
}

pub(super) const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";

/// The number of a port, at its path.
pub(super) fn port_number(value: &Value, path: impl Into<String>, problems: &mut Problems) {
    let number = value.as_i64().unwrap_or(0);
    if !(1..=65_535).contains(&number) {
        problems.invalid(path, &number.into(), PORT_RANGE);
    }
}

/// Complains of something that has no value to show.
pub(super) fn invalid_whole(field: &str, why: &str, problems: &mut Problems) {
    let message = format!("Invalid value: {why}");
    problems.causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
}

/// The name of a storage or device driver.
pub(super) fn driver_name(own: &str, path: &str, problems: &mut Problems) {
    if own.is_empty() {
        problems.required(path, "");
        return;
    }
    if own.len() > 63 {
        problems.too_long(path, 63);
    }
    let lower = own.to_lowercase();
    all(path, own, crate::name::subdomain(&lower), problems);
}
