//! The bytes of a log entry. The only file whose change is a change of format: a recorded log must replay for ever.
//!
//! One version byte, then an rkyv archive (0.8, little endian, unaligned) of `EntryV1`. Reading checks every byte before use.
use crate::command::{Change, Command, CommandId, Condition, Entry, Write};
use crate::facet::{Facet, Owner};
use crate::key::Key;
use crate::object::Body;
use crate::revision::{Millis, Revision};
use bytes::Bytes;
use rkyv::rancor;
use rkyv::{Archive, Deserialize, Serialize};

/// The format's version, the first byte of every record.
pub const VERSION: u8 = 1;

#[derive(Archive, Serialize, Deserialize)]
struct EntryV1 {
    time: u64,
    epoch: u64,
    commands: Vec<CommandV1>,
}

#[derive(Archive, Serialize, Deserialize)]
struct CommandV1 {
    id: u128,
    actor: Box<str>,
    agent: Box<str>,
    cause: u64,
    read: u64,
    note: Box<str>,
    writes: Vec<WriteV1>,
}

#[derive(Archive, Serialize, Deserialize)]
struct WriteV1 {
    resource: Box<str>,
    namespace: Box<str>,
    name: Box<str>,
    condition: ConditionV1,
    change: ChangeV1,
}

#[derive(Archive, Serialize, Deserialize)]
enum ConditionV1 {
    Absent,
    Exists,
    Revision(u64),
}

#[derive(Archive, Serialize, Deserialize)]
enum ChangeV1 {
    Put { text: Vec<u8>, hole: u32, facet: FacetV1 },
    Delete,
}

/// As `Facet` was when version 1 was made: what it gains later is no part of this version.
#[derive(Archive, Serialize, Deserialize)]
struct FacetV1 {
    labels: Vec<(Box<str>, Box<str>)>,
    owners: Vec<OwnerV1>,
    fields: Vec<(Box<str>, Box<str>)>,
    amounts: Vec<(Box<str>, i64)>,
    deleting: Option<u64>,
    finalizers: bool,
    generation: u64,
}

