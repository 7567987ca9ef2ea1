//! JSON text read by the plan of its message: only what will be written, in places that writing needs no names for. It never copies
//! a text that can be borrowed, and drops what is not of its type, for what is stored was checked when it was written.
use crate::codec::protobuf::plan::{Kind, Plans, plans};
use crate::schema::structure::Shape;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Formatter;

pub(super) enum Node<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    /// JSON text.
    Raw(&'a str),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
    Message(Members<'a>),
}

/// Members by the places of their steps, in no order.
pub(super) type Members<'a> = Vec<(u16, Node<'a>)>;

/// Reads `json` as the message.
pub(super) fn read(json: &[u8], message: u16) -> Result<Members<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let seed = Seed { plans: plans(), shape: Shape::One, kind: Kind::Message(message) };
    match seed.deserialize(&mut deserializer)? {
        Some(Node::Message(members)) => Ok(members),
        _ => Err(serde_json::Error::custom("it is no object")),
    }
}

#[derive(Clone, Copy)]
struct Seed {
    plans: &'static Plans,
    shape: Shape,
    kind: Kind,
}

impl Seed {
    fn of(self, kind: Kind) -> Self {
        Self { shape: Shape::One, kind, ..self }
    }

    fn text<'a>(self, text: Cow<'a, str>) -> Option<Node<'a>> {
        let is = matches!(self.kind, Kind::Text | Kind::Bytes | Kind::Quantity | Kind::IntOrString | Kind::Time);
        (is && self.shape == Shape::One).then_some(Node::Text(text))
    }

    fn members<'de, A: MapAccess<'de>>(self, message: u16, mut map: A) -> Result<Members<'de>, A::Error> {
        let plan = self.plans.get(message);
        let mut members = Members::with_capacity(map.size_hint().unwrap_or(8));
        while let Some(Name(name)) = map.next_key()? {
            let Some(path) = plan.place(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let (mut inner, mut step) = (plan, None);
            for at in path {
                let found = inner.steps[usize::from(*at)];
                if let Kind::Message(number) = found.kind {
                    inner = self.plans.get(number);
                }
                step = Some(found);
            }
            let Some(step) = step else { continue };
            let seed = Self { shape: step.shape, kind: step.kind, ..self };
            if let Some(node) = map.next_value_seed(seed)? {
                place(&mut members, path, node);
            }
        }
        Ok(members)
    }
}

/// Puts a member where `path` leads.
fn place<'a>(members: &mut Members<'a>, path: &[u16], node: Node<'a>) {
    let Some((at, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        members.push((*at, node));
        return;
    }
    let known = members.iter().position(|(known, _)| known == at).unwrap_or_else(|| {
        members.push((*at, Node::Message(Vec::new())));
        members.len() - 1
    });
    if let Node::Message(inner) = &mut members[known].1 {
        place(inner, rest, node);
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Option<Node<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.kind == Kind::Any && self.shape == Shape::One {
            return <&RawValue>::deserialize(deserializer).map(|raw| Some(Node::Raw(raw.get())));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Option<Node<'de>>;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        let is = matches!(self.kind, Kind::Bool | Kind::SchemaOrBool) && self.shape == Shape::One;
        Ok(is.then_some(Node::Bool(flag)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(match self.kind {
            _ if self.shape != Shape::One => None,
            Kind::Int | Kind::IntOrString => Some(Node::Int(number)),
            Kind::Double => Some(Node::Double(number as f64)),
            Kind::Quantity => Some(Node::Text(Cow::Owned(number.to_string()))),
            _ => None,
        })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok((self.kind == Kind::Double && self.shape == Shape::One).then_some(Node::Double(number)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(self.text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(self.text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let item = match (self.shape, self.kind) {
            (Shape::List, kind) => self.of(kind),
            (Shape::One, Kind::SchemaOrArray) => self.of(Kind::Message(self.plans.schema)),
            (Shape::One, Kind::Strings | Kind::SchemaOrStrings) => self.of(Kind::Text),
            _ => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        };
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(4));
        while let Some(node) = seq.next_element_seed(item)? {
            items.extend(node);
        }
        Ok(Some(Node::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match (self.shape, self.kind) {
            (Shape::Map, kind) => {
                let (value, mut entries) = (self.of(kind), Vec::new());
                while let Some(Name(name)) = map.next_key()? {
                    if let Some(node) = map.next_value_seed(value)? {
                        entries.push((name, node));
                    }
                }
                Ok(Some(Node::Map(entries)))
            }
            (Shape::One, Kind::Message(message)) => Ok(Some(Node::Message(self.members(message, map)?))),
            (Shape::One, Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings) => {
                Ok(Some(Node::Message(self.members(self.plans.schema, map)?)))
            }
            _ => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(None)
            }
        }
    }
}

/// A member's name, borrowed if it can be.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
