//! A file on a `Disk` as a stream, for what is written or read whole. It neither creates nor syncs: its owner does.
use crate::disk::{Disk, DiskError};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Writes go to the end of the file, reads go on from where the last ended.
pub struct Stream {
    disk: Arc<dyn Disk>,
    name: String,
    at: u64,
}

impl Stream {
    pub fn new(disk: Arc<dyn Disk>, name: impl Into<String>) -> Self {
        Self { disk, name: name.into(), at: 0 }
    }
}

impl From<DiskError> for io::Error {
    /// The error itself: `io::Error::downcast` gives it back.
    fn from(why: DiskError) -> Self {
        Self::other(why)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.append(&self.name, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let part = self.disk.read_at(&self.name, self.at, bytes.len())?;
        bytes[..part.len()].copy_from_slice(&part);
        self.at += part.len() as u64;
        Ok(part.len())
    }
}
