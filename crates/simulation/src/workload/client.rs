//! A client: creates, updates, deletes, compares and swaps, reads; tries again under the same command id on any member, and
//! keeps honest books of what it was told. What it does not know, it says it does not know.
use crate::history::{Asked, Call, Recorder, Told};
use crate::stream::Stream;
use crate::trace::Node;
use crate::workload::Workload;
use crate::workload::door::{Answer, Ask, Doors};
use crate::world::World;
use api::command::{Change, Command, CommandId, Condition, Outcome, Write};
use api::facet::Facet;
use api::key::Key;
use api::object::Body;
use api::revision::Revision;
use consensus::{SubmitError, TransportError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The resource that clients write.
pub const RESOURCE: &str = "configmaps";
/// How often a call is tried before the client gives up and does not know.
const ATTEMPTS_MAX: u32 = 12;

/// One client and what it remembers.
pub struct Client {
    pub node: Node,
    world: World,
    doors: Doors,
    recorder: Recorder,
    random: Stream,
    /// The revision it saw last of each key, if it was there.
    known: BTreeMap<Key, Option<Revision>>,
}

enum Attempt {
    Told(Told),
    /// Surely nothing happened.
    NotDone,
    Doubt,
}

/// The object that a command writes: its token names the command, so that each write can be found again.
#[must_use]
pub fn body(key: &Key, id: CommandId) -> Body {
    let value = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": &*key.name, "namespace": &*key.namespace},
        "data": {"token": format!("{:032x}", id.0)},
    });
    Body::new(&value, Facet::default()).expect("it has all that an object needs")
}

impl Client {
    #[must_use]
    pub fn new(node: Node, world: &World, doors: &Doors, recorder: &Recorder) -> Self {
        let random = world.stream(&format!("client {}", node.0));
        let (world, doors, recorder) = (world.clone(), doors.clone(), recorder.clone());
        Self { node, world, doors, recorder, random, known: BTreeMap::new() }
    }

    /// Does its share of the workload.
    pub async fn work(mut self, load: Workload) {
        for _ in 0..load.calls_each {
            let asked = self.choose(load.keys);
            self.call(asked).await;
            let pause = self.random.around(load.pause_micros);
            rt::sleep(Duration::from_micros(pause)).await;
        }
    }

    fn choose(&mut self, keys: u32) -> Asked {
        let key = self.key(keys);
        let seen = self.known.get(&key).copied();
        let id = CommandId(u128::from(self.random.bits()) << 64 | u128::from(self.random.bits()));
        let put = Change::Put(body(&key, id));
        let blind = self.random.chance(300);
        let (condition, change) = match (self.random.below(10), seen.flatten()) {
            (0..=2, _) => return Asked::Read(key),
            (3, Some(revision)) if !blind => (Condition::Revision(revision), Change::Delete),
            (3, _) => (Condition::Exists, Change::Delete),
            (4..=6, _) if seen != Some(None) && blind => (Condition::Exists, put),
            (_, Some(revision)) => (Condition::Revision(revision), put),
            (_, None) => (Condition::Absent, put),
        };
        let mut writes = vec![Write { key: key.clone(), condition, change }];
        let other = self.key(keys);
        if self.random.chance(150) && other != key {
            // Two objects, all or nothing.
            let condition = match self.known.get(&other).copied().flatten() {
                Some(revision) => Condition::Revision(revision),
                None => Condition::Absent,
            };
            writes.push(Write { change: Change::Put(body(&other, id)), key: other, condition });
        }
        Asked::Write(command(self.node, id, writes))
    }

    fn key(&mut self, keys: u32) -> Key {
        let number = self.random.below(u64::from(keys));
        Key::new(RESOURCE, if number % 3 == 0 { "a" } else { "b" }, &format!("k{number}"))
    }

    /// Makes one call, with retries, and records it. What it was told.
    pub async fn call(&mut self, asked: Asked) -> Told {
        let begin = self.world.time();
        let number = self.recorder.with(|history| {
            let asked = asked.clone();
            history.calls.push(Call { client: self.node, begin, end: None, asked, told: Told::Unknown });
            history.calls.len() - 1
        });
        let mut doubt = false;
        let mut told = Told::Unknown;
        for attempt in 0..ATTEMPTS_MAX {
            match self.attempt(&asked).await {
                Attempt::Told(answer) => {
                    told = answer;
                    break;
                }
                Attempt::NotDone => {}
                Attempt::Doubt => doubt = true,
            }
            let pause = self.random.around(20_000 << attempt.min(6));
            rt::sleep(Duration::from_micros(pause)).await;
        }
        if matches!(told, Told::Unknown) && !doubt && matches!(asked, Asked::Write(_)) {
            told = Told::NotDone;
        }
        self.remember(&asked, &told);
        let end = Some(self.world.time()).filter(|_| !matches!(told, Told::Unknown));
        self.world.note("told", number as u64, end.unwrap_or(0));
        self.recorder.with(|history| {
            let call = &mut history.calls[number];
            (call.end, call.told) = (end, told.clone());
        });
        told
    }

    async fn attempt(&mut self, asked: &Asked) -> Attempt {
        let members = self.doors.members().to_vec();
        let to = *self.random.pick(&members);
        let patience = Duration::from_millis(self.random.between(500, 12_000));
        let ask = match asked {
            Asked::Write(command) => Ask::Submit(command.clone()),
            Asked::Read(key) => Ask::Read(key.clone()),
        };
        match self.doors.ask(self.node, to, ask, patience).await {
            Some(Ok(Answer::Submitted(Ok(outcome)))) => Attempt::Told(Told::Outcome(outcome)),
            Some(Ok(Answer::Read(Ok(found)))) => Attempt::Told(Told::Read(found)),
            Some(Ok(Answer::Submitted(Err(SubmitError::Unavailable(_) | SubmitError::TooLarge(_))))) => {
                Attempt::NotDone
            }
            Some(Err(TransportError::Unreachable(_))) => Attempt::NotDone,
            _ => Attempt::Doubt,
        }
    }

    fn remember(&mut self, asked: &Asked, told: &Told) {
        match (asked, told) {
            (Asked::Read(key), Told::Read(found)) => {
                self.known.insert(key.clone(), found.object.as_ref().map(|object| object.revision));
            }
            (Asked::Write(command), Told::Outcome(Outcome::Done { first, .. })) => {
                for (write, revision) in command.writes.iter().zip(first.0..) {
                    let there = matches!(write.change, Change::Put(_));
                    self.known.insert(write.key.clone(), Some(Revision(revision)).filter(|_| there));
                }
            }
            // It was surprised, so it looks anew before it writes there again.
            (Asked::Write(command), _) => command.writes.iter().for_each(|write| {
                self.known.remove(&write.key);
            }),
            _ => {}
        }
    }
}

/// A command of a simulated client.
#[must_use]
pub fn command(client: Node, id: CommandId, writes: Vec<Write>) -> Command {
    Command {
        id,
        actor: format!("client-{}", client.0).into(),
        agent: "simulation".into(),
        cause: Revision(0),
        read: Revision(0),
        note: "".into(),
        writes,
    }
}
