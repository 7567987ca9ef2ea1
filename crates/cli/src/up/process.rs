//! A child of `rutter up`: started with a log file of its own, watched, stopped in order. It does not know what the child is.
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A child that ends is started again after this, doubling up to `RESTART_MAX`.
const RESTART_MIN: Duration = Duration::from_secs(1);
const RESTART_MAX: Duration = Duration::from_secs(30);
/// A child that ran this long starts afresh with `RESTART_MIN`.
const RESTART_FORGET: Duration = Duration::from_secs(60);
/// How long children may take to stop before they are killed.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// What is started.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) log: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// A started child.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) child: Child,
    started: rt::Instant,
    wait: Duration,
}

impl Running {
    pub(crate) fn start(process: Process) -> Result<Self, Failure> {
        let child = spawn(&process)?;
        Ok(Self { process, child, started: rt::now(), wait: RESTART_MIN })
    }

    /// How it ended, with its last words, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("{} ended ({status}); {}", self.process.name, last_line(&self.process.log)))
    }

    /// The exit code it ended with, if it did by itself.
    pub(crate) fn code(&mut self) -> Option<u8> {
        u8::try_from(self.child.try_wait().ok().flatten()?.code()?).ok()
    }

    /// A failure if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.ended() {
            None => Ok(()),
            Some(ended) => Err(Failure::new(ended, format!("see {}", self.process.log.display()))),
        }
    }

    /// Starts it again, now.
    pub(crate) fn again(&mut self) -> Result<(), Failure> {
        self.child = spawn(&self.process)?;
        self.started = rt::now();
        Ok(())
    }

    /// Starts it again if it has ended and waited its turn; says how it ended.
    pub(crate) fn keep(&mut self) -> Option<String> {
        let ended = self.ended()?;
        let lived = rt::now().since(self.started);
        if lived > RESTART_FORGET {
            self.wait = RESTART_MIN;
        }
        if lived < self.wait {
            return None;
        }
        let again = self.again();
        self.wait = (self.wait * 2).min(RESTART_MAX);
        match again {
            Ok(()) => Some(ended),
            Err(why) => {
                // The others go on; this one is tried again after the wait.
                self.started = rt::now();
                Some(format!("{ended}; {why}"))
            }
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended by itself.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
        if rt::timeout(STOP_WAIT, self.child.wait()).await.is_none() {
            self.kill().await;
        }
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }
}

/// The path of this binary as it was at the start: where it has been replaced meanwhile, children are of the new one.
static BINARY: LazyLock<std::io::Result<PathBuf>> = LazyLock::new(std::env::current_exe);

fn spawn(process: &Process) -> Result<Child, Failure> {
    let bad = |why: std::io::Error| {
        Failure::new(format!("{} cannot be started: {why}", process.name), "see that the directory can be written to")
    };
    let binary = BINARY.as_ref().map_err(|why| bad(std::io::Error::new(why.kind(), why.to_string())))?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&process.log).map_err(bad)?;
    let mut command = Command::new(binary);
    command.args(&process.arguments).stdin(Stdio::null()).stdout(log.try_clone().map_err(bad)?).stderr(log);
    // A group of its own: Ctrl-C reaches `up`, which stops its children in order.
    command.process_group(0).kill_on_drop(true).spawn().map_err(bad)
}

pub(crate) fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}
