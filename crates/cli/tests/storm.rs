//! kill -9 of processes of every kind, by chance and at moments of chance, while stock kubectl writes: what was acknowledged is there,
//! nothing was done twice, and in the end the members and the replays of what they left agree.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::{Cluster, agreed, any_kubectl, eventually, text};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WRITERS: usize = 4;

/// Who writes: kubectl with the cluster's kubeconfig, one object of its own name after another, and a counter.
struct Writer {
    number: usize,
    kubeconfig: PathBuf,
    home: PathBuf,
    /// Names whose creation was acknowledged.
    acknowledged: Vec<String>,
    /// How often the counter was raised.
    raised: u64,
    /// How often it was in doubt whether something had happened.
    doubts: u64,
}

impl Writer {
    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new("timeout");
        command.arg("10").arg(any_kubectl()).arg("--request-timeout=5s").args(arguments);
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        // It may end before it has read everything; then it says why.
        let _ = child.stdin.take().expect("it was piped").write_all(input.as_bytes());
        child.wait_with_output().expect("kubectl ends")
    }

    /// Until it is known to be there: the name is this writer's alone, so whoever finds it there has made it.
    fn create(&mut self, name: &str) {
        eventually(&format!("{name} is created"), || {
            let made = self.kubectl(&["create", "configmap", name, "--validate=false"], "");
            let there = text(&made.stderr).contains("already exists");
            self.doubts += u64::from(!made.status.success());
            (made.status.success() || there).then_some(())
        });
        self.acknowledged.push(name.to_owned());
    }

    fn counter(&self) -> Option<Value> {
        let read = self.kubectl(&["get", "configmap", &format!("counter-{}", self.number), "-o", "json"], "");
        serde_json::from_slice(&read.stdout).ok().filter(|_| read.status.success())
    }

    /// Raises the counter once, however often it must be tried: each try holds for the revision that was read.
    fn raise(&mut self) {
        let wanted = self.raised + 1;
        eventually("the counter is raised", || {
            let mut counter = self.counter()?;
            let value: u64 = counter["data"]["value"].as_str()?.parse().ok()?;
            assert!(value == self.raised || value == wanted, "{value} where {wanted} is next: lost, or done twice");
            if value == wanted {
                return Some(());
            }
            counter["data"]["value"] = wanted.to_string().into();
            let put = self.kubectl(&["replace", "--validate=false", "-f", "-"], &counter.to_string());
            self.doubts += u64::from(!put.status.success());
            put.status.success().then_some(())
        });
        self.raised = wanted;
    }

    fn run(mut self, over: &AtomicBool) -> Self {
        let counter = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"value": "0"},
            "metadata": {"name": format!("counter-{}", self.number)}});
        eventually("there is a counter", || {
            self.kubectl(&["create", "--validate=false", "-f", "-"], &counter.to_string());
            self.counter()
        });
        let mut turn = 0;
        while !over.load(Ordering::SeqCst) {
            self.create(&format!("w{}-{turn}", self.number));
            self.raise();
            turn += 1;
        }
        self
    }
}

/// Chance, from a seed that is printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// kill -9, once each of these at least, in an order and at moments of chance.
fn storm(cluster: &mut Cluster, chance: &mut Chance) {
    let mut kinds = vec!["member", "member", "member", "leader", "leader", "agent", "up", "everything"];
    while !kinds.is_empty() {
        std::thread::sleep(Duration::from_millis(300 + chance.below(2_500)));
        let kind = kinds.remove(usize::try_from(chance.below(kinds.len() as u64)).expect("small"));
        println!("kill -9: {kind}");
        match kind {
            "agent" => assert_eq!(cluster.kill(&["node"]), 1),
            "up" | "everything" => {
                let verbs: &[&str] = if kind == "up" { &["up"] } else { &["up", "control", "node"] };
                assert!(cluster.kill(verbs) >= verbs.len());
                // The children of a killed parent end by themselves, and give their directories back.
                eventually("the old processes are gone", || (cluster.kill(&["control", "node"]) == 0).then_some(()));
                cluster.up();
            }
            _ => {
                let among: Vec<i32> = eventually("somebody is there to be killed", || {
                    let status: Value = serde_json::from_slice(&cluster.try_status()?).ok()?;
                    let members = status["members"].as_array()?.iter();
                    let wanted = members.filter(|member| kind == "member" || member["role"] == "leader");
                    let pids: Vec<i32> = wanted.filter_map(|member| member["pid"].as_i64()?.try_into().ok()).collect();
                    (!pids.is_empty()).then_some(pids)
                });
                let chosen = usize::try_from(chance.below(among.len() as u64)).expect("small");
                // It may have just ended by an earlier kill's work.
                let pid = nix::unistd::Pid::from_raw(among[chosen]);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

#[test]
fn any_process_may_be_killed_at_any_moment() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut cluster = Cluster::start(18_290, &["--runtime", "process"]);
    let over = AtomicBool::new(false);
    let writer = |number| Writer {
        number,
        kubeconfig: cluster.kubeconfig(),
        home: cluster.dir.path().to_owned(),
        acknowledged: Vec::new(),
        raised: 0,
        doubts: 0,
    };
    let writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    let writers: Vec<Writer> = std::thread::scope(|scope| {
        let writing: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| writer.run(&over))).collect();
        let stormed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            storm(&mut cluster, &mut Chance(seed));
            // Some writing when all is calm again.
            std::thread::sleep(Duration::from_secs(2));
        }));
        over.store(true, Ordering::SeqCst);
        let written = writing.into_iter().map(|writer| writer.join().expect("a writer ends")).collect();
        stormed.unwrap_or_else(|why| std::panic::resume_unwind(why));
        written
    });
    let names = cluster.kubectl(&["get", "configmaps", "-o", "name"]);
    let names: std::collections::BTreeSet<&str> = names.lines().collect();
    let mut total = 0;
    for writer in &writers {
        for name in &writer.acknowledged {
            assert!(names.contains(&*format!("configmap/{name}")), "{name} was acknowledged and is lost");
        }
        let value = writer.counter().expect("it is there")["data"]["value"].clone();
        assert_eq!(value, writer.raised.to_string(), "each time once");
        total += writer.acknowledged.len();
    }
    let doubts: u64 = writers.iter().map(|writer| writer.doubts).sum();
    println!("{total} objects and as many raises acknowledged, {doubts} times in doubt");
    assert!(
        writers.iter().all(|writer| !writer.acknowledged.is_empty()) && doubts > 0,
        "they wrote while processes were killed: {total}, {doubts}"
    );
    let (revision, hash) = eventually("all members agree", || agreed(&cluster.status(), 3));
    cluster.stop();
    for member in ["m1", "m2", "m3"] {
        let dir = cluster.home().join("members").join(member).display().to_string();
        let replay = cluster.rutter(&["replay", "--dir", &dir, "--to", &revision.to_string()]);
        assert_eq!((&replay["revision"], &replay["hash"]), (&revision.into(), &(*hash).into()), "{member}");
    }
}
