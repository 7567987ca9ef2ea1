//! What can be rebuilt from the log, kept in RocksDB so that it need not be: the state, and where each version of an object stands in
//! the log. Its own write-ahead log is off, and nothing here is on the commit path. Deleting it loses nothing but time.
//!
//! Keys: `m` the summary; `o` resource NUL namespace NUL name: an object; `k` number: an outcome; `v` resource NUL namespace NUL name
//! NUL revision: the log index of that version. Numbers in keys are big endian, in values little endian.
use crate::at_rest::{self, Malformed, Parts};
use crate::limits::{CHECKPOINT_BATCH_BYTES, CHECKPOINT_CACHE_BYTES};
use crate::log::frame::Chain;
use crate::state::State;
use crate::view::StateHash;
use api::command::CommandId;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::{Millis, Revision};
use rocksdb::{BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};
use std::path::Path;
use std::sync::Arc;

const VERSION: u32 = 3;
const SUMMARY: &[u8] = b"m";

/// Why a checkpoint cannot be used. It can always be deleted: the log is the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    Database(String),
    Damaged(&'static str),
    /// Its objects are not those whose hash was written.
    Hash {
        wanted: StateHash,
        found: StateHash,
    },
}

impl std::fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(why) => {
                write!(f, "the checkpoint's database failed: {why}; delete it, it will be rebuilt from the log")
            }
            Self::Damaged(what) => {
                write!(f, "the checkpoint is damaged ({what}): delete it, it will be rebuilt from the log")
            }
            Self::Hash { wanted, found } => write!(
                f,
                "the checkpoint has state hash {found} where {wanted} was written: delete it, it will be rebuilt from the log"
            ),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<rocksdb::Error> for CheckpointError {
    fn from(why: rocksdb::Error) -> Self {
        Self::Database(why.into_string())
    }
}

impl From<Malformed> for CheckpointError {
    fn from(_: Malformed) -> Self {
        Self::Damaged("a value makes no sense")
    }
}

/// The checkpoint in one directory.
pub struct Checkpoint {
    database: DB,
    /// The state that is on disk.
    saved: State,
    /// Versions noted since.
    versions: Vec<(Vec<u8>, u64)>,
}

