//! The name of an image: registry, repository, tag or digest, as Docker's distribution reads it. Pure.
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub registry: String,
    /// `library/busybox`.
    pub path: String,
    pub tag: Option<String>,
    pub digest: Option<String>,
}

/// The registry of the image that is the binary itself.
const BUILTIN: (&str, &str) = ("rutter.dev", "hello");

impl Reference {
    /// Reads a name.
    ///
    /// # Errors
    /// In words, if it is none: `InvalidImageName`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("couldn't parse image name {text:?}: {why}"));
        if text.is_empty() || text.len() > 512 {
            return wrong("it is empty or too long");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        if digest.as_ref().is_some_and(|digest| super::hex(digest).is_err()) {
            return wrong("its digest is not sha256 and 64 digits");
        }
        let (first, path) = rest.split_once('/').unwrap_or(("", rest));
        let (registry, path) = match first.contains(['.', ':']) || first == "localhost" {
            true => (first, path),
            false => ("docker.io", rest),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (path, None),
        };
        let path =
            if registry == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        let letters = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        if !path.split('/').all(letters) {
            return wrong("the repository has letters that none may have (lower case, digits, . _ - and / only)");
        }
        if tag.as_ref().is_some_and(|tag| {
            tag.is_empty() || tag.len() > 128 || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }) {
            return wrong("the tag is not one");
        }
        let host = registry.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        if !host || !registry.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b)) {
            return wrong("the registry is not a host");
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.into(), path, tag, digest })
    }

    #[must_use]
    pub fn is_builtin(&self) -> bool {
        (self.registry.as_str(), self.path.as_str()) == BUILTIN
    }

    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// What is asked of the registry: the digest if there is one.
    #[must_use]
    pub fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// A file's name for it: a digest of the text, since names are longer than file names and hold slashes.
    #[must_use]
    pub fn file(&self) -> String {
        super::digest_of(self.to_string().as_bytes()).split_off("sha256:".len())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)?;
        match (&self.tag, &self.digest) {
            (_, Some(digest)) => write!(f, "@{digest}"),
            (Some(tag), None) => write!(f, ":{tag}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn names_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let table = [
            ("busybox", "docker.io/library/busybox:latest".to_owned()),
            ("me/app:1", "docker.io/me/app:1".to_owned()),
            ("localhost:5000/app", "localhost:5000/app:latest".to_owned()),
            ("localhost/app:x", "localhost/app:x".to_owned()),
            ("quay.io/a/b/c:v1.2_3", "quay.io/a/b/c:v1.2_3".to_owned()),
            (&format!("quay.io/a/b:v1@{digest}"), format!("quay.io/a/b@{digest}")),
        ];
        for (text, full) in table {
            assert_eq!(Reference::parse(text).map(|reference| reference.to_string()), Ok(full), "{text}");
        }
        assert!(Reference::parse("rutter.dev/hello:v9").is_ok_and(|reference| reference.is_builtin()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "UPPER", "a b", "a:", "a//b", "../x", "a@sha256:12", "a:b:c", "x/../y", "host!:1/a", "é"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
