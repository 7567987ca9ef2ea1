//! The schemas of a document: the messages its kinds reach, and the schemas of custom kinds.
use crate::codec::protobuf::envelope::of_kind;
use crate::kind::{Kind, Schema, Subresource};
use crate::schema::structure::{Field, Message, OBJECT_META, Shape, Type, message};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const LIST_META: &str = "apimachinery.pkg.apis.meta.v1.ListMeta";

/// What members of that name are, wherever they stand.
const DESCRIPTIONS: [(&str, &str); 23] = [
    ("apiVersion", "APIVersion defines the group and version of the schema that this object is written in."),
    ("kind", "Kind is the name of the schema, as its API group has it."),
    ("metadata", "Standard object's metadata: its name, labels and what else all objects have."),
    (
        "creationTimestamp",
        "CreationTimestamp is a timestamp of when the object came to be, in RFC 3339 and UTC; written by the system.",
    ),
    ("deletionTimestamp", "When its deletion was asked for or its grace ends; it goes once nothing holds it."),
    ("deletionGracePeriodSeconds", "How long it may take to end once its deletion was asked for."),
    ("finalizers", "Who must let go of it before it is deleted."),
    ("generateName", "What its name begins with if it is given none; the system adds the rest."),
    ("generation", "Counts the changes of what is desired; written by the system."),
    ("managedFields", "Who owns which of its fields; kept by server-side apply."),
    ("ownerReferences", "The objects it belongs to: it goes when all of them are gone."),
    ("resourceVersion", "The revision at which it was last written; a write that names another one is refused."),
    ("selfLink", "Unused."),
    ("uid", "Tells it from all others that ever were, also from those of the same name; written by the system."),
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

/// Lists of these are told apart by a protocol too, which need not be written.
const PROTOCOLS: [&str; 3] = ["api.core.v1.ContainerPort", "api.core.v1.ServicePort", "api.core.v1.EndpointPort"];

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

/// What is sent to a subresource and comes from it.
pub(super) fn body(kind: &Kind, subresource: &Subresource) -> Value {
    if (&subresource.group, &subresource.version, &subresource.kind) == (&kind.group, &kind.version, &kind.kind) {
        return reference(&name(kind));
    }
    of_body(subresource)
        .map_or_else(|| json!({"type": "object"}), |message| reference(&format!("io.k8s.{}", message.name)))
}

fn of_body(subresource: &Subresource) -> Option<&'static Message> {
    let Subresource { group, version, kind, .. } = subresource;
    let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    of_kind(&api_version, kind)
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
        for subresource in &kind.subresources {
            if let Some(message) = of_body(subresource) {
                reach(message.name, &mut found);
            }
        }
        match &kind.schema {
            Schema::Message(name) => reach(name, &mut found),
            Schema::Custom(schema) => {
                out.insert(name(kind), custom(&schema.source));
            }
        }
    }
    out.insert(PATCH.into(), json!({"type": "object"}));
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

fn custom(source: &Value) -> Value {
    let mut schema =
        if source.is_object() { source.clone() } else { json!({"x-kubernetes-preserve-unknown-fields": true}) };
    embed(&mut schema);
    schema["type"] = "object".into();
    add_object_members(&mut schema);
    schema
}

/// A whole object that stands in another has its names and metadata too.
fn embed(schema: &mut Value) {
    for (name, inner) in schema.as_object_mut().into_iter().flatten() {
        match (name.as_str(), inner) {
            ("properties", Value::Object(members)) => members.values_mut().for_each(embed),
            ("items" | "additionalProperties", inner @ Value::Object(_)) => embed(inner),
            _ => {}
        }
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        add_object_members(schema);
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let more = ["kind", "apiVersion"].into_iter().map(Value::from).filter(|name| !required.contains(name));
        schema["required"] = required.iter().cloned().chain(more).collect();
    }
}

pub(super) fn add_object_members(schema: &mut Value) {
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"type": "string", "description": described("apiVersion")});
    properties["kind"] = json!({"type": "string", "description": described("kind")});
    properties["metadata"] = whole(reference(&format!("io.k8s.{OBJECT_META}")));
    properties["metadata"]["description"] = described("metadata").into();
}

fn reach(name: &str, found: &mut BTreeMap<&'static str, Value>) {
    let Some(message) = message(name) else { return };
    if found.contains_key(message.name) {
        return;
    }
    found.insert(message.name, Value::Null);
    let members = message.members();
    for field in &members {
        match (field.message(), special(field.kind)) {
            (Some(inner), _) => reach(inner.name, found),
            (_, Some((name, schema))) => drop(found.entry(name).or_insert_with(schema)),
            _ => {}
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
    if PROTOCOLS.contains(&message.name) {
        schema["properties"]["protocol"]["default"] = "TCP".into();
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
    if let Some((name, _)) = special(kind) {
        return whole(reference(&format!("io.k8s.{name}")));
    }
    match kind {
        Type::Bool => json!({"type": "boolean"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Double => json!({"type": "number", "format": "double"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::SchemaOr(_) => json!({}),
        Type::Any => json!({"type": "object"}),
        Type::Strings => json!({"type": "array", "items": {"type": "string"}}),
        Type::Message(name) => whole(reference(&format!("io.k8s.{name}"))),
        _ => json!({"type": "string"}),
    }
}

/// Types that have a name and a schema of their own, though they are no objects.
fn special(kind: Type) -> Option<(&'static str, fn() -> Value)> {
    Some(match kind {
        Type::Quantity => {
            ("apimachinery.pkg.api.resource.Quantity", || json!({"oneOf": [{"type": "string"}, {"type": "number"}]}))
        }
        Type::IntOrString => (
            "apimachinery.pkg.util.intstr.IntOrString",
            || json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        Type::Time => ("apimachinery.pkg.apis.meta.v1.Time", || json!({"type": "string", "format": "date-time"})),
        Type::MicroTime => {
            ("apimachinery.pkg.apis.meta.v1.MicroTime", || json!({"type": "string", "format": "date-time"}))
        }
        _ => return None,
    })
}

/// A reference in the form that takes siblings, as Kubernetes writes it.
fn whole(reference: Value) -> Value {
    json!({"allOf": [reference]})
}

fn described(name: &str) -> &'static str {
    DESCRIPTIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}