impl Checkpoint {
    /// Opens the checkpoint in `path`, or begins one.
    ///
    /// # Errors
    /// If the directory holds no database that can be read.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(CHECKPOINT_CACHE_BYTES));
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(CHECKPOINT_CACHE_BYTES);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        options.set_max_open_files(256);
        let database = DB::open(&options, path)?;
        Ok(Self { database, saved: State::default(), versions: Vec::new() })
    }

    /// Opens the checkpoint in `path`; one that cannot be opened is deleted and begun anew.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn open_or_begin(path: &Path) -> Result<Self, CheckpointError> {
        let opened = Self::open(path).or_else(|why| {
            tracing::warn!(%why, path = %path.display(), "the checkpoint is rebuilt from the log");
            DB::destroy(&Options::default(), path)?;
            Self::open(path)
        });
        if let Err(why) = crate::disk::real::restrict(path) {
            tracing::warn!(%why, path = %path.display(), "the checkpoint can be read by others");
        }
        opened
    }

    /// The state saved last, the chain of the log entry it stands at, and the note; `None` if none was saved whole.
    ///
    /// # Errors
    /// If what was saved is damaged; call `clear`, and fold the log from its start.
    pub fn load(&mut self) -> Result<Option<(State, Chain, Vec<u8>)>, CheckpointError> {
        let Some(summary) = self.database.get_pinned(SUMMARY)? else { return Ok(None) };
        let mut parts = Parts(&summary);
        if parts.u32()? != VERSION {
            return Err(CheckpointError::Damaged("it has another version"));
        }
        if parts.take(1)? != [1] {
            return Ok(None);
        }
        let (index, revision, time) = (parts.u64()?, Revision(parts.u64()?), Millis(parts.u64()?));
        let wanted = StateHash(parts.u128()?);
        let chain = Chain(parts.u128()?.to_le_bytes());
        let gone = parts.u64()?;
        let note = parts.part()?.to_vec();
        let mut state = State::default();
        for item in self.database.iterator(IteratorMode::From(b"o", Direction::Forward)) {
            let (key, value) = item?;
            if !key.starts_with(b"o") {
                break;
            }
            let mut parts = Parts(&value);
            let object = at_rest::object(&mut parts)?;
            parts.end()?;
            let key = state.shared(&object.key);
            state.insert(Arc::new(Object { key, ..object }), None);
        }
        for item in self.database.iterator(IteratorMode::From(b"k", Direction::Forward)) {
            let (key, value) = item?;
            if !key.starts_with(b"k") {
                break;
            }
            let mut parts = Parts(&value);
            let (id, time) = (CommandId(parts.u128()?), Millis(parts.u64()?));
            state.outcomes.restore(id, at_rest::kept(&mut parts)?, time);
        }
        state.outcomes.gone = gone;
        state.view.restored(index, revision, time);
        let found = state.view.hash;
        if found != wanted {
            return Err(CheckpointError::Hash { wanted, found });
        }
        self.saved = state.clone();
        Ok(Some((state, chain, note)))
    }

    /// Notes where the versions of these events stand in the log; they are saved with the next state.
    pub fn note(&mut self, index: u64, events: &[Arc<Event>]) {
        self.versions.extend(events.iter().map(|event| (version_key(&event.object.key, event.revision), index)));
    }

    /// Saves `state`, whose last entry has `chain`, with a note of the caller's: what changed since the last time, atomically. Called in
    /// the background.
    ///
    /// # Errors
    /// If the database fails; what was saved before is then still there, or nothing.
    pub fn save(&mut self, state: &State, chain: Chain, note: &[u8]) -> Result<(), CheckpointError> {
        let mut writer = Writer { database: &self.database, batch: WriteBatch::default(), split: false };
        for (before, after) in self.saved.view.diff(&state.view) {
            match (before, after) {
                (_, Some(after)) => {
                    let mut value = Vec::with_capacity(after.bytes.len() + 256);
                    at_rest::put_object(&mut value, after);
                    writer.batch.put(object_key(&after.key), value);
                }
                (Some(before), None) => writer.batch.delete(object_key(&before.key)),
                (None, None) => {}
            }
            writer.relieve()?;
        }
        let (old, new) = (&self.saved.outcomes, &state.outcomes);
        let (old_end, new_end) = (old.gone + old.order.len() as u64, new.gone + new.order.len() as u64);
        for number in old.gone..new.gone.min(old_end) {
            writer.batch.delete(outcome_key(number));
        }
        for number in old_end.max(new.gone)..new_end {
            let entry = usize::try_from(number - new.gone).ok().and_then(|at| new.order.get(at));
            let Some((id, time)) = entry else { continue };
            let Some(kept) = new.by_id.get(id) else { continue };
            let mut value = id.0.to_le_bytes().to_vec();
            value.extend_from_slice(&time.0.to_le_bytes());
            at_rest::put_kept(&mut value, kept);
            writer.batch.put(outcome_key(number), value);
            writer.relieve()?;
        }
        for (key, index) in &self.versions {
            writer.batch.put(key, index.to_le_bytes());
        }
        writer.batch.put(SUMMARY, summary(state, chain, note));
        writer.write()?;
        self.database.flush()?;
        self.versions.clear();
        self.saved = state.clone();
        Ok(())
    }

    /// Takes everything out: what is saved next is saved whole.
    ///
    /// # Errors
    /// If the database fails.
    pub fn clear(&mut self) -> Result<(), CheckpointError> {
        let mut batch = WriteBatch::default();
        // Every key begins with a letter below `z`.
        batch.delete_range(&b"a"[..], &b"z"[..]);
        self.database.write_opt(batch, &unlogged())?;
        self.database.flush()?;
        self.saved = State::default();
        self.versions.clear();
        Ok(())
    }

    /// The newest version of `key` up to `revision`, and the log index of the entry that made it. Versions noted since the last `save`
    /// are not among them.
    ///
    /// # Errors
    /// If the database fails.
    pub fn version_at(&self, key: &Key, revision: Revision) -> Result<Option<(Revision, u64)>, CheckpointError> {
        let from = version_key(key, revision);
        let prefix = from.len() - 8;
        match self.database.iterator(IteratorMode::From(&from, Direction::Reverse)).next() {
            Some(item) => {
                let (found, value) = item?;
                Ok((found.get(..prefix) == Some(&from[..prefix])).then(|| version(&found, &value)).flatten())
            }
            None => Ok(None),
        }
    }

    /// All versions of `key`, oldest first: revision, and the log index of the entry that made it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn versions(&self, key: &Key) -> Result<Vec<(Revision, u64)>, CheckpointError> {
        let from = version_key(key, Revision(0));
        let prefix = &from[..from.len() - 8];
        let mut versions = Vec::new();
        for item in self.database.iterator(IteratorMode::From(&from, Direction::Forward)) {
            let (found, value) = item?;
            if !found.starts_with(prefix) {
                break;
            }
            versions.extend(version(&found, &value));
        }
        Ok(versions)
    }

    /// Drops versions that stand in the log before `start`, which was retired.
    ///
    /// # Errors
    /// If the database fails.
    pub fn retire(&mut self, start: u64) -> Result<(), CheckpointError> {
        let mut batch = WriteBatch::default();
        for item in self.database.iterator(IteratorMode::From(b"v", Direction::Forward)) {
            let (key, value) = item?;
            if !key.starts_with(b"v") {
                break;
            }
            if version(&key, &value).is_none_or(|(_, index)| index < start) {
                batch.delete(key);
            }
        }
        self.database.write_opt(batch, &unlogged())?;
        Ok(())
    }
}

