//! The members of a cluster on this machine: who was there before, who is new, when they answer. It keeps nothing but what stands
//! in the directory.
use super::process::{Process, Running, last_line};
use super::replace;
use crate::client::Target;
use crate::failure::{Failure, LOST, REMOVED};
use crate::keep::KeepFlags;
use crate::{kubeconfig, operator};
use std::path::PathBuf;
use std::time::Duration;

/// How long a member or a cluster may take to answer before `up` gives up.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(60);
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
    fn joined(&self) -> Vec<u16> {
        (1..=MEMBERS_MAX).filter(|number| self.holding(*number) == Holding::Member).collect()
    }

    pub(crate) fn process(&self, number: u16, begin: &Begin) -> Process {
        let name = format!("m{number}");
        let port = self.api_port + number;
        let words = ["control", "--name", &name, "--dir", &self.home(number).display().to_string(), "--with-parent"];
        let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
        arguments.extend(["--api".into(), address(port), "--link".into(), self.link(number)]);
        arguments.extend(self.keep.arguments());
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

/// Starts all members: those of before together, for only a majority of them can answer; then one after another each that is new or
/// takes the place of one whose directory is lost.
pub(crate) async fn start(
    place: &Place,
    running: &mut Vec<Running>,
    say: &impl Fn(&str, String),
) -> Result<Target, Failure> {
    let joined = place.joined();
    check(place, &joined)?;
    let first = if joined.is_empty() { vec![(1, Begin::Found)] } else { vec![] };
    let before: Vec<(u16, Begin)> = joined.into_iter().map(|number| (number, Begin::GoOn)).chain(first).collect();
    for (number, begin) in &before {
        running.push(Running::start(place.process(*number, begin))?);
    }
    let mut there = Vec::new();
    for (number, _) in &before {
        if await_ready(running, place, *number).await? {
            there.push(*number);
            say("ready", format!("member m{number} is ready"));
        }
    }
    if there.is_empty() {
        // Nobody is left in whose cluster another could take its place.
        running.iter_mut().try_for_each(Running::check)?;
    }
    for number in (1..=place.members).filter(|number| !there.contains(number)) {
        let token = replace::token(place, number).await?;
        replace::put_aside(place, number)?;
        let process = place.process(number, &Begin::Join(token));
        match running.iter_mut().find(|other| other.process.name == process.name) {
            Some(ended) => *ended = Running::start(process)?,
            None => running.push(Running::start(process)?),
        }
        if !await_ready(running, place, number).await? {
            return Err(Failure::new(format!("m{number} could not join"), "see its log beside the kubeconfig"));
        }
        say("ready", format!("member m{number} is ready"));
    }
    // Whatever becomes of a directory: no member is started a second time to found or to join.
    for each in running.iter_mut() {
        if let Some(number) = place.number(&each.process.name) {
            each.process = place.process(number, &Begin::GoOn);
        }
    }
    running.sort_by(|one, other| one.process.name.cmp(&other.process.name));
    Target::new(&kubeconfig::read(&place.kubeconfig())?)
}

/// Refuses what would found a second cluster beside the first, or leave the first without a majority.
fn check(place: &Place, joined: &[u16]) -> Result<(), Failure> {
    let dir = place.dir.display();
    // Both are written once members are there.
    let lived = ["kubeconfig", "nodes"].iter().any(|name| place.dir.join(name).exists());
    match joined.last() {
        None if lived => Err(Failure::new(
            format!("{dir} is of a cluster of which no member is left: what it knew is lost"),
            format!("bring back a copy of {dir}/members, or begin anew: `rutter purge --dir {dir}`, then delete it"),
        )),
        Some(last) if *last > place.members => {
            let what = format!("{dir} holds a cluster of {last} members, not of {}", place.members);
            Err(Failure::new(what, format!("say --members {last}, or choose another --dir")))
        }
        _ => Ok(()),
    }
}

/// Waits until member `number` answers, or has ended because another is to take its place; fails as soon as any other has ended.
pub(crate) async fn await_ready(running: &mut [Running], place: &Place, number: u16) -> Result<bool, Failure> {
    let started = rt::now();
    loop {
        for each in running.iter_mut() {
            if matches!(each.code(), Some(REMOVED | LOST)) {
                if place.number(&each.process.name) == Some(number) {
                    return Ok(false);
                }
                continue;
            }
            each.check()?;
        }
        let config = place.kubeconfig();
        if config.exists() && operator::ready(&config, place.api_port + number).await {
            return Ok(true);
        }
        if rt::now().since(started) > READY_WAIT {
            let log = place.dir.join(format!("m{number}.log"));
            let what = format!("m{number} did not become ready in {} s: {}", READY_WAIT.as_secs(), last_line(&log));
            let next = format!("see {}; a majority of the cluster's members must be there", log.display());
            return Err(Failure::new(what, next));
        }
        rt::sleep(POLL).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn place(dir: &Path, members: u16) -> Place {
        Place { dir: dir.to_owned(), members, api_port: 6443, keep: KeepFlags::default() }
    }

    #[test]
    fn who_is_there_decides_how_members_begin() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = place(dir.path(), 3);
        let write = |number: u16, text: &str| {
            std::fs::create_dir_all(place.home(number)).expect("a directory");
            std::fs::write(place.home(number).join("identity.json"), text).expect("writes");
        };
        assert!(place.joined().is_empty() && check(&place, &[]).is_ok());
        write(2, "{}");
        write(3, "{\"removed\": true}");
        assert_eq!(place.joined(), [2], "no m1, and m3 is removed");
        assert!(check(&place, &place.joined()).is_ok());
        assert!(place.kubeconfig().starts_with(place.home(1)), "nobody wrote one yet");
        std::fs::write(place.home(2).join("admin.kubeconfig"), "").expect("writes");
        assert!(place.kubeconfig().starts_with(place.home(2)));
        let words = place.process(1, &Begin::Join("t".into())).arguments.join(" ");
        assert!(words.ends_with("--join 127.0.0.1:6545,127.0.0.1:6546 --token t"), "{words}");
        let fewer = Place { members: 1, ..place };
        assert!(check(&fewer, &fewer.joined()).expect_err("m2 is there").to_string().contains("--members 2"));
    }

    #[test]
    fn a_cluster_whose_members_are_all_lost_is_not_founded_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = place(dir.path(), 1);
        std::fs::create_dir_all(dir.path().join("nodes/n1")).expect("a directory");
        let refused = check(&place, &place.joined()).expect_err("its nodes are there").to_string();
        assert!(refused.contains("no member is left") && refused.contains("rutter purge"), "{refused}");
    }
}
