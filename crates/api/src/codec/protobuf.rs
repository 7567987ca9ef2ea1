//! Protobuf bodies into the JSON they stand for, by the table of fields (`schema::structure`), and back (`encode`). It knows no request.
//!
//! The envelope is `k8s\0` and a `runtime.Unknown` {1 typeMeta {1 apiVersion, 2 kind}, 2 raw}; messages are proto2 as Kubernetes
//! generates them: a scalar that is no pointer is always written, so a zero is dropped unless the table says that it means something.
use crate::base64;
use crate::codec::protobuf::envelope::{MAGIC, SCHEMA, is_marker, of_kind};
use crate::codec::protobuf::wire::{Fault, Item, Payload, items};
use crate::limits::{PROTOBUF_DEPTH_MAX, PROTOBUF_VALUES_MAX};
use crate::quantity;
use crate::schema::structure::{Field, Message, Shape, Type, message};
use crate::status::Status;
use serde_json::{Map, Value};

pub(crate) mod back;
pub mod encode;
pub(crate) mod envelope;
mod plan;
mod tree;
mod wire;

/// The object in a protobuf body, with apiVersion and kind.
///
/// # Errors
/// 400 if the bytes are no envelope, name an unknown kind, or are damaged.
pub fn parse(bytes: &[u8]) -> Result<Value, Status> {
    let Unknown { api_version, kind, raw } = opened(bytes)?;
    let message = of_kind(&api_version, &kind)
        .ok_or_else(|| bad(&format!("no kind {kind:?} is known in version {api_version:?}")))?;
    let mut members = members(message, raw)?;
    members.insert("apiVersion".into(), api_version.into());
    members.insert("kind".into(), kind.into());
    Ok(Value::Object(members))
}

fn bad(why: &str) -> Status {
    Status::bad_request(format!("the protobuf body cannot be read: {why}"))
}

fn members(message: &'static Message, raw: &[u8]) -> Result<Map<String, Value>, Status> {
    let mut decoder = Decoder { values: 0 };
    decoder.message(message, raw, PROTOBUF_DEPTH_MAX).map_err(|fault| bad(fault.text()))
}

/// An opened envelope.
struct Unknown<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

fn opened(bytes: &[u8]) -> Result<Unknown<'_>, Status> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("it does not begin with k8s"))?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for item in items(envelope) {
        match item.map_err(|fault| bad(fault.text()))? {
            Item { number: 1, payload: Payload::Bytes(inner) } => {
                for item in items(inner) {
                    match item.map_err(|fault| bad(fault.text()))? {
                        Item { number: 1, payload: Payload::Bytes(text) } => {
                            api_version = String::from_utf8_lossy(text).into_owned()
                        }
                        Item { number: 2, payload: Payload::Bytes(text) } => {
                            kind = String::from_utf8_lossy(text).into_owned()
                        }
                        _ => {}
                    }
                }
            }
            Item { number: 2, payload: Payload::Bytes(inner) } => raw = inner,
            _ => {}
        }
    }
    Ok(Unknown { api_version, kind, raw })
}

struct Decoder {
    /// How many values were made: a few bytes can ask for many.
    values: usize,
}

impl Decoder {
    fn message(&mut self, message: &'static Message, bytes: &[u8], left: usize) -> Result<Map<String, Value>, Fault> {
        let left = left.checked_sub(1).ok_or(Fault::Depth)?;
        let mut members = Map::new();
        for item in items(bytes) {
            let Item { number, payload } = item?;
            let Some(field) = message.fields.iter().find(|field| field.number == number) else { continue };
            self.values += 1;
            if self.values > PROTOBUF_VALUES_MAX {
                return Err(Fault::TooMany);
            }
            match field.shape {
                Shape::One => self.one(field, payload, &mut members, left)?,
                Shape::List => self.list(field, payload, &mut members, left)?,
                Shape::Map => self.entry(field, payload, &mut members, left)?,
            }
        }
        Ok(members)
    }

