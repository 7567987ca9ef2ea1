//! A real cluster for a test: `rutter up` with ports and a directory of its own, stock kubectl, and what else a user would run.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
pub(crate) mod members;

use serde_json::Value;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the test says so.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
    up: Option<Child>,
    arguments: Vec<String>,
    /// The binary, if the user `nobody` runs it.
    of_nobody: Option<PathBuf>,
}

/// The user id that is nobody's by convention.
const NOBODY: u32 = 65_534;

pub(crate) fn rutter() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_rutter"))
}

/// kubectl of one minor version, if `scripts/kubectl-versions` has fetched it.
pub(crate) fn kubectl_binary(minor: u32) -> Option<PathBuf> {
    let target = rutter().ancestors().nth(2)?.to_owned();
    Some(target.join(format!("tools/kubectl-1.{minor}"))).filter(|path| path.exists())
}

/// The newest kubectl there is; every test of a user's story needs one.
pub(crate) fn any_kubectl() -> PathBuf {
    [35, 32]
        .into_iter()
        .find_map(kubectl_binary)
        .expect("kubectl is there: run scripts/kubectl-versions (make test does)")
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Cluster {
    /// Starts `rutter up` and waits until it says that the cluster is up.
    pub(crate) fn start(port: u16, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        let mut cluster = Self { dir, port, up: None, arguments, of_nobody: None };
        cluster.up();
        cluster
    }

    /// As `start`, but by a user who is not root and owns nothing else.
    pub(crate) fn start_as_nobody(port: u16) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let binary = dir.path().join("rutter");
        std::fs::copy(rutter(), &binary).expect("copied");
        for path in [dir.path(), &binary] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        let mut cluster = Self { dir, port, up: None, arguments: Vec::new(), of_nobody: Some(binary) };
        cluster.up();
        cluster
    }

    /// The same command again.
    pub(crate) fn up(&mut self) {
        let out = self.path("up.out");
        let file = File::create(&out).expect("a file");
        let mut command = Command::new(self.of_nobody.clone().unwrap_or_else(rutter));
        if self.of_nobody.is_some() {
            command.uid(NOBODY).gid(NOBODY).env("HOME", self.dir.path());
        }
        let child = command
            .args(["up", "--api-port", &self.port.to_string(), "--dir"])
            .arg(self.home())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("rutter up starts");
        self.up = Some(child);
        let child = self.up.as_mut().expect("it was just started");
        let started = Instant::now();
        loop {
            let said = std::fs::read_to_string(&out).unwrap_or_default();
            if said.contains("The cluster is up") {
                return;
            }
            let ended = child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "rutter up: {said}\n{}",
                logs(&self.dir.path().join("home"))
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ctrl-C.
    pub(crate) fn stop(&mut self) {
        if let Some(mut up) = self.up.take() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(up.id()).expect("a pid"));
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it can be told");
            let status = up.wait().expect("it ends");
            assert!(status.success(), "rutter up ended with {status}");
        }
    }

    /// kill -9 of every process of this cluster whose verb is one of `verbs`, at once; how many there were. Shims and containers,
    /// which are to outlive them, have other verbs.
    pub(crate) fn kill(&mut self, verbs: &[&str]) -> usize {
        let home = self.home().display().to_string();
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let of_this_cluster = processes.filter_map(|process| {
            let pid: i32 = process.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(process.path().join("cmdline")).ok()?;
            let words: Vec<&str> =
                line.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok()).collect();
            let ours = words.get(1).is_some_and(|verb| verbs.contains(verb))
                && words.iter().any(|word| word.starts_with(&home));
            ours.then_some(pid)
        });
        let pids: Vec<i32> = of_this_cluster.collect();
        for pid in &pids {
            // One may have ended by another's end.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
        }
        if verbs.contains(&"up") {
            self.up.take().expect("it runs").wait().expect("it is waited for");
        }
        pids.len()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home().join("kubeconfig")
    }

    /// Runs kubectl; its standard output. Panics with both outputs if it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(&any_kubectl(), arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "kubectl {arguments:?}: {}\n{out}{err}", output.status);
        out
    }

    pub(crate) fn try_kubectl(&self, binary: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(binary).args(arguments);
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", self.dir.path()).stdin(Stdio::null());
        command.output().expect("kubectl runs")
    }

    /// Runs rutter with `--output json`; its answer.
    pub(crate) fn rutter(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(rutter());
        command
            .args(arguments)
            .args(["--output", "json"])
            .env("KUBECONFIG", self.kubeconfig())
            .current_dir(self.dir.path());
        let output = command.output().expect("rutter runs");
        assert!(output.status.success(), "rutter {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|why| panic!("rutter {arguments:?}: {why}: {}", text(&output.stdout)))
    }

    /// `rutter status` as JSON.
    pub(crate) fn status(&self) -> Value {
        self.rutter(&["status", "--kubeconfig", &self.kubeconfig().display().to_string()])
    }

    /// What `rutter status --output json` prints, if it gets an answer.
    pub(crate) fn try_status(&self) -> Option<Vec<u8>> {
        let mut command = Command::new(rutter());
        command.args(["status", "--output", "json", "--kubeconfig"]).arg(self.kubeconfig());
        let output = command.output().expect("rutter runs");
        output.status.success().then_some(output.stdout)
    }

    /// (name, pid, leads) of each member.
    pub(crate) fn members(&self) -> Vec<(String, i32, bool)> {
        let status = self.status();
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let one = |member: &Value| {
            let pid = i32::try_from(member["pid"].as_i64().unwrap_or(0)).expect("a pid");
            (member["name"].as_str().unwrap_or_default().to_owned(), pid, member["role"] == "leader")
        };
        members.iter().map(one).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", logs(&self.home()));
        }
        if let Some(mut up) = self.up.take() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(up.id()).expect("a pid"));
            // It may be gone; then there is nothing to stop.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = up.wait();
        }
        let _ = Command::new(rutter()).args(["purge", "--dir"]).arg(self.home()).output();
    }
}

/// The last lines of each process's log: what one wants to see when a test fails.
fn logs(home: &Path) -> String {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    let logs =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {}\n{}\n", path.display(), lines[lines.len().saturating_sub(30)..].join("\n"))
    })
    .collect()
}

/// (revision, hash) if so many members, and all that there are, have the same hash at one revision.
pub(crate) fn agreed(status: &Value, many: usize) -> Option<(u64, String)> {
    let members = status["members"].as_array()?;
    let hashes: Vec<(u64, &str)> = members
        .iter()
        .map(|member| Some((member["hashRevision"].as_u64()?, member["hash"].as_str()?)))
        .collect::<Option<_>>()?;
    let first = hashes.first()?;
    (hashes.len() == many && hashes.iter().all(|hash| hash == first)).then(|| (first.0, first.1.to_owned()))
}

/// Processes with this in their environment.
pub(crate) fn marked(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten().map(|process| process.path().join("environ"));
    let environments = processes.filter_map(|environment| std::fs::read(environment).ok());
    environments.filter(|all| all.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())).count()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until `check` gives something; panics with `what` if it never does.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
