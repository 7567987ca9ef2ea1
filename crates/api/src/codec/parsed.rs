//! A decoded document and the members it had twice. Whatever format it came from; the last of two members counts.
use crate::limits::COMPLAINTS_MAX;
use crate::place::clipped;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
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
        let mut node = deserializer.deserialize_any(NodeVisitor)?;
        for path in &mut node.0.duplicates {
            if path.starts_with('.') {
                path.remove(0);
            }
        }
        Ok(node.0)
    }
}

/// A part of a document; its duplicates are named from here: `.a[1].b`.
struct Node(Parsed);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

fn leaf(value: Value) -> Node {
    Node(Parsed { value, duplicates: Vec::new() })
}

impl<'de> Visitor<'de> for NodeVisitor {
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
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let (mut items, mut duplicates) = (Vec::new(), Vec::new());
        while let Some(Node(item)) = list.next_element()? {
            let at = items.len();
            let room = COMPLAINTS_MAX - duplicates.len();
            duplicates.extend(item.duplicates.into_iter().take(room).map(|path| clipped(format!("[{at}]{path}"))));
            items.push(item.value);
        }
        Ok(Node(Parsed { value: Value::Array(items), duplicates }))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let (mut members, mut duplicates) = (Map::new(), Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            let Node(member) = map.next_value()?;
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
