//! The twin of `store::disk::Disk`: files in memory that know what was promised. A power loss keeps what was promised and
//! tears, reorders or loses the rest. It never breaks a promise unless it is told to, and then it knows whether a reader could tell;
//! it never keeps time of its own: it owes it.
use crate::clock::Nanos;
use crate::stream::Stream;
use crate::trace::{Node, hash};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::disk::{Disk, DiskError};

/// What a device writes at once: a torn write is torn between such blocks (or keeps a prefix of bytes at its end).
const BLOCK_BYTES: usize = 512;
/// The device itself, shared by the lives of its node.
#[derive(Clone)]
pub struct Device(Arc<Mutex<Platter>>);

/// The disk as one life of the node sees it. Once the node has crashed it answers nothing but errors.
pub struct SimulatedDisk {
    device: Device,
    life: u32,
}

struct Platter {
    world: World,
    node: Node,
    random: Stream,
    life: u32,
    files: BTreeMap<u64, File>,
    files_made: u64,
    /// The directory as a reader sees it.
    names: BTreeMap<String, u64>,
    /// The directory as it was before `renames`.
    names_kept: BTreeMap<String, u64>,
    /// Changes of the directory, in order, each with the time from which it is promised.
    changes: Vec<(Nanos, Change)>,
    owed: Nanos,
    mean: Nanos,
    stalled_until: Nanos,
    room: Option<usize>,
    read_only: bool,
    /// Crash (losing what is not promised) when so many more writes and syncs have been done.
    armed: Option<u32>,
    /// Syncs answer and promise nothing.
    lying: bool,
    /// The next write lands somewhere else.
    stray: bool,
    /// The place where a write should have landed: file, first byte.
    missed: Vec<(u64, usize)>,
    /// It may have lost what it promised without leaving a trace that a reader could see.
    forgot: bool,
    bytes_lost: u64,
}

enum Change {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    /// (time, length): from that time on the first `length` bytes are promised. In order of time.
    promises: Vec<(Nanos, usize)>,
    kept: usize,
}

/// The files of a disk: names and bytes.
pub type Files = Vec<(String, Vec<u8>)>;

