//! PodDisruptionBudget: how many of its pods are healthy, how many it wants, and so how many may be evicted now. It only counts: the
//! eviction spends (apiserver), and nobody else takes pods away in its name.
mod scale;

use crate::conditions::{self, Wanted, put};
use crate::controller::Controller;
use crate::fields::{at, list, number, set, share, text, unset};
use crate::limits::DISRUPTED_MILLIS;
use crate::pods::Pod;
use crate::reports;
use crate::writes::replace;
use api::command::Write;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use serde_json::{Map, Value};
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "poddisruptionbudgets.policy";

pub(crate) const CONTROLLER: Controller = Controller { name: "disruption", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let budgets = || view.list(RESOURCE, Some(&object.key.namespace));
    match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        "pods" => {
            let speaks = |budget: &&Arc<Object>| {
                let selector = selector(&budget.value());
                [Some(object), event.before.as_ref()].into_iter().flatten().any(|pod| selector.matches(&pod.facet))
            };
            budgets().filter(speaks).map(|budget| budget.key.clone()).collect()
        }
        // How many pods are expected is theirs to say. Custom kinds are asked when their pods change.
        resource if scale::BUILT_IN.contains(&resource) && resized(event) => {
            budgets().map(|budget| budget.key.clone()).collect()
        }
        _ => Vec::new(),
    }
}

fn resized(event: &Event) -> bool {
    event.act == Act::Deleted
        || event.before.as_ref().is_none_or(|before| before.facet.generation != event.object.facet.generation)
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|budget| budget.key.clone()).collect()
}

/// No selector selects nothing, an empty one all pods of the namespace.
fn selector(budget: &Value) -> Labels {
    Labels::of(at(budget, "/spec/selector")).unwrap_or_else(|_| Labels::of_map(&Value::Null))
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_none()) else {
        return Decision::idle();
    };
    let value = object.value();
    let selector = selector(&value);
    let selected = view.list("pods", Some(&key.namespace)).filter(|pod| selector.matches(&pod.facet));
    let pods = selected.map(Pod::read).collect();
    Turn { view, object, value, pods, now, writes: Vec::new() }.decide()
}

/// One decision about one budget.
struct Turn<'a> {
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    /// All pods that it selects.
    pods: Vec<Pod>,
    now: Millis,
    writes: Vec<Write>,
}

/// Evictions that were granted and whose pods are still there, by pod; and when the first of them is no longer believed.
struct Disrupted {
    pods: Map<String, Value>,
    until: Option<Millis>,
}

