//! The members of a cluster on this machine as `up` starts them: those that were there, those that are new, those that take the place of
//! one that is lost; and when they answer. It keeps nothing but what stands in the directory.
use super::place::{Begin, POLL, Place};
use super::process::{Running, last_line};
use super::replace;
use crate::client::Target;
use crate::failure::{Failure, LOST, REMOVED};
use crate::{kubeconfig, operator};
use std::time::Duration;

/// How long a member or a cluster may take to answer before `up` gives up.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(60);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::KeepFlags;
    use std::path::Path;

    fn place(dir: &Path, members: u16) -> Place {
        Place {
            dir: dir.to_owned(),
            members,
            api_port: 6443,
            keep: KeepFlags::default(),
            audit: crate::audit::AuditFlags::default(),
            trust: crate::trust::TrustFlags::default(),
        }
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
