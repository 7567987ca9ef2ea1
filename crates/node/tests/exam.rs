//! The exam that every container runtime must pass, over the port alone. Runtimes that this machine cannot run are skipped by name.
mod ground;

use ground::Ground;
use node::runtime::collect::collect;
use node::runtime::{ContainerSpec, Credentials, ExecSpec, Runtime, RuntimeError, SandboxSpec, SandboxView};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn sandbox(ground: &Ground, uid: &str) -> SandboxSpec {
    SandboxSpec {
        uid: uid.into(),
        name: "exam".into(),
        namespace: "default".into(),
        hostname: "exam-host".into(),
        log_dir: ground.dir().join("logs").join(uid),
        cgroup: format!("exam-{}/besteffort/pod{uid}", std::process::id()),
        ..SandboxSpec::default()
    }
}

fn shell(ground: &Ground, name: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        image: ground.image().into(),
        command: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        cpu_shares: 2,
        log_path: format!("{name}/0.log").into(),
        ..ContainerSpec::default()
    }
}

async fn view(runtime: &dyn Runtime, uid: &str) -> SandboxView {
    runtime.list(Some(uid)).await.expect("lists").pop().expect("the sandbox")
}

async fn until(runtime: &dyn Runtime, uid: &str, what: &str, holds: impl Fn(&SandboxView) -> bool) -> SandboxView {
    for _ in 0..400 {
        let view = view(runtime, uid).await;
        if holds(&view) {
            return view;
        }
        rt::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}: {:?}", view(runtime, uid).await);
}

async fn life(ground: &Ground, runtime: &dyn Runtime) {
    let uid = format!("life-{}", std::process::id());
    assert_eq!(runtime.image("localhost/none:1").await, Ok(None));
    assert!(runtime.image(ground.image()).await.expect("asks").is_some_and(|image| !image.id.is_empty()));
    let id = runtime.run_sandbox(sandbox(ground, &uid)).await.expect("a sandbox");
    let up = view(runtime, &uid).await;
    assert!(up.ready && up.id == id && up.containers.is_empty(), "{up:?}");
    assert_eq!(up.ips.is_empty(), !runtime.about().pod_network);
    // One that ends by itself, with output and an exit code.
    let one =
        runtime.create(&id, shell(ground, "one", "echo out-$GREETING; echo err >&2; exit 7")).await.expect("creates");
    runtime.start(&one).await.expect("starts");
    let done =
        until(runtime, &uid, "ends", |view| view.containers.iter().any(|c| c.id == one && c.end.is_some())).await;
    let end = done.containers[0].end.clone().expect("an end");
    assert_eq!((end.code, end.reason.as_str()), (7, "Error"));
    let log = std::fs::read_to_string(&done.containers[0].log).expect("a log");
    assert!(log.contains("stdout F out-hello") && log.contains("stderr F err"), "{log}");
    // One that goes on until it is stopped.
    let two = runtime
        .create(&id, shell(ground, "two", "trap 'exit 5' TERM; while :; do sleep 0.05; done"))
        .await
        .expect("creates");
    runtime.start(&two).await.expect("starts");
    let collected = collect(
        runtime
            .exec(&two, exec(&["/bin/sh", "-c", "cat; echo $GREETING; exit 3"], ground.embedded()))
            .await
            .map(feed)
            .expect("execs"),
    )
    .await;
    let collected = collected.expect("collects");
    assert_eq!(
        (collected.code, String::from_utf8_lossy(&collected.stdout).into_owned()),
        (3, if ground.embedded() { "typed\nhello\n" } else { "hello\n" }.to_owned())
    );
    if !ground.embedded() {
        let typed = runtime.exec(&two, exec(&["/bin/cat"], true)).await.map(drop);
        let attached = runtime.attach(&two, false).await.map(drop);
        for refused in [typed, attached] {
            assert!(matches!(refused, Err(RuntimeError::State(why)) if runtime.about().lacks.contains(&why)));
        }
    }
    runtime.stop(&two, 5_000).await.expect("stops");
    let done =
        until(runtime, &uid, "stops", |view| view.containers.iter().any(|c| c.id == two && c.end.is_some())).await;
    assert_eq!(done.containers.iter().find(|c| c.id == two).and_then(|c| c.end.as_ref()).map(|end| end.code), Some(5));
    // One that does not hear: it is killed.
    let three = runtime
        .create(&id, shell(ground, "three", "trap '' TERM; while :; do sleep 0.05; done"))
        .await
        .expect("creates");
    runtime.start(&three).await.expect("starts");
    rt::sleep(Duration::from_millis(200)).await;
    runtime.stop(&three, 200).await.expect("kills");
    let done =
        until(runtime, &uid, "killed", |view| view.containers.iter().any(|c| c.id == three && c.end.is_some())).await;
    assert_eq!(
        done.containers.iter().find(|c| c.id == three).and_then(|c| c.end.as_ref()).map(|end| end.code),
        Some(137)
    );
    runtime.remove(&one).await.expect("removes");
    runtime.remove(&one).await.expect("removing twice is fine");
    assert_eq!(view(runtime, &uid).await.containers.len(), 2);
    runtime.stop_sandbox(&id).await.expect("stops");
    runtime.stop_sandbox(&id).await.expect("stopping twice is fine");
    assert!(!view(runtime, &uid).await.ready);
    runtime.remove_sandbox(&id).await.expect("removes");
    runtime.remove_sandbox(&id).await.expect("removing twice is fine");
    assert_eq!(runtime.list(Some(&uid)).await, Ok(vec![]));
}

