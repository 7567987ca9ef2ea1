//! The schemas of a document: the messages its kinds reach, and the schemas of custom kinds.
use crate::kind::{Kind, Schema};
use crate::schema::structure::{Field, Message, OBJECT_META, Shape, Type, message};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const LIST_META: &str = "apimachinery.pkg.apis.meta.v1.ListMeta";

/// What members of that name are, wherever they stand.
const DESCRIPTIONS: [(&str, &str); 12] = [
    ("apiVersion", "The version of the schema this object is written in."),
    ("kind", "The name of the kind of object."),
    ("metadata", "Name, labels and what else all objects have."),
    ("spec", "What is desired."),
    ("status", "What is observed; written by the system."),
    ("labels", "Keys and values by which objects are grouped and selected."),
    ("annotations", "Keys and values that tools keep with an object; nothing is selected by them."),
    ("namespace", "The namespace it lives in."),
    ("name", "Its name, unique among its like."),
    ("replicas", "How many."),
    ("selector", "Which objects are meant, by their labels."),
    ("template", "What the objects it makes look like."),
];

/// Members an object cannot do without, of the kinds most written by hand.
const REQUIRED: [(&str, &[&str]); 10] = [
    ("api.core.v1.PodSpec", &["containers"]),
    ("api.core.v1.Container", &["name"]),
    ("api.core.v1.ContainerPort", &["containerPort"]),
    ("api.core.v1.EnvVar", &["name"]),
    ("api.core.v1.Volume", &["name"]),
    ("api.core.v1.VolumeMount", &["name", "mountPath"]),
    ("api.core.v1.ServicePort", &["port"]),
    ("api.apps.v1.DeploymentSpec", &["selector", "template"]),
    ("api.apps.v1.ReplicaSetSpec", &["selector"]),
    ("api.apps.v1.StatefulSetSpec", &["selector", "template"]),
];

/// `io.k8s.api.apps.v1.Deployment`, `com.example.v1.Foo`.
pub(super) fn name(kind: &Kind) -> String {
    match &kind.schema {
        Schema::Message(name) => format!("io.k8s.{name}"),
        Schema::Custom(_) => {
            let mut parts: Vec<&str> = kind.group.split('.').collect();
            parts.reverse();
            format!("{}.{}.{}", parts.join("."), kind.version, kind.kind)
        }
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// All schemas that `kinds` need.
pub(super) fn of(kinds: &[&Kind]) -> Map<String, Value> {
    let mut found: BTreeMap<&'static str, Value> = BTreeMap::new();
    let mut out = Map::new();
    for root in
        ["apimachinery.pkg.apis.meta.v1.Status", "apimachinery.pkg.apis.meta.v1.DeleteOptions", OBJECT_META, LIST_META]
    {
        reach(root, &mut found);
    }
    for kind in kinds {
        match &kind.schema {
            Schema::Message(name) => reach(name, &mut found),
            Schema::Custom(schema) => {
                out.insert(name(kind), custom(kind, &schema.source));
            }
        }
    }
    out.extend(found.into_iter().map(|(name, schema)| (format!("io.k8s.{name}"), schema)));
    let options = json!([{"group": "", "version": "v1", "kind": "DeleteOptions"}, {"group": "apps", "version": "v1", "kind": "DeleteOptions"}]);
    out[DELETE_OPTIONS]["x-kubernetes-group-version-kind"] = options;
    for kind in kinds {
        let id = json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
        let own = name(kind);
        if let Some(schema) = out.get_mut(&own) {
            schema["x-kubernetes-group-version-kind"] = id;
        }
        if kind.has("list") {
            out.insert(format!("{own}List"), list(kind, &own));
        }
    }
    out
}

fn list(kind: &Kind, own: &str) -> Value {
    json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": described("apiVersion")},
            "kind": {"type": "string", "description": described("kind")},
            "metadata": whole(reference(&format!("io.k8s.{LIST_META}"))),
            "items": {"type": "array", "items": whole(reference(own))},
        },
        "x-kubernetes-group-version-kind": [{"group": kind.group, "version": kind.version, "kind": kind.list_kind}],
    })
}

fn custom(kind: &Kind, source: &Value) -> Value {
    let mut schema =
        if source.is_object() { source.clone() } else { json!({"x-kubernetes-preserve-unknown-fields": true}) };
    schema["type"] = "object".into();
    if kind.message().is_none() && !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"type": "string", "description": described("apiVersion")});
    properties["kind"] = json!({"type": "string", "description": described("kind")});
    properties["metadata"] = whole(reference(&format!("io.k8s.{OBJECT_META}")));
    schema
}

fn reach(name: &str, found: &mut BTreeMap<&'static str, Value>) {
    let Some(message) = message(name) else { return };
    if found.contains_key(message.name) {
        return;
    }
    found.insert(message.name, Value::Null);
    let members = message.members();
    for field in &members {
        if let Some(inner) = field.message() {
            reach(inner.name, found);
        }
    }
    found.insert(message.name, schema(message, &members));
}

fn schema(message: &Message, members: &[&'static Field]) -> Value {
    let mut properties: Map<String, Value> =
        members.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    if message.typed() {
        for name in ["apiVersion", "kind"] {
            properties.insert(name.into(), json!({"type": "string", "description": described(name)}));
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if let Some((_, required)) = REQUIRED.iter().find(|(known, _)| *known == message.name) {
        schema["required"] = json!(required);
    }
    if message.atomic {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    schema
}

fn property(field: &Field) -> Value {
    let value = value(field.kind);
    let mut property = match field.shape {
        Shape::One => value,
        Shape::List => json!({"type": "array", "items": value}),
        Shape::Map => json!({"type": "object", "additionalProperties": value}),
    };
    let known = described(field.name);
    if !known.is_empty() {
        property["description"] = known.into();
    }
    if field.patch.merge || field.patch.retain_keys || field.patch.replace {
        let words =
            [(field.patch.merge, "merge"), (field.patch.retain_keys, "retainKeys"), (field.patch.replace, "replace")];
        let words: Vec<&str> = words.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        property["x-kubernetes-patch-strategy"] = words.join(",").into();
    }
    if !field.patch.key.is_empty() {
        property["x-kubernetes-patch-merge-key"] = field.patch.key.into();
    }
    if !field.list.is_empty() {
        property["x-kubernetes-list-type"] = field.list.into();
    }
    if !field.list_keys.is_empty() {
        property["x-kubernetes-list-map-keys"] = field.list_keys.split(',').collect();
    }
    if !field.map.is_empty() {
        property["x-kubernetes-map-type"] = field.map.into();
    }
    property
}

fn value(kind: Type) -> Value {
    match kind {
        Type::Bool => json!({"type": "boolean"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Double => json!({"type": "number", "format": "double"}),
        Type::String | Type::Duration => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Time | Type::MicroTime => json!({"type": "string", "format": "date-time"}),
        Type::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Type::IntOrString => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        Type::Any | Type::SchemaOr(_) => json!({"type": "object"}),
        Type::Strings => json!({"type": "array", "items": {"type": "string"}}),
        Type::Message(name) => whole(reference(&format!("io.k8s.{name}"))),
    }
}

/// A reference in the form that takes siblings, as Kubernetes writes it.
fn whole(reference: Value) -> Value {
    json!({"allOf": [reference], "default": {}})
}

fn described(name: &str) -> &'static str {
    DESCRIPTIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}
