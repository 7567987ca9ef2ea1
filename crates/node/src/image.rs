//! Images: what one is, how it is named and read. The store, the registry and archives stand in the rooms below; it runs nothing.
pub mod archive;
pub mod builtin;
pub mod reference;
pub mod registry;
pub mod store;
pub mod unpack;

use crate::runtime::ImageInfo;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An image that is here, ready to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What is shown as `imageID`: `name@digest`, or the configuration's digest.
    pub id: String,
    pub names: Vec<String>,
    pub bytes: u64,
    pub config: Config,
    /// Unpacked layers, top first.
    pub lowers: Vec<PathBuf>,
    pub builtin: bool,
}

/// What the OCI image configuration says of running it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    #[serde(rename = "Entrypoint")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(rename = "Cmd")]
    pub cmd: Option<Vec<String>>,
    #[serde(rename = "Env")]
    pub env: Option<Vec<String>>,
    #[serde(rename = "WorkingDir")]
    pub working_dir: String,
    #[serde(rename = "User")]
    pub user: String,
    #[serde(rename = "StopSignal")]
    pub stop_signal: String,
}

impl Image {
    #[must_use]
    pub fn info(&self) -> ImageInfo {
        let user = self.config.user.split(':').next().unwrap_or_default();
        let user = if user.is_empty() { Some(0) } else { user.parse().ok() };
        ImageInfo { id: self.id.clone(), names: self.names.clone(), bytes: self.bytes, user }
    }

    /// What is executed: the pod's command or the image's entrypoint, the pod's arguments or the image's.
    #[must_use]
    pub fn command(&self, command: &[String], args: &[String]) -> Vec<String> {
        let own = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let mut all = if command.is_empty() { own(&self.config.entrypoint) } else { command.to_vec() };
        match (command.is_empty(), args.is_empty()) {
            (_, false) => all.extend_from_slice(args),
            (true, true) => all.extend(own(&self.config.cmd)),
            (false, true) => {}
        }
        all
    }

    /// The image's environment, with a PATH if it names none.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let split = |text: &String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut env: Vec<_> = self.config.env.iter().flatten().filter_map(split).collect();
        if !env.iter().any(|(name, _)| name == "PATH") {
            env.insert(0, ("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()));
        }
        env
    }
}

/// An OCI image manifest, or Docker's of schema 2: what we read of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    pub config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

/// An index or manifest list.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Platform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
}

impl Index {
    /// The manifest for this machine.
    #[must_use]
    pub fn choose(&self) -> Option<&Descriptor> {
        let fits = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == architecture())
        };
        self.manifests.iter().find(fits).or_else(|| match &self.manifests[..] {
            [only] => Some(only),
            _ => None,
        })
    }
}

/// This machine's architecture, as Go names it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    digest_text(&Sha256::digest(bytes))
}

/// `sha256:` and the digits.
#[must_use]
pub fn digest_text(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digits of a sha256 digest: a file name that can be nothing else.
pub(crate) fn hex(digest: &str) -> Result<&str, String> {
    digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
        .ok_or_else(|| format!("{digest:?} is not a sha256 digest"))
}
