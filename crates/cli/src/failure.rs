//! What went wrong and how to mend it, in one line, or as JSON. Every command ends with one of these or with success.
use serde_json::json;
use std::fmt;

/// The exit code of a command that failed.
const FAILED: u8 = 1;
/// The exit code of a command line that cannot be read.
pub(crate) const MISREAD: u8 = 2;
/// The exit code of a member that the cluster has removed: starting it again is of no use.
pub(crate) const REMOVED: u8 = 3;
/// The exit code of a member whose directory has lost what was durable, or is wrong: a new one is to take its place.
pub(crate) const LOST: u8 = 4;

/// How results and failures are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

/// A command failed. `next` says, and always says, what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) next: String,
    /// What the process ends with.
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(what: impl fmt::Display, next: impl fmt::Display) -> Self {
        Self { what: one_line(&what.to_string()), next: one_line(&next.to_string()), code: FAILED }
    }

    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Of a command line that cannot be read: what is wrong with it, without the summary of all flags.
    pub(crate) fn of_flags(error: &clap::Error, verb: Option<&str>) -> Self {
        let text = error.to_string();
        let what = text.split("Usage:").next().unwrap_or_default().replace("error: ", "");
        let what = what.split("For more information").next().unwrap_or_default();
        Self::new(what, verb.map_or_else(|| "see `rutter help`".to_owned(), |verb| format!("see `rutter help {verb}`")))
    }

    /// Prints it to standard error: one line of text, or one JSON object.
    pub(crate) fn print(&self, output: Output) {
        match output {
            Output::Text => eprintln!("rutter: {self}"),
            Output::Json => eprintln!("{}", json!({"error": self.what, "next": self.next})),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.next)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