impl Turn<'_> {
    fn decide(mut self) -> Decision {
        let mut value = self.value.clone();
        let (note, wake_at) = match self.expected() {
            Ok((expected, desired)) => {
                let disrupted = self.disrupted();
                let healthy = self.healthy(&disrupted.pods);
                let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
                self.count(&mut value, &disrupted, [healthy, desired, expected, allowed]);
                (format!("{healthy} of {expected} healthy, {desired} wanted"), disrupted.until)
            }
            Err(why) => {
                set(&mut value, &["status", "disruptionsAllowed"], 0);
                self.say(&mut value, "SyncFailed", &why);
                (why, None)
            }
        };
        if let Some(write) = replace(self.object, &value) {
            self.tell(&value);
            self.writes.push(write);
        }
        Decision { wake_at, ..Decision::one(self.writes, note) }
    }

    /// How many pods there should be, and how many of them healthy.
    fn expected(&self) -> Result<(i64, i64), String> {
        let (most, least) = (at(&self.value, "/spec/maxUnavailable"), at(&self.value, "/spec/minAvailable"));
        let wrong = |what: &Value| format!("invalid value for IntOrString: {what}");
        if !most.is_null() {
            let expected = scale::expected(self.view, &self.pods)?;
            let spared = share(most, expected, true).ok_or_else(|| wrong(most))?;
            return Ok((expected, (expected - spared).max(0)));
        }
        match least {
            Value::Null => Ok((0, 0)),
            Value::Number(_) => {
                Ok((i64::try_from(self.pods.len()).unwrap_or(i64::MAX), share(least, 0, true).unwrap_or(0)))
            }
            _ => {
                let expected = scale::expected(self.view, &self.pods)?;
                Ok((expected, share(least, expected, true).ok_or_else(|| wrong(least))?))
            }
        }
    }

    /// What is left of the evictions that were granted: a pod that is going or gone needs no note, and one that is still there after
    /// two minutes will not go.
    fn disrupted(&mut self) -> Disrupted {
        let mut left = Disrupted { pods: Map::new(), until: None };
        let noted = at(&self.value, "/status/disruptedPods").clone();
        for pod in self.pods.iter().filter(|pod| pod.object.facet.deleting.is_none()) {
            let name = &*pod.object.key.name;
            let Some(since) = noted.get(name).and_then(Value::as_str).and_then(Millis::parse) else { continue };
            let until = Millis(since.0.saturating_add(DISRUPTED_MILLIS));
            if until > self.now {
                left.pods.insert(name.to_owned(), noted[name].clone());
                left.until = Some(left.until.map_or(until, |first| first.min(until)));
                continue;
            }
            let (namespace, budget) = (&self.object.key.namespace, &self.object.key.name);
            let message = format!("Pod was expected by PDB {namespace}/{budget} to be deleted but it wasn't");
            let report =
                Report { component: "controllermanager", warning: true, reason: "NotDeleted", message: &message };
            self.writes.extend(reports::write(self.view, &pod.object.value(), report, self.now));
        }
        left
    }

    fn healthy(&self, disrupted: &Map<String, Value>) -> i64 {
        let counts = |pod: &&Pod| {
            pod.ready.is_some() && pod.object.facet.deleting.is_none() && !disrupted.contains_key(&*pod.object.key.name)
        };
        i64::try_from(self.pods.iter().filter(counts).count()).unwrap_or(i64::MAX)
    }

    fn count(&self, value: &mut Value, disrupted: &Disrupted, counts: [i64; 4]) {
        let members = ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"];
        for (member, count) in members.iter().zip(counts) {
            set(value, &["status", member], count);
        }
        if disrupted.pods.is_empty() {
            unset(value, &["status", "disruptedPods"]);
        } else {
            set(value, &["status", "disruptedPods"], disrupted.pods.clone());
        }
        set(value, &["status", "observedGeneration"], number(value, "/metadata/generation").unwrap_or(0));
        let [.., allowed] = counts;
        self.say(value, if allowed > 0 { "SufficientPods" } else { "InsufficientPods" }, "");
    }

    /// The condition, which says whether a pod may be evicted now.
    fn say(&self, value: &mut Value, reason: &str, message: &str) {
        let status = if reason == "SufficientPods" { "True" } else { "False" };
        put(value, Wanted { kind: "DisruptionAllowed", status, reason, message }, self.now, false);
        let observed = number(value, "/status/observedGeneration").unwrap_or(0);
        let mut conditions = list(value, "/status/conditions").to_vec();
        for condition in conditions.iter_mut().filter(|condition| text(condition, "/type") == "DisruptionAllowed") {
            condition["observedGeneration"] = observed.into();
        }
        set(value, &["status", "conditions"], conditions);
    }

    /// What an operator should know of, told when the status changes.
    fn tell(&mut self, value: &Value) {
        let failed =
            conditions::find(value, "DisruptionAllowed").filter(|found| text(found, "/reason") == "SyncFailed");
        let message;
        let (warning, reason, message) = match failed {
            Some(failed) => {
                message = format!("Failed to calculate the number of expected pods: {}", text(failed, "/message"));
                (true, "CalculateExpectedPodCountFailed", message.as_str())
            }
            None if self.pods.is_empty() => (false, "NoPods", "No matching pods found"),
            None => return,
        };
        let report = Report { component: "controllermanager", warning, reason, message };
        self.writes.extend(reports::write(self.view, &self.value, report, self.now));
    }
}
