//! Terminals: a pair of them, and their size. No processes here.
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A new terminal: (master, slave).
pub(super) fn open() -> Result<(OwnedFd, OwnedFd), String> {
    let pair = nix::pty::openpty(None, None).map_err(|why| format!("opening a terminal: {why}"))?;
    Ok((pair.master, pair.slave))
}

/// Tells the terminal its size from `{"Width":…,"Height":…}`.
pub(super) fn resize(master: &OwnedFd, text: &[u8]) {
    let Ok(size) = serde_json::from_slice::<serde_json::Value>(text) else { return };
    let side =
        |name: &str| size.get(name).or_else(|| size.get(name.to_lowercase())).and_then(serde_json::Value::as_u64);
    let (Some(width), Some(height)) = (side("Width"), side("Height")) else { return };
    let clip = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let size = libc::winsize { ws_row: clip(height), ws_col: clip(width), ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize; the descriptor is open for as long as `master` lives. A failure leaves the old size.
    unsafe {
        libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
    }
}

/// Where a runtime hands over the master of the terminal it made inside the container.
pub(super) struct Listener {
    pub(super) path: PathBuf,
    listener: UnixListener,
}

impl Listener {
    pub(super) fn open(dir: &Path) -> Result<Self, String> {
        let words = |why: std::io::Error| format!("listening for a terminal: {why}");
        let path = dir.join("console.sock");
        let _ = std::fs::remove_file(&path);
        // A socket's path has at most 107 bytes, so it is named through the open directory.
        let open = std::fs::File::open(dir).map_err(words)?;
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/console.sock", open.as_raw_fd())).map_err(words)?;
        Ok(Self { path, listener })
    }

    pub(super) fn receive(self) -> Result<OwnedFd, String> {
        let words = |why: &dyn std::fmt::Display| format!("receiving a terminal: {why}");
        self.listener.set_nonblocking(true).map_err(|why| words(&why))?;
        // The container has connected before its start returned; if not, it never will.
        let (stream, _) = self.listener.accept().map_err(|why| words(&why))?;
        let _ = std::fs::remove_file(&self.path);
        let mut bytes = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
            .map_err(|why| words(&why))?;
        for control in message.cmsgs().map_err(|why| words(&why))? {
            if let ControlMessageOwned::ScmRights(fds) = control
                && let Some(fd) = fds.first()
            {
                // SAFETY: the kernel has just made this descriptor for us alone.
                return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
            }
        }
        Err(words(&"the message holds none"))
    }
}
