//! The verbs that ask a running cluster: status, token, member. Each asks once and prints.
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::{kubeconfig, operator, up};
use control::words::ClusterStatus;
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the cluster is found.
#[derive(Debug, clap::Args)]
pub(crate) struct Reach {
    /// As for kubectl; by itself $KUBECONFIG, else what `rutter up` wrote into ./.rutter.
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
    /// Puts a new member in the place of one whose disk is lost or damaged, in one step of the quorum. A member of a running `rutter
    /// up` is replaced at once; for another this says what to run on its machine.
    Replace {
        #[command(flatten)]
        reach: Reach,
        name: String,
        /// Even if it is alive and well.
        #[arg(long)]
        force: bool,
    },
}

impl Reach {
    fn path(&self) -> PathBuf {
        kubeconfig::find(self.kubeconfig.as_deref(), Path::new(".rutter"))
    }

    pub(crate) fn target(&self) -> Result<Target, Failure> {
        Target::new(&kubeconfig::read(&self.path())?)
    }
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

pub(crate) async fn status(reach: &Reach, output: Output) -> Result<(), Failure> {
    let status = operator::status(&reach.target()?).await?;
    operator::print(output, &json!(status), |_| status_text(&status));
    Ok(())
}

fn status_text(status: &ClusterStatus) -> String {
    let known = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let mut rows = vec![["NAME", "ROLE", "PID", "HEALTH", "INDEX", "REVISION", "HASH"].map(str::to_owned).to_vec()];
    rows.extend(status.members.iter().map(|member| {
        let hash = match (&member.hash, member.hash_revision) {
            (Some(hash), Some(revision)) => format!("{hash} at revision {revision}"),
            _ => "-".into(),
        };
        let (name, role, health) = (member.name.clone(), member.role.clone(), member.health.clone());
        vec![
            name,
            role,
            known(member.pid.map(u64::from)),
            health,
            known(member.applied_index),
            known(member.revision),
            hash,
        ]
    }));
    let mut nodes = vec![vec!["NODE".to_owned(), "SESSION".to_owned()]];
    nodes.extend(status.nodes.iter().map(|node| {
        let session = node.session.as_ref().map_or_else(|| "none".into(), |session| format!("since {}", session.since));
        vec![node.name.clone(), session]
    }));
    let leader = status.leader.as_deref().unwrap_or("nobody");
    let head = format!("cluster {}, leader {leader}, revision {}", status.cluster, status.revision);
    format!("{head}\n\n{}\n{}", operator::columns(&rows), operator::columns(&nodes))
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
                format!("On the new member's machine:\n\n{}", join_text(made, "NAME"))
            });
        }
        MemberVerb::Remove { reach, name } => {
            let removed =
                operator::ask(&reach.target()?, Method::POST, "member/remove", Some(&json!({"name": name}))).await?;
            operator::print(output, &removed, |_| format!("member {name} is removed; its directory may be deleted\n"));
        }
        MemberVerb::Replace { reach, name, force } => replace(reach, name, *force, output).await?,
    }
    Ok(())
}

/// How long a new member may take to have the vote of the old.
const REPLACE_MAX: Duration = Duration::from_secs(90);

async fn replace(reach: &Reach, name: &str, force: bool, output: Output) -> Result<(), Failure> {
    let target = reach.target()?;
    let body = json!({"name": name, "force": force});
    let made = operator::ask(&target, Method::POST, "member/replace", Some(&body)).await?;
    // `up` keeps the kubeconfig where it keeps everything.
    let dir = reach.path().parent().map(Path::to_owned).filter(|dir| up::replace::runs(dir, name));
    let Some(dir) = dir else {
        operator::print(output, &made, |made| {
            format!(
                "Nothing is changed yet. On the machine of the new {name}, with an empty directory:\n\n{}\n\
                 When it has caught up it takes the vote of the old {name}, which then stops.\n",
                join_text(made, name)
            )
        });
        return Ok(());
    };
    up::replace::ask(&dir, name, &text(&made, "token"))?;
    let began = rt::now();
    while rt::now().since(began) < REPLACE_MAX {
        rt::sleep(up::place::POLL).await;
        // While it changes hands, a member may not answer.
        let Ok(members) = operator::ask(&target, Method::GET, "member", None).await else { continue };
        let all = members["members"].as_array().cloned().unwrap_or_default();
        let old = all.iter().any(|member| member["id"] == made["replacesId"]);
        let new = all.iter().find(|member| member["name"] == *name && member["voter"] == true);
        if let (false, Some(new)) = (old, new) {
            let done = json!({"replaced": name, "id": new["id"], "was": made["replacesId"]});
            operator::print(output, &done, |_| format!("a new {name} has the vote of the old one\n"));
            return Ok(());
        }
    }
    Err(Failure::new(
        format!("the new {name} has no vote after {} s", REPLACE_MAX.as_secs()),
        format!("see {}/{name}.log and `rutter status`", dir.display()),
    ))
}

/// What to run so that a member joins.
fn join_text(made: &Value, name: &str) -> String {
    let members: Vec<&str> = made["members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (members, token) = (members.join(","), text(made, "token"));
    format!(
        "  rutter control --name {name} --dir DIR --api ADDR:6443 --link ADDR:6543 \\\n    --join {members} --token {token}\n"
    )
}
