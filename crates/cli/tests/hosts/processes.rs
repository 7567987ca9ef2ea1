//! Three members and three agents, each a process of the built binary on a host of its own, started as README starts them on machines of
//! their own. All end with the value, and what their pods left ends too.
use super::ground::Ground;
use crate::cluster::{eventually, rutter, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub(crate) const MEMBERS: [&str; 3] = ["m1", "m2", "m3"];
pub(crate) const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// The host of clients and of whoever asks for the status.
pub(crate) const CLIENTS: &str = "c";

pub(crate) struct Processes<'a> {
    pub(crate) ground: &'a Ground,
    dir: tempfile::TempDir,
    running: BTreeMap<&'static str, Child>,
}

impl<'a> Processes<'a> {
    /// A cluster of which everybody is there.
    pub(crate) fn found(ground: &'a Ground) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut processes = Self { ground, dir, running: BTreeMap::new() };
        processes.begin("m1", &["--found".into()]);
        for (name, role, known) in
            [("m2", "member", 1), ("m3", "member", 2), ("n1", "node", 3), ("n2", "node", 3), ("n3", "node", 3)]
        {
            let made = processes.ask(&["token", "--role", role]).expect("a token");
            let token = made["token"].as_str().expect("a token").to_owned();
            processes.begin(name, &["--join".into(), processes.links(known), "--token".into(), token]);
        }
        processes
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.home(name).join("admin.kubeconfig")
    }

    /// Link addresses of so many members.
    fn links(&self, many: usize) -> String {
        MEMBERS[..many].iter().map(|name| format!("{}:6543", self.ground.address(name))).collect::<Vec<_>>().join(",")
    }

    fn said_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.said"))
    }

    /// Everything that its processes have printed.
    pub(crate) fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.said_path(name)).unwrap_or_default()
    }

    fn begin(&mut self, name: &'static str, more: &[String]) {
        self.start(name, more);
        eventually(&format!("{name} serves"), || {
            let ended = self.running.get_mut(name)?.try_wait().expect("it can be asked");
            let said = self.said(name);
            assert_eq!(ended, None, "{said}");
            (said.contains("serves the API") || said.contains("runs pods")).then_some(())
        });
    }

    /// Starts it: with words of its first start, or from its directory.
    pub(crate) fn start(&mut self, name: &'static str, more: &[String]) {
        let said = File::options().append(true).create(true).open(self.said_path(name)).expect("a file");
        let mut command = Command::new(rutter());
        if MEMBERS.contains(&name) {
            let address = self.ground.address(name);
            command.args(["control", "--api", &format!("{address}:6443"), "--link", &format!("{address}:6543")]);
        } else {
            command.args(["node", "--runtime", "process"]);
        }
        command.args(["--name", name, "--dir"]).arg(self.home(name)).args(more).env_remove("KUBECONFIG");
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("a file")).stderr(said);
        let child = self.ground.run(name, move || command.spawn()).expect("it starts");
        assert!(self.running.insert(name, child).is_none(), "{name} runs already");
    }

    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.running[name].id()).expect("a pid"));
        kill(pid, signal).expect("it can be told");
    }

    /// kill -9, or the signal to stop in order.
    pub(crate) fn stop(&mut self, name: &str, signal: Signal) {
        self.signal(name, signal);
        let status = self.running.remove(name).expect("it runs").wait().expect("it ends");
        assert!(signal == Signal::SIGKILL || status.success(), "{name}: {status}: {}", self.said(name));
    }

    /// What a verb prints that asks whichever member answers.
    pub(crate) fn ask(&self, verb: &[&str]) -> Option<Value> {
        let of = |name: &&str| {
            let mut command = Command::new("timeout");
            command.arg("10").arg(rutter()).args(verb).args(["--output", "json", "--kubeconfig"]);
            command.arg(self.kubeconfig(name)).current_dir(self.dir.path());
            let output = self.ground.run(CLIENTS, move || command.output()).expect("rutter runs");
            output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
        };
        MEMBERS.iter().filter(|name| self.kubeconfig(name).exists()).find_map(of)
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> &'static str {
        eventually("somebody leads", || {
            let status = self.ask(&["status"])?;
            MEMBERS.into_iter().find(|name| status["leader"] == *name)
        })
    }
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for (name, mut child) in std::mem::take(&mut self.running) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                let said = self.said(name);
                let lines: Vec<&str> = said.lines().collect();
                eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
            }
        }
        for name in NODES.iter().filter(|name| self.home(name).exists()) {
            let purged = Command::new(rutter()).args(["purge", "--dir"]).arg(self.home(name)).output();
            let purged = purged.expect("rutter runs");
            if !purged.status.success() {
                eprintln!("{name} is not purged: {}", text(&purged.stderr));
            }
        }
    }
}
