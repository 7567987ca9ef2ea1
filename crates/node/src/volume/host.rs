//! `hostPath`: the machine's own files, checked against the type that the pod says they have. It makes only what the type
//! asks to be made, and removes nothing.
use crate::pod::spec::HostPath;
use std::fs::{File, FileType};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path};

/// # Errors
/// In Kubernetes' words, if what is there is of another type.
pub(super) fn check(host: &HostPath) -> Result<(), String> {
    let path = Path::new(&host.path);
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) || host.path.contains('\0') {
        return Err(format!("hostPath {:?} is no absolute path without '..'", host.path));
    }
    let failed = |why: std::io::Error| format!("hostPath {}: {why}", path.display());
    let kind: Option<FileType> = match std::fs::metadata(path) {
        Ok(meta) => Some(meta.file_type()),
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(why) => return Err(failed(why)),
    };
    let must = |fine: fn(&FileType) -> bool, words: &str| match kind.as_ref().is_some_and(fine) {
        true => Ok(()),
        false => Err(format!("hostPath type check failed: {} is not {words}", path.display())),
    };
    match host.kind.as_str() {
        "" if kind.is_some() => Ok(()),
        "" | "DirectoryOrCreate" if kind.is_none() => std::fs::create_dir_all(path).map_err(failed),
        "DirectoryOrCreate" | "Directory" => must(FileType::is_dir, "a directory"),
        "FileOrCreate" if kind.is_none() => {
            File::options().write(true).create_new(true).open(path).map(|_| ()).map_err(failed)
        }
        "FileOrCreate" | "File" => must(FileType::is_file, "a file"),
        "Socket" => must(FileType::is_socket, "a socket file"),
        "CharDevice" => must(FileType::is_char_device, "a character device"),
        "BlockDevice" => must(FileType::is_block_device, "a block device"),
        other => Err(format!("hostPath type check failed: {other} is an invalid volume type")),
    }
}
