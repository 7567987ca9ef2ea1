//! What a Job counts (Kubernetes' API of batch/v1: `status.succeeded`, `completions`, `parallelism`): each pod that succeeded once, none
//! forgotten that was let go of, never more pods at work than it may have, and nothing after it has ended.
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use api::event::{Act, Event};
use api::object::Object;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const JOBS: &str = "jobs.batch";
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What is known of a Job that was made before our eyes.
#[derive(Default)]
struct Known {
    job: Option<Arc<Object>>,
    /// Pods at work, by uid.
    active: BTreeSet<u128>,
    /// Successes that were seen while they were still to be counted, and those of them that no longer are: a pod each, or an index each.
    won: BTreeSet<u128>,
    released: BTreeSet<u128>,
    index: BTreeMap<u128, u128>,
}

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut all: BTreeMap<u128, Known> = BTreeMap::new();
    for deed in &evidence.deeds {
        let touched: BTreeSet<u128> = deed.changes.iter().filter_map(|event| fold(&mut all, event)).collect();
        // A command is atomic: only what it leaves counts.
        for event in &deed.changes {
            made(&all, deed, event)?;
            stays_ended(event)?;
        }
        for known in touched.iter().filter_map(|uid| all.get(uid)) {
            known.counts().map_err(|why| format!("{why} at revision {}", deed.changes[0].revision))?;
        }
    }
    let rests = evidence.unrest.is_none();
    all.values().filter(|_| rests).try_for_each(Known::forgets_none)
}

/// Takes in one change; the Job that it concerns.
fn fold(all: &mut BTreeMap<u128, Known>, event: &Event) -> Option<u128> {
    let (object, gone) = (&event.object, event.act == Act::Deleted);
    if &*object.key.resource == JOBS {
        let uid = object.uid.0;
        if event.act == Act::Added {
            all.insert(uid, Known::default());
        }
        if gone {
            all.remove(&uid);
        }
        all.get_mut(&uid)?.job = Some(object.clone());
        return Some(uid);
    }
    if &*object.key.resource != "pods" {
        return None;
    }
    let owner =
        |object: &Object| object.facet.controller().filter(|owner| &*owner.kind == "Job").map(|owner| owner.uid);
    let job = owner(object).or_else(|| owner(event.before.as_deref()?))?;
    all.get_mut(&job)?.pod(object, gone);
    Some(job)
}

impl Known {
    fn pod(&mut self, pod: &Object, gone: bool) {
        let uid = pod.uid.0;
        let phase = pod.facet.field("status.phase");
        let held =
            !gone && pod.value()["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&TRACKING.into()));
        self.active.remove(&uid);
        if !gone && pod.facet.deleting.is_none() && !matches!(phase, Some("Succeeded" | "Failed")) {
            self.active.insert(uid);
        }
        let index = pod.facet.label(INDEX).and_then(|index| index.parse().ok());
        let success = if self.indexed() { index } else { Some(uid) };
        if held && phase == Some("Succeeded") {
            if let Some(success) = success {
                self.won.insert(success);
                self.index.insert(uid, success);
            }
        } else if !held && let Some(success) = self.index.get(&uid) {
            self.released.insert(*success);
        }
    }

    fn value(&self) -> Value {
        self.job.as_ref().map(|job| job.value()).unwrap_or_default()
    }

    fn indexed(&self) -> bool {
        self.value()["spec"]["completionMode"] == "Indexed"
    }

    fn counts(&self) -> Result<(), String> {
        let Some(job) = &self.job else { return Ok(()) };
        let (key, value) = (&job.key, self.value());
        let (counted, won, released) = (succeeded(&value), self.won.len() as u64, self.released.len() as u64);
        if counted > won {
            return Err(format!("{key} counts {counted} successes, there were {won}"));
        }
        if counted < released {
            return Err(format!("{key} counts {counted} successes, {released} were let go of"));
        }
        match value["spec"]["completions"].as_u64().filter(|completions| counted > *completions) {
            Some(completions) => Err(format!("{key} counts {counted} successes of {completions}")),
            None => Ok(()),
        }
    }

    fn forgets_none(&self) -> Result<(), String> {
        let Some(job) = &self.job else { return Ok(()) };
        let (counted, won) = (succeeded(&self.value()), self.won.len() as u64);
        if counted == won { Ok(()) } else { Err(format!("{} counts {counted} successes of {won} in the end", job.key)) }
    }
}

fn succeeded(job: &Value) -> u64 {
    job["status"]["succeeded"].as_u64().unwrap_or(0)
}

fn ended(job: &Value, kinds: &[&str]) -> bool {
    let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["status"] == "True" && kinds.iter().any(|kind| one["type"] == **kind))
}

