//! What members say to each other, as bytes. Version 1: a version byte, a kind byte, then numbers in little endian.
//! Records go as they are; only what is rare is JSON. Reading never trusts a length.
use crate::types::{Entry, LogId, MemberInfo, Membership, Payload, Record, Vote, log_id, term_of};
use api::revision::Millis;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// The codec's version, the first byte of every frame.
pub(crate) const VERSION: u8 = 1;

/// A request to append entries; with none it is a heartbeat.
#[derive(Debug, PartialEq)]
pub(crate) struct Append {
    /// The stream it belongs to; 0 if to none, as a heartbeat.
    pub(crate) lane: u64,
    /// Its place in the stream, from 0.
    pub(crate) turn: u64,
    pub(crate) vote: Vote,
    pub(crate) previous: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) entries: Vec<Entry>,
}

/// A request for a vote, or for a promise to give one.
#[derive(Debug, PartialEq)]
pub(crate) struct Ballot {
    pub(crate) vote: Vote,
    pub(crate) last: Option<LogId>,
    pub(crate) transfer: bool,
}

/// A change of membership, asked of the leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Add(MemberInfo),
    Remove(u64),
    /// Both at once, so that the quorum is never smaller in between.
    Replace {
        gone: u64,
        new: MemberInfo,
    },
    /// The leader hands over to another member.
    Yield(Option<u64>),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Append(Append),
    Vote(Ballot),
    PreVote(Ballot),
    Transfer {
        from: Vote,
        to: u64,
        last: Option<LogId>,
    },
    /// A part of a snapshot: the first comes with `offset` 0, the last ends at `total`.
    Snapshot {
        vote: Vote,
        offset: u64,
        total: u64,
        part: Bytes,
    },
    /// Commands for the leader, as one record (of no time and no epoch).
    Forward {
        epoch: Option<u64>,
        record: Bytes,
    },
    ReadIndex,
    Change(Change),
    /// What is your state hash at this index?
    Hash {
        index: u64,
    },
    /// A majority has this hash at this index.
    Verdict {
        index: u64,
        hash: u128,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Appended,
    AppendedPart(Option<LogId>),
    Conflict,
    HigherVote(Vote),
    Voted {
        vote: Vote,
        granted: bool,
        last: Option<LogId>,
    },
    Transferred {
        vote: Option<Vote>,
    },
    SnapshotTaken {
        vote: Vote,
    },
    /// The commands are applied here, in or before the entry at this index.
    Forwarded {
        index: u64,
    },
    /// Nothing was taken: try elsewhere, or again.
    NotTaken(String),
    /// It may yet happen.
    Doubt(String),
    ReadIndex {
        index: u64,
    },
    Changed {
        id: u64,
    },
    Hash {
        hash: Option<u128>,
    },
    Refused(String),
    Noted,
    /// Who asks was a member and is none any more.
    Removed,
}

/// The bytes are no frame that this binary knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a malformed frame: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

struct Out(BytesMut);

impl Out {
    fn new(kind: u8, room: usize) -> Self {
        let mut out = BytesMut::with_capacity(room + 2);
        out.put_u8(VERSION);
        out.put_u8(kind);
        Self(out)
    }

    fn vote(mut self, vote: &Vote) -> Self {
        self.0.put_u64_le(vote.leader_id.term);
        self.0.put_u64_le(vote.leader_id.voted_for);
        self.0.put_u8(u8::from(vote.committed));
        self
    }

    fn maybe_vote(mut self, vote: Option<&Vote>) -> Self {
        self.0.put_u8(u8::from(vote.is_some()));
        match vote {
            Some(vote) => self.vote(vote),
            None => self,
        }
    }

    fn log_id(mut self, id: Option<&LogId>) -> Self {
        self.0.put_u8(u8::from(id.is_some()));
        if let Some(id) = id {
            self.0.put_u64_le(term_of(id));
            self.0.put_u64_le(id.index);
        }
        self
    }

    fn number(mut self, number: u64) -> Self {
        self.0.put_u64_le(number);
        self
    }

    fn flag(mut self, flag: bool) -> Self {
        self.0.put_u8(u8::from(flag));
        self
    }

    fn hash(mut self, hash: u128) -> Self {
        self.0.put_u128_le(hash);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.put_u64_le(bytes.len() as u64);
        self.0.put_slice(bytes);
        self
    }

    fn entry(self, entry: &Entry) -> Self {
        let (kind, time, bytes) = payload_bytes(&entry.payload);
        let mut out = self.number(term_of(&entry.log_id)).number(entry.log_id.index).number(time.0);
        out.0.put_u8(kind);
        out.bytes(&bytes)
    }

    fn done(self) -> Bytes {
        self.0.freeze()
    }
}

