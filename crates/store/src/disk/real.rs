//! The machine's disk: one directory through `std::fs`. The only file that opens files. It caches handles, never bytes.
use crate::disk::{Disk, DiskError};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the file whose lock says that the directory is in use.
const LOCK: &str = "lock";

/// A directory on the machine, held by this process until the value is dropped.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    directory: File,
    open: Mutex<BTreeMap<String, Arc<File>>>,
    /// Dropping it lets the lock go. A directory that cannot be written may be without.
    _lock: Option<File>,
    /// Only looked at: no file is opened for writing.
    looking: bool,
}

impl RealDisk {
    /// Opens the directory, which is made if it is not there, and locks it.
    ///
    /// # Errors
    /// `Locked` if another process has it.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let from = |why| error("the directory", &why);
        std::fs::create_dir_all(path).map_err(from)?;
        // Every Secret stands in the log.
        restrict(path).map_err(from)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(from)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(locked(path, &mut lock));
            }
            Err(TryLockError::Error(why)) => return Err(from(why)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(from)?;
        let directory = File::open(path).map_err(from)?;
        directory.sync_all().map_err(from)?;
        Ok(Self { path: path.to_owned(), directory, open: Mutex::default(), _lock: Some(lock), looking: false })
    }

    /// Opens a directory only to look at it, and changes nothing: it may be a copy, or one that cannot be written.
    ///
    /// # Errors
    /// `Locked` if a process has it that may write.
    pub fn look(path: &Path) -> Result<Self, DiskError> {
        let directory = File::open(path).map_err(|why| error("the directory", &why))?;
        let lock = match File::open(path.join(LOCK)) {
            Ok(mut lock) => match lock.try_lock_shared() {
                Err(TryLockError::WouldBlock) => return Err(locked(path, &mut lock)),
                Ok(()) | Err(TryLockError::Error(_)) => Some(lock),
            },
            // A copy need not have it.
            Err(_) => None,
        };
        Ok(Self { path: path.to_owned(), directory, open: Mutex::default(), _lock: lock, looking: true })
    }

    fn writable(&self) -> Result<(), DiskError> {
        if self.looking { Err(DiskError::ReadOnly) } else { Ok(()) }
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<String, Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str) -> Result<Arc<File>, DiskError> {
        // Opened under the lock, so that a name removed and created again meanwhile cannot keep its old file.
        let mut handles = self.handles();
        if let Some(file) = handles.get(name) {
            return Ok(file.clone());
        }
        let file = OpenOptions::new().read(true).append(!self.looking).open(self.path.join(name));
        let file = match file {
            Err(why) if matches!(why.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
                File::open(self.path.join(name))
            }
            other => other,
        };
        let file = Arc::new(file.map_err(|why| error(name, &why))?);
        handles.insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.directory.sync_all().map_err(|why| error("the directory", &why))
    }
}

impl Disk for RealDisk {
    fn list(&self) -> Result<Vec<String>, DiskError> {
        let from = |why| error("the directory", &why);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(from)? {
            let entry = entry.map_err(from)?;
            if let Ok(name) = entry.file_name().into_string()
                && name != LOCK
                && entry.file_type().map_err(from)?.is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, name: &str) -> Result<(), DiskError> {
        self.writable()?;
        let mut handles = self.handles();
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(self.path.join(name));
        let file = file.map_err(|why| error(name, &why))?;
        file.sync_all().map_err(|why| error(name, &why))?;
        handles.insert(name.to_owned(), Arc::new(file));
        drop(handles);
        self.sync_directory()
    }

    fn len(&self, name: &str) -> Result<u64, DiskError> {
        Ok(self.file(name)?.metadata().map_err(|why| error(name, &why))?.len())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.writable()?;
        (&*self.file(name)?).write_all(bytes).map_err(|why| error(name, &why))
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let file = self.file(name)?;
        let left = file.metadata().map_err(|why| error(name, &why))?.len().saturating_sub(offset);
        let mut bytes = vec![0; length.min(usize::try_from(left).unwrap_or(usize::MAX))];
        let mut have = 0;
        while have < bytes.len() {
            match file.read_at(&mut bytes[have..], offset + have as u64) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(error(name, &why)),
            }
        }
        bytes.truncate(have);
        Ok(bytes)
    }

