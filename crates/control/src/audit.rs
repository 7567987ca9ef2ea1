//! Audit events into a file of this machine, one JSON line each, turned over when it is large. It never holds a request back: what
//! comes faster than the disk takes it is lost, and counted by who handed it over.
use crate::config::AuditFile;
use crate::error::ControlError;
use crate::limits::{AUDIT_BYTES_MAX, AUDIT_GATHER};
use api::audit::Policy;
use apiserver::audit::sink::{Audit, Sink};
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Reads the policy and opens the file.
///
/// # Errors
/// If either cannot be.
pub(crate) fn open(config: &AuditFile) -> Result<Audit, ControlError> {
    let broken = |path: &Path, why: String| ControlError::Audit { path: path.to_owned(), why };
    let text = std::fs::read(&config.policy).map_err(|why| broken(&config.policy, why.to_string()))?;
    let policy = Policy::parse(&text).map_err(|why| broken(&config.policy, why))?;
    let book = Book::open(config).map_err(|why| broken(&config.log, why.to_string()))?;
    let waiting = Arc::new(Waiting::default());
    let taken = waiting.clone();
    drop(rt::blocking("audit", move || write_all(book, &taken)));
    Ok(Audit { policy: Arc::new(policy), sink: Arc::new(Queue(waiting)) })
}

/// Lines that wait for the disk. The writer is woken by the first of them and takes all that have gathered a moment later: a wake-up
/// for each would cost a request more than its event does.
#[derive(Default)]
struct Waiting {
    lines: Mutex<Lines>,
    some: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Nobody hands over any more.
    closed: bool,
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A list of lines is whole after every step.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them; `None` after the last.
    fn take(&self) -> Option<Vec<u8>> {
        let none = |lines: &mut Lines| lines.waiting.is_empty() && !lines.closed;
        let lines = self.some.wait_while(self.lines(), none).unwrap_or_else(PoisonError::into_inner);
        let gather = |lines: &mut Lines| !lines.closed;
        let (mut lines, _) =
            self.some.wait_timeout_while(lines, AUDIT_GATHER, gather).unwrap_or_else(PoisonError::into_inner);
        (!lines.waiting.is_empty()).then(|| std::mem::take(&mut lines.waiting))
    }
}

struct Queue(Arc<Waiting>);

impl Sink for Queue {
    fn take(&self, line: Bytes) -> bool {
        let mut lines = self.0.lines();
        let first = lines.waiting.is_empty();
        if !first && lines.waiting.len() + line.len() > AUDIT_BYTES_MAX {
            return false;
        }
        lines.waiting.extend_from_slice(&line);
        drop(lines);
        if first {
            self.0.some.notify_one();
        }
        true
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.lines().closed = true;
        self.0.some.notify_one();
    }
}

/// Writes until nobody hands over any more.
fn write_all(mut book: Book, waiting: &Waiting) {
    let mut ill = false;
    while let Some(lines) = waiting.take() {
        let written = book.write(&lines);
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
    // It may hold what was asked and answered.
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
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
