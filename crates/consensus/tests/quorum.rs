//! Three members in one process: agreement, forwarding, retries, kills, partitions, restarts, membership, bad bytes.
mod net;

use api::command::{Condition, Outcome, Refusal};
use bytes::Bytes;
use consensus::{Health, Member, SubmitError};
use net::{Network, done, leader, put};
use std::time::Duration;
use store::disk::memory::MemoryDisk;
use store::watch::Interest;

type Test = Result<(), Box<dyn std::error::Error>>;

fn name_is(view: &store::view::View, name: &str) -> bool {
    view.get("configmaps", "default", name).is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_at_any_member_is_in_its_own_view_when_it_returns() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    for (number, member) in (0u32..).zip(&members) {
        let name = format!("n{number}");
        let outcome = member.submit(put(u128::from(number) + 1, &name, "x", Condition::Absent)).await?;
        let Outcome::Done { last, objects, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(objects.len(), 1);
        assert!(member.view().revision() >= *last);
        assert!(name_is(&member.view(), &name));
    }
    let refused = members[1].submit(put(9, "n0", "y", Condition::Absent)).await?;
    assert_eq!(refused, Outcome::Refused { write: 0, refusal: Refusal::Exists });
    let last = members[0].view().revision();
    for member in &members {
        assert_eq!(member.reached(last).await.hash(), members[0].view().hash());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_with_the_same_id_gets_the_first_outcome() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    let first = done(&members[0].submit(put(7, "a", "x", Condition::Absent)).await?);
    for member in &members {
        let again = member.submit(put(7, "a", "x", Condition::Absent)).await?;
        assert_eq!(done(&again), first);
    }
    assert_eq!(members[0].view().revision(), first);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_goes_on_when_the_leader_dies_and_nothing_acknowledged_is_lost() -> Test {
    let network = Network::default();
    let (members, disks) = network.three().await;
    for id in 0..20u32 {
        done(
            &members[(id % 3) as usize]
                .submit(put(u128::from(id) + 1, &format!("a{id}"), "x", Condition::Absent))
                .await?,
        );
    }
    let old = leader(&members).await;
    let rest: Vec<Member> =
        members.iter().enumerate().filter(|(place, _)| *place != old).map(|(_, m)| m.clone()).collect();
    let start = rt::now();
    network.kill(old as u64 + 1).await;
    done(&rest[0].submit(put(100, "after", "x", Condition::Absent)).await?);
    let gap = rt::now().since(start);
    println!("write gap after the leader was killed: {gap:?}");
    assert!(gap < Duration::from_secs(3), "{gap:?}");
    for member in &rest {
        let view = member.linearizable().await?;
        assert!((0..20).all(|id| name_is(&view, &format!("a{id}"))));
        assert!(name_is(&view, "after"));
    }
    let back = network.start(old as u64 + 1, disks[old].clone()).await;
    let view = back.linearizable().await?;
    assert!(name_is(&view, "after"));
    assert_eq!(view.hash(), rest[0].view().hash());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_leader_neither_writes_nor_reads() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    done(&members[0].submit(put(1, "a", "x", Condition::Absent)).await?);
    let old = leader(&members).await;
    network.isolate(old as u64 + 1);
    let lone = members[old].clone();
    let lonely = rt::spawn("lonely", async move {
        let write = lone.submit(put(2, "lonely", "x", Condition::Absent));
        let read = lone.linearizable();
        futures::future::join(write, read).await
    });
    let other = &members[(old + 1) % 3];
    done(&other.submit(put(3, "b", "x", Condition::Absent)).await?);
    let (write, read) = lonely.await.expect("ends");
    assert!(matches!(write, Err(SubmitError::Unknown(_))), "{write:?}");
    assert!(read.is_err(), "a read in a minority");
    assert!(!name_is(&members[old].view(), "b"));
    network.heal();
    // The same id again: done once, whether or not the first attempt survived.
    let first = done(&members[old].submit(put(2, "lonely", "x", Condition::Absent)).await?);
    assert_eq!(done(&other.submit(put(2, "lonely", "x", Condition::Absent)).await?), first);
    assert!(name_is(&*members[old].linearizable().await?, "b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_follow_writes_at_every_member() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    for round in 0..30u32 {
        let writer = &members[(round % 3) as usize];
        let name = format!("r{round}");
        done(&writer.submit(put(u128::from(round) + 1, &name, "x", Condition::Absent)).await?);
        for reader in &members {
            assert!(name_is(&*reader.linearizable().await?, &name));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_restart_from_their_logs() -> Test {
    let network = Network::default();
    let (members, disks) = network.three().await;
    for id in 0..50u32 {
        done(&members[0].submit(put(u128::from(id) + 1, &format!("a{id}"), "x", Condition::Absent)).await?);
    }
    let hash = members[0].view().hash();
    for id in 1..=3 {
        network.kill(id).await;
    }
    let mut again = Vec::new();
    for (id, disk) in (1..).zip(&disks) {
        again.push(network.start(id, disk.clone()).await);
    }
    for member in &again {
        let view = member.linearizable().await?;
        assert_eq!(view.hash(), hash);
        assert!(name_is(&view, "a49"));
    }
    let twice = again[1].submit(put(1, "a0", "x", Condition::Absent)).await?;
    assert!(matches!(twice, Outcome::Done { .. }), "the outcome survives: {twice:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_leave_and_are_replaced() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    done(&members[0].submit(put(1, "a", "x", Condition::Absent)).await?);
    let four = network.start(4, MemoryDisk::default()).await;
    members[1].replace(3, Network::info(4)).await?;
    assert!(name_is(&*four.linearizable().await?, "a"));
    let ids: Vec<u64> = four.members().iter().map(|standing| standing.info.id).collect();
    assert_eq!(ids, [1, 2, 4]);
    assert!(four.members().iter().all(|standing| standing.voter));
    assert!(members[0].add(Network::info(3)).await.is_err(), "an id is given once");
    assert!(members[0].free_id() >= 5);
    let old = leader(&[members[0].clone(), members[1].clone(), four.clone()]).await;
    let old_id = [1, 2, 4][old];
    // The leader itself leaves.
    four.remove(old_id).await?;
    let rest = if old_id == 4 { members[0].clone() } else { four.clone() };
    done(&rest.submit(put(2, "b", "x", Condition::Absent)).await?);
    assert_eq!(rest.members().len(), 2);
    Ok(())
}

/// Waits until the member knows that it was removed.
async fn removed(member: &Member) {
    for _ in 0..1_000 {
        if member.status().health == Health::Removed {
            return;
        }
        rt::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never learns that it was removed: {:?}", member.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_removed_learns_it_and_serves_nothing_more() -> Test {
    let network = Network::default();
    let (members, disks) = network.three().await;
    done(&members[0].submit(put(1, "a", "x", Condition::Absent)).await?);
    // One that was away meanwhile learns it when it is back.
    network.kill(3).await;
    members[0].remove(3).await?;
    let three = network.start(3, disks[2].clone()).await;
    removed(&three).await;
    assert!(three.illness().is_some_and(|why| why.contains("was removed")));
    let refused = three.submit(put(2, "b", "x", Condition::Absent)).await;
    assert!(matches!(refused, Err(SubmitError::Unavailable(_) | SubmitError::Unknown(_))), "{refused:?}");
    assert!(three.linearizable().await.is_err());
    // The leader of two leaves too, with the other's vote, and the other goes on alone.
    let old = leader(&members[..2]).await;
    members[1 - old].remove(old as u64 + 1).await?;
    removed(&members[old]).await;
    done(&members[1 - old].submit(put(3, "c", "x", Condition::Absent)).await?);
    let view = members[1 - old].linearizable().await?;
    assert!(name_is(&view, "a") && name_is(&view, "c") && !name_is(&view, "b"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_takes_place_and_name_of_a_lost_one() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    done(&members[0].submit(put(1, "a", "x", Condition::Absent)).await?);
    let lost = leader(&members).await;
    let (lost_id, other) = (lost as u64 + 1, &members[(lost + 1) % 3]);
    network.kill(lost_id).await;
    let namesake = move |id| consensus::MemberInfo { name: format!("m{lost_id}"), ..Network::info(id) };
    assert!(other.add(namesake(4)).await.is_err(), "the name is taken, unless its member is to go");
    // One that began to take the place and is lost before it has a vote is in nobody's way.
    network.isolate(4);
    network.start_as(namesake(4), MemoryDisk::default()).await;
    let began = other.clone();
    rt::spawn("began", async move { began.replace(lost_id, namesake(4)).await });
    while other.members().len() == 3 {
        rt::sleep(Duration::from_millis(1)).await;
    }
    let five = network.start_as(namesake(5), MemoryDisk::default()).await;
    other.replace(lost_id, namesake(5)).await?;
    // Asked twice, as after an answer that was lost.
    other.replace(lost_id, namesake(5)).await?;
    assert!(name_is(&*five.linearizable().await?, "a"));
    let standings = five.members();
    let named = standings.iter().filter(|standing| standing.info.name == format!("m{lost_id}"));
    assert_eq!(named.map(|standing| (standing.info.id, standing.voter)).collect::<Vec<_>>(), [(5, true)]);
    assert_eq!(standings.len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_the_same_time_are_made_one_after_another() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    let (at, id) = (leader(&members).await, |index: usize| index as u64 + 1);
    let (gone, other) = (id((at + 1) % 3), &members[(at + 2) % 3]);
    network.start_as(Network::info(4), MemoryDisk::default()).await;
    network.start_as(Network::info(5), MemoryDisk::default()).await;
    let added = members[at].add(Network::info(4));
    let (one, two, three) =
        futures::future::join3(added, other.replace(gone, Network::info(5)), other.remove(gone)).await;
    // Whoever comes last may find that there is nothing left to replace, and then only adds.
    one?;
    two?;
    three?;
    let ids: Vec<u64> = network.member(5).members().iter().map(|standing| standing.info.id).collect();
    let wanted: Vec<u64> = (1..=5).filter(|id| *id != gone).collect();
    assert_eq!(ids, wanted, "nobody's change undid another's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_and_seen() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    let old = leader(&members).await;
    let term = members[old].leading().expect("it leads");
    let mut seen = members[old].leadership();
    members[old].hand_over(None).await?;
    while members[old].leading().is_some() {
        seen.changed().await;
    }
    let new = leader(&members).await;
    assert_ne!(old, new);
    let refused = members[old].submit_as_leader(term, put(1, "a", "x", Condition::Absent)).await;
    assert!(matches!(refused, Err(SubmitError::Unavailable(_))), "{refused:?}");
    let new_term = members[new].leading().expect("it leads");
    assert!(new_term > term);
    done(&members[new].submit_as_leader(new_term, put(2, "a", "x", Condition::Absent)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bytes_are_answered_and_change_nothing() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    done(&members[0].submit(put(1, "a", "x", Condition::Absent)).await?);
    let mut state = 1u64;
    for length in 0..400usize {
        let mut bytes = vec![0u8; length % 60];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        if length % 2 == 0 && bytes.len() > 1 {
            // A right head, so that the reader goes on.
            bytes[0] = 1;
            bytes[1] %= 12;
            if [2, 3, 4, 5].contains(&bytes[1]) {
                bytes[1] = 1;
            }
        }
        assert!(!members[1].serve(1, Bytes::from(bytes)).await.is_empty());
    }
    done(&members[1].submit(put(2, "b", "x", Condition::Absent)).await?);
    assert_eq!(members[1].status().health, Health::Well);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_are_batched_and_watched_without_a_gap() -> Test {
    let network = Network::default();
    let (members, _) = network.three().await;
    let from = members[2].view().revision();
    let everything = Interest { resource: None, namespace: None, name: None, field: None };
    let mut watch = members[2].watch(everything, from).expect("the ring holds it");
    let before = members[0].status().last;
    let mut tasks = Vec::new();
    for client in 0..32u32 {
        let member = members[(client % 3) as usize].clone();
        tasks.push(rt::spawn("client", async move {
            for number in 0..20u32 {
                let id = u128::from(client * 1000 + number + 1);
                let outcome = member.submit(put(id, &format!("c{client}-{number}"), "x", Condition::Absent)).await;
                assert!(matches!(outcome, Ok(Outcome::Done { .. })), "{outcome:?}");
            }
        }));
    }
    let mut seen = 0;
    let mut last = watch.cursor();
    while seen < 640 {
        for event in watch.next().await.expect("the ring holds it").events {
            assert_eq!(event.revision.0, last.0 + 1, "no gap");
            last = event.revision;
            seen += 1;
        }
    }
    for task in tasks {
        task.await.expect("a client ends");
    }
    let entries = members[0].status().last - before;
    // The other member has them all once it has caught up.
    members[1].linearizable().await?;
    println!("640 commands in {entries} entries");
    assert!(entries < 640);
    let lines = members[1].log(before + 1, before + entries)?;
    assert_eq!(lines.len() as u64, entries);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_can_be_read_and_watched_from() -> Test {
    let network = Network::default();
    let (members, disks) = network.three().await;
    let mut hashes = Vec::new();
    for id in 0..30u32 {
        let revision = done(&members[0].submit(put(u128::from(id) + 1, "a", &format!("{id}"), any(id))).await?);
        hashes.push((revision, members[0].view().hash(), members[0].view().time()));
    }
    for id in 1..=3 {
        network.kill(id).await;
    }
    let mut again = Vec::new();
    for (id, disk) in (1..).zip(&disks) {
        again.push(network.start(id, disk.clone()).await);
    }
    let member = &again[1];
    member.linearizable().await?;
    for (revision, hash, time) in &hashes {
        assert_eq!(member.view_at(*revision).await?.expect("retained").hash(), *hash);
        let then = member.view_at_time(*time).await?.expect("retained");
        assert!(then.time() <= *time && then.revision() >= *revision);
    }
    assert!(member.view_at(hashes[29].0.next()).await?.is_none(), "the future");
    let everything = Interest { resource: None, namespace: None, name: None, field: None };
    let mut watch = member.watch(everything, hashes[4].0).expect("retained");
    let mut seen = Vec::new();
    while seen.len() < 25 {
        seen.extend(watch.next().await.expect("retained").events.iter().map(|event| event.revision));
    }
    assert_eq!(seen, hashes[5..].iter().map(|(revision, ..)| *revision).collect::<Vec<_>>());
    let lines = member.log(0, u64::MAX)?;
    assert!(lines.windows(2).all(|pair| pair[0].index + 1 == pair[1].index));
    assert!(lines.len() > 30);
    assert_eq!(
        lines.last().map(|line| line.chain),
        again[2].log(0, u64::MAX)?.get(lines.len() - 1).map(|line| line.chain)
    );
    Ok(())
}

fn any(id: u32) -> Condition {
    if id == 0 { Condition::Absent } else { Condition::Exists }
}

#[tokio::test]
async fn a_member_alone_has_a_past_too() -> Test {
    let member = Member::alone();
    let mut revisions = Vec::new();
    for id in 0..5u32 {
        revisions.push(done(&member.submit(put(u128::from(id) + 1, "a", &format!("{id}"), any(id))).await?));
    }
    let then = member.view_at(revisions[1]).await?.expect("retained");
    assert_eq!(then.revision(), revisions[1]);
    assert_eq!(member.log(0, 99)?.len(), 6);
    assert_eq!(member.leading(), Some(1));
    Ok(())
}
