//! Small stories for the tests of the invariants: writes into a log, folded as a member folds them.
use crate::evidence::{Evidence, MemberLog, Record};
use crate::trace::Node;
use crate::whole::deeds;
use crate::whole::evidence::Whole;
use api::command::{Change, Command, CommandId, Condition, Entry, Write};
use api::key::Key;
use api::revision::{Millis, Revision};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Clone, Default)]
pub(super) struct Story {
    records: Vec<Record>,
    there: BTreeSet<Key>,
    revision: u64,
}

impl Story {
    /// Somebody writes an object, having read everything.
    pub(super) fn put(self, actor: &str, resource: &str, value: Value) -> Self {
        self.together(actor, 0, vec![(resource, value)])
    }

    /// Somebody writes objects in one command, having read all but the last `behind` revisions.
    pub(super) fn together(mut self, actor: &str, behind: u64, objects: Vec<(&str, Value)>) -> Self {
        let mut writes = Vec::new();
        for (resource, value) in objects {
            let text = |member: &str| value["metadata"][member].as_str().unwrap_or_default();
            let key = Key::new(resource, text("namespace"), text("name"));
            let change = Change::Put(api::kinds::body(resource, &value).expect("a body"));
            let condition = if self.there.insert(key.clone()) { Condition::Absent } else { Condition::Exists };
            writes.push(Write { key, condition, change });
        }
        self.write(actor, behind, writes);
        self
    }

    pub(super) fn delete(mut self, actor: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let key = Key::new(resource, namespace, name);
        self.there.remove(&key);
        self.write(actor, 0, vec![Write { key, condition: Condition::Exists, change: Change::Delete }]);
        self
    }

    fn write(&mut self, actor: &str, behind: u64, writes: Vec<Write>) {
        let index = self.records.len() as u64 + 1;
        let command = Command {
            id: CommandId(u128::from(index)),
            actor: actor.into(),
            agent: actor.into(),
            cause: Revision(0),
            read: Revision(self.revision - behind),
            note: "".into(),
            writes,
        };
        self.revision += command.writes.len() as u64;
        let entry = Entry { time: Millis(index * 1_000), epoch: 1, commands: vec![command] };
        self.records.push(Record { index, term: 1, entry: Some(entry) });
    }

    pub(super) fn whole(self) -> Whole {
        let logs = vec![MemberLog { member: Node(1), records: self.records }];
        let mut members = Evidence { logs, ..Evidence::default() };
        members.fold();
        Whole { deeds: deeds::read(&members), members, ..Whole::default() }
    }
}

/// A pod that asks for so many thousandths of a core, bound to a node unless its name is empty.
pub(super) fn pod(name: &str, node: &str, millis: u64) -> Value {
    let requests = json!({"cpu": format!("{millis}m")});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "d", "name": name},
        "spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}, "status": {"phase": "Pending"}});
    if !node.is_empty() {
        pod["spec"]["nodeName"] = node.into();
    }
    pod
}

/// A node of one core and ten pods.
pub(super) fn node(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec,
        "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}})
}

/// The uid that the fold gave.
pub(super) fn uid(whole: &Whole, resource: &str, namespace: &str, name: &str) -> String {
    let view = whole.members.reference.at(u64::MAX);
    view.get(resource, namespace, name).map(|object| object.uid.to_string()).unwrap_or_default()
}

/// An owner reference to a controller.
pub(super) fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}])
}
