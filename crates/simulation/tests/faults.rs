//! Each kind of fault does something: the same seed with that one fault ends elsewhere than without it. What it does rightly is for the
//! invariants.
use simulation::whole::{Scenario, Sheet, faults, in_fresh_thread};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SITE: &str = "members 3\nnodes 2\nfor 5s\norder fifo\nnetwork 1ms\ndisk 100us\npause 100ms\nsegment 16384\nkeep all\n\
    machine pull 50ms work 5ms failing 0 crashing 0\nclocks right\nclients 3 rollouts\nclients 1 counters\n";

/// Whom it meets here, and how strongly.
fn meets(kind: &str) -> &'static str {
    match kind {
        "stop" | "crash" | "pause" | "suspend" | "isolate" | "stall" | "replace" | "misdirect" | "lie" => "m1",
        "rot" => "m1 8",
        "reboot" | "reinstall" | "no-volumes" | "no-pod-network" | "migrate" => "n2",
        "cut" => "m1 m2",
        "flap" => "m1 m2 500",
        "lose" => "200",
        "split" => "m1 1",
        "slow" => "20",
        "crash-at-write" => "m1 5",
        "crash-at-await" => "m1 1000",
        "fill" => "m1 100",
        "jump" => "m1 60000",
        "power-loss" | "blackout" | "dull" => "",
        other => panic!("say here whom `{other}` meets"),
    }
}

/// What became of the run, but for its own clockwork: messages, what processes did, containers, watches, and the last state.
fn outcome(kind: Option<&str>) -> String {
    let carrier = if kind.is_some_and(|kind| kind != "migrate") { "twin" } else { "quic" };
    let fault = kind.map(|kind| format!("at 0s for 4s {kind} {}", meets(kind)));
    run(carrier, fault.as_deref().unwrap_or("faults none"))
}

fn run(carrier: &str, faults: &str) -> String {
    let text = format!("{SITE}sessions {carrier}\n{faults}\n");
    let sheet = Sheet::read(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
    let run = in_fresh_thread(&Scenario::drawn(1, &sheet), simulation::Keep::default());
    assert!(run.violations.is_empty(), "{faults}: {:?}", run.violations);
    let whole = &run.evidence;
    let connections: Vec<u32> = whole.watches.iter().map(|watch| watch.connections).collect();
    let state = whole.members.reference.at(u64::MAX).hash();
    format!("{:?} {} {} {connections:?} {state:?}", run.messages, whole.marks.len(), whole.lives.len())
}

#[test]
fn each_kind_changes_what_happens() {
    let (twin, quic) = (run("twin", "faults none"), outcome(None));
    assert_eq!(twin, run("twin", "faults none"), "a run repeats itself");
    let without = |kind: &str| if kind == "migrate" { &quic } else { &twin };
    let idle: Vec<&str> =
        faults::ALL.iter().map(|fault| fault.name).filter(|kind| outcome(Some(kind)) == *without(kind)).collect();
    assert!(idle.is_empty(), "these do nothing: {idle:?}");
}
