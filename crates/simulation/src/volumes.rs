//! The twin of `node::volume::Volumes`: which pods have volumes, and nothing in them. It outlives the agent's process.
use node::pod::env::Sources;
use node::pod::spec::{Container, Pod};
use node::runtime::Mount;
use node::volume::Volumes;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cloning it clones the handle.
#[derive(Clone, Default)]
pub struct SimulatedVolumes(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    uids: BTreeSet<String>,
    /// Nothing can be made or taken away.
    broken: bool,
}

impl SimulatedVolumes {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing can be made or taken away, or it can again.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// Another machine, with nothing on it.
    pub fn reinstall(&self) {
        self.lock().uids.clear();
    }

    fn works(&self) -> Result<(), String> {
        if self.lock().broken { Err("the disk of volumes does not answer".into()) } else { Ok(()) }
    }
}

impl Volumes for SimulatedVolumes {
    fn make(&self, pod: &Pod, sources: &Sources) -> Result<(), String> {
        for volume in &pod.spec.volumes {
            // What files are made of must be there, as on a real disk.
            node::pod::file::make(pod, volume, sources)?;
        }
        if !pod.spec.volumes.is_empty() {
            self.works()?;
            self.lock().uids.insert(pod.metadata.uid.clone());
        }
        Ok(())
    }

    fn mounts(&self, pod: &Pod, container: &Container, _: &[(String, String)]) -> Result<Vec<Mount>, String> {
        let home = PathBuf::from("volumes").join(&pod.metadata.uid);
        let mounts = container.volume_mounts.iter().map(|asked| Mount {
            source: home.join(&asked.name),
            target: asked.mount_path.clone(),
            read_only: asked.read_only,
        });
        Ok(mounts.collect())
    }

    fn remove(&self, uid: &str) -> Result<(), String> {
        if self.lock().uids.contains(uid) {
            self.works()?;
        }
        self.lock().uids.remove(uid);
        Ok(())
    }

    fn uids(&self) -> Vec<String> {
        self.lock().uids.iter().cloned().collect()
    }

    fn remove_logs(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }
}
