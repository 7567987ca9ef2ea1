//! Who is a member: joining (first as a learner that catches up, then with a vote), leaving, taking another's place.
//! It runs where the leader is. An id is given once: an id that was ever used by another is refused.
use crate::frame::Change;
use crate::limits::{CHANGE_AGAIN, MEMBERSHIP_WAIT_MAX};
use crate::machine::Raft;
use crate::room::Room;
use crate::types::{MemberInfo, Membership, StoredMembership};
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, Precondition};
use openraft_rt::WatchReceiver;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why the members did not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// It was refused; nothing changed.
    Refused(String),
    /// No leader took it; nothing changed.
    Unavailable(String),
    /// It may have happened or may yet. Look at the members, or ask for the same again.
    Unknown(String),
}

impl std::fmt::Display for ChangeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unavailable(why) => write!(f, "no leader took it, try again: {why}"),
            Self::Unknown(why) => write!(f, "the outcome is unknown, look at the members: {why}"),
        }
    }
}

impl std::error::Error for ChangeError {}

/// A member and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub info: MemberInfo,
    /// It counts towards the majority. A member without a vote is catching up.
    pub voter: bool,
}

/// The members that an entry of the log names, from its payload; `None` if it names none.
#[must_use]
pub fn standings_in(payload: &[u8]) -> Option<Vec<Standing>> {
    serde_json::from_slice(payload).ok().map(|membership| standings(&membership))
}

/// The members in `membership`, by id.
pub(crate) fn standings(membership: &Membership) -> Vec<Standing> {
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    membership.nodes().map(|(id, info)| Standing { info: info.clone(), voter: voters.contains(id) }).collect()
}

/// Does what is asked; called on the leader.
pub(crate) async fn change(raft: &Raft, room: &Room, wanted: Change) -> Result<u64, ChangeError> {
    let work = async {
        loop {
            match step(raft, room, &wanted).await {
                Ok(id) => return Ok(id),
                Err(Hindrance::Error(why)) => return Err(why),
                // Begun anew, for what was right to ask may not be any more.
                Err(Hindrance::Meanwhile) => rt::sleep(CHANGE_AGAIN).await,
            }
        }
    };
    match rt::timeout(MEMBERSHIP_WAIT_MAX, work).await {
        Some(result) => result,
        None => Err(ChangeError::Unknown("it takes too long: is the new member running and can it be reached?".into())),
    }
}

/// What kept a change from being made.
enum Hindrance {
    /// Another change was under way, or came between the look and the proposal.
    Meanwhile,
    Error(ChangeError),
}

impl From<ChangeError> for Hindrance {
    fn from(why: ChangeError) -> Self {
        Self::Error(why)
    }
}

async fn step(raft: &Raft, room: &Room, wanted: &Change) -> Result<u64, Hindrance> {
    match wanted {
        Change::Add(info) => add(raft, room, info).await,
        // A leader does not vote itself out: what it has promised by then another keeps.
        Change::Remove(id) | Change::Replace { gone: id, .. } if id == raft.node_id() && others(raft) > 0 => {
            hand_over(raft, None).await?;
            Err(ChangeError::Unavailable("the leader hands over first".into()).into())
        }
        Change::Remove(id) => remove(raft, *id).await,
        Change::Replace { gone, new } => replace(raft, room, *gone, new).await,
        Change::Yield(to) => Ok(hand_over(raft, *to).await?),
    }
}

/// Proposes `changes` to the membership `seen`, and waits until they are agreed; refused if the membership is another by now.
async fn propose(
    raft: &Raft,
    seen: &StoredMembership,
    changes: ChangeMembers<u64, MemberInfo>,
) -> Result<(), Hindrance> {
    // Whoever is taken out of the voters goes, and whoever is added stays.
    let retain = matches!(changes, ChangeMembers::AddNodes(_));
    let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *seen.log_id() };
    match raft.change_membership_if(changes, retain, [unchanged]).await {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(
            ClientWriteError::PreconditionFailed(_)
            | ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
            ),
        )) => Err(Hindrance::Meanwhile),
        Err(why) => Err(unknown(why).into()),
    }
}

fn current(raft: &Raft) -> Arc<StoredMembership> {
    raft.metrics().borrow_watched().membership_config.clone()
}

fn unknown(why: impl std::fmt::Display) -> ChangeError {
    ChangeError::Unknown(why.to_string())
}

/// Voters beside this member.
fn others(raft: &Raft) -> usize {
    let me = *raft.node_id();
    current(raft).voter_ids().filter(|id| *id != me).count()
}

