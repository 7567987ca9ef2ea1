//! What can go wrong with the log, in words. What to do about damage depends on who reads the log: whoever opens it says so.
use crate::disk::DiskError;

/// Why the log cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    Disk(DiskError),
    /// Bytes are not what was written, and it is not the torn end of an unfinished write.
    Damaged {
        segment: String,
        offset: u64,
        what: String,
    },
    /// Segments are missing between others.
    Hole {
        before: String,
    },
    /// Written by a later Rutter.
    Version {
        segment: String,
        found: u32,
    },
    /// The directory belongs to another cluster.
    Cluster {
        wanted: u128,
        found: u128,
    },
    /// The caller's indexes have a gap, or go back without a truncation.
    Order {
        wanted: u64,
        given: u64,
    },
    /// An entry or mark is larger than one may be.
    TooLarge {
        bytes: usize,
    },
    /// The entry is older than what is retained.
    Gone {
        index: u64,
    },
    /// The log failed before and takes nothing more until it is opened again.
    Failed(Box<LogError>),
}

impl LogError {
    /// Something that was durable is not there any more: a member must not go on from this log, nor from an older copy of it.
    #[must_use]
    pub fn lost(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Hole { .. } | Self::Disk(DiskError::Damaged(_) | DiskError::Missing(_)) => {
                true
            }
            Self::Failed(why) => why.lost(),
            _ => false,
        }
    }
}

impl LogError {
    /// Bytes are there and are not what was written.
    #[must_use]
    pub fn damaged(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Disk(DiskError::Damaged(_)) => true,
            Self::Failed(why) => why.damaged(),
            _ => false,
        }
    }
}

impl From<DiskError> for LogError {
    fn from(why: DiskError) -> Self {
        Self::Disk(why)
    }
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(why) => why.fmt(f),
            Self::Damaged { segment, offset, what } => {
                write!(f, "log segment {segment} is damaged at byte {offset}: {what}")
            }
            Self::Hole { before } => write!(f, "the log lacks the segment before {before}"),
            Self::Version { segment, found } => {
                write!(
                    f,
                    "log segment {segment} has format version {found}, this binary reads version 1: use a later Rutter"
                )
            }
            Self::Cluster { wanted, found } => write!(
                f,
                "the log is of cluster {found:032x}, not {wanted:032x}: give the member its own directory, or an empty one"
            ),
            Self::Order { wanted, given } => write!(f, "the log goes on with index {wanted}, not {given}"),
            Self::TooLarge { bytes } => {
                write!(f, "{bytes} bytes are more than one entry of the log may have: split the change")
            }
            Self::Gone { index } => write!(f, "entry {index} is older than what is retained: ask for a later revision"),
            Self::Failed(why) => {
                write!(f, "the log stopped taking writes after an error ({why}): mend its cause and start again")
            }
        }
    }
}

impl std::error::Error for LogError {}
