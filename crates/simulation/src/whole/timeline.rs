//! A run as one page that works without a network: members, nodes, containers, faults and revisions along virtual time. It draws what was
//! recorded, and judges nothing.
use super::evidence::{Mark, Marked};
use super::place::name;
use super::run::Run;
use super::scenario::Scenario;
use crate::clock::Nanos;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("timeline.html");
/// Where the page takes what it draws from.
const HOLE: &str = "\"RUN\"";
/// Containers drawn at most; of a longer run the first.
const CONTAINERS_MAX: usize = 5_000;

/// The page.
#[must_use]
pub(super) fn page(scenario: &Scenario, run: &Run) -> String {
    // Text in a script element ends at the first end tag, quoted or not.
    PAGE.replacen(HOLE, &drawn(scenario, run).to_string().replace("</", "<\\/"), 1)
}

fn seconds(time: Nanos) -> f64 {
    // Milliseconds are exact as a double for longer than any run.
    (time / 1_000_000) as f64 / 1_000.0
}

fn drawn(scenario: &Scenario, run: &Run) -> Value {
    let marks = &run.evidence.marks;
    let storm = |what: Marked| marks.iter().find(|mark| mark.who == "storm" && mark.what == what).map(|mark| mark.time);
    let (begin, end) = (storm(Marked::Up).unwrap_or(0), storm(Marked::Down).unwrap_or(run.time));
    let faults: Vec<Value> = scenario
        .plan
        .iter()
        .map(|step| {
            let from = seconds(begin) + step.at as f64 / 1_000.0;
            let who: Vec<String> = step.who.iter().map(ToString::to_string).collect();
            json!({"what": step.to_string(), "who": who, "from": from, "to": from + step.lasts as f64 / 1_000.0})
        })
        .collect();
    let names = |letter: &str, count: u16| (1..=count).map(|number| format!("{letter}{number}")).collect::<Vec<_>>();
    let (members, nodes) = (names("m", scenario.size.members), names("n", scenario.size.nodes));
    let violations: Vec<Value> =
        run.violations.iter().map(|one| json!({"invariant": one.invariant, "found": one.found})).collect();
    json!({
        "seed": scenario.seed, "scenario": scenario.to_string(), "steps": run.steps, "time": seconds(run.time),
        "storm": [seconds(begin), seconds(end)], "violations": violations, "faults": faults,
        "members": members, "nodes": nodes, "spans": spans(marks, run.time), "containers": containers(run),
        "revisions": revisions(run),
    })
}

/// Bars as they are drawn, those that have no end yet by whose they are and whether they tell of leading.
#[derive(Default)]
struct Bars<'a> {
    open: BTreeMap<(&'a str, bool), (Nanos, String)>,
    done: Vec<Value>,
}

impl<'a> Bars<'a> {
    fn close(&mut self, who: &'a str, leads: bool, to: Nanos) {
        if let Some((from, what)) = self.open.remove(&(who, leads)) {
            let kind = if leads { "leads" } else { "up" };
            self.done.push(json!({"who": who, "kind": kind, "what": what, "from": seconds(from), "to": seconds(to)}));
        }
    }

    fn begin(&mut self, who: &'a str, leads: bool, from: Nanos, what: String) {
        self.close(who, leads, from);
        self.open.insert((who, leads), (from, what));
    }
}

/// Marks as bars: when each process was up, and when it led.
fn spans(marks: &[Mark], over: Nanos) -> Vec<Value> {
    let mut bars = Bars::default();
    for Mark { time, who, what } in marks.iter().filter(|mark| mark.who != "storm") {
        match what {
            Marked::Up => bars.begin(who, false, *time, "runs".into()),
            Marked::Leads(term) => bars.begin(who, true, *time, format!("leads in term {term}")),
            Marked::Follows => bars.close(who, true, *time),
            Marked::Down => {
                bars.close(who, true, *time);
                bars.close(who, false, *time);
            }
        }
    }
    let left: Vec<_> = bars.open.keys().copied().collect();
    left.into_iter().for_each(|(who, leads)| bars.close(who, leads, over));
    bars.done
}

/// Each container as it ran in fact, with the name of its pod.
fn containers(run: &Run) -> Vec<Value> {
    let events = &run.evidence.members.reference.events;
    let pods: BTreeMap<String, String> = events
        .iter()
        .filter(|event| &*event.object.key.resource == "pods")
        .map(|event| (event.object.uid.to_string(), event.object.key.to_string()))
        .collect();
    let bar = |life: &crate::machine::Life| {
        let pod = pods.get(&life.uid).map_or(life.uid.as_str(), String::as_str);
        let to = life.to.unwrap_or(run.time);
        json!({"who": name(life.machine), "what": format!("{pod} {}", life.container), "from": seconds(life.from), "to": seconds(to)})
    };
    run.evidence.lives.iter().take(CONTAINERS_MAX).map(bar).collect()
}

/// How far the newest revision had come, thinned to one point a step of the page.
fn revisions(run: &Run) -> Vec<Value> {
    let mut points: Vec<(u64, u64)> = Vec::new();
    for sighting in &run.evidence.members.history.sightings {
        let (step, revision) = (sighting.time / 100_000_000, sighting.revision.0);
        match points.last_mut() {
            Some((last, most)) if *last == step => *most = revision.max(*most),
            Some((_, most)) if *most >= revision => {}
            _ => points.push((step, revision)),
        }
    }
    points.into_iter().map(|(step, revision)| json!([step as f64 / 10.0, revision])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(time: u64, who: &str, what: Marked) -> Mark {
        Mark { time: time * 1_000_000_000, who: who.into(), what }
    }

    #[test]
    fn marks_become_bars() {
        let marks = [
            mark(1, "m1", Marked::Up),
            mark(2, "m1", Marked::Leads(3)),
            mark(4, "m1", Marked::Down),
            mark(5, "m1", Marked::Up),
        ];
        let bars = spans(&marks, 9_000_000_000);
        let told: Vec<String> =
            bars.iter().map(|bar| format!("{} {} {}-{}", bar["who"], bar["what"], bar["from"], bar["to"])).collect();
        let wanted = [r#""m1" "leads in term 3" 2.0-4.0"#, r#""m1" "runs" 1.0-4.0"#, r#""m1" "runs" 5.0-9.0"#];
        assert_eq!(told, wanted);
    }

    #[test]
    fn the_page_has_a_hole_and_ends_its_script_itself() {
        assert_eq!(PAGE.matches(HOLE).count(), 1);
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://"), "it works without a network");
    }
}