impl Device {
    /// An empty device of `node`, whose writes and syncs take about `mean`.
    #[must_use]
    pub fn new(world: &World, node: Node, mean: Nanos) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            world: world.clone(),
            node,
            random: world.stream(&format!("disk {}", node.0)),
            life: 0,
            files: BTreeMap::new(),
            files_made: 0,
            names: BTreeMap::new(),
            names_kept: BTreeMap::new(),
            changes: Vec::new(),
            owed: 0,
            mean,
            stalled_until: 0,
            room: None,
            read_only: false,
            armed: None,
            lying: false,
            stray: false,
            missed: Vec::new(),
            forgot: false,
            bytes_lost: 0,
        })))
    }

    /// Puts files on it that have been there for ever.
    pub fn hold(&self, files: &Files) {
        let mut platter = self.lock();
        for (name, bytes) in files {
            let id = platter.files_made;
            platter.files_made += 1;
            platter.files.insert(id, File { bytes: bytes.clone(), promises: Vec::new(), kept: bytes.len() });
            platter.names.insert(name.clone(), id);
            platter.names_kept.insert(name.clone(), id);
        }
    }

    /// Opens the disk for a new life of the node.
    #[must_use]
    pub fn open(&self) -> Arc<dyn Disk> {
        let mut platter = self.lock();
        platter.life += 1;
        Arc::new(SimulatedDisk { device: self.clone(), life: platter.life })
    }

    /// The process ends: its handle is dead, but what it wrote is with the system and stays.
    pub fn stop(&self) {
        let mut platter = self.lock();
        platter.life += 1;
        platter.owed = 0;
        platter.armed = None;
    }

    /// The power goes: what was not promised is torn, kept or lost, by the seed.
    pub fn lose_power(&self) {
        self.lock().lose_power();
    }

    /// Calls that begin before `until` end after it.
    pub fn stall(&self, until: Nanos) {
        self.lock().stalled_until = until;
    }

    /// Room for so many more bytes; `None`: for all.
    pub fn set_room(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    /// Refuses every write from now on, or allows it again.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Loses power in the middle of the `writes`-th write or sync from now, and kills the node; `None`: does not.
    pub fn arm(&self, writes: Option<u32>) {
        self.lock().armed = writes;
    }

    /// From now on a sync returns and promises nothing; or it keeps its word again from now on, for what is synced then.
    pub fn lie(&self, lying: bool) {
        self.lock().lying = lying;
    }

    /// The next bytes that are written land somewhere else on the device, over what is there, and where they belong are zeros; or
    /// they do not.
    pub fn stray(&self, stray: bool) {
        self.lock().stray = stray;
    }

    /// Whether it has lost what it promised in a way that nobody who reads it can tell from a write that was never finished.
    #[must_use]
    pub fn forgot(&self) -> bool {
        self.lock().forgot
    }

    /// Whoever uses it goes on as if nothing had been lost.
    pub fn forgive(&self) {
        self.lock().forgot = false;
    }

    /// Turns one bit of one file that has bytes, by the seed. False if all are empty.
    pub fn flip(&self) -> bool {
        let mut platter = self.lock();
        let platter = &mut *platter;
        let full: Vec<u64> = platter.names.values().copied().filter(|id| !platter.files[id].bytes.is_empty()).collect();
        if full.is_empty() {
            return false;
        }
        let id = *platter.random.pick(&full);
        let Some(file) = platter.files.get_mut(&id) else { return false };
        let at = usize::try_from(platter.random.below(file.bytes.len() as u64)).unwrap_or(0);
        file.bytes[at] ^= 1 << platter.random.below(8);
        platter.world.note("bit flipped", id, at as u64);
        true
    }

    /// All files as a process that opened the disk now would find them, by name.
    #[must_use]
    pub fn files(&self) -> Files {
        let platter = self.lock();
        platter.names.iter().map(|(name, id)| (name.clone(), platter.files[id].bytes.clone())).collect()
    }

    /// Bytes that power losses took, so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().bytes_lost
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    /// Keeps what is promised by now.
    fn settle(&mut self) {
        let now = self.world.time();
        for file in self.files.values_mut() {
            while let Some((when, length)) = file.promises.first().copied()
                && when <= now
            {
                file.kept = file.kept.max(length);
                file.promises.remove(0);
            }
        }
        let mut changed = false;
        while self.changes.first().is_some_and(|(when, _)| *when <= now) {
            let (_, change) = self.changes.remove(0);
            change.apply(&mut self.names_kept);
            changed = true;
        }
        if changed && self.changes.is_empty() {
            let ids: Vec<u64> = self.names.values().copied().collect();
            self.files.retain(|id, _| ids.contains(id));
        }
    }

    fn lose_power(&mut self) {
        self.settle();
        self.forgot |= self.lying;
        self.life += 1;
        self.owed = 0;
        self.armed = None;
        let kept = self.random.below(self.changes.len() as u64 + 1);
        let mut names = std::mem::take(&mut self.names_kept);
        for (_, change) in std::mem::take(&mut self.changes).into_iter().take(usize::try_from(kept).unwrap_or(0)) {
            change.apply(&mut names);
        }
        let ids: Vec<u64> = names.values().copied().collect();
        self.files.retain(|id, _| ids.contains(id));
        self.names = names.clone();
        self.names_kept = names;
        for file in self.files.values_mut() {
            let before = file.bytes.len();
            file.tear(&mut self.random);
            self.bytes_lost += (before - file.bytes.len()) as u64;
        }
        self.world.note("power lost", u64::from(self.node.0), self.bytes_lost);
    }

    /// Every call that writes passes here; it is then promised from the time returned.
    fn write(&mut self, what: &'static str, name: &str, size: usize) -> Result<Nanos, DiskError> {
        self.settle();
        if self.read_only {
            return Err(DiskError::ReadOnly);
        }
        let now = self.world.time();
        let stalled = self.stalled_until.saturating_sub(now).saturating_sub(self.owed);
        self.owed += self.random.around(self.mean) + size as u64 / 2 + stalled;
        self.world.note(what, hash(name.as_bytes()), size as u64);
        // Half of what is owed: the caller may count the time by a clock that runs a little faster than true time.
        Ok(now + self.owed / 2)
    }

    /// The armed crash, after a write has been done but before anything of it is promised.
    fn strike(&mut self) -> Result<(), DiskError> {
        let Some(left) = self.armed else { return Ok(()) };
        self.armed = left.checked_sub(1);
        if left > 0 {
            return Ok(());
        }
        self.lose_power();
        self.world.kill(self.node);
        Err(crashed())
    }

    /// What an append does to a device that strays: the file has grown, by zeros, and the bytes are over others.
    fn astray(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.stray = false;
        let id = self.names.get(name).copied().ok_or_else(|| DiskError::Missing(name.to_owned()))?;
        let file = self.files.get_mut(&id).expect("a name has a file");
        self.missed.push((id, file.bytes.len()));
        file.bytes.resize(file.bytes.len() + bytes.len(), 0);
        let hosts: Vec<u64> = self.names.values().copied().filter(|id| !self.files[id].bytes.is_empty()).collect();
        let host = *self.random.pick(&hosts);
        let Some(file) = self.files.get_mut(&host) else { return Ok(()) };
        let blocks = file.bytes.len().div_ceil(BLOCK_BYTES) as u64;
        let at = usize::try_from(self.random.below(blocks)).unwrap_or(0) * BLOCK_BYTES;
        let room = bytes.len().min(file.bytes.len() - at);
        file.bytes[at..at + room].copy_from_slice(&bytes[..room]);
        self.world.note("write astray", host, at as u64);
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<&mut File, DiskError> {
        let id = self.names.get(name).ok_or_else(|| DiskError::Missing(name.to_owned()))?;
        Ok(self.files.get_mut(id).expect("a name has a file"))
    }

    fn change(&mut self, what: &'static str, name: &str, change: Change) -> Result<(), DiskError> {
        let promised = self.write(what, name, 0)?;
        change.apply(&mut self.names);
        self.changes.push((promised, change));
        self.strike()
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl File {
    /// What a power loss makes of the bytes that are not promised: all, none, a prefix, or blocks of which some are zero.
    fn tear(&mut self, random: &mut Stream) {
        self.promises.clear();
        let open = self.bytes.len() - self.kept;
        if open == 0 {
            return;
        }
        match random.below(4) {
            0 => self.bytes.truncate(self.kept),
            1 => {}
            2 => {
                let more = usize::try_from(random.below(open as u64 + 1)).unwrap_or(0);
                self.bytes.truncate(self.kept + more);
            }
            _ => {
                let (mut start, end) = (self.kept, self.bytes.len());
                while start < end {
                    let next = ((start / BLOCK_BYTES + 1) * BLOCK_BYTES).min(end);
                    if random.chance(500) {
                        self.bytes[start..next].fill(0);
                    }
                    start = next;
                }
            }
        }
        // What survived is on the platter now and cannot be lost a second time.
        self.kept = self.bytes.len();
    }
}

fn crashed() -> DiskError {
    DiskError::Io("the node has crashed".into())
}

impl SimulatedDisk {
    fn platter(&self) -> Result<MutexGuard<'_, Platter>, DiskError> {
        let platter = self.device.lock();
        if platter.life == self.life { Ok(platter) } else { Err(crashed()) }
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.platter()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        if platter.names.contains_key(name) {
            return Err(DiskError::Exists(name.to_owned()));
        }
        // Settled first: what has a name of nothing yet is taken for a removed file.
        platter.settle();
        let id = platter.files_made;
        platter.files_made += 1;
        platter.files.insert(id, File::default());
        platter.change("disk create", name, Change::Create(name.to_owned(), id))
    }

    fn len(&self, name: &str) -> Result<u64, DiskError> {
        Ok(self.platter()?.file(name)?.bytes.len() as u64)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        platter.file(name)?;
        platter.write("disk append", name, bytes.len())?;
        let room = platter.room.unwrap_or(usize::MAX);
        let fits = bytes.len().min(room);
        platter.room = platter.room.map(|room| room - fits);
        if platter.stray && fits > 0 {
            platter.astray(name, &bytes[..fits])?;
        } else {
            platter.file(name)?.bytes.extend_from_slice(&bytes[..fits]);
        }
        platter.strike()?;
        if fits < bytes.len() { Err(DiskError::Full) } else { Ok(()) }
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let mut platter = self.platter()?;
        let bytes = &platter.file(name)?.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes[start..start.saturating_add(length).min(bytes.len())].to_vec())
    }

    fn sync(&self, name: &str) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        platter.file(name)?;
        let promised = platter.write("disk sync", name, 0)?;
        if !platter.lying {
            let file = platter.file(name)?;
            file.promises.push((promised, file.bytes.len()));
        }
        platter.strike()
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        platter.file(name)?;
        platter.write("disk truncate", name, 0)?;
        let id = platter.names.get(name).copied().unwrap_or_default();
        platter.forgot |= platter.missed.iter().any(|(file, at)| *file == id && *at as u64 >= length);
        let file = platter.file(name)?;
        // Shortening takes effect at once: a cut that is lost again would have to come with the bytes it cut, and those were
        // promised or not on their own account.
        file.bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        file.promises.clear();
        file.kept = file.bytes.len();
        platter.strike()
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        platter.file(from)?;
        platter.change("disk rename", from, Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut platter = self.platter()?;
        platter.file(name)?;
        let id = platter.names.get(name).copied().unwrap_or_default();
        platter.forgot |= platter.missed.contains(&(id, 0));
        platter.change("disk remove", name, Change::Remove(name.to_owned()))
    }

    fn owed(&self) -> Duration {
        let Ok(mut platter) = self.platter() else { return Duration::ZERO };
        Duration::from_nanos(std::mem::take(&mut platter.owed))
    }
}

#[cfg(test)]
#[path = "disk/tests.rs"]
mod tests;
