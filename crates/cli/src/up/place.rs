//! Where the members of a cluster on this machine are: directories, ports, what each directory holds, how a member is started. It
//! starts nothing.
use super::process::Process;
use crate::audit::AuditFlags;
use crate::client::Target;
use crate::failure::Failure;
use crate::keep::KeepFlags;
use crate::kubeconfig;
use crate::trust::TrustFlags;
use std::path::PathBuf;
use std::time::Duration;

/// How often children are looked at.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// Link ports lie this far above the API ports.
const LINK_OFFSET: u16 = 100;
/// More members than this are of no use, and are not looked for.
const MEMBERS_MAX: u16 = 5;

/// Where a cluster's members are and how many.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) members: u16,
    /// The front's; member n has the n-th after it.
    pub(crate) api_port: u16,
    /// How much of the past each keeps.
    pub(crate) keep: KeepFlags,
    pub(crate) audit: AuditFlags,
    pub(crate) trust: TrustFlags,
}

pub(crate) fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl Place {
    /// The administrator's way in, as the first member that is there writes it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let of = |number: u16| self.home(number).join("admin.kubeconfig");
        self.joined().into_iter().map(of).find(|path| path.exists()).unwrap_or_else(|| of(1))
    }

    /// The number of the member of this name; `None` for a node.
    pub(crate) fn number(&self, name: &str) -> Option<u16> {
        name.strip_prefix('m')?.parse().ok()
    }

    pub(crate) fn link(&self, number: u16) -> String {
        address(self.api_port + number + LINK_OFFSET)
    }

    pub(crate) fn home(&self, number: u16) -> PathBuf {
        self.dir.join(format!("members/m{number}"))
    }

    /// What the directory of a member holds.
    pub(crate) fn holding(&self, number: u16) -> Holding {
        let text = std::fs::read_to_string(self.home(number).join("identity.json"));
        let Ok(text) = text else { return Holding::Nothing };
        let identity: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if identity["removed"] == true { Holding::Removed } else { Holding::Member }
    }

    /// The members that are of a cluster already.
    pub(crate) fn joined(&self) -> Vec<u16> {
        (1..=MEMBERS_MAX).filter(|number| self.holding(*number) == Holding::Member).collect()
    }

    pub(crate) fn process(&self, number: u16, begin: &Begin) -> Process {
        let name = format!("m{number}");
        let port = self.api_port + number;
        let words = ["control", "--name", &name, "--dir", &self.home(number).display().to_string(), "--with-parent"];
        let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
        arguments.extend(["--api".into(), address(port), "--link".into(), self.link(number)]);
        arguments.extend(self.keep.arguments());
        arguments.extend(self.audit.arguments(&self.home(number)));
        arguments.extend(self.trust.arguments());
        match begin {
            Begin::Found => arguments.push("--found".into()),
            Begin::GoOn => {}
            Begin::Join(token) => {
                let others = (1..=self.members).filter(|other| *other != number).map(|other| self.link(other));
                let others: Vec<String> = others.collect();
                arguments.extend(["--join".into(), others.join(","), "--token".into(), token.clone()]);
            }
        }
        Process { log: self.dir.join(format!("{name}.log")), name, arguments }
    }
}

/// What a member's directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Nothing,
    Member,
    /// One that the cluster has removed.
    Removed,
}

/// How a member begins.
pub(crate) enum Begin {
    Found,
    /// Its directory says all.
    GoOn,
    /// With this token.
    Join(String),
}

/// Every member's own address, as the administrator.
pub(crate) fn targets(place: &Place) -> Result<Vec<Target>, Failure> {
    let mut config = kubeconfig::read(&place.kubeconfig())?;
    let each = (1..=place.members).map(|number| {
        config.server = format!("https://{}", address(place.api_port + number));
        Target::new(&config)
    });
    each.collect()
}
