//! Every answer of the API fits one order of all that happened, and that order is the log's (linearizability: Herlihy and Wing, 1990; the
//! revision says the order, so that a sort and a sweep check what is a search elsewhere). Whoever was told of a revision, nobody who asks
//! later is told of less; nobody is told of what was not; a list is the state of the one revision that it names, a page of the one that its
//! token was given with, and a read of the past of the one that was asked for, whenever it is asked.
use crate::clock::Nanos;
use crate::evidence::Reference;
use crate::whole::evidence::Whole;
use crate::whole::spoken::{Named, Spoken, named};
use api::event::{Act, Event};
use api::key::Key;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let (spoken, reference) = (&evidence.spoken, &evidence.members.reference);
    let sightings = &evidence.members.history.sightings;
    if sightings.is_empty() {
        return answers(spoken, reference, bounds(spoken, reference).into_iter());
    }
    answers(spoken, reference, sightings.iter().map(|sighting| (sighting.time, sighting.revision.0)))
}

/// When which revision was there at most, where nobody looked into the members: what was there at a time is in every list that was asked
/// for later, so until a list is begun there is nothing that it does not know of.
fn bounds(spoken: &[Spoken], reference: &Reference) -> Vec<(Nanos, u64)> {
    let lists = spoken.iter().filter(|one| {
        let whole = one.code == 200 && one.method == "GET" && !one.path.contains("continue=");
        whole && matches!(named(&one.path), Named::All { .. })
    });
    let mut lists: Vec<_> = lists.map(|one| (one.begin, revision(&one.answer))).collect();
    lists.sort_unstable();
    let mut least = reference.at(reference.last).revision().0;
    let mut bounds = Vec::new();
    for (begin, revision) in lists.into_iter().rev() {
        bounds.push((begin, least));
        least = least.min(revision);
    }
    bounds.push((0, least));
    bounds
}

/// Checks exchanges against the fold of the log. `shown`: when which revision was there to be seen; in any order.
///
/// # Errors
/// The first exchange that fits no order.
pub fn answers(
    spoken: &[Spoken],
    reference: &Reference,
    shown: impl Iterator<Item = (Nanos, u64)>,
) -> Result<(), String> {
    let told = Risen::new(spoken.iter().map(|one| (one.end, revision(&one.answer))));
    let there = Risen::new(shown);
    let past = Past::new(reference);
    let pages: BTreeMap<&str, u64> = spoken.iter().filter_map(offered).collect();
    let mut made = BTreeSet::new();
    for one in spoken {
        let within = (told.before(one.begin), there.before(one.end + 1));
        let wrong = |why: String| format!("{} {} was told {}: {why}", one.method, one.path, one.code);
        past.fits(one, within).map_err(wrong)?;
        if let Some(first) = continued(&one.path).and_then(|token| pages.get(token)).filter(|_| one.code == 200)
            && *first != revision(&one.answer)
        {
            return Err(wrong(format!("it is of revision {}, the page before it of {first}", revision(&one.answer))));
        }
        let uid = one.answer["metadata"]["uid"].as_str();
        if one.method == "POST" && one.code == 201 && !dry(&one.path) && uid.is_some_and(|uid| !made.insert(uid)) {
            return Err(wrong(format!("{uid:?} is said to have been made twice")));
        }
    }
    Ok(())
}

/// The token of the next page, and of which revision it was given.
fn offered(one: &Spoken) -> Option<(&str, u64)> {
    Some((one.answer["metadata"]["continue"].as_str()?, revision(&one.answer)))
}

fn continued(path: &str) -> Option<&str> {
    path.split(['?', '&']).find_map(|part| part.strip_prefix("continue="))
}

/// The revision that a path asks for, and the rest of it.
fn as_of(path: &str) -> Option<(u64, &str)> {
    let rest = path.strip_prefix("/asof/")?;
    let (moment, _) = rest.split_once('/')?;
    Some((moment.parse().ok()?, &rest[moment.len()..]))
}

fn dry(path: &str) -> bool {
    path.contains("dryRun=All")
}

