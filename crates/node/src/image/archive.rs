//! Takes an image in from a file: an OCI layout in a tar, or what `docker save` writes. It trusts no name and no digest in it.
use super::reference::Reference;
use super::store::Images;
use super::{Descriptor, Image, Index, digest_text};
use crate::limits::{LAYER_BYTES_MAX, MANIFEST_BYTES_MAX};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::Path;

/// One image in Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Loads every image in the archive; `name` is given to one that has none.
///
/// # Errors
/// In words, if the archive is damaged or names what it does not hold.
pub fn load(images: &Images, path: &Path, name: Option<&str>) -> Result<Vec<Image>, String> {
    let file = std::fs::File::open(path).map_err(|why| format!("opening {}: {why}", path.display()))?;
    let mut archive = tar::Archive::new(std::io::BufReader::new(file));
    let mut known: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for entry in archive.entries().map_err(|why| format!("{} is no archive: {why}", path.display()))? {
        let mut entry = entry.map_err(|why| format!("{} is damaged: {why}", path.display()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let inside = entry.path().map_err(|why| why.to_string())?.to_string_lossy().trim_start_matches("./").to_owned();
        let kept = keep(images, &mut entry)?;
        if let Some(claimed) = inside.strip_prefix("blobs/sha256/")
            && kept.0 != format!("sha256:{claimed}")
        {
            return Err(format!("{inside} has digest {}", kept.0));
        }
        known.insert(inside, kept);
    }
    if let Some((digest, _)) = known.get("index.json") {
        return layout(images, digest, name);
    }
    match known.get("manifest.json") {
        Some((digest, _)) => saved(images, digest, &known, name),
        None => Err(format!("{} holds neither index.json nor manifest.json: it is no image archive", path.display())),
    }
}

/// Streams one file into the store: its digest and size.
fn keep(images: &Images, from: &mut impl Read) -> Result<(String, u64), String> {
    let words = |why: std::io::Error| format!("taking content in: {why}");
    let coming = images.coming();
    let mut file = std::fs::File::create(&coming).map_err(words)?;
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
    loop {
        let count = from.read(&mut buffer).map_err(words)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > LAYER_BYTES_MAX {
            let _ = std::fs::remove_file(&coming);
            return Err(format!("a file in the archive is larger than {LAYER_BYTES_MAX} bytes"));
        }
        digest.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(words)?;
    }
    let digest = digest_text(&digest.finalize());
    images.take(&coming, &digest)?;
    Ok((digest, size))
}

fn layout(images: &Images, digest: &str, name: Option<&str>) -> Result<Vec<Image>, String> {
    let index: Index = images.json(digest)?;
    let mut loaded = Vec::new();
    for descriptor in &index.manifests {
        let annotated = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .iter()
            .find_map(|key| descriptor.annotations.get(*key));
        let name = name.or(annotated.map(String::as_str)).ok_or("the image in the archive has no name; give it one")?;
        let manifest = resolve(images, descriptor)?;
        loaded.push(images.keep(&Reference::parse(name)?, &manifest)?);
    }
    if loaded.is_empty() { Err("the archive names no image".into()) } else { Ok(loaded) }
}

/// The digest of the manifest for this machine, through one index if need be.
fn resolve(images: &Images, descriptor: &Descriptor) -> Result<String, String> {
    if !descriptor.media_type.contains("index") && !descriptor.media_type.contains("manifest.list") {
        return Ok(descriptor.digest.clone());
    }
    let index: Index = images.json(&descriptor.digest)?;
    let chosen =
        index.choose().ok_or_else(|| format!("the image has no manifest for linux/{}", super::architecture()))?;
    Ok(chosen.digest.clone())
}

fn saved(
    images: &Images,
    digest: &str,
    known: &BTreeMap<String, (String, u64)>,
    name: Option<&str>,
) -> Result<Vec<Image>, String> {
    let all: Vec<Saved> = images.json(digest)?;
    let find = |path: &String| known.get(path).ok_or_else(|| format!("the archive names {path} and does not hold it"));
    let mut loaded = Vec::new();
    for saved in &all {
        let (config, size) = find(&saved.config)?;
        let layers = saved
            .layers
            .iter()
            .map(|layer| find(layer).map(|(digest, size)| json!({"digest": digest, "size": size})))
            .collect::<Result<Vec<_>, _>>()?;
        let manifest =
            json!({"schemaVersion": 2, "config": {"digest": config, "size": size}, "layers": layers}).to_string();
        if manifest.len() > MANIFEST_BYTES_MAX {
            return Err("the image has too many layers".into());
        }
        let digest = super::digest_of(manifest.as_bytes());
        images.put(&digest, manifest.as_bytes())?;
        let tags = saved.repo_tags.clone().unwrap_or_default();
        let names: Vec<&str> = match name {
            Some(name) => vec![name],
            None => tags.iter().map(String::as_str).collect(),
        };
        for name in names {
            loaded.push(images.keep(&Reference::parse(name)?, &digest)?);
        }
    }
    if loaded.is_empty() { Err("the image in the archive has no name; give it one".into()) } else { Ok(loaded) }
}
