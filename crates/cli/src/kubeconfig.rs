//! Reads a kubeconfig as kubectl does: the current context's server, authority and client certificate. It writes none.
use crate::failure::Failure;
use base64::Engine as _;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where a server is and who we are to it.
#[derive(Clone, Debug)]
pub(crate) struct Kubeconfig {
    /// `https://host:port`, without a trailing slash.
    pub(crate) server: String,
    /// PEM.
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) insecure: bool,
    /// PEM.
    pub(crate) certificate: Option<Vec<u8>>,
    /// PEM.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) token: Option<String>,
}

/// The file to read: the flag, `$KUBECONFIG`'s first, or what `rutter up` writes into its directory.
pub(crate) fn find(flag: Option<&Path>, dir: &Path) -> PathBuf {
    if let Some(path) = flag {
        return path.to_owned();
    }
    let from_environment = std::env::var("KUBECONFIG")
        .ok()
        .and_then(|paths| paths.split(':').find(|path| !path.is_empty()).map(PathBuf::from));
    from_environment.unwrap_or_else(|| dir.join("kubeconfig"))
}

/// Reads the current context of the file.
pub(crate) fn read(path: &Path) -> Result<Kubeconfig, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|why| {
        Failure::new(format!("{shown}: {why}"), "start a cluster with `rutter up`, or name one with --kubeconfig")
    })?;
    let bad = |why: &str| {
        Failure::new(format!("{shown}: {why}"), "give a kubeconfig with a current context, as `rutter up` writes it")
    };
    let file: Value = serde_saphyr::from_str(&text).map_err(|why| bad(&format!("not a kubeconfig ({why})")))?;
    let named = |list: &str, name: &Value, part: &str| -> Option<Value> {
        let entries = file.get(list)?.as_array()?;
        entries.iter().find(|entry| entry.get("name") == Some(name)).and_then(|entry| entry.get(part)).cloned()
    };
    let context = file.get("current-context").and_then(|name| named("contexts", name, "context"));
    let context = context.ok_or_else(|| bad("it has no current context"))?;
    let part =
        |list: &str, member: &str| context.get(member).and_then(|name| named(list, name, member)).unwrap_or_default();
    let (cluster, user) = (part("clusters", "cluster"), part("users", "user"));
    let folder = path.parent().unwrap_or(Path::new("."));
    let pem = |from: &Value, member: &str| -> Option<Vec<u8>> {
        if let Some(data) = from.get(format!("{member}-data")).and_then(Value::as_str) {
            return base64::engine::general_purpose::STANDARD.decode(data).ok();
        }
        std::fs::read(folder.join(from.get(member)?.as_str()?)).ok()
    };
    let server = cluster.get("server").and_then(Value::as_str).ok_or_else(|| bad("its context names no server"))?;
    Ok(Kubeconfig {
        server: server.trim_end_matches('/').to_owned(),
        authority: pem(&cluster, "certificate-authority"),
        insecure: cluster.get("insecure-skip-tls-verify").and_then(Value::as_bool).unwrap_or(false),
        certificate: pem(&user, "client-certificate"),
        key: pem(&user, "client-key"),
        token: user.get("token").and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_context_is_read_and_bad_files_are_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n- name: here\n  context: {cluster: c, user: u}\n\
            clusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:6443/', certificate-authority-data: aGk=}\nusers:\n- name: u\n  user: {token: t}\n";
        std::fs::write(&path, text).expect("writes");
        let read_back = read(&path).expect("reads");
        assert_eq!(read_back.server, "https://127.0.0.1:6443");
        assert_eq!(read_back.authority.as_deref(), Some(&b"hi"[..]));
        assert_eq!(read_back.token.as_deref(), Some("t"));
        for bad in ["", "{", "- a", "current-context: x"] {
            std::fs::write(&path, bad).expect("writes");
            assert!(read(&path).is_err(), "{bad}");
        }
    }
}
