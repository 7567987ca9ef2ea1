//! One `rutter up` a directory. It locks and nothing else.
use crate::failure::Failure;
use std::path::Path;

/// One `up` a directory.
pub(crate) fn lock(dir: &Path) -> Result<nix::fcntl::Flock<std::fs::File>, Failure> {
    let path = dir.join("up.lock");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|why| {
        Failure::new(format!("{}: {why}", path.display()), "choose a directory you may write to with --dir")
    })?;
    nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).map_err(|_| {
        Failure::new(
            format!("{} is in use by another `rutter up`", dir.display()),
            "stop that one, or choose another --dir",
        )
    })
}