    fn one(
        &mut self,
        field: &'static Field,
        payload: Payload<'_>,
        members: &mut Map<String, Value>,
        left: usize,
    ) -> Result<(), Fault> {
        if let (true, Some(inner), Payload::Bytes(bytes)) = (field.name.is_empty(), field.message(), payload) {
            members.extend(self.message(inner, bytes, left)?);
            return Ok(());
        }
        let value = match self.value(field.kind, payload, left)? {
            Some(value) => value,
            None if is_marker(field) => Value::Object(Map::new()),
            None => return Ok(()),
        };
        if field.keeps_zero || !is_zero(field, &value) {
            members.insert(field.name.into(), value);
        }
        Ok(())
    }

    fn list(
        &mut self,
        field: &'static Field,
        payload: Payload<'_>,
        members: &mut Map<String, Value>,
        left: usize,
    ) -> Result<(), Fault> {
        let mut found = Vec::new();
        match (field.kind, payload) {
            // Numbers may stand packed.
            (Type::Int32 | Type::Int64 | Type::Bool, Payload::Bytes(packed)) => {
                for number in wire::varints(packed) {
                    self.values += 1;
                    found.extend(self.value(field.kind, Payload::Number(number?), left)?);
                }
                if self.values > PROTOBUF_VALUES_MAX {
                    return Err(Fault::TooMany);
                }
            }
            // An item that is nothing is still an item.
            (kind, payload) => found.push(self.value(kind, payload, left)?.unwrap_or_default()),
        }
        let list = members.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.extend(found);
        }
        Ok(())
    }

    /// A map is a list of messages {1 key, 2 value}.
    fn entry(
        &mut self,
        field: &'static Field,
        payload: Payload<'_>,
        members: &mut Map<String, Value>,
        left: usize,
    ) -> Result<(), Fault> {
        let Payload::Bytes(bytes) = payload else { return Err(Fault::Type) };
        let (mut key, mut value) = (String::new(), None);
        for item in items(bytes) {
            match item? {
                Item { number: 1, payload: Payload::Bytes(text) } => key = text_of(text)?,
                Item { number: 2, payload } => value = self.value(field.kind, payload, left)?,
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(field.kind, Payload::Bytes(&[]), left)?.unwrap_or_default(),
        };
        let map = members.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = map {
            map.insert(key, value);
        }
        Ok(())
    }

    /// One value; none if it stands for nothing (a zero time).
    fn value(&mut self, kind: Type, payload: Payload<'_>, left: usize) -> Result<Option<Value>, Fault> {
        Ok(Some(match (kind, payload) {
            (Type::Bool, Payload::Number(number)) => Value::Bool(number != 0),
            // Negative numbers are written as 64 bits in two's complement.
            (Type::Int32 | Type::Int64, Payload::Number(number)) => Value::from(number.cast_signed()),
            (Type::Double, Payload::Fixed(bits)) => Value::from(f64::from_bits(bits)),
            (Type::String | Type::Duration, Payload::Bytes(text)) => Value::String(text_of(text)?),
            (Type::Bytes, Payload::Bytes(bytes)) => Value::String(base64::encode(bytes)),
            (Type::Message(name), Payload::Bytes(bytes)) => {
                let inner = message(name).ok_or(Fault::Type)?;
                Value::Object(self.message(inner, bytes, left)?)
            }
            (Type::Quantity, Payload::Bytes(bytes)) => {
                let text = first_text(bytes)?;
                Value::String(quantity::canonical(&text).unwrap_or(if text.is_empty() { "0".into() } else { text }))
            }
            (Type::IntOrString, Payload::Bytes(bytes)) => int_or_string(bytes)?,
            (Type::Time, Payload::Bytes(bytes)) => return time(bytes, false),
            (Type::MicroTime, Payload::Bytes(bytes)) => return time(bytes, true),
            (Type::Any, Payload::Bytes(bytes)) => return any(bytes),
            (Type::Strings, Payload::Bytes(bytes)) => {
                let mut list = Vec::new();
                for item in items(bytes) {
                    if let Item { number: 1, payload: Payload::Bytes(text) } = item? {
                        list.push(Value::String(text_of(text)?));
                    }
                }
                Value::Array(list)
            }
            (Type::SchemaOr(other), Payload::Bytes(bytes)) => self.schema_or(other, bytes, left)?,
            _ => return Err(Fault::Type),
        }))
    }

    /// JSONSchemaPropsOrArray {1 schema, 2 schemas}, OrBool {1 allows, 2 schema}, OrStringArray {1 schema, 2 strings}.
    fn schema_or(&mut self, other: &str, bytes: &[u8], left: usize) -> Result<Value, Fault> {
        let schema = message(SCHEMA).ok_or(Fault::Type)?;
        let (mut one, mut list, mut allows) = (None, Vec::new(), false);
        for item in items(bytes) {
            match (other, item?) {
                ("bool", Item { number: 1, payload: Payload::Number(flag) }) => allows = flag != 0,
                ("bool", Item { number: 2, payload: Payload::Bytes(inner) })
                | (_, Item { number: 1, payload: Payload::Bytes(inner) }) => {
                    one = Some(self.message(schema, inner, left)?)
                }
                ("array", Item { number: 2, payload: Payload::Bytes(inner) }) => {
                    list.push(Value::Object(self.message(schema, inner, left)?));
                }
                ("strings", Item { number: 2, payload: Payload::Bytes(text) }) => {
                    list.push(Value::String(text_of(text)?))
                }
                _ => {}
            }
        }
        Ok(match one {
            Some(schema) => Value::Object(schema),
            None if other == "bool" => Value::Bool(allows),
            None => Value::Array(list),
        })
    }
}

