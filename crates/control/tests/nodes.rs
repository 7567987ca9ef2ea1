//! A node's session with a member that stands alone, over memory: hello, feed, reports, streams, silence, and what bad nodes get.
use api::command::{Change, Command, CommandId, Condition, Write};
use api::key::Key;
use api::revision::Revision;
use apiserver::nodes::{Nodes as _, PodStream, What};
use consensus::Member;
use control::limits::{NODE_GRACE, NODE_POLL};
use control::nodes::Nodes;
use control::stop::Stop;
use link::error::LinkError;
use link::message::{FromNode, NodeStream, StreamReply, ToNode};
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn put(member: &Member, resource: &str, value: Value) -> Key {
    let text = |member: &str| value["metadata"][member].as_str().unwrap_or_default();
    let key = Key::new(resource, text("namespace"), text("name"));
    let condition = if member.view().get_key(&key).is_some() { Condition::Exists } else { Condition::Absent };
    write(
        member,
        Write { key: key.clone(), condition, change: Change::Put(api::kinds::body(resource, &value).expect("a body")) },
    )
    .await;
    key
}

async fn write(member: &Member, write: Write) {
    let (actor, agent, note) = ("test".into(), "test".into(), "".into());
    let (cause, read, writes) = (Revision(0), Revision(0), vec![write]);
    let command = Command { id: CommandId(rt::unique()), actor, agent, cause, read, note, writes };
    member.submit(command).await.expect("written");
}

fn pod(name: &str, node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "name": name}, "spec": {"nodeName": node,
        "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}, "status": {"phase": "Pending"}})
}

fn settings(data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": "settings"}, "data": {"a": data}})
}

/// The agent's end.
struct Agent {
    session: Session,
    sender: Sender,
    receiver: Receiver,
}

impl Agent {
    async fn connect(nodes: &Nodes, node: &str, seen: u64) -> Self {
        let (session, theirs) = link::memory::pair(Peer::Node(node.into()), Peer::Member("m1".into()));
        let nodes = nodes.clone();
        rt::spawn("serve", async move { nodes.serve(theirs).await });
        let (mut sender, receiver) = session.open().await.expect("opens");
        let hello = FromNode::Hello { node: node.into(), seen, version: "test".into() };
        sender.json(&hello).await.expect("says hello");
        Self { session, sender, receiver }
    }

    async fn hear(&mut self) -> String {
        let word = rt::timeout(Duration::from_secs(5), self.receiver.json::<ToNode>()).await.expect("in time");
        match word.expect("reads").expect("a word") {
            ToNode::Welcome { full, .. } => format!("welcome full={full}"),
            ToNode::Set { resource, object } => {
                let object: Value = serde_json::from_str(object.get()).expect("JSON");
                format!("set {resource} {}", object["metadata"]["name"].as_str().expect("a name"))
            }
            ToNode::Gone { resource, name, .. } => format!("gone {resource} {name}"),
            ToNode::Through { .. } => "through".into(),
            ToNode::Reported { id, error, .. } => format!("reported {id} {error}"),
            ToNode::Token { id, error, .. } => format!("token {id} {error}"),
            ToNode::Elsewhere { leader } => format!("elsewhere {leader:?}"),
            ToNode::Pong { sent } => format!("pong {sent}"),
        }
    }

    async fn hear_all(&mut self, expected: &[&str]) {
        let mut heard = Vec::new();
        for _ in expected {
            heard.push(self.hear().await);
        }
        assert_eq!(heard, expected);
    }

    async fn say(&mut self, word: FromNode) {
        self.sender.json(&word).await.expect("sends");
    }

