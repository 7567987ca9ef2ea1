//! The twin passes the exam of every disk, and it keeps promises, and only promises, through power losses.
use super::*;
use crate::world::Order;

fn device(seed: u64) -> (World, Device) {
    let world = World::new(seed, Order::Fifo);
    let device = Device::new(&world, Node(1), 200_000);
    (world, device)
}

/// Lets the time pass that the disk is owed.
fn pay(world: &World, disk: &Arc<dyn Disk>) {
    let owed = disk.owed();
    world.spawn_on(Node(1), "owner", async move { rt::sleep(owed).await });
    world.run(Nanos::MAX / 4, |_| false);
}

#[test]
fn the_twin_passes_the_exam() {
    let (_world, device) = device(1);
    store::disk::exam::exam(&mut || device.open());
}

#[test]
fn promises_are_kept_and_the_rest_is_torn() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (world, device) = device(seed);
        let disk = device.open();
        disk.create("log").expect("healthy");
        disk.append("log", &[7; 1_000]).expect("healthy");
        disk.sync("log").expect("healthy");
        pay(&world, &disk);
        disk.append("log", &[9; 3_000]).expect("healthy");
        device.lose_power();
        assert!(disk.len("log").is_err(), "the dead process's handle answers nothing");
        let disk = device.open();
        let found = disk.read_at("log", 0, 10_000).expect("healthy");
        assert!(found.len() >= 1_000 && found[..1_000] == [7; 1_000], "seed {seed} broke a promise");
        let zeros = found[1_000..].iter().filter(|byte| **byte == 0).count();
        assert!(found[1_000..].iter().all(|byte| matches!(byte, 0 | 9)));
        outcomes.insert((found.len() > 1_000, found.len() < 4_000, zeros > 0));
        device.lose_power();
        assert_eq!(device.open().read_at("log", 0, 10_000), Ok(found), "what survived once stays");
    }
    let all = [(false, true, false), (true, false, false), (true, true, false), (true, false, true)];
    assert!(all.iter().all(|kind| outcomes.contains(kind)), "lost, kept, cut and torn all occur: {outcomes:?}");
}

#[test]
fn names_are_lost_in_order_until_their_time_is_paid() {
    let (mut none, mut one, mut both) = (0, 0, 0);
    for seed in 0..200 {
        let (world, device) = device(seed);
        let disk = device.open();
        disk.create("a").expect("healthy");
        disk.rename("a", "b").expect("healthy");
        if seed % 2 == 0 {
            pay(&world, &disk);
        }
        device.lose_power();
        match device.open().list().expect("healthy").as_slice() {
            [] => none += 1,
            [name] if name == "a" => one += 1,
            [name] if name == "b" => both += 1,
            other => panic!("seed {seed} invented {other:?}"),
        }
    }
    assert!(both >= 100 && none > 0 && one > 0, "{none} {one} {both}");
}

#[test]
fn a_crash_of_the_process_loses_nothing() {
    let (_world, device) = device(4);
    let disk = device.open();
    disk.create("f").expect("healthy");
    disk.append("f", b"not synced").expect("healthy");
    device.stop();
    assert!(disk.append("f", b"more").is_err());
    assert_eq!(device.open().read_at("f", 0, 100), Ok(b"not synced".to_vec()));
}

#[test]
fn full_read_only_stalled_flipped_and_lying_disks() {
    let (world, device) = device(5);
    let disk = device.open();
    disk.create("f").expect("healthy");
    device.set_room(Some(3));
    assert_eq!(disk.append("f", b"12345"), Err(DiskError::Full));
    assert_eq!(disk.len("f"), Ok(3), "a part was written");
    device.set_room(None);
    device.set_read_only(true);
    assert_eq!(disk.append("f", b"x"), Err(DiskError::ReadOnly));
    device.set_read_only(false);
    pay(&world, &disk);
    device.stall(world.time() + 5_000_000_000);
    disk.sync("f").expect("healthy");
    assert!(disk.owed() >= Duration::from_secs(5));
    assert!(device.flip());
    assert_ne!(disk.read_at("f", 0, 9), Ok(b"123".to_vec()));
    device.lie(true);
    let mut lost = false;
    for number in 0..20_u64 {
        let disk = device.open();
        disk.append("f", b"word").expect("healthy");
        disk.sync("f").expect("healthy");
        let length = disk.len("f").expect("healthy");
        device.lose_power();
        lost |= device.open().len("f").expect("healthy") < length;
        assert!(number < 20);
    }
    assert!(lost, "a lying disk loses what it promised");
}

#[test]
fn a_disk_that_lied_knows_it_once_the_power_went() {
    let (world, device) = device(7);
    let disk = device.open();
    disk.create("f").expect("healthy");
    disk.sync("f").expect("healthy");
    pay(&world, &disk);
    device.lie(true);
    disk.append("f", b"word").expect("healthy");
    disk.sync("f").expect("healthy");
    pay(&world, &disk);
    device.stop();
    assert!(!device.forgot() && device.open().len("f") == Ok(4), "what the system holds is there until the power goes");
    device.lose_power();
    assert!(device.forgot());
    device.forgive();
    device.lie(false);
    device.lose_power();
    assert!(!device.forgot());
}

#[test]
fn a_write_astray_lands_elsewhere_and_leaves_zeros() {
    let mut hosts = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let (_world, device) = device(seed);
        let disk = device.open();
        for name in ["a", "b"] {
            disk.create(name).expect("healthy");
            disk.append(name, &[7; 2_000]).expect("healthy");
        }
        device.stray(true);
        disk.append("a", &[9; 100]).expect("it seems to be written");
        disk.append("a", &[8; 100]).expect("only one goes astray");
        let [a, b] = ["a", "b"].map(|name| disk.read_at(name, 0, 9_999).expect("healthy"));
        assert_eq!((a.len(), b.len(), &a[2_100..]), (2_200, 2_000, &[8; 100][..]), "no length tells it");
        let nines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == 9).count();
        assert!(nines(&a) + nines(&b) > 0 && a[2_000..2_100].iter().all(|byte| matches!(byte, 0 | 9)));
        hosts.insert(nines(&a) > 0);
        assert!(!device.forgot(), "whoever reads it sees a hole before a later write");
        disk.truncate("a", 2_000).expect("healthy");
        assert!(device.forgot(), "the hole is cut off, and with it the trace");
    }
    assert_eq!(hosts.len(), 2, "the same file and another");
}

#[test]
fn an_armed_crash_strikes_in_the_middle() {
    let (world, device) = device(6);
    let disk = device.open();
    disk.create("f").expect("healthy");
    device.arm(Some(1));
    disk.append("f", b"one").expect("not yet");
    assert!(disk.sync("f").is_err(), "the power went during the sync");
    assert_eq!(world.life(Node(1)), 1, "the node was killed");
    assert!(disk.append("f", b"two").is_err());
}