/// The revision of which a list is asked for, and of no other.
fn exactly(path: &str) -> Option<u64> {
    let mut parts = path.split(['?', '&']);
    let then = parts.clone().find_map(|part| part.strip_prefix("resourceVersion="))?.parse().ok()?;
    parts.any(|part| part == "resourceVersionMatch=Exact").then_some(then)
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// A number that rises with time.
struct Risen(Vec<(Nanos, u64)>);

impl Risen {
    fn new(points: impl Iterator<Item = (Nanos, u64)>) -> Self {
        let mut points: Vec<_> = points.collect();
        points.sort_unstable();
        let mut most = 0;
        for (_, revision) in &mut points {
            most = most.max(*revision);
            *revision = most;
        }
        Self(points)
    }

    /// Where it stood just before `time`.
    fn before(&self, time: Nanos) -> u64 {
        let count = self.0.partition_point(|(at, _)| *at < time);
        count.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// Every version of every object: from which revision on, and which event brought it.
struct Past<'a> {
    all: BTreeMap<&'a Key, Vec<(u64, &'a Arc<Event>)>>,
    /// The last revision of each entry, in order.
    entries: Vec<u64>,
}

impl<'a> Past<'a> {
    fn new(reference: &'a Reference) -> Self {
        let mut all: BTreeMap<&Key, Vec<_>> = BTreeMap::new();
        for event in &reference.events {
            all.entry(&event.object.key).or_default().push((event.revision.0, event));
        }
        let entries = (0..=reference.last).map(|index| reference.at(index).revision().0).collect();
        Self { all, entries }
    }

    /// What is shown as of `then`: an entry is seen whole or not at all, so all of the one that brought that revision.
    fn whole(&self, then: u64) -> u64 {
        let at = self.entries.partition_point(|last| *last < then);
        self.entries.get(at).copied().unwrap_or(then)
    }

    fn fits(&self, one: &Spoken, within: (u64, u64)) -> Result<(), String> {
        if let Some((then, path)) = as_of(&one.path) {
            let Named::All { resource, namespace } = named(path) else { return Ok(()) };
            let then = self.whole(then);
            return if one.code == 200 {
                self.list(one, (&resource, namespace.as_deref()), (then, then))
            } else {
                Ok(())
            };
        }
        // What a dry run shows never was; what it is told is there, or is not, is true.
        if dry(&one.path) && one.code < 300 {
            return Ok(());
        }
        if let (Some(then), Named::All { resource, namespace }, 200) = (exactly(&one.path), named(&one.path), one.code)
        {
            let then = self.whole(then);
            return self.list(one, (&resource, namespace.as_deref()), (then, then));
        }
        match (named(&one.path), one.method.as_str(), one.code) {
            (Named::One(key), "PUT" | "PATCH", 200) if self.let_go(&key, &one.answer, within.1) => Ok(()),
            (Named::One(key), "GET", 200) | (Named::One(key), "PUT" | "PATCH", 200 | 201) => {
                self.version(&key, &one.answer, within)
            }
            (Named::One(key), "GET", 404) => self.held(&key, within, |event| event.is_none_or(gone), "absent"),
            (Named::All { resource, namespace }, "POST", code) => {
                let Some(name) = &one.name else { return Ok(()) };
                let key = Key::new(&resource, namespace.as_deref().unwrap_or_default(), name);
                match code {
                    201 => self.version(&key, &one.answer, within),
                    409 if one.answer["reason"] == "AlreadyExists" => {
                        self.held(&key, within, |event| !event.is_none_or(gone), "there")
                    }
                    _ => Ok(()),
                }
            }
            (Named::All { resource, namespace }, "GET", 200) => {
                self.list(one, (&resource, namespace.as_deref()), within)
            }
            _ => Ok(()),
        }
    }

    fn of(&self, key: &Key) -> &[(u64, &'a Arc<Event>)] {
        self.all.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// That an object's state was so at some revision in `floor ..= ceiling`.
    fn held(
        &self,
        key: &Key,
        (floor, ceiling): (u64, u64),
        so: impl Fn(Option<&Event>) -> bool,
        word: &str,
    ) -> Result<(), String> {
        let versions = self.of(key);
        let first = versions.partition_point(|(from, _)| *from <= floor);
        let before = first.checked_sub(1).map(|at| &**versions[at].1);
        let later = versions[first..].iter().take_while(|(from, _)| *from <= ceiling).map(|(_, event)| Some(&***event));
        if std::iter::once(before).chain(later).any(so) {
            return Ok(());
        }
        Err(format!("{key} was never {word} from revision {floor}, which somebody had been told of, to {ceiling}"))
    }

    /// Whether this was the write that let go of an object on its way out: it is shown as it would have become, under the last revision
    /// that it had, as Kubernetes does (`deleteWithoutFinalizers`).
    fn let_go(&self, key: &Key, answer: &Value, ceiling: u64) -> bool {
        let meta = &answer["metadata"];
        let last = meta["finalizers"].as_array().is_none_or(Vec::is_empty) && !meta["deletionTimestamp"].is_null();
        let next = self.of(key).iter().find(|(from, _)| *from > revision(answer));
        last && next.is_some_and(|(from, event)| gone(event) && *from <= ceiling)
    }

    /// That a version was, and was the newest at some revision of these.
    fn version(&self, key: &Key, answer: &Value, (floor, ceiling): (u64, u64)) -> Result<(), String> {
        let at = revision(answer);
        let versions = self.of(key);
        let Ok(found) = versions.binary_search_by_key(&at, |(from, _)| *from) else {
            return Err(format!("there never was a version {at} of {key}"));
        };
        same(answer, versions[found].1)?;
        if at > ceiling {
            return Err(format!("revision {at} of {key} was not there yet: {ceiling} was the newest"));
        }
        match versions.get(found + 1) {
            Some((next, _)) if *next <= floor => {
                Err(format!("revision {at} of {key} was replaced at {next}, and somebody had been told of {floor}"))
            }
            _ => Ok(()),
        }
    }

    /// That a list is the state of the revision that it names.
    fn list(
        &self,
        one: &Spoken,
        (resource, namespace): (&str, Option<&str>),
        (floor, ceiling): (u64, u64),
    ) -> Result<(), String> {
        let at = revision(&one.answer);
        let page = one.path.contains("continue=");
        if at > ceiling || (at < floor && !page) {
            return Err(format!("it is of revision {at}, not of {floor} to {ceiling}"));
        }
        let items: Vec<&Value> = one.answer["items"].as_array().into_iter().flatten().collect();
        for item in &items {
            let word = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
            let key = Key::new(resource, word("namespace"), word("name"));
            match self.at(&key, at) {
                Some(event) if revision(item) == event.revision.0 => same(item, event)?,
                found => {
                    return Err(format!(
                        "it holds {key} at {}, at {at} there is {:?}",
                        revision(item),
                        found.map(|event| event.revision)
                    ));
                }
            }
        }
        if page || ["limit=", "Selector="].iter().any(|part| one.path.contains(part)) {
            return Ok(());
        }
        let here =
            |key: &&&Key| &*key.resource == resource && namespace.is_none_or(|namespace| &*key.namespace == namespace);
        let wanted = self.all.keys().filter(here).filter(|key| self.at(key, at).is_some()).count();
        if wanted == items.len() {
            Ok(())
        } else {
            Err(format!("it holds {} of {wanted} objects of revision {at}", items.len()))
        }
    }

    /// The event that brought what was there at a revision.
    fn at(&self, key: &Key, revision: u64) -> Option<&Arc<Event>> {
        let versions = self.of(key);
        let count = versions.partition_point(|(from, _)| *from <= revision);
        versions.get(count.checked_sub(1)?).map(|(_, event)| *event).filter(|event| !gone(event))
    }
}

fn gone(event: &Event) -> bool {
    event.act == Act::Deleted
}

/// That an answered object is the one of that event.
fn same(answer: &Value, event: &Event) -> Result<(), String> {
    let truth = event.object.value();
    let differs = ["spec", "data", "status"].into_iter().find(|part| answer[part] != truth[part]);
    let uid = answer["metadata"]["uid"] == event.object.uid.to_string().as_str();
    match differs {
        None if uid => Ok(()),
        None => {
            Err(format!("{} has uid {}, the log {}", event.object.key, answer["metadata"]["uid"], event.object.uid))
        }
        Some(part) => Err(format!(
            "{} of {} at {} is {}, in the log {}",
            part, event.object.key, event.revision.0, answer[part], truth[part]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::Story;
    use serde_json::json;

    const ONE: &str = "/api/v1/namespaces/d/configmaps/m";
    const ALL: &str = "/api/v1/namespaces/d/configmaps";

    fn map(value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "d", "name": "m"}, "data": {"k": value}})
    }

    /// Made, changed at 2, deleted at 3.
    fn reference() -> Reference {
        let story = Story::default().put("a", "configmaps", map("1")).put("a", "configmaps", map("2"));
        story.delete("a", "configmaps", "d", "m").whole().members.reference
    }

    fn spoken(at: u64, method: &str, path: &str, code: u16, answer: Value) -> Spoken {
        let (method, path) = (method.to_owned(), path.to_owned());
        Spoken {
            begin: at * 10,
            end: at * 10 + 5,
            method,
            path,
            name: Some("m".into()),
            by: String::new(),
            code,
            answer,
        }
    }

    fn judged(spoken: &[Spoken]) -> Result<(), String> {
        answers(spoken, &reference(), [(0, 3)].into_iter())
    }

    fn version(at: usize) -> Value {
        reference().events[at - 1].object.value()
    }

    #[test]
    fn what_fits_is_let_pass() {
        let list = json!({"metadata": {"resourceVersion": "2"}, "items": [version(2)]});
        let all = [
            spoken(1, "POST", ALL, 201, version(1)),
            spoken(2, "GET", ONE, 200, version(1)),
            spoken(3, "PUT", ONE, 200, version(2)),
            spoken(4, "GET", ALL, 200, list),
            spoken(5, "GET", ONE, 404, json!({})),
        ];
        assert_eq!(judged(&all), Ok(()));
        let mut tried = version(1);
        tried["metadata"]["resourceVersion"] = "".into();
        let dry = format!("{ALL}?dryRun=All");
        assert_eq!(judged(&[spoken(1, "POST", &dry, 201, tried.clone()), spoken(2, "POST", &dry, 201, tried)]), Ok(()));
    }

    #[test]
    fn who_lets_go_of_what_is_on_its_way_out_is_shown_what_it_would_be() {
        let mut last = version(2);
        last["data"]["k"] = "3".into();
        assert!(judged(&[spoken(1, "PUT", ONE, 200, last.clone())]).is_err());
        last["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(judged(&[spoken(1, "PUT", ONE, 200, last.clone())]), Ok(()));
        last["metadata"]["resourceVersion"] = "1".into();
        assert!(judged(&[spoken(1, "PUT", ONE, 200, last)]).is_err(), "it was changed once more before it went");
    }

    #[test]
    fn without_a_look_into_the_members_a_later_list_bounds_what_was_there() {
        let list = |revision: &str, items: Value| json!({"metadata": {"resourceVersion": revision}, "items": items});
        let early = spoken(1, "GET", ALL, 200, list("1", json!([version(1)])));
        let mut whole = Whole { spoken: vec![early, spoken(2, "GET", ONE, 200, version(2))], ..Whole::default() };
        whole.members.reference = reference();
        assert_eq!(check(&whole), Ok(()));
        // The list came after it, and knows only of 1.
        whole.spoken[1].begin = 3;
        whole.spoken[1].end = 8;
        assert!(check(&whole).is_err_and(|found| found.contains("not of 2")), "told of 2, a list of 1 later");
        whole.spoken.truncate(1);
        whole.spoken.push(spoken(0, "GET", ONE, 404, json!({})));
        assert_eq!(check(&whole), Ok(()), "it was not made yet");
        whole.spoken.insert(0, spoken(0, "GET", ALL, 200, list("1", json!([version(1)]))));
        whole.spoken[2] = Spoken { begin: 6, end: 8, ..spoken(0, "GET", ONE, 404, json!({})) };
        assert!(
            check(&whole).is_err_and(|found| found.contains("never absent")),
            "made, and not deleted before the list"
        );
    }

    #[test]
    fn breaks_are_found() {
        let broken = |spoken: &[Spoken], word: &str| {
            let found = judged(spoken).err().unwrap_or_default();
            assert!(found.contains(word), "{word}: {found}");
        };
        // Somebody was told of 2, and then somebody is shown 1.
        broken(&[spoken(1, "PUT", ONE, 200, version(2)), spoken(2, "GET", ONE, 200, version(1))], "replaced at 2");
        let mut invented = version(2);
        invented["data"]["k"] = "3".into();
        broken(&[spoken(1, "GET", ONE, 200, invented)], "in the log");
        let mut unheard = version(2);
        unheard["metadata"]["resourceVersion"] = "9".into();
        broken(&[spoken(1, "GET", ONE, 200, unheard)], "never was a version 9");
        let list = |revision: &str, items: Value| json!({"metadata": {"resourceVersion": revision}, "items": items});
        broken(&[spoken(1, "GET", ALL, 200, list("2", json!([])))], "0 of 1");
        broken(&[spoken(1, "GET", ALL, 200, list("2", json!([version(1)])))], "at 2 there is");
        broken(
            &[spoken(1, "PUT", ONE, 200, version(2)), spoken(2, "GET", ALL, 200, list("1", json!([version(1)])))],
            "not of 2",
        );
        let exists = json!({"reason": "AlreadyExists"});
        let later = json!({"metadata": {"resourceVersion": "3"}, "items": []});
        broken(&[spoken(1, "GET", ALL, 200, later), spoken(2, "POST", ALL, 409, exists)], "never there");
        let first = json!({"metadata": {"resourceVersion": "1", "continue": "T"}, "items": [version(1)]});
        let limited = format!("{ALL}?limit=1");
        broken(
            &[
                spoken(1, "GET", &limited, 200, first),
                spoken(2, "GET", &format!("{limited}&continue=T"), 200, list("2", json!([]))),
            ],
            "the page before it of 1",
        );
        let then = format!("/asof/1{ALL}");
        broken(&[spoken(1, "GET", &then, 200, list("2", json!([version(2)])))], "not of 1 to 1");
        broken(&[spoken(1, "GET", &then, 200, list("1", json!([])))], "0 of 1");
        let exact = format!("{ALL}?resourceVersion=1&resourceVersionMatch=Exact");
        broken(&[spoken(1, "GET", &exact, 200, list("2", json!([version(2)])))], "not of 1 to 1");
        broken(&[spoken(1, "POST", ALL, 201, version(1)), spoken(1, "POST", ALL, 201, version(1))], "made twice");
    }
}
