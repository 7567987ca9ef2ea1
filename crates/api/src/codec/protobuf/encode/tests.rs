//! Tests of the writer: bytes computed by hand from the numbers in Kubernetes' .proto files, and objects of chance that read back.
use super::{Printer, event};
use crate::codec::protobuf::parse;
use crate::schema::structure::{Field, Message, Shape, Type, message, messages};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Length-delimited, of one-byte tags and lengths.
fn part(number: u8, inner: &[u8]) -> Vec<u8> {
    let length = u8::try_from(inner.len()).expect("short");
    assert!(length < 128 && number < 16);
    [&[number << 3 | 2, length], inner].concat()
}

fn enveloped(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [part(1, api_version.as_bytes()), part(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), part(1, &meta), part(2, raw), vec![0x1a, 0, 0x22, 0]].concat()
}

fn printed(api_version: &str, kind: &str, value: &Value) -> Vec<u8> {
    let printer = Printer::of_kind(api_version, kind).expect("a kind");
    printer.object(api_version, kind, value.to_string().as_bytes()).expect("an object")
}

#[test]
fn a_config_map_by_hand() {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "creationTimestamp": "1970-01-01T00:00:01Z"},
        "data": {"b": "", "a": "x"}, "binaryData": {"k": "AQI="}, "immutable": false});
    let time = part(8, &[0x08, 1, 0x10, 0]);
    let meta = part(1, &[part(1, b"c"), time].concat());
    let data =
        [part(2, &[part(1, b"a"), part(2, b"x")].concat()), part(2, &[part(1, b"b"), part(2, b"")].concat())].concat();
    let binary = part(3, &[part(1, b"k"), part(2, &[1, 2])].concat());
    let want = enveloped("v1", "ConfigMap", &[meta, data, binary, vec![4 << 3, 0]].concat());
    assert_eq!(hex(&printed("v1", "ConfigMap", &value)), hex(&want));
}