    fn sync(&self, name: &str) -> Result<(), DiskError> {
        self.file(name)?.sync_data().map_err(|why| error(name, &why))
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), DiskError> {
        self.writable()?;
        let file = self.file(name)?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(|why| error(name, &why))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.writable()?;
        let mut handles = self.handles();
        std::fs::rename(self.path.join(from), self.path.join(to)).map_err(|why| error(from, &why))?;
        handles.remove(to);
        if let Some(file) = handles.remove(from) {
            handles.insert(to.to_owned(), file);
        }
        drop(handles);
        self.sync_directory()
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.writable()?;
        // Not under the lock: a large file takes its time, and others append meanwhile.
        std::fs::remove_file(self.path.join(name)).map_err(|why| error(name, &why))?;
        self.handles().remove(name);
        self.sync_directory()
    }
}

fn locked(path: &Path, lock: &mut File) -> DiskError {
    let mut who = String::new();
    // Only for the message; the lock itself has spoken.
    let _ = lock.read_to_string(&mut who);
    DiskError::Locked(format!("{}, process {}", path.display(), who.trim()))
}

/// Closes a directory to all but its owner. On a file system that cannot be written it is as it is.
pub fn restrict(path: &Path) -> std::io::Result<()> {
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)) {
        Err(why) if matches!(why.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => Ok(()),
        other => other,
    }
}

fn error(name: &str, why: &std::io::Error) -> DiskError {
    /// `EIO` of errno(3): the device gave up.
    const EIO: i32 = 5;
    match why.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => DiskError::Full,
        ErrorKind::ReadOnlyFilesystem => DiskError::ReadOnly,
        ErrorKind::NotFound => DiskError::Missing(name.to_owned()),
        ErrorKind::AlreadyExists => DiskError::Exists(name.to_owned()),
        _ if why.raw_os_error() == Some(EIO) => DiskError::Damaged(format!("{name}: {why}")),
        _ => DiskError::Io(format!("{name}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_disk_passes_the_exam() {
        let directory = tempfile::tempdir().expect("a directory");
        crate::disk::exam::exam(&mut || Arc::new(RealDisk::open(directory.path()).expect("opens")));
    }

    #[test]
    fn who_looks_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::open(directory.path()).expect("opens");
        disk.create("a").and_then(|()| disk.append("a", b"x")).expect("writes");
        drop(disk);
        for without_lock in [false, true] {
            if without_lock {
                std::fs::remove_file(directory.path().join(LOCK)).expect("removes");
            }
            let look = RealDisk::look(directory.path()).expect("opens");
            let second = RealDisk::look(directory.path()).expect("two may look");
            assert_eq!((look.list(), second.read_at("a", 0, 9)), (Ok(vec!["a".into()]), Ok(b"x".to_vec())));
            assert_eq!(look.append("a", b"y"), Err(DiskError::ReadOnly));
            assert_eq!(look.create("b").and(look.remove("a")), Err(DiskError::ReadOnly));
            assert_eq!(look.truncate("a", 0).and(look.rename("a", "b")), Err(DiskError::ReadOnly));
        }
        assert_eq!(std::fs::read_dir(directory.path()).expect("reads").count(), 1, "no lock was left either");
        assert!(matches!(RealDisk::look(&directory.path().join("none")), Err(DiskError::Missing(_))));
    }

    #[test]
    fn directory_has_one_owner() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = RealDisk::open(directory.path()).expect("opens");
        let second = RealDisk::open(directory.path()).err();
        assert!(
            matches!(&second, Some(DiskError::Locked(who)) if who.contains(&std::process::id().to_string())),
            "{second:?}"
        );
        let look = RealDisk::look(directory.path()).err();
        assert!(matches!(look, Some(DiskError::Locked(_))), "{look:?}");
        drop(first);
        RealDisk::open(directory.path()).expect("opens once the first is gone");
    }
}
