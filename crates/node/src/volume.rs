//! The volumes of pods on this machine: made, kept up to date, found for a container's mounts, taken away. It never leaves its
//! directory except for host paths that a pod names, and never follows a link that a container may have left.
mod beneath;
mod empty;
mod files;
mod host;
mod mount;

use crate::pod::env::{self, Sources};
use crate::pod::file;
use crate::pod::spec::{Container, Pod, Volume, VolumeMount};
use crate::runtime::Mount;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where a pod's sub paths are bound; no volume has a name that begins with a dot.
const SUB_PATHS: &str = ".subpaths";

/// What pods have on the disk of this machine: the port.
pub trait Volumes: Send + Sync {
    /// Makes the pod's volumes. Called again, it brings what has changed up to date and leaves the rest as it is.
    ///
    /// # Errors
    /// In Kubernetes' words, naming the volume: a source is missing, a host path is not of its type, a kind is not supported.
    fn make(&self, pod: &Pod, sources: &Sources) -> Result<(), String>;
    /// What is mounted into `container`, outer targets first. `environment`: the container's, for `subPathExpr`.
    ///
    /// # Errors
    /// If a volume is not there, or a sub path leaves its volume.
    fn mounts(&self, pod: &Pod, container: &Container, environment: &[(String, String)]) -> Result<Vec<Mount>, String>;
    /// Takes the pod's volumes away. What is gone already is not an error.
    ///
    /// # Errors
    /// If something is still in use; nothing behind a mount that stays is touched.
    fn remove(&self, uid: &str) -> Result<(), String>;
    /// Pods that have something here.
    fn uids(&self) -> Vec<String>;
    /// Takes the logs of a pod's containers away. None are fine.
    ///
    /// # Errors
    /// In words, if they are still there.
    fn remove_logs(&self, logs: &Path) -> Result<(), String>;
}

/// Every volume of this machine, below one directory: `<pod uid>/<volume>`.
#[derive(Clone, Debug)]
pub struct Directory {
    dir: PathBuf,
}

impl Directory {
    /// Nothing is touched before the first volume is made.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn home(&self, uid: &str) -> Result<PathBuf, String> {
        part(uid).map(|uid| self.dir.join(uid))
    }
}

impl Volumes for Directory {
    fn make(&self, pod: &Pod, sources: &Sources) -> Result<(), String> {
        let home = self.home(&pod.metadata.uid)?;
        if pod.spec.volumes.is_empty() {
            return Ok(());
        }
        mount::directory(&home, 0o755).map_err(|why| format!("making the pod's volume directory: {why}"))?;
        for volume in &pod.spec.volumes {
            let made = part(&volume.name).and_then(|name| make_one(pod, volume, sources, &home.join(name)));
            made.map_err(|why| format!("MountVolume.SetUp failed for volume \"{}\" : {why}", volume.name))?;
        }
        Ok(())
    }

    fn mounts(&self, pod: &Pod, container: &Container, environment: &[(String, String)]) -> Result<Vec<Mount>, String> {
        let home = self.home(&pod.metadata.uid)?;
        let mut mounts = Vec::new();
        for (at, asked) in container.volume_mounts.iter().enumerate() {
            let volume = pod.spec.volumes.iter().find(|volume| volume.name == asked.name);
            let volume = volume.ok_or_else(|| format!("the pod has no volume \"{}\"", asked.name))?;
            let of_files = made_of_files(volume);
            let base = match &volume.host_path {
                Some(host) => PathBuf::from(&host.path),
                None => home.join(part(&volume.name)?),
            };
            let sub_path = sub_path(asked, environment)?;
            let source = match sub_path.as_str() {
                "" => base,
                sub_path => {
                    let place = home.join(SUB_PATHS).join(part(&container.name)?).join(at.to_string());
                    self::sub_source(&base, sub_path, !of_files, &place)
                        .map_err(|why| format!("failed to prepare subPath for volumeMount \"{}\": {why}", asked.name))?
                }
            };
            if std::fs::symlink_metadata(&source).is_err() {
                return Err(format!("volume \"{}\" is not there yet", asked.name));
            }
            let target = format!("/{}", asked.mount_path.trim_start_matches('/'));
            mounts.push(Mount { source, target, read_only: asked.read_only || of_files });
        }
        mounts.sort_by_key(|mount| mount.target.split('/').filter(|part| !part.is_empty()).count());
        Ok(mounts)
    }

