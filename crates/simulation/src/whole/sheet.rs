//! A scenario file: a line a thing that is fixed, `#` before a remark; what is not named is drawn by the seed. Bad lines are refused with
//! their number. It fixes; it draws nothing.
use super::backup::Backup;
use super::expect::Expectation;
use super::faults::{self, Fault, Plan, Step};
use super::scenario::{Carrier, Crew, Scenario};
use super::size::{MEMBERS_MAX, NODES_MAX, Size};
use super::words::millis;
use super::workload;
use crate::machine::Temper;
use crate::world::Order;

/// Beyond, a run would take hours.
const CLIENTS_MAX: u16 = 90;
const STEPS_MAX: usize = 10_000;
/// How long after the storm a fault may end, milliseconds: what is down for longer is not waited for.
const LATE_MAX: u64 = 600_000;
/// Microseconds. A network or a disk that is slower than this carries no cluster: elections are over before a vote has come.
const NETWORK_MICROS_MAX: u64 = 50_000;
const DISK_MICROS_MAX: u64 = 50_000;

/// What a scenario fixes.
#[derive(Clone)]
pub struct Sheet {
    pub size: Size,
    /// Kinds of fault from which a seed draws.
    pub faults: Vec<&'static Fault>,
    order: Option<Order>,
    carrier: Option<Carrier>,
    network_micros: Option<u64>,
    disk_micros: Option<u64>,
    temper: Option<Temper>,
    pause: Option<u64>,
    pod_millis: Option<u64>,
    segment_bytes: Option<u64>,
    keep_bytes: Option<Option<u64>>,
    ring_events: Option<usize>,
    checkpoint_entries: Option<u64>,
    /// All clocks are right but those that are named.
    clocks_right: bool,
    /// Which clock, its drift (millionths), how far it is off (ms).
    clocks: Vec<(usize, i32, i64)>,
    crews: Vec<Crew>,
    /// Instead of drawn ones.
    plan: Option<Plan>,
    /// Somebody has said from which kinds to draw.
    drawn_from: bool,
    expected: Vec<Expectation>,
    from: Option<Backup>,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            size: Size::default(),
            faults: faults::ALL.to_vec(),
            order: None,
            carrier: None,
            network_micros: None,
            disk_micros: None,
            temper: None,
            pause: None,
            pod_millis: None,
            segment_bytes: None,
            keep_bytes: None,
            ring_events: None,
            checkpoint_entries: None,
            clocks_right: false,
            clocks: Vec::new(),
            crews: Vec::new(),
            plan: None,
            drawn_from: false,
            expected: Vec::new(),
            from: None,
        }
    }
}