/// How many pods may be at work for it.
fn may_have(job: &Object) -> u64 {
    let value = job.value();
    let spec = &value["spec"];
    if spec["suspend"] == true || ended(&value, &["SuccessCriteriaMet", "FailureTarget", "Complete", "Failed"]) {
        return 0;
    }
    let parallelism = spec["parallelism"].as_u64().unwrap_or(1);
    spec["completions"].as_u64().map_or(parallelism, |all| all.saturating_sub(succeeded(&value)).min(parallelism))
}

/// A pod was made: its Job must have wanted it, on the view that was decided on or since.
fn made(all: &BTreeMap<u128, Known>, deed: &Deed, event: &Event) -> Result<(), String> {
    let (pod, key) = (&event.object, &event.object.key);
    let owner = pod.facet.controller().filter(|_| event.act == Act::Added && &*key.resource == "pods");
    let Some((owner, known)) = owner.and_then(|owner| Some((owner, all.get(&owner.uid)?))) else { return Ok(()) };
    let then = deed.read.get(JOBS, &key.namespace, &owner.name).filter(|job| job.uid.0 == owner.uid);
    let most = then.into_iter().chain(&known.job).map(|job| may_have(job)).max().unwrap_or(0);
    let have = known.active.len() as u64;
    if have <= most {
        return Ok(());
    }
    Err(format!("{key} at revision {} is one of {have} at work, {most} may be", event.revision))
}

