//! `rutter image`: OCI archives into the stores of the nodes below a directory, and what is there. It pulls nothing.
use crate::failure::{Failure, Output};
use crate::operator;
use ::node::image::archive;
use ::node::image::store::Images;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Image {
    /// Takes an OCI archive (or one of `docker save`) into the store of each node of this machine.
    Load(Load),
    /// The images of each node of this machine.
    List(Place),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The directory of `rutter up`, or of one `rutter node`.
    #[arg(long, default_value = ".rutter")]
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The archive: a tar file.
    archive: PathBuf,
    /// Its name, instead of those that the archive gives.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Directories of nodes at or below `dir`, and their stores.
fn stores(dir: &Path) -> Result<Vec<(String, Images)>, Failure> {
    let binary = std::env::current_exe()
        .map_err(|why| Failure::new(format!("this binary cannot be found: {why}"), "start it by its full path"))?;
    let below = std::fs::read_dir(dir.join("nodes")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        std::iter::once(dir.to_owned()).chain(below).filter(|dir| dir.join("agent.json").exists()).collect();
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(
            format!("no node has its directory at or below {}", dir.display()),
            "name the directory of `rutter up` or of `rutter node` with --dir",
        ));
    }
    let open = |dir: PathBuf| {
        let name = dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let images = Images::open(&dir.join("images"), &binary)
            .map_err(|why| Failure::new(why, "see that you may write to the node's directory"))?;
        Ok((name, images))
    };
    found.into_iter().map(open).collect()
}

pub(crate) fn run(image: &Image, output: Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    match image {
        Image::Load(load) => {
            for (node, images) in stores(&load.place.dir)? {
                let loaded = archive::load(&images, &load.archive, load.name.as_deref()).map_err(|why| {
                    Failure::new(
                        why,
                        "give an OCI archive, as `skopeo copy … oci-archive:FILE` or `docker save` makes it",
                    )
                })?;
                rows.extend(loaded.into_iter().map(|image| row(&node, &image.info())));
            }
        }
        Image::List(place) => {
            for (node, images) in stores(&place.dir)? {
                let all =
                    images.all().map_err(|why| Failure::new(why, "see that you may read the node's directory"))?;
                rows.extend(all.iter().map(|image| row(&node, image)));
            }
        }
    }
    operator::print(output, &json!({ "images": rows }), |value| {
        let list = value["images"].as_array().map(Vec::as_slice).unwrap_or_default();
        let line = |image: &Value| {
            let text = |member: &str| image[member].as_str().unwrap_or_default().to_owned();
            let names: Vec<&str> = image["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("{}\t{}\t{}\t{}", text("node"), names.join(","), image["bytes"], text("id"))
        };
        if list.is_empty() {
            "no images; rutter.dev/hello is always there\n".into()
        } else {
            list.iter().map(|image| line(image) + "\n").collect::<String>()
        }
    });
    Ok(())
}

fn row(node: &str, image: &::node::runtime::ImageInfo) -> Value {
    json!({"node": node, "names": image.names, "bytes": image.bytes, "id": image.id})
}