impl Sheet {
    /// Nothing but the size is fixed.
    #[must_use]
    pub fn of(size: Size) -> Self {
        Self { size, ..Self::default() }
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// The number of the first line that cannot be read, and what would be right.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut sheet = Self::default();
        let lines =
            text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default().trim()));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            sheet.line(line).map_err(|why| format!("line {number}: {why}"))?;
        }
        sheet.sound()
    }

    /// Begins with this past, and with its nodes.
    #[must_use]
    pub fn from(mut self, backup: Backup) -> Self {
        self.size.nodes = backup.count();
        self.from = Some(backup);
        self
    }

    /// It is changed: what the file expects of it, it may not do any more.
    pub fn expect_nothing(&mut self) {
        self.expected.clear();
    }

    /// Draws from these kinds of fault only: names with commas, `all` or `none`.
    ///
    /// # Errors
    /// A name that is no kind.
    pub fn draw_from(&mut self, names: &str) -> Result<(), String> {
        let one = |name: &str| {
            let all = || faults::ALL.map(|fault| fault.name).join(", ");
            faults::find(name)
                .ok_or_else(|| format!("there is no fault `{name}`: say one word, all or none, or some of {}", all()))
        };
        self.drawn_from = true;
        self.faults = match names {
            "all" => faults::ALL.to_vec(),
            "none" => Vec::new(),
            names => names.split([',', ' ']).filter(|name| !name.is_empty()).map(one).collect::<Result<_, _>>()?,
        };
        if self.faults.is_empty() && names != "none" {
            return Err("no fault is named: say all, none, or some by name".into());
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["members", count] => self.size.members = number(count, 1, MEMBERS_MAX)?,
            ["nodes", count] => self.size.nodes = number(count, 0, NODES_MAX)?,
            ["for", time] => self.size.span = millis(time)?,
            ["order", "fifo"] => self.order = Some(Order::Fifo),
            ["order", "random"] => self.order = Some(Order::Random),
            ["sessions", "twin"] => self.carrier = Some(Carrier::Twin),
            ["sessions", "quic"] => self.carrier = Some(Carrier::Quic),
            ["network", time] => self.network_micros = Some(micros(time, NETWORK_MICROS_MAX)?),
            ["disk", time] => self.disk_micros = Some(micros(time, DISK_MICROS_MAX)?),
            ["pause", time] => self.pause = Some(millis(time)?),
            ["pod", amount] => self.pod_millis = Some(number(amount.trim_end_matches('m'), 0, 4_000)?),
            ["segment", bytes] => self.segment_bytes = Some(number(bytes, 1 << 10, 1 << 30)?),
            ["keep", "all"] => self.keep_bytes = Some(None),
            ["keep", bytes] => self.keep_bytes = Some(Some(number(bytes, 1 << 10, 1 << 40)?)),
            ["ring", events] => self.ring_events = Some(number(events, 16, 1 << 20)?),
            ["checkpoint", entries] => self.checkpoint_entries = Some(number(entries, 10, 1 << 40)?),
            ["machine", "pull", pull, "work", work, "failing", failing, "crashing", crashing] => {
                let (pull_millis, work_millis) = (millis(pull)?, millis(work)?);
                let (failing, crashing) = (number(failing, 0, 900)?, number(crashing, 0, 900)?);
                self.temper = Some(Temper { pull_millis, work_millis, failing, crashing });
            }
            ["clocks", "right"] => self.clocks_right = true,
            ["clock", who, "drift", drift, "off", off] => {
                let at = self.clock(who)?;
                self.clocks.push((at, number(drift, -2_000, 2_000)?, number(off, -1_000_000_000, 1_000_000_000)?));
            }
            ["clients", count, work] => {
                workload::find(work)?;
                self.crews.push(Crew { work: (*work).to_owned(), count: number(count, 1, CLIENTS_MAX)? });
            }
            ["faults", "none"] => {
                self.plan = Some(Plan::new());
                self.faults = Vec::new();
            }
            ["faults", ..] => self.draw_from(line.trim_start_matches("faults").trim())?,
            ["expect", rest @ ..] => self.expected.push(Expectation::read(rest)?),
            ["at", ..] => self.plan.get_or_insert_default().push(Step::read(line)?),
            _ => return Err(format!("`{line}` is not understood: {FORM}")),
        }
        Ok(())
    }

    /// A clock by its process; the sizes must have been said before.
    fn clock(&self, who: &str) -> Result<usize, String> {
        let number = |rest: &str| rest.parse::<usize>().ok().filter(|number| *number > 0);
        let members = usize::from(self.size.members);
        let at = match who.split_at_checked(1) {
            Some(("m", rest)) => number(rest).filter(|number| *number <= members).map(|number| number - 1),
            Some(("n", rest)) => {
                let within = |number: &usize| *number <= usize::from(self.size.nodes);
                number(rest).filter(within).map(|number| members + number - 1)
            }
            _ => None,
        };
        at.ok_or_else(|| format!("there is no `{who}`: say m1 or n1, after the lines `members` and `nodes`"))
    }

    /// Whether it is one that can be run.
    ///
    /// # Errors
    /// What does not fit with what.
    pub fn sound(mut self) -> Result<Self, String> {
        if let Some(plan) = &mut self.plan {
            plan.sort_by_key(|step| step.at);
            if plan.len() > STEPS_MAX {
                return Err(format!("{} faults are planned, at most {STEPS_MAX} are", plan.len()));
            }
            if self.drawn_from {
                return Err("faults are planned (lines `at`, or `faults none`) and to be drawn as well: leave one of the two away".into());
            }
            if let Some(step) = plan.iter().find(|step| step.fault.meets(self.size).is_none()) {
                return Err(format!("`{step}` has nobody to meet in a cluster of this size"));
            }
            let end = self.size.span + LATE_MAX;
            if let Some(step) = plan.iter().find(|step| step.at + step.lasts > end) {
                return Err(format!("`{step}` ends more than {} s after the storm", LATE_MAX / 1_000));
            }
            let missing = |step: &&Step| step.who.iter().any(|who| !who.within(self.size));
            if let Some(step) = plan.iter().find(missing) {
                return Err(format!("`{step}` names a process that a cluster of this size does not have"));
            }
        }
        let clients: u16 = self.crews.iter().map(|crew| crew.count).sum();
        if clients > CLIENTS_MAX {
            return Err(format!("{clients} clients are asked for, at most {CLIENTS_MAX} are"));
        }
        Ok(self)
    }

    /// What this sheet fixes, over what was drawn.
    pub(super) fn over(&self, drawn: Scenario) -> Scenario {
        let mut clocks = if self.clocks_right { vec![(0, 0); drawn.clocks.len()] } else { drawn.clocks };
        for (at, drift, off) in &self.clocks {
            if let Some(clock) = clocks.get_mut(*at) {
                *clock = (*drift, *off);
            }
        }
        Scenario {
            order: self.order.unwrap_or(drawn.order),
            carrier: self.carrier.unwrap_or(drawn.carrier),
            clocks,
            network_micros: self.network_micros.unwrap_or(drawn.network_micros),
            disk_micros: self.disk_micros.unwrap_or(drawn.disk_micros),
            temper: self.temper.unwrap_or(drawn.temper),
            pause: self.pause.unwrap_or(drawn.pause),
            pod_millis: self.pod_millis.unwrap_or(drawn.pod_millis),
            segment_bytes: self.segment_bytes.unwrap_or(drawn.segment_bytes),
            keep_bytes: self.keep_bytes.unwrap_or(drawn.keep_bytes),
            ring_events: self.ring_events.unwrap_or(drawn.ring_events),
            checkpoint_entries: self.checkpoint_entries.unwrap_or(drawn.checkpoint_entries),
            crews: if self.crews.is_empty() { drawn.crews } else { self.crews.clone() },
            plan: self.plan.clone().unwrap_or(drawn.plan),
            from: self.from.clone(),
            expected: self.expected.clone(),
            ..drawn
        }
    }
}

