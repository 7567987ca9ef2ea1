//! A decoded document and the members it had twice. Whatever format it came from; the last of two members counts.
use crate::limits::COMPLAINTS_MAX;
use crate::place::clipped;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub value: Value,
    /// Paths of members that occur more than once, in the order of the document: `spec.ports[0].name`. The first ones only.
    pub duplicates: Vec<String>,
}

impl Parsed {
    /// What is to be complained of: `duplicate field "spec.replicas"`.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect()
    }
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part { levels: usize::MAX, unbroken: None }.deserialize(deserializer).map(Part::named)
    }
}

/// A JSON document of so many levels, for a deserializer of `serde_json`: that reads 128 at once, so deeper parts are read anew.
pub struct Deep {
    pub levels: usize,
}

impl<'de> DeserializeSeed<'de> for Deep {
    type Value = Parsed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        Part { levels: self.levels, unbroken: Some(UNBROKEN) }.deserialize(deserializer).map(Part::named)
    }
}

/// Levels that are read before the rest is taken as a text: fewer than the reader takes at once.
const UNBROKEN: usize = 100;

/// A part of a document; its duplicates are named from here: `.a[1].b`.
struct Node(Parsed);

/// How a part is read.
#[derive(Clone, Copy)]
struct Part {
    /// Levels that it may have.
    levels: usize,
    /// Levels until the rest is taken as a text; `None`: never.
    unbroken: Option<usize>,
}

impl Part {
    fn named(mut node: Node) -> Parsed {
        for path in &mut node.0.duplicates {
            if path.starts_with('.') {
                path.remove(0);
            }
        }
        node.0
    }

    /// How the parts of this one are read.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("exceeded max depth"))?;
        Ok(Self { levels, unbroken: self.unbroken.map(|left| left.saturating_sub(1)) })
    }
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        if self.unbroken != Some(0) {
            return deserializer.deserialize_any(self);
        }
        let rest = <&RawValue>::deserialize(deserializer)?;
        let mut deserializer = serde_json::Deserializer::from_str(rest.get());
        Self { unbroken: Some(UNBROKEN), ..self }.deserialize(&mut deserializer).map_err(D::Error::custom)
    }
}

fn leaf(value: Value) -> Node {
    Node(Parsed { value, duplicates: Vec::new() })
}

impl<'de> Visitor<'de> for Part {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(leaf(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(leaf(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let (inner, mut items, mut duplicates) = (self.inner()?, Vec::new(), Vec::new());
        while let Some(Node(item)) = list.next_element_seed(inner)? {
            let at = items.len();
            let room = COMPLAINTS_MAX - duplicates.len();
            duplicates.extend(item.duplicates.into_iter().take(room).map(|path| clipped(format!("[{at}]{path}"))));
            items.push(item.value);
        }
        Ok(Node(Parsed { value: Value::Array(items), duplicates }))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let (inner, mut members, mut duplicates) = (self.inner()?, Map::new(), Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            let Node(member) = map.next_value_seed(inner)?;
            let room = COMPLAINTS_MAX - duplicates.len();
            duplicates.extend(member.duplicates.into_iter().take(room).map(|path| clipped(format!(".{name}{path}"))));
            if members.contains_key(&name) && duplicates.len() < COMPLAINTS_MAX {
                duplicates.push(clipped(format!(".{name}")));
            }
            members.insert(name, member.value);
        }
        Ok(Node(Parsed { value: Value::Object(members), duplicates }))
    }
}
