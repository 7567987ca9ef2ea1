//! The other members as openraft and the rest of this crate call them: requests as frames over the transport.
use crate::frame::{Answer, Append, Ballot, Malformed, Request, decode_answer, encode_request};
use crate::lane;
use crate::limits::{APPEND_WAIT_MAX, APPENDS_IN_FLIGHT_MAX, SNAPSHOT_CHUNK_WAIT_MAX};
use crate::parcel::Parcel;
use crate::patience::Way;
use crate::room::{Health, Room};
use crate::transport::{Transport, TransportError};
use crate::types::{MemberInfo, Membership, Snapshot, Types, Vote};
use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why a member gave no answer.
#[derive(Clone, Debug)]
pub(crate) enum PeerError {
    Transport(TransportError),
    TooSlow(Duration),
    Malformed(Malformed),
    Stranger(u64),
}

impl PeerError {
    /// Whether the request may have arrived.
    pub(crate) fn delivered(&self) -> bool {
        !matches!(self, Self::Transport(TransportError::Unreachable(_)) | Self::Stranger(_))
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(why) => why.fmt(f),
            Self::TooSlow(limit) => write!(f, "the member did not answer within {limit:?}"),
            Self::Malformed(why) => why.fmt(f),
            Self::Stranger(id) => write!(f, "member {id} is not known here"),
        }
    }
}

impl std::error::Error for PeerError {}

/// Everybody that this member knows of.
#[derive(Clone)]
pub(crate) struct Peers {
    transport: Arc<dyn Transport>,
    room: Arc<Room>,
    known: Arc<Mutex<BTreeMap<u64, MemberInfo>>>,
    /// Bytes of a snapshot in one message.
    part_bytes: usize,
    /// How many clients were made.
    clients: Arc<AtomicU64>,
}

impl Peers {
    pub(crate) fn new(transport: Arc<dyn Transport>, room: Arc<Room>, part_bytes: usize) -> Self {
        Self { transport, room, known: Arc::default(), part_bytes, clients: Arc::default() }
    }

    /// Takes note of who is a member now.
    pub(crate) fn learn(&self, membership: &Membership) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = membership.nodes().map(|(id, info)| (*id, info.clone())).collect();
    }

    /// Asks one member, for at most `limit`.
    pub(crate) fn ask(
        &self,
        to: &MemberInfo,
        request: &Request,
        limit: Duration,
    ) -> impl Future<Output = Result<Answer, PeerError>> + Send + 'static {
        let (call, room) = (self.transport.call(to, encode_request(request)), self.room.clone());
        async move {
            let bytes = match rt::timeout(limit, call).await {
                None => return Err(PeerError::TooSlow(limit)),
                Some(answer) => answer.map_err(PeerError::Transport)?,
            };
            let answer = decode_answer(bytes).map_err(PeerError::Malformed)?;
            if answer == Answer::Removed {
                // A member that was away when it was removed learns it from whom it asks first.
                room.fall_ill(Health::Removed);
            }
            Ok(answer)
        }
    }

    pub(crate) fn ask_id(
        &self,
        to: u64,
        request: &Request,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Answer, PeerError>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&to).cloned();
        match known {
            Some(info) => self.ask(&info, request, limit).boxed(),
            None => futures::future::ready(Err(PeerError::Stranger(to))).boxed(),
        }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, _: u64, info: &MemberInfo) -> Peer {
        let client = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        Peer { peers: self.clone(), info: info.clone(), client, lanes: 0 }
    }
}

/// One other member, as openraft calls it.
pub(crate) struct Peer {
    peers: Peers,
    info: MemberInfo,
    /// Which of this member's clients it is.
    client: u64,
    /// How many lanes of appends it has begun.
    lanes: u64,
}

type Failure = RPCError<Types>;

impl Peer {
    async fn ask(&self, request: &Request, limit: Duration) -> Result<Answer, Failure> {
        match self.peers.ask(&self.info, request, limit).await {
            Ok(Answer::Refused(why)) => Err(RPCError::Unreachable(Unreachable::from_string(why))),
            Ok(Answer::Removed) => Err(RPCError::Unreachable(Unreachable::from_string("this member was removed"))),
            Ok(answer) => Ok(answer),
            Err(why) if why.delivered() => Err(RPCError::Network(NetworkError::new(&why))),
            Err(why) => Err(RPCError::Unreachable(Unreachable::new(&why))),
        }
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        parcel: Parcel,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let failed = |why: &str| StreamingError::Network(NetworkError::from_string(why));
        let packed = rt::blocking("snapshot", move || {
            let mut bytes = Vec::new();
            parcel.write(&mut bytes).map(|()| Bytes::from(bytes))
        });
        let bytes = packed.await.map_err(|_| failed("it was not packed"))?.map_err(|why| failed(&why.to_string()))?;
        let total = bytes.len() as u64;
        let mut offset = 0;
        loop {
            let end = bytes.len().min(offset + self.peers.part_bytes);
            let part = bytes.slice(offset..end);
            let request = Request::Snapshot { vote, offset: offset as u64, total, part };
            match self.ask(&request, SNAPSHOT_CHUNK_WAIT_MAX).await? {
                Answer::SnapshotTaken { vote } => return Ok(SnapshotResponse { vote }),
                Answer::Noted if end < bytes.len() => offset = end,
                _ => return Err(failed("the member answered something else")),
            }
        }
    }