const FORM: &str = "lines are members N, nodes N, for TIME, clients N WORK, faults NAME,…, at TIME for TIME FAULT …, expect at least|most NUMBER WHAT, order fifo|random, \
    sessions twin|quic, network TIME, disk TIME, pause TIME, pod Nm, segment BYTES, keep BYTES|all, ring EVENTS, checkpoint ENTRIES, machine …, clock …";

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(word: &str, least: T, most: T) -> Result<T, String> {
    let found = word.parse().ok().filter(|number| *number >= least && *number <= most);
    found.ok_or_else(|| format!("`{word}` is no number from {least} to {most}"))
}

fn micros(word: &str, most: u64) -> Result<u64, String> {
    let found = match word.strip_suffix("us") {
        Some(digits) => number(digits, 1, u64::MAX / 1_000)?,
        None => millis(word)? * 1_000,
    };
    if (1..=most).contains(&found) { Ok(found) } else { Err(format!("`{word}` is not from 1us to {most}us")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fixed_is_fixed_and_the_rest_is_drawn() {
        let sheet = Sheet::read("# a remark\nmembers 5\nnodes 2 # two\nfor 1m\nclients 2 rollouts\nfaults stop,cut\n");
        let sheet = sheet.expect("it can be read");
        let faults = |seed| Scenario::drawn(seed, &sheet).plan;
        assert!((0..40).flat_map(faults).all(|step| ["stop", "cut"].contains(&step.fault.name)));
        let (one, two) = (Scenario::drawn(1, &sheet), Scenario::drawn(2, &sheet));
        assert_eq!((one.size.members, one.size.nodes, one.size.span, one.crews.len()), (5, 2, 60_000, 1));
        assert_ne!(one.clocks, two.clocks);
    }

    #[test]
    fn bad_sheets_are_refused_with_their_line() {
        for (text, word) in [
            ("members 0", "line 1"),
            ("\n\nmembers many", "line 3"),
            ("nodes 50000", "3072"),
            ("for ever", "span of time"),
            ("clients 2 dancers", "no work"),
            ("clients 91 rollouts", "from 1 to 90"),
            ("faults fire", "no fault"),
            ("at 1s for 1s stop m9", "does not have"),
            ("clock m4 drift 1 off 0", "there is no `m4`"),
            ("at 1s for 1s lose 999", "at most 300"),
            ("at 1s for 1s jump m1 9223372036854775807", "at most"),
            ("at 1s for 1s cut m1 m1", "twice"),
            ("members 1\nat 1s for 1s replace m1", "nobody to meet"),
            ("at 1s for 100h stop m1", "after the storm"),
            ("faults none\nfaults stop", "leave one of the two away"),
            ("at 1s for 1s stop m1\nfaults stop", "leave one of the two away"),
            ("faults ,", "no fault is named"),
            ("network 100s", "to 50000us"),
            ("network 0s", "from 1us"),
            ("disk 99999999999us", "to 50000us"),
            ("hello", "not understood"),
            ("expect wonders", "say `expect at least"),
            ("expect at least 3 wonders", "not counted"),
        ] {
            let why = Sheet::read(text).err().unwrap_or_default();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
