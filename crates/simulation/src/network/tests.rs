//! The network's promises: order may change, nothing comes twice, a cut is one way, and what is under way outlives its sender.
use super::*;
use crate::world::Order;

const SECOND: Nanos = 1_000_000_000;

/// Sends `count` requests from node 1 to node 2, which echoes; returns (requests that arrived, answers, refusals).
fn echo(count: u64, setup: impl FnOnce(&World, &Network)) -> (Vec<Bytes>, usize, usize) {
    let world = World::new(3, Order::Fifo);
    let network = Network::new(&world, 1_000_000);
    let seen: Arc<Mutex<(Vec<Bytes>, usize, usize)>> = Arc::default();
    let mut letters = network.listen(Node(2));
    let record = seen.clone();
    world.spawn_on(Node(2), "echo", async move {
        while let Some(((from, request), answer)) = letters.recv().await {
            assert_eq!(from, 1);
            record.lock().expect("not poisoned").0.push(request.clone());
            // The asker may have gone.
            let _ = answer.send(request);
        }
    });
    setup(&world, &network);
    let (record, wires) = (seen.clone(), network.clone());
    world.spawn_on(Node(1), "asker", async move {
        let to = MemberInfo { id: 2, ..MemberInfo::default() };
        for number in 0..count {
            let call = wires.transport(Node(1)).call(&to, Bytes::from(number.to_string()));
            let record = record.clone();
            rt::spawn("call", async move {
                match rt::timeout(Duration::from_secs(1), call).await {
                    Some(Ok(_)) => record.lock().expect("not poisoned").1 += 1,
                    Some(Err(_)) => record.lock().expect("not poisoned").2 += 1,
                    None => {}
                }
            });
        }
    });
    world.run(10 * SECOND, |_| false);
    drop(network);
    let result = seen.lock().expect("not poisoned").clone();
    assert!(world.panics().is_empty(), "{:?}", world.panics());
    result
}

#[test]
fn a_healthy_network_delivers_all_once_and_out_of_order() {
    let (mut seen, answers, refusals) = echo(200, |_, _| {});
    let arrived = seen.clone();
    seen.sort_by_key(|bytes| String::from_utf8_lossy(bytes).parse::<u64>().unwrap_or(0));
    assert_eq!((seen.len(), answers, refusals), (200, 200, 0));
    assert_ne!(arrived, seen, "delays differ, so messages overtake each other");
    seen.dedup();
    assert_eq!(seen.len(), 200, "none came twice");
}

#[test]
fn a_cut_is_one_way() {
    let (seen, answers, refusals) = echo(200, |_, network| network.cut(Node(1), Node(2)));
    assert!(seen.is_empty() && answers == 0 && refusals > 0);
    let (seen, answers, _) = echo(200, |_, network| network.cut(Node(2), Node(1)));
    assert_eq!((seen.len(), answers), (200, 0), "requests arrive, answers do not");
    let (seen, answers, _) = echo(200, |_, network| network.set_loss(300));
    assert!((100..180).contains(&seen.len()) && answers < seen.len(), "{} {answers}", seen.len());
}

#[test]
fn what_is_under_way_outlives_its_sender_and_a_dead_receiver_refuses() {
    let (seen, answers, _) = echo(50, |world, _| {
        let site = world.clone();
        world.spawn_on(Node(9), "reaper", async move {
            rt::sleep(Duration::from_micros(50)).await;
            site.kill(Node(1));
        });
    });
    assert_eq!((seen.len(), answers), (50, 0));
    let (seen, answers, refusals) = echo(50, |world, _| world.kill(Node(2)));
    assert_eq!((seen.len(), answers, refusals), (0, 0, 50));
}
