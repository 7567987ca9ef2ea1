//! Problems of single fields, in Kubernetes' words. It never looks for problems itself, and knows no kind.
use crate::status::Cause;
use serde_json::Value;

/// Everything wrong with one object.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    pub causes: Vec<Cause>,
}

impl Problems {
    pub fn required(&mut self, field: impl Into<String>, why: &str) {
        self.add("FieldValueRequired", "Required value", field, why);
    }

    pub fn invalid(&mut self, field: impl Into<String>, value: &Value, why: &str) {
        self.add("FieldValueInvalid", &format!("Invalid value: {}", shown(value)), field, why);
    }

    pub fn invalid_text(&mut self, field: impl Into<String>, value: &str, why: &str) {
        self.add("FieldValueInvalid", &format!("Invalid value: {value:?}"), field, why);
    }

    pub fn forbidden(&mut self, field: impl Into<String>, why: &str) {
        self.add("FieldValueForbidden", "Forbidden", field, why);
    }

    pub fn duplicate(&mut self, field: impl Into<String>, value: &Value) {
        self.add("FieldValueDuplicate", &format!("Duplicate value: {}", shown(value)), field, "");
    }

    pub fn not_found(&mut self, field: impl Into<String>, value: &str) {
        self.add("FieldValueNotFound", &format!("Not found: {value:?}"), field, "");
    }

    pub fn too_long(&mut self, field: impl Into<String>, most: usize) {
        self.add("FieldValueTooLong", "Too long", field, &format!("may not be more than {most} bytes"));
    }

    pub fn unsupported(&mut self, field: impl Into<String>, value: &Value, known: &[&str]) {
        let mut known: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
        known.sort();
        let why = format!("supported values: {}", known.join(", "));
        self.add("FieldValueNotSupported", &format!("Unsupported value: {}", shown(value)), field, &why);
    }

    /// As `unsupported`, with what is known in the order in which it is given.
    pub fn unknown_word(&mut self, field: impl Into<String>, value: &Value, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
        let why = format!("supported values: {}", known.join(", "));
        self.add("FieldValueNotSupported", &format!("Unsupported value: {}", shown(value)), field, &why);
    }

    /// `found` is the name of the type that stands there.
    pub fn wrong_type(&mut self, field: impl Into<String>, found: &str, why: &str) {
        self.add("FieldValueTypeInvalid", &format!("Invalid value: {found:?}"), field, why);
    }

    pub fn too_many(&mut self, field: impl Into<String>, found: u64, most: u64) {
        let items = if most == 1 { "item" } else { "items" };
        self.add(
            "FieldValueTooMany",
            &format!("Too many: {found}"),
            field,
            &format!("must have at most {most} {items}"),
        );
    }

    fn add(&mut self, reason: &'static str, what: &str, field: impl Into<String>, why: &str) {
        let message = if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
        self.causes.push(Cause { reason, message, field: field.into() });
    }
}

fn shown(value: &Value) -> String {
    const SHOWN_MAX: usize = 1_000;
    let mut text = value.to_string();
    if text.len() > SHOWN_MAX {
        let mut end = SHOWN_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
