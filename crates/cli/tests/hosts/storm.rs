//! What is done to real hosts, one thing after another, and that the majority goes on meanwhile. Each lasts until enough was
//! acknowledged, however slow the machine is.
use super::client::Record;
use super::processes::{MEMBERS, NODES, Processes};
use crate::cluster::eventually;
use nix::sys::signal::Signal;
use std::time::Duration;

/// Writes that must be acknowledged while a fault lasts, by members that it does not concern.
const ENOUGH: u64 = 20;

pub(crate) struct Storm<'a, 'b> {
    pub(crate) processes: &'a mut Processes<'b>,
    pub(crate) record: &'a Record,
    /// How many spans, with a fault and without, have passed.
    pub(crate) spans: u32,
}

impl Storm<'_, '_> {
    /// Waits so long at least, and until members other than `without` have acknowledged enough.
    fn lasts(&mut self, what: &str, seconds: u64, without: &[&str]) {
        let before = self.record.acknowledged();
        std::thread::sleep(Duration::from_secs(seconds));
        let gained = || {
            let now = self.record.acknowledged();
            [0, 1, 2].map(|member: usize| now[member] - before[member])
        };
        let others = |gained: &[u64; 3]| {
            let them = gained.iter().zip(MEMBERS).filter(|(_, name)| !without.contains(name));
            them.map(|(count, _)| count).sum::<u64>()
        };
        let gained = eventually(&format!("{what}: the others go on"), || {
            let gained = gained();
            (others(&gained) >= ENOUGH).then_some(gained)
        });
        println!("{what}: acknowledged by m1, m2, m3 meanwhile: {gained:?}");
        self.spans += 1;
    }

    fn heal(&mut self, what: &str) {
        let stopped = self.processes.ground.heal();
        assert!(stopped > 0, "{what}: the kernel stopped nothing");
        println!("{what}: the kernel stopped {stopped} packets");
        self.lasts(&format!("after {what}"), 1, &[]);
    }

    /// Everything, once.
    pub(crate) fn rage(&mut self) {
        let ground = self.processes.ground;
        self.lasts("before all faults", 2, &[]);

        let leader = self.processes.leader();
        ground.isolate(leader, &MEMBERS);
        self.lasts(&format!("{leader}, the leader, is cut off from the members"), 5, &[leader]);
        self.heal("that cut");

        self.kill("kill -9 of the leader", &[self.processes.leader()]);

        let leader = self.processes.leader();
        let follower = MEMBERS.into_iter().find(|name| *name != leader).expect("a follower");
        ground.cut(leader, follower);
        self.lasts(&format!("nothing passes from {leader}, the leader, to {follower}"), 4, &[follower]);
        self.heal("that one-way cut");

        ground.isolate("n1", &MEMBERS);
        self.processes.stop("n2", Signal::SIGKILL);
        self.lasts("n1 is cut off from the members, and the agent of n2 is killed", 3, &[]);
        self.processes.start("n2", &[]);
        self.heal("n1's cut");

        let leader = self.processes.leader();
        self.processes.signal(leader, Signal::SIGSTOP);
        self.lasts(&format!("{leader}, the leader, stands still"), 4, &[leader]);
        self.processes.signal(leader, Signal::SIGCONT);
        self.lasts("it goes on", 1, &[]);

        self.kill("kill -9 of a follower, and of the agent of n3", &[follower_of(self.processes.leader()), NODES[2]]);
        // A majority dies at once: nobody acknowledges until one of them is back.
        let two = MEMBERS[..2].to_vec();
        for name in &two {
            self.processes.stop(name, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_secs(1));
        for name in two {
            self.processes.start(name, &[]);
        }
        self.lasts("after kill -9 of two members at once", 2, &[]);
    }

    fn kill(&mut self, what: &str, names: &[&'static str]) {
        for name in names {
            self.processes.stop(name, Signal::SIGKILL);
        }
        self.lasts(&format!("{what} ({})", names.join(", ")), 2, names);
        for name in names {
            self.processes.start(name, &[]);
        }
        self.lasts("they are started again", 1, &[]);
    }
}

fn follower_of(leader: &str) -> &'static str {
    MEMBERS.into_iter().rev().find(|name| *name != leader).expect("a follower")
}
