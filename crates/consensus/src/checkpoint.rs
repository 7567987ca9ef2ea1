//! Checkpoints: whole states, so that a member starts from the newest and folds only what follows. The port, and its adapter of
//! files beside the log, which keeps two and trusts none that it has not checked. They can fail or be lost, and the member goes on:
//! the log and the bases beside it are the truth.
use crate::limits::CHECKPOINTS_KEPT;
use crate::parcel::Parcel;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;
use store::disk::stream::Stream;
use store::disk::{Disk, DiskError};
use store::log::frame::Chain;
use store::state::State;
use tokio::sync::oneshot;

/// Bytes written or read at once.
const BUFFER_BYTES: usize = 1024 * 1024;
const UNFINISHED: &str = "checkpoint.new";

/// A state as it is kept.
pub struct Kept {
    pub state: State,
    /// The hash of the log up to the entry that the state stands at.
    pub chain: Chain,
    /// What Raft must know of it, in bytes that only this crate reads.
    pub note: Vec<u8>,
}

/// Where checkpoints are kept. It can lose them: the log is the truth.
pub trait CheckpointStore: Send + Sync {
    /// The newest that is whole.
    ///
    /// # Errors
    /// If the place cannot be used at all; one that is damaged is none.
    fn newest(&self) -> io::Result<Option<Kept>>;

    /// Keeps this one; it is durable when this returns.
    ///
    /// # Errors
    /// If it is not.
    fn save(&self, kept: &Kept) -> io::Result<()>;
}

/// The checkpoints of one member.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    disk: Arc<dyn Disk>,
    /// Kept there instead of in files.
    elsewhere: Option<Arc<dyn CheckpointStore>>,
}

fn name(index: u64) -> String {
    format!("checkpoint-{index:020}")
}

fn index_of(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.parse().ok()
}

impl Checkpoints {
    pub(crate) fn new(disk: Arc<dyn Disk>, elsewhere: Option<Arc<dyn CheckpointStore>>) -> Self {
        Self { disk, elsewhere }
    }

    /// The indexes of all checkpoints, ascending.
    fn all(&self) -> Result<Vec<u64>, DiskError> {
        let mut indexes: Vec<_> = self.disk.list()?.iter().filter_map(|name| index_of(name)).collect();
        indexes.sort_unstable();
        Ok(indexes)
    }

    /// The newest that is whole.
    pub(crate) fn newest(&self) -> io::Result<Option<Parcel>> {
        if let Some(store) = &self.elsewhere {
            let Some(kept) = store.newest()? else { return Ok(None) };
            let parcel = Parcel::of(kept.state, kept.chain, &kept.note);
            return Ok(parcel.inspect_err(|why| tracing::warn!(%why, "the checkpoint cannot be used")).ok());
        }
        for index in self.all()?.into_iter().rev() {
            let file = Stream::new(self.disk.clone(), name(index));
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
        if let Some(store) = &self.elsewhere {
            return store.save(&Kept { state: parcel.state.clone(), chain: parcel.chain, note: parcel.note()? });
        }
        let index = parcel.state.view().index();
        match self.disk.remove(UNFINISHED) {
            Ok(()) | Err(DiskError::Missing(_)) => {}
            Err(why) => return Err(why.into()),
        }
        self.disk.create(UNFINISHED)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, Stream::new(self.disk.clone(), UNFINISHED));
        parcel.write(&mut out)?;
        out.flush()?;
        self.disk.sync(UNFINISHED)?;
        self.disk.rename(UNFINISHED, &name(index))?;
        let all = self.all()?;
        for old in all.iter().take(all.len().saturating_sub(CHECKPOINTS_KEPT)) {
            self.disk.remove(&name(*old))?;
        }
        Ok(())
    }
}
