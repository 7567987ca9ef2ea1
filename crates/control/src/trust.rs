//! Whom a member's API believes: the cluster's authority, the key that is made of it, and who an operator's files name. It reads files and
//! leaves what they mean to the API server.
use crate::config::Config;
use crate::error::ControlError;
use apiserver::authentication::authenticator::Authenticator;
use apiserver::authentication::chain::Trust;
use apiserver::authentication::config;
use apiserver::authentication::signer::Signer;
use link::authority::Authority;
use std::path::Path;
use std::sync::Arc;

/// Where machines keep the authorities that they believe: of Debian, of Fedora, of Alpine.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

pub(crate) fn of(authority: &Authority, others: Vec<Arc<dyn Authenticator>>) -> Trust {
    let signer = Arc::new(Signer::from_seed(&authority.token_seed()));
    Trust { signer, authority_pem: authority.certificate_pem().into(), others }
}

/// Those whom the member's files name.
///
/// # Errors
/// In one line that names the file and says what to mend.
pub(crate) fn others(config: &Config) -> Result<Vec<Arc<dyn Authenticator>>, ControlError> {
    let mut all = Vec::new();
    let wrong = |path: &Path| {
        let path = path.display().to_string();
        move |why: String| ControlError::Trust(format!("{path}: {why}"))
    };
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|why| why.to_string());
    if let Some(path) = &config.issuers {
        let text = read(path).map_err(wrong(path))?;
        all.extend(config::issuers(&text, &roots()).map_err(wrong(path))?);
    }
    if let Some(path) = &config.webhook {
        let text = read(path).map_err(wrong(path))?;
        // Files that a kubeconfig names are found from where it stands.
        let base = path.parent().unwrap_or(Path::new("."));
        let beside = |name: &str| read(&base.join(name)).map_err(|why| format!("{name}: {why}"));
        all.push(config::webhook(&text, &roots(), &beside).map_err(wrong(path))?);
    }
    Ok(all)
}

fn roots() -> Vec<u8> {
    ROOTS.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default()
}
