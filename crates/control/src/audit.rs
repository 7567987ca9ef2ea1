//! Audit events into a file of this machine, one JSON line each, turned over when it is large. It never holds a request back: what
//! comes faster than the disk takes it is lost, and counted by who handed it over.
use crate::config::AuditFile;
use crate::error::ControlError;
use crate::limits::AUDIT_LINES_MAX;
use api::audit::Policy;
use apiserver::audit::sink::{Audit, Sink};
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Reads the policy and opens the file.
///
/// # Errors
/// If either cannot be.
pub(crate) fn open(config: &AuditFile) -> Result<Audit, ControlError> {
    let broken = |path: &Path, why: String| ControlError::Audit { path: path.to_owned(), why };
    let text = std::fs::read(&config.policy).map_err(|why| broken(&config.policy, why.to_string()))?;
    let policy = Policy::parse(&text).map_err(|why| broken(&config.policy, why))?;
    let book = Book::open(config).map_err(|why| broken(&config.log, why.to_string()))?;
    let (sender, receiver) = channel(AUDIT_LINES_MAX);
    drop(rt::blocking("audit", move || write_all(book, receiver)));
    Ok(Audit { policy: Arc::new(policy), sink: Arc::new(Queue(sender)) })
}

struct Queue(Sender<Bytes>);

impl Sink for Queue {
    fn take(&self, line: Bytes) -> bool {
        self.0.try_send(line).is_ok()
    }
}

/// Writes until every sender is gone.
fn write_all(mut book: Book, mut receiver: Receiver<Bytes>) {
    let mut ill = false;
    while let Some(line) = receiver.blocking_recv() {
        let written = book.write(&line);
        if let (Err(why), false) = (&written, ill) {
            tracing::warn!(path = %book.path.display(), %why, "audit events cannot be written; they are lost until they can");
        }
        ill = written.is_err();
    }
}

/// A file and those before it: `audit.log`, `audit.log.1` (the newest of the old), `audit.log.2`, …
struct Book {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    old: u32,
}

impl Book {
    fn open(config: &AuditFile) -> io::Result<Self> {
        let file = append(&config.log)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: config.log.clone(), file, bytes, bytes_max: config.bytes_max, old: config.old })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes.saturating_add(line.len() as u64) > self.bytes_max {
            self.turn()?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let name = |number: u32| {
            let mut path = self.path.clone().into_os_string();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        for number in (1..self.old).rev().filter(|number| name(*number).exists()) {
            std::fs::rename(name(number), name(number + 1))?;
        }
        if self.old > 0 {
            std::fs::rename(&self.path, name(1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        (self.file, self.bytes) = (append(&self.path)?, 0);
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("audit.log");
        let config = AuditFile { policy: PathBuf::new(), log: log.clone(), bytes_max: 10, old: 2 };
        let mut book = Book::open(&config).expect("it opens");
        for line in ["one one\n", "two two\n", "three three three\n", "four\n", "five\n"] {
            book.write(line.as_bytes()).expect("it is written");
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert_eq!(read("audit.log"), "four\nfive\n");
        assert_eq!((read("audit.log.1").as_str(), read("audit.log.2").as_str()), ("three three three\n", "two two\n"));
        assert!(!dir.path().join("audit.log.3").exists());
        drop(book);
        Book::open(&config).expect("it opens again").write(b"six\n").expect("written");
        assert_eq!(read("audit.log"), "six\n", "what was there counts");
    }
}
