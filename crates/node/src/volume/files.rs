//! Writes a volume of files so that a reader finds the old files or the new ones, never a mixture: a directory with a stamp,
//! `..data` that points at it, and links to `..data` under the names. The layout is Kubernetes', as programs rely on it.
use super::mount;
use crate::pod::file::{File, Files};
use api::revision::Millis;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// Brings the volume at `place` to exactly `files`. Nothing is written if they are there already.
///
/// # Errors
/// The disk's, in words.
pub(super) fn write(place: &Path, files: &Files, group: Option<u32>) -> Result<(), String> {
    bring(place, files, group).map_err(|why| format!("writing {}: {why}", place.display()))
}

fn bring(place: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    mount::directory(place, 0o755)?;
    let current = std::fs::read_link(place.join(DATA)).ok().map(|name| place.join(name));
    if !current.as_ref().is_some_and(|current| same(current, files, group)) {
        let name = stamp();
        let fresh = place.join(&name);
        fill(&fresh, files, group)?;
        let beside = place.join(DATA_NEW);
        match std::fs::remove_file(&beside) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        symlink(&name, &beside)?;
        std::fs::rename(&beside, place.join(DATA))?;
    }
    tidy(place, files)
}

/// As Kubernetes names them: `..2024_01_31_12_00_00.1234`.
fn stamp() -> String {
    let time: String = Millis(rt::wall())
        .rfc3339()
        .chars()
        .take(19)
        .map(|letter| if letter.is_ascii_digit() { letter } else { '_' })
        .collect();
    format!("..{time}.{}", rt::random() >> 32)
}

/// A group may read what is its own.
fn mode(file: &File, group: Option<u32>) -> u32 {
    if group.is_some() { file.mode | 0o440 } else { file.mode }
}

fn same(current: &Path, files: &Files, group: Option<u32>) -> bool {
    let mut there = BTreeSet::new();
    if names(current, Path::new(""), &mut there).is_err() || !files.keys().eq(there.iter()) {
        return false;
    }
    files.iter().all(|(path, file)| {
        let place = current.join(path);
        std::fs::symlink_metadata(&place).is_ok_and(|meta| {
            meta.is_file()
                && meta.len() == file.bytes.len() as u64
                && meta.permissions().mode() & 0o7777 == mode(file, group)
                && group.is_none_or(|group| meta.gid() == group)
        }) && std::fs::read(&place).is_ok_and(|bytes| bytes == file.bytes)
    })
}

/// Relative paths of everything below `dir` that is no directory.
fn names(dir: &Path, at: &Path, into: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir.join(at))? {
        let entry = entry?;
        let path = at.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => names(dir, &path, into)?,
            false => {
                into.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(())
}

fn fill(fresh: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    directory(fresh, group)?;
    for (path, file) in files {
        let place = fresh.join(path);
        let parents: Vec<_> = Path::new(path).ancestors().skip(1).filter(|part| !part.as_os_str().is_empty()).collect();
        for parent in parents.into_iter().rev() {
            if made.insert(parent.to_owned()) {
                directory(&fresh.join(parent), group)?;
            }
        }
        std::fs::write(&place, &file.bytes)?;
        if group.is_some() {
            std::os::unix::fs::lchown(&place, None, group)?;
        }
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode(file, group)))?;
    }
    Ok(())
}

fn directory(path: &Path, group: Option<u32>) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o755).create(path)?;
    if group.is_some() {
        std::os::unix::fs::lchown(path, None, group)?;
    }
    mount::directory(path, if group.is_some() { 0o2755 } else { 0o755 })
}

/// The links under the files' names, and nothing else but what `..data` points at. After a crash it finishes the work.
fn tidy(place: &Path, files: &Files) -> io::Result<()> {
    let tops: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for top in &tops {
        let (link, target) = (place.join(top), Path::new(DATA).join(top));
        match std::fs::read_link(&link) {
            Ok(now) if now == target => continue,
            Ok(_) => std::fs::remove_file(&link)?,
            Err(_) => {}
        }
        symlink(&target, &link)?;
    }
    let current = std::fs::read_link(place.join(DATA))?;
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let kept = name == DATA || name == current.as_os_str() || name.to_str().is_some_and(|name| tops.contains(name));
        match (kept, entry.file_type()?.is_dir()) {
            (true, _) => {}
            (false, true) => std::fs::remove_dir_all(entry.path())?,
            (false, false) => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