fn exec(command: &[&str], stdin: bool) -> ExecSpec {
    ExecSpec { command: command.iter().map(|&word| word.into()).collect(), stdin, tty: false }
}

/// Types a line and ends the input, on the side.
fn feed(stream: node::runtime::BoxDuplex) -> node::runtime::BoxDuplex {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    rt::spawn("feed", async move {
        let (mut read, mut write) = tokio::io::split(stream);
        write.write_all(&[0, 0, 0, 0, 6]).await?;
        write.write_all(b"typed\n").await?;
        write.write_all(&[255, 0, 0, 0, 1, 0]).await?;
        let (_, mut out) = tokio::io::split(ours);
        tokio::io::copy(&mut read, &mut out).await
    });
    Box::new(theirs)
}

async fn bad_input(ground: &Ground, runtime: &dyn Runtime) {
    let uid = format!("bad-{}", std::process::id());
    let id = runtime.run_sandbox(sandbox(ground, &uid)).await.expect("a sandbox");
    let missing = ContainerSpec { image: "localhost/none:1".into(), ..shell(ground, "x", "") };
    assert!(runtime.create(&id, missing).await.is_err());
    let no_program = ContainerSpec { command: vec!["/no/such/program".into()], ..shell(ground, "np", "") };
    let made = runtime.create(&id, no_program).await.expect("creates");
    let why = runtime.start(&made).await.expect_err("there is no such program");
    assert!(
        why.to_string().contains("no such")
            || why.to_string().contains("not found")
            || why.to_string().contains("/no/such/program"),
        "{why}"
    );
    assert!(matches!(runtime.start("nothing").await, Err(RuntimeError::NotFound(_))));
    assert!(matches!(runtime.create("nothing", shell(ground, "x", "")).await, Err(RuntimeError::NotFound(_))));
    assert!(runtime.exec(&made, exec(&["true"], false)).await.is_err(), "an exec in what does not run");
    assert!(matches!(runtime.pull("NO NAME", None).await, Err(RuntimeError::InvalidImage(_))));
    let nobody = Some(Credentials { user: "u".into(), password: "p".into() });
    assert!(matches!(runtime.pull("localhost:1/x:1", nobody).await, Err(RuntimeError::Pull(_))));
    runtime.remove("../../etc").await.expect("nothing is there");
    runtime.remove_sandbox(&id).await.expect("removes");
}

async fn adoption(ground: &Ground) {
    let uid = format!("adopt-{}", std::process::id());
    let first = ground.open().await.expect("opens");
    let id = first.run_sandbox(sandbox(ground, &uid)).await.expect("a sandbox");
    let one = first.create(&id, shell(ground, "one", "while :; do sleep 0.05; done")).await.expect("creates");
    first.start(&one).await.expect("starts");
    drop(first);
    let second = ground.open().await.expect("opens again");
    let mut events = second.events();
    let seen = view(&*second, &uid).await;
    assert!(seen.ready && seen.containers[0].started.is_some() && seen.containers[0].end.is_none(), "{seen:?}");
    second.stop(&one, 0).await.expect("stops");
    if let Some(events) = &mut events {
        let said = rt::timeout(Duration::from_secs(5), events.recv()).await;
        assert_eq!(said.flatten(), Some(uid.clone()), "an event of the adopted pod");
    }
    second.remove_sandbox(&id).await.expect("removes");
}

async fn forwarding(ground: &Ground, runtime: &dyn Runtime, port: u16) {
    let uid = format!("fwd-{}", std::process::id());
    let id = runtime.run_sandbox(sandbox(ground, &uid)).await.expect("a sandbox");
    let answer = "printf 'HTTP/1.0 200 OK\\r\\n\\r\\nHello from pod exam on node n9.'";
    let script = format!("while :; do {answer} | nc -l -p {port}; done");
    let built_in = ContainerSpec {
        image: "rutter.dev/hello:latest".into(),
        command: vec![],
        env: vec![
            ("PORT".into(), port.to_string()),
            ("POD_NAME".into(), "exam".into()),
            ("NODE_NAME".into(), "n9".into()),
        ],
        ..shell(ground, "web", "")
    };
    let serve = if ground.embedded() { built_in } else { shell(ground, "web", &script) };
    let web = runtime.create(&id, serve).await.expect("creates");
    runtime.start(&web).await.expect("starts");
    let mut page = String::new();
    for _ in 0..200 {
        if let Ok(mut stream) = runtime.forward(&id, port).await {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("asks");
            stream.read_to_string(&mut page).await.expect("reads");
            break;
        }
        rt::sleep(Duration::from_millis(25)).await;
    }
    assert!(page.contains("Hello from pod exam on node n9."), "{page}");
    assert!(runtime.forward(&id, 1).await.is_err(), "nobody listens there");
    runtime.remove_sandbox(&id).await.expect("removes");
}