fn is_zero(field: &Field, value: &Value) -> bool {
    match value {
        // It stands there as text, which is not empty: the default of a schema may be 0.
        _ if field.kind == Type::Any => false,
        // `additionalProperties: false` says something.
        Value::Bool(flag) => !flag && field.kind == Type::Bool,
        // Zero is a port nobody means; every other number-or-text is a pointer, whose zero counts.
        Value::Number(number) => {
            number.as_f64() == Some(0.0) && (field.kind != Type::IntOrString || field.name == "targetPort")
        }
        Value::String(text) => text.is_empty() && field.kind != Type::IntOrString,
        _ => false,
    }
}

fn text_of(bytes: &[u8]) -> Result<String, Fault> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Fault::Text)
}

fn first_text(bytes: &[u8]) -> Result<String, Fault> {
    let mut text = String::new();
    for item in items(bytes) {
        if let Item { number: 1, payload: Payload::Bytes(inner) } = item? {
            text = text_of(inner)?;
        }
    }
    Ok(text)
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Fault> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    for item in items(bytes) {
        match item? {
            Item { number: 1, payload: Payload::Number(kind) } => is_text = kind == 1,
            Item { number: 2, payload: Payload::Number(value) } => number = value.cast_signed(),
            Item { number: 3, payload: Payload::Bytes(value) } => text = text_of(value)?,
            _ => {}
        }
    }
    Ok(if is_text { Value::String(text) } else { Value::from(number) })
}

/// {1 seconds, 2 nanos}; an empty message is no time.
fn time(bytes: &[u8], micro: bool) -> Result<Option<Value>, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    for item in items(bytes) {
        match item? {
            Item { number: 1, payload: Payload::Number(value) } => seconds = value.cast_signed(),
            Item { number: 2, payload: Payload::Number(value) } => nanos = value.cast_signed(),
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    let stamp = jiff::Timestamp::from_second(seconds).map_err(|_| Fault::Time)?;
    let mut text = stamp.to_string();
    if micro {
        text = format!("{}.{:06}Z", text.trim_end_matches('Z'), nanos.rem_euclid(1_000_000_000) / 1_000);
    }
    Ok(Some(Value::String(text)))
}

/// {1 raw}: JSON text, or an object in an envelope of its own.
fn any(bytes: &[u8]) -> Result<Option<Value>, Fault> {
    let mut raw = &[][..];
    for item in items(bytes) {
        if let Item { number: 1, payload: Payload::Bytes(inner) } = item? {
            raw = inner;
        }
    }
    if raw.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(raw).map(Some).map_err(|_| Fault::Json)
}

/// What an envelope holds, read as a message by name: messages that are no kind can be tried too.
#[cfg(test)]
fn read_as(name: &str, bytes: &[u8]) -> Result<Value, Status> {
    let message = message(name).ok_or_else(|| bad("unknown"))?;
    members(message, opened(bytes)?.raw).map(Value::Object)
}

#[cfg(test)]
mod tests;
