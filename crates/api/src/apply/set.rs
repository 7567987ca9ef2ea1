//! A set of places in an object, as a tree: `FieldsV1`. It knows no schema.
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A member: `f:name`.
    Field(String),
    /// A list's item by its keys, as JSON: `k:{"name":"c"}`.
    Key(String),
    /// A list's item by its value, as JSON: `v:"a"`.
    Value(String),
}

impl Step {
    fn text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (what, rest) = text.split_once(':')?;
        match what {
            "f" => Some(Self::Field(rest.to_owned())),
            // Read and written again, so that equal keys are equal text.
            "k" => Some(Self::Key(serde_json::from_str::<Value>(rest).ok()?.to_string())),
            "v" => Some(Self::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
            _ => None,
        }
    }
}

/// As conflicts name it: `.spec.containers[name="c"].image`.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
        }
    }
}

/// Places: this one (`member`), and those below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub member: bool,
    pub below: BTreeMap<Step, Self>,
}

impl Set {
    /// Deeper sets than this are not read: a client wrote them.
    const DEPTH_MAX: usize = 64;

    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.member && self.below.values().all(Self::is_empty)
    }

    /// The set below `step`, made if it is not there.
    pub fn at(&mut self, step: Step) -> &mut Self {
        self.below.entry(step).or_default()
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.member |= other.member;
        for (step, below) in &other.below {
            let mine = all.below.entry(step.clone()).or_default();
            *mine = mine.union(below);
        }
        all
    }

    /// Whether every place of `other` is one of this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let below = |(step, theirs): (&Step, &Self)| match self.below.get(step) {
            Some(mine) => mine.covers(theirs),
            None => theirs.is_empty(),
        };
        (self.member || !other.member) && other.below.iter().all(below)
    }

    /// Whether a place of `other` is one of this set.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let below = |(step, theirs): (&Step, &Self)| self.below.get(step).is_some_and(|mine| mine.meets(theirs));
        (self.member && other.member) || other.below.iter().any(below)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both = self.below.iter().filter_map(|(step, below)| Some((step, below, other.below.get(step)?)));
        let below = both.map(|(step, mine, theirs)| (step.clone(), mine.intersection(theirs)));
        Self { member: self.member && other.member, below: below.filter(|(_, set)| !set.is_empty()).collect() }
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let below = self.below.iter().map(|(step, mine)| {
            let left = other.below.get(step).map_or_else(|| mine.clone(), |theirs| mine.difference(theirs));
            (step.clone(), left)
        });
        Self { member: self.member && !other.member, below: below.filter(|(_, set)| !set.is_empty()).collect() }
    }

    /// Takes the place at `path` out, not what is below it.
    pub fn drop_path(&mut self, path: &[&str]) {
        let [first, rest @ ..] = path else {
            self.member = false;
            return;
        };
        let step = Step::Field((*first).to_owned());
        if let Some(below) = self.below.get_mut(&step) {
            below.drop_path(rest);
            if below.is_empty() {
                self.below.remove(&step);
            }
        }
    }

    /// Every place in it, as conflicts name them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.paths_below("", &mut paths);
        paths
    }

    fn paths_below(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member && !prefix.is_empty() {
            paths.push(prefix.to_owned());
        }
        for (step, below) in &self.below {
            below.paths_below(&format!("{prefix}{step}"), paths);
        }
    }

    /// As `fieldsV1`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        if self.member && !self.below.is_empty() {
            members.insert(".".into(), Value::Object(Map::new()));
        }
        members.extend(self.below.iter().map(|(step, below)| (step.text(), below.to_value())));
        Value::Object(members)
    }

    /// Reads `fieldsV1`; what is no step is left out.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        let mut set = Self::read_below(value, 0);
        set.member = false;
        set
    }

    /// Whether `value` is `fieldsV1` and nothing else.
    #[must_use]
    pub fn readable(value: &Value) -> bool {
        Self::readable_below(value, 0)
    }

    fn readable_below(value: &Value, depth: usize) -> bool {
        let step = |(text, below): (&String, &Value)| {
            text == "." || (Step::read(text).is_some() && Self::readable_below(below, depth + 1))
        };
        depth < Self::DEPTH_MAX && value.as_object().is_some_and(|members| members.iter().all(step))
    }

    fn read_below(value: &Value, depth: usize) -> Self {
        let whole = Self { member: true, below: BTreeMap::new() };
        let Some(members) = value.as_object().filter(|_| depth < Self::DEPTH_MAX) else { return whole };
        let steps =
            members.iter().filter_map(|(text, below)| Some((Step::read(text)?, Self::read_below(below, depth + 1))));
        let below: BTreeMap<Step, Self> = steps.collect();
        Self { member: members.contains_key(".") || below.is_empty(), below }
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

impl Difference {
    /// What has a new value.
    pub(crate) fn set(&self) -> Set {
        self.added.union(&self.modified)
    }

    /// Takes over what differs below `step`.
    pub(crate) fn put(&mut self, step: Step, below: Self) {
        let parts =
            [(&mut self.added, below.added), (&mut self.modified, below.modified), (&mut self.removed, below.removed)];
        for (all, below) in parts {
            if !below.is_empty() {
                all.below.insert(step.clone(), below);
            }
        }
    }
}
