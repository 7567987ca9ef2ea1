//! Streams of a member, over a session in memory: against a runtime that only pretends but writes real log files, and against
//! a real shim where this machine has a busybox.
mod ground;

use link::memory::pair;
use link::message::{ExecExit, NodeStream, StreamReply};
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use node::runtime::{
    About, Answer, BoxDuplex, ContainerSpec, ContainerView, Credentials, End, ExecSpec, ImageInfo, Runtime,
    RuntimeError, SandboxSpec, SandboxView,
};
use node::shim::protocol::{frame, take_frame};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;

/// Lists what it is told to list; the pod's side of every exec, attach and forward is handed to `talk`.
struct Pretended {
    views: Mutex<Vec<SandboxView>>,
    talk: fn(String, DuplexStream),
}

impl Pretended {
    fn opened(&self, what: String) -> Answer<'_, BoxDuplex> {
        if what.contains("refuse") {
            return Box::pin(async { Err(RuntimeError::Failed("it cannot".into())) });
        }
        let (ours, theirs) = tokio::io::duplex(4_096);
        (self.talk)(what, theirs);
        Box::pin(async { Ok(Box::new(ours) as BoxDuplex) })
    }
}

fn not_here<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(async { Err(RuntimeError::Failed("not pretended".into())) })
}

impl Runtime for Pretended {
    fn about(&self) -> About {
        About::default()
    }
    fn image<'a>(&'a self, _: &'a str) -> Answer<'a, Option<ImageInfo>> {
        not_here()
    }
    fn images(&self) -> Answer<'_, Vec<ImageInfo>> {
        not_here()
    }
    fn pull<'a>(&'a self, _: &'a str, _: Option<Credentials>) -> Answer<'a, ImageInfo> {
        not_here()
    }
    fn run_sandbox(&self, _: SandboxSpec) -> Answer<'_, String> {
        not_here()
    }
    fn stop_sandbox<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        not_here()
    }
    fn remove_sandbox<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        not_here()
    }
    fn create<'a>(&'a self, _: &'a str, _: ContainerSpec) -> Answer<'a, String> {
        not_here()
    }
    fn start<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        not_here()
    }
    fn stop<'a>(&'a self, _: &'a str, _: u64) -> Answer<'a, ()> {
        not_here()
    }
    fn remove<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        not_here()
    }
    fn list<'a>(&'a self, uid: Option<&'a str>) -> Answer<'a, Vec<SandboxView>> {
        let views = self.views.lock().expect("views").clone();
        Box::pin(async move { Ok(views.into_iter().filter(|view| uid.is_none_or(|uid| view.uid == uid)).collect()) })
    }
    fn exec<'a>(&'a self, container: &'a str, spec: ExecSpec) -> Answer<'a, BoxDuplex> {
        self.opened(format!("exec {container} {} {} {}", spec.command.join(" "), spec.stdin, spec.tty))
    }
    fn attach<'a>(&'a self, container: &'a str, stdin: bool) -> Answer<'a, BoxDuplex> {
        self.opened(format!("attach {container} {stdin}"))
    }
    fn forward<'a>(&'a self, sandbox: &'a str, port: u16) -> Answer<'a, BoxDuplex> {
        self.opened(format!("forward {sandbox} {port}"))
    }
    fn events(&self) -> Option<UnboundedReceiver<String>> {
        None
    }
}

/// A session to a served runtime: what the member holds.
fn member(runtime: Arc<dyn Runtime>) -> Session {
    let (member, node) = pair(Peer::Member("m".into()), Peer::Node("n".into()));
    rt::spawn("serve", node::streams::serve(node, runtime));
    member
}

fn container(name: &str, attempt: u32, log: &Path) -> ContainerView {
    let id = format!("{name}{attempt}");
    ContainerView { id, name: name.into(), attempt, log: log.into(), started: Some(1), ..ContainerView::default() }
}

fn pretended(containers: Vec<ContainerView>, talk: fn(String, DuplexStream)) -> Arc<Pretended> {
    let view = SandboxView {
        id: "s".into(),
        uid: "u".into(),
        name: "p".into(),
        namespace: "d".into(),
        ready: true,
        containers,
        ..SandboxView::default()
    };
    Arc::new(Pretended { views: Mutex::new(vec![view]), talk })
}

fn nobody(_: String, _: DuplexStream) {}

async fn open(session: &Session, head: &NodeStream) -> (StreamReply, Sender, Receiver) {
    let (mut sender, mut receiver) = session.open().await.expect("opens");
    sender.json(head).await.expect("sends");
    let reply = rt::timeout(Duration::from_secs(20), receiver.json()).await.expect("in time");
    (reply.expect("reads").expect("a reply"), sender, receiver)
}

