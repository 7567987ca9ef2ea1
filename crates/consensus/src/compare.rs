//! The watch over each other: the leader asks the members for their state hash at one log index and tells those who
//! differ from a majority. It judges; it repairs nothing.
use crate::frame::{Answer, Request};
use crate::limits::{COMPARE_EVERY, READ_ROUND_MAX};
use crate::machine::Raft;
use crate::peers::Peers;
use crate::room::{Health, Room};
use openraft_rt::WatchReceiver;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use store::view::StateHash;

/// Runs for as long as the member is well.
pub(crate) async fn run(me: u64, room: Arc<Room>, raft: Raft, peers: Peers) {
    let mut compared = 0;
    while room.illness().is_none() {
        rt::sleep(COMPARE_EVERY).await;
        let newest = room.hashes.lock().unwrap_or_else(PoisonError::into_inner).newest();
        match newest {
            Some((index, hash)) if room.leadership().here && index > compared => {
                compared = index;
                round(me, &room, &raft, &peers, index, hash).await;
            }
            _ => {}
        }
    }
}

async fn round(me: u64, room: &Room, raft: &Raft, peers: &Peers, index: u64, own: StateHash) {
    let membership = raft.metrics().borrow_watched().membership_config.clone();
    let others: Vec<u64> = membership.nodes().map(|(id, _)| *id).filter(|id| *id != me).collect();
    let asked = others.into_iter().map(|id| {
        let answer = peers.ask_id(id, &Request::Hash { index }, READ_ROUND_MAX);
        async move { (id, answer.await) }
    });
    let mut hashes = BTreeMap::from([(me, own)]);
    for (id, answer) in futures::future::join_all(asked).await {
        if let Ok(Answer::Hash { hash: Some(hash) }) = answer {
            hashes.insert(id, StateHash(hash));
        }
    }
    if hashes.values().all(|hash| *hash == own) {
        return;
    }
    let voters: Vec<u64> = membership.voter_ids().collect();
    match majority(&hashes, &voters) {
        Some(right) => {
            for (id, hash) in &hashes {
                if *hash != right && *id != me {
                    tracing::error!(member = id, index, %hash, %right, "a member's state differs from the majority's");
                    let verdict = Request::Verdict { index, hash: right.0 };
                    // If it does not arrive, the next round finds the difference again.
                    let _ = peers.ask_id(*id, &verdict, READ_ROUND_MAX).await;
                }
            }
            if own != right {
                room.fall_ill(Health::Diverged { index, why: format!("{own} here, {right} on a majority") });
            }
        }
        None => {
            let why = format!("the members have {hashes:?} and no majority agrees");
            room.fall_ill(Health::Disputed { index, why });
        }
    }
}

/// The hash that more than half of the voters have.
fn majority(hashes: &BTreeMap<u64, StateHash>, voters: &[u64]) -> Option<StateHash> {
    let of_voters = || voters.iter().filter_map(|voter| hashes.get(voter));
    of_voters().find(|hash| of_voters().filter(|other| other == hash).count() * 2 > voters.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_counts_voters_and_not_answers() {
        let hashes = BTreeMap::from([(1, StateHash(1)), (2, StateHash(2)), (3, StateHash(2)), (4, StateHash(1))]);
        assert_eq!(majority(&hashes, &[1, 2, 3]), Some(StateHash(2)));
        assert_eq!(majority(&hashes, &[1, 2, 3, 4]), None);
        assert_eq!(majority(&hashes, &[1, 2, 3, 5, 6]), None);
        assert_eq!(majority(&hashes, &[1]), Some(StateHash(1)));
    }
}