    async fn ballot(
        &self,
        pre: bool,
        rpc: VoteRequest<Types>,
        limit: Duration,
    ) -> Result<VoteResponse<Types>, Failure> {
        let ballot = Ballot { vote: rpc.vote, last: rpc.last_log_id, transfer: rpc.leadership_transfer };
        let request = if pre { Request::PreVote(ballot) } else { Request::Vote(ballot) };
        match self.ask(&request, limit).await? {
            Answer::Voted { vote, granted, last } => {
                Ok(VoteResponse { vote, vote_granted: granted, last_log_id: last })
            }
            _ => Err(odd()),
        }
    }
}

type Streamed<'s> = Result<BoxStream<'s, Result<StreamAppendResult<Types>, Failure>>, Failure>;

/// Sends one append; nothing is borrowed, so that several can be on their way.
fn append(
    peers: Peers,
    info: MemberInfo,
    rpc: AppendEntriesRequest<Types>,
    (lane, turn): (u64, u64),
    limit: Duration,
) -> impl Future<Output = Result<AppendEntriesResponse<Types>, Failure>> + Send {
    let append = Append {
        lane,
        turn,
        vote: rpc.vote,
        previous: rpc.prev_log_id,
        committed: rpc.leader_commit,
        entries: rpc.entries,
    };
    async move {
        let peer = Peer { peers, info, client: 0, lanes: 0 };
        match peer.ask(&Request::Append(append), limit).await? {
            Answer::Appended => Ok(AppendEntriesResponse::Success),
            Answer::AppendedPart(last) => Ok(AppendEntriesResponse::PartialSuccess(last)),
            Answer::Conflict => Ok(AppendEntriesResponse::Conflict),
            Answer::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote)),
            _ => Err(odd()),
        }
    }
}

fn odd() -> Failure {
    RPCError::Network(NetworkError::from_string("the member answered something else"))
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = Parcel;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, Failure> {
        let load = Way::default().load(&rpc.entries);
        let limit = if rpc.entries.is_empty() { option.hard_ttl().max(APPEND_WAIT_MAX / 4) } else { load.limit };
        append(self.peers.clone(), self.info.clone(), rpc, (0, 0), limit).await
    }

    /// Several at once: the follower takes the next into memory while the one before is on its way to its disk.
    fn stream_append<'s, S>(&'s mut self, input: S, _: RPCOption) -> BoxFuture<'s, Streamed<'s>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let (peers, info) = (self.peers.clone(), self.info.clone());
        // Counted up, so that what comes late of a lane that was given up cannot be taken for a new one.
        self.lanes += 1;
        let lane = lane::number(self.client, self.lanes);
        let (mut turn, way) = (0, Way::default());
        let answers = input.map(move |rpc| {
            let previous = rpc.prev_log_id;
            let last = rpc.entries.last().map(|entry| entry.log_id).or(previous);
            let load = way.load(&rpc.entries);
            let answer = append(peers.clone(), info.clone(), rpc, (lane, turn), load.limit);
            turn += 1;
            async move {
                let answer = answer.await;
                drop(load);
                match answer? {
                    AppendEntriesResponse::Conflict if previous.is_none() => Err(odd()),
                    answer => Ok((answer.into_stream_result(previous, last), last)),
                }
            }
        });
        // Whatever is not a full success ends the stream: what was sent after it will not match either.
        let ended = false;
        let results = answers.buffered(APPENDS_IN_FLIGHT_MAX).scan(ended, |ended, result| {
            let item = if *ended { None } else { Some(result) };
            *ended = !matches!(&item, Some(Ok((Ok(matching), last))) if matching == last);
            futures::future::ready(item.map(|result| result.map(|(result, _)| result)))
        });
        let results: BoxStream<'s, _> = results.boxed();
        futures::future::ready(Ok(results)).boxed()
    }

    async fn vote(&mut self, rpc: VoteRequest<Types>, option: RPCOption) -> Result<VoteResponse<Types>, Failure> {
        self.ballot(false, rpc, option.hard_ttl()).await
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<Types>, option: RPCOption) -> Result<VoteResponse<Types>, Failure> {
        self.ballot(true, rpc, option.hard_ttl()).await
    }

    /// In parts, one after the other; it gives up when `cancel` says so.
    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<Parcel>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let sending = Box::pin(self.send_snapshot(vote, snapshot.snapshot));
        match select(Box::pin(cancel), sending).await {
            Either::Left((closed, _)) => Err(StreamingError::Closed(closed)),
            Either::Right((sent, _)) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, Failure> {
        let (from, to, last) = (*rpc.from_leader(), *rpc.to_node_id(), rpc.last_log_id().copied());
        match self.ask(&Request::Transfer { from, to, last }, option.hard_ttl()).await? {
            // Why it was refused only matters to it: this leader goes on until somebody else leads.
            Answer::Transferred { vote: None } => Ok(Ok(())),
            Answer::Transferred { vote: Some(actual) } => {
                Ok(Err(openraft::raft::TransferLeaderError::VoteChanged { expected: from, actual }))
            }
            _ => Err(odd()),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

/// Pause before a member that could not be reached is tried again.
const BACKOFF: Duration = Duration::from_millis(50);