async fn ready(session: &Session, head: &NodeStream) -> (Sender, Receiver) {
    let (reply, sender, receiver) = open(session, head).await;
    assert!(matches!(reply, StreamReply::Ready), "{reply:?}");
    (sender, receiver)
}

async fn refusal(session: &Session, head: &NodeStream) -> (u16, String) {
    match open(session, head).await.0 {
        StreamReply::Refused { code, message } => (code, message),
        StreamReply::Ready => panic!("{head:?} was not refused"),
    }
}

async fn text(mut receiver: Receiver) -> String {
    let mut text = String::new();
    let read = rt::timeout(Duration::from_secs(20), receiver.read_to_string(&mut text)).await;
    read.expect("in time").expect("reads");
    text
}

#[derive(Clone, Copy, Default)]
struct Ask {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: Option<u64>,
    since_seconds: Option<u64>,
    since_time: Option<u64>,
    limit: Option<u64>,
}

fn logs(uid: &str, container: &str, ask: Ask) -> NodeStream {
    NodeStream::Logs {
        namespace: "d".into(),
        pod: "p".into(),
        uid: uid.into(),
        container: container.into(),
        follow: ask.follow,
        previous: ask.previous,
        timestamps: ask.timestamps,
        tail_lines: ask.tail,
        since_seconds: ask.since_seconds,
        since_time: ask.since_time,
        limit_bytes: ask.limit,
    }
}

fn exec(uid: &str, container: &str, command: &[&str]) -> NodeStream {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    let (namespace, pod) = ("d".into(), "p".into());
    NodeStream::Exec { namespace, pod, uid: uid.into(), container: container.into(), command, stdin: true, tty: false }
}

fn attach(uid: &str, container: &str) -> NodeStream {
    let (namespace, pod) = ("d".into(), "p".into());
    NodeStream::Attach { namespace, pod, uid: uid.into(), container: container.into(), stdin: false, tty: false }
}

fn forward(uid: &str, port: u16) -> NodeStream {
    NodeStream::Forward { namespace: "d".into(), pod: "p".into(), uid: uid.into(), port }
}

fn add(path: &Path, text: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

fn line(second: u32, word: &str) -> String {
    format!("2024-01-01T00:00:{second:02}.000000000Z stdout F {word}\n")
}

#[tokio::test]
async fn logs_as_they_are_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    add(&at("0.log"), &line(1, "first life"));
    add(&at("1.log.1"), &line(2, "rotated"));
    add(&at("1.log"), "2024-01-01T00:00:03Z stderr P an\n2024-01-01T00:00:03Z stderr F other\n");
    add(&at("1.log"), &line(4, "last"));
    let mut first = container("c", 0, &at("0.log"));
    first.end = Some(End { code: 1, ..End::default() });
    let session = member(pretended(vec![first, container("c", 1, &at("1.log"))], nobody));
    let none = Ask::default();
    let table = [
        (none, "rotated\nanother\nlast\n"),
        (Ask { tail: Some(2), ..none }, "another\nlast\n"),
        (Ask { tail: Some(0), ..none }, ""),
        (Ask { tail: Some(9), limit: Some(10), ..none }, "rotated\nan"),
        (Ask { previous: true, timestamps: true, ..none }, "2024-01-01T00:00:01.000000000Z first life\n"),
        (Ask { since_time: Some(1_704_067_204_000), ..none }, "last\n"),
        (Ask { since_seconds: Some(60), ..none }, ""),
        (Ask { since_seconds: Some(u64::MAX), ..none }, "rotated\nanother\nlast\n"),
    ];
    for (ask, expected) in table {
        for uid in ["u", ""] {
            let (mut sender, receiver) = ready(&session, &logs(uid, "c", ask)).await;
            // A member that says nothing more still gets the whole log.
            sender.finish().await.expect("finishes");
            assert_eq!(text(receiver).await, expected);
        }
    }
}

#[tokio::test]
async fn a_followed_log_ends_with_its_container() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("0.log");
    add(&path, &line(1, "one"));
    let runtime = pretended(vec![container("c", 0, &path)], nobody);
    let session = member(runtime.clone());
    let (_sender, mut receiver) = ready(&session, &logs("u", "c", Ask { follow: true, ..Ask::default() })).await;
    let mut seen = [0; 4];
    receiver.read_exact(&mut seen).await.expect("reads");
    assert_eq!(&seen, b"one\n");
    add(&path, &line(2, "two"));
    std::fs::rename(&path, path.with_extension("log.1")).expect("rotates");
    add(&path, &line(3, "three"));
    let mut seen = [0; 10];
    receiver.read_exact(&mut seen).await.expect("reads");
    assert_eq!(&seen, b"two\nthree\n");
    add(&path, "2024-01-01T00:00:04Z stdout P no end");
    add(&path, "\n");
    runtime.views.lock().expect("views")[0].containers[0].end = Some(End::default());
    assert_eq!(text(receiver).await, "no end");
}

