//! A directory on the real disk that goes away.
use crate::failure::Failure;
use std::path::{Path, PathBuf};

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn make() -> Result<Self, Failure> {
        // Not in /tmp, which may be memory: fsync must cost what it costs.
        let path = std::env::current_dir().unwrap_or_default().join(format!(".rutter-bench-{:x}", rt::random()));
        let bad = |why| Failure::new(format!("{}: {why}", path.display()), "run it where you may write");
        std::fs::create_dir_all(&path).map_err(bad)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is named so that it can be removed by hand.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
