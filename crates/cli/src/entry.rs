//! An entry of the log as a person reads it: who, why, having read what, what changed, what was refused. It asks nobody for anything.
use crate::verbs::text;
use serde_json::Value;

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
            lines += &origin(note).unwrap_or_else(|| format!("    note: {note}\n"));
        }
    }
    lines
}

/// A note of the API server: which rule allowed it, from where it came, and who stood in for its author.
fn origin(note: &str) -> Option<String> {
    let note: serde_json::Value = serde_json::from_str(note).ok()?;
    let mut line = format!("    allowed: {}", note["rule"].as_str()?);
    for (member, words) in [("from", ", from "), ("by", ", asked by "), ("audit", ", audit id ")] {
        if let Some(text) = note[member].as_str() {
            line += words;
            line += text;
        }
    }
    Some(line + "\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_entry_reads_as_who_why_what() {
        let entry = serde_json::json!({"index": 9, "term": 2, "time": "T", "kind": "entry", "first": 7, "last": 7, "commands": [
            {"actor": "kube-scheduler", "agent": "m1", "read": 6, "cause": 6, "note": "fits", "result": "done",
             "changes": [{"act": "modified", "key": "pods/default/a", "revision": 7, "changed": ["/spec/nodeName"]}]},
            {"actor": "bob", "agent": "kubectl", "read": 5, "cause": 0, "note": "{\"rule\":\"R\",\"from\":\"::1\",\"audit\":\"A\"}", "result": "refused", "why": "write 0: W", "changes": []},
        ]});
        let want = "revision 7 (index 9, term 2) T\n  kube-scheduler (m1), having read revision 6, because of revision 6\n    \
            7 modified pods/default/a /spec/nodeName\n    note: fits\n  bob (kubectl), having read revision 5\n    refused: write 0: W\n    allowed: R, from ::1, audit id A\n";
        assert_eq!(super::show(&entry), want);
        let entry = serde_json::json!({"index": 3, "term": 2, "time": "T", "kind": "membership", "members": [
            {"id": 1, "name": "m1", "voter": true}, {"id": 4, "name": "m4", "voter": false},
        ]});
        let want = "membership (index 3, term 2) T\n  the members are m1 (id 1), m4 (id 4, without a vote)\n";
        assert_eq!(super::show(&entry), want);
    }
}
