//! The members of an object of a built-in kind: unknown ones are taken out and named, wrong types refused, and what Kubernetes'
//! decoder would not keep (nulls, zeros that mean absence, empty lists) goes, so that equal objects have equal bytes.
//! It fills in nothing.
use crate::base64;
use crate::limits::COMPLAINTS_MAX;
use crate::place;
use crate::quantity;
use crate::schema::structure::{Field, Message, Shape, Type, message};
use serde_json::{Map, Value};

/// What a walk finds.
struct Walk {
    unknown: Vec<String>,
    /// Names of the struct fields from the root, as Go's decoder reports them: no list places, no map keys.
    stack: Vec<&'static str>,
}

/// Checks `value` as an object of `message`; returns the paths of unknown members, which are gone from it.
///
/// # Errors
/// What the decoder says of the first value of a wrong type.
pub fn check(message: &'static Message, value: &mut Value) -> Result<Vec<String>, String> {
    let mut walk = Walk { unknown: Vec::new(), stack: Vec::new() };
    walk.object(message, value, "")?;
    Ok(walk.unknown)
}

impl Walk {
    fn object(&mut self, message: &'static Message, value: &mut Value, path: &str) -> Result<(), String> {
        let Value::Object(members) = value else {
            return Err(self.mismatch(value, "", &format!("v1.{}", message.short())));
        };
        let names: Vec<String> = members.keys().cloned().collect();
        for name in names {
            if matches!(name.as_str(), "apiVersion" | "kind") && message.typed() && message.field(&name).is_none() {
                if members.get(&name).is_some_and(|value| !value.is_string() && !value.is_null()) {
                    let found = members.get(&name).cloned().unwrap_or_default();
                    return Err(format!(
                        "json: cannot unmarshal {} into Go struct field {}.{name} of type string",
                        word(&found),
                        message.short()
                    ));
                }
                continue;
            }
            let here = place::member(path, &name);
            let Some(field) = message.field(&name) else {
                members.remove(&name);
                if self.unknown.len() < COMPLAINTS_MAX {
                    self.unknown.push(here);
                }
                continue;
            };
            let Some(member) = members.get_mut(&name) else { continue };
            self.stack.push(field.name);
            let keep = self.field(message, field, member, &here)?;
            self.stack.pop();
            if !keep {
                members.remove(&name);
            }
        }
        Ok(())
    }

    /// Whether the member stays.
    fn field(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        path: &str,
    ) -> Result<bool, String> {
        if value.is_null() {
            return Ok(false);
        }
        match field.shape {
            Shape::One => self.one(owner, field, value, path),
            Shape::List => {
                let Value::Array(items) = value else {
                    return Err(self.mismatch(value, owner.short(), &format!("[]{}", go_type(field.kind))));
                };
                for (at, item) in items.iter_mut().enumerate() {
                    self.element(owner, field, item, &place::item(path, at))?;
                }
                Ok(!items.is_empty())
            }
            Shape::Map => {
                let Value::Object(members) = value else {
                    return Err(self.mismatch(value, owner.short(), &format!("map[string]{}", go_type(field.kind))));
                };
                for (name, member) in members.iter_mut() {
                    self.element(owner, field, member, &place::member(path, name))?;
                }
                Ok(!members.is_empty())
            }
        }
    }

    /// An item of a list or map: it stays even if it is a zero; a null is the zero of its type.
    fn element(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        path: &str,
    ) -> Result<(), String> {
        if value.is_null() {
            *value = zero(field.kind);
        }
        self.one(owner, field, value, path).map(|_| ())
    }

    fn one(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        path: &str,
    ) -> Result<bool, String> {
        let fits = match field.kind {
            Type::Message(name) => {
                let Some(inner) = message(name) else { return Ok(true) };
                if !value.is_object() {
                    return Err(self.mismatch(value, owner.short(), &format!("v1.{}", inner.short())));
                }
                self.object(inner, value, path)?;
                return Ok(true);
            }
            Type::Any => return Ok(true),
            Type::SchemaOr(other) => return self.schema_or(other, owner, value, path).map(|()| true),
            Type::Strings => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Type::String => value.is_string(),
            Type::Bool => value.is_boolean(),
            Type::Double => value.is_number(),
            Type::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Type::Int64 => value.as_i64().is_some(),
            Type::IntOrString => {
                value.is_string() || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            Type::Quantity => return quantity_in(value).map(|()| true),
            Type::Time => return time_in(value, 0).map(|()| !value.is_null()),
            Type::MicroTime => return time_in(value, 6).map(|()| !value.is_null()),
            Type::Duration => value.is_string(),
            Type::Bytes => return bytes_in(value).then_some(true).ok_or_else(|| self.bad_bytes(value, owner)),
        };
        if !fits {
            return Err(self.mismatch(value, owner.short(), go_type(field.kind)));
        }
        // A number or text is a pointer everywhere: its zero counts, but for the port that nobody means.
        let counts = field.keeps_zero || field.kind == Type::IntOrString && field.name != "targetPort";
        Ok(counts || !is_zero(value))
    }

    fn schema_or(&mut self, other: &str, owner: &'static Message, value: &mut Value, path: &str) -> Result<(), String> {
        let Some(schema) = message("apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps") else {
            return Ok(());
        };
        match (other, &mut *value) {
            (_, Value::Object(_)) => self.object(schema, value, path),
            ("bool", Value::Bool(_)) => Ok(()),
            ("array", Value::Array(items)) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.object(schema, item, &place::item(path, at))?;
                }
                Ok(())
            }
            ("strings", Value::Array(items)) if items.iter().all(Value::is_string) => Ok(()),
            _ => Err(self.mismatch(value, owner.short(), "v1.JSONSchemaProps")),
        }
    }

    fn bad_bytes(&self, value: &Value, owner: &Message) -> String {
        match value {
            Value::String(_) => "illegal base64 data at input byte 0".into(),
            _ => self.mismatch(value, owner.short(), "[]uint8"),
        }
    }

    fn mismatch(&self, value: &Value, owner: &str, wanted: &str) -> String {
        let number = value.as_number().filter(|_| matches!(wanted, "int32" | "int64"));
        let found = number.map_or_else(|| word(value).to_owned(), |number| format!("number {number}"));
        if self.stack.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        }
        format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {wanted}", self.stack.join("."))
    }
}

