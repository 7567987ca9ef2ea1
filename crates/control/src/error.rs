//! Why a member does not start, or had to stop. Each text is one line and says what to do next.
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// A file of the member's directory cannot be read or written.
    Directory {
        path: PathBuf,
        why: String,
    },
    /// The directory is another member's, or holds what it must not.
    Foreign {
        path: PathBuf,
        why: String,
    },
    /// There is no cluster in the directory, and neither founding nor joining was asked for.
    Nothing {
        path: PathBuf,
    },
    Link(link::error::LinkError),
    /// The audit policy cannot be read, or its log not be written.
    Audit {
        path: PathBuf,
        why: String,
    },
    /// The log cannot be opened or has failed.
    Log(String),
    /// What was durable is lost, or the state is wrong: this directory must not serve again.
    Lost(String),
    /// The members differ, and nobody knows who is right.
    Disputed(String),
    /// The API cannot be served.
    Api(String),
    /// A file that says whom to believe cannot be used.
    Trust(String),
    /// The cluster has removed this member.
    Removed {
        name: String,
        cluster: String,
    },
    /// The cluster did not take this member in.
    NotTaken(String),
    /// The cluster will never take it in as who it is: its id went to another, or its place was taken.
    NoPlace(String),
    /// It was started at another address than the one at which the other members look for it.
    Moved {
        known: String,
        given: String,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, why } => {
                write!(f, "{}: {why}", path.display())
            }
            Self::Foreign { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Nothing { path } => {
                write!(
                    f,
                    "{} holds no member: found a cluster with --found, or join one with --join and --token",
                    path.display()
                )
            }
            Self::Link(error) => error.fmt(f),
            Self::Audit { path, why } => write!(f, "audit: {}: {why}", path.display()),
            Self::Log(why) | Self::Lost(why) | Self::Disputed(why) | Self::Api(why) | Self::Trust(why) => {
                f.write_str(why)
            }
            Self::Removed { name, cluster } => write!(f, "member {name} was removed from cluster {cluster}"),
            Self::NoPlace(why) => write!(f, "the cluster did not take this member in: {why}"),
            Self::Moved { known, given } => {
                write!(f, "the other members look for this one at {known}, and it was started at {given}")
            }
            Self::NotTaken(why) => {
                write!(f, "the cluster did not take this member in: {why}; see `rutter status`, then start it again")
            }
        }
    }
}

impl ControlError {
    /// What is to be done about it, for the member `name`.
    #[must_use]
    pub fn next(&self, name: &str) -> String {
        match self {
            Self::Lost(_) => format!(
                "put a new member in its place: `rutter member replace {name}` at another member says how; keep this directory for inquiry"
            ),
            Self::Disputed(_) => {
                format!("start members that are down, then {name} again: a majority tells who is right")
            }
            Self::Removed { .. } => {
                "its directory may be deleted; `rutter member add` says how a new one joins".to_owned()
            }
            Self::Directory { .. } => {
                "see that the directory can be read and written and its disk has room, then start it again".to_owned()
            }
            Self::NoPlace(_) => {
                "start it again with --join and a token that holds: it then asks for a place of its own".to_owned()
            }
            Self::Moved { known, .. } => format!(
                "start it with `--link {known}` (or `--advertise-link {known}`); to move it: `rutter member replace {name}` at another member"
            ),
            Self::Foreign { .. } => format!(
                "choose another directory; if this one is damaged, `rutter member replace {name}` at another member says how a new one takes its place"
            ),
            // A member with a past goes on from it.
            _ => "mend that, then start it again: it goes on from its directory".to_owned(),
        }
    }
}

impl std::error::Error for ControlError {}

impl From<consensus::StartError> for ControlError {
    fn from(error: consensus::StartError) -> Self {
        match error {
            consensus::StartError::Lost(_) | consensus::StartError::Diverged(_) => Self::Lost(error.to_string()),
            other => Self::Log(other.to_string()),
        }
    }
}

impl From<link::error::LinkError> for ControlError {
    fn from(error: link::error::LinkError) -> Self {
        Self::Link(error)
    }
}
