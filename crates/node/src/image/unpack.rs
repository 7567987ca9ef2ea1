//! Unpacks a layer into a directory that overlay can use as a lower one: whiteouts become overlay's own marks (OCI image
//! specification, "Layer Filesystem Changeset"). A hostile layer can neither leave the directory nor fill the disk unseen.
use crate::limits::{IMAGE_FILES_MAX, LAYER_BYTES_MAX};
use flate2::read::MultiGzDecoder;
use nix::libc;
use sha2::{Digest as _, Sha256};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Reads through, counting and digesting what comes out of the compression.
struct Measured<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        if self.bytes > LAYER_BYTES_MAX {
            return Err(io::Error::other(format!("the layer is larger than {LAYER_BYTES_MAX} bytes")));
        }
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

/// Unpacks the layer in `blob` into `into`; the digest of the uncompressed archive.
///
/// # Errors
/// In words, if it is damaged, leaves its directory, or the disk refuses.
pub fn layer(blob: &Path, into: &Path) -> Result<String, String> {
    let words = |why: io::Error| {
        let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("unpacking a layer: {why}{cause}")
    };
    let mut file = BufReader::new(File::open(blob).map_err(words)?);
    let mut head = [0; 4];
    let known = io::Read::by_ref(&mut file).take(4).read(&mut head).map_err(words)?;
    let file = head[..known].chain(file);
    let inner: Box<dyn Read + '_> = match head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            return Err("the layer is compressed with zstd, which is not supported; push the image with gzip".into());
        }
        _ => Box::new(file),
    };
    let mut measured = Measured { inner, digest: Sha256::new(), bytes: 0 };
    let into = std::fs::canonicalize(into).map_err(words)?;
    unpack(&mut measured, &into).map_err(words)?;
    // What stands after the archive's end belongs to the digest too.
    io::copy(&mut measured, &mut io::sink()).map_err(words)?;
    Ok(super::digest_text(&measured.digest.finalize()))
}

fn unpack(from: &mut impl Read, into: &Path) -> io::Result<()> {
    let root = nix::unistd::geteuid().is_root();
    let mut archive = tar::Archive::new(from);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(root);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    for (count, entry) in archive.entries()?.enumerate() {
        if count as u64 > IMAGE_FILES_MAX {
            return Err(io::Error::other(format!("the layer has more than {IMAGE_FILES_MAX} files")));
        }
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            whiteout(into, &path, hidden, root)?;
            continue;
        }
        match entry.header().entry_type() {
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo if !root => continue,
            _ => {}
        }
        if !entry.unpack_in(into)? {
            return Err(io::Error::other(format!("the layer names {}, which is outside of it", path.display())));
        }
    }
    Ok(())
}

/// Marks that lower layers' `hidden` beside `path` is gone; `.wh..opq` hides all of them in the directory.
fn whiteout(into: &Path, path: &Path, hidden: &[u8], root: bool) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new(""));
    if hidden.is_empty() || hidden == b".." || hidden == b"." {
        return Err(io::Error::other(format!("the layer hides {}, which is outside of it", path.display())));
    }
    let place = inside(into, parent)?;
    if hidden == b".wh..opq" {
        let place = CString::new(place.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let name = if root { c"trusted.overlay.opaque" } else { c"user.overlay.opaque" };
        // SAFETY: both names end in a zero byte and the value's length is its own.
        let done = unsafe { libc::lsetxattr(place.as_ptr(), name.as_ptr(), b"y".as_ptr().cast(), 1, 0) };
        return if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    }
    let target = place.join(std::ffi::OsStr::from_bytes(hidden));
    let _ = std::fs::remove_file(&target);
    if !root {
        // Only root makes devices; who merges layers without overlay reads the mark by its name.
        return std::fs::write(place.join(path.file_name().unwrap_or_default()), b"");
    }
    let target = CString::new(target.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: the path ends in a zero byte.
    match unsafe { libc::mknod(target.as_ptr(), libc::S_IFCHR, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The directory `path` below `into`, made if need be; a part at a time, so that nothing is made through a link that leaves it.
fn inside(into: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut place = into.to_owned();
    for part in path.components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(part) => place.push(part),
            _ => return Err(io::Error::other(format!("the layer names {}, which is outside of it", path.display()))),
        }
        match std::fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => place = std::fs::canonicalize(&place)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => std::fs::create_dir(&place)?,
            Err(why) => return Err(why),
        }
        if !place.starts_with(into) {
            return Err(io::Error::other(format!("the layer names {} through a link that leaves it", path.display())));
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::FileTypeExt as _;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            // The builder refuses paths that leave; a hostile archive is written by hand.
            let name = path.as_bytes();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_cksum();
            builder.append(&header, *bytes).expect("appends");
        }
        builder.into_inner().expect("an archive")
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<String, String>) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("blob"), bytes).expect("writes");
        std::fs::create_dir(dir.path().join("l")).expect("makes");
        let result = layer(&dir.path().join("blob"), &dir.path().join("l"));
        (dir, result)
    }

    #[test]
    fn layers_unpack_gzipped_or_not_with_whiteouts() {
        let plain = archive(&[("a/b", b"text"), ("a/.wh.gone", b"")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("writes");
        for bytes in [plain.clone(), gzip.finish().expect("gzip")] {
            let (dir, digest) = unpacked(&bytes);
            assert_eq!(digest, Ok(super::super::digest_of(&plain)));
            assert_eq!(std::fs::read(dir.path().join("l/a/b")).expect("a file"), b"text");
            if nix::unistd::geteuid().is_root() {
                let gone = std::fs::symlink_metadata(dir.path().join("l/a/gone")).expect("a mark");
                assert!(gone.file_type().is_char_device());
            }
        }
    }

    #[test]
    fn a_hostile_layer_stays_inside_or_is_refused() {
        for entries in
            [&[("../evil", b"x" as &[u8])][..], &[("a/../../evil", b"x")], &[("../.wh.evil", b"")], &[(".wh...", b"")]]
        {
            let (dir, result) = unpacked(&archive(entries));
            assert!(result.is_err(), "{entries:?}");
            assert!(!dir.path().join("evil").exists());
        }
        // A link out, and then a mark behind it: nothing may be made outside on the way.
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_link(&mut header, "out", "..").expect("appends");
        let mut bytes = builder.into_inner().expect("an archive");
        bytes.truncate(512);
        bytes.extend(archive(&[("out/evil/.wh.x", b"")]));
        let (dir, result) = unpacked(&bytes);
        assert!(result.as_ref().is_err_and(|why| why.contains("a link that leaves it")), "{result:?}");
        assert!(!dir.path().join("evil").exists());
        let (_dir, result) = unpacked(b"this is no archive, whatever its name says it is");
        assert!(result.is_err());
        let (_dir, result) = unpacked(&[0x1f, 0x8b, 8, 0, 0, 0]);
        assert!(result.is_err());
    }
}
