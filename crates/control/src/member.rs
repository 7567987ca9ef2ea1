//! One member of the quorum as a process: directory, log, link and API listener, on which `wiring` puts it together. It holds no rule
//! of its own.
use crate::checkpoints::Checkpoints;
use crate::config::{Begin, Config};
use crate::directory::{Directory, MemberIdentity};
use crate::error::ControlError;
use crate::held;
use crate::kubeconfig::kubeconfig;
use crate::limits::{HEALTH_POLL, KEPT_SEGMENTS_MIN, LEADING_POLL, SEGMENT_BYTES_MIN};
use crate::operator::Operator;
use crate::wiring::{Given, Wired, wire};
use api::revision::Millis;
use apiserver::http::{Identity as ServerIdentity, Server};
use apiserver::server::ApiServer;
use consensus::{Health, Member, MemberInfo, Tuning};
use link::authority::{Authority, Holder};
use link::error::LinkError;
use link::quic::Endpoint;
use link::token::{Role, Token};
use std::net::SocketAddr;
use std::sync::Arc;
use store::disk::DiskError;
use store::disk::real::RealDisk;
use store::log::Log;

/// A running member.
pub struct Running {
    wired: Wired,
    cluster: Arc<str>,
    endpoint: Endpoint,
    server: Server,
    link: SocketAddr,
    directory: Directory,
    identity: MemberIdentity,
}

/// Starts a member: founds a cluster, joins one, or goes on from the directory.
///
/// # Errors
/// One line that says what is in the way.
pub async fn start(config: &Config) -> Result<Running, ControlError> {
    link::peer::check_name(&config.name)?;
    let directory = Directory::open(&config.dir)?;
    let (mut identity, authority) = match directory.identity(&config.name)? {
        Some((identity, authority)) => {
            check(config, &identity, &authority)?;
            (identity, authority)
        }
        None => begin(config, &directory).await?,
    };
    let others = crate::trust::others(config)?;
    let now = Millis(rt::wall());
    let authority = Arc::new(authority);
    let cluster: Arc<str> = identity.cluster.as_str().into();
    let own = authority.issue(&Holder::Member { name: identity.name.clone() }, now)?;
    let secret = authority.reset_secret(&identity.name);
    let taken = |why: &LinkError| matches!(why, LinkError::Taken { .. });
    let endpoint = held::take(taken, || Endpoint::serve(config.link, &own, secret)).await?;
    let link = endpoint.local_address()?;
    let locked = |why: &DiskError| matches!(why, DiskError::Locked(_));
    let disk = held::take(locked, || RealDisk::open(&directory.log())).await;
    let disk = Arc::new(disk.map_err(|why| ControlError::Log(why.to_string()))?);
    let log = open_log(&directory, disk.clone(), &cluster, config.keep.bytes)?;
    if identity.entered && log.reader().last().is_none() && log.purged().is_none() {
        // What it acknowledged is gone: it must neither vote nor, if it was the first, found another cluster of this name.
        let place = directory.log().display().to_string();
        return Err(ControlError::Lost(format!("{place}: the log of this member is gone")));
    }
    let untouched = !identity.entered && log.reader().last().is_none() && log.purged().is_none();
    let listener = SocketAddr::new(config.api.ip(), config.api.port());
    let info = MemberInfo {
        id: identity.id,
        name: identity.name.clone(),
        link: config.advertise_link.clone().unwrap_or_else(|| link.to_string()),
        api: config.advertise_api.clone().unwrap_or_else(|| listener.to_string()),
    };
    let checkpoints: Arc<dyn consensus::CheckpointStore> = Arc::new(Checkpoints::open(directory.state()));
    let given = Given {
        info: info.clone(),
        identity: identity.clone(),
        authority: authority.clone(),
        log,
        disk,
        checkpoints: Some(checkpoints),
        sessions: Arc::new(endpoint.clone()),
        tuning: Tuning { keep: config.keep, ..Tuning::default() },
        audit: config.audit.as_ref().map(crate::audit::open).transpose()?,
        others,
    };
    let mut wired = match wire(given).await {
        // Several joined at once, and one of them was faster: nothing was ever acknowledged here, so it may begin anew.
        Err(ControlError::NoPlace(why)) if untouched => {
            directory.forget()?;
            return Err(ControlError::NoPlace(why));
        }
        wired => wired?,
    };
    if !identity.entered {
        identity.entered = true;
        directory.keep(&identity, &authority)?;
    }
    let server = serve_api(config, &authority, &info, wired.api.clone(), now).await?;
    write_kubeconfig(&directory, &authority, &cluster, &info, server.address(), now)?;
    wired.begin(server.address());
    tracing::info!(cluster = &*cluster, member = identity.name, api = %server.address(), %link, "member runs");
    Ok(Running { wired, cluster, endpoint, server, link, directory, identity })
}

