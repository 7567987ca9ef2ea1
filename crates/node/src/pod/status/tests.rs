//! Tables over the status: each shape that kubectl and controllers branch on.
use super::*;
use crate::pod::seen::{Failure, Sandbox};

fn pod(spec: Value) -> Pod {
    Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})).expect("a pod")
}

fn up() -> Seen {
    let sandbox = Sandbox { id: "s".into(), attempt: 0, ready: true, ips: vec!["10.244.200.2".into()], created: 0 };
    Seen { sandbox: Some(sandbox), volumes_ready: true, ..Seen::default() }
}

fn attempt(number: u32, level: u32, state: State) -> Attempt {
    Attempt {
        id: format!("id{number}"),
        sandbox: "s".into(),
        attempt: number,
        level,
        image_id: "i@sha256:x".into(),
        state,
    }
}

fn exited(code: i32, finished: u64) -> State {
    State::Exited(Exit { code, signal: 0, reason: "Error".into(), message: String::new(), started: 0, finished })
}

fn host() -> Host {
    Host { ip: "192.0.2.1".into(), runtime: "rutter".into() }
}

fn ready_condition(status: &Value) -> &Value {
    status["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["type"] == "Ready"))
        .expect("a Ready condition")
}

#[test]
fn phases_and_reasons() {
    let always = json!({"containers": [{"name": "a", "image": "i"}]});
    let never = json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]});
    let pull = |at| Image::Failed(Failure { reason: "ErrImagePull".into(), message: "404".into(), at, count: 1 });
    let mut failed = up();
    failed.images.insert("a".into(), pull(99_999));
    let mut waits = up();
    waits.images.insert("a".into(), pull(0));
    let mut config = up();
    config.fail("container/a", "CreateContainerConfigError", "configmap \"m\" not found".into(), 0);
    let runs = |attempts: Vec<Attempt>| Seen { containers: [("a".to_owned(), attempts)].into(), ..up() };
    let table = [
        (&always, Seen::default(), "Pending", "/state/waiting/reason", json!("ContainerCreating")),
        (&always, failed, "Pending", "/state/waiting/reason", json!("ErrImagePull")),
        (&always, waits, "Pending", "/state/waiting/reason", json!("ImagePullBackOff")),
        (&always, config, "Pending", "/state/waiting/reason", json!("CreateContainerConfigError")),
        (
            &always,
            runs(vec![attempt(0, 0, State::Running { since: 1_000 })]),
            "Running",
            "/state/running/startedAt",
            json!("1970-01-01T00:00:01Z"),
        ),
        (
            &always,
            runs(vec![attempt(1, 1, exited(1, 99_000))]),
            "Running",
            "/state/waiting/reason",
            json!("CrashLoopBackOff"),
        ),
        (&always, runs(vec![attempt(1, 1, exited(1, 99_000))]), "Running", "/lastState/terminated/exitCode", json!(1)),
        (&never, runs(vec![attempt(0, 0, exited(0, 1))]), "Succeeded", "/state/terminated/exitCode", json!(0)),
        (&never, runs(vec![attempt(0, 0, exited(7, 1))]), "Failed", "/state/terminated/exitCode", json!(7)),
    ];
    for (spec, seen, phase, pointer, value) in table {
        let status = make(&pod(spec.clone()), &seen, None, &host(), 100_000);
        assert_eq!(status["phase"], phase, "{status}");
        assert_eq!(status["containerStatuses"][0].pointer(pointer), Some(&value), "{status}");
    }
}

#[test]
fn a_running_pod_is_ready_and_keeps_its_stamps() {
    let pod = pod(json!({"containers": [{"name": "a", "image": "i"}]}));
    let seen =
        Seen { containers: [("a".to_owned(), vec![attempt(0, 0, State::Running { since: 5_000 })])].into(), ..up() };
    let first = make(&pod, &seen, None, &host(), 6_000);
    assert_eq!(ready_condition(&first)["status"], "True");
    assert_eq!(
        (&first["podIP"], &first["hostIP"], &first["qosClass"]),
        (&json!("10.244.200.2"), &json!("192.0.2.1"), &json!("BestEffort"))
    );
    assert_eq!(first["containerStatuses"][0]["containerID"], "rutter://id0");
    let second = make(&pod, &seen, Some(&first), &host(), 60_000);
    assert_eq!(first, second, "nothing changed, so nothing is new to say");
}

#[test]
fn readiness_follows_probe_and_gate() {
    let mut pod = pod(json!({"readinessGates": [{"conditionType": "x.io/open"}],
        "containers": [{"name": "a", "image": "i", "readinessProbe": {"tcpSocket": {"port": 80}}}]}));
    let mut seen =
        Seen { containers: [("a".to_owned(), vec![attempt(0, 0, State::Running { since: 5_000 })])].into(), ..up() };
    let status = make(&pod, &seen, None, &host(), 6_000);
    assert_eq!(
        (ready_condition(&status)["status"].as_str(), ready_condition(&status)["reason"].as_str()),
        (Some("False"), Some("ContainersNotReady"))
    );
    seen.probes_mut("a", "id0").readiness.verdict = Some(true);
    let status = make(&pod, &seen, None, &host(), 6_000);
    assert_eq!(ready_condition(&status)["reason"], "ReadinessGatesNotReady");
    pod.status = json!({"conditions": [{"type": "x.io/open", "status": "True"}]});
    let status = make(&pod, &seen, None, &host(), 6_000);
    assert_eq!(ready_condition(&status)["status"], "True");
    assert!(
        status["conditions"].as_array().is_some_and(|all| all.iter().any(|c| c["type"] == "x.io/open")),
        "others' conditions stay"
    );
}

#[test]
fn init_containers_hold_the_others_back() {
    let pod =
        pod(json!({"initContainers": [{"name": "x", "image": "i"}], "containers": [{"name": "a", "image": "i"}]}));
    let status = make(&pod, &up(), None, &host(), 0);
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    let initialized =
        status["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == "Initialized")).expect("there");
    assert_eq!(
        (initialized["status"].as_str(), initialized["reason"].as_str()),
        (Some("False"), Some("ContainersNotInitialized"))
    );
}
