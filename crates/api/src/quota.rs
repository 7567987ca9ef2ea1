//! ResourceQuota: what it counts, what is taken of it, and the write that charges it. Whoever writes an object that is counted puts the
//! charge into the same command, under the condition that the quota is as it was read: so it cannot be overrun, however writers race.
//! It asks no view: what there is, is given to it.
mod scope;
#[cfg(test)]
mod tests;
mod usage;

use crate::command::{Change, Condition, Write};
use crate::object::Object;
use crate::quantity::Quantity;
use scope::Scope;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const RESOURCE: &str = "resourcequotas";

/// Amounts by the names under which a quota counts them: `pods`, `requests.cpu`, `count/jobs.batch`.
pub type Amounts = BTreeMap<String, Quantity>;

/// An object that comes, or changes, in the command that is to be charged.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The storage resource: `pods`, `deployments.apps`.
    pub resource: &'a str,
    /// As it was; `None` for a new one.
    pub old: Option<&'a Value>,
    pub new: &'a Value,
}

/// A quota as it is read.
#[derive(Clone, Debug)]
pub struct Quota {
    pub name: String,
    pub hard: Amounts,
    /// What its status says is used; it may not say it of all that is counted.
    said: Amounts,
    scopes: Vec<Scope>,
}

/// The objects of a resource that are in the quota's namespace.
pub type List<'a> = &'a dyn Fn(&str) -> Vec<Arc<Object>>;

