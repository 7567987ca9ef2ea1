//! States kept beside the log, from which the past is replayed once what came before them was taken away. A file each, written
//! whole or not at all: a snapshot, then a note of the caller's. It decides neither when one is made nor when one goes.
use crate::disk::stream::Stream;
use crate::disk::{Disk, DiskError};
use crate::limits::{BASE_NOTE_BYTES_MAX, READ_BYTES};
use crate::log::frame::Chain;
use crate::snapshot::{self, SnapshotError};
use crate::state::State;
use crate::walk::HistoryError;
use api::revision::Revision;
use std::io::{self, Read, Write};
use std::sync::Arc;

const UNFINISHED: &str = "base.new";

/// Where a base stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) revision: Revision,
}

impl Place {
    fn name(self) -> String {
        format!("base-{:020}-{:020}.snap", self.index, self.revision.0)
    }

    fn of(name: &str) -> Option<Self> {
        let (index, revision) = name.strip_prefix("base-")?.strip_suffix(".snap")?.split_once('-')?;
        Some(Self { index: index.parse().ok()?, revision: Revision(revision.parse().ok()?) })
    }
}

/// A state to replay from: it stands at the entry whose chain is given.
#[derive(Clone, Default)]
pub struct Base {
    pub state: State,
    pub chain: Chain,
    /// What the caller must know beside it.
    pub note: Vec<u8>,
}

/// All there are, oldest first.
pub(crate) fn list(disk: &dyn Disk) -> Result<Vec<Place>, DiskError> {
    let mut places: Vec<Place> = disk.list()?.iter().filter_map(|name| Place::of(name)).collect();
    places.sort_unstable();
    Ok(places)
}

/// Writes one; it is durable when this returns.
pub(crate) fn save(disk: &Arc<dyn Disk>, base: &Base) -> Result<Place, HistoryError> {
    match disk.remove(UNFINISHED) {
        Ok(()) | Err(DiskError::Missing(_)) => {}
        Err(why) => return Err(why.into()),
    }
    disk.create(UNFINISHED)?;
    let out = Stream::new(disk.clone(), UNFINISHED);
    write_all(base, io::BufWriter::with_capacity(READ_BYTES, out)).map_err(|why| {
        match why.downcast::<DiskError>() {
            Ok(why) => HistoryError::from(why),
            Err(why) => HistoryError::Snapshot(why.into()),
        }
    })?;
    disk.sync(UNFINISHED)?;
    let view = base.state.view();
    let place = Place { index: view.index(), revision: view.revision() };
    disk.rename(UNFINISHED, &place.name())?;
    Ok(place)
}

fn write_all(base: &Base, mut out: impl Write) -> io::Result<()> {
    snapshot::write(&base.state, base.chain, &mut out)?;
    out.write_all(&u32::try_from(base.note.len()).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(&crc32c::crc32c(&base.note).to_le_bytes())?;
    out.write_all(&base.note)?;
    out.flush()
}

pub(crate) fn read(disk: &Arc<dyn Disk>, place: Place) -> Result<Base, HistoryError> {
    let mut stream = io::BufReader::with_capacity(READ_BYTES, Stream::new(disk.clone(), place.name()));
    let bad = |why| HistoryError::Base { name: place.name(), why };
    let (state, chain) = snapshot::read(&mut stream).map_err(bad)?;
    let note = read_note(&mut stream).map_err(bad)?;
    Ok(Base { state, chain, note })
}

fn read_note(input: &mut dyn Read) -> Result<Vec<u8>, SnapshotError> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let (length, sum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes were taken"));
    if length > BASE_NOTE_BYTES_MAX {
        return Err(SnapshotError::Damaged("the note has an impossible length"));
    }
    let mut note = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut note)?;
    if note.len() != length as usize || crc32c::crc32c(&note).to_le_bytes() != sum {
        return Err(SnapshotError::Damaged("the note is not what was written"));
    }
    Ok(note)
}

pub(crate) fn remove(disk: &dyn Disk, place: Place) -> Result<(), DiskError> {
    disk.remove(&place.name())
}

/// Bytes of one on the disk.
pub(crate) fn bytes(disk: &dyn Disk, place: Place) -> Result<u64, DiskError> {
    disk.len(&place.name())
}