    async fn closed(&self) -> String {
        match rt::timeout(Duration::from_secs(5), self.session.closed()).await.expect("in time") {
            LinkError::Closed(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

fn node_object(name: &str) -> Box<RawValue> {
    raw(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
}

#[tokio::test]
async fn a_node_is_told_what_concerns_it_and_reports() {
    let member = Member::alone();
    let nodes = Nodes::new(member.clone(), "m1", None);
    put(&member, "configmaps", settings("1")).await;
    let mine = put(&member, "pods", pod("mine", "n1")).await;
    put(&member, "pods", pod("theirs", "n2")).await;
    let mut agent = Agent::connect(&nodes, "n1", 0).await;
    agent.hear_all(&["welcome full=true", "set configmaps settings", "set pods mine", "through"]).await;
    agent.say(FromNode::Register { object: node_object("n1") }).await;
    agent.hear_all(&["set nodes n1", "through"]).await;
    let live = member.view().get_key(&mine).expect("there").clone();
    let status = |id, uid: String| FromNode::Status {
        id,
        resource: "pods".into(),
        namespace: "ns".into(),
        name: "mine".into(),
        uid,
        status: raw(&json!({"phase": "Running"})),
    };
    agent.say(status(7, live.uid.to_string())).await;
    // The report's answer and the news of it race; both come.
    let mut heard = vec![agent.hear().await, agent.hear().await, agent.hear().await];
    heard.sort();
    assert_eq!(heard, ["reported 7 ", "set pods mine", "through"]);
    assert_eq!(member.view().get_key(&mine).expect("there").value()["status"]["phase"], "Running");
    agent.say(status(8, "00000000-0000-0000-0000-000000000000".into())).await;
    assert!(agent.hear().await.starts_with("reported 8 pods/ns/mine is another now"));
    agent.say(FromNode::Ping { sent: 42 }).await;
    agent.hear_all(&["pong 42"]).await;
    put(&member, "configmaps", settings("2")).await;
    agent.hear_all(&["set configmaps settings", "through"]).await;
}

#[tokio::test]
async fn a_node_that_comes_back_is_told_only_what_changed() {
    let member = Member::alone();
    let nodes = Nodes::new(member.clone(), "m1", None);
    put(&member, "configmaps", settings("1")).await;
    put(&member, "pods", pod("old", "n1")).await;
    let going = put(&member, "pods", pod("going", "n1")).await;
    let seen = member.view().revision().0;
    write(&member, Write { key: going, condition: Condition::Exists, change: Change::Delete }).await;
    put(
        &member,
        "services",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "ns", "name": "s"}}),
    )
    .await;
    let mut agent = Agent::connect(&nodes, "n1", seen).await;
    agent.hear_all(&["welcome full=false", "gone pods going", "set services s", "through"]).await;
    // A revision that this log never had: everything anew.
    let mut agent = Agent::connect(&nodes, "n1", seen + 1_000).await;
    assert_eq!(agent.hear().await, "welcome full=true");
}

#[tokio::test]
async fn one_session_a_node_and_none_for_a_liar() {
    let member = Member::alone();
    let nodes = Nodes::new(member.clone(), "m1", None);
    let mut first = Agent::connect(&nodes, "n1", 0).await;
    first.hear_all(&["welcome full=true", "through"]).await;
    let mut second = Agent::connect(&nodes, "n1", 0).await;
    second.hear_all(&["welcome full=true", "through"]).await;
    assert_eq!(first.closed().await, "the node has connected anew");
    assert_eq!(nodes.count(), 1);
    // Its certificate says n1.
    let (session, theirs) = link::memory::pair(Peer::Node("n1".into()), Peer::Member("m1".into()));
    rt::spawn("serve", {
        let nodes = nodes.clone();
        async move { nodes.serve(theirs).await }
    });
    let (mut sender, _receiver) = session.open().await.expect("opens");
    sender.json(&FromNode::Hello { node: "n2".into(), seen: 0, version: "test".into() }).await.expect("sends");
    assert!(session.closed().await.to_string().contains("its certificate is of node n1, it calls itself n2"));
    // Garbage in the middle of a talk ends it, and nothing else.
    second.sender.frame(b"{\"dance\":1}").await.expect("sends");
    assert!(second.closed().await.contains("cannot be read"));
    assert_eq!(nodes.count(), 0);
}

#[tokio::test]
async fn streams_reach_the_node() {
    let member = Member::alone();
    let nodes = Nodes::new(member.clone(), "m1", None);
    let mut agent = Agent::connect(&nodes, "n1", 0).await;
    agent.hear_all(&["welcome full=true", "through"]).await;
    let session = agent.session.clone();
    rt::spawn("agent", async move {
        loop {
            let (mut sender, mut receiver) = session.accept().await.expect("a stream");
            match receiver.json::<NodeStream>().await.expect("reads").expect("a head") {
                NodeStream::Forward { port: 80, .. } => {
                    sender.json(&StreamReply::Ready).await.expect("sends");
                    let mut bytes = Vec::new();
                    receiver.read_to_end(&mut bytes).await.expect("reads");
                    sender.write_all(&[b"heard ", &*bytes].concat()).await.expect("sends");
                }
                _ => {
                    let refused = StreamReply::Refused { code: 404, message: "no such container".into() };
                    sender.json(&refused).await.expect("sends");
                }
            }
            let _ = sender.finish().await;
        }
    });
    let stream = |what| PodStream { namespace: "ns".into(), pod: "p".into(), uid: String::new(), what };
    let mut forward = nodes.open("n1", stream(What::Forward { port: 80 })).await.expect("opens");
    forward.write_all(b"hello").await.expect("sends");
    forward.shutdown().await.expect("ends");
    let mut heard = String::new();
    forward.read_to_string(&mut heard).await.expect("reads");
    assert_eq!(heard, "heard hello");
    let attach = What::Attach { container: "c".into(), stdin: false, tty: false };
    let refused = nodes.open("n1", stream(attach)).await.map(|_| ()).expect_err("no such container");
    assert_eq!((refused.code, refused.message.as_str()), (404, "no such container"));
    let absent = nodes.open("n9", stream(What::Forward { port: 80 })).await.map(|_| ()).expect_err("no session");
    assert_eq!(absent.code, 503);
}

#[tokio::test]
async fn a_silent_node_becomes_unknown_and_a_kubelet_does_not() {
    let (member, stop) = (Member::alone(), Stop::default());
    let nodes = Nodes::new(member.clone(), "m1", None);
    let watching = rt::spawn("nodes", nodes.clone().run(stop.clone()));
    let kubelet = serde_json::from_str(node_object("k1").get()).expect("JSON");
    let kubelet = put(&member, "nodes", kubelet).await;
    let mut agent = Agent::connect(&nodes, "n1", 0).await;
    agent.hear_all(&["welcome full=true", "through"]).await;
    agent.say(FromNode::Register { object: node_object("n1") }).await;
    agent.hear_all(&["set nodes n1", "through"]).await;
    let ready =
        |key: &Key| member.view().get_key(key).expect("there").value()["status"]["conditions"][0]["status"].clone();
    let key = Key::new("nodes", "", "n1");
    rt::sleep(NODE_GRACE + NODE_POLL * 2).await;
    assert_eq!(ready(&key), "True", "while it has a session it is what it says");
    let quiet = member.view().revision();
    drop(agent);
    let began = rt::now();
    while ready(&key) != "Unknown" {
        assert!(rt::now().since(began) < NODE_GRACE + NODE_POLL * 3, "it is never called Unknown");
        rt::sleep(Duration::from_millis(50)).await;
    }
    assert!(rt::now().since(began) > NODE_GRACE - NODE_POLL);
    assert_eq!(ready(&kubelet), "True");
    rt::sleep(NODE_POLL * 2).await;
    assert_eq!(member.view().revision(), quiet.next(), "said once");
    stop.stop();
    watching.await.expect("no panic");
}