/// A payload as kind, stamp and bytes: the same in a frame and in the log.
pub(crate) fn payload_bytes(payload: &Payload) -> (u8, Millis, Bytes) {
    match payload {
        Payload::Blank => (0, Millis(0), Bytes::new()),
        Payload::Normal(record) => (1, record.time, record.bytes.clone()),
        // Sets, maps and strings always have a JSON form.
        Payload::Membership(membership) => (2, Millis(0), serde_json::to_vec(membership).unwrap_or_default().into()),
    }
}

/// The payload that kind, stamp and bytes name.
pub(crate) fn payload_of(kind: u8, time: Millis, bytes: Bytes) -> Result<Payload, Malformed> {
    match kind {
        0 if bytes.is_empty() => Ok(Payload::Blank),
        1 => Ok(Payload::Normal(Record { time, bytes })),
        2 => {
            serde_json::from_slice::<Membership>(&bytes).map(Payload::Membership).map_err(|_| Malformed("a membership"))
        }
        _ => Err(Malformed("a payload of unknown kind")),
    }
}

struct In(Bytes);

impl In {
    fn take(&mut self, many: usize) -> Result<Bytes, Malformed> {
        if self.0.len() < many {
            return Err(Malformed("it ends too early"));
        }
        Ok(self.0.split_to(many))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag that is neither 0 nor 1")),
        }
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn hash(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Malformed("a length beyond this machine"))?)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("a text that is not UTF-8"))
    }

    fn vote(&mut self) -> Result<Vote, Malformed> {
        let (term, voted_for, committed) = (self.number()?, self.number()?, self.flag()?);
        Ok(if committed { Vote::new_committed(term, voted_for) } else { Vote::new(term, voted_for) })
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn log_id(&mut self) -> Result<Option<LogId>, Malformed> {
        self.maybe(|input| Ok(log_id(input.number()?, input.number()?)))
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Malformed> {
        let many = self.number()?;
        let mut entries = Vec::new();
        for _ in 0..many {
            let (term, index, time, kind) = (self.number()?, self.number()?, self.number()?, self.byte()?);
            let payload = payload_of(kind, Millis(time), self.bytes()?)?;
            entries.push(Entry { log_id: log_id(term, index), payload });
        }
        Ok(entries)
    }

    fn end<T>(self, value: T) -> Result<T, Malformed> {
        if self.0.is_empty() { Ok(value) } else { Err(Malformed("it goes on after its end")) }
    }

    /// The frame's kind, and the rest of it.
    fn open(frame: Bytes) -> Result<(u8, Self), Malformed> {
        let mut input = Self(frame);
        if input.byte()? != VERSION {
            return Err(Malformed("it is of another version"));
        }
        Ok((input.byte()?, input))
    }
}

/// A vote as it stands in the log.
pub(crate) fn vote_bytes(vote: &Vote) -> Bytes {
    Out::new(0, 24).vote(vote).done()
}

/// The vote that `vote_bytes` wrote.
pub(crate) fn vote_of(bytes: Bytes) -> Result<Vote, Malformed> {
    let (_, mut input) = In::open(bytes)?;
    let vote = input.vote()?;
    input.end(vote)
}

pub(crate) fn encode_request(request: &Request) -> Bytes {
    match request {
        Request::Append(append) => {
            let weight: usize = append.entries.iter().map(|entry| 64 + payload_weight(&entry.payload)).sum();
            let out = Out::new(1, 96 + weight)
                .number(append.lane)
                .number(append.turn)
                .vote(&append.vote)
                .log_id(append.previous.as_ref());
            let out = out.log_id(append.committed.as_ref()).number(append.entries.len() as u64);
            append.entries.iter().fold(out, Out::entry).done()
        }
        Request::Vote(ballot) => ballot_bytes(2, ballot),
        Request::PreVote(ballot) => ballot_bytes(3, ballot),
        Request::Transfer { from, to, last } => Out::new(4, 64).vote(from).number(*to).log_id(last.as_ref()).done(),
        Request::Snapshot { vote, offset, total, part } => {
            let out = Out::new(5, 64 + part.len()).vote(vote);
            out.number(*offset).number(*total).bytes(part).done()
        }
        Request::Forward { epoch, record } => {
            let out = Out::new(6, 32 + record.len()).flag(epoch.is_some()).number(epoch.unwrap_or(0));
            out.bytes(record).done()
        }
        Request::ReadIndex => Out::new(7, 0).done(),
        // Numbers and strings always have a JSON form.
        Request::Change(change) => Out::new(8, 256).bytes(&serde_json::to_vec(change).unwrap_or_default()).done(),
        Request::Hash { index } => Out::new(9, 8).number(*index).done(),
        Request::Verdict { index, hash } => Out::new(10, 24).number(*index).hash(*hash).done(),
    }
}

fn payload_weight(payload: &Payload) -> usize {
    match payload {
        Payload::Normal(record) => record.bytes.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    }
}

fn ballot_bytes(kind: u8, ballot: &Ballot) -> Bytes {
    Out::new(kind, 64).vote(&ballot.vote).log_id(ballot.last.as_ref()).flag(ballot.transfer).done()
}

pub(crate) fn decode_request(frame: Bytes) -> Result<Request, Malformed> {
    let (kind, mut input) = In::open(frame)?;
    let ballot = |input: &mut In| Ok(Ballot { vote: input.vote()?, last: input.log_id()?, transfer: input.flag()? });
    let request = match kind {
        1 => Request::Append(Append {
            lane: input.number()?,
            turn: input.number()?,
            vote: input.vote()?,
            previous: input.log_id()?,
            committed: input.log_id()?,
            entries: input.entries()?,
        }),
        2 => Request::Vote(ballot(&mut input)?),
        3 => Request::PreVote(ballot(&mut input)?),
        4 => Request::Transfer { from: input.vote()?, to: input.number()?, last: input.log_id()? },
        5 => Request::Snapshot {
            vote: input.vote()?,
            offset: input.number()?,
            total: input.number()?,
            part: input.bytes()?,
        },
        6 => {
            let (flag, epoch) = (input.flag()?, input.number()?);
            Request::Forward { epoch: flag.then_some(epoch), record: input.bytes()? }
        }
        7 => Request::ReadIndex,
        8 => Request::Change(serde_json::from_slice(&input.bytes()?).map_err(|_| Malformed("a change of membership"))?),
        9 => Request::Hash { index: input.number()? },
        10 => Request::Verdict { index: input.number()?, hash: input.hash()? },
        _ => return Err(Malformed("a request of unknown kind")),
    };
    input.end(request)
}

pub(crate) fn encode_answer(answer: &Answer) -> Bytes {
    match answer {
        Answer::Appended => Out::new(1, 0).done(),
        Answer::AppendedPart(last) => Out::new(2, 24).log_id(last.as_ref()).done(),
        Answer::Conflict => Out::new(3, 0).done(),
        Answer::HigherVote(vote) => Out::new(4, 24).vote(vote).done(),
        Answer::Voted { vote, granted, last } => Out::new(5, 48).vote(vote).flag(*granted).log_id(last.as_ref()).done(),
        Answer::Transferred { vote } => Out::new(6, 24).maybe_vote(vote.as_ref()).done(),
        Answer::SnapshotTaken { vote } => Out::new(7, 24).vote(vote).done(),
        Answer::Forwarded { index } => Out::new(8, 8).number(*index).done(),
        Answer::NotTaken(why) => Out::new(9, 8 + why.len()).bytes(why.as_bytes()).done(),
        Answer::Doubt(why) => Out::new(10, 8 + why.len()).bytes(why.as_bytes()).done(),
        Answer::ReadIndex { index } => Out::new(11, 8).number(*index).done(),
        Answer::Changed { id } => Out::new(12, 8).number(*id).done(),
        Answer::Hash { hash } => Out::new(13, 17).flag(hash.is_some()).hash(hash.unwrap_or(0)).done(),
        Answer::Refused(why) => Out::new(14, 8 + why.len()).bytes(why.as_bytes()).done(),
        Answer::Noted => Out::new(15, 0).done(),
        Answer::Removed => Out::new(16, 0).done(),
    }
}

pub(crate) fn decode_answer(frame: Bytes) -> Result<Answer, Malformed> {
    let (kind, mut input) = In::open(frame)?;
    let answer = match kind {
        1 => Answer::Appended,
        2 => Answer::AppendedPart(input.log_id()?),
        3 => Answer::Conflict,
        4 => Answer::HigherVote(input.vote()?),
        5 => Answer::Voted { vote: input.vote()?, granted: input.flag()?, last: input.log_id()? },
        6 => Answer::Transferred { vote: input.maybe(In::vote)? },
        7 => Answer::SnapshotTaken { vote: input.vote()? },
        8 => Answer::Forwarded { index: input.number()? },
        9 => Answer::NotTaken(input.text()?),
        10 => Answer::Doubt(input.text()?),
        11 => Answer::ReadIndex { index: input.number()? },
        12 => Answer::Changed { id: input.number()? },
        13 => {
            let (known, hash) = (input.flag()?, input.hash()?);
            Answer::Hash { hash: known.then_some(hash) }
        }
        14 => Answer::Refused(input.text()?),
        15 => Answer::Noted,
        16 => Answer::Removed,
        _ => return Err(Malformed("an answer of unknown kind")),
    };
    input.end(answer)
}

#[cfg(test)]
mod tests;
