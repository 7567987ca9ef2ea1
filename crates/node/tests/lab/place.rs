//! A network namespace for a test, without a name, so that nothing of it is left when the test and what it started have ended.
//! It never changes the namespace of the thread that asks.
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::Command;

/// One network namespace, which lives as long as somebody holds it.
pub(crate) struct Place(File);

impl Place {
    pub(crate) fn new() -> Self {
        let made = std::thread::scope(|scope| {
            let work = || {
                unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
                File::open("/proc/thread-self/ns/net").expect("the namespace")
            };
            scope.spawn(work).join()
        });
        Self(made.expect("a namespace"))
    }

    /// One that somebody else made.
    #[allow(dead_code, reason = "not every test has such")]
    pub(crate) fn of(namespace: File) -> Self {
        Self(namespace)
    }

    /// What another program calls it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Does it on a thread that is in the namespace; so is every process that it starts.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let done = std::thread::scope(|scope| {
            let work = || {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("enters the namespace");
                body()
            };
            scope.spawn(work).join()
        });
        done.unwrap_or_else(|why| std::panic::resume_unwind(why))
    }
}

/// Whether this machine can have namespaces and rules; says so if not.
pub(crate) fn able() -> bool {
    let able = nix::unistd::geteuid().is_root() && has("nft") && has("ip");
    if !able {
        eprintln!("skipped: needs root, nft and ip");
    }
    able
}

pub(crate) fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

/// Runs a tool whose words are parted by blanks.
pub(crate) fn must(words: &str) {
    let mut words = words.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
