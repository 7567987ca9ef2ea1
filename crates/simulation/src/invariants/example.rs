//! A small run in which everything holds: each invariant's tests break it in their own way.
use crate::evidence::{Afterwards, Calm, Evidence, MemberLog, Record};
use crate::history::{Asked, Call, Found, History, Sighting, Told, Watched};
use crate::trace::Node;
use crate::workload::client::{RESOURCE, body, command};
use api::command::{Change, CommandId, Condition, Entry, Write};
use api::key::Key;
use api::revision::{Millis, Revision};
use store::watch::{Batch, Interest};

pub(crate) fn evidence() -> Evidence {
    let key = Key::new(RESOURCE, "b", "k1");
    let mut records = vec![Record { index: 1, term: 1, entry: None }];
    let conditions = [Condition::Absent, Condition::Revision(Revision(1)), Condition::Exists];
    for (number, condition) in (2..).zip(conditions) {
        let id = CommandId(u128::from(number));
        let write = Write { key: key.clone(), condition, change: Change::Put(body(&key, id)) };
        let commands = vec![command(Node(101), id, vec![write])];
        let entry = Entry { time: Millis(1_000 + number), epoch: 1, commands };
        records.push(Record { index: number, term: 1, entry: Some(entry) });
    }
    let logs = (1..=3).map(|member| MemberLog { member: Node(member), records: records.clone() }).collect();
    let mut evidence = Evidence { logs, ..Evidence::default() };
    evidence.fold();
    evidence.history = history(&evidence, &records, &key);
    let last = evidence.reference.at(4);
    let members = (1..=3).map(|member| Afterwards {
        member: Node(member),
        index: 4,
        revision: last.revision().0,
        hash: last.hash(),
        illness: None,
    });
    evidence.calm = Calm { leader: true, wrote: true, members: members.collect() };
    evidence
}

fn history(evidence: &Evidence, records: &[Record], key: &Key) -> History {
    let mut history = History::default();
    let mut time = 0;
    for record in records {
        let Some(entry) = &record.entry else { continue };
        let command = entry.commands[0].clone();
        let told = Told::Outcome(evidence.reference.commands[&command.id][0].1.clone());
        time += 10;
        history.calls.push(Call {
            client: Node(101),
            begin: time,
            end: Some(time + 5),
            asked: Asked::Write(command),
            told,
        });
    }
    let view = evidence.reference.at(4);
    let object = view.get_key(key).cloned();
    let found = Found { index: 4, revision: view.revision(), hash: view.hash(), object };
    history.calls.push(Call {
        client: Node(102),
        begin: 100,
        end: Some(110),
        asked: Asked::Read(key.clone()),
        told: Told::Read(found),
    });
    for (member, index) in [(1, 3), (2, 3), (1, 4)] {
        let view = evidence.reference.at(index);
        let (revision, hash) = (view.revision(), view.hash());
        history.sight(Sighting { time: 1, member: Node(member), life: 0, index, revision, hash });
    }
    let batch = Batch { events: evidence.reference.events.clone(), through: Revision(3) };
    history.watches.push(Watched {
        client: Node(201),
        interest: Interest::default(),
        from: Revision(0),
        batches: vec![batch],
        connections: 1,
    });
    history
}