impl Running {
    /// Where the API is served.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where link is served.
    #[must_use]
    pub fn link(&self) -> SocketAddr {
        self.link
    }

    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What operates it.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.wired.operator
    }

    #[must_use]
    pub fn member(&self) -> &Member {
        &self.wired.member
    }

    /// Waits until the member can no longer serve; gives why.
    pub async fn failed(&self) -> ControlError {
        loop {
            match self.wired.member.status().health {
                Health::Well => rt::sleep(HEALTH_POLL).await,
                Health::Disk(why) => return ControlError::Log(format!("the log can no longer be written: {why}")),
                Health::Damaged(why) => return ControlError::Lost(why),
                Health::Diverged { index, why } => {
                    return ControlError::Lost(format!(
                        "this member's state differs from the other members' at log index {index} ({why})"
                    ));
                }
                Health::Disputed { index, why } => {
                    return ControlError::Disputed(format!(
                        "the members' states differ at log index {index} and no majority agrees ({why})"
                    ));
                }
                Health::Removed => {
                    if let Err(why) = self.directory.keep_removed(&self.identity) {
                        tracing::warn!(%why, "that this member was removed could not be noted");
                    }
                    let (name, cluster) = (self.identity.name.clone(), self.identity.cluster.clone());
                    return ControlError::Removed { name, cluster };
                }
                Health::Stopped(why) => return ControlError::Log(format!("the member has stopped: {why}")),
            }
        }
    }

    /// Stops in order: no new work, then the API, then the log. What was acknowledged is on the disk.
    pub async fn stop(self) {
        let Wired { member, stop, tasks, .. } = self.wired;
        stop.stop();
        if member.leading().is_some() {
            // The others need not wait for an election. If there are none, nothing is lost.
            let _ = rt::timeout(LEADING_POLL * 10, member.hand_over(None)).await;
        }
        self.server.stop().await;
        for task in tasks {
            // A task that panicked has nothing left to end.
            let _ = task.await;
        }
        member.stop().await;
        self.endpoint.close("this member stops").await;
    }
}

/// Whether the directory's member is the one that is meant: one with a past goes on from it, and neither founds nor joins again.
fn check(config: &Config, identity: &MemberIdentity, authority: &Authority) -> Result<(), ControlError> {
    let foreign = |why: String| Err(ControlError::Foreign { path: config.dir.clone(), why });
    let (name, cluster) = (&identity.name, &identity.cluster);
    match &config.begin {
        Begin::Found if !identity.founder => {
            foreign(format!("it holds member {name}, which joined cluster {cluster}: it cannot found another"))
        }
        // A token that cannot be read any more is as good as none: it was needed the first time only.
        Begin::Join { token, .. } if Token::parse(token).is_ok_and(|token| Ok(token.pin) != authority.pin()) => {
            foreign(format!("it holds member {name} of cluster {cluster}, and the token is of another cluster"))
        }
        Begin::Found | Begin::Join { .. } | Begin::Resume => Ok(()),
    }
}

