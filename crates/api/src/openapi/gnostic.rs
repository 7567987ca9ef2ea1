//! The OpenAPI v2 document in protobuf, as gnostic's `OpenAPIv2.proto` has it: a table of members by JSON name and number, and one walk.
//! It knows what our document holds, not all that a document may.
use crate::codec::protobuf::back::Back;
use serde_json::Value;

/// How a member is written.
#[derive(Clone, Copy)]
enum Rule {
    Text,
    Flag,
    Int,
    Double,
    Texts,
    /// {2 yaml}: any value as text; JSON is YAML.
    Any,
    Anys,
    One(&'static [Member]),
    /// {1} once more around it: `TypeItem`, `ItemsItem`.
    Wrapped(&'static Rule),
    /// {`at`: repeated {1 name, 2 value}}.
    Named(u32, &'static Rule),
    /// {1 schema} or {2 boolean}.
    SchemaOrFlag,
    /// Cases of messages that are one of several, each within the one before.
    Case(&'static [u32], &'static Rule),
    Parameters,
}

struct Member {
    name: &'static str,
    number: u32,
    rule: Rule,
}

const fn member(name: &'static str, number: u32, rule: Rule) -> Member {
    Member { name, number, rule }
}

/// Where members that begin with `x-` stand: {1 name, 2 Any} each.
const VENDOR: &str = "x-";

static DOCUMENT: [Member; 4] = [
    member("swagger", 1, Rule::Text),
    member("info", 2, Rule::One(&INFO)),
    member("paths", 8, Rule::Named(2, &Rule::One(&PATH))),
    member("definitions", 9, Rule::Named(1, &Rule::One(&SCHEMA))),
];
static INFO: [Member; 2] = [member("title", 1, Rule::Text), member("version", 2, Rule::Text)];
static PATH: [Member; 6] = [
    member("get", 2, Rule::One(&OPERATION)),
    member("put", 3, Rule::One(&OPERATION)),
    member("post", 4, Rule::One(&OPERATION)),
    member("delete", 5, Rule::One(&OPERATION)),
    member("patch", 8, Rule::One(&OPERATION)),
    member("parameters", 9, Rule::Parameters),
];
static OPERATION: [Member; 9] = [
    member("tags", 1, Rule::Texts),
    member("description", 3, Rule::Text),
    member("operationId", 5, Rule::Text),
    member("produces", 6, Rule::Texts),
    member("consumes", 7, Rule::Texts),
    member("parameters", 8, Rule::Parameters),
    member("responses", 9, Rule::Named(1, &Rule::Case(&[1], &Rule::One(&RESPONSE)))),
    member("schemes", 10, Rule::Texts),
    member(VENDOR, 13, Rule::Any),
];
static RESPONSE: [Member; 2] =
    [member("description", 1, Rule::Text), member("schema", 2, Rule::Case(&[1], &Rule::One(&SCHEMA)))];
static BODY: [Member; 5] = [
    member("description", 1, Rule::Text),
    member("name", 2, Rule::Text),
    member("in", 3, Rule::Text),
    member("required", 4, Rule::Flag),
    member("schema", 5, Rule::One(&SCHEMA)),
];
static QUERY: [Member; 6] = [
    member("required", 1, Rule::Flag),
    member("in", 2, Rule::Text),
    member("description", 3, Rule::Text),
    member("name", 4, Rule::Text),
    member("type", 6, Rule::Text),
    member("uniqueItems", 20, Rule::Flag),
];
static PLACE: [Member; 6] = [
    member("required", 1, Rule::Flag),
    member("in", 2, Rule::Text),
    member("description", 3, Rule::Text),
    member("name", 4, Rule::Text),
    member("type", 5, Rule::Text),
    member("uniqueItems", 19, Rule::Flag),
];
static SCHEMA: [Member; 25] = [
    member("$ref", 1, Rule::Text),
    member("format", 2, Rule::Text),
    member("title", 3, Rule::Text),
    member("description", 4, Rule::Text),
    member("default", 5, Rule::Any),
    member("multipleOf", 6, Rule::Double),
    member("maximum", 7, Rule::Double),
    member("exclusiveMaximum", 8, Rule::Flag),
    member("minimum", 9, Rule::Double),
    member("exclusiveMinimum", 10, Rule::Flag),
    member("maxLength", 11, Rule::Int),
    member("minLength", 12, Rule::Int),
    member("pattern", 13, Rule::Text),
    member("maxItems", 14, Rule::Int),
    member("minItems", 15, Rule::Int),
    member("uniqueItems", 16, Rule::Flag),
    member("maxProperties", 17, Rule::Int),
    member("minProperties", 18, Rule::Int),
    member("required", 19, Rule::Texts),
    member("enum", 20, Rule::Anys),
    member("additionalProperties", 21, Rule::SchemaOrFlag),
    member("type", 22, Rule::Wrapped(&Rule::Text)),
    member("items", 23, Rule::Wrapped(&Rule::One(&SCHEMA))),
    member("properties", 25, Rule::Named(1, &Rule::One(&SCHEMA))),
    member(VENDOR, 31, Rule::Any),
];

/// The document `v2::joined` made, in protobuf.
pub(super) fn printed(document: &Value) -> Vec<u8> {
    let mut out = Back::new(1 << 20);
    message(&mut out, &DOCUMENT, document);
    out.take()
}

fn message(out: &mut Back, members: &'static [Member], value: &Value) {
    for member in members.iter().rev() {
        if member.name == VENDOR {
            let known = value.as_object().into_iter().flatten().rev();
            for (name, value) in known.filter(|(name, _)| name.starts_with(VENDOR)) {
                let mark = out.written();
                write(out, 2, &member.rule, value);
                out.text(1, name.as_bytes());
                out.close(member.number, mark);
            }
        } else if let Some(value) = value.get(member.name) {
            write(out, member.number, &member.rule, value);
        }
    }
}

fn write(out: &mut Back, number: u32, rule: &Rule, value: &Value) {
    let mark = out.written();
    match rule {
        Rule::Text => return out.text(number, value.as_str().unwrap_or_default().as_bytes()),
        Rule::Flag => return out.number(number, u64::from(value == &Value::Bool(true))),
        Rule::Int => return out.number(number, value.as_i64().unwrap_or_default().cast_unsigned()),
        Rule::Double => return out.double(number, value.as_f64().unwrap_or_default()),
        Rule::Any => out.text(2, value.to_string().as_bytes()),
        Rule::One(members) => message(out, members, value),
        Rule::Wrapped(inner) => write(out, 1, inner, value),
        Rule::Case(path, inner) => case(out, path, inner, value),
        Rule::SchemaOrFlag if value.is_boolean() => write(out, 2, &Rule::Flag, value),
        Rule::SchemaOrFlag => message_in(out, 1, &SCHEMA, value),
        Rule::Named(at, inner) => {
            for (name, value) in value.as_object().into_iter().flatten().rev() {
                let mark = out.written();
                write(out, 2, inner, value);
                out.text(1, name.as_bytes());
                out.close(*at, mark);
            }
        }
        Rule::Texts => return items(value).for_each(|item| write(out, number, &Rule::Text, item)),
        Rule::Anys => return items(value).for_each(|item| write(out, number, &Rule::Any, item)),
        Rule::Parameters => return items(value).for_each(|item| parameter(out, number, item)),
    }
    out.close(number, mark);
}

/// From the last to the first, as they are written.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().rev()
}

fn message_in(out: &mut Back, number: u32, members: &'static [Member], value: &Value) {
    let mark = out.written();
    message(out, members, value);
    out.close(number, mark);
}

fn case(out: &mut Back, path: &[u32], rule: &Rule, value: &Value) {
    match path {
        [] => {}
        [last] => write(out, *last, rule, value),
        [first, rest @ ..] => {
            let mark = out.written();
            case(out, rest, rule, value);
            out.close(*first, mark);
        }
    }
}

/// ParametersItem {1 Parameter {1 body | 2 NonBody {3 query | 4 path}}}.
fn parameter(out: &mut Back, number: u32, value: &Value) {
    let mark = out.written();
    match value["in"].as_str() {
        Some("body") => case(out, &[1, 1], &Rule::One(&BODY), value),
        Some("path") => case(out, &[1, 2, 4], &Rule::One(&PLACE), value),
        _ => case(out, &[1, 2, 3], &Rule::One(&QUERY), value),
    }
    out.close(number, mark);
}
