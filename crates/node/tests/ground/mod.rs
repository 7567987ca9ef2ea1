//! What the tests stand on: a directory, an image of busybox made here, and a runtime of each kind, if this machine can run it.
mod containerd;

use containerd::Containerd;
use node::image::archive;
use node::image::store::Images;
use node::network::PodNetwork;
use node::network::bridge::Bridge;
use node::runtime::Runtime;
use node::runtime::cri::Cri;
use node::runtime::embedded::Embedded;
use node::shim::protocol::Engine;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const IMAGE: &str = "localhost/busybox:exam";

pub(crate) struct Ground {
    dir: tempfile::TempDir,
    kind: Kind,
}

enum Kind {
    Embedded { engine: Engine, network: Arc<dyn PodNetwork> },
    Cri(Containerd),
}

#[allow(dead_code, reason = "each test file uses its part")]
impl Ground {
    pub(crate) fn process() -> Result<Self, String> {
        Self::new(Engine::Process, "")
    }

    pub(crate) fn oci() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("needs root".into());
        }
        Self::new(Engine::Oci, &format!("rx{}", std::process::id()))
    }

    /// A containerd of the test's own.
    pub(crate) async fn containerd() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|why| why.to_string())?;
        let kind = Kind::Cri(Containerd::start(dir.path()).await?);
        Ok(Self { dir, kind })
    }

    fn new(engine: Engine, bridge: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|why| why.to_string())?;
        let archive_path = dir.path().join("busybox.tar");
        busybox(&archive_path)?;
        let images = Images::open(&dir.path().join("images"), &shim())?;
        archive::load(&images, &archive_path, None)?;
        let network = Bridge::new(dir.path(), &format!("exam{}", std::process::id()), bridge);
        network.set_range("10.244.200.0/24")?;
        Ok(Self { dir, kind: Kind::Embedded { engine, network: Arc::new(network) } })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn image(&self) -> &'static str {
        IMAGE
    }

    /// A shim of ours is beside the pods, and the built-in image is here.
    pub(crate) fn embedded(&self) -> bool {
        matches!(self.kind, Kind::Embedded { .. })
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Runtime>, String> {
        let (engine, network) = match &self.kind {
            Kind::Embedded { engine, network } => (*engine, network.clone()),
            Kind::Cri(containerd) => {
                let made = Cri::open(&containerd.socket()).await;
                return made.map(|runtime| Box::new(runtime) as Box<dyn Runtime>).map_err(|why| why.to_string());
            }
        };
        let images = Arc::new(Images::open(&self.dir.path().join("images"), &shim())?);
        let made = Embedded::open(self.dir.path(), &shim(), engine, images, network, vec![]).await;
        made.map(|runtime| Box::new(runtime) as Box<dyn Runtime>).map_err(|why| why.to_string())
    }

    pub(crate) async fn clean(self) {
        if let Kind::Embedded { engine: Engine::Oci, network } = &self.kind {
            network.purge().await;
        }
    }
}

pub(crate) fn shim() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_rutter-shim"))
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).exists())
}

/// An OCI archive with busybox and its links, as a registry would hold it.
pub(crate) fn busybox(path: &Path) -> Result<(), String> {
    busybox_that(path, IMAGE, &["/bin/sh"])
}

/// The same under another name, with another command.
fn busybox_that(path: &Path, name: &str, command: &[&str]) -> Result<(), String> {
    let binary = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find(|path| Path::new(path).exists())
        .ok_or("needs busybox-static")?;
    let list = std::process::Command::new(binary).arg("--list").output().map_err(|why| why.to_string())?;
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let bytes = std::fs::read(binary).map_err(|why| why.to_string())?;
    for dir in ["bin/", "etc/", "tmp/", "proc/", "sys/", "dev/", "var/"] {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, dir, std::io::empty()).map_err(|why| why.to_string())?;
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(bytes.len() as u64);
    layer.append_data(&mut header, "bin/busybox", &bytes[..]).map_err(|why| why.to_string())?;
    for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{name}"), "busybox").map_err(|why| why.to_string())?;
    }
    let layer = layer.into_inner().map_err(|why| why.to_string())?;
    let digest = |bytes: &[u8]| node::image::digest_of(bytes);
    let config = json!({"architecture": node::image::architecture(), "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}})
    .to_string();
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config.as_bytes()), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len()}]})
    .to_string();
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest.as_bytes()), "size": manifest.len(), "platform": {"os": "linux", "architecture": node::image::architecture()},
        "annotations": {"io.containerd.image.name": name}}]})
    .to_string();
    let mut out = tar::Builder::new(std::fs::File::create(path).map_err(|why| why.to_string())?);
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", &digest(bytes)["sha256:".len()..]);
    let parts: [(String, &[u8]); 5] = [
        ("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#),
        (blob(&layer), &layer),
        (blob(config.as_bytes()), config.as_bytes()),
        (blob(manifest.as_bytes()), manifest.as_bytes()),
        ("index.json".into(), index.as_bytes()),
    ];
    for (name, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, bytes).map_err(|why| why.to_string())?;
    }
    out.finish().map_err(|why| why.to_string())
}
