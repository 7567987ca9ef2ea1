//! The verbs that ask a running cluster: status, token, member, log. Each asks once and prints.
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::{kubeconfig, operator};
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the cluster is found.
#[derive(Debug, clap::Args)]
pub(crate) struct Reach {
    /// As for kubectl; by itself what `rutter up` wrote into ./.rutter, else $KUBECONFIG.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    #[command(flatten)]
    reach: Reach,
    /// What it lets in.
    #[arg(long, value_enum, default_value = "node")]
    role: Role,
    /// How long it holds.
    #[arg(long, default_value_t = 86_400)]
    valid_seconds: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Role {
    Node,
    Member,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum MemberVerb {
    /// The members and how they are.
    List(Reach),
    /// Makes a token and says what to run on the new member's machine.
    Add(Reach),
    /// Takes a member out of the quorum for ever; its name may be used by a new one.
    Remove {
        #[command(flatten)]
        reach: Reach,
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[command(flatten)]
    reach: Reach,
    /// The first log index; by itself the last thousand entries.
    #[arg(long)]
    from: Option<u64>,
    /// The last log index.
    #[arg(long)]
    to: Option<u64>,
    /// Go on as entries come.
    #[arg(long)]
    follow: bool,
}

impl Reach {
    fn target(&self) -> Result<Target, Failure> {
        Target::new(&kubeconfig::read(&kubeconfig::find(self.kubeconfig.as_deref(), Path::new(".rutter")))?)
    }
}

fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

pub(crate) async fn status(reach: &Reach, output: Output) -> Result<(), Failure> {
    let status = operator::ask(&reach.target()?, Method::GET, "status", None).await?;
    operator::print(output, &status, |status| {
        let head = ["NAME", "ROLE", "PID", "HEALTH", "INDEX", "REVISION", "HASH"].map(str::to_owned).to_vec();
        let mut rows = vec![head];
        for member in status["members"].as_array().into_iter().flatten() {
            let hash = format!("{} at {}", text(member, "hash"), text(member, "hashRevision"));
            let mut row =
                ["name", "role", "pid", "health", "appliedIndex", "revision"].map(|name| text(member, name)).to_vec();
            row.push(hash);
            rows.push(row);
        }
        let mut nodes = vec![vec!["NODE".to_owned(), "SESSION".to_owned()]];
        for node in status["nodes"].as_array().into_iter().flatten() {
            let session = if node["session"].is_null() {
                "none".into()
            } else {
                format!("since {}", text(&node["session"], "since"))
            };
            nodes.push(vec![text(node, "name"), session]);
        }
        let head = format!(
            "cluster {}, leader {}, revision {}",
            text(status, "cluster"),
            text(status, "leader"),
            text(status, "revision")
        );
        format!("{head}\n\n{}\n{}", operator::columns(&rows), operator::columns(&nodes))
    });
    Ok(())
}

pub(crate) async fn token(flags: &Token, output: Output) -> Result<(), Failure> {
    let role = match flags.role {
        Role::Node => "node",
        Role::Member => "member",
    };
    let body = json!({"role": role, "validSeconds": flags.valid_seconds});
    let made = operator::ask(&flags.reach.target()?, Method::POST, "token", Some(&body)).await?;
    operator::print(output, &made, |made| format!("{}\n", text(made, "token")));
    Ok(())
}

pub(crate) async fn member(verb: &MemberVerb, output: Output) -> Result<(), Failure> {
    match verb {
        MemberVerb::List(reach) => {
            let members = operator::ask(&reach.target()?, Method::GET, "member", None).await?;
            operator::print(output, &members, |members| {
                let mut rows = vec![["NAME", "ID", "VOTER", "API", "LINK"].map(str::to_owned).to_vec()];
                let all = members["members"].as_array().into_iter().flatten();
                rows.extend(
                    all.map(|member| ["name", "id", "voter", "api", "link"].map(|name| text(member, name)).to_vec()),
                );
                operator::columns(&rows)
            });
        }
        MemberVerb::Add(reach) => {
            let made = operator::ask(&reach.target()?, Method::POST, "token", Some(&json!({"role": "member"}))).await?;
            operator::print(output, &made, |made| {
                let members: Vec<&str> =
                    made["members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                format!(
                    "On the new member's machine:\n\n  rutter control --name NAME --dir DIR --api ADDR:6443 --link ADDR:6543 \\\n    --join {} --token {}\n",
                    members.join(","),
                    text(made, "token")
                )
            });
        }
        MemberVerb::Remove { reach, name } => {
            let removed =
                operator::ask(&reach.target()?, Method::POST, "member/remove", Some(&json!({"name": name}))).await?;
            operator::print(output, &removed, |_| format!("member {name} is removed; its directory may be deleted\n"));
        }
    }
    Ok(())
}

/// How often a followed log is asked for what is new.
const FOLLOW: Duration = Duration::from_millis(300);

pub(crate) async fn log(flags: &Log, output: Output) -> Result<(), Failure> {
    let target = flags.reach.target()?;
    let mut from = flags.from;
    loop {
        let bounds = [("from", from), ("to", flags.to)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let path = format!("/rutter/v1/log?{}", bounds.collect::<Vec<_>>().join("&"));
        let (status, body) = target.connect().await?.call(Method::GET, &path, None).await?;
        if status >= 300 {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            return Err(Failure::new(text(&said, "message"), "ask for an index within the log"));
        }
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let entry: Value = serde_json::from_slice(line).unwrap_or_default();
            operator::print(output, &entry, show);
            from = entry["index"].as_u64().map(|index| index + 1).or(from);
        }
        let ended = flags.to.is_some_and(|to| from.is_some_and(|from| from > to));
        if !flags.follow || ended {
            return Ok(());
        }
        rt::sleep(FOLLOW).await;
    }
}

/// An entry as a person reads it: one line for it, one for each write.
pub(crate) fn show(entry: &Value) -> String {
    let kind = text(entry, "kind");
    let mut lines = format!(
        "{} term {} {}\n",
        text(entry, "index"),
        text(entry, "term"),
        if kind == "entry" { text(entry, "time") } else { kind }
    );
    for command in entry["commands"].as_array().into_iter().flatten() {
        let cause = match command["cause"].as_u64() {
            Some(0) | None => String::new(),
            Some(revision) => format!(", because of revision {revision}"),
        };
        lines += &format!(
            "  {} ({}) having read {}{cause}\n",
            text(command, "actor"),
            text(command, "agent"),
            text(command, "read")
        );
        for write in command["writes"].as_array().into_iter().flatten() {
            let condition = text(write, "condition");
            lines += &format!("    {} {} if {condition}\n", text(write, "change"), text(write, "key"));
        }
        if let Some(note) = command["note"].as_str().filter(|note| !note.is_empty()) {
            lines += &format!("    note: {note}\n");
        }
    }
    lines
}
