//! The process beside each pod: parent of its containers, keeper of their pipes, logs and exit codes. It outlives the agent.
//! One thread and no async runtime, because it forks; it never talks to the cluster.
mod console;
mod engine;
mod log;
mod oci;
mod process;
pub mod protocol;
mod reactor;
mod session;
mod started;

use protocol::SandboxRecord;
use std::path::{Path, PathBuf};

/// Runs a shim: `args` is the sandbox's directory. Returns the process's exit code when the pod is gone.
#[must_use]
pub fn main(args: &[String]) -> i32 {
    let Some(dir) = args.first().map(PathBuf::from) else {
        eprintln!("usage: rutter pod-shim DIRECTORY (the agent starts this by itself)");
        return 2;
    };
    match run(&dir) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("pod-shim {}: {why}", dir.display());
            1
        }
    }
}

fn run(dir: &Path) -> Result<(), String> {
    let record: SandboxRecord = protocol::read_file(&dir.join(protocol::SANDBOX_FILE))
        .map_err(|why| format!("the sandbox cannot be read: {why}"))?;
    // Whoever started the agent may have left files open in it, and a shim outlives both.
    // SAFETY: nothing of this process but the three standard streams is open yet, so nobody's descriptor is closed under them.
    unsafe { nix::libc::close_range(3, u32::MAX, 0) };
    // A session of its own: no terminal's signals, and the agent's death is not ours. It may be a leader already.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true).map_err(|why| format!("becoming the pod's reaper: {why}"))?;
    let _lock =
        protocol::lock(&dir.join(protocol::LOCK_FILE)).map_err(|why| format!("another shim serves this pod: {why}"))?;
    engine::enter(dir, &record)?;
    let listener = protocol::listen(dir).map_err(|why| format!("listening: {why}"))?;
    // The agent waits for this line; afterwards nobody reads us.
    println!("ready");
    silence().map_err(|why| format!("letting go of standard output: {why}"))?;
    reactor::Reactor::new(dir.to_owned(), record, listener).run()
}

/// Standard output goes nowhere; standard error stays the shim's log file.
fn silence() -> std::io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}
