//! The members of a cluster on this machine: who was there before, who is new, when they answer. It keeps nothing but what stands
//! in the directory.
use super::process::{Process, Running, last_line};
use crate::client::Target;
use crate::failure::Failure;
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
    /// The administrator's way in, as the first member writes it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("members/m1/admin.kubeconfig")
    }

    pub(crate) fn link(&self, number: u16) -> String {
        address(self.api_port + number + LINK_OFFSET)
    }

    fn home(&self, number: u16) -> PathBuf {
        self.dir.join(format!("members/m{number}"))
    }

    /// The members that are of a cluster already.
    fn joined(&self) -> Vec<u16> {
        (1..=MEMBERS_MAX).filter(|number| self.home(*number).join("identity.json").exists()).collect()
    }

    fn process(&self, number: u16, token: Option<String>) -> Process {
        let name = format!("m{number}");
        let port = self.api_port + number;
        let words = ["control", "--name", &name, "--dir", &self.home(number).display().to_string(), "--with-parent"];
        let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
        arguments.extend(["--api".into(), address(port), "--link".into(), self.link(number)]);
        arguments.extend(self.keep.arguments());
        match token {
            Some(token) => arguments.extend(["--join".into(), self.link(1), "--token".into(), token]),
            None if number == 1 => arguments.push("--found".into()),
            None => {}
        }
        Process { log: self.dir.join(format!("{name}.log")), name, arguments }
    }
}

/// Starts all members: those of before together, for only a majority of them can answer; then each new one when the one before
/// is ready.
pub(crate) async fn start(
    place: &Place,
    running: &mut Vec<Running>,
    say: &impl Fn(&str, String),
) -> Result<Target, Failure> {
    let mut joined = place.joined();
    check(place, &joined)?;
    if joined.is_empty() {
        joined.push(1);
    }
    let before = joined.iter().map(|number| Running::start(place.process(*number, None)));
    running.extend(before.collect::<Result<Vec<_>, _>>()?);
    for number in &joined {
        await_ready(running, place, *number).await?;
        say("ready", format!("member m{number} is ready"));
    }
    let target = Target::new(&kubeconfig::read(&place.kubeconfig())?)?;
    for number in (1..=place.members).filter(|number| !joined.contains(number)) {
        let token = operator::token(&target, "member").await?;
        running.push(Running::start(place.process(number, Some(token)))?);
        await_ready(running, place, number).await?;
        say("ready", format!("member m{number} is ready"));
    }
    Ok(target)
}

/// Refuses what would found a second cluster beside the first, or leave the first without a majority.
fn check(place: &Place, joined: &[u16]) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (joined.first(), joined.last()) else { return Ok(()) };
    if *first != 1 {
        let others: Vec<String> = joined.iter().map(|number| format!("m{number}")).collect();
        return Err(Failure::new(
            format!(
                "{} holds no member m1, but the cluster of {}: m1 would found another",
                place.dir.display(),
                others.join(", ")
            ),
            format!(
                "start each of those with `rutter control --name N --dir {}/members/N --api {} --link {}` (ports one higher for each \
                 number), then `rutter member replace m1 --kubeconfig {}/admin.kubeconfig`",
                place.dir.display(),
                address(place.api_port + *first),
                place.link(*first),
                place.home(*first).display()
            ),
        ));
    }
    if *last > place.members {
        let what = format!("{} holds a cluster of {last} members, not of {}", place.dir.display(), place.members);
        return Err(Failure::new(what, format!("say --members {last}, or choose another --dir")));
    }
    Ok(())
}

/// Waits until member `number` answers; fails as soon as any of them has ended.
pub(crate) async fn await_ready(running: &mut [Running], place: &Place, number: u16) -> Result<(), Failure> {
    let started = rt::now();
    let config = place.kubeconfig();
    loop {
        for each in running.iter_mut() {
            each.check()?;
        }
        if config.exists() && operator::ready(&config, place.api_port + number).await {
            return Ok(());
        }
        if rt::now().since(started) > READY_WAIT {
            let log = place.dir.join(format!("m{number}.log"));
            let what = format!("m{number} did not become ready in {} s: {}", READY_WAIT.as_secs(), last_line(&log));
            return Err(Failure::new(what, format!("see {}", log.display())));
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
    fn a_lost_founder_founds_no_second_cluster() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = place(dir.path(), 3);
        let write = |number: u16| {
            std::fs::create_dir_all(place.home(number)).expect("a directory");
            std::fs::write(place.home(number).join("identity.json"), "{}").expect("writes");
        };
        assert!(place.joined().is_empty() && check(&place, &place.joined()).is_ok());
        write(2);
        write(3);
        let refused = check(&place, &place.joined()).expect_err("m1 is gone");
        assert!(refused.to_string().contains("member replace m1"), "{refused}");
        write(1);
        assert!(check(&place, &place.joined()).is_ok());
        let fewer = Place { members: 1, ..place };
        assert!(check(&fewer, &fewer.joined()).expect_err("three are there").to_string().contains("--members 3"));
    }
}
