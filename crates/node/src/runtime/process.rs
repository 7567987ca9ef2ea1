//! What is particular to plain processes: no namespaces, no mounts, the machine's network. It prepares; the shim starts.
use super::{ContainerSpec, RuntimeError, user};
use crate::image::Image;
use crate::shim::protocol::{self, CONTAINERS, Run, STATE_FILE, StateRecord};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// What a container is without namespaces, said in the node's condition.
#[must_use]
pub fn lacks(why: &str) -> Vec<String> {
    vec![
        format!(
            "Containers are plain processes of this machine ({why}): no isolation, no limits, the machine's network, and two pods cannot use the same port."
        ),
        "Volumes are not mounted: their directories are named by variables RUTTER_MOUNT_<PATH>.".into(),
        "Services are not rerouted on this node.".into(),
    ]
}

/// The process for the container; copies the image's files to `dir`.
///
/// # Errors
/// `Config` if it has no command or asks for what only root can give.
pub fn resolve(spec: &ContainerSpec, image: &Image, dir: &Path, binary: &Path) -> Result<Run, RuntimeError> {
    let mut args = image.command(&spec.command, &spec.args);
    if args.is_empty() {
        return Err(RuntimeError::Config("no command specified: neither the pod nor the image names one".into()));
    }
    let (uid, gid, groups) = user::resolve(spec, image)?;
    let mut env = image.environment();
    let root = match image.builtin {
        true => {
            // The image is the binary; here it need not be copied into a root of its own.
            env.clear();
            let own = binary.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
            env.push(("PATH".into(), format!("{own}:/usr/local/bin:/usr/bin:/bin")));
            if args[0] == "/rutter" {
                args[0] = binary.to_string_lossy().into_owned();
            }
            None
        }
        false => {
            let root = dir.join("root");
            for lower in image.lowers.iter().rev() {
                merge(lower, &root).map_err(|why| RuntimeError::Failed(format!("copying the image's files: {why}")))?;
            }
            Some(root)
        }
    };
    for mount in &spec.mounts {
        let name: String = mount
            .target
            .trim_matches('/')
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        env.push((format!("RUTTER_MOUNT_{name}"), mount.source.to_string_lossy().into_owned()));
    }
    for (name, value) in &spec.env {
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value.clone()));
    }
    let cwd = if spec.working_dir.is_empty() { image.config.working_dir.clone() } else { spec.working_dir.clone() };
    let chroot = root.is_some() && nix::unistd::geteuid().is_root();
    Ok(Run {
        args,
        env,
        cwd,
        user: uid,
        group: gid,
        groups,
        lowers: Vec::new(),
        root,
        chroot,
        stop_signal: super::oci::signal(&image.config.stop_signal),
    })
}

/// Ends the containers of a sandbox whose shim is gone, each with its session.
pub fn reclaim(sandbox: &Path) {
    let containers = std::fs::read_dir(sandbox.join(CONTAINERS)).into_iter().flatten().flatten();
    for container in containers {
        let Ok(state) = protocol::read_file::<StateRecord>(&container.path().join(STATE_FILE)) else { continue };
        if state.end.is_none() && state.ticks.is_some() && state.ticks == protocol::ticks(state.pid) {
            let _ = nix::sys::signal::killpg(Pid::from_raw(state.pid), Signal::SIGKILL);
        }
    }
}

/// Copies a layer over what is there, taking away what it hides.
fn merge(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let target = to.join(&name);
        let hidden = name.to_str().and_then(|name| name.strip_prefix(".wh.")).map(|name| to.join(name));
        if kind.is_char_device() || hidden.is_some() {
            let gone = hidden.unwrap_or(target);
            let _ = std::fs::remove_dir_all(&gone).or_else(|_| std::fs::remove_file(&gone));
        } else if kind.is_dir() {
            if target.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
                std::fs::remove_file(&target)?;
            }
            merge(&entry.path(), &target)?;
        } else {
            let _ = std::fs::remove_dir_all(&target).or_else(|_| std::fs::remove_file(&target));
            if kind.is_symlink() {
                std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
            } else if kind.is_file() {
                std::fs::copy(entry.path(), &target)?;
            }
        }
    }
    Ok(())
}
