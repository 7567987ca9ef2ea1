//! Files in memory: for tests, and for a member that need not remember. It never fails; the simulation's twin does that.
use crate::disk::{Disk, DiskError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A directory in memory. Cloning it clones the handle.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl MemoryDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &str, body: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, DiskError> {
        self.files().get_mut(name).map(body).ok_or_else(|| DiskError::Missing(name.to_owned()))
    }

    /// All files with their bytes.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.files().clone()
    }
}

impl From<BTreeMap<String, Vec<u8>>> for MemoryDisk {
    fn from(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files: Arc::new(Mutex::new(files)) }
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(self.files().keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<(), DiskError> {
        let mut files = self.files();
        if files.contains_key(name) {
            return Err(DiskError::Exists(name.to_owned()));
        }
        files.insert(name.to_owned(), Vec::new());
        Ok(())
    }

    fn len(&self, name: &str) -> Result<u64, DiskError> {
        self.with(name, |file| file.len() as u64)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(name, |file| file.extend_from_slice(bytes))
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.with(name, |file| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
            file[start..start.saturating_add(length).min(file.len())].to_vec()
        })
    }

    fn sync(&self, name: &str) -> Result<(), DiskError> {
        self.with(name, |_| ())
    }

    fn truncate(&self, name: &str, length: u64) -> Result<(), DiskError> {
        self.with(name, |file| file.truncate(usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut files = self.files();
        let file = files.remove(from).ok_or_else(|| DiskError::Missing(from.to_owned()))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.files().remove(name).map(|_| ()).ok_or_else(|| DiskError::Missing(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_disk_passes_the_exam() {
        let disk = MemoryDisk::default();
        crate::disk::exam::exam(&mut || Arc::new(disk.clone()));
    }
}
