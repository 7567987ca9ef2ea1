//! A member's checkpoints in RocksDB: the adapter of consensus' port. What changed since the last one is written, not the state. It can
//! be deleted at any time, and fail at any time: it is rebuilt from the log, and a database that failed is begun anew with the next.
use consensus::{CheckpointStore, Kept};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::checkpoint::{Checkpoint, CheckpointError};

pub(crate) struct Checkpoints {
    path: PathBuf,
    /// `None` after it failed.
    inner: Mutex<Option<Checkpoint>>,
}

impl Checkpoints {
    /// What is in `path`; what cannot be opened is begun anew.
    pub(crate) fn open(path: PathBuf) -> Self {
        let opened = Checkpoint::open_or_begin(&path);
        let inner = opened.inspect_err(|why| tracing::warn!(%why, "there are no checkpoints for now")).ok();
        Self { path, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Checkpoint>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty one in the place of one that failed.
    fn begin(&self) -> Result<Checkpoint, CheckpointError> {
        let mut begun = Checkpoint::open_or_begin(&self.path)?;
        begun.clear()?;
        Ok(begun)
    }
}

impl CheckpointStore for Checkpoints {
    fn newest(&self) -> io::Result<Option<Kept>> {
        let mut inner = self.lock();
        let Some(checkpoint) = inner.as_mut() else { return Ok(None) };
        match checkpoint.load() {
            Ok(found) => Ok(found.map(|(state, chain, note)| Kept { state, chain, note })),
            Err(why) => {
                tracing::warn!(%why, "the checkpoint is made anew");
                if checkpoint.clear().is_err() {
                    *inner = None;
                }
                Ok(None)
            }
        }
    }

    fn save(&self, kept: &Kept) -> io::Result<()> {
        let mut inner = self.lock();
        // Taken out: what fails is not used again.
        let mut checkpoint = match inner.take() {
            Some(checkpoint) => checkpoint,
            None => self.begin().map_err(io::Error::other)?,
        };
        checkpoint.save(&kept.state, kept.chain, &kept.note).map_err(io::Error::other)?;
        *inner = Some(checkpoint);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::log::frame::Chain;
    use store::state::State;

    fn kept(note: &[u8]) -> Kept {
        Kept { state: State::default(), chain: Chain::default(), note: note.to_vec() }
    }

    #[test]
    fn a_place_that_cannot_be_used_fails_and_is_tried_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        std::fs::write(&path, "a file stands there").expect("writes");
        let checkpoints = Checkpoints::open(path.clone());
        assert!(checkpoints.newest().expect("none").is_none());
        assert!(checkpoints.save(&kept(b"one")).is_err());
        std::fs::remove_file(&path).expect("removes");
        checkpoints.save(&kept(b"two")).expect("saves");
        drop(checkpoints);
        let again = Checkpoints::open(path).newest().expect("reads").expect("it was saved");
        assert_eq!(again.note, b"two");
    }
}
