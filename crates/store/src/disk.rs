//! The port to files: named files in one directory that only this process uses. It says what a disk promises and how it fails;
//! it holds no files itself. `real` is the machine's, `memory` forgets, the simulation's twin tears, loses and fills; `exam` holds both to the same word.
use std::time::Duration;

pub mod exam;
pub mod memory;
#[cfg(feature = "files")]
pub mod real;
pub mod stream;

/// Named files in one directory. Names are of `[a-z0-9._-]`, without a slash.
///
/// Calls are synchronous and may take long: the owner calls them where waiting is allowed. Reads may come from any thread
/// while one writer appends. After an error of `append`, `sync` or `truncate` nothing is known of what was written since the
/// last successful `sync` of that file; the caller must not write on, but open again and look (fsync cannot be tried twice).
pub trait Disk: Send + Sync {
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// Creates an empty file. Its name is durable when this returns.
    ///
    /// # Errors
    /// `Exists` if there is one.
    fn create(&self, name: &str) -> Result<(), DiskError>;

    /// Bytes in the file, appended but not yet synced ones included.
    ///
    /// # Errors
    /// `Missing` if there is none.
    fn len(&self, name: &str) -> Result<u64, DiskError>;

    /// Writes `bytes` at the end. Durable after `sync`; on power loss before that, any part of them may be there, in any order.
    ///
    /// # Errors
    /// `Full` or `ReadOnly` if there is no room; then a part may have been written.
    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// At most `length` bytes from `offset`: fewer only where the file ends, none past its end.
    ///
    /// # Errors
    /// `Damaged` if the device gave the bytes up.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError>;

    /// Makes everything appended to the file durable.
    ///
    /// # Errors
    /// Any: what was appended since the last `sync` is then lost or not, nobody knows.
    fn sync(&self, name: &str) -> Result<(), DiskError>;

    /// Cuts the file to `length` bytes, which it must have. Durable when this returns.
    ///
    /// # Errors
    /// `Missing` if there is none.
    fn truncate(&self, name: &str, length: u64) -> Result<(), DiskError>;

    /// Gives a file another name, replacing what had that name. Atomic, and durable when this returns.
    ///
    /// # Errors
    /// `Missing` if there is none.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Takes the file away. Durable when this returns.
    ///
    /// # Errors
    /// `Missing` if there is none.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// Time that the calls since the last `owed` should have taken but did not, since a simulated disk cannot wait inside a
    /// call: the owner lets it pass (`rt::sleep`) before it acts on their results. A real disk takes its time itself.
    fn owed(&self) -> Duration {
        Duration::ZERO
    }
}

/// What the world did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    Full,
    ReadOnly,
    Missing(String),
    Exists(String),
    /// Another process (named, if known) has the directory.
    Locked(String),
    /// The device could not give back what was written.
    Damaged(String),
    Io(String),
}

impl std::fmt::Display for DiskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full: free space or give the member a larger disk"),
            Self::ReadOnly => {
                f.write_str("the disk is read-only: look for disk errors in the kernel's log, and mount it for writing")
            }
            Self::Missing(name) => write!(f, "file {name} is missing"),
            Self::Exists(name) => {
                write!(f, "file {name} is there already: the directory was changed by something else")
            }
            Self::Locked(who) => write!(f, "another process uses this directory ({who}): stop it first"),
            Self::Damaged(what) => write!(f, "the disk could not give back what was written ({what})"),
            Self::Io(what) => write!(f, "the disk failed: {what}"),
        }
    }
}

impl std::error::Error for DiskError {}
