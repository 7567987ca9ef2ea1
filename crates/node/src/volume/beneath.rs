//! Finds a sub path of a volume in which a container may have left any link: opened step by step, never outside its base.
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

pub(super) struct Found {
    /// Opened with `O_PATH`.
    pub(super) handle: OwnedFd,
    /// Without links, as it was when it was looked up.
    pub(super) path: PathBuf,
}

/// Opens `sub_path` of `base`. What is missing is made, as directories with the base's mode, if `create`.
///
/// # Errors
/// In words, if it is absolute, steps back, leads out of the base by a link, or changes while it is opened.
pub(super) fn open(base: &Path, sub_path: &str, create: bool) -> Result<Found, String> {
    let sub_path = Path::new(sub_path);
    for component in sub_path.components() {
        match component {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err(format!("subPath {}: must not contain '..'", sub_path.display())),
            Component::RootDir | Component::Prefix(_) => {
                return Err(format!("subPath {}: must not be an absolute path", sub_path.display()));
            }
        }
    }
    let failed = |what: &Path, why: std::io::Error| format!("{}: {why}", what.display());
    let base = base.canonicalize().map_err(|why| failed(base, why))?;
    let there = deepest(&base, sub_path);
    let full = base.join(&there).canonicalize().map_err(|why| failed(&base.join(&there), why))?;
    let Ok(inside) = full.strip_prefix(&base) else {
        return Err(format!("subpath {:?} not within volume path {:?}", full, base));
    };
    let mut handle = File::options()
        .read(true)
        .custom_flags(OFlag::O_PATH.bits())
        .open(&base)
        .map(OwnedFd::from)
        .map_err(|why| failed(&base, why))?;
    let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    for name in inside.components() {
        handle = openat(handle.as_fd(), name.as_os_str(), look, Mode::empty())
            .map_err(|why| format!("{}: {why}", full.display()))?;
        if link(&handle)? {
            return Err(format!("{} was exchanged for a link while it was opened", full.display()));
        }
    }
    let missing = sub_path.strip_prefix(&there).unwrap_or(Path::new(""));
    if missing.as_os_str().is_empty() {
        return Ok(Found { handle, path: full });
    }
    if !create {
        return Err(format!("subPath {} is not there", sub_path.display()));
    }
    let mode = std::fs::metadata(&base).map_err(|why| failed(&base, why))?.permissions();
    let made = make(handle, missing, &mode).map_err(|why| failed(&full.join(missing), why))?;
    Ok(Found { handle: made, path: full.join(missing) })
}

/// The longest beginning of `sub_path` that is there. A link that leads nowhere is there.
fn deepest(base: &Path, sub_path: &Path) -> PathBuf {
    let mut there = sub_path.to_owned();
    while !there.as_os_str().is_empty() && std::fs::symlink_metadata(base.join(&there)).is_err() {
        there.pop();
    }
    there
}

fn link(handle: &OwnedFd) -> Result<bool, String> {
    let meta = nix::sys::stat::fstat(handle).map_err(|why| why.to_string())?;
    Ok(meta.st_mode & nix::libc::S_IFMT == nix::libc::S_IFLNK)
}

fn make(mut handle: OwnedFd, missing: &Path, mode: &std::fs::Permissions) -> std::io::Result<OwnedFd> {
    for name in missing.components().filter(|part| matches!(part, Component::Normal(_))) {
        let name = name.as_os_str();
        let made = match mkdirat(handle.as_fd(), name, Mode::S_IRWXU) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(why) => return Err(why.into()),
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        handle = openat(handle.as_fd(), name, flags, Mode::empty())?;
        if made {
            let file = File::from(handle);
            file.set_permissions(std::fs::Permissions::from_mode(mode.mode() & 0o7777))?;
            handle = file.into();
        }
    }
    Ok(handle)
}
