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

    /// Whether an entry that a client wrote says all that it must, in steps that are ones.
    fn readable(entry: &Value) -> bool {
        let says = |member: &str| entry[member].as_str().is_some_and(|text| !text.is_empty());
        says("apiVersion") && entry["fieldsType"] == "FieldsV1" && Set::readable(&entry["fieldsV1"])
    }

    fn operation(&self) -> &'static str {
        if self.applies { "Apply" } else { "Update" }
    }

    /// How Kubernetes sorts them.
    fn order(&self) -> (&str, &str, &str, &str) {
        (self.operation(), &self.time, &self.name, &self.subresource)
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

/// One who owns something.
#[derive(Clone, Debug)]
struct Owner<'o> {
    manager: Manager,
    set: Set,
    /// The entry as it stands in the object, until something of it changes.
    entry: Option<&'o Value>,
}

/// All managers of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Managers<'o> {
    owners: Vec<Owner<'o>>,
    /// A client named them: their times are not to be believed.
    sent: bool,
}

/// The list of an object that says something of its managers.
fn entries(object: &Value) -> Option<&Vec<Value>> {
    object.get("metadata")?.get("managedFields")?.as_array().filter(|entries| !entries.is_empty())
}

fn read(entry: &Value) -> Option<(Manager, Set)> {
    Some((Manager::read(entry)?, Set::read(entry.get("fieldsV1")?)))
}

impl<'o> Managers<'o> {
    /// Those of an object as it is stored.
    pub(crate) fn of(object: &'o Value) -> Self {
        let owner = |entry| read(entry).map(|(manager, set)| Owner { manager, set, entry: Some(entry) });
        Self { owners: entries(object).into_iter().flatten().filter_map(owner).collect(), sent: false }
    }

    /// Those that a client names for an object; `None` if it says nothing of them, what is known, or something that cannot be read.
    /// One empty entry takes them all away.
    pub(crate) fn sent(new: &Value, old: &Value) -> Option<Self> {
        let told = entries(new).filter(|told| Some(*told) != entries(old))?;
        if let [Value::Object(entry)] = told.as_slice()
            && entry.is_empty()
        {
            return Some(Self { owners: Vec::new(), sent: true });
        }
        let owner = |entry: &Value| {
            let (manager, set) = read(entry).filter(|_| Manager::readable(entry))?;
            Some(Owner { manager, set, entry: None })
        };
        let owners: Option<Vec<Owner<'_>>> = told.iter().map(owner).collect();
        owners.map(|owners| Self { owners, sent: true })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub(crate) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.owners.iter().map(|owner| &owner.set)
    }

    pub(crate) fn get(&self, manager: &Manager) -> Option<&Set> {
        self.owners.iter().find(|owner| owner.manager.is(manager)).map(|owner| &owner.set)
    }

    /// Gives `set` to `manager`, and nothing else.
    pub(crate) fn put(&mut self, manager: &Manager, set: Set) {
        let known = self.owners.iter_mut().find(|owner| owner.manager.is(manager));
        if known.as_ref().is_some_and(|known| known.set == set && known.manager.api_version == manager.api_version) {
            return;
        }
        let owner = Owner { manager: manager.clone(), set, entry: None };
        match known {
            Some(known) => *known = owner,
            None => self.owners.push(owner),
        }
    }

    /// All others lose what `own` has changed.
    ///
    /// # Errors
    /// 409 that names what they own of it beside what is `allowed`, unless by force.
    pub(crate) fn yield_to(
        &mut self,
        own: &Manager,
        difference: &Difference,
        allowed: &Set,
        force: bool,
    ) -> Result<(), Status> {
        let changed = difference.set();
        let others = self.owners.iter().filter(|owner| !owner.manager.is(own) && owner.set.meets(&changed));
        let paths = |owner: &Owner<'_>| owner.set.intersection(&changed).difference(allowed).paths();
        let conflicts: Vec<(&Manager, String)> =
            others.flat_map(|owner| paths(owner).into_iter().map(|path| (&owner.manager, path))).collect();
        if !force && !conflicts.is_empty() {
            return Err(conflict(&conflicts));
        }
        self.lose(own, &changed);
        self.lose(own, &difference.removed);
        Ok(())
    }

    /// An update: who did it owns what it changed, and nobody else does.
    pub(crate) fn update(&mut self, own: &Manager, difference: &Difference) {
        let changed = difference.set();
        self.lose(own, &changed);
        self.lose(own, &difference.removed);
        let same = |set: &&Set| set.covers(&changed) && !set.meets(&difference.removed);
        if self.get(own).filter(same).is_none() {
            let before = self.get(own).cloned().unwrap_or_default();
            let owned = before.union(&changed).difference(&difference.removed);
            if owned.is_empty() {
                self.owners.retain(|owner| !owner.manager.is(own));
            } else {
                self.put(own, owned);
            }
        }
        self.forget_ancient();
    }

    fn lose(&mut self, own: &Manager, gone: &Set) {
        for owner in self.owners.iter_mut().filter(|owner| !owner.manager.is(own) && owner.set.meets(gone)) {
            owner.set = owner.set.difference(gone);
            owner.entry = None;
        }
        self.owners.retain(|owner| owner.manager.is(own) || !owner.set.is_empty());
    }

    /// The oldest updaters become one.
    fn forget_ancient(&mut self) {
        let mut updaters: Vec<usize> = (0..self.owners.len()).filter(|at| !self.owners[*at].manager.applies).collect();
        if updaters.len() <= UPDATERS_MAX {
            return;
        }
        updaters.sort_by(|left, right| self.owners[*left].manager.time.cmp(&self.owners[*right].manager.time));
        let mut old: Vec<usize> = updaters[..=updaters.len() - UPDATERS_MAX].to_vec();
        old.sort_unstable_by(|left, right| right.cmp(left));
        let mut all = Set::default();
        let mut kept: Option<Manager> = None;
        for at in old {
            let Owner { manager, set, .. } = self.owners.remove(at);
            all = all.union(&set);
            kept = Some(kept.map_or(manager.clone(), |kept| if kept.time < manager.time { manager } else { kept }));
        }
        if let Some(newest) = kept {
            let manager = Manager { name: ANCIENT.into(), subresource: String::new(), ..newest };
            self.owners.push(Owner { manager, set: all, entry: None });
        }
    }

    /// Writes them into `new`; those that own what they owned in `old` keep their time.
    pub(crate) fn write(mut self, old: &Value, new: &mut Value) {
        if self.sent {
            self.take_times(&Managers::of(old));
        }
        self.owners.retain(|owner| !owner.set.is_empty());
        self.owners.sort_by(|left, right| left.manager.order().cmp(&right.manager.order()));
        let whole = |owner: &Owner<'_>| owner.entry.cloned().unwrap_or_else(|| entry(&owner.manager, &owner.set));
        let entries: Vec<Value> = self.owners.iter().map(whole).collect();
        let Some(meta) = new.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if entries.is_empty() {
            meta.remove("managedFields");
        } else {
            meta.insert("managedFields".into(), entries.into());
        }
    }

    fn take_times(&mut self, before: &Managers<'_>) {
        for owner in &mut self.owners {
            let same = |other: &&Owner<'_>| other.manager.is(&owner.manager) && other.set == owner.set;
            if let Some(known) = before.owners.iter().find(same)
                && known.manager.api_version == owner.manager.api_version
            {
                owner.manager.time.clone_from(&known.manager.time);
            }
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
