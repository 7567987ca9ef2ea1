//! A member's directory: who it is, and the cluster's authority. Written so that a crash leaves the old or the new, and readable
//! by its owner only. The log lies beside it and belongs to `store`.
use crate::error::ControlError;
use link::authority::Authority;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who a member is. Written last: where it stands, all the rest stands too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberIdentity {
    pub cluster: String,
    pub name: String,
    pub id: u64,
    /// It founded the cluster.
    pub founder: bool,
    /// Link addresses by which others can be found.
    pub members: Vec<String>,
    /// The id of the member whose place it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// The cluster has removed it: it never serves again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// It has been a member: from then on it has a log.
    #[serde(default)]
    pub entered: bool,
}

pub struct Directory {
    path: PathBuf,
}

const IDENTITY: &str = "identity.json";
const AUTHORITY: &str = "authority.crt";
const AUTHORITY_KEY: &str = "authority.key";
const KUBECONFIG: &str = "admin.kubeconfig";

impl Directory {
    /// The directory, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        let directory = Self { path: path.to_owned() };
        std::fs::create_dir_all(path).map_err(|why| directory.bad("", &why))?;
        Ok(directory)
    }

    fn bad(&self, name: &str, why: &std::io::Error) -> ControlError {
        ControlError::Directory { path: self.path.join(name), why: why.to_string() }
    }

    /// Where the log is kept.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where what can be rebuilt from the log is kept.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Who the member is; `None` if there is no member yet.
    ///
    /// # Errors
    /// If the directory is that of another member, or damaged.
    pub fn identity(&self, name: &str) -> Result<Option<(MemberIdentity, Authority)>, ControlError> {
        let foreign = |why: String| ControlError::Foreign { path: self.path.clone(), why };
        let Some(text) = self.read(IDENTITY)? else {
            if self.log().exists() {
                return Err(foreign(format!("it holds a log but no {IDENTITY}")));
            }
            return Ok(None);
        };
        let identity: MemberIdentity =
            serde_json::from_str(&text).map_err(|why| foreign(format!("{IDENTITY} cannot be read ({why})")))?;
        if identity.name != name {
            return Err(foreign(format!(
                "it belongs to member {} of cluster {}, not to {name}",
                identity.name, identity.cluster
            )));
        }
        if identity.removed {
            return Err(ControlError::Removed { name: identity.name, cluster: identity.cluster });
        }
        let (certificate, key) = (self.read(AUTHORITY)?, self.read(AUTHORITY_KEY)?);
        let (Some(certificate), Some(key)) = (certificate, key) else {
            return Err(foreign("the authority's files are missing".into()));
        };
        if link::authority::cluster_of(&certificate)? != identity.cluster {
            return Err(foreign(format!("its authority is not that of cluster {}", identity.cluster)));
        }
        Ok(Some((identity, Authority::open(&certificate, &key)?)))
    }

    /// Keeps who the member is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn keep(&self, identity: &MemberIdentity, authority: &Authority) -> Result<(), ControlError> {
        self.write(AUTHORITY, authority.certificate_pem())?;
        self.write(AUTHORITY_KEY, authority.key_pem())?;
        let text = serde_json::to_string_pretty(identity).unwrap_or_default();
        self.write(IDENTITY, &text)
    }

    /// Gives up a member that no cluster ever took in, so that the directory can be another's.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn forget(&self) -> Result<(), ControlError> {
        let gone = |name: &str, removed: std::io::Result<()>| match removed {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(self.bad(name, &why)),
            _ => Ok(()),
        };
        // Who it is goes last: until then the next start comes here again.
        for name in ["log", "state"] {
            gone(name, std::fs::remove_dir_all(self.path.join(name)))?;
        }
        for name in [AUTHORITY, AUTHORITY_KEY, IDENTITY] {
            gone(name, std::fs::remove_file(self.path.join(name)))?;
        }
        Ok(())
    }

    /// Notes that the cluster has removed this member.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn keep_removed(&self, identity: &MemberIdentity) -> Result<(), ControlError> {
        let text = serde_json::to_string_pretty(&MemberIdentity { removed: true, ..identity.clone() });
        self.write(IDENTITY, &text.unwrap_or_default())
    }

    /// Keeps the administrator's kubeconfig.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_kubeconfig(&self, text: &str) -> Result<(), ControlError> {
        self.write(KUBECONFIG, text)
    }

    fn read(&self, name: &str) -> Result<Option<String>, ControlError> {
        match std::fs::read_to_string(self.path.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == std::io::ErrorKind::InvalidData => {
                Err(ControlError::Foreign { path: self.path.join(name), why: "it is damaged: it is no text".into() })
            }
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(self.bad(name, &why)),
        }
    }

    /// Beside, flushed, then renamed into place.
    fn write(&self, name: &str, text: &str) -> Result<(), ControlError> {
        let beside = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, self.path.join(name))?;
            std::fs::File::open(&self.path)?.sync_all()
        };
        write().map_err(|why| self.bad(name, &why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::revision::Millis;
    use std::os::unix::fs::PermissionsExt;

    fn identity() -> MemberIdentity {
        MemberIdentity {
            cluster: "c1".into(),
            name: "m1".into(),
            id: 1,
            founder: true,
            members: vec![],
            replaces: None,
            removed: false,
            entered: false,
        }
    }

    #[test]
    fn a_directory_belongs_to_one_member_of_one_cluster() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("m1");
        let directory = Directory::open(&path).expect("opens");
        assert!(directory.identity("m1").expect("empty").is_none());
        let authority = Authority::found("c1", Millis(rt::wall())).expect("founds");
        directory.keep(&identity(), &authority).expect("writes");
        assert_eq!(directory.identity("m1").expect("reads").map(|(identity, _)| identity), Some(identity()));
        directory.keep_removed(&identity()).expect("writes");
        let gone = ControlError::Removed { name: "m1".into(), cluster: "c1".into() };
        assert_eq!(directory.identity("m1").map(|_| ()), Err(gone));
        directory.keep(&identity(), &authority).expect("writes");
        let mode = std::fs::metadata(path.join(AUTHORITY_KEY)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = |name: &str| match directory.identity(name) {
            Err(error @ ControlError::Foreign { .. }) => error.to_string(),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("taken"),
        };
        assert!(refused("m2").contains("it belongs to member m1 of cluster c1, not to m2"));
        let other = Authority::found("c2", Millis(rt::wall())).expect("founds");
        directory.write(AUTHORITY, other.certificate_pem()).expect("writes");
        assert!(refused("m1").contains("its authority is not that of cluster c1"));
        directory.write(IDENTITY, "{").expect("writes");
        assert!(refused("m1").contains("cannot be read"));
        std::fs::remove_file(path.join(IDENTITY)).expect("removes");
        std::fs::create_dir(directory.log()).expect("creates");
        assert!(refused("m1").contains("it holds a log but no identity.json"));
    }

    #[test]
    fn a_place_that_is_no_directory_is_said_so() {
        let place = tempfile::NamedTempFile::new().expect("a file");
        let error = Directory::open(&place.path().join("m1")).map(|_| ()).expect_err("a file stands there");
        assert!(matches!(error, ControlError::Directory { .. }));
    }
}
