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
    /// The log cannot be opened or has failed.
    Log(String),
    /// The API cannot be served.
    Api(String),
    /// The cluster did not take this member in.
    NotTaken(String),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, why } => {
                write!(f, "{}: {why}; see that the directory can be written to and its disk has room", path.display())
            }
            Self::Foreign { path, why } => write!(f, "{}: {why}; choose another directory", path.display()),
            Self::Nothing { path } => {
                write!(
                    f,
                    "{} holds no member: found a cluster with --found, or join one with --join and --token",
                    path.display()
                )
            }
            Self::Link(error) => error.fmt(f),
            Self::Log(why) => f.write_str(why),
            Self::Api(why) => f.write_str(why),
            Self::NotTaken(why) => {
                write!(f, "the cluster did not take this member in: {why}; see `rutter status`, then start it again")
            }
        }
    }
}

impl std::error::Error for ControlError {}

impl From<link::error::LinkError> for ControlError {
    fn from(error: link::error::LinkError) -> Self {
        Self::Link(error)
    }
}
