//! `metadata.managedFields`: who owns which places. Read, changed by what somebody did, written again. It sees no other member of
//! an object.
use crate::apply::set::{Difference, Set};
use crate::status::{Cause, Status};
use serde_json::{Map, Value, json};

/// Updaters that are told apart; what older ones own goes to one name.
const UPDATERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// One who writes, and how.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `fieldManager`.
    pub name: &'a str,
    /// Of the object as it was written.
    pub api_version: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339.
    pub time: &'a str,
    /// What others own may be taken.
    pub force: bool,
}

/// Who owns something. One name that applies and updates is two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    name: String,
    applies: bool,
    api_version: String,
    subresource: String,
    /// When what it owns last changed.
    time: String,
}

impl Manager {
    fn new(writer: Writer<'_>, applies: bool) -> Self {
        Self {
            name: writer.name.to_owned(),
            applies,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: writer.time.to_owned(),
        }
    }

    pub(crate) fn applier(writer: Writer<'_>) -> Self {
        Self::new(writer, true)
    }

    pub(crate) fn updater(writer: Writer<'_>) -> Self {
        Self::new(writer, false)
    }

    pub(crate) fn before_first_apply(api_version: &str, time: &str) -> Self {
        Self::updater(Writer { name: "before-first-apply", api_version, subresource: "", time, force: false })
    }

    fn is(&self, other: &Self) -> bool {
        // An applier is one, in whichever version it applies.
        (&self.name, self.applies, &self.subresource) == (&other.name, other.applies, &other.subresource)
            && (self.applies || self.api_version == other.api_version)
    }

    fn read(entry: &Value) -> Option<Self> {
        let text = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let applies = match entry.get("operation").and_then(Value::as_str)? {
            "Apply" => true,
            "Update" => false,
            _ => return None,
        };
        let (name, api_version) = (text("manager"), text("apiVersion"));
        Some(Self { name, applies, api_version, subresource: text("subresource"), time: text("time") })
    }

    fn operation(&self) -> &'static str {
        if self.applies { "Apply" } else { "Update" }
    }

    /// As conflicts name it.
    fn shown(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {:?}", self.subresource);
        }
        if !self.applies {
            text += &format!(" using {}", self.api_version);
            if !self.time.is_empty() {
                text += &format!(" at {}", self.time);
            }
        }
        text
    }
}

/// All managers of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Managers(Vec<(Manager, Set)>);

impl Managers {
    /// Those of an object.
    pub(crate) fn of(object: &Value) -> Self {
        Self::sent(object).unwrap_or_default()
    }