fn zero(kind: Type) -> Value {
    match kind {
        Type::Bool => Value::Bool(false),
        Type::Int32 | Type::Int64 | Type::Double | Type::IntOrString => Value::from(0),
        Type::Message(_) => Value::Object(Map::new()),
        Type::Quantity => Value::from("0"),
        Type::Any | Type::SchemaOr(_) => Value::Null,
        Type::Strings => Value::Array(Vec::new()),
        _ => Value::from(""),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "bool",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Double => "float64",
        Type::Bytes => "[]uint8",
        Type::IntOrString => "intstr.IntOrString",
        Type::Quantity => "resource.Quantity",
        Type::Time => "v1.Time",
        Type::MicroTime => "v1.MicroTime",
        Type::Message(name) => match name.rsplit('.').next() {
            Some("Container") => "v1.Container",
            Some("EnvVar") => "v1.EnvVar",
            Some("Volume") => "v1.Volume",
            Some(other) => other,
            None => name,
        },
        _ => "string",
    }
}

fn quantity_in(value: &mut Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(quantity::QuantityError::Format.to_string()),
    };
    let parsed = quantity::Quantity::parse(&text).map_err(|why| why.to_string())?;
    *value = Value::String(parsed.canonical());
    Ok(())
}

/// RFC 3339 in UTC with that many digits behind the second; an empty text is no time.
fn time_in(value: &mut Value, digits: u8) -> Result<(), String> {
    let Value::String(text) = value else {
        return Err(format!("json: cannot unmarshal {} into Go value of type string", word(value)));
    };
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let stamp: jiff::Timestamp = text.parse().map_err(|_| {
        format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\"")
    })?;
    let nanos = i64::from(stamp.subsec_nanosecond());
    let Ok(whole) = jiff::Timestamp::from_second(stamp.as_second() - i64::from(nanos < 0)) else { return Ok(()) };
    let mut printed = whole.to_string();
    if digits > 0 {
        let micros = nanos.rem_euclid(1_000_000_000) / 1_000;
        printed = format!("{}.{micros:06}Z", printed.trim_end_matches('Z'));
    }
    *value = Value::String(printed);
    Ok(())
}

/// Whether it is base64.
fn bytes_in(value: &Value) -> bool {
    value.as_str().is_some_and(|text| base64::decode(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::schema::structure::message;
    use serde_json::json;

    #[test]
    fn unknown_members_are_named_and_gone() {
        let pod = message("api.core.v1.Pod").expect("known");
        let mut value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "foo": 1, "creationTimestamp": null},
            "dta": {}, "spec": {"hostNetwork": false, "containers": [{"name": "c", "emptyDir": {}, "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}],
                "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {}}});
        let unknown = check(pod, &mut value).expect("the types are right");
        assert_eq!(unknown, ["dta", "metadata.foo", "spec.containers[0].emptyDir"]);
        assert_eq!(
            value,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c",
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}], "volumes": [{"name": "v", "emptyDir": {}}]}})
        );
    }

    #[test]
    fn wrong_types_are_told_as_go_does() {
        let told = |name: &str, mut value| check(message(name).expect("known"), &mut value).expect_err("wrong type");
        assert_eq!(
            told("api.core.v1.ConfigMap", json!({"data": {"a": 1}})),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        );
        assert_eq!(
            told("api.apps.v1.Deployment", json!({"spec": {"replicas": "3"}})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            told("api.apps.v1.Deployment", json!({"spec": {"replicas": 3.5}})),
            "json: cannot unmarshal number 3.5 into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        for value in [
            json!(7),
            json!({"spec": []}),
            json!({"spec": {"containers": {}}}),
            json!({"metadata": {"creationTimestamp": "x"}}),
        ] {
            told("api.core.v1.Pod", value);
        }
        told("api.core.v1.Secret", json!({"data": {"a": "!!"}}));
    }

    #[test]
    fn a_zero_that_means_something_stays() {
        let mut value = json!({"spec": {"replicas": 0, "paused": false, "minReadySeconds": 0}});
        check(message("api.apps.v1.Deployment").expect("known"), &mut value).expect("the types are right");
        assert_eq!(value, json!({"spec": {"replicas": 0}}));
        let mut lease =
            json!({"spec": {"renewTime": "2026-01-01T01:00:00+01:00", "acquireTime": "2026-01-01T00:00:00.1234567Z"}});
        check(message("api.coordination.v1.Lease").expect("known"), &mut lease).expect("times");
        assert_eq!(
            lease,
            json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z", "acquireTime": "2026-01-01T00:00:00.123456Z"}})
        );
    }
}