#[derive(Archive, Serialize, Deserialize)]
struct OwnerV1 {
    uid: u128,
    controller: bool,
    block: bool,
    kind: Box<str>,
    name: Box<str>,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    Empty,
    /// Written by a later Rutter.
    Version(u8),
    Damaged(String),
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("the record is empty"),
            Self::Version(version) => write!(f, "the record has version {version}, this binary reads up to {VERSION}"),
            Self::Damaged(why) => write!(f, "the record is damaged: {why}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// The entry as bytes.
///
/// # Errors
/// Only if it is larger than rkyv's offsets allow (2 GiB); submit bounds entries far below.
pub fn encode(entry: &Entry) -> Result<Bytes, RecordError> {
    let v1 =
        EntryV1 { time: entry.time.0, epoch: entry.epoch, commands: entry.commands.iter().map(command_v1).collect() };
    let mut bytes = Vec::with_capacity(entry.commands.iter().map(size).sum());
    bytes.push(VERSION);
    let bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(&v1, bytes);
    bytes.map(Bytes::from).map_err(|why| RecordError::Damaged(why.to_string()))
}

/// The entry that `bytes` hold.
///
/// # Errors
/// If they are of a later version or fail rkyv's check.
pub fn decode(bytes: &[u8]) -> Result<Entry, RecordError> {
    let (version, archive) = bytes.split_first().ok_or(RecordError::Empty)?;
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    let damaged = |why: rancor::Error| RecordError::Damaged(why.to_string());
    let v1 = rkyv::from_bytes::<EntryV1, rancor::Error>(archive).map_err(damaged)?;
    let commands = v1.commands.into_iter().map(command).collect::<Result<_, _>>()?;
    Ok(Entry { time: Millis(v1.time), epoch: v1.epoch, commands })
}

/// About how many bytes a command takes in a record.
fn size(command: &Command) -> usize {
    const COMMAND: usize = 256;
    const WRITE: usize = 512;
    let texts = command.writes.iter().map(|write| match &write.change {
        Change::Put(body) => WRITE + body.text.len(),
        Change::Delete => WRITE,
    });
    COMMAND + texts.sum::<usize>()
}

/// A facet alone, as snapshots and checkpoints keep it.
///
/// # Errors
/// Only if it is larger than rkyv's offsets allow.
pub fn encode_facet(facet: &Facet) -> Result<Vec<u8>, RecordError> {
    let archive = rkyv::to_bytes::<rancor::Error>(&facet_v1(facet));
    archive.map(|bytes| bytes.to_vec()).map_err(|why| RecordError::Damaged(why.to_string()))
}

/// # Errors
/// If the bytes fail rkyv's check.
pub fn decode_facet(bytes: &[u8]) -> Result<Facet, RecordError> {
    let v1 = rkyv::from_bytes::<FacetV1, rancor::Error>(bytes);
    v1.map(facet).map_err(|why| RecordError::Damaged(why.to_string()))
}

fn command_v1(command: &Command) -> CommandV1 {
    CommandV1 {
        id: command.id.0,
        actor: command.actor.clone(),
        agent: command.agent.clone(),
        cause: command.cause.0,
        read: command.read.0,
        note: command.note.clone(),
        writes: command.writes.iter().map(write_v1).collect(),
    }
}

fn write_v1(write: &Write) -> WriteV1 {
    WriteV1 {
        resource: (&*write.key.resource).into(),
        namespace: (&*write.key.namespace).into(),
        name: (&*write.key.name).into(),
        condition: match write.condition {
            Condition::Absent => ConditionV1::Absent,
            Condition::Exists => ConditionV1::Exists,
            Condition::Revision(revision) => ConditionV1::Revision(revision.0),
        },
        change: match &write.change {
            Change::Put(body) => {
                ChangeV1::Put { text: body.text.to_vec(), hole: body.hole, facet: facet_v1(&body.facet) }
            }
            Change::Delete => ChangeV1::Delete,
        },
    }
}

fn facet_v1(facet: &Facet) -> FacetV1 {
    let owner = |owner: &Owner| OwnerV1 {
        uid: owner.uid,
        controller: owner.controller,
        block: owner.block,
        kind: owner.kind.clone(),
        name: owner.name.clone(),
    };
    FacetV1 {
        labels: facet.labels.clone(),
        owners: facet.owners.iter().map(owner).collect(),
        fields: facet.fields.clone(),
        amounts: facet.amounts.clone(),
        deleting: facet.deleting,
        finalizers: facet.finalizers,
        generation: facet.generation,
    }
}

fn facet(v1: FacetV1) -> Facet {
    let owner =
        |v1: OwnerV1| Owner { uid: v1.uid, controller: v1.controller, block: v1.block, kind: v1.kind, name: v1.name };
    Facet {
        labels: v1.labels,
        owners: v1.owners.into_iter().map(owner).collect(),
        fields: v1.fields,
        amounts: v1.amounts,
        deleting: v1.deleting,
        finalizers: v1.finalizers,
        generation: v1.generation,
    }
}

fn command(v1: CommandV1) -> Result<Command, RecordError> {
    Ok(Command {
        id: CommandId(v1.id),
        actor: v1.actor,
        agent: v1.agent,
        cause: Revision(v1.cause),
        read: Revision(v1.read),
        note: v1.note,
        writes: v1.writes.into_iter().map(write).collect::<Result<_, _>>()?,
    })
}

fn write(v1: WriteV1) -> Result<Write, RecordError> {
    let change = match v1.change {
        ChangeV1::Put { text, hole, .. } if hole as usize > text.len() => {
            return Err(RecordError::Damaged(format!("a hole at {hole} in {} bytes", text.len())));
        }
        ChangeV1::Put { text, hole, facet: facet_of } => {
            Change::Put(Body { text: text.into(), hole, facet: facet(facet_of) })
        }
        ChangeV1::Delete => Change::Delete,
    };
    Ok(Write {
        key: Key::new(&v1.resource, &v1.namespace, &v1.name),
        condition: match v1.condition {
            ConditionV1::Absent => Condition::Absent,
            ConditionV1::Exists => Condition::Exists,
            ConditionV1::Revision(revision) => Condition::Revision(Revision(revision)),
        },
        change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Entry {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
        let facet = Facet { labels: vec![("a".into(), "b".into())], ..Facet::default() };
        let put = Change::Put(Body::new(&value, facet).expect("a body"));
        let key = Key::new("configmaps", "default", "x");
        let writes = vec![
            Write { key: key.clone(), condition: Condition::Absent, change: put },
            Write { key, condition: Condition::Revision(Revision(3)), change: Change::Delete },
        ];
        let command = Command {
            id: CommandId(5),
            actor: "admin".into(),
            agent: "kubectl".into(),
            cause: Revision(1),
            read: Revision(2),
            note: "".into(),
            writes,
        };
        Entry { time: Millis(1), epoch: 2, commands: vec![command] }
    }

    #[test]
    fn a_record_reads_back() {
        let bytes = encode(&entry()).expect("encodes");
        assert_eq!(decode(&bytes), Ok(entry()));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = encode(&entry()).expect("encodes");
        assert_eq!(decode(&[]), Err(RecordError::Empty));
        assert_eq!(decode(&[9]), Err(RecordError::Version(9)));
        for at in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[at] ^= 0x81;
            let _ = decode(&bad);
            let _ = decode(&bytes[..at]);
        }
    }
}
