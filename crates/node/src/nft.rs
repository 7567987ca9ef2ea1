//! Hands text to `nft -f -`: one process, one transaction. It renders nothing.
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// How long one transaction may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Applies `text` atomically.
///
/// # Errors
/// What nft said, or that it is not installed.
pub(crate) async fn apply(text: &str) -> Result<(), String> {
    let mut command = tokio::process::Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|why| format!("nft cannot be run ({why}); install nftables"))?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    match rt::timeout(PATIENCE, work).await {
        None => Err("nft did not end in time".into()),
        Some(Err(why)) => Err(format!("nft: {why}")),
        Some(Ok(output)) if output.status.success() => Ok(()),
        Some(Ok(output)) => Err(format!(
            "nft: {}",
            String::from_utf8_lossy(&output.stderr).chars().take(500).collect::<String>().trim()
        )),
    }
}

/// A table's name for an agent: letters, digits and `_` only.
#[must_use]
pub(crate) fn table(prefix: &str, agent: &str) -> String {
    let name: String = agent.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{prefix}_{name}")
}
