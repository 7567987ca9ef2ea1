//! A member's checkpoints in RocksDB: the adapter of consensus' port. What changed since the last one is written, not the state. It can
//! be deleted at any time: it is rebuilt from the log.
use consensus::{CheckpointStore, Kept};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::checkpoint::Checkpoint;

pub(crate) struct Checkpoints {
    inner: Mutex<Checkpoint>,
}

impl Checkpoints {
    /// Opens what is in `path`; what cannot be opened is begun anew.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { inner: Mutex::new(Checkpoint::open_or_begin(path).map_err(io::Error::other)?) })
    }

    fn lock(&self) -> MutexGuard<'_, Checkpoint> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CheckpointStore for Checkpoints {
    fn newest(&self) -> io::Result<Option<Kept>> {
        let mut checkpoint = self.lock();
        match checkpoint.load() {
            Ok(found) => Ok(found.map(|(state, chain, note)| Kept { state, chain, note })),
            Err(why) => {
                tracing::warn!(%why, "the checkpoint is made anew");
                checkpoint.clear().map_err(io::Error::other)?;
                Ok(None)
            }
        }
    }

    fn save(&self, kept: &Kept) -> io::Result<()> {
        self.lock().save(&kept.state, kept.chain, &kept.note).map_err(io::Error::other)
    }
}
