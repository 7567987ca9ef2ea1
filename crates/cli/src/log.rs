//! `rutter log`: what happened, entry by entry: who, why, having read what, what changed, what was refused.
use crate::client::Target;
use crate::entry;
use crate::failure::{Failure, Output};
use crate::operator;
use crate::replay;
use crate::verbs::{Reach, text};
use hyper::Method;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[command(flatten)]
    reach: Reach,
    /// The directory of a stopped member, a real one or a simulated one: what it holds is read, and nobody is asked.
    #[arg(long, conflicts_with_all = ["kubeconfig", "follow"])]
    dir: Option<PathBuf>,
    /// The first revision; by itself the last thousand, and all that a directory holds.
    #[arg(long)]
    from: Option<u64>,
    /// The last revision.
    #[arg(long)]
    to: Option<u64>,
    /// Go on as entries come.
    #[arg(long, conflicts_with = "to")]
    follow: bool,
}

/// How often a followed log is asked for what is new.
const FOLLOW: Duration = Duration::from_millis(300);

pub(crate) async fn run(flags: &Log, output: Output) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (flags.from, flags.to)
        && from > to
    {
        return Err(Failure::new(format!("revision {from} comes after {to}"), "give --from a smaller one than --to"));
    }
    if let Some(dir) = &flags.dir {
        let mut shown = false;
        replay::entries(dir, flags.from, flags.to, &mut |entry| {
            operator::print(output, entry, entry::show);
            shown = true;
        })?;
        if !shown && output == Output::Text {
            eprintln!("nothing happened there; `rutter replay --dir {}` names the newest revision", dir.display());
        }
        return Ok(());
    }
    let target = flags.reach.target()?;
    let (mut from, mut after, mut shown) = (flags.from, None, 0_u64);
    loop {
        let page = page(&target, from, flags.to, after).await?;
        for entry in &page {
            if shown == 0 && flags.from.is_none() {
                tell_of_the_rest(entry, output);
            }
            operator::print(output, entry, entry::show);
            after = entry["index"].as_u64().or(after);
            from = entry["last"].as_u64().or(from);
            shown += 1;
        }
        if page.is_empty() && !flags.follow {
            break;
        }
        if page.is_empty() {
            rt::sleep(FOLLOW).await;
        }
    }
    if shown == 0 && output == Output::Text {
        eprintln!("nothing happened there; `rutter status` names the newest revision");
    }
    Ok(())
}

/// The entries from `from` on, or after the log index `after`; as many as are given at once.
async fn page(target: &Target, from: Option<u64>, to: Option<u64>, after: Option<u64>) -> Result<Vec<Value>, Failure> {
    let bounds = [("from", from), ("to", to), ("after", after)];
    let bounds = bounds.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let path = format!("/rutter/v1/log?{}", bounds.collect::<Vec<_>>().join("&"));
    let (status, body) = target.connect().await?.call(Method::GET, &path, None).await?;
    if status >= 300 {
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        return Err(Failure::new(text(&said, "message"), "give a newer revision with --from"));
    }
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Says so if the first entry shown is not the log's first.
fn tell_of_the_rest(entry: &Value, output: Output) {
    if let (Some(first), Output::Text) = (entry["first"].as_u64().filter(|first| *first > 1), output) {
        eprintln!("this begins at revision {first}; what was before: rutter log --from 1");
    }
}
