//! What other members ask of this one. Every byte comes from outside: it is read with care and answered always.
use crate::arrive::Arriving;
use crate::change::{ChangeError, change};
use crate::frame::{Answer, Append, Ballot, Change, Request, decode_request, encode_answer};
use crate::lane::Lanes;
use crate::limits::READ_ROUND_MAX;
use crate::machine::Raft;
use crate::read::Reader;
use crate::room::{Health, Room};
use crate::submit::{Submitter, Verdict};
use crate::types::{Snapshot, Types, Vote};
use api::record;
use bytes::Bytes;
use futures::FutureExt;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest,
};
use std::fmt::Display;
use std::sync::{Arc, PoisonError};
use store::view::StateHash;

/// The accepting side of a member.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) room: Arc<Room>,
    pub(crate) raft: Raft,
    pub(crate) submitter: Submitter,
    pub(crate) reader: Reader,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) arriving: Arc<Arriving>,
}

fn refused(why: impl Display) -> Answer {
    Answer::Refused(why.to_string())
}

/// The answer to a frame that is for another member than the one that got it: two may have had one address, one after the other.
#[must_use]
pub fn not_here(to: u64) -> Bytes {
    encode_answer(&Answer::Refused(format!("member {to} is not here, but another")))
}

impl Server {
    /// The answer to a frame of member `from`.
    pub(crate) async fn serve(&self, from: u64, frame: Bytes) -> Bytes {
        let answer = match decode_request(frame) {
            Ok(request) => match self.room.illness() {
                Some(illness) => Answer::Refused(illness),
                None if self.room.was_removed(from) => Answer::Removed,
                None => self.answer(from, request).await,
            },
            Err(why) => {
                tracing::warn!(from, %why, "a member sent what cannot be read");
                refused(why)
            }
        };
        encode_answer(&answer)
    }

    async fn answer(&self, from: u64, request: Request) -> Answer {
        match request {
            Request::Append(append) => self.append(from, append).await,
            Request::Vote(ballot) => match self.raft.vote(vote_request(ballot)).await {
                Ok(voted) => Answer::Voted { vote: voted.vote, granted: voted.vote_granted, last: voted.last_log_id },
                Err(why) => refused(why),
            },
            Request::PreVote(ballot) => match self.raft.pre_vote(vote_request(ballot)).await {
                Ok(voted) => Answer::Voted { vote: voted.vote, granted: voted.vote_granted, last: voted.last_log_id },
                Err(why) => refused(why),
            },
            Request::Transfer { from, to, last } => {
                match self.raft.handle_transfer_leader(TransferLeaderRequest::new(from, to, last)).await {
                    Ok(Ok(())) => Answer::Transferred { vote: None },
                    Ok(Err(TransferLeaderError::VoteChanged { actual, .. })) => {
                        Answer::Transferred { vote: Some(actual) }
                    }
                    Ok(Err(why)) => refused(why),
                    Err(why) => refused(why),
                }
            }
            Request::Snapshot { vote, offset, total, part } => self.snapshot(from, vote, (offset, total), part).await,
            Request::Forward { epoch, record } => self.forward(epoch, &record).await,
            Request::ReadIndex if !self.room.leadership().here => Answer::NotTaken("this member does not lead".into()),
            Request::ReadIndex => match self.reader.index().await {
                Ok(index) => Answer::ReadIndex { index },
                Err(why) => Answer::NotTaken(why),
            },
            Request::Change(wanted) => self.change(wanted).await,
            Request::Hash { index } => {
                // A follower that is a little behind soon is not.
                let _ = rt::timeout(READ_ROUND_MAX / 4, self.room.applied.wait(index)).await;
                let hash = self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).at(index);
                Answer::Hash { hash: hash.map(|hash| hash.0) }
            }
            Request::Verdict { index, hash } => {
                let theirs = StateHash(hash);
                let known = self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).expect(index, theirs);
                if let Err(own) = known {
                    self.room.fall_ill(Health::Diverged { index, why: format!("{own} here, {theirs} on a majority") });
                }
                Answer::Noted
            }
        }
    }

    async fn append(&self, from: u64, append: Append) -> Answer {
        // openraft takes consecutive entries for granted.
        let start = append.previous.map_or(Some(0), |previous| previous.index.checked_add(1));
        let Some(start) = start.filter(|start| start.checked_add(append.entries.len() as u64).is_some()) else {
            return refused("no entry can follow the last possible one");
        };
        if !(start..).zip(&append.entries).all(|(index, entry)| entry.log_id.index == index) {
            return refused("the entries do not follow each other");
        }
        let rpc = AppendEntriesRequest {
            vote: append.vote,
            prev_log_id: append.previous,
            entries: append.entries,
            leader_commit: append.committed,
        };
        let (lane, turn) = ((append.vote.leader_id.term, append.lane), append.turn);
        let ordered = append.lane != 0;
        if ordered && !self.lanes.wait(from, lane, turn).await {
            return refused("an append before this one did not arrive");
        }
        let mut appending = Box::pin(self.raft.append_entries(rpc));
        // The first poll hands it to Raft; then the next may follow, long before this one is on the disk.
        let first = appending.as_mut().now_or_never();
        if ordered {
            self.lanes.passed(from, lane, turn);
        }
        let appended = match first {
            Some(appended) => appended,
            None => appending.await,
        };
        match appended {
            Ok(AppendEntriesResponse::Success) => Answer::Appended,
            Ok(AppendEntriesResponse::PartialSuccess(last)) => Answer::AppendedPart(last),
            Ok(AppendEntriesResponse::Conflict) => Answer::Conflict,
            Ok(AppendEntriesResponse::HigherVote(vote)) => Answer::HigherVote(vote),
            Err(why) => refused(why),
        }
    }

    async fn snapshot(&self, from: u64, vote: Vote, (offset, total): (u64, u64), part: Bytes) -> Answer {
        let parcel = match self.arriving.take(from, offset, total, &part).await {
            Ok(None) => return Answer::Noted,
            Ok(Some(parcel)) => parcel,
            Err(why) => return refused(why),
        };
        let snapshot = Snapshot { meta: parcel.meta.clone(), snapshot: parcel };
        match self.raft.install_full_snapshot(vote, snapshot).await {
            Ok(taken) => Answer::SnapshotTaken { vote: taken.vote },
            Err(why) => refused(why),
        }
    }

    async fn forward(&self, epoch: Option<u64>, bytes: &Bytes) -> Answer {
        let commands = match record::decode(bytes) {
            Ok(entry) => entry.commands,
            Err(why) => return Answer::NotTaken(why.to_string()),
        };
        match self.submitter.forwarded(commands, epoch).await {
            Verdict::Applied { index } => Answer::Forwarded { index },
            Verdict::NotTaken(why) => Answer::NotTaken(why),
            Verdict::Doubt(why) => Answer::Doubt(why),
        }
    }

    async fn change(&self, wanted: Change) -> Answer {
        if !self.room.leadership().here {
            return Answer::NotTaken("this member does not lead".into());
        }
        match change(&self.raft, &self.room, wanted).await {
            Ok(id) => Answer::Changed { id },
            Err(ChangeError::Refused(why)) => Answer::Refused(why),
            Err(ChangeError::Unavailable(why)) => Answer::NotTaken(why),
            Err(ChangeError::Unknown(why)) => Answer::Doubt(why),
        }
    }
}

fn vote_request(ballot: Ballot) -> VoteRequest<Types> {
    VoteRequest { vote: ballot.vote, last_log_id: ballot.last, leadership_transfer: ballot.transfer }
}
