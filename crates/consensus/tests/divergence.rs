//! A member whose state differs from the others' stops, says so, and does not serve again when it is started again.
mod net;

use api::command::Condition;
use consensus::{Careless, Health, Member, StartError, Tuning};
use net::{Network, Setup, done, leader, put};
use std::time::Duration;
use store::disk::memory::MemoryDisk;

type Test = Result<(), Box<dyn std::error::Error>>;

async fn ill(member: &Member) -> Health {
    for _ in 0..1_000 {
        let health = member.status().health;
        if health != Health::Well {
            return health;
        }
        rt::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is still well: {:?}", member.status());
}

/// Writes something, and then tries it again.
async fn twice(member: &Member) {
    done(&member.submit(put(100, "a", "x", Condition::Absent)).await.expect("is done"));
    for (id, value) in [(101, "y"), (102, "z"), (101, "y")] {
        done(&member.submit(put(id, "a", value, Condition::Exists)).await.expect("is done"));
    }
}

/// The third of three folds a retried command twice.
async fn differing(leads: bool) -> (Network, Vec<Member>, Vec<MemoryDisk>) {
    let network = Network::default();
    let careless = Careless { folds_twice: true, ..Careless::default() };
    let wrong = Setup { tuning: Tuning { careless, ..Tuning::default() }, ..Setup::default() };
    let (members, disks) = network.three_with(&[Setup::default(), Setup::default(), wrong]).await;
    if leads {
        members[0].hand_over(Some(3)).await.expect("it is asked");
        while leader(&members).await != 2 {
            rt::sleep(Duration::from_millis(10)).await;
        }
    }
    let writer = if leads { 0 } else { 1 };
    twice(&members[writer]).await;
    (network, members, disks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_differs_stops_for_good_whether_it_leads_or_not() -> Test {
    for leads in [false, true] {
        let (network, members, disks) = differing(leads).await;
        let health = ill(&members[2]).await;
        assert!(matches!(health, Health::Diverged { .. }), "{health:?}");
        assert!(members[2].submit(put(2, "b", "x", Condition::Absent)).await.is_err(), "it serves no writes");
        assert!(members[2].linearizable().await.is_err(), "and no reads");
        // The others go on, and it does not come back, not even with a fold that is right again.
        done(&members[0].submit(put(3, "c", "x", Condition::Absent)).await?);
        network.kill(3).await;
        for _ in 0..2 {
            let again = network.try_start(3, disks[2].clone(), &Setup::default()).await;
            let Err(StartError::Diverged(why)) = again.map(|_| ()) else { panic!("it serves again") };
            assert!(why.contains("on a majority"), "{why}");
        }
        // One command puts another in its place.
        let four = network.start(4, MemoryDisk::default()).await;
        members[0].replace(3, Network::info(4)).await?;
        assert_eq!(four.linearizable().await?.hash(), members[0].linearizable().await?.hash());
        assert_eq!((members[0].status().health, four.status().health), (Health::Well, Health::Well));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nobody_is_condemned() -> Test {
    let network = Network::default();
    let careless = Careless { folds_twice: true, ..Careless::default() };
    let wrong = Setup { tuning: Tuning { careless, ..Tuning::default() }, ..Setup::default() };
    let (members, disks) = network.three_with(&[Setup::default(), Setup::default(), wrong]).await;
    network.kill(2).await;
    let two = [members[0].clone(), members[2].clone()];
    twice(&members[0]).await;
    let old = leader(&two).await;
    let health = ill(&two[old]).await;
    assert!(matches!(health, Health::Disputed { .. }), "{health:?}");
    // The third decides: who led may start again if it was right, and the wrong one is found.
    network.kill([1, 3][old]).await;
    network.start(2, disks[1].clone()).await;
    if old == 0 {
        let first = network.start(1, disks[0].clone()).await;
        let health = ill(&members[2]).await;
        assert!(matches!(health, Health::Diverged { .. }), "{health:?}");
        done(&first.submit(put(3, "c", "x", Condition::Absent)).await?);
    }
    Ok(())
}