impl Quota {
    #[must_use]
    pub fn read(quota: &Value) -> Self {
        Self {
            name: quota["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            hard: usage::amounts(&quota["spec"]["hard"]),
            said: usage::amounts(&quota["status"]["used"]),
            scopes: scope::read(&quota["spec"]),
        }
    }

    /// Whether it counts anything of objects of this resource.
    #[must_use]
    pub fn counts(&self, resource: &str) -> bool {
        (self.scopes.is_empty() || resource == "pods")
            && self.hard.keys().any(|name| usage::resource(name) == Some(resource))
    }

    /// What it counts of an object.
    #[must_use]
    pub fn takes(&self, resource: &str, value: &Value) -> Amounts {
        if !self.counts(resource) || !self.scopes.iter().all(|scope| scope.holds(value)) {
            return Amounts::new();
        }
        let mut taken = usage::usage(resource, value);
        taken.retain(|name, amount| self.hard.contains_key(name) && !amount.is_zero());
        taken
    }

    /// What is used, counted anew.
    #[must_use]
    pub fn counted(&self, list: List<'_>) -> Amounts {
        let mut used: Amounts = self.hard.keys().map(|name| (name.clone(), Quantity::ZERO)).collect();
        let resources: BTreeSet<&str> = self.hard.keys().filter_map(|name| usage::resource(name)).collect();
        for resource in resources.into_iter().filter(|resource| self.counts(resource)) {
            for object in list(resource) {
                add(&mut used, &self.takes(resource, &self.seen(&object)));
            }
        }
        used
    }

    /// As much of an object as is needed to count it. Where only the number counts, nothing is decoded.
    fn seen(&self, object: &Object) -> Value {
        let number =
            |name: &String| matches!(name.as_str(), "pods" | "count/pods") || usage::resource(name) != Some("pods");
        match &*object.key.resource {
            "pods" if self.scopes.is_empty() && self.hard.keys().all(number) => {
                json!({"status": {"phase": object.facet.field("status.phase")}})
            }
            resource if usage::looks_inside(resource) => object.value(),
            _ => Value::Null,
        }
    }

    /// What is used, as the status says, or counted where that does not say it all.
    fn used(&self, list: List<'_>) -> Amounts {
        if self.hard.keys().any(|name| !self.said.contains_key(name)) {
            return self.counted(list);
        }
        self.hard.keys().filter_map(|name| Some((name.clone(), *self.said.get(name)?))).collect()
    }

    /// What the changes take in addition.
    fn more(&self, taken: &[Taken<'_>]) -> Amounts {
        let mut more = Amounts::new();
        for change in taken.iter().filter(|change| self.counts(change.resource)) {
            let before = change.old.map(|old| self.takes(change.resource, old)).unwrap_or_default();
            for (name, amount) in self.takes(change.resource, change.new) {
                let grown = amount.minus(before.get(&name).copied().unwrap_or(Quantity::ZERO));
                if !grown.is_negative() && !grown.is_zero() {
                    add(&mut more, &Amounts::from([(name, grown)]));
                }
            }
        }
        more
    }

    fn exceeded(&self, used: &Amounts, more: &Amounts) -> Result<Amounts, String> {
        let mut sum = used.clone();
        add(&mut sum, more);
        let over =
            |name: &&String| sum.get(*name).zip(self.hard.get(*name)).is_some_and(|(sum, hard)| sum.exceeds(hard));
        let over: Vec<&String> = more.keys().filter(over).collect();
        if over.is_empty() {
            return Ok(sum);
        }
        let told = |amounts: &Amounts| {
            let one = |name: &&String| format!("{name}={}", amounts.get(*name).map_or("0".into(), Quantity::canonical));
            over.iter().map(one).collect::<Vec<_>>().join(",")
        };
        let (name, requested, used, limited) = (&self.name, told(more), told(used), told(&self.hard));
        Err(format!("exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}"))
    }
}

/// The writes that charge `taken` to the quotas of a namespace, one for each quota that counts any of it.
///
/// # Errors
/// Which quota has no room, in Kubernetes' words.
pub fn charge(quotas: &[Arc<Object>], taken: &[Taken<'_>], list: List<'_>) -> Result<Vec<Write>, String> {
    let mut writes = Vec::new();
    for object in quotas {
        let mut value = object.value();
        let quota = Quota::read(&value);
        for new in taken.iter().filter(|change| change.old.is_none() && change.resource == "pods") {
            complete(&quota, new.new)?;
        }
        let more = quota.more(taken);
        if more.is_empty() {
            continue;
        }
        // Counted from what was said before, so that every charge changes the quota: a put that changes nothing takes no revision, and
        // another's count under that revision would take the charge back.
        let used = quota.exceeded(&quota.used(list), &more)?;
        put(&mut value, &used);
        if let Ok(body) = crate::kinds::body(RESOURCE, &value) {
            let condition = Condition::Revision(object.revision);
            writes.push(Write { key: object.key.clone(), condition, change: Change::Put(body) });
        }
    }
    Ok(writes)
}

/// The writes that count anew what the quotas' statuses do not say as it is: what has gone since is given back.
#[must_use]
pub fn recount(quotas: &[Arc<Object>], list: List<'_>) -> Vec<Write> {
    let one = |object: &Arc<Object>| {
        let mut value = object.value();
        let counted = Quota::read(&value).counted(list);
        put(&mut value, &counted);
        let body = crate::kinds::body(RESOURCE, &value).ok()?;
        let condition = Condition::Revision(object.revision);
        let same = body.text == object.body().text;
        (!same).then(|| Write { key: object.key.clone(), condition, change: Change::Put(body) })
    };
    quotas.iter().filter_map(one).collect()
}

/// How many objects like `new` there is room for, up to `wanted`, and why not for more.
#[must_use]
pub fn room(quotas: &[Arc<Object>], new: Taken<'_>, wanted: usize, list: List<'_>) -> (usize, Option<String>) {
    let (mut room, mut why) = (wanted, None);
    for object in quotas {
        let quota = Quota::read(&object.value());
        if let (true, Err(missing)) = (new.resource == "pods", complete(&quota, new.new)) {
            return (0, Some(missing));
        }
        let more = quota.more(&[new]);
        if more.is_empty() {
            continue;
        }
        let used = quota.used(list);
        let left = |(name, each): (&String, &Quantity)| {
            let (hard, used) = (quota.hard.get(name), used.get(name));
            hard.zip(used).map_or(0, |(hard, used)| hard.minus(*used).times(each))
        };
        let left = more.iter().map(left).min().unwrap_or(room);
        if left < room {
            room = left;
            let mut then = used;
            add(&mut then, &many(&more, room));
            why = quota.exceeded(&then, &more).err();
        }
    }
    (room, why)
}

fn many(each: &Amounts, count: usize) -> Amounts {
    each.iter().map(|(name, amount)| (name.clone(), amount.by(count))).collect()
}

/// Whether a pod says what the quota counts of it.
fn complete(quota: &Quota, pod: &Value) -> Result<(), String> {
    if !quota.counts("pods") || !quota.scopes.iter().all(|scope| scope.holds(pod)) {
        return Ok(());
    }
    let missing = usage::missing(&quota.hard, pod);
    if missing.is_empty() { Ok(()) } else { Err(format!("failed quota: {}: must specify {missing}", quota.name)) }
}

/// Writes into the quota's status what is used, and the limits which that was held against.
pub fn put(quota: &mut Value, used: &Amounts) {
    let shown: Map<String, Value> =
        used.iter().map(|(name, amount)| (name.clone(), amount.canonical().into())).collect();
    let hard = match &quota["spec"]["hard"] {
        Value::Null => json!({}),
        hard => hard.clone(),
    };
    quota["status"] = json!({"hard": hard, "used": shown});
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let place = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *place = place.plus(*amount);
    }
}
