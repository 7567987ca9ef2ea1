//! What went wrong and how to mend it, in one line, or as JSON. Every command ends with one of these or with success.
use serde_json::json;
use std::fmt;

/// How results and failures are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

/// A command failed. `next` says what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) next: String,
}

impl Failure {
    pub(crate) fn new(what: impl fmt::Display, next: impl fmt::Display) -> Self {
        Self { what: one_line(&what.to_string()), next: one_line(&next.to_string()) }
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
        if self.next.is_empty() { f.write_str(&self.what) } else { write!(f, "{}; {}", self.what, self.next) }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
