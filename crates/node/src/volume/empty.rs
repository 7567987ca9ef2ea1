//! `emptyDir`: a directory that lives as long as its pod, on the disk or in memory. It never touches one that is there: what
//! a container made of it, modes included, is the container's.
use super::mount;
use crate::pod::quantity::thousandths;
use crate::pod::spec::{Amount, EmptyDir};
use std::io;
use std::path::Path;

/// # Errors
/// In words: the medium is unknown, the limit is no quantity, or the kernel refuses.
pub(super) fn make(place: &Path, empty: &EmptyDir, group: Option<u32>) -> Result<(), String> {
    let fresh = std::fs::symlink_metadata(place).is_err();
    let made = || directory(place, group).map_err(|why| format!("{}: {why}", place.display()));
    match empty.medium.as_str() {
        "" => made(),
        "Memory" => {
            let limit = empty.size_limit.as_ref().map(bytes).transpose()?;
            made()?;
            if mount::root() && !mount::mounted(place)? && !mount::memory(place, mode(group), group, limit)? && fresh {
                tracing::warn!(volume = %place.display(), "no tmpfs may be mounted here: the volume is on the disk");
            }
            Ok(())
        }
        medium => Err(format!("the medium {medium:?} of an emptyDir is not supported by this node")),
    }
}

fn bytes(limit: &Amount) -> Result<u64, String> {
    let bytes = thousandths(limit).and_then(|limit| u64::try_from(limit / 1_000).ok());
    bytes.ok_or_else(|| "sizeLimit is no quantity of bytes".into())
}

/// Whoever the container runs as may write; what is made inside belongs to the group too.
fn mode(group: Option<u32>) -> u32 {
    if group.is_some() { 0o2777 } else { 0o777 }
}

/// Made beside and moved, so that one that is there is whole.
fn directory(place: &Path, group: Option<u32>) -> io::Result<()> {
    match std::fs::symlink_metadata(place) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(why),
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.new"));
    mount::directory(&beside, 0o755)?;
    if group.is_some() {
        std::os::unix::fs::lchown(&beside, None, group)?;
    }
    mount::directory(&beside, mode(group))?;
    std::fs::rename(&beside, place)
}