/// Makes it a member without a vote, and waits until it has caught up. It may have the name of those who are `going`.
async fn welcome(raft: &Raft, room: &Room, info: &MemberInfo, going: &BTreeSet<u64>) -> Result<(), Hindrance> {
    let membership = current(raft);
    let namesake = |id: u64, other: &MemberInfo| id != info.id && !going.contains(&id) && other.name == info.name;
    if let Some((_, other)) = membership.nodes().find(|(id, other)| namesake(**id, other)) {
        let MemberInfo { id, name, .. } = other;
        let why = format!("the name {name} is that of member {id}: remove that one first");
        return Err(ChangeError::Refused(why).into());
    }
    match membership.nodes().find(|(id, _)| **id == info.id) {
        Some((_, there)) if there.name != info.name => {
            let why = format!("id {} is that of member {}: take a free one", info.id, there.name);
            return Err(ChangeError::Refused(why).into());
        }
        Some((_, there)) if there == info => return Ok(caught_up(raft, info.id).await?),
        Some(_) => {}
        None if info.id <= room.highest_member() => {
            let why = format!("id {} was used before; the next free one is {}", info.id, room.highest_member() + 1);
            return Err(ChangeError::Refused(why).into());
        }
        None => {}
    }
    propose(raft, &membership, ChangeMembers::AddNodes(BTreeMap::from([(info.id, info.clone())]))).await?;
    Ok(caught_up(raft, info.id).await?)
}

/// Waits until the member holds what the leader holds now: a vote without the log would count for nothing.
async fn caught_up(raft: &Raft, id: u64) -> Result<(), ChangeError> {
    let mut metrics = raft.metrics();
    let wanted = metrics.borrow_and_update().last_log_index;
    loop {
        {
            let now = metrics.borrow_and_update();
            let Some(reached) = &now.replication else {
                return Err(ChangeError::Unavailable("the leader was lost".into()));
            };
            if reached.get(&id).cloned().flatten().map(|matched| matched.index) >= wanted {
                return Ok(());
            }
        }
        metrics.changed().await.map_err(|_| unknown("this member stops"))?;
    }
}

async fn add(raft: &Raft, room: &Room, info: &MemberInfo) -> Result<u64, Hindrance> {
    welcome(raft, room, info, &BTreeSet::new()).await?;
    let voters = ChangeMembers::AddVoterIds(BTreeSet::from([info.id]));
    propose(raft, &current(raft), voters).await?;
    Ok(info.id)
}

async fn remove(raft: &Raft, id: u64) -> Result<u64, Hindrance> {
    let membership = current(raft);
    if !membership.nodes().any(|(other, _)| *other == id) {
        return Ok(id);
    }
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let ids = BTreeSet::from([id]);
    if voters == ids {
        return Err(ChangeError::Refused("it is the only voter: add another first".into()).into());
    }
    let changes = if voters.contains(&id) { ChangeMembers::RemoveVoters(ids) } else { ChangeMembers::RemoveNodes(ids) };
    propose(raft, &membership, changes).await?;
    Ok(id)
}

async fn replace(raft: &Raft, room: &Room, gone: u64, new: &MemberInfo) -> Result<u64, Hindrance> {
    if gone == new.id {
        return Err(ChangeError::Refused("a member cannot take its own place".into()).into());
    }
    let membership = current(raft);
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    // Beside it, one that began to take this place and was lost before it had a vote.
    let goes = |id: u64, other: &MemberInfo| id == gone || other.name == new.name && !voters.contains(&id);
    let going = membership.nodes().filter(|(id, other)| **id != new.id && goes(**id, other)).map(|(id, _)| *id);
    let going: BTreeSet<u64> = going.collect();
    let without_vote: BTreeSet<u64> = going.difference(&voters).copied().collect();
    if !without_vote.is_empty() {
        propose(raft, &membership, ChangeMembers::RemoveNodes(without_vote)).await?;
    }
    welcome(raft, room, new, &going).await?;
    let membership = current(raft);
    let mut voters: BTreeSet<u64> = membership.voter_ids().collect();
    voters.remove(&gone);
    voters.insert(new.id);
    propose(raft, &membership, ChangeMembers::ReplaceAllVoters(voters)).await?;
    Ok(new.id)
}

async fn hand_over(raft: &Raft, to: Option<u64>) -> Result<u64, ChangeError> {
    let membership = current(raft);
    let me = *raft.node_id();
    let mut others = membership.voter_ids().filter(|id| *id != me);
    let reached = raft.metrics().borrow_watched().replication.clone().unwrap_or_default();
    let to = match to {
        Some(to) => others.find(|id| *id == to),
        // The one that has come furthest: one that is down could not take it.
        None => others.max_by_key(|id| reached.get(id).cloned().flatten().map(|matched| matched.index)),
    };
    let Some(to) = to else {
        return Err(ChangeError::Refused("there is no such other voter".into()));
    };
    raft.trigger().transfer_leader(to).await.map_err(unknown)?;
    Ok(to)
}
