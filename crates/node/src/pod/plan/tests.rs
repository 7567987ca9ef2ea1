//! Tables over the plan: desired, observed and time in, actions out.
use super::*;
use crate::pod::seen::{Exit, Failure, Sandbox};
use serde_json::{Value, json};

fn pod(spec: Value) -> Pod {
    Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})).expect("a pod")
}

fn one() -> Pod {
    pod(json!({"containers": [{"name": "a", "image": "i"}]}))
}

fn up() -> Seen {
    let sandbox = Sandbox { id: "s".into(), attempt: 0, ready: true, ips: vec!["10.0.0.2".into()], created: 0 };
    Seen { sandbox: Some(sandbox), volumes_ready: true, ..Seen::default() }
}

fn attempt(name: &str, number: u32, level: u32, state: State) -> Attempt {
    Attempt {
        id: format!("{name}{number}"),
        sandbox: "s".into(),
        attempt: number,
        level,
        image_id: "i@x".into(),
        state,
    }
}

fn exited(code: i32, finished: u64) -> State {
    State::Exited(Exit { code, signal: 0, reason: "Error".into(), message: String::new(), started: 0, finished })
}

fn with(mut seen: Seen, name: &str, attempts: Vec<Attempt>) -> Seen {
    seen.images.insert(name.into(), Image::Here { id: "i@x".into() });
    seen.containers.insert(name.into(), attempts);
    seen
}

fn start(name: &str, attempt: u32, level: u32) -> Action {
    Action::Start { container: name.into(), attempt, level }
}

#[test]
fn a_pod_comes_up_step_by_step() {
    let pod = one();
    let mut seen = Seen::default();
    assert_eq!(plan(&pod, &seen, 0).actions, [Action::Volumes]);
    seen.busy.insert("volumes".into());
    assert_eq!(plan(&pod, &seen, 0), Plan::default());
    seen = Seen { volumes_ready: true, ..Seen::default() };
    assert_eq!(plan(&pod, &seen, 0).actions, [Action::RunSandbox { attempt: 0 }]);
    seen = up();
    assert_eq!(plan(&pod, &seen, 0).actions, [Action::Image { container: "a".into() }]);
    seen.images.insert("a".into(), Image::Here { id: "x".into() });
    assert_eq!(plan(&pod, &seen, 0).actions, [start("a", 0, 0)]);
    seen = with(up(), "a", vec![attempt("a", 0, 0, State::Running { since: 0 })]);
    assert_eq!(plan(&pod, &seen, 0), Plan::default());
}

#[test]
fn restarts_follow_the_policy_and_the_back_off() {
    for (policy, code, restarts) in [
        ("Always", 0, true),
        ("Always", 1, true),
        ("OnFailure", 0, false),
        ("OnFailure", 1, true),
        ("Never", 0, false),
        ("Never", 1, false),
    ] {
        let pod = pod(json!({"restartPolicy": policy, "containers": [{"name": "a"}]}));
        let seen = with(up(), "a", vec![attempt("a", 1, 1, exited(code, 1_000))]);
        let early = plan(&pod, &seen, 10_999);
        let late = plan(&pod, &seen, 11_000);
        if restarts {
            assert_eq!(early, Plan { actions: vec![], wake_at: Some(11_000) }, "{policy} {code}");
            assert_eq!(late.actions, [start("a", 2, 2)], "{policy} {code}");
        } else {
            assert_eq!(late.actions, [Action::StopSandbox { id: "s".into() }], "{policy} {code}");
            assert_eq!(course(&pod, &seen, 0), Course::Done { failed: code != 0 });
        }
    }
}