    fn remove(&self, uid: &str) -> Result<(), String> {
        let home = self.home(uid)?;
        match std::fs::symlink_metadata(&home) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(()),
            Err(why) => return Err(format!("looking at the volumes of pod {uid}: {why}")),
            Ok(meta) if !meta.is_dir() => return Err(format!("{} is no directory", home.display())),
            Ok(_) => {}
        }
        mount::unmount_below(&home)?;
        // Sub paths are bound here, perhaps of the machine's own directories: these are taken leaf by leaf, and a leaf
        // on which something is still mounted refuses to go.
        let removed = remove_leaves(&home.join(SUB_PATHS)).and_then(|()| {
            for entry in std::fs::read_dir(&home)? {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => std::fs::remove_dir_all(entry.path())?,
                    false => std::fs::remove_file(entry.path())?,
                }
            }
            std::fs::remove_dir(&home)
        });
        removed.map_err(|why| format!("removing the volumes of pod {uid}: {why}"))
    }

    fn uids(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut uids: Vec<String> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| part(name).is_ok())
            .collect();
        uids.sort();
        uids
    }

    fn remove_logs(&self, logs: &Path) -> Result<(), String> {
        match std::fs::remove_dir_all(logs) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(format!("removing {}: {why}", logs.display())),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// One part of a path and nothing else.
fn part(name: &str) -> Result<&str, String> {
    let fine = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if fine { Ok(name) } else { Err(format!("{name:?} cannot be a file name")) }
}

/// The group that pod asks its volumes to belong to, where it can be given.
fn group(pod: &Pod) -> Option<u32> {
    pod.spec.security_context.fs_group.filter(|_| mount::root())
}

fn made_of_files(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

fn make_one(pod: &Pod, volume: &Volume, sources: &Sources, place: &Path) -> Result<(), String> {
    if let Some(files) = file::make(pod, volume, sources)? {
        return files::write(place, &files, group(pod));
    }
    if let Some(empty) = &volume.empty_dir {
        return empty::make(place, empty, group(pod));
    }
    if let Some(host) = &volume.host_path {
        return host::check(host);
    }
    Err(match (&volume.persistent_volume_claim, &volume.csi) {
        (Some(_), _) => "persistentVolumeClaim is not supported by this node yet".into(),
        (None, Some(_)) => "csi is not supported by this node yet".into(),
        (None, None) => "this kind of volume is not supported by this node".into(),
    })
}

/// The sub path that is asked for, its variables filled in; empty: the whole volume.
fn sub_path(asked: &VolumeMount, environment: &[(String, String)]) -> Result<String, String> {
    if asked.sub_path_expr.is_empty() {
        return Ok(asked.sub_path.clone());
    }
    let known: BTreeMap<String, String> = environment.iter().cloned().collect();
    let mut rest = asked.sub_path_expr.as_str();
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')).map(|(name, _)| name);
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some(name) = name.filter(|name| !known.contains_key(*name)) {
            return Err(format!("missing value for \"{name}\""));
        }
    }
    Ok(env::expand(&asked.sub_path_expr, &known))
}

/// The source of a sub path's mount. Where it is allowed, what was found is bound at `place` through its open handle, so that
/// it cannot be exchanged for a link before the container's mount is made.
fn sub_source(base: &Path, sub_path: &str, create: bool, place: &Path) -> Result<PathBuf, String> {
    let found = beneath::open(base, sub_path, create)?;
    match mount::root() {
        true => Ok(if mount::bind(&found.handle, place)? { place.to_owned() } else { found.path }),
        false => Ok(found.path),
    }
}

/// Removes `<container>/<number>` below `dir`, never what a leaf holds.
fn remove_leaves(dir: &Path) -> std::io::Result<()> {
    let containers = match std::fs::read_dir(dir) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for container in containers {
        let container = container?.path();
        for leaf in std::fs::read_dir(&container)? {
            let leaf = leaf?;
            match leaf.file_type()?.is_dir() {
                true => std::fs::remove_dir(leaf.path())?,
                false => std::fs::remove_file(leaf.path())?,
            }
        }
        std::fs::remove_dir(&container)?;
    }
    std::fs::remove_dir(dir)
}

#[cfg(test)]
mod tests;
