//! What is known of a place in an object: how its members and items are told apart. It sees no object.
use crate::kind::{Kind, Schema};
use crate::schema::structural::node::{Additional, Node, Unique};
use crate::schema::structure::{Field, Message, OBJECT_META, Shape, Type, message};
use serde_json::{Map, Value};

/// The schema of one place.
#[derive(Clone, Copy, Debug)]
pub enum Place<'s> {
    /// A built-in message, with named members.
    Message(&'static Message),
    /// A map, whose values are of the message if they are objects.
    Map(Option<&'static Message>),
    /// A list of a built-in message's field.
    List(&'static Field),
    /// A place of a custom kind's schema; the object itself if the flag is set.
    Custom(&'s Node, bool),
    /// It has one owner as a whole.
    Atomic,
    /// Nothing is known: objects are taken apart, lists are not.
    Free,
}

/// How a list's items are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items<'s> {
    /// They are not: the list has one owner.
    Whole,
    /// By their values.
    Values,
    /// By these members.
    Keys(Vec<&'s str>),
}

impl Place<'_> {
    /// The place of a kind's objects.
    #[must_use]
    pub fn of(kind: &Kind) -> Place<'_> {
        match &kind.schema {
            Schema::Message(name) => message(name).map_or(Place::Free, Place::Message),
            Schema::Custom(schema) => Place::Custom(schema.root(), true),
        }
    }
}

impl<'s> Place<'s> {
    /// What stands at member `name`, and whether the schema names that member.
    pub(crate) fn member(self, name: &str) -> (Self, bool) {
        match self {
            Self::Message(message) => message.field(name).map_or((Self::Free, true), |field| (Self::at(field), true)),
            Self::Map(Some(message)) => (Self::one(message), false),
            Self::Custom(_, true) if matches!(name, "apiVersion" | "kind") => (Self::Free, true),
            Self::Custom(_, true) if name == "metadata" => {
                (message(OBJECT_META).map_or(Self::Free, Self::Message), true)
            }
            Self::Custom(node, _) => match (node.properties.get(name), &node.additional) {
                (Some(node), _) => (Self::node(node), true),
                (None, Additional::Of(node)) => (Self::node(node), false),
                (None, _) => (Self::Free, false),
            },
            _ => (Self::Free, false),
        }
    }

    fn at(field: &'static Field) -> Self {
        match field.shape {
            Shape::List if matches!(field.list, "map" | "set") => Self::List(field),
            Shape::List => Self::Atomic,
            _ if field.map == "atomic" || field.kind == Type::Any => Self::Atomic,
            Shape::Map => Self::Map(field.message()),
            // A field may take apart what is one whole elsewhere.
            Shape::One if field.map == "granular" => field.message().map_or(Self::Free, Self::Message),
            Shape::One => field.message().map_or(Self::Free, Self::one),
        }
    }

    fn one(message: &'static Message) -> Self {
        if message.atomic { Self::Atomic } else { Self::Message(message) }
    }

    fn node(node: &'s Node) -> Self {
        let listed = &*node.kind == "array" && matches!(node.unique, Unique::No);
        if node.atomic || listed { Self::Atomic } else { Self::Custom(node, false) }
    }

    /// How items of a list here are told apart.
    pub(crate) fn items(self) -> Items<'s> {
        match self {
            Self::List(field) if field.list == "map" => Items::Keys(field.list_keys.split(',').collect()),
            Self::List(_) => Items::Values,
            Self::Custom(node, _) => match &node.unique {
                Unique::No => Items::Whole,
                Unique::Items => Items::Values,
                Unique::Keys(keys) => Items::Keys(keys.iter().map(|key| &**key).collect()),
            },
            _ => Items::Whole,
        }
    }

    /// The place of a list's item.
    pub(crate) fn item(self) -> Self {
        match self {
            Self::List(field) => field.message().map_or(Self::Free, Self::one),
            Self::Custom(node, _) => node.items.as_deref().map_or(Self::Free, Self::node),
            _ => Self::Free,
        }
    }

    /// The keys of an item as canonical JSON, with the schema's defaults for those it does not say; what has none is left out.
    pub(crate) fn key(self, keys: &[&str], item: &Value) -> String {
        let mut found = Map::new();
        for &key in keys {
            let default = || match self {
                // The one key of built-in lists that has a default: of ports.
                Self::List(_) if key == "protocol" => Some(Value::from("TCP")),
                Self::Custom(node, _) => node.items.as_deref()?.properties.get(key)?.default.clone(),
                _ => None,
            };
            let value = item.get(key).filter(|value| !value.is_null()).cloned().or_else(default);
            found.extend(value.map(|value| (key.to_owned(), value)));
        }
        Value::Object(found).to_string()
    }
}

/// The key of an item that says none of them.
pub(crate) const NO_KEY: &str = "{}";
