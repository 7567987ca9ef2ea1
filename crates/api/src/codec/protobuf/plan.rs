//! The tables of `schema::structure` made ready for writing: messages by number, members by name. It never sees an object.
use crate::codec::protobuf::envelope::{SCHEMA, is_marker};
use crate::schema::structure::{Field, Message, Shape, Type, messages};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static PLANS: LazyLock<Plans> = LazyLock::new(Plans::read);

/// A message without members.
const EMPTY: u16 = 0;
/// An object of any kind, of which only the metadata is written.
const METADATA: u16 = 1;
const OBJECT_META: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "apimachinery.pkg.apis.meta.v1.ListMeta";

pub(super) struct Plans {
    plans: Vec<Plan>,
    by_message: BTreeMap<&'static str, u16>,
    pub(super) list_meta: u16,
    /// JSONSchemaProps, which three types wrap.
    pub(super) schema: u16,
}

/// How one message is written.
#[derive(Default)]
pub(super) struct Plan {
    /// In the order of their numbers.
    pub(super) steps: Vec<Step>,
    /// Sorted. Where a member stands: a step, or one in the message that a step inlines, and so on.
    by_name: Vec<(&'static str, Box<[u16]>)>,
}

#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) shape: Shape,
    pub(super) kind: Kind,
}

/// As `structure::Type`, with messages by number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Message(u16),
    Quantity,
    IntOrString,
    Time,
    Any,
    Strings,
    SchemaOrArray,
    SchemaOrBool,
    SchemaOrStrings,
}

pub(super) fn plans() -> &'static Plans {
    &PLANS
}

impl Plans {
    /// The number of a message.
    pub(super) fn find(&self, name: &str) -> Option<u16> {
        self.by_message.get(name).copied()
    }

    pub(super) fn get(&self, number: u16) -> &Plan {
        &self.plans[usize::from(number)]
    }

    pub(super) const fn metadata() -> u16 {
        METADATA
    }

    fn read() -> Self {
        let by_message: BTreeMap<&'static str, u16> =
            messages().zip(METADATA + 1..).map(|(m, at)| (m.name, at)).collect();
        let number = |name: &str| by_message.get(name).copied().unwrap_or(EMPTY);
        let meta = Step { number: 1, shape: Shape::One, kind: Kind::Message(number(OBJECT_META)) };
        let metadata = Plan { steps: vec![meta], by_name: vec![("metadata", Box::new([0]))] };
        let mut plans = vec![Plan::default(), metadata];
        plans.extend(messages().map(|message| plan(message, &number)));
        Self { list_meta: number(LIST_META), schema: number(SCHEMA), plans, by_message }
    }
}

impl Plan {
    /// Where the member of that name stands.
    pub(super) fn place(&self, name: &str) -> Option<&[u16]> {
        let at = self.by_name.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(&self.by_name[at].1)
    }
}

fn plan(message: &Message, number: &impl Fn(&str) -> u16) -> Plan {
    let mut fields: Vec<&Field> = message.fields.iter().collect();
    fields.sort_by_key(|field| field.number);
    let step = |field: &&Field| Step { number: field.number, shape: field.shape, kind: kind(field, number) };
    let mut by_name = places(&fields);
    by_name.sort();
    Plan { steps: fields.iter().map(step).collect(), by_name }
}

fn places(fields: &[&Field]) -> Vec<(&'static str, Box<[u16]>)> {
    let mut found: Vec<(&'static str, Box<[u16]>)> = Vec::new();
    for (field, at) in fields.iter().zip(0_u16..) {
        match field.message() {
            Some(inlined) if field.name.is_empty() => {
                let mut inner: Vec<&Field> = inlined.fields.iter().collect();
                inner.sort_by_key(|field| field.number);
                let below = places(&inner).into_iter();
                found.extend(below.map(|(name, path)| (name, [&[at], &*path].concat().into_boxed_slice())));
            }
            _ => found.push((field.name, Box::new([at]))),
        }
    }
    found
}

fn kind(field: &Field, number: &impl Fn(&str) -> u16) -> Kind {
    match field.kind {
        Type::Bool => Kind::Bool,
        Type::Int32 | Type::Int64 => Kind::Int,
        Type::Double => Kind::Double,
        Type::String | Type::Duration => Kind::Text,
        Type::Bytes => Kind::Bytes,
        Type::Message(name) => Kind::Message(number(name)),
        Type::Quantity => Kind::Quantity,
        Type::IntOrString => Kind::IntOrString,
        Type::Time | Type::MicroTime => Kind::Time,
        Type::Any if is_marker(field) => Kind::Message(EMPTY),
        Type::Any => Kind::Any,
        Type::Strings => Kind::Strings,
        Type::SchemaOr("array") => Kind::SchemaOrArray,
        Type::SchemaOr("bool") => Kind::SchemaOrBool,
        Type::SchemaOr(_) => Kind::SchemaOrStrings,
    }
}