    /// Those that an object names; `None` if it says nothing of them.
    pub(crate) fn sent(object: &Value) -> Option<Self> {
        let entries = object.get("metadata")?.get("managedFields")?.as_array()?;
        if entries.is_empty() {
            return None;
        }
        let read = |entry: &Value| Some((Manager::read(entry)?, Set::read(entry.get("fieldsV1")?)));
        Some(Self(entries.iter().filter_map(read).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.0.iter().map(|(_, set)| set)
    }

    pub(crate) fn get(&self, manager: &Manager) -> Option<&Set> {
        self.0.iter().find(|(other, _)| other.is(manager)).map(|(_, set)| set)
    }

    /// Gives `set` to `manager`, and nothing else.
    pub(crate) fn put(&mut self, manager: &Manager, set: Set) {
        match self.0.iter_mut().find(|(other, _)| other.is(manager)) {
            Some((known, owned)) if *owned != set || known.api_version != manager.api_version => {
                (*known, *owned) = (manager.clone(), set);
            }
            Some(_) => {}
            None => self.0.push((manager.clone(), set)),
        }
    }

    /// All others lose what `own` has changed.
    ///
    /// # Errors
    /// 409 that names what they own of it, unless by force.
    pub(crate) fn yield_to(&mut self, own: &Manager, difference: &Difference, force: bool) -> Result<(), Status> {
        let changed = difference.set();
        let others = || self.0.iter().filter(|(manager, _)| !manager.is(own));
        let conflicts: Vec<(&Manager, String)> = others()
            .flat_map(|(manager, set)| set.intersection(&changed).paths().into_iter().map(move |path| (manager, path)))
            .collect();
        if !force && !conflicts.is_empty() {
            return Err(conflict(&conflicts));
        }
        let gone = changed.union(&difference.removed);
        self.lose(own, &gone);
        Ok(())
    }

    /// An update: who did it owns what it changed, and nobody else does.
    pub(crate) fn update(&mut self, own: &Manager, difference: &Difference) {
        let changed = difference.set();
        let before = self.get(own).cloned().unwrap_or_default();
        self.lose(own, &changed.union(&difference.removed));
        let owned = before.union(&changed).difference(&difference.removed);
        if owned.is_empty() {
            self.0.retain(|(manager, _)| !manager.is(own));
        } else {
            self.put(own, owned);
        }
        self.forget_ancient();
    }

    fn lose(&mut self, own: &Manager, gone: &Set) {
        for (manager, set) in &mut self.0 {
            if !manager.is(own) {
                *set = set.difference(gone);
            }
        }
        self.0.retain(|(manager, set)| manager.is(own) || !set.is_empty());
    }

    /// The oldest updaters become one.
    fn forget_ancient(&mut self) {
        let mut updaters: Vec<usize> = (0..self.0.len()).filter(|at| !self.0[*at].0.applies).collect();
        if updaters.len() <= UPDATERS_MAX {
            return;
        }
        updaters.sort_by(|left, right| self.0[*left].0.time.cmp(&self.0[*right].0.time));
        let mut old: Vec<usize> = updaters[..=updaters.len() - UPDATERS_MAX].to_vec();
        old.sort_unstable_by(|left, right| right.cmp(left));
        let mut all = Set::default();
        let mut kept: Option<Manager> = None;
        for at in old {
            let (manager, set) = self.0.remove(at);
            all = all.union(&set);
            kept = Some(kept.map_or(manager.clone(), |kept| if kept.time < manager.time { manager } else { kept }));
        }
        if let Some(newest) = kept {
            self.0.push((Manager { name: ANCIENT.into(), subresource: String::new(), ..newest }, all));
        }
    }

    /// Writes them into `new`; those that own what they owned in `old` keep their time.
    pub(crate) fn write(mut self, old: &Value, new: &mut Value) {
        let before = Self::of(old);
        for (manager, set) in &mut self.0 {
            let same = before.0.iter().find(|(other, owned)| other.is(manager) && owned == set);
            if let Some((known, _)) = same
                && known.api_version == manager.api_version
            {
                manager.time.clone_from(&known.time);
            }
        }
        self.0.retain(|(_, set)| !set.is_empty());
        self.0.sort_by(|(left, _), (right, _)| {
            let key = |manager: &Manager| (manager.operation(), manager.time.clone(), manager.name.clone());
            key(left).cmp(&key(right)).then_with(|| left.subresource.cmp(&right.subresource))
        });
        let entries: Vec<Value> = self.0.iter().map(|(manager, set)| entry(manager, set)).collect();
        let Some(meta) = new.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if entries.is_empty() {
            meta.remove("managedFields");
        } else {
            meta.insert("managedFields".into(), entries.into());
        }
    }
}

fn entry(manager: &Manager, set: &Set) -> Value {
    let mut entry = Map::new();
    let mut put = |member: &str, text: &str| {
        if !text.is_empty() {
            entry.insert(member.into(), text.into());
        }
    };
    put("manager", &manager.name);
    put("operation", manager.operation());
    put("apiVersion", &manager.api_version);
    put("subresource", &manager.subresource);
    put("time", &manager.time);
    put("fieldsType", "FieldsV1");
    entry.insert("fieldsV1".into(), if set.is_empty() { json!({}) } else { set.to_value() });
    Value::Object(entry)
}

fn conflict(conflicts: &[(&Manager, String)]) -> Status {
    let message = match conflicts {
        [(manager, path)] => format!("Apply failed with 1 conflict: conflict with {}: {path}", manager.shown()),
        many => {
            let mut names: Vec<String> = many.iter().map(|(manager, _)| manager.shown()).collect();
            names.sort();
            names.dedup();
            let of = |name: &String| {
                let paths = many.iter().filter(|(manager, _)| manager.shown() == *name);
                let paths: Vec<String> = paths.map(|(_, path)| format!("- {path}")).collect();
                format!("conflicts with {name}:\n{}", paths.join("\n"))
            };
            let parts: Vec<String> = names.iter().map(of).collect();
            format!("Apply failed with {} conflicts: {}", many.len(), parts.join("\n"))
        }
    };
    let mut status = Status::new(409, "Conflict", message);
    status.causes = conflicts
        .iter()
        .map(|(manager, path)| Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {}", manager.shown()),
            field: path.clone(),
        })
        .collect();
    status
}