/// What pods and their users do to a shim, which has one thread and serves the whole pod.
async fn patience(ground: &Ground, runtime: &dyn Runtime, shared_network: bool) {
    let uid = format!("patience-{}", std::process::id());
    let id = runtime.run_sandbox(sandbox(ground, &uid)).await.expect("a sandbox");
    let deaf = ContainerSpec { stdin: true, ..shell(ground, "deaf", "while :; do sleep 0.05; done") };
    let deaf = runtime.create(&id, deaf).await.expect("creates");
    runtime.start(&deaf).await.expect("starts");
    // What an exec leaves behind writes for ever into its pipe; the exec ends all the same.
    let noise = runtime.exec(&deaf, exec(&["/bin/sh", "-c", "yes & exit 4"], false)).await.expect("execs");
    let ended = rt::timeout(Duration::from_secs(10), collect(noise)).await.expect("it ends").expect("collects");
    assert_eq!(ended.code, 4);
    // What is typed to who does not read waits with who types it.
    let mut typed = runtime.attach(&deaf, true).await.expect("attaches");
    let mut frame = vec![0, 0, 1, 0, 0];
    frame.resize(5 + 65_536, b'x');
    let mut taken = 0;
    while taken < 100 && rt::timeout(Duration::from_millis(500), typed.write_all(&frame)).await.is_some() {
        taken += 1;
    }
    assert!(taken < 100, "6 MB were taken for a container that reads nothing");
    drop(typed);
    // A port that never accepts holds up nobody else.
    if shared_network {
        let (full, mut waiting) = full_port();
        let begun = rt::now();
        let (forwarded, said) = tokio::join!(runtime.forward(&id, full), async {
            rt::sleep(Duration::from_millis(100)).await;
            let said = collect(runtime.exec(&deaf, exec(&["/bin/sh", "-c", "exit 6"], false)).await.expect("execs"));
            said.await.map(|said| (said.code, rt::now().since(begun).as_secs() < 4))
        });
        assert_eq!(said, Ok((6, true)));
        assert!(forwarded.is_err_and(|why| why.to_string().contains("nobody answers")));
        waiting.clear();
    }
    runtime.remove_sandbox(&id).await.expect("removes");
}

/// A port whose queue is full: to connect there takes for ever. It lasts as long as what is returned with it.
fn full_port() -> (u16, Vec<std::os::fd::OwnedFd>) {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, listen, socket,
    };
    use std::os::fd::AsRawFd as _;
    let open =
        || socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).expect("the kernel gives one");
    let listener = open();
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("binds");
    listen(&listener, Backlog::new(1).expect("a length")).expect("listens");
    let address: SockaddrIn = getsockname(listener.as_raw_fd()).expect("a name");
    let mut all = vec![listener];
    for _ in 0..8 {
        let waiting = open();
        let _ = connect(waiting.as_raw_fd(), &address);
        all.push(waiting);
    }
    (address.port(), all)
}

/// Work of the disk is done beside the workers: the first look at a future only begins it.
async fn beside(runtime: &dyn Runtime) {
    let mut look = runtime.image("rutter.dev/hello:latest");
    let first = look.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(first.is_pending());
    assert!(look.await.expect("asks").is_some());
}

async fn whole(ground: Ground, port: u16) {
    let runtime = ground.open().await.expect("opens");
    life(&ground, &*runtime).await;
    bad_input(&ground, &*runtime).await;
    if ground.embedded() {
        beside(&*runtime).await;
        patience(&ground, &*runtime, !runtime.about().pod_network).await;
    }
    forwarding(&ground, &*runtime, port).await;
    adoption(&ground).await;
    ground.clean().await;
}

#[tokio::test]
async fn processes() {
    match Ground::process() {
        Ok(ground) => whole(ground, 18_231).await,
        Err(why) => eprintln!("SKIPPED processes: {why}"),
    }
}

#[tokio::test]
async fn oci() {
    match Ground::oci() {
        Ok(ground) => whole(ground, 8080).await,
        Err(why) => eprintln!("SKIPPED oci: {why}"),
    }
}

#[tokio::test]
async fn containerd() {
    match Ground::containerd().await {
        Ok(ground) => whole(ground, 8080).await,
        Err(why) => eprintln!("SKIPPED containerd: {why}"),
    }
}
