//! The evidence of a run of real processes: what clients wrote down, what the stopped members' directories hold, and how the members said
//! that they were when all was at rest. It reads, and changes nothing.
use super::client::Record;
use super::processes::{MEMBERS, Processes};
use serde_json::Value;
use simulation::evidence::{Afterwards, Calm, Evidence, MemberLog};
use simulation::trace::Node;
use simulation::whole::evidence::Whole;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::disk::real::RealDisk;
use store::view::StateHash;

pub(crate) fn evidence(processes: &Processes<'_>, record: &Record, status: &Value) -> Whole {
    let log = |(number, name): (u16, &str)| {
        let disk = RealDisk::look(&processes.home(name).join("log")).expect("the member's disk");
        let log = store::replay::open(Arc::new(disk)).expect("the member's log");
        MemberLog { member: Node(number), records: simulation::logs::kept(&log).expect("the whole log") }
    };
    let logs = (1..).zip(MEMBERS).map(log).collect();
    let calm = Calm { leader: status["leader"].is_string(), wrote: true, members: afterwards(status) };
    Whole {
        members: Evidence { logs, calm, ..Evidence::default() },
        watches: record.watches.with(std::mem::take),
        spoken: record.speech.take(),
        answered: record.acknowledged().iter().sum(),
        unanswered: record.unknown.load(Ordering::SeqCst),
        ..Whole::default()
    }
}

/// How each member was, as `rutter status` told of it.
fn afterwards(status: &Value) -> Vec<Afterwards> {
    let one = |(number, member): (u16, &Value)| {
        let hash = u128::from_str_radix(member["hash"].as_str().expect("a hash"), 16).expect("a hash");
        let number_of = |name: &str| member[name].as_u64().expect("a number");
        let health = member["health"].as_str().expect("its health");
        Afterwards {
            member: Node(number),
            index: number_of("hashIndex"),
            revision: number_of("hashRevision"),
            hash: StateHash(hash),
            illness: (health != "well").then(|| health.to_owned()),
        }
    };
    (1..).zip(status["members"].as_array().expect("members")).map(one).collect()
}
