//! Three members without nodes, each a process of its own that nobody starts again: for tests that take a member's disk away.
use super::{PATIENCE, any_kubectl, eventually, rutter, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) struct Members {
    pub(crate) dir: tempfile::TempDir,
    port: u16,
    flags: Vec<String>,
    running: BTreeMap<String, Child>,
    mounts: Vec<PathBuf>,
}

/// A mount or another tool of the machine; its standard error if it fails.
pub(crate) fn tool(line: &[&str]) -> Result<(), String> {
    let output = Command::new(line[0]).args(&line[1..]).output().map_err(|why| format!("{line:?}: {why}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{line:?}: {}", text(&output.stderr))) }
}

impl Members {
    /// Nothing runs yet: a test may mount what it wants below `home`.
    pub(crate) fn new(port: u16, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|text| (*text).to_owned()).collect();
        let dir = tempfile::tempdir().expect("a directory");
        Self { dir, port, flags, running: BTreeMap::new(), mounts: Vec::new() }
    }

    /// m1 founds, m2 and m3 join.
    pub(crate) fn found(&mut self) {
        self.begin("m1", &["--found"]);
        for name in ["m2", "m3"] {
            self.join(name, "m1");
        }
    }

    /// A new member, let in by `by`.
    pub(crate) fn join(&mut self, name: &str, by: &str) {
        let made = self.rutter(by, &["token", "--role", "member"]);
        self.join_with(name, by, &made);
    }

    /// A new member with the token of this answer, let in by `by`.
    pub(crate) fn join_with(&mut self, name: &str, by: &str, made: &Value) {
        let token = made["token"].as_str().expect("a token").to_owned();
        self.begin(name, &["--join", &self.address(by, 100), "--token", &token]);
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.home(name).join("admin.kubeconfig")
    }

    fn address(&self, name: &str, offset: u16) -> String {
        let number: u16 = name[1..].parse().expect("a number");
        format!("127.0.0.1:{}", self.port + number + offset)
    }

    /// Mounts at the member's directory; taken away with the value.
    pub(crate) fn mount(&mut self, name: &str, line: &[&str]) -> Result<(), String> {
        let home = self.home(name);
        std::fs::create_dir_all(&home).expect("a directory");
        tool(&[&["mount"], line, &[&home.display().to_string()]].concat())?;
        self.mounts.push(home);
        Ok(())
    }

    pub(crate) fn begin(&mut self, name: &str, begin: &[&str]) {
        self.start_with(name, begin);
        self.await_ready(name);
    }

    pub(crate) fn start(&mut self, name: &str) {
        self.start_with(name, &[]);
    }

    fn said_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.said"))
    }

    fn start_with(&mut self, name: &str, begin: &[&str]) {
        let said = std::fs::File::create(self.said_path(name)).expect("a file");
        let child = Command::new(rutter())
            .args(["control", "--name", name, "--api", &self.address(name, 0), "--link", &self.address(name, 100)])
            .arg("--dir")
            .arg(self.home(name))
            .args(&self.flags)
            .args(begin)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("it starts");
        assert!(self.running.insert(name.to_owned(), child).is_none(), "{name} runs already");
    }

    pub(crate) fn await_ready(&mut self, name: &str) {
        let config = self.config(name);
        eventually(&format!("{name} is ready"), || {
            let ended = self.ended(name);
            assert!(ended.is_none(), "{name} ended with {ended:?}: {}", self.said(name));
            let ready = config.exists() && self.try_kubectl(name, &["get", "--raw", "/readyz"], "").status.success();
            ready.then_some(())
        });
    }

    /// The exit code, if it has ended by itself.
    pub(crate) fn ended(&mut self, name: &str) -> Option<i32> {
        let status = self.running.get_mut(name)?.try_wait().expect("it can be asked")?;
        self.running.remove(name);
        Some(status.code().unwrap_or(-1))
    }

    /// Waits until it has ended by itself with this exit code, told in one line; that line.
    pub(crate) fn last_words(&mut self, name: &str, wanted: i32) -> String {
        let code = eventually(&format!("{name} ends"), || self.ended(name));
        let said = self.said(name);
        assert_eq!(code, wanted, "{said}");
        let mut words = said.lines().filter(|line| line.starts_with("rutter: "));
        let (line, more) = (words.next().expect("it says why").to_owned(), words.next());
        assert_eq!(more, None, "one line");
        line
    }

    pub(crate) fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.said_path(name)).unwrap_or_default()
    }

    /// kill -9, or the signal to stop in order.
    pub(crate) fn stop(&mut self, name: &str, kill: bool) {
        let mut child = self.running.remove(name).expect("it runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let signal = if kill { nix::sys::signal::Signal::SIGKILL } else { nix::sys::signal::Signal::SIGTERM };
        nix::sys::signal::kill(pid, signal).expect("it can be told");
        let status = child.wait().expect("it ends");
        assert!(kill || status.success(), "{name}: {status}: {}", self.said(name));
    }

    /// Creates so many config maps of so many bytes each, asked of `by`; the names of those that were acknowledged.
    pub(crate) fn create(&self, by: &str, prefix: &str, count: usize, bytes: usize) -> Vec<String> {
        let item = |number: usize| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("{prefix}-{number}")},
                "data": {"v": format!("{number:0bytes$}")}})
        };
        let list = json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(item).collect::<Vec<_>>()});
        let output = self.try_kubectl(by, &["create", "--validate=false", "-f", "-", "-o", "name"], &list.to_string());
        text(&output.stdout).lines().map(|line| line.trim_start_matches("configmap/").to_owned()).collect()
    }

    /// The names of all config maps that `by` knows of.
    pub(crate) fn names(&self, by: &str) -> Vec<String> {
        let output = self.try_kubectl(by, &["get", "configmaps", "-o", "name"], "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| line.trim_start_matches("configmap/").to_owned()).collect()
    }

    pub(crate) fn try_kubectl(&self, by: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(any_kubectl()).args(arguments);
        command.env("KUBECONFIG", self.config(by)).env("HOME", self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        // It may end before it has read everything; then it says why.
        let _ = child.stdin.take().expect("it was piped").write_all(input.as_bytes());
        child.wait_with_output().expect("kubectl ends")
    }

    /// Runs a verb that asks `by`, with `--output json`; its answer.
    pub(crate) fn rutter(&self, by: &str, arguments: &[&str]) -> Value {
        let output = self.try_rutter(by, arguments);
        assert!(output.status.success(), "rutter {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    pub(crate) fn try_rutter(&self, by: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(rutter());
        command.args(arguments).args(["--output", "json", "--kubeconfig"]).arg(self.config(by));
        command.current_dir(self.dir.path()).output().expect("rutter runs")
    }

    /// Waits until all of so many members are well and have the same hash at the same revision; that revision and hash.
    pub(crate) fn agree(&self, by: &str, count: usize) -> (u64, String) {
        eventually("the members agree", || {
            let output = self.try_rutter(by, &["status"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            let members = status["members"].as_array()?;
            let of = |member: &Value| Some((member["hashRevision"].as_u64()?, member["hash"].as_str()?.to_owned()));
            let states: Vec<_> = members.iter().map(of).collect::<Option<_>>()?;
            let well = members.iter().all(|member| member["health"] == "well" && member["voter"] == true);
            let same = states.iter().all(|state| *state == states[0]);
            assert!(same || states.iter().any(|state| state.0 != states[0].0), "they differ: {status}");
            (members.len() == count && well && same).then(|| states[0].clone())
        })
    }
}

/// `rutter replay` of a directory; its answer, or the one line that says why not.
pub(crate) fn replay(home: &Path, more: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(rutter());
    command.args(["replay", "--output", "json", "--dir"]).arg(home).args(more);
    let output = command.output().expect("rutter runs");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
    } else {
        Err(text(&output.stderr))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (name, mut child) in std::mem::take(&mut self.running) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("--- {name}\n{}", self.said(&name));
            }
        }
        for home in &self.mounts {
            // Nothing can be done about one that stays.
            let _ = tool(&["umount", "-l", &home.display().to_string()]);
        }
    }
}
