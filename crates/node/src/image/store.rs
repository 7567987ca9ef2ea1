//! Images on this machine: content by digest, layers unpacked once, names that point at them. It fetches nothing.
use super::builtin;
use super::reference::Reference;
use super::unpack;
use super::{Config, Image, Manifest, digest_of, hex};
use crate::runtime::ImageInfo;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Content and names below one directory.
pub struct Images {
    dir: PathBuf,
    /// The binary that the built-in image holds.
    binary: PathBuf,
    /// One pull of a name at a time.
    pub(super) pulling: tokio::sync::Mutex<()>,
}

impl Images {
    /// The images below `dir`; `binary` is what the built-in one holds.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn open(dir: &Path, binary: &Path) -> Result<Self, String> {
        for part in ["blobs/sha256", "layers", "names", "coming"] {
            std::fs::create_dir_all(dir.join(part)).map_err(|why| format!("making the image store: {why}"))?;
        }
        Ok(Self { dir: dir.to_owned(), binary: binary.to_owned(), pulling: tokio::sync::Mutex::new(()) })
    }

    /// The image of that name, if it is here.
    ///
    /// # Errors
    /// If the name is none, or what is kept of it cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Image>, String> {
        let reference = Reference::parse(name)?;
        if reference.is_builtin() {
            return builtin::image(&self.dir, &self.binary, &reference).map(Some);
        }
        let path = self.dir.join("names").join(reference.file());
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|why| format!("what is kept of image {name} is damaged ({why}); pull it again")),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(format!("reading what is kept of image {name}: {why}")),
        }
    }

    /// Every image that is here.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn all(&self) -> Result<Vec<ImageInfo>, String> {
        let entries = std::fs::read_dir(self.dir.join("names")).map_err(|why| format!("listing images: {why}"))?;
        let mut by_id: BTreeMap<String, ImageInfo> = BTreeMap::new();
        for entry in entries.flatten() {
            let Ok(image) = std::fs::read(entry.path())
                .map_err(drop)
                .and_then(|bytes| serde_json::from_slice::<Image>(&bytes).map_err(drop))
            else {
                continue;
            };
            let info = image.info();
            by_id.entry(info.id.clone()).and_modify(|known| known.names.extend(info.names.clone())).or_insert(info);
        }
        Ok(by_id.into_values().collect())
    }

    /// Unpacks what a manifest in the store names, and gives it the name.
    ///
    /// # Errors
    /// If content is missing or is not what the manifest says.
    pub fn keep(&self, reference: &Reference, manifest_digest: &str) -> Result<Image, String> {
        let manifest: Manifest = self.json(manifest_digest)?;
        let config: ConfigFile = self.json(&manifest.config.digest)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(format!(
                "the image has {} layers and names {} of them",
                manifest.layers.len(),
                config.rootfs.diff_ids.len()
            ));
        }
        let mut lowers = Vec::new();
        for (layer, diff) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            lowers.insert(0, self.layer(&layer.digest, diff)?);
        }
        let bytes = manifest.layers.iter().map(|layer| layer.size).sum();
        let id = format!("{}@{manifest_digest}", reference.repository());
        let image =
            Image { id, names: vec![reference.to_string()], bytes, config: config.config, lowers, builtin: false };
        let text = serde_json::to_vec(&image).map_err(|why| why.to_string())?;
        self.write(&self.dir.join("names").join(reference.file()), &text)?;
        Ok(image)
    }

    /// Forgets a name. Content that no name needs stays until the store is purged.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, name: &str) -> Result<(), String> {
        let reference = Reference::parse(name)?;
        match std::fs::remove_file(self.dir.join("names").join(reference.file())) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(format!("removing image {name}: {why}")),
            _ => Ok(()),
        }
    }

    /// The unpacked layer; unpacks it if need be.
    fn layer(&self, digest: &str, diff: &str) -> Result<PathBuf, String> {
        let blob = self.blob(digest)?;
        let place = self.dir.join("layers").join(hex(diff)?);
        if place.is_dir() {
            return Ok(place);
        }
        let coming = self.dir.join("coming").join(format!("{:016x}", rt::random()));
        let unpacked = std::fs::create_dir_all(&coming)
            .map_err(|why| why.to_string())
            .and_then(|()| unpack::layer(&blob, &coming));
        let unpacked = unpacked.and_then(|digest| match digest == diff {
            true => std::fs::rename(&coming, &place).map_err(|why| format!("placing a layer: {why}")),
            false => Err(format!("a layer's content is {digest}, the image says {diff}")),
        });
        if let Err(why) = unpacked {
            let _ = std::fs::remove_dir_all(&coming);
            return Err(why);
        }
        Ok(place)
    }

    /// Where content of that digest stands.
    ///
    /// # Errors
    /// If the digest is not of a kind we know.
    pub fn blob(&self, digest: &str) -> Result<PathBuf, String> {
        Ok(self.dir.join("blobs/sha256").join(hex(digest)?))
    }

    /// Takes content in under its digest.
    ///
    /// # Errors
    /// If it has another digest.
    pub fn put(&self, digest: &str, bytes: &[u8]) -> Result<(), String> {
        let found = digest_of(bytes);
        if found != digest {
            return Err(format!("content with digest {found} came for {digest}"));
        }
        self.write(&self.blob(digest)?, bytes)
    }

    /// A place for content that is still coming.
    #[must_use]
    pub fn coming(&self) -> PathBuf {
        self.dir.join("coming").join(format!("{:016x}", rt::random()))
    }

    /// Takes a file in that was written to `coming` and whose digest is known.
    ///
    /// # Errors
    /// The disk's.
    pub fn take(&self, coming: &Path, digest: &str) -> Result<(), String> {
        std::fs::rename(coming, self.blob(digest)?).map_err(|why| format!("placing content: {why}"))
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, digest: &str) -> Result<T, String> {
        let bytes = std::fs::read(self.blob(digest)?).map_err(|why| format!("content {digest} is missing: {why}"))?;
        serde_json::from_slice(&bytes).map_err(|why| format!("content {digest} is not what an image needs: {why}"))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let coming = self.coming();
        std::fs::write(&coming, bytes)
            .and_then(|()| std::fs::rename(&coming, path))
            .map_err(|why| format!("writing {}: {why}", path.display()))
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    config: Config,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}