/// What a Job has counted when it ended is so for ever.
fn stays_ended(event: &Event) -> Result<(), String> {
    let before = event.before.as_ref().filter(|_| &*event.object.key.resource == JOBS && event.act != Act::Deleted);
    let Some((was, is)) = before.map(|before| (before.value(), event.object.value())) else { return Ok(()) };
    let all = ["Complete", "Failed"];
    let same = all.iter().all(|kind| ended(&was, &[kind]) == ended(&is, &[kind])) && succeeded(&was) == succeeded(&is);
    if same || !ended(&was, &all) {
        return Ok(());
    }
    Err(format!("{} had ended and is {} at revision {}", event.object.key, is["status"], event.revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, owner, pod, uid};
    use serde_json::json;

    fn job(spec: Value, status: Value) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "d", "name": "w"}, "spec": spec, "status": status})
    }

    /// A Job of three completions, two at once, and a way to write its pods.
    fn story() -> (Story, impl Fn(&str, &str, bool) -> Value) {
        let story = Story::default().put("a", JOBS, job(json!({"completions": 3, "parallelism": 2}), json!({})));
        let uid = uid(&story.clone().whole(), JOBS, "d", "w");
        let own = move |name: &str, phase: &str, held: bool| {
            let mut pod = pod(name, "n1", 1);
            pod["metadata"]["ownerReferences"] = owner("Job", "w", &uid);
            pod["status"]["phase"] = phase.into();
            if held {
                pod["metadata"]["finalizers"] = json!([TRACKING]);
            }
            pod
        };
        (story, own)
    }

    fn counted(succeeded: u64) -> Value {
        job(json!({"completions": 3, "parallelism": 2}), json!({"succeeded": succeeded}))
    }

    #[test]
    fn breaks_of_the_count_are_found() {
        let (story, own) = story();
        let won = story.put("j", "pods", own("p", "Running", true)).put("n", "pods", own("p", "Succeeded", true));
        let once = won.clone().put("j", JOBS, counted(1)).put("j", "pods", own("p", "Succeeded", false));
        assert_eq!(check(&once.clone().whole()), Ok(()));
        assert_eq!(check(&once.clone().delete("a", "pods", "d", "p").whole()), Ok(()));
        let twice = once.put("j", JOBS, counted(2)).whole();
        assert!(check(&twice).is_err_and(|found| found.contains("counts 2 successes, there were 1")));
        let forgotten = won.clone().put("j", "pods", own("p", "Succeeded", false)).whole();
        assert!(check(&forgotten).is_err_and(|found| found.contains("counts 0 successes, 1 were let go of")));
        let lost = won.clone().delete("a", "pods", "d", "p").whole();
        assert!(check(&lost).is_err_and(|found| found.contains("1 were let go of")));
        assert!(check(&won.whole()).is_err_and(|found| found.contains("0 successes of 1 in the end")));
    }

    #[test]
    fn breaks_of_its_bounds_are_found() {
        let (story, own) = story();
        let two = story.put("j", "pods", own("p", "Running", true)).put("j", "pods", own("q", "Pending", true));
        assert_eq!(check(&two.clone().whole()), Ok(()));
        let three = two.put("j", "pods", own("r", "Pending", true)).whole();
        assert!(check(&three).is_err_and(|found| found.contains("one of 3 at work, 2 may be")));
        let (story, own) = self::story();
        let suspended = story.put("a", JOBS, job(json!({"parallelism": 2, "suspend": true}), json!({})));
        let suspended = suspended.put("a", JOBS, job(json!({"parallelism": 2, "suspend": true}), json!({"ready": 0})));
        let pods = suspended.put("j", "pods", own("p", "Pending", true)).whole();
        assert!(check(&pods).is_err_and(|found| found.contains("one of 1 at work, 0 may be")));
        let many = (0..4).fold(self::story().0, |story, number| {
            let name = format!("p{number}");
            let story = story.put("j", "pods", own(&name, "Succeeded", true)).put("j", JOBS, counted(number + 1));
            story.put("j", "pods", own(&name, "Succeeded", false))
        });
        assert!(check(&many.whole()).is_err_and(|found| found.contains("counts 4 successes of 3")));
    }

    #[test]
    fn an_index_is_counted_once_and_an_end_is_final() {
        let spec = || json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed"});
        let story = Story::default().put("a", JOBS, job(spec(), json!({})));
        let uid = uid(&story.clone().whole(), JOBS, "d", "w");
        let own = |name: &str, held: bool| {
            let mut pod = pod(name, "n1", 1);
            pod["metadata"]["labels"] = json!({INDEX: "0"});
            pod["metadata"]["ownerReferences"] = owner("Job", "w", &uid);
            pod["metadata"]["finalizers"] = if held { json!([TRACKING]) } else { json!([]) };
            pod["status"]["phase"] = "Succeeded".into();
            pod
        };
        let both = ["p", "q"].into_iter().fold(story, |story, name| story.put("j", "pods", own(name, true)));
        let one = both.put("j", JOBS, job(spec(), json!({"succeeded": 1}))).put("j", "pods", own("p", false));
        let one = one.put("j", "pods", own("q", false));
        assert_eq!(check(&one.clone().whole()), Ok(()));
        let two = one.clone().put("j", JOBS, job(spec(), json!({"succeeded": 2}))).whole();
        assert!(check(&two).is_err_and(|found| found.contains("counts 2 successes, there were 1")));
        let failed = json!({"succeeded": 1, "conditions": [{"type": "Failed", "status": "True"}]});
        let again = one.put("j", JOBS, job(spec(), failed)).put("j", JOBS, job(spec(), json!({"succeeded": 1})));
        assert!(check(&again.whole()).is_err_and(|found| found.contains("had ended")));
    }
}
