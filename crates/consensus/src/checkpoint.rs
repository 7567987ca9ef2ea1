//! Checkpoints: whole states in files beside the log, so that a member starts from the newest and folds only what follows,
//! and the log before it may go. It keeps two, and trusts none that it has not checked.
use crate::limits::CHECKPOINTS_KEPT;
use crate::parcel::Parcel;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use store::disk::{Disk, DiskError};
use tokio::sync::oneshot;

/// Bytes written or read at once.
const BUFFER_BYTES: usize = 1024 * 1024;
const UNFINISHED: &str = "checkpoint.new";

/// The checkpoints of one member.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    disk: Arc<dyn Disk>,
}

fn name(index: u64) -> String {
    format!("checkpoint-{index:020}")
}

fn index_of(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.parse().ok()
}

impl Checkpoints {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// The indexes of all checkpoints, ascending.
    fn all(&self) -> Result<Vec<u64>, DiskError> {
        let mut indexes: Vec<_> = self.disk.list()?.iter().filter_map(|name| index_of(name)).collect();
        indexes.sort_unstable();
        Ok(indexes)
    }

    /// The newest that is whole.
    pub(crate) fn newest(&self) -> io::Result<Option<Parcel>> {
        for index in self.all().map_err(io::Error::other)?.into_iter().rev() {
            let file = File { disk: self.disk.clone(), name: name(index), at: 0 };
            match Parcel::read(&mut BufReader::with_capacity(BUFFER_BYTES, file)) {
                Ok(parcel) => return Ok(Some(parcel)),
                Err(why) => tracing::warn!(index, %why, "a checkpoint cannot be used; trying an older one"),
            }
        }
        Ok(None)
    }

    /// Writes a checkpoint where that holds up nobody; it is durable when this returns.
    pub(crate) async fn save(self, parcel: Parcel) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        rt::spawn_thread("checkpoint", async move {
            let saved = self.write(&parcel);
            let owed = self.disk.owed();
            if !owed.is_zero() {
                rt::sleep(owed).await;
            }
            // Whoever asked may have stopped.
            let _ = sender.send(saved);
        });
        receiver.await.map_err(|_| io::Error::other("the checkpoint was not finished"))?
    }

    fn write(&self, parcel: &Parcel) -> io::Result<()> {
        let index = parcel.state.view().index();
        match self.disk.remove(UNFINISHED) {
            Ok(()) | Err(DiskError::Missing(_)) => {}
            Err(why) => return Err(io::Error::other(why)),
        }
        self.disk.create(UNFINISHED).map_err(io::Error::other)?;
        let file = File { disk: self.disk.clone(), name: UNFINISHED.to_owned(), at: 0 };
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        parcel.write(&mut out)?;
        out.flush()?;
        self.disk.sync(UNFINISHED).map_err(io::Error::other)?;
        self.disk.rename(UNFINISHED, &name(index)).map_err(io::Error::other)?;
        let all = self.all().map_err(io::Error::other)?;
        for old in all.iter().take(all.len().saturating_sub(CHECKPOINTS_KEPT)) {
            self.disk.remove(&name(*old)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// A file of the disk as a stream.
struct File {
    disk: Arc<dyn Disk>,
    name: String,
    at: u64,
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.append(&self.name, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let part = self.disk.read_at(&self.name, self.at, bytes.len()).map_err(io::Error::other)?;
        bytes[..part.len()].copy_from_slice(&part);
        self.at += part.len() as u64;
        Ok(part.len())
    }
}