#[tokio::test]
async fn nobody_reads_a_followed_log_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = pretended(vec![container("c", 0, &dir.path().join("0.log"))], nobody);
    let session = member(runtime.clone());
    let follow = logs("u", "c", Ask { follow: true, ..Ask::default() });
    let (one, two) = (ready(&session, &follow).await, ready(&session, &follow).await);
    let held = || Arc::strong_count(&runtime);
    let until = async |what: &str, count: usize| {
        for _ in 0..200 {
            if held() == count {
                return;
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {} hold the runtime, not {count}", held());
    };
    until("two streams", 4).await;
    drop(one);
    until("one has left", 3).await;
    session.close("the end");
    until("the session has ended", 1).await;
    drop(two);
}

/// Says what it was asked, then gives stdin back on stdout until its end.
fn echo(what: String, stream: DuplexStream) {
    rt::spawn("echo", async move {
        let (mut from, mut to) = tokio::io::split(stream);
        to.write_all(&frame(2, what.as_bytes())).await.expect("writes");
        let mut buffer = Vec::new();
        let mut piece = [0; 64];
        loop {
            while let Some((channel, bytes)) = take_frame(&mut buffer).expect("frames") {
                match channel {
                    0 => to.write_all(&frame(1, &bytes)).await.expect("writes"),
                    _ => assert!(channel == 4 || channel == 255, "{channel}"),
                }
            }
            match from.read(&mut piece).await.expect("reads") {
                0 => break,
                count => buffer.extend_from_slice(&piece[..count]),
            }
        }
        let exit = serde_json::to_vec(&ExecExit { code: 7, error: String::new() }).expect("writes");
        to.write_all(&frame(3, &exit)).await.expect("writes");
        to.shutdown().await.expect("ends");
    });
}

/// Everything on the channels until the stream's end, and the exit.
async fn channels(mut receiver: Receiver) -> (String, String, Option<i32>) {
    let mut all = Vec::new();
    let read = rt::timeout(Duration::from_secs(20), receiver.read_to_end(&mut all)).await;
    read.expect("in time").expect("reads");
    let (mut out, mut error, mut exit) = (String::new(), String::new(), None);
    while let Some((channel, bytes)) = take_frame(&mut all).expect("frames") {
        match channel {
            1 => out += &String::from_utf8_lossy(&bytes),
            2 => error += &String::from_utf8_lossy(&bytes),
            3 => exit = Some(serde_json::from_slice::<ExecExit>(&bytes).expect("an exit").code),
            other => panic!("channel {other}"),
        }
    }
    (out, error, exit)
}

#[tokio::test]
async fn exec_and_attach_carry_frames_both_ways() {
    let session = member(pretended(vec![container("c", 0, Path::new("/none"))], echo));
    let much = "x".repeat(200_000);
    for (head, asked) in
        [(exec("u", "c", &["cat", "-"]), "exec c0 cat - true false"), (attach("u", "c"), "attach c0 false")]
    {
        let (mut sender, receiver) = ready(&session, &head).await;
        let reading = rt::spawn("reading", channels(receiver));
        for bytes in [frame(4, b"{}"), frame(0, much.as_bytes()), frame(0, b"typed"), frame(255, &[0])] {
            sender.write_all(&bytes).await.expect("writes");
        }
        sender.finish().await.expect("finishes");
        let (out, error, exit) = reading.await.expect("read");
        assert_eq!((out.len(), out.ends_with("xtyped"), error.as_str(), exit), (200_005, true, asked, Some(7)));
    }
}

/// A server that answers once it has heard the end.
fn last_word(what: String, stream: DuplexStream) {
    rt::spawn("server", async move {
        let (mut from, mut to) = tokio::io::split(stream);
        let mut all = Vec::new();
        from.read_to_end(&mut all).await.expect("reads");
        to.write_all(format!("{what}: {} bytes", all.len()).as_bytes()).await.expect("writes");
        to.shutdown().await.expect("ends");
    });
}

#[tokio::test]
async fn a_forwarded_connection_closes_half_by_half() {
    let session = member(pretended(vec![], last_word));
    let (mut sender, receiver) = ready(&session, &forward("u", 80)).await;
    sender.write_all(&[7; 100_000]).await.expect("writes");
    sender.finish().await.expect("finishes");
    assert_eq!(text(receiver).await, "forward s 80: 100000 bytes");
}

#[tokio::test]
async fn refusals_in_kubernetes_words() {
    let log = Path::new("/none");
    let mut ended = container("ended", 0, log);
    ended.end = Some(End::default());
    let mut made = container("made", 0, log);
    made.started = None;
    let runtime = pretended(vec![container("c", 0, log), ended, made], nobody);
    let session = member(runtime.clone());
    let none = Ask::default();
    let waits = |name: &str, why: &str| format!("container \"{name}\" in pod \"p\" is waiting to start: {why}");
    let gone = "previous terminated container \"c\" in pod \"p\" not found".to_owned();
    let idle = |name: &str| format!("container \"{name}\" in pod \"p\" is not running");
    let table = [
        (logs("other", "c", none), 400, waits("c", "ContainerCreating")),
        (logs("u", "later", none), 400, waits("later", "PodInitializing")),
        (logs("u", "made", none), 400, waits("made", "ContainerCreating")),
        (logs("u", "c", Ask { previous: true, ..none }), 400, gone),
        (exec("u", "none", &["a"]), 404, "container not found (\"none\")".into()),
        (exec("u", "ended", &["a"]), 400, idle("ended")),
        (attach("u", "made"), 400, idle("made")),
        (exec("other", "c", &["a"]), 404, "pod \"p\" has nothing on this node".into()),
        (exec("u", "c", &[]), 400, "you must specify at least one command for the container".into()),
        (exec("u", "c", &["refuse"]), 500, "it cannot".into()),
        (forward("other", 80), 404, "pod not found (\"p_d\")".into()),
    ];
    for (head, code, message) in table {
        assert_eq!(refusal(&session, &head).await, (code, message), "{head:?}");
    }
    runtime.views.lock().expect("views")[0].ready = false;
    assert_eq!(refusal(&session, &forward("u", 80)).await, (400, "pod \"p\" is not running".into()));

    let (mut sender, mut receiver) = session.open().await.expect("opens");
    sender.frame(b"{\"dance\": true}").await.expect("sends");
    let reply: StreamReply = receiver.json().await.expect("reads").expect("a reply");
    assert!(matches!(&reply, StreamReply::Refused { code: 400, message } if message.contains("head")), "{reply:?}");
}

#[tokio::test]
async fn only_so_many_at_once() {
    let session = member(pretended(vec![], echo));
    let mut held = Vec::new();
    for _ in 0..node::limits::STREAMS_MAX {
        held.push(ready(&session, &forward("u", 80)).await);
    }
    assert_eq!(refusal(&session, &forward("u", 80)).await.0, 503);
    held.clear();
    for _ in 0..200 {
        if matches!(open(&session, &forward("u", 80)).await.0, StreamReply::Ready) {
            return;
        }
        rt::sleep(Duration::from_millis(20)).await;
    }
    panic!("places that were left are not given again");
}

#[tokio::test]
async fn against_a_real_shim() {
    let ground = match ground::Ground::process() {
        Ok(ground) => ground,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let runtime: Arc<dyn Runtime> = Arc::from(ground.open().await.expect("a runtime"));
    let uid = format!("streams-{}", std::process::id());
    let log_dir: PathBuf = ground.dir().join("logs");
    let spec =
        SandboxSpec { uid: uid.clone(), name: "p".into(), namespace: "d".into(), log_dir, ..SandboxSpec::default() };
    let id = runtime.run_sandbox(spec).await.expect("a sandbox");
    let script = "echo begin; echo error >&2; while [ ! -e done ]; do sleep 0.05; done; echo finish; exit 4";
    let container = ContainerSpec {
        name: "c".into(),
        image: ground.image().into(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        working_dir: "/".into(),
        cpu_shares: 2,
        log_path: "c/0.log".into(),
        ..ContainerSpec::default()
    };
    let container = runtime.create(&id, container).await.expect("creates");
    runtime.start(&container).await.expect("starts");
    let session = member(runtime.clone());
    let (_follower, follower) = ready(&session, &logs(&uid, "c", Ask { follow: true, ..Ask::default() })).await;
    let (_attached, attached) = ready(&session, &attach(&uid, "c")).await;
    let script = "read word; echo got $word; echo bad >&2; : > done; exit 5";
    let (mut sender, receiver) = ready(&session, &exec(&uid, "c", &["/bin/sh", "-c", script])).await;
    sender.write_all(&frame(0, b"this\n")).await.expect("writes");
    assert_eq!(channels(receiver).await, ("got this\n".into(), "bad\n".into(), Some(5)));
    let followed = text(follower).await;
    let mut lines: Vec<&str> = followed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["begin", "error", "finish"]);
    let (out, _, exit) = channels(attached).await;
    assert_eq!((out.ends_with("finish\n"), exit), (true, Some(4)));
    runtime.remove_sandbox(&id).await.expect("removes");
    ground.clean().await;
}
