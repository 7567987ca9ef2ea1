//! The structure of the built-in kinds, read once from `data/fields.txt`: members, types, protobuf numbers, merge keys.
//! It never sees an object.
//!
//! The file: a line per message (`api.core.v1.PodSpec`, `atomic` if server-side apply takes it whole), below it a line per member:
//! number, JSON name (`~`: its members stand in the parent), type (`[]` list, `{}` map, `!` a zero that means something),
//! then `p=` patch strategy and merge key, `l=` list type and keys, `m=` map type. A type without a dot is of the same package.
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("../../data/fields.txt");
static STRUCTURE: LazyLock<Structure> = LazyLock::new(|| Structure::read(TEXT));

/// All messages by name.
#[derive(Debug)]
struct Structure {
    messages: BTreeMap<&'static str, Message>,
}

#[derive(Debug)]
pub struct Message {
    /// `api.core.v1.PodSpec`.
    pub name: &'static str,
    /// By protobuf number.
    pub fields: Vec<Field>,
    /// Server-side apply takes it as a whole.
    pub atomic: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub number: u32,
    /// Empty if the message's members stand in the parent.
    pub name: &'static str,
    pub shape: Shape,
    pub kind: Type,
    /// A zero that was written means something other than its absence.
    pub keeps_zero: bool,
    pub patch: Patch,
    pub list: &'static str,
    pub list_keys: &'static str,
    pub map: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    One,
    List,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int32,
    Int64,
    Double,
    String,
    /// Base64 in JSON.
    Bytes,
    /// Another message, by name.
    Message(&'static str),
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    /// `72h3m0.5s`.
    Duration,
    /// Anything: RawExtension, FieldsV1, JSON. In protobuf its JSON text.
    Any,
    /// A list of strings that protobuf wraps in a message: ExtraValue, Verbs.
    Strings,
    /// A schema, or several, or a bool: three shapes of JSONSchemaProps' members.
    SchemaOr(&'static str),
}

/// What strategic merge patch does with a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
    /// Member that tells list items apart; empty for lists of scalars.
    pub key: &'static str,
}

/// The message called `name`, if there is one.
#[must_use]
pub fn message(name: &str) -> Option<&'static Message> {
    let structure: &'static Structure = &STRUCTURE;
    structure.messages.get(name)
}

/// A hash of the whole table: what is made of it may be kept as long as this does not change.
#[must_use]
pub fn fingerprint() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| blake3::hash(TEXT.as_bytes()).to_hex().to_string());
    &HASH
}

/// Every message, by name.
pub fn messages() -> impl Iterator<Item = &'static Message> {
    let structure: &'static Structure = &STRUCTURE;
    structure.messages.values()
}

impl Message {
    /// The field of that JSON name, its own or one whose message is inlined.
    #[must_use]
    pub fn field(&'static self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name && !name.is_empty()).or_else(|| {
            let inlined = self.fields.iter().filter(|field| field.name.is_empty());
            inlined.filter_map(|field| field.message()).find_map(|message| message.field(name))
        })
    }

    /// All JSON members, inlined ones included.
    #[must_use]
    pub fn members(&'static self) -> Vec<&'static Field> {
        let mut all = Vec::new();
        for field in &self.fields {
            match field.message() {
                Some(inlined) if field.name.is_empty() => all.extend(inlined.members()),
                _ => all.push(field),
            }
        }
        all
    }

    /// Whether it may carry `apiVersion` and `kind`: objects do, the templates within them do not.
    #[must_use]
    pub fn typed(&self) -> bool {
        let meta = self.fields.iter().any(|field| field.kind == Type::Message(OBJECT_META));
        let part = self.name.ends_with("TemplateSpec") || self.short() == "PersistentVolumeClaimTemplate";
        (meta && !part) || matches!(self.name, DELETE_OPTIONS | STATUS)
    }

    /// `PodSpec`.
    #[must_use]
    pub fn short(&self) -> &'static str {
        short(self.name)
    }
}

pub const OBJECT_META: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";
pub const DELETE_OPTIONS: &str = "apimachinery.pkg.apis.meta.v1.DeleteOptions";
const STATUS: &str = "apimachinery.pkg.apis.meta.v1.Status";

impl Field {
    #[must_use]
    pub fn message(&self) -> Option<&'static Message> {
        match self.kind {
            Type::Message(name) => message(name),
            _ => None,
        }
    }
}

