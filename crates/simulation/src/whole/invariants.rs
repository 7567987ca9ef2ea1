//! What must hold of every run of a whole cluster, a property a file, each with its source and with a test that breaks it on purpose. An
//! invariant reads evidence and names what it found; it repairs nothing and excuses nothing.
mod allowed;
pub mod answered;
mod applied;
mod bound;
mod budget;
mod counted;
mod decided;
mod dry;
mod fits;
mod in_order;
mod once;
mod one_of_a_name;
mod owned;
mod quota;
mod rest;
mod surge;
mod unique;
mod watched;
mod worked;

#[cfg(test)]
mod example;

use super::evidence::Whole;
use crate::evidence::Violation;
use crate::invariants::members;

/// A property: what it found if it did not hold.
pub type Invariant = fn(&Whole) -> Result<(), String>;

/// All of them beside those of the members alone.
pub const ALL: [(&str, Invariant); 19] = [
    ("bound once", bound::check),
    ("fits", fits::check),
    ("surge", surge::check),
    ("unique", unique::check),
    ("owned", owned::check),
    ("watched", watched::check),
    ("runs once", once::check),
    ("counted", counted::check),
    ("answered", answered::check),
    ("decided", decided::check),
    ("rest", rest::check),
    ("worked", worked::check),
    ("one of a name", one_of_a_name::check),
    ("in order", in_order::check),
    ("quota", quota::check),
    ("budget", budget::check),
    ("applied", applied::check),
    ("allowed", allowed::check),
    ("dry", dry::check),
];

/// Every violation.
#[must_use]
pub fn check(evidence: &Whole) -> Vec<Violation> {
    let mut found = members(&evidence.members);
    found.extend(ALL.iter().filter_map(|(name, check)| Some(Violation::new(name, check(evidence).err()?))));
    found
}

/// What a property promises, in a line: for the story of a run that broke it.
#[must_use]
pub fn promised(invariant: &str) -> &'static str {
    match invariant {
        "bound once" => "a pod is bound to one node, once",
        "fits" => "what is bound to a node fits on it, and the node took pods when it was bound",
        "surge" => "a rollout never has more pods than its surge allows, nor fewer than it must keep",
        "unique" => "no uid, address, port or name is given twice",
        "owned" => "nothing is collected whose owner lives; at rest nothing is left whose owner or namespace is gone",
        "watched" => "a watch is given every matching change once, in order, from where it said",
        "runs once" => "a pod's container runs at most once at a time",
        "counted" => "no update is lost and none made twice: counts go up by one, leases change hands one at a time",
        "answered" => "every answer of the API fits one order of all that happened, which is the log's",
        "decided" => "every decision in the log is made again, write for write, from the view that it read",
        "rest" => {
            "after the last fault everything comes to rest as it is wanted, and then nothing is written but the end of Events that are an hour old"
        }
        "worked" => {
            "a Job counts each pod that succeeded once and forgets none, has never more at work than it may, and stays ended"
        }
        "one of a name" => {
            "of the pods that StatefulSets give one name, one after the other, containers of no two run at once, on whatever node"
        }
        "in order" => {
            "a StatefulSet that keeps an order makes a pod when all before it are ready, and takes one away when no other is going"
        }
        "quota" => "what a quota counts never exceeds it, unless it was lowered",
        "budget" => "an eviction that was granted leaves as many healthy pods as its budget wants, and ends its pod",
        "applied" => {
            "who owns a member of an object wrote it, what is applied is there, and what another owns is taken by force alone"
        }
        "allowed" => "nobody wrote or was answered where no rule allowed it",
        "dry" => "a dry run leaves nothing",
        "one log" => "no two members hold different entries at one index",
        "one state" => "members that show one index show one state, and it is the fold of the log",
        "durable" => "what was acknowledged is in the log for ever",
        "once" => "a command takes effect once, however often it is tried",
        "forward" => "a member's revision never goes back, not over a restart either",
        "linearizable" => "every read shows all that was acknowledged before it began",
        "calm" => "when the faults are over a leader is found, writes are taken, and all members are equal",
        "sound" => {
            "nothing panics, no task goes round in a circle, and each comes back from every poll within two minutes of real time"
        }
        "watch" => "a watch is given every matching change once, in order",
        "expected" => "what the scenario file expects of a run comes about",
        "deterministic" => "one seed gives one trace",
        _ => "it holds of every run",
    }
}
