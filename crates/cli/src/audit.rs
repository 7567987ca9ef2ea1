//! The flags of the audit stream, named as kube-apiserver's are. It reads no policy and writes no event.
use crate::failure::Failure;
use control::config::AuditFile;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AuditFlags {
    /// A policy (audit.k8s.io/v1) that says which requests are remembered in a file; writes are in the log in any case.
    #[arg(long)]
    audit_policy_file: Option<PathBuf>,
    /// Where: by itself audit.log in the member's directory.
    #[arg(long, requires = "audit_policy_file")]
    audit_log_path: Option<PathBuf>,
    /// Mebibytes after which the file is put aside.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    audit_log_maxsize: u64,
    /// How many files that were put aside are kept.
    #[arg(long, default_value_t = 10)]
    audit_log_maxbackup: u32,
}

const MEBIBYTE: u64 = 1024 * 1024;

impl AuditFlags {
    /// What a member in `dir` is told.
    pub(crate) fn file(&self, dir: &Path) -> Option<AuditFile> {
        Some(AuditFile {
            policy: self.audit_policy_file.clone()?,
            log: self.audit_log_path.clone().unwrap_or_else(|| dir.join("audit.log")),
            bytes_max: self.audit_log_maxsize * MEBIBYTE,
            old: self.audit_log_maxbackup,
        })
    }

    /// The same, whatever the working directory; read once, so that what is wrong is told before anything starts.
    pub(crate) fn absolute(&self) -> Result<Self, Failure> {
        let Some(policy) = &self.audit_policy_file else { return Ok(self.clone()) };
        let broken = |why: String| {
            Failure::new(format!("--audit-policy-file {}: {why}", policy.display()), "mend it, or leave the flag out")
        };
        let whole = std::fs::canonicalize(policy).map_err(|why| broken(why.to_string()))?;
        let text = std::fs::read(&whole).map_err(|why| broken(why.to_string()))?;
        api::audit::Policy::parse(&text).map_err(broken)?;
        Ok(Self { audit_policy_file: Some(whole), ..self.clone() })
    }

    /// For the process of one member among several on this machine: each has a file of its own.
    pub(crate) fn arguments(&self, dir: &Path) -> Vec<String> {
        let Some(file) = self.file(dir) else { return Vec::new() };
        let log = match (&self.audit_log_path, dir.file_name()) {
            (Some(path), Some(name)) => {
                let mut path = path.clone().into_os_string();
                path.push("-");
                path.push(name);
                PathBuf::from(path)
            }
            _ => file.log,
        };
        let (size, old) = (self.audit_log_maxsize.to_string(), self.audit_log_maxbackup.to_string());
        let flags = [
            ("--audit-policy-file", file.policy.display().to_string()),
            ("--audit-log-path", log.display().to_string()),
            ("--audit-log-maxsize", size),
            ("--audit-log-maxbackup", old),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}
