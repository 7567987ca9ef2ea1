//! A cluster to be measured: members without a front and without nodes, that can be killed and started again.
use crate::client::Target;
use crate::failure::Failure;
use crate::operator;
use crate::up::members::{await_ready, start};
use crate::up::place::{Place, targets};
use crate::up::process::Running;
use std::path::Path;
use std::time::Duration;

pub(crate) struct Cluster {
    running: Vec<Running>,
    /// The first member's.
    pub(crate) target: Target,
    place: Place,
}

/// How often a member that starts is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// How long it may take.
const READY_WAIT: Duration = Duration::from_secs(120);

impl Cluster {
    pub(crate) async fn start(dir: &Path, members: u16, api_port: u16) -> Result<Self, Failure> {
        let place = Place {
            dir: dir.to_owned(),
            members,
            api_port,
            keep: crate::keep::KeepFlags::default(),
            audit: crate::audit::AuditFlags::default(),
            trust: crate::trust::TrustFlags::default(),
        };
        std::fs::create_dir_all(dir)
            .map_err(|why| Failure::new(format!("{}: {why}", dir.display()), "run it where you may write"))?;
        let mut running = Vec::new();
        let target = start(&place, &mut running, &|_, _| ()).await?;
        Ok(Self { running, target, place })
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.running.iter().filter_map(|running| running.child.id()).collect()
    }

    /// Each member's own address.
    pub(crate) fn targets(&self) -> Result<Vec<Target>, Failure> {
        targets(&self.place)
    }

    /// The leader's process and address, if somebody leads.
    pub(crate) async fn leader(&self) -> Result<Option<(u32, Target)>, Failure> {
        let targets = self.targets()?;
        for target in &targets {
            let Ok(status) = operator::status(target).await else { continue };
            let leader = status.members.iter().find(|member| member.role == "leader").and_then(|member| member.pid);
            let at = leader.and_then(|pid| Some((pid, self.pids().iter().position(|other| *other == pid)?)));
            if let Some((pid, at)) = at {
                return Ok(targets.get(at).map(|target| (pid, target.clone())));
            }
        }
        Ok(None)
    }

    /// kill -9 of the member that leads; when that was, or `None` if nobody led.
    pub(crate) async fn kill_leader(&mut self) -> Result<Option<rt::Instant>, Failure> {
        let Some((pid, _)) = self.leader().await? else { return Ok(None) };
        let Some(running) = self.running.iter_mut().find(|running| running.child.id() == Some(pid)) else {
            return Ok(None);
        };
        let killed = rt::now();
        running.kill().await;
        Ok(Some(killed))
    }

    /// kill -9 of one member that runs, by chance; when that was.
    pub(crate) async fn kill_any(&mut self) -> Option<rt::Instant> {
        let alive: Vec<&mut Running> = self.running.iter_mut().filter(|running| running.child.id().is_some()).collect();
        let chosen = usize::try_from(rt::random() % alive.len().max(1) as u64).ok()?;
        let running = alive.into_iter().nth(chosen)?;
        let killed = rt::now();
        running.kill().await;
        Some(killed)
    }

    /// kill -9 of all, then starts all; from the first start until the first member is ready.
    pub(crate) async fn restart_all(&mut self) -> Result<Duration, Failure> {
        for running in &mut self.running {
            running.kill().await;
        }
        let started = rt::now();
        for running in &mut self.running {
            running.again()?;
        }
        let (config, port) = (self.place.kubeconfig(), self.place.api_port + 1);
        while !operator::ready(&config, port).await {
            for running in &mut self.running {
                running.check()?;
            }
            if rt::now().since(started) > READY_WAIT {
                return Err(Failure::new(
                    "the members did not come back in time",
                    "see that the machine is not overloaded",
                ));
            }
            rt::sleep(READY_POLL).await;
        }
        let took = rt::now().since(started);
        await_ready(&mut self.running, &self.place, 1).await?;
        Ok(took)
    }

    /// Starts again what was killed.
    pub(crate) fn restart_ended(&mut self) -> Result<(), Failure> {
        for running in &mut self.running {
            if running.ended().is_some() {
                running.again()?;
            }
        }
        Ok(())
    }

    pub(crate) async fn stop(mut self) {
        for running in &mut self.running {
            running.stop().await;
        }
    }
}