#[test]
fn init_containers_run_in_order_and_sidecars_beside() {
    let pod = pod(
        json!({"initContainers": [{"name": "x"}, {"name": "side", "restartPolicy": "Always"}, {"name": "y"}], "containers": [{"name": "a"}]}),
    );
    let mut seen = up();
    for name in ["x", "side", "y", "a"] {
        seen.images.insert(name.into(), Image::Here { id: "i".into() });
    }
    assert_eq!(plan(&pod, &seen, 0).actions, [start("x", 0, 0)]);
    seen = with(seen, "x", vec![attempt("x", 0, 0, State::Running { since: 0 })]);
    assert_eq!(plan(&pod, &seen, 0).actions, []);
    seen = with(seen, "x", vec![attempt("x", 0, 0, exited(3, 5))]);
    assert_eq!(plan(&pod, &seen, 5).actions, [start("x", 1, 1)]);
    seen = with(seen, "x", vec![attempt("x", 1, 1, exited(0, 6))]);
    assert_eq!(plan(&pod, &seen, 6).actions, [start("side", 0, 0)]);
    seen = with(seen, "side", vec![attempt("side", 0, 0, State::Running { since: 7 })]);
    assert_eq!(plan(&pod, &seen, 7).actions, [start("y", 0, 0)]);
    seen = with(seen, "y", vec![attempt("y", 0, 0, exited(0, 8))]);
    assert_eq!(plan(&pod, &seen, 8).actions, [start("a", 0, 0)]);
    seen = with(seen, "a", vec![attempt("a", 0, 0, State::Running { since: 9 })]);
    seen = with(seen, "side", vec![attempt("side", 0, 0, exited(1, 10))]);
    assert_eq!(plan(&pod, &seen, 10).actions, [start("side", 1, 1)]);
}

#[test]
fn a_failed_init_container_fails_a_pod_that_never_restarts() {
    let pod = pod(json!({"restartPolicy": "Never", "initContainers": [{"name": "x"}], "containers": [{"name": "a"}]}));
    let seen = with(up(), "x", vec![attempt("x", 0, 0, exited(3, 5))]);
    assert_eq!(course(&pod, &seen, 6), Course::Done { failed: true });
}

#[test]
fn deletion_stops_once_with_grace_then_takes_everything_away() {
    let mut pod = one();
    pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
    pod.metadata.deletion_grace_period_seconds = Some(5);
    let mut seen = with(up(), "a", vec![attempt("a", 0, 0, State::Running { since: 0 })]);
    let actions = plan(&pod, &seen, 100).actions;
    assert!(matches!(&actions[..], [Action::Stop { id, grace: 5_000, .. }] if id == "a0"), "{actions:?}");
    seen.stopping.insert("a0".into(), 5_100);
    assert_eq!(plan(&pod, &seen, 200).actions, []);
    pod.metadata.deletion_grace_period_seconds = Some(0);
    assert!(matches!(&plan(&pod, &seen, 200).actions[..], [Action::Stop { grace: 0, .. }]), "a shorter grace is heard");
    seen = with(up(), "a", vec![attempt("a", 0, 0, exited(143, 300))]);
    assert_eq!(plan(&pod, &seen, 300).actions, [Action::StopSandbox { id: "s".into() }]);
    seen.sandbox.as_mut().expect("there").ready = false;
    assert_eq!(plan(&pod, &seen, 300).actions, [Action::Remove]);
    seen.busy.insert("remove".into());
    assert_eq!(plan(&pod, &seen, 300).actions, []);
}

#[test]
fn an_end_that_failed_waits_before_it_is_tried_again() {
    let mut pod = one();
    pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
    let mut stopped = up();
    stopped.sandbox.as_mut().expect("there").ready = false;
    let runs = with(up(), "a", vec![attempt("a", 0, 0, State::Running { since: 0 })]);
    for (mut seen, what) in [(stopped, "remove"), (up(), "end"), (runs, "stop/a0")] {
        assert_eq!(plan(&pod, &seen, 1_000).actions.len(), 1, "{what}");
        seen.fail(what, "FailedKillPod", "the disk does not answer".into(), 1_000);
        let waits = plan(&pod, &seen, 1_001);
        assert_eq!((waits.actions.len(), waits.wake_at), (0, Some(2_000)), "{what}");
        assert_eq!(plan(&pod, &seen, 2_000).actions.len(), 1, "{what}");
    }
}

