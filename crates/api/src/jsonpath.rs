//! The part of kubectl's JSONPath that printer columns and scale paths use: `.a.b`, `['a.b']`, `[0]`, `[-1]`, `[*]`,
//! `[?(@.type=="Ready")]`, `\.` in a name. It reads and never changes.
use serde_json::Value;

/// What `path` finds in `value`, in order; nothing if the path is not understood.
#[must_use]
pub fn find<'a>(path: &str, value: &'a Value) -> Vec<&'a Value> {
    let path = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    let Some(steps) = steps(path) else { return Vec::new() };
    let mut found = vec![value];
    for step in steps {
        found = found.into_iter().flat_map(|value| taken(&step, value)).collect();
    }
    found
}

/// The first thing found.
#[must_use]
pub fn first<'a>(path: &str, value: &'a Value) -> Option<&'a Value> {
    find(path, value).into_iter().next()
}

/// Whether the path is one that can be read.
#[must_use]
pub fn understood(path: &str) -> bool {
    path.starts_with('.') && steps(path).is_some()
}

/// Writes `new` at a path of plain names (`.spec.replicas`), making objects on the way; false if something else stands there.
pub fn set(path: &str, value: &mut Value, new: Value) -> bool {
    let Some(steps) = steps(path) else { return false };
    let mut at = value;
    for step in steps {
        let Step::Name(name) = step else { return false };
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Some(members) = at.as_object_mut() else { return false };
        at = members.entry(name).or_insert(Value::Null);
    }
    *at = new;
    true
}

#[derive(Debug, PartialEq)]
enum Step {
    Name(String),
    Index(i64),
    All,
    /// Items whose member (by names) equals the text, or does not.
    Where(Vec<String>, String, bool),
}

fn taken<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
        (Step::Index(at), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let at = if *at < 0 { length + at } else { *at };
            usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(members)) => members.values().collect(),
        (Step::Where(names, wanted, equal), Value::Array(items)) => {
            let text = |item: &Value| {
                let found = names.iter().try_fold(item, |at, name| at.get(name))?;
                Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
            };
            items.iter().filter(|item| text(item).is_some_and(|text| (text == *wanted) == *equal)).collect()
        }
        _ => Vec::new(),
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (name, tail) = name(after);
            match name.as_str() {
                "" if tail.starts_with('[') || tail.is_empty() => {}
                "" => return None,
                "*" => steps.push(Step::All),
                _ => steps.push(Step::Name(name)),
            }
            rest = tail;
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after)?;
            steps.push(bracket(after[..end].trim())?);
            rest = &after[end + 1..];
        } else if steps.is_empty() {
            let (name, tail) = name(rest);
            steps.push(Step::Name(name));
            rest = tail;
        } else {
            return None;
        }
    }
    Some(steps)
}

fn name(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (out, &text[at..]),
            _ => out.push(c),
        }
    }
    (out, "")
}

/// Where the bracket ends, quotes and inner brackets passed over.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth > 0 => depth -= 1,
            (None, ']') => return Some(at),
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Name(name.to_owned()));
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        let (path, value, equal) = match (filter.split_once("=="), filter.split_once("!=")) {
            (Some((path, value)), _) => (path, value, true),
            (None, Some((path, value))) => (path, value, false),
            (None, None) => return None,
        };
        let path = path.trim().strip_prefix('@')?;
        let names = steps(path)?.into_iter().map(|step| if let Step::Name(name) = step { Some(name) } else { None });
        let value = value.trim();
        return Some(Step::Where(names.collect::<Option<_>>()?, quoted(value).unwrap_or(value).to_owned(), equal));
    }
    text.parse().ok().map(Step::Index)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

#[cfg(test)]
mod tests {
    use super::{find, set, understood};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn paths_find_what_they_name() {
        let value = json!({"spec": {"replicas": 3, "a.b/c": "x", "list": [{"n": 1}, {"n": 2}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}]}});
        let table = [
            (".spec.replicas", json!([3])),
            ("{.spec.replicas}", json!([3])),
            (".spec['a.b/c']", json!(["x"])),
            (".spec.a\\.b/c", json!(["x"])),
            (".spec.list[*].n", json!([1, 2])),
            (".spec.list[-1].n", json!([2])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!(["True"])),
            (".status.conditions[?(@.type=='Synced')].status", json!(["False"])),
            (".status.conditions[?(@.type!='Ready')].type", json!(["Synced"])),
            (".nope.deep", json!([])),
        ];
        for (path, expected) in table {
            assert_eq!(json!(find(path, &value)), expected, "{path}");
        }
    }

    #[test]
    fn plain_paths_can_be_written() {
        let mut value = json!({});
        assert!(set(".spec.replicas", &mut value, json!(2)));
        assert_eq!(value, json!({"spec": {"replicas": 2}}));
        assert!(!set(".spec.replicas.x", &mut value, json!(1)) && !set(".a[0]", &mut value, json!(1)));
        assert!(understood(".a.b") && !understood("a") && !understood(".a[") && !understood(".a..b"));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[.a\\[\\]?()@='\"*0-9\\\\{}$ü-]{0,24}") {
            let _ = find(&path, &json!({"a": [{"a": 1}]}));
        }
    }
}
