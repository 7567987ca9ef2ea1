//! Flags that say who else knows tokens, for `control` and `up`: Kubernetes' own files, under Kubernetes' own names.
use std::path::PathBuf;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TrustFlags {
    /// An AuthenticationConfiguration: issuers of OpenID Connect whose tokens are believed.
    #[arg(long, value_name = "FILE")]
    pub(crate) authentication_config: Option<PathBuf>,
    /// A kubeconfig that names a webhook which is asked about tokens that nobody else knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) authentication_token_webhook_config_file: Option<PathBuf>,
}

impl TrustFlags {
    /// As another process is given them: paths are then of the directory in which this one was started.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let flags = [
            ("--authentication-config", &self.authentication_config),
            ("--authentication-token-webhook-config-file", &self.authentication_token_webhook_config_file),
        ];
        let given = flags.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?)));
        given.flat_map(|(flag, path)| [flag.to_owned(), path.display().to_string()]).collect()
    }
}
