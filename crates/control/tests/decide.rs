//! The leader's loop with a toy controller on a member that stands alone: what happens becomes decisions, decisions become commands.
use api::command::{Change, Command, CommandId, Condition, Outcome, Write};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::revision::{Millis, Revision};
use consensus::Member;
use control::decide;
use control::stop::Stop;
use controllers::controller::Controller;
use serde_json::{Value, json};
use std::time::Duration;
use store::view::View;

fn map(name: &str, data: Value) -> Change {
    let value =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": name}, "data": data});
    Change::Put(api::kinds::body("configmaps", &value).expect("a body"))
}

fn key(name: &str) -> Key {
    Key::new("configmaps", "ns", name)
}

async fn put(member: &Member, name: &str, data: Value) -> Revision {
    let condition = if member.view().get_key(&key(name)).is_some() { Condition::Exists } else { Condition::Absent };
    let writes = vec![Write { key: key(name), condition, change: map(name, data) }];
    let (actor, agent, note) = ("test".into(), "test".into(), "".into());
    let (cause, read) = (Revision(0), Revision(0));
    let command = Command { id: CommandId(rt::unique()), actor, agent, cause, read, note, writes };
    match member.submit(command).await {
        Ok(Outcome::Done { last, .. }) => last,
        other => panic!("{other:?}"),
    }
}

/// Keeps `copy-x` equal to `of-x`; one with `at` is copied no sooner than that.
fn copy(view: &View, of: &Key, now: Millis) -> Decision {
    let Some(original) = view.get_key(of) else { return Decision::idle() };
    let data = original.value()["data"].clone();
    if let Some(at) = data["at"].as_str().and_then(|at| at.parse().ok()).map(Millis)
        && now < at
    {
        let mut later = Decision::idle();
        later.wake(at);
        return later;
    }
    let name = of.name.replace("of-", "copy-");
    let condition = match view.get_key(&key(&name)) {
        None => Condition::Absent,
        Some(copy) if copy.value()["data"] == data => return Decision::idle(),
        Some(copy) => Condition::Revision(copy.revision),
    };
    Decision::one(vec![Write { key: key(&name), condition, change: map(&name, data) }], "a copy")
}

fn keys(event: &Event, _: &View) -> Vec<Key> {
    // A copy that somebody changed is made right again.
    let name = event.object.key.name.replace("copy-", "of-");
    if name.starts_with("of-") { vec![key(&name)] } else { Vec::new() }
}

fn all(view: &View) -> Vec<Key> {
    view.list("configmaps", None).map(|map| map.key.clone()).filter(|key| key.name.starts_with("of-")).collect()
}

/// As `copy`, with a defect.
fn copy_badly(view: &View, of: &Key, now: Millis) -> Decision {
    assert!(&*of.name != "of-bad", "the defect of this test");
    copy(view, of, now)
}

const COPIER: Controller = Controller { name: "copier", keys, all, decide: copy };

async fn copied(member: &Member, name: &str, data: &Value) -> u64 {
    let began = rt::now();
    while member.view().get_key(&key(name)).is_none_or(|copy| copy.value()["data"] != *data) {
        assert!(rt::now().since(began) < Duration::from_secs(5), "{name} never became {data}");
        rt::sleep(Duration::from_millis(2)).await;
    }
    u64::try_from(rt::now().since(began).as_millis()).expect("short")
}

#[tokio::test]
async fn what_is_there_and_what_comes_is_decided() {
    let (member, stop) = (Member::alone(), Stop::default());
    put(&member, "of-a", json!({"x": "before"})).await;
    let running = rt::spawn("decide", decide::run(member.clone(), vec![COPIER], stop.clone()));
    copied(&member, "copy-a", &json!({"x": "before"})).await;
    for number in 0..50 {
        put(&member, &format!("of-{number}"), json!({"x": number.to_string()})).await;
    }
    for number in 0..50 {
        copied(&member, &format!("copy-{number}"), &json!({"x": number.to_string()})).await;
    }
    // Somebody meddles: it is made right again. In the end nothing is left to decide, so nothing is written.
    put(&member, "copy-7", json!({"x": "meddled"})).await;
    copied(&member, "copy-7", &json!({"x": "7"})).await;
    rt::sleep(Duration::from_millis(100)).await;
    let quiet = member.view().revision();
    rt::sleep(Duration::from_millis(200)).await;
    assert_eq!(member.view().revision(), quiet);
    stop.stop();
    rt::timeout(Duration::from_secs(2), running).await.expect("ends in time").expect("no panic");
}

#[tokio::test]
async fn a_timer_becomes_an_entry_and_is_kept() {
    let (member, stop) = (Member::alone(), Stop::default());
    rt::spawn("decide", decide::run(member.clone(), vec![COPIER], stop.clone()));
    let at = rt::wall() + 400;
    put(&member, "of-late", json!({"at": at.to_string()})).await;
    rt::sleep(Duration::from_millis(200)).await;
    assert!(member.view().get_key(&key("copy-late")).is_none(), "it is not time yet");
    copied(&member, "copy-late", &json!({"at": at.to_string()})).await;
    assert!(rt::wall() >= at && member.view().time() >= Millis(at));
    stop.stop();
}

#[tokio::test]
async fn under_contention_the_last_word_is_copied() {
    let (member, stop) = (Member::alone(), Stop::default());
    rt::spawn("decide", decide::run(member.clone(), vec![COPIER], stop.clone()));
    for round in 0..200 {
        put(&member, "of-hot", json!({"x": round.to_string()})).await;
        put(&member, "copy-hot", json!({"x": format!("meddled {round}")})).await;
        tokio::task::yield_now().await;
    }
    copied(&member, "copy-hot", &json!({"x": "199"})).await;
    stop.stop();
}

#[tokio::test]
async fn a_defect_in_one_decision_leaves_the_others_alone() {
    let (member, stop) = (Member::alone(), Stop::default());
    let clumsy = Controller { decide: copy_badly, ..COPIER };
    let running = rt::spawn("decide", decide::run(member.clone(), vec![clumsy], stop.clone()));
    put(&member, "of-bad", json!({"x": "1"})).await;
    put(&member, "of-good", json!({"x": "1"})).await;
    copied(&member, "copy-good", &json!({"x": "1"})).await;
    put(&member, "of-good", json!({"x": "2"})).await;
    copied(&member, "copy-good", &json!({"x": "2"})).await;
    assert!(member.view().get_key(&key("copy-bad")).is_none());
    stop.stop();
    rt::timeout(Duration::from_secs(2), running).await.expect("ends in time").expect("no panic");
}