/// What follows the last dot.
#[must_use]
pub fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Structure {
    fn read(text: &'static str) -> Self {
        let mut messages: BTreeMap<&'static str, Message> = BTreeMap::new();
        let names: BTreeMap<&str, &'static str> =
            text.lines().filter(|line| !line.starts_with('\t')).map(heading).map(|(name, _)| (name, name)).collect();
        let mut current = None;
        for line in text.lines() {
            if !line.starts_with('\t') {
                let (name, atomic) = heading(line);
                messages.insert(name, Message { name, fields: Vec::new(), atomic });
                current = Some(name);
            } else if let Some(owner) = current
                && let Some(message) = messages.get_mut(owner)
                && let Some(field) = field(line, owner, &names)
            {
                message.fields.push(field);
            }
        }
        Self { messages }
    }
}

fn heading(line: &'static str) -> (&'static str, bool) {
    line.split_once('\t').map_or((line, false), |(name, mark)| (name, mark == "atomic"))
}

fn field(line: &'static str, owner: &str, names: &BTreeMap<&str, &'static str>) -> Option<Field> {
    let mut cells = line.split('\t').skip(1);
    let (number, name, text) = (cells.next()?.parse().ok()?, cells.next()?, cells.next()?);
    let (shape, text) = match (text.strip_prefix("[]"), text.strip_prefix("{}")) {
        (Some(rest), _) => (Shape::List, rest),
        (_, Some(rest)) => (Shape::Map, rest),
        _ => (Shape::One, text),
    };
    let (text, keeps_zero) = text.strip_suffix('!').map_or((text, false), |rest| (rest, true));
    let (mut patch, mut list, mut list_keys, mut map) = (Patch::default(), "", "", "");
    for cell in cells {
        let (what, value) = cell.split_once('=')?;
        let (value, keys) = value.split_once(':').unwrap_or((value, ""));
        match what {
            "p" => {
                let has = |word: &str| value.split('+').any(|known| known == word);
                patch =
                    Patch { merge: has("merge"), replace: has("replace"), retain_keys: has("retainKeys"), key: keys };
            }
            "l" => (list, list_keys) = (value, keys),
            _ => map = value,
        }
    }
    let name = if name == "~" { "" } else { name };
    Some(Field { number, name, shape, kind: kind(text, owner, names)?, keeps_zero, patch, list, list_keys, map })
}

fn kind(text: &'static str, owner: &str, names: &BTreeMap<&str, &'static str>) -> Option<Type> {
    Some(match short(text) {
        "bool" => Type::Bool,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::IntOrString,
        "Time" => Type::Time,
        "MicroTime" => Type::MicroTime,
        "Duration" => Type::Duration,
        "RawExtension" | "FieldsV1" | "JSON" | "CustomResourceSubresourceStatus" => Type::Any,
        "ExtraValue" | "Verbs" => Type::Strings,
        "JSONSchemaPropsOrArray" => Type::SchemaOr("array"),
        "JSONSchemaPropsOrBool" => Type::SchemaOr("bool"),
        "JSONSchemaPropsOrStringArray" => Type::SchemaOr("strings"),
        _ if text.contains('.') => Type::Message(names.get(text)?),
        _ => {
            let package = owner.rsplit_once('.').map_or("", |(package, _)| package);
            Type::Message(names.get(format!("{package}.{text}").as_str())?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = TEXT.lines().filter(|line| line.starts_with('\t')).count();
        assert_eq!(messages().map(|message| message.fields.len()).sum::<usize>(), lines);
        assert!(crate::kinds::builtin().iter().all(|kind| kind.message().is_some_and(|name| message(name).is_some())));
    }

    #[test]
    fn members_and_merge_keys() {
        let spec = message("api.core.v1.PodSpec").expect("known");
        let volumes = spec.field("volumes").expect("known");
        assert_eq!(
            (volumes.shape, volumes.patch.merge, volumes.patch.retain_keys, volumes.patch.key),
            (Shape::List, true, true, "name")
        );
        let volume = volumes.message().expect("a message");
        assert!(volume.field("emptyDir").is_some(), "inlined");
        let container = message("api.core.v1.Container").expect("known");
        assert_eq!(
            container.field("ports").map(|field| (field.patch.key, field.list_keys)),
            Some(("containerPort", "containerPort,protocol"))
        );
        assert!(
            message("api.core.v1.Pod").expect("known").typed()
                && !message("api.core.v1.PodTemplateSpec").expect("known").typed()
        );
    }
}
