//! `rutter log`: what happened, entry by entry: who, why, having read what, what changed, what was refused.
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::operator;
use crate::verbs::{Reach, text};
use hyper::Method;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[command(flatten)]
    reach: Reach,
    /// The first revision; by itself the last thousand.
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
    let target = flags.reach.target()?;
    let (mut from, mut after, mut shown) = (flags.from, None, 0_u64);
    loop {
        let page = page(&target, from, flags.to, after).await?;
        for entry in &page {
            if shown == 0 && flags.from.is_none() {
                tell_of_the_rest(entry, output);
            }
            operator::print(output, entry, show);
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

/// An entry as a person reads it: a line for it, one for each command, one for each object that it changed.
pub(crate) fn show(entry: &Value) -> String {
    let made = match (entry["first"].as_u64(), entry["last"].as_u64()) {
        (Some(first), Some(last)) if first == last => format!("revision {first}"),
        (Some(first), Some(last)) => format!("revisions {first} to {last}"),
        _ if entry["kind"] == "entry" => "no revision".into(),
        _ => text(entry, "kind"),
    };
    let mut lines =
        format!("{made} (index {}, term {}) {}\n", text(entry, "index"), text(entry, "term"), text(entry, "time"));
    if let Some(members) = entry["members"].as_array() {
        let votes = |member: &Value| if member["voter"] == true { "" } else { ", without a vote" };
        let named =
            members.iter().map(|member| format!("{} (id {}{})", text(member, "name"), member["id"], votes(member)));
        lines += &format!("  the members are {}\n", named.collect::<Vec<_>>().join(", "));
    }
    for command in entry["commands"].as_array().into_iter().flatten() {
        let cause = match command["cause"].as_u64() {
            Some(0) | None => String::new(),
            Some(revision) => format!(", because of revision {revision}"),
        };
        let (actor, agent, read) = (text(command, "actor"), text(command, "agent"), text(command, "read"));
        lines += &format!("  {actor} ({agent}), having read revision {read}{cause}\n");
        for change in command["changes"].as_array().into_iter().flatten() {
            let changed: Vec<&str> =
                change["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let (act, key, revision) = (text(change, "act"), text(change, "key"), text(change, "revision"));
            lines += format!("    {revision} {act} {key} {}", changed.join(" ")).trim_end();
            lines.push('\n');
        }
        match command["result"].as_str() {
            Some("refused") => lines += &format!("    refused: {}\n", text(command, "why")),
            Some("again") => lines += "    a retry of what was done before\n",
            _ => {}
        }
        if let Some(note) = command["note"].as_str().filter(|note| !note.is_empty()) {
            lines += &format!("    note: {note}\n");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_entry_reads_as_who_why_what() {
        let entry = serde_json::json!({"index": 9, "term": 2, "time": "T", "kind": "entry", "first": 7, "last": 7, "commands": [
            {"actor": "kube-scheduler", "agent": "m1", "read": 6, "cause": 6, "note": "fits", "result": "done",
             "changes": [{"act": "modified", "key": "pods/default/a", "revision": 7, "changed": ["/spec/nodeName"]}]},
            {"actor": "bob", "agent": "kubectl", "read": 5, "cause": 0, "note": "", "result": "refused", "why": "write 0: W", "changes": []},
        ]});
        let want = "revision 7 (index 9, term 2) T\n  kube-scheduler (m1), having read revision 6, because of revision 6\n    \
            7 modified pods/default/a /spec/nodeName\n    note: fits\n  bob (kubectl), having read revision 5\n    refused: write 0: W\n";
        assert_eq!(super::show(&entry), want);
        let entry = serde_json::json!({"index": 3, "term": 2, "time": "T", "kind": "membership", "members": [
            {"id": 1, "name": "m1", "voter": true}, {"id": 4, "name": "m4", "voter": false},
        ]});
        let want = "membership (index 3, term 2) T\n  the members are m1 (id 1), m4 (id 4, without a vote)\n";
        assert_eq!(super::show(&entry), want);
    }
}