#[test]
fn a_pod_by_hand() {
    let value = json!({"metadata": {"name": "p"}, "spec": {"priority": -1, "volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "c",
        "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5}}]}});
    let port = part(2, &[part(2, &[0x08, 0, 0x10, 80, 0x1a, 0]).as_slice()].concat());
    let probe = part(10, &[part(1, &part(2, &port[2..])), vec![4 << 3, 5]].concat());
    let limits = part(8, &part(1, &[part(1, b"cpu"), part(2, &part(1, b"1"))].concat()));
    let container = part(2, &[part(1, b"c"), limits, probe].concat());
    let volume = part(1, &[part(1, b"v"), part(2, &part(2, b""))].concat());
    // Field 25 has a tag of two bytes, and a negative number ten.
    let priority = [&[0xc8, 0x01][..], &[0xff; 9], &[0x01]].concat();
    let raw = [part(1, &part(1, b"p")), part(2, &[volume, container, priority].concat())].concat();
    assert_eq!(hex(&printed("v1", "Pod", &value)), hex(&enveloped("v1", "Pod", &raw)));
}

#[test]
fn a_status_a_list_and_an_event_by_hand() {
    let value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "m", "reason": "NotFound",
        "details": {"name": "n", "kind": "k"}, "code": 404});
    let details = part(5, &[part(1, b"n"), part(3, b"k")].concat());
    let raw = [part(1, b""), part(2, b"Failure"), part(3, b"m"), part(4, b"NotFound"), details, vec![0x30, 0x94, 0x03]]
        .concat();
    let status = printed("v1", "Status", &value);
    assert_eq!(hex(&status), hex(&enveloped("v1", "Status", &raw)));

    let items =
        [r#"{"metadata":{"name":"a"}}"#, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{}}"#];
    let printer = Printer::of("api.core.v1.ConfigMap").expect("a kind");
    let list = printer.list("v1", "ConfigMapList", br#"{"resourceVersion":"7"}"#, items.iter()).expect("a list");
    let raw = [part(1, &part(2, b"7")), part(2, &part(1, &part(1, b"a"))), part(2, &part(1, &part(1, b"b")))].concat();
    assert_eq!(hex(&list), hex(&enveloped("v1", "ConfigMapList", &raw)));

    let mut frames = Vec::new();
    event(&mut frames, "ADDED", &status);
    let body = [part(1, b"ADDED"), part(2, &part(1, &status))].concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    assert_eq!(hex(&frames), hex(&[length.to_vec(), body].concat()));
}

#[test]
fn of_any_object_the_metadata_alone() {
    let json = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","labels":{"a":"b"}},"spec":{"x":[1,{"y":null}]}}"#;
    let bytes = Printer::metadata().object("meta.k8s.io/v1", "PartialObjectMetadata", json).expect("an object");
    let label = part(11, &[part(1, b"a"), part(2, b"b")].concat());
    let want = enveloped("meta.k8s.io/v1", "PartialObjectMetadata", &part(1, &[part(1, b"w"), label].concat()));
    assert_eq!(hex(&bytes), hex(&want));
}

#[test]
fn what_is_of_the_wrong_type_is_left_out_and_damage_is_told() {
    let value = json!({"metadata": {"name": 7, "labels": [], "creationTimestamp": null}, "data": {"a": null, "b": {}}, "immutable": "x"});
    assert_eq!(parse(&printed("v1", "ConfigMap", &value)).expect("read")["metadata"], json!({}));
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": 3}}});
    let hard = parse(&printed("v1", "ResourceQuota", &quota)).expect("read")["spec"]["hard"].clone();
    assert_eq!(hard, json!({"pods": "3"}), "a quantity may be a number");
    let printer = Printer::of("api.core.v1.ConfigMap").expect("a kind");
    for bad in ["", "[]", "{", "7", "{\"metadata\":{\"name\":\"\u{1}\"}}"] {
        assert_eq!(printer.object("v1", "ConfigMap", bad.as_bytes()).map_err(|status| status.code), Err(500), "{bad}");
    }
    assert_eq!(Printer::of("nope"), None);
    assert_eq!(Printer::of_kind("v1", "Nope"), None);
}

#[test]
fn a_schema_in_all_its_shapes() {
    let schema = json!({"type": "object", "required": ["a"], "minimum": -0.5, "maximum": 0.0, "enum": [1, null, "x", {"b": []}], "default": {"a": 1},
        "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"items": [{"type": "integer"}, {}]}},
        "additionalProperties": false, "additionalItems": {"type": "string"}, "dependencies": {"a": ["b"], "c": {"type": "object"}},
        "x-kubernetes-preserve-unknown-fields": true, "$ref": "r"});
    let version = json!({"name": "v1", "served": true, "storage": false, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}}});
    let (group, kind) = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let value = json!({"apiVersion": group, "kind": kind, "metadata": {"name": "d"}, "spec": {"versions": [version]}});
    assert_eq!(parse(&printed(group, kind, &value)).expect("read"), value);
}

/// A value of chance for a field; `budget` bounds how much is made.
struct Chance {
    state: u64,
    budget: usize,
}

impl Chance {
    fn draw(&mut self, below: u64) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn object(&mut self, message: &'static Message, depth: usize) -> Value {
        let mut members = Map::new();
        for field in message.members() {
            let here = if depth == 0 { 2 } else { 4 };
            if self.budget == 0 || self.draw(here) > 0 {
                continue;
            }
            self.budget -= 1;
            if let Some(value) = self.member(field, depth) {
                members.insert(field.name.to_owned(), value);
            }
        }
        Value::Object(members)
    }

    /// None: what Kubernetes itself does not keep of it.
    fn member(&mut self, field: &Field, depth: usize) -> Option<Value> {
        let some = 1 + self.draw(2);
        match field.shape {
            Shape::List => Some((0..some).map(|_| self.value(field.kind, depth)).collect()),
            Shape::Map => {
                Some(Value::Object((0..some).map(|at| (format!("k{at}é\""), self.value(field.kind, depth))).collect()))
            }
            // It says something by being there.
            Shape::One if field.kind == Type::Any && field.name == "status" => Some(json!({})),
            Shape::One => {
                let value = self.value(field.kind, depth);
                let dropped = match (&value, field.kind) {
                    (Value::Null, _) => true,
                    (Value::Array(items), _) => items.is_empty(),
                    _ if field.keeps_zero => false,
                    (Value::Bool(flag), Type::Bool) => !flag,
                    (Value::String(text), Type::String | Type::Bytes) => text.is_empty(),
                    (Value::Number(number), Type::IntOrString) => {
                        number.as_i64() == Some(0) && field.name == "targetPort"
                    }
                    (Value::Number(number), Type::Int32 | Type::Int64 | Type::Double) => number.as_f64() == Some(0.0),
                    _ => false,
                };
                (!dropped).then_some(value)
            }
        }
    }

    fn value(&mut self, kind: Type, depth: usize) -> Value {
        let texts = ["", "x", "a longer text, ünïcode \u{1F600}, \"quoted\"\n"];
        let at = self.draw(3) as usize;
        match kind {
            Type::Bool => Value::Bool(at == 0),
            Type::Int32 => [json!(0), json!(i32::MIN), json!(8_080)][at].clone(),
            Type::Int64 => [json!(0), json!(i64::MIN), json!(i64::MAX)][at].clone(),
            Type::Double => [json!(0.0), json!(-1.5), json!(1e300)][at].clone(),
            Type::String | Type::Duration => Value::from(texts[at]),
            Type::Bytes => Value::from(["", "AQ==", "/+8A"][at]),
            Type::Quantity => Value::from(["0", "100m", "1Gi"][at]),
            Type::IntOrString => [json!(0), json!(-3), json!("25%")][at].clone(),
            Type::Time => Value::from(["1970-01-01T00:00:00Z", "2026-11-28T12:27:25Z", "1901-01-01T00:00:00Z"][at]),
            Type::MicroTime => Value::from(
                ["1970-01-01T00:00:00.000000Z", "2026-11-28T12:27:25.123456Z", "1969-12-31T23:59:59.999999Z"][at],
            ),
            Type::Any => [json!({}), json!({"f:a": {".": {}}}), json!([1, "x", null])][at].clone(),
            Type::Strings => json!(["a", "", "b"][..=at]),
            Type::SchemaOr("bool") if at > 0 => Value::Bool(at == 1),
            Type::SchemaOr("strings") if at > 0 => json!(["a", "b"]),
            Type::SchemaOr("array") if at > 0 => json!([{"type": "x"}, {}]),
            Type::SchemaOr(_) => json!({"type": "x"}),
            Type::Message(name) => self.object(message(name).expect("known"), depth + 1),
        }
    }
}

/// A kind for any message, so that each can be tried: its printer, and how it is read.
fn again(message: &Message, value: &Value) -> Result<Value, String> {
    let printer = Printer::of(message.name).expect("known");
    let bytes = printer.object("v1", "X", value.to_string().as_bytes()).map_err(|why| why.message.clone())?;
    crate::codec::protobuf::read_as(message.name, &bytes).map_err(|why| why.message.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_reads_back(state in any::<u64>()) {
        let mut chance = Chance { state, budget: 0 };
        for message in messages().filter(|message| !is_special(message.name)) {
            chance.budget = 60;
            let value = chance.object(message, 0);
            let mut read = again(message, &value).unwrap_or_else(|why| panic!("{}: {why}: {value}", message.name));
            if let Some(members) = read.as_object_mut() {
                // The envelope's.
                for name in ["apiVersion", "kind"].into_iter().filter(|name| message.field(name).is_none()) {
                    members.remove(name);
                }
            }
            prop_assert_eq!(&read, &value, "{}", message.name);
        }
    }

    #[test]
    fn damaged_bytes_do_not_panic(state in any::<u64>(), hits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut chance = Chance { state, budget: 0 };
        for kind in crate::kinds::builtin() {
            chance.budget = 60;
            let name = kind.message().expect("built in");
            let value = chance.object(message(name).expect("known"), 0);
            let mut bytes = printed(&kind.api_version(), &kind.kind, &value);
            for (at, byte) in &hits {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            let _ = parse(&bytes);
            let _ = parse(&bytes[..hits[0].0 % bytes.len()]);
        }
    }
}

/// Messages that stand for a value of JSON that is no object, and are never read as one.
fn is_special(name: &str) -> bool {
    let short = name.rsplit('.').next().unwrap_or_default();
    matches!(
        short,
        "Quantity"
            | "IntOrString"
            | "Time"
            | "MicroTime"
            | "FieldsV1"
            | "RawExtension"
            | "JSON"
            | "ExtraValue"
            | "Verbs"
    ) || short.starts_with("JSONSchemaPropsOr")
}
