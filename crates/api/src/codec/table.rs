//! Tables: the columns and cells `kubectl get` prints. The time is an argument.
//!
//! `columns(&Kind) -> Value` (columnDefinitions); `cells(&Kind, &Value, now) -> Value` (one row's cells).
pub mod cells;
mod pod;

use crate::jsonpath;
use crate::kind::Kind;
use crate::kinds::convert;
use crate::revision::Millis;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("../../data/columns.txt");
static WORDS: &str = include_str!("../../data/column-words.txt");
static TABLES: LazyLock<BTreeMap<&'static str, Vec<Column>>> = LazyLock::new(read);

/// Of kinds whose columns are not known.
const NAME: &str = "The name of the object, unique among its like.";
const AGE: &str = "When it was made.";

struct Column {
    name: &'static str,
    kind: &'static str,
    /// The cell is a number, whatever the column's type is said to be.
    number: bool,
    priority: i64,
    source: &'static str,
    description: &'static str,
}

fn read() -> BTreeMap<&'static str, Vec<Column>> {
    let mut tables: BTreeMap<&'static str, Vec<Column>> = BTreeMap::new();
    let words: BTreeMap<&str, &'static str> = WORDS.lines().filter_map(|line| line.split_once('\t')).collect();
    let mut current = "";
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        match cells[..] {
            [resource] => current = resource,
            [_, name, kind, priority, source] => {
                let priority = priority.parse().unwrap_or(0);
                let (kind, number) = match kind {
                    "count" => ("string", true),
                    kind => (kind, kind == "integer"),
                };
                let description = words.get(name).copied().unwrap_or_default();
                tables.entry(current).or_default().push(Column { name, kind, number, priority, source, description });
            }
            _ => {}
        }
    }
    tables
}

fn known(kind: &Kind) -> Option<&'static [Column]> {
    let tables: &'static BTreeMap<&'static str, Vec<Column>> = &TABLES;
    tables.get(&*kind.resource).filter(|_| !kind.custom()).map(Vec::as_slice)
}

/// `columnDefinitions`.
#[must_use]
pub fn columns(kind: &Kind) -> Value {
    let column = |name: &str, kind: &str, format: &str, description: &str, priority: i64| json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority});
    if let Some(known) = known(kind) {
        let list = known.iter().map(|known| {
            let format = if known.name == "Name" { "name" } else { "" };
            column(known.name, known.kind, format, known.description, known.priority)
        });
        return list.collect();
    }
    let mut list = vec![column("Name", "string", "name", NAME, 0)];
    if kind.columns.is_empty() {
        let (name, format) = if kind.custom() { ("Age", "date") } else { ("Created At", "date") };
        list.push(column(name, format, "", AGE, 0));
    }
    for own in &kind.columns {
        list.push(column(&own.name, &own.kind, &own.format, &own.description, own.priority));
    }
    Value::Array(list)
}

/// The cells of one row, in the order of the columns.
#[must_use]
pub fn cells(kind: &Kind, value: &Value, now: Millis) -> Value {
    let value = if convert::differs(kind) {
        Cow::Owned(convert::to_storage(kind, value.clone()))
    } else {
        Cow::Borrowed(value)
    };
    if let Some(known) = known(kind) {
        return known.iter().map(|column| cells::cell(column.source, column.number, &value, now)).collect();
    }
    let created = &value["metadata"]["creationTimestamp"];
    let mut row = vec![value["metadata"]["name"].clone()];
    if kind.columns.is_empty() {
        row.push(if kind.custom() { cells::since(created, now).into() } else { created.clone() });
    }
    row.extend(kind.columns.iter().map(|own| custom(&own.json_path, &own.kind, &value, now)));
    Value::Array(row)
}

/// A cell of a custom kind: what its path finds, if it is of the column's type.
fn custom(path: &str, kind: &str, value: &Value, now: Millis) -> Value {
    let found = jsonpath::find(path, value);
    let Some(first) = found.first() else { return Value::Null };
    match (kind, first) {
        ("integer", Value::Number(number)) => number.as_i64().map_or(Value::Null, Value::from),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*first).clone(),
        ("date", time) => cells::since(time, now).into(),
        ("string", Value::String(text)) if found.len() == 1 => text.as_str().into(),
        ("string", _) => {
            let text = |value: &&Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.iter().map(text).collect::<Vec<_>>().join(" ").into()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests;
