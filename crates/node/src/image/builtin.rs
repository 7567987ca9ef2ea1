//! `rutter.dev/hello`: an image that is always here, made of the running binary and the libraries it is linked to.
use super::reference::Reference;
use super::{Config, Image};
use std::path::{Path, PathBuf};

/// Any tag is the same image.
///
/// # Errors
/// If the binary or its libraries cannot be placed.
pub fn image(dir: &Path, binary: &Path, reference: &Reference) -> Result<Image, String> {
    let meta = std::fs::metadata(binary).map_err(|why| format!("reading the binary {}: {why}", binary.display()))?;
    let stamp =
        meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    let mark = super::digest_of(format!("{} {} {}", binary.display(), meta.len(), stamp.as_nanos()).as_bytes());
    let place = dir.join("layers").join(format!("builtin-{}", &mark["sha256:".len()..][..16]));
    if !place.is_dir() {
        let coming = dir.join("coming").join(format!("{:016x}", rt::random()));
        fill(&coming, binary).map_err(|why| format!("making the built-in image: {why}"))?;
        if std::fs::rename(&coming, &place).is_err() {
            // Another pull was faster.
            let _ = std::fs::remove_dir_all(&coming);
        }
    }
    let config = Config {
        entrypoint: Some(vec!["/rutter".into(), "hello".into()]),
        env: Some(vec!["LD_LIBRARY_PATH=/lib".into(), "PATH=/:/bin".into()]),
        working_dir: "/".into(),
        ..Config::default()
    };
    Ok(Image {
        id: format!("{}@{mark}", reference.repository()),
        names: vec![reference.to_string()],
        bytes: meta.len(),
        config,
        lowers: vec![place],
        builtin: true,
    })
}

fn fill(root: &Path, binary: &Path) -> std::io::Result<()> {
    for part in ["lib", "tmp", "etc", "proc", "sys", "dev"] {
        std::fs::create_dir_all(root.join(part))?;
    }
    place(binary, &root.join("rutter"))?;
    let Some(loader) = interpreter(&std::fs::read(binary)?) else { return Ok(()) };
    // The loader itself says which libraries it would load: this is what `ldd` does.
    let said = std::process::Command::new(binary).env("LD_TRACE_LOADED_OBJECTS", "1").output()?;
    for path in libraries(&String::from_utf8_lossy(&said.stdout)) {
        if let Some(name) = path.file_name() {
            place(&path, &root.join("lib").join(name))?;
        }
    }
    let target = root.join(loader.strip_prefix("/").unwrap_or(&loader));
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if !target.exists() {
        place(&loader, &target)?;
    }
    Ok(())
}

/// A link costs nothing; another file system needs a copy.
fn place(from: &Path, to: &Path) -> std::io::Result<()> {
    let from = std::fs::canonicalize(from)?;
    std::fs::hard_link(&from, to).or_else(|_| std::fs::copy(&from, to).map(drop))
}

/// Paths in the loader's own listing: `libc.so.6 => /lib/libc.so.6 (0x…)`.
fn libraries(said: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        line.split_once("=> ")
            .and_then(|(_, rest)| rest.split(' ').next())
            .filter(|path| path.starts_with('/'))
            .map(PathBuf::from)
    };
    said.lines().filter_map(path).collect()
}

/// The loader that an ELF file asks for (System V ABI: program header `PT_INTERP`, 3); `None` if it is static.
fn interpreter(elf: &[u8]) -> Option<PathBuf> {
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        bytes.iter().rev().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    if elf.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..count).find_map(|at| {
        let head = start.checked_add(at.checked_mul(size)?)?;
        (number(head, 4)? == 3).then_some(())?;
        let (offset, length) = (number(head + 8, 8)?, number(head + 32, 8)?);
        let text = elf.get(offset..offset.checked_add(length)?)?;
        Some(PathBuf::from(std::str::from_utf8(text).ok()?.trim_end_matches('\0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_found_and_damage_is_none() {
        let elf = std::fs::read("/proc/self/exe").expect("ourselves");
        assert!(interpreter(&elf).is_none_or(|path| path.is_absolute()));
        for cut in [0, 3, 5, 40, 60, 64, 100] {
            let _ = interpreter(&elf[..cut]);
        }
        let mut wild = elf[..200].to_vec();
        wild[32..64].fill(0xff);
        assert_eq!(interpreter(&wild), None);
    }

    #[test]
    fn the_loaders_listing_is_read() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(libraries(said), [PathBuf::from("/lib/libc.so.6")]);
    }
}
