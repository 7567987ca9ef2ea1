//! Mounts of the agent's own: tmpfs, bound sub paths, and what is mounted below a directory. It decides nothing about them.
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(super) fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A directory with exactly this mode, made if it is missing; a link in its place is refused.
pub(super) fn directory(path: &Path, mode: u32) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_dir() => return Err(io::Error::from(ErrorKind::NotADirectory)),
        Ok(meta) if meta.permissions().mode() & 0o7777 == mode => return Ok(()),
        Ok(_) => {}
        Err(why) if why.kind() == ErrorKind::NotFound => std::fs::create_dir_all(path)?,
        Err(why) => return Err(why),
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Mounts a file system in memory; no limit: the kernel's own. False if that is not allowed here.
pub(super) fn memory(place: &Path, mode: u32, group: Option<u32>, limit: Option<u64>) -> Result<bool, String> {
    let mut options = format!("mode={mode:04o}");
    if let Some(group) = group {
        options += &format!(",gid={group}");
    }
    if let Some(bytes) = limit.filter(|bytes| *bytes > 0) {
        options += &format!(",size={bytes}");
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    allowed(mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options.as_str())), place)
}

/// Binds what `handle` has open at `place`, in the stead of what was bound there. False if that is not allowed here.
pub(super) fn bind(handle: &OwnedFd, place: &Path) -> Result<bool, String> {
    let failed = |why: io::Error| format!("{}: {why}", place.display());
    let meta = nix::sys::stat::fstat(handle).map_err(|why| failed(why.into()))?;
    unmount_below(place)?;
    let parent = place.parent().unwrap_or(place);
    directory(parent, 0o755).map_err(failed)?;
    let is_dir = meta.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR;
    match std::fs::symlink_metadata(place) {
        Ok(old) if old.is_dir() && !is_dir => std::fs::remove_dir(place).map_err(failed)?,
        Ok(old) if !old.is_dir() && is_dir => std::fs::remove_file(place).map_err(failed)?,
        _ => {}
    }
    match is_dir {
        true => directory(place, 0o755).map_err(failed)?,
        false => File::options().create(true).append(true).open(place).map(|_| ()).map_err(failed)?,
    }
    let source = format!("/proc/self/fd/{}", handle.as_raw_fd());
    allowed(mount(Some(source.as_str()), place, None::<&str>, MsFlags::MS_BIND, None::<&str>), place)
}

fn allowed(done: nix::Result<()>, place: &Path) -> Result<bool, String> {
    match done {
        Ok(()) => Ok(true),
        Err(Errno::EPERM | Errno::EACCES) => Ok(false),
        Err(why) => Err(format!("mounting at {}: {why}", place.display())),
    }
}

/// True if `place` itself is a mount.
pub(super) fn mounted(place: &Path) -> Result<bool, String> {
    Ok(below(place)?.iter().any(|(_, itself)| *itself))
}

/// Unmounts whatever is mounted at or below `dir`.
///
/// # Errors
/// If something stays mounted.
pub(super) fn unmount_below(dir: &Path) -> Result<(), String> {
    // The table is in the order of mounting.
    for (place, _) in below(dir)?.iter().rev() {
        detach(place)?;
    }
    match below(dir)?.first() {
        Some((place, _)) => Err(format!("{} is still mounted", place.display())),
        None => Ok(()),
    }
}

fn detach(place: &Path) -> Result<(), String> {
    match umount2(place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(why) => Err(format!("unmounting {}: {why}", place.display())),
    }
}

/// Mounts at or below `dir`, and whether each is at `dir` itself.
fn below(dir: &Path) -> Result<Vec<(PathBuf, bool)>, String> {
    let dir = match dir.canonicalize() {
        Ok(dir) => dir,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(format!("{}: {why}", dir.display())),
    };
    let table = std::fs::read("/proc/self/mountinfo").map_err(|why| format!("reading the mounts: {why}"))?;
    let places = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let places = places.map(|place| PathBuf::from(std::ffi::OsString::from_vec(unescaped(place))));
    Ok(places.filter(|place| place.starts_with(&dir)).map(|place| (place.clone(), place == dir)).collect())
}

/// The table writes blanks and the like as `\040`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let code = match after.first_chunk::<3>() {
            Some(digits) if *first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) => {
                u8::try_from(digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'))).ok()
            }
            _ => None,
        };
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_the_table() {
        let table: [(&str, &str); 4] =
            [("/a", "/a"), ("/a\\040b", "/a b"), ("\\134\\011", "\\\t"), ("\\9\\04", "\\9\\04")];
        for (text, expected) in table {
            assert_eq!(unescaped(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
