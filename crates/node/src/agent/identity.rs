//! Who this agent is: name, certificate, key, and where members are. Written so that a crash leaves the old or the new, readable
//! by its owner only. It asks nobody.
use link::authority::Identity;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "agent.json";

/// What a node keeps of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    pub(crate) node: String,
    pub(crate) cluster: String,
    /// PEM: the authority's certificate, ours, our key.
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// Link addresses of members, as last heard.
    pub(crate) members: Vec<String>,
    /// The boot id of the machine is not kept: pods of an earlier boot are seen to be gone.
    pub(crate) runtime: String,
}

impl Kept {
    #[must_use]
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            authority_pem: self.authority.clone(),
            certificate_pem: self.certificate.clone(),
            key_pem: self.key.clone(),
        }
    }

    /// What `dir` holds, if it holds an agent.
    ///
    /// # Errors
    /// In words, if it cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, String> {
        let path = dir.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(format!("{}: {why}", path.display())),
        };
        let damaged = |why| format!("{} is damaged ({why}); remove it and join again with a new token", path.display());
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    /// # Errors
    /// In words, if the directory cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), String> {
        let (coming, path): (PathBuf, PathBuf) = (dir.join(format!("{FILE}.coming")), dir.join(FILE));
        let text = serde_json::to_vec_pretty(self).map_err(|why| why.to_string())?;
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&coming)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&coming, &path)
        };
        write().map_err(|why| format!("{}: {why}", path.display()))
    }
}
