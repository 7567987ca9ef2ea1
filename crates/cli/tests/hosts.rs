//! What the simulator pretends, done for real: three members and three nodes, each a process on a host of its own (a network namespace),
//! with real disks, packets that the kernel drops, kill -9 and SIGSTOP. Clients write down what they are told as simulated clients do, and
//! the same invariants judge it, against the logs that the members leave. It asserts nothing of speed, and it leaves nothing behind.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
#[allow(dead_code, reason = "the operator's client, of which a part is used")]
#[path = "../src/client.rs"]
mod client;
mod cluster;
#[allow(dead_code, reason = "what the operator's client says; a part is used")]
#[path = "../src/failure.rs"]
mod failure;
#[path = "hosts/mod.rs"]
mod hosts;
#[allow(dead_code, reason = "what the operator's client reads; a part is used")]
#[path = "../src/kubeconfig.rs"]
mod kubeconfig;

use client::Target;
use cluster::eventually;
use hosts::client::{Client, Record};
use hosts::ground::Ground;
use hosts::processes::{CLIENTS, MEMBERS, NODES, Processes};
use hosts::storm::Storm;
use hosts::{truth, work};
use nix::sys::signal::Signal;
use serde_json::Value;
use simulation::whole::evidence::Whole;
use simulation::whole::outside;
use simulation::whole::workload::COUNTER;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const SILENCE: Duration = Duration::from_secs(2);

/// Runs something on the clients' host to its end.
fn block_on<F: Future>(ground: &Ground, make: impl FnOnce() -> F + Send) -> F::Output
where
    F::Output: Send,
{
    ground.run(CLIENTS, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(make())
    })
}

/// What status says when all members are well and equal, and nothing but three pods of the Deployment is there, which run.
fn rests(processes: &Processes<'_>, targets: &Arc<[Target]>, record: &Arc<Record>) -> Option<Value> {
    let status = processes.ask(&["status"])?;
    let well = status["members"].as_array()?.iter().all(|member| member["health"] == "well");
    let sessions = status["nodes"].as_array()?.iter().filter(|node| node["session"].is_object()).count();
    cluster::agreed(&status, MEMBERS.len()).filter(|_| well && sessions == NODES.len())?;
    let asked = block_on(processes.ground, || async {
        Client::new(targets, 0, record).ask("GET", work::PODS, Value::Null).await
    });
    let (200, pods) = asked? else { return None };
    let pods = pods["items"].as_array()?;
    let runs = |pod: &Value| {
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
        let ready =
            ready.filter(|condition| condition["type"] == "Ready" && condition["status"] == "True").count() == 1;
        ready && pod["metadata"]["deletionTimestamp"].is_null()
    };
    (pods.len() == 3 && pods.iter().all(runs)).then_some(status)
}

/// The processes that are containers of this test, whoever started them.
fn containers() -> usize {
    let (name, value) = work::mark();
    cluster::marked(&format!("{name}={value}"))
}

/// A last write, rest, and a while in which nothing is written, so that watches are given all there is; what status says then.
fn calm(processes: &Processes<'_>, targets: &Arc<[Target]>, record: &Arc<Record>) -> Value {
    let mut last = Client::new(targets, 1, record);
    eventually("a last write", || block_on(processes.ground, || work::replicas(&mut last, 3)).then_some(()));
    eventually("all is at rest", || {
        let before = rests(processes, targets, record)?;
        std::thread::sleep(SILENCE);
        rests(processes, targets, record).filter(|status| status["revision"] == before["revision"])
    })
}

