//! The files of one container's log, the older first, and the new one when they are rotated under the reader. It reads bytes
//! and knows nothing of lines.
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(super) struct Rotated {
    path: PathBuf,
    /// Those that are still to be read, in order; the first is being read.
    files: VecDeque<File>,
    /// Of the newest that was opened: device and number.
    newest: Option<(u64, u64)>,
}

impl Rotated {
    /// The log at `path` and its older file. A log that is not there is empty, and may come.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut rotated = Self { path: path.to_owned(), files: VecDeque::new(), newest: None };
        rotated.advance()?;
        Ok(rotated)
    }

    /// Reads on; 0 at the end of what there is now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(file) = self.files.front_mut() {
            match file.read(buffer) {
                Ok(0) if self.files.len() > 1 => _ = self.files.pop_front(),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
        Ok(0)
    }

    /// Looks whether the log was rotated; true if there is a file more to read. The one that was read to its end may have got
    /// more since: it is read on before the new one.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        let Some((file, newest)) = open(&self.path)?.filter(|(_, number)| self.newest != Some(*number)) else {
            return Ok(false);
        };
        // Between what was read and the new file there may be one more, or before the first.
        let older = open(&self.path.with_extension("log.1"))?;
        let older = older.filter(|(_, number)| *number != newest && self.newest != Some(*number));
        self.files.extend(older.map(|(file, _)| file));
        self.files.push_back(file);
        self.newest = Some(newest);
        Ok(true)
    }

    /// Gives every byte there is now to `take`, and goes back to the beginning.
    pub(super) fn survey(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; crate::limits::STREAM_FRAME_MAX];
        for file in &mut self.files {
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => take(&buffer[..count]),
                    Err(why) if why.kind() == ErrorKind::Interrupted => {}
                    Err(why) => return Err(why),
                }
            }
            file.rewind()?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<Option<(File, (u64, u64))>> {
    match File::open(path) {
        Ok(file) => {
            let meta = file.metadata()?;
            Ok(Some((file, (meta.dev(), meta.ino()))))
        }
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn rest(rotated: &mut Rotated) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 3]);
        loop {
            match rotated.read(&mut buffer).expect("reads") {
                0 if rotated.advance().expect("looks") => {}
                0 => return String::from_utf8(text).expect("text"),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn reads_across_rotations() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("0.log");
        let write = |text: &str| {
            let mut file = File::options().create(true).append(true).open(&path).expect("opens");
            file.write_all(text.as_bytes()).expect("writes");
        };
        let rotate = || std::fs::rename(&path, path.with_extension("log.1")).expect("renames");
        let mut reader = Rotated::open(&path).expect("opens");
        assert_eq!(rest(&mut reader), "");
        write("one ");
        assert_eq!(rest(&mut reader), "one ");
        write("two ");
        rotate();
        write("three ");
        assert_eq!(rest(&mut reader), "two three ");
        write("four ");
        rotate();
        write("five ");
        rotate();
        write("six ");
        assert_eq!(rest(&mut reader), "four five six ");
        // One that begins now reads the older file first, and can look ahead.
        let mut late = Rotated::open(&path).expect("opens");
        let mut seen = Vec::new();
        late.survey(|bytes| seen.extend_from_slice(bytes)).expect("reads");
        assert_eq!((seen.as_slice(), rest(&mut late).as_str()), (&b"five six "[..], "five six "));
    }
}
