//! What agent and shim say to each other over the pod's socket, and the files they share. Shapes and paths; both sides use it.
use crate::runtime::{ContainerSpec, End, ExecSpec, SandboxSpec};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub const SANDBOX_FILE: &str = "sandbox.json";
pub const LOCK_FILE: &str = "shim.lock";
pub const SOCKET: &str = "shim.sock";
pub const CONTAINER_FILE: &str = "container.json";
pub const STATE_FILE: &str = "state.json";
/// Containers stand in this directory of the sandbox's.
pub const CONTAINERS: &str = "c";

/// How containers are run in this sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Engine {
    /// OCI bundles in namespaces.
    Oci,
    /// Plain child processes.
    Process,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxRecord {
    pub id: String,
    pub engine: Engine,
    pub spec: SandboxSpec,
    pub created: u64,
    pub ips: Vec<String>,
    /// The network namespace to stand in; none: the machine's.
    pub netns: Option<PathBuf>,
    /// Was stopped in order: nothing may start in it again.
    pub stopped: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerRecord {
    pub id: String,
    pub spec: ContainerSpec,
    pub image_id: String,
    pub created: u64,
    pub log: PathBuf,
    pub run: Run,
}

/// The process to be run, resolved: nothing of the image has to be looked up any more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub user: u32,
    pub group: u32,
    pub groups: Vec<u32>,
    /// Lower directories of the root, top first; empty: the machine's own root.
    pub lowers: Vec<PathBuf>,
    /// A process engine's root directory, entered by chroot if that is allowed.
    pub root: Option<PathBuf>,
    pub chroot: bool,
    pub stop_signal: i32,
}

/// What the shim writes of a container: absent until it was started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StateRecord {
    pub pid: i32,
    /// When the kernel began the process (see `ticks`): another process of this number has another.
    #[serde(default)]
    pub ticks: Option<u64>,
    pub started: u64,
    pub end: Option<End>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    Start {
        id: String,
    },
    Signal {
        id: String,
        signal: i32,
    },
    /// Channel frames follow the reply.
    Exec {
        id: String,
        exec: ExecSpec,
    },
    Attach {
        id: String,
        stdin: bool,
    },
    /// The connection's bytes follow the reply.
    Forward {
        port: u16,
    },
    /// A line with a container's id follows for each change.
    Events,
    Discard {
        id: String,
    },
    /// Kill everything and leave.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    Done,
    NotFound(String),
    State(String),
    Failed(String),
}

/// Reads a JSON file.
///
/// # Errors
/// If it is not there or not of this shape.
/// When the process began, in clock ticks since the machine's start (proc(5), field 22 of `stat`); `None` if there is none.
#[must_use]
pub fn ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; what follows it begins with field 3.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

pub fn read_file<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Writes a JSON file so that a reader finds the old or the new, never half.
///
/// # Errors
/// The disk's.
pub fn write_file<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(value)?)?;
    std::fs::rename(&beside, path)
}

/// Takes the lock that says "a shim lives"; it falls with the process, however that ends.
///
/// # Errors
/// If another process holds it.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file()))?;
    Ok(file)
}

/// A lock for writing of a whole file. One of the open file description (fcntl(2), "Open file description locks"), because
/// another may ask after it without taking it, which a list does while a shim starts.
fn whole_file() -> libc::flock {
    // SAFETY: every member is a number, and 0 is a value of each.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock
}

/// True while a shim lives in `dir`.
#[must_use]
pub fn alive(dir: &Path) -> bool {
    let Ok(file) = File::options().write(true).open(dir.join(LOCK_FILE)) else { return false };
    let mut lock = whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
}

/// Listens on the pod's socket. A socket's path has at most 107 bytes, so it is named through the open directory.
///
/// # Errors
/// The kernel's.
pub fn listen(dir: &Path) -> io::Result<UnixListener> {
    let _ = std::fs::remove_file(dir.join(SOCKET));
    let open = File::open(dir)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the pod's socket.
///
/// # Errors
/// The kernel's: no shim lives there.
pub fn connect(dir: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    let open = File::open(dir)?;
    std::os::unix::net::UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()))
}

/// One frame of a stream's channel.
#[must_use]
pub fn frame(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(channel);
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// The first whole frame in `buffer`, taken out of it.
///
/// # Errors
/// If a frame says it is longer than any may be.
pub fn take_frame(buffer: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, String> {
    let Some(head) = buffer.first_chunk::<5>() else { return Ok(None) };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > crate::limits::STREAM_FRAME_MAX * 16 {
        return Err(format!("a frame of {length} bytes"));
    }
    if buffer.len() < 5 + length {
        return Ok(None);
    }
    let channel = head[0];
    let rest = buffer.split_off(5 + length);
    let frame = std::mem::replace(buffer, rest);
    Ok(Some((channel, frame[5..].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_whether_a_shim_lives_never_hinders_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(LOCK_FILE);
        std::thread::scope(|scope| {
            let asks = || (0..20_000).for_each(|_| _ = alive(dir.path()));
            scope.spawn(asks);
            for _ in 0..2_000 {
                let held = lock(&path).expect("nobody else takes it");
                assert!(alive(dir.path()) && lock(&path).is_err());
                drop(held);
            }
        });
        assert!(!alive(dir.path()));
    }
}