#[test]
fn real_hosts_keep_what_simulated_ones_promise() {
    let started = Instant::now();
    let names: Vec<&str> = MEMBERS.into_iter().chain(NODES).chain([CLIENTS]).collect();
    let Some(ground) = Ground::open(&names) else { return };
    let mut processes = Processes::found(&ground);
    let config = |name: &str| kubeconfig::read(&processes.kubeconfig(name)).expect("a kubeconfig");
    let targets: Arc<[Target]> = MEMBERS.map(|name| Target::new(&config(name)).expect("a member")).into();
    let record = Arc::new(Record::default());
    block_on(&ground, || async { work::prepare(&mut Client::new(&targets, 0, &record)).await });
    println!("{:?}: a cluster of three members and three nodes", started.elapsed());
    let whole = std::thread::scope(|scope| {
        let clients = scope.spawn(|| block_on(&ground, || work::all(targets.clone(), record.clone())));
        let watchers = scope.spawn(|| block_on(&ground, || work::watch(targets.clone(), record.clone())));
        let stormed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut storm = Storm { processes: &mut processes, record: &record, spans: 0 };
            storm.rage();
            println!("{:?}: all faults are over after {} spans", started.elapsed(), storm.spans);
            record.over.store(true, Ordering::SeqCst);
            clients.join().expect("the clients end");
            let status = calm(&processes, &targets, &record);
            println!("{:?}: all is at rest", started.elapsed());
            assert_eq!(containers(), 3, "three pods have a process each, and nobody else has one");
            for name in MEMBERS {
                processes.stop(name, Signal::SIGTERM);
            }
            status
        }));
        record.over.store(true, Ordering::SeqCst);
        record.watched.store(true, Ordering::SeqCst);
        watchers.join().expect("the watchers end");
        let status = stormed.unwrap_or_else(|why| std::panic::resume_unwind(why));
        truth::evidence(&processes, &record, &status)
    });
    judge(whole, &processes, &record);
    println!("{:?}: judged", started.elapsed());
    drop(processes);
    assert_eq!(containers(), 0, "nothing is left");
}

/// The invariants, and that there was something to judge.
fn judge(mut whole: Whole, processes: &Processes<'_>, record: &Record) {
    let violations = outside::judge(&mut whole);
    let told =
        |method: &str, code: u16| whole.spoken.iter().filter(|one| one.method == method && one.code == code).count();
    let unknown = record.unknown.load(Ordering::SeqCst);
    let acknowledged: u64 = record.acknowledged().iter().sum();
    let events: Vec<usize> = whole.watches.iter().map(|watched| watched.seen.len()).collect();
    let connections: Vec<u32> = whole.watches.iter().map(|watched| watched.connections).collect();
    let reference = &whole.members.reference;
    println!(
        "{} answers, {acknowledged} writes acknowledged, {unknown} requests unknown; GET 200: {}, GET 404: {}, POST 201: {}, \
         PUT 200: {}, PUT 409: {}; watches: {events:?} events over {connections:?} connections; log: {} entries, {} revisions",
        whole.spoken.len(),
        told("GET", 200),
        told("GET", 404),
        told("POST", 201),
        told("PUT", 200),
        told("PUT", 409),
        reference.last,
        reference.events.len(),
    );
    let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    for after in &whole.members.calm.members {
        let fold = reference.at(after.index);
        assert_eq!((fold.revision().0, fold.hash()), (after.revision, after.hash), "{after:?} is the fold of the log");
    }
    assert!(acknowledged >= 200 && unknown >= 5, "they wrote, and not in peace");
    assert!(
        told("GET", 200) >= 200 && told("GET", 404) >= 10 && told("PUT", 409) >= 1,
        "they read, and met each other"
    );
    assert!(events.len() == 2 && events.iter().all(|events| *events >= 10), "the watches were given something");
    assert!(connections.iter().all(|connections| *connections >= 2), "and they were broken");
    let counter = reference.at(u64::MAX).get(COUNTER.0, COUNTER.1, COUNTER.2).expect("the counter").value();
    let count: usize = counter["data"]["count"].as_str().and_then(|count| count.parse().ok()).expect("a count");
    println!("the counter stands at {count}");
    assert!(count >= 20, "it was counted");
    for name in MEMBERS.into_iter().chain(NODES) {
        assert!(!processes.said(name).contains("panicked"), "{name}: {}", processes.said(name));
    }
    fails_where_one_answer_differs(whole);
}

/// The same evidence with one answer that is not true: a judge that let that pass would be none.
fn fails_where_one_answer_differs(whole: Whole) {
    let broken = |what: &str, change: &dyn Fn(&mut Whole)| {
        let mut false_one = whole.clone();
        change(&mut false_one);
        let found = outside::judge(&mut false_one);
        assert!(found.iter().any(|violation| violation.invariant == what), "{what}: {found:?}");
    };
    broken("answered", &|whole| {
        let reads = whole.spoken.iter_mut().filter(|one| one.code == 200 && one.answer["data"]["count"].is_string());
        reads.last().expect("a read of the counter").answer["data"]["count"] = "0".into();
    });
    broken("answered", &|whole| {
        let old = whole.spoken.iter().find(|one| one.method == "PUT" && one.code == 200).expect("a write").clone();
        let last = whole.spoken.iter_mut().rfind(|one| one.method == "PUT" && one.path == old.path && one.code == 200);
        last.expect("a later write").answer = old.answer;
    });
    broken("watched", &|whole| _ = whole.watches[0].seen.remove(5));
}
