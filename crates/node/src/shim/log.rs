//! A container's log file in the CRI's format: `STAMP stdout F text`, a line too long in pieces tagged `P`. Rotated by size.
use crate::limits::{LOG_FILE_MAX, LOG_LINE_MAX};
use api::revision::Millis;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub(super) struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    /// Unfinished lines of stdout and stderr.
    partial: [Vec<u8>; 2],
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, partial: [Vec::new(), Vec::new()] })
    }

    /// Takes what the container wrote. `error`: to standard error.
    pub(super) fn take(&mut self, error: bool, bytes: &[u8]) -> io::Result<()> {
        let side = usize::from(error);
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let partial = &mut self.partial[side];
            partial.extend_from_slice(piece);
            if partial.last() == Some(&b'\n') {
                partial.pop();
                render(error, true, partial, &mut out);
                partial.clear();
            }
            while partial.len() >= LOG_LINE_MAX {
                let rest = partial.split_off(LOG_LINE_MAX);
                render(error, false, partial, &mut out);
                *partial = rest;
            }
        }
        self.write(&out)
    }

    /// The stream has ended: what stands without a line's end is written as it is.
    pub(super) fn end(&mut self, error: bool) -> io::Result<()> {
        let partial = std::mem::take(&mut self.partial[usize::from(error)]);
        if partial.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        render(error, true, &partial, &mut out);
        self.write(&out)
    }

    fn write(&mut self, out: &[u8]) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        if self.written >= LOG_FILE_MAX {
            // A reader that follows holds the old file open and finds the new one by name.
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.file = File::options().create(true).append(true).open(&self.path)?;
            self.written = 0;
        }
        self.written += out.len() as u64;
        self.file.write_all(out)
    }
}

fn render(error: bool, full: bool, line: &[u8], out: &mut Vec<u8>) {
    let now = rt::wall();
    let stamp = Millis(now).rfc3339();
    // The format asks for nanoseconds; the clock of the seam has milliseconds.
    let _ = write!(
        out,
        "{}.{:03}000000Z {} {} ",
        &stamp[..19],
        now % 1_000,
        if error { "stderr" } else { "stdout" },
        if full { "F" } else { "P" }
    );
    out.extend_from_slice(line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stamped_and_long_ones_cut() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a/0.log");
        let mut log = Log::open(&path).expect("opens");
        log.take(false, b"one\ntw").expect("writes");
        log.take(true, b"oops\n").expect("writes");
        log.take(false, b"o\n").expect("writes");
        log.take(false, &[b'x'; LOG_LINE_MAX + 5]).expect("writes");
        log.end(false).expect("writes");
        let text = std::fs::read_to_string(&path).expect("text");
        let rest: Vec<_> = text.lines().map(|line| &line[31..]).collect();
        assert_eq!(rest[..3], ["stdout F one", "stderr F oops", "stdout F two"]);
        assert!(rest[3].starts_with("stdout P xxx") && rest[3].len() == LOG_LINE_MAX + 9);
        assert_eq!(rest[4], "stdout F xxxxx");
        assert_eq!(text.as_bytes()[30], b' ');
    }
}