/// A member's first start: it founds a cluster, or is let into one.
async fn begin(config: &Config, directory: &Directory) -> Result<(MemberIdentity, Authority), ControlError> {
    let now = Millis(rt::wall());
    let name = config.name.clone();
    let begun = match &config.begin {
        Begin::Resume => return Err(ControlError::Nothing { path: config.dir.clone() }),
        Begin::Found => {
            let cluster = format!("rutter-{:08x}", rt::random() >> 32);
            let authority = Authority::found(&cluster, now)?;
            let members = Vec::new();
            (
                MemberIdentity {
                    cluster,
                    name,
                    id: 1,
                    founder: true,
                    members,
                    replaces: None,
                    removed: false,
                    entered: false,
                },
                authority,
            )
        }
        Begin::Join { addresses, token } => {
            let token = Token::parse(token)?;
            let joined = link::join::join(addresses, &token, Role::Member, &name).await?;
            let (Some(key), Some(id)) = (joined.authority_key, joined.member_id) else {
                return Err(ControlError::NotTaken("the member that was asked is of another version".into()));
            };
            let authority = Authority::open(&joined.identity.authority_pem, &key)?;
            let members = if joined.members.is_empty() { addresses.clone() } else { joined.members };
            let (cluster, replaces) = (joined.cluster, joined.replaces);
            (
                MemberIdentity { cluster, name, id, founder: false, members, replaces, removed: false, entered: false },
                authority,
            )
        }
    };
    directory.keep(&begun.0, &begun.1)?;
    Ok(begun)
}

fn open_log(
    directory: &Directory,
    disk: Arc<RealDisk>,
    cluster: &str,
    keep_bytes: Option<u64>,
) -> Result<Log, ControlError> {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(cluster.as_bytes()).as_bytes()[..16]);
    let mut options = store::log::Options { cluster: Some(u128::from_le_bytes(id)), ..store::log::Options::default() };
    // Segments go whole, so that a small bound needs small ones.
    let small = keep_bytes.map_or(u64::MAX, |bytes| bytes / KEPT_SEGMENTS_MIN);
    options.segment_bytes = options.segment_bytes.min(small.max(SEGMENT_BYTES_MIN));
    Log::open(disk, options).map_err(|why| {
        let text = format!("{}: {why}", directory.log().display());
        if why.lost() { ControlError::Lost(text) } else { ControlError::Log(text) }
    })
}

async fn serve_api(
    config: &Config,
    authority: &Authority,
    info: &MemberInfo,
    api: ApiServer,
    now: Millis,
) -> Result<Server, ControlError> {
    let host = |address: &str| address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
    let names = [host(&info.api), Some(config.api.ip().to_string())];
    let names = names.into_iter().flatten().filter(|name| !name.is_empty() && name != "0.0.0.0" && name != "::");
    let names: std::collections::BTreeSet<String> = names.collect();
    let own = authority.issue(&Holder::ApiServer { names: names.into_iter().collect() }, now)?;
    let identity = ServerIdentity {
        chain: own.certificate_pem.into_bytes(),
        key: own.key_pem.into_bytes(),
        client_authority: own.authority_pem.into_bytes(),
    };
    Server::start(config.api, &identity, api).await.map_err(|why| ControlError::Api(why.to_string()))
}

/// The administrator's way in, made anew at each start: its certificate does not last as long as the cluster.
fn write_kubeconfig(
    directory: &Directory,
    authority: &Authority,
    cluster: &str,
    info: &MemberInfo,
    address: SocketAddr,
    now: Millis,
) -> Result<(), ControlError> {
    let admin = Holder::Client { user: "kubernetes-admin".into(), groups: vec!["system:masters".into()] };
    let admin = authority.issue(&admin, now)?;
    let server = match info.api.rsplit_once(':') {
        // Port 0 was asked for, or all addresses: say where it is in fact.
        Some((host, "0")) => format!("{host}:{}", address.port()),
        Some((host, port)) if host == "0.0.0.0" || host == "[::]" => format!("127.0.0.1:{port}"),
        _ => info.api.clone(),
    };
    directory.keep_kubeconfig(&kubeconfig(cluster, &format!("https://{server}"), "kubernetes-admin", &admin))
}