#[test]
fn deletion_waits_for_what_is_being_started() {
    let mut pod = one();
    pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
    let mut seen = up();
    seen.busy.insert("start/a".into());
    assert_eq!(plan(&pod, &seen, 0).actions, []);
}

#[test]
fn what_failed_is_tried_again_later() {
    let pod = one();
    let mut seen = up();
    let failure = Failure { reason: "ErrImagePull".into(), message: "no".into(), at: 1_000, count: 2 };
    seen.images.insert("a".into(), Image::Failed(failure));
    assert_eq!(plan(&pod, &seen, 1_500), Plan { actions: vec![], wake_at: Some(3_000) });
    assert_eq!(plan(&pod, &seen, 20_999), Plan { actions: vec![], wake_at: Some(21_000) });
    assert_eq!(plan(&pod, &seen, 21_000).actions, [Action::Image { container: "a".into() }]);
    seen.images.insert("a".into(), Image::Here { id: "x".into() });
    seen.fail("container/a", "CreateContainerConfigError", "no map".into(), 1_000);
    assert_eq!(plan(&pod, &seen, 1_500), Plan { actions: vec![], wake_at: Some(2_000) });
    assert_eq!(plan(&pod, &seen, 2_000).actions, [start("a", 0, 0)]);
}

#[test]
fn a_lost_sandbox_is_made_again_and_containers_run_in_it() {
    let pod = one();
    let mut seen = with(up(), "a", vec![attempt("a", 4, 4, exited(255, 10))]);
    seen.sandbox.as_mut().expect("there").ready = false;
    assert_eq!(plan(&pod, &seen, 10).actions, [Action::RunSandbox { attempt: 1 }]);
    seen.sandbox = Some(Sandbox { id: "s2".into(), attempt: 1, ready: true, ips: vec![], created: 11 });
    assert_eq!(
        plan(&pod, &seen, 11).actions,
        [start("a", 5, 5)],
        "without a back-off: the machine failed, not the container"
    );
}

#[test]
fn a_sick_container_is_stopped_and_an_old_attempt_discarded() {
    let pod =
        pod(json!({"containers": [{"name": "a", "livenessProbe": {"tcpSocket": {"port": 1}, "failureThreshold": 1}}]}));
    let mut seen = with(
        up(),
        "a",
        vec![
            attempt("a", 0, 0, exited(1, 1)),
            attempt("a", 1, 1, exited(1, 2)),
            attempt("a", 2, 2, State::Running { since: 3 }),
        ],
    );
    let actions = plan(&pod, &seen, 3).actions;
    assert_eq!(actions[0], Action::Probe { container: "a".into(), id: "a2".into(), kind: Kind::Liveness });
    assert_eq!(actions[1], Action::Discard { id: "a0".into() });
    let probe = pod.spec.containers[0].liveness_probe.clone().expect("there");
    probe::record(&probe, &mut seen.probes_mut("a", "a2").liveness, false, "refused", 4);
    assert!(
        matches!(&plan(&pod, &seen, 5).actions[0], Action::Stop { id, why, .. } if id == "a2" && why.contains("refused"))
    );
}

#[test]
fn the_deadline_ends_a_pod() {
    let mut pod = pod(json!({"activeDeadlineSeconds": 5, "containers": [{"name": "a"}]}));
    pod.status = json!({"startTime": "1970-01-01T00:00:10Z"});
    let seen = with(up(), "a", vec![attempt("a", 0, 0, State::Running { since: 10_000 })]);
    assert_eq!(plan(&pod, &seen, 14_999), Plan { actions: vec![], wake_at: Some(15_000) });
    assert!(matches!(plan(&pod, &seen, 15_000).actions[..], [Action::Stop { .. }]));
}