/// One save: a batch, or several if much has changed, and then none of it counts before the last.
struct Writer<'a> {
    database: &'a DB,
    batch: WriteBatch,
    split: bool,
}

impl Writer<'_> {
    fn relieve(&mut self) -> Result<(), CheckpointError> {
        if self.batch.size_in_bytes() < CHECKPOINT_BATCH_BYTES {
            return Ok(());
        }
        if !self.split {
            self.split = true;
            // The summary is replaced first: after a crash in between there is no checkpoint, rather than a wrong one.
            let mut unfinished = VERSION.to_le_bytes().to_vec();
            unfinished.push(0);
            self.batch.put(SUMMARY, unfinished);
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), CheckpointError> {
        let batch = std::mem::take(&mut self.batch);
        Ok(self.database.write_opt(batch, &unlogged())?)
    }
}

fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn summary(state: &State, chain: Chain, note: &[u8]) -> Vec<u8> {
    let view = &state.view;
    let mut value = VERSION.to_le_bytes().to_vec();
    value.push(1);
    for number in [view.index, view.revision.0, view.time.0] {
        value.extend_from_slice(&number.to_le_bytes());
    }
    value.extend_from_slice(&view.hash.0.to_le_bytes());
    value.extend_from_slice(&chain.0);
    value.extend_from_slice(&state.outcomes.gone.to_le_bytes());
    at_rest::put(&mut value, note);
    value
}

fn object_key(key: &Key) -> Vec<u8> {
    [b"o", key.resource.as_bytes(), b"\0", key.namespace.as_bytes(), b"\0", key.name.as_bytes()].concat()
}

fn outcome_key(number: u64) -> Vec<u8> {
    [&b"k"[..], &number.to_be_bytes()].concat()
}

fn version_key(key: &Key, revision: Revision) -> Vec<u8> {
    let parts: [&[u8]; 8] = [
        b"v",
        key.resource.as_bytes(),
        b"\0",
        key.namespace.as_bytes(),
        b"\0",
        key.name.as_bytes(),
        b"\0",
        &revision.0.to_be_bytes(),
    ];
    parts.concat()
}

fn version(key: &[u8], value: &[u8]) -> Option<(Revision, u64)> {
    let (_, revision) = key.split_last_chunk::<8>()?;
    Some((Revision(u64::from_be_bytes(*revision)), u64::from_le_bytes(value.try_into().ok()?)))
}
