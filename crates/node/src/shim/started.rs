//! What an engine hands over of a process it started. A shape only.
use std::os::fd::OwnedFd;

/// A process that runs, and our ends of its standard streams.
pub(super) struct Started {
    pub(super) pid: i32,
    pub(super) stdin: Option<OwnedFd>,
    /// With a terminal: its master; `stderr` is absent then.
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
    pub(super) tty: bool,
}
