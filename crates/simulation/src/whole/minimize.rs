//! The smallest scenario that still breaks the same promise: fewer faults, fewer clients, a shorter storm, fewer nodes, calmer machines,
//! in that order, each kept only if the promise still breaks. It says how far it got.
use super::expect::EXPECTED;
use super::faults::Who;
use super::scenario::{Carrier, Crew, Scenario};
use crate::shrink::{ROLLS, RUNS_MAX, fewest, rolled};

/// A storm is never made shorter than this: milliseconds.
const SPAN_MIN: u64 = 1_000;

/// What was found.
pub struct Minimal {
    pub scenario: Scenario,
    /// How far it got, in a line.
    pub says: String,
}

/// Looks for it. `breaks` runs a scenario and names the invariants that it broke.
pub fn minimize(
    scenario: &Scenario,
    invariant: &str,
    breaks: &dyn Fn(&Scenario) -> Vec<String>,
    progress: &dyn Fn(&str, &Scenario),
) -> Minimal {
    let mut search = Search { best: scenario.clone(), invariant, breaks, progress, runs: 0 };
    search.faults();
    // With fewer clients and less time less happens: what a file expects of a run would fail for that alone.
    if invariant != EXPECTED {
        search.clients();
        search.span();
        search.nodes();
    }
    search.calmer();
    let says = format!("{} after {} runs", told(scenario, &search.best), search.runs);
    Minimal { says, scenario: search.best }
}

fn clients(scenario: &Scenario) -> u16 {
    scenario.crews.iter().map(|crew| crew.count).sum()
}

fn told(from: &Scenario, to: &Scenario) -> String {
    let still = |what: &'static str, before: bool, after: bool| if before && !after { what } else { "" };
    let crashes = |scenario: &Scenario| scenario.temper != scenario.temper.calm();
    let wrong = |scenario: &Scenario| scenario.clocks.iter().any(|clock| *clock != (0, 0));
    let quic = |scenario: &Scenario| scenario.carrier == Carrier::Quic;
    let calmer = [
        still(", machines calm", crashes(from), crashes(to)),
        still(", clocks right", wrong(from), wrong(to)),
        still(", sessions by the twin", quic(from), quic(to)),
        still(", everything kept", from.keep_bytes.is_some(), to.keep_bytes.is_some()),
    ];
    let calmer = calmer.concat();
    format!(
        "faults {} -> {}, clients {} -> {}, storm {} -> {} ms, nodes {} -> {}{calmer}",
        from.plan.len(),
        to.plan.len(),
        clients(from),
        clients(to),
        from.size.span,
        to.size.span,
        from.size.nodes,
        to.size.nodes
    )
}

struct Search<'a> {
    best: Scenario,
    invariant: &'a str,
    breaks: &'a dyn Fn(&Scenario) -> Vec<String>,
    progress: &'a dyn Fn(&str, &Scenario),
    runs: u32,
}

impl Search<'_> {
    /// Whether it still breaks; then it is the best so far.
    fn attempt(&mut self, candidate: &Scenario) -> bool {
        for roll in 0..ROLLS {
            if self.runs >= RUNS_MAX {
                return false;
            }
            self.runs += 1;
            let candidate = Scenario { seed: rolled(self.best.seed, roll), ..candidate.clone() };
            if (self.breaks)(&candidate).iter().any(|broken| broken == self.invariant) {
                let says = format!("run {}: still broken: {}", self.runs, told(&self.best, &candidate));
                (self.progress)(&says, &candidate);
                self.best = candidate;
                return true;
            }
        }
        false
    }

    fn faults(&mut self) {
        fewest(self.best.plan.clone(), &mut |plan| {
            let candidate = Scenario { plan: plan.to_vec(), ..self.best.clone() };
            self.attempt(&candidate)
        });
    }

    fn clients(&mut self) {
        let one = |crew: &Crew| vec![Crew { count: 1, ..crew.clone() }; usize::from(crew.count)];
        let all: Vec<Crew> = self.best.crews.iter().flat_map(one).collect();
        fewest(all, &mut |crews| {
            let candidate = Scenario { crews: crews.to_vec(), ..self.best.clone() };
            self.attempt(&candidate)
        });
    }

    fn span(&mut self) {
        loop {
            let mut candidate = self.best.clone();
            candidate.size.span /= 2;
            let last = candidate.plan.iter().map(|step| step.at).max().unwrap_or(0);
            let short = candidate.size.span < SPAN_MIN.max(last);
            if short || !self.attempt(&candidate) {
                return;
            }
        }
    }

    fn nodes(&mut self) {
        // Those of a real cluster stand in its past.
        if self.best.from.is_some() {
            return;
        }
        for nodes in 1..self.best.size.nodes {
            let mut candidate = self.best.clone();
            let members = usize::from(candidate.size.members);
            candidate.size.nodes = nodes;
            candidate.clocks.truncate(members + usize::from(nodes));
            let within = |who: &Who| who.within(candidate.size);
            if candidate.plan.iter().all(|step| step.who.iter().all(within)) && self.attempt(&candidate) {
                return;
            }
        }
    }

    fn calmer(&mut self) {
        let mut calm = self.best.clone();
        calm.temper = calm.temper.calm();
        self.attempt(&calm);
        let mut right = self.best.clone();
        right.clocks.iter_mut().for_each(|clock| *clock = (0, 0));
        self.attempt(&right);
        let twin = Scenario { carrier: Carrier::Twin, ..self.best.clone() };
        self.attempt(&twin);
        let all = Scenario { keep_bytes: None, ..self.best.clone() };
        self.attempt(&all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::size::Size;

    #[test]
    fn one_fault_and_one_client_remain() {
        let mut scenario = Scenario::draw(7, Size { span: 60_000, ..Size::default() });
        scenario.crews = vec![Crew { work: "rollouts".into(), count: 3 }, Crew { work: "leases".into(), count: 2 }];
        let line = |at: u64, rest: &str| crate::whole::faults::Step::read(&format!("at {at}s for 1s {rest}"));
        let kinds = ["stop m1", "cut m1 m2", "power-loss", "lose 50", "pause n2", "crash m3"];
        scenario.plan = (0..6).filter_map(|at| line(at as u64, kinds[at]).ok()).collect();
        let breaks = |scenario: &Scenario| {
            let lossy = scenario.plan.iter().any(|step| step.fault.name == "power-loss");
            let led = scenario.crews.iter().any(|crew| crew.work == "leases");
            if lossy && led { vec!["counted".to_owned()] } else { Vec::new() }
        };
        let minimal = minimize(&scenario, "counted", &breaks, &|_, _| ());
        let Scenario { plan, crews, size, .. } = &minimal.scenario;
        assert_eq!((plan.len(), clients(&minimal.scenario), size.nodes), (1, 1, 1), "{}", minimal.says);
        assert_eq!(crews[0].work, "leases");
        assert!(size.span < 5_000, "{}", minimal.says);
    }
}
