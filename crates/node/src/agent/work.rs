//! Does one action of a pod's plan, through the ports. It decides nothing and remembers nothing: what came of it goes back to
//! the pods' loop.
use super::events::Event;
use super::probing;
use super::specs::{self, Cluster, Start, log_dir};
use crate::image::reference::Reference;
use crate::network::PodNetwork;
use crate::pod::env::{self, Sources};
use crate::pod::plan::Action;
use crate::pod::probe::{self, Kind};
use crate::pod::spec::{Container, Pod};
use crate::runtime::{Runtime, RuntimeError};
use crate::volume::Volumes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// What pods are run with.
pub(crate) struct Tools {
    pub(crate) node: String,
    pub(crate) runtime: Arc<dyn Runtime>,
    /// `None` where pods share the machine's network.
    pub(crate) network: Option<Arc<dyn PodNetwork>>,
    pub(crate) volumes: Arc<dyn Volumes>,
    pub(crate) logs: PathBuf,
}

/// One action with all that it needs to know.
pub(crate) struct Job {
    pub(crate) pod: Arc<Pod>,
    pub(crate) action: Action,
    pub(crate) sources: Sources,
    pub(crate) cluster: Cluster,
    /// The pod's sandbox and address, if it has them.
    pub(crate) sandbox: String,
    pub(crate) ip: String,
    /// What people are told of it, pod by uid.
    pub(crate) tell: UnboundedSender<(String, Event)>,
}

/// What came of an action.
#[derive(Debug)]
pub(crate) enum Finished {
    Volumes(Result<(), String>),
    Sandbox(Result<(), RuntimeError>),
    /// The image's id.
    Image(String, Result<String, RuntimeError>),
    Started(String, Result<(), RuntimeError>),
    Discarded(String, Result<(), RuntimeError>),
    Probed {
        container: String,
        id: String,
        kind: Kind,
        answer: Result<(), String>,
    },
    Stopped(String, Result<(), RuntimeError>),
    SandboxStopped(Result<(), RuntimeError>),
    Removed(Result<(), String>),
}

/// What the plan calls an action that is under way (`Seen::busy`); a stop is in `Seen::stopping` instead.
#[must_use]
pub(crate) fn mark(action: &Action) -> Option<String> {
    Some(match action {
        Action::Volumes => "volumes".into(),
        Action::RunSandbox { .. } | Action::StopSandbox { .. } => "sandbox".into(),
        Action::Image { container } => format!("image/{container}"),
        Action::Start { container, .. } => format!("start/{container}"),
        Action::Discard { id } => format!("discard/{id}"),
        Action::Probe { container, kind, .. } => format!("probe/{container}/{}", kind.name()),
        Action::Remove => "remove".into(),
        Action::Stop { .. } => return None,
    })
}

pub(crate) async fn perform(tools: Arc<Tools>, job: Job) -> Finished {
    let runtime = &*tools.runtime;
    match &job.action {
        Action::Volumes => Finished::Volumes(tools.volumes.make(&job.pod, &job.sources)),
        Action::RunSandbox { attempt } => {
            let spec = specs::sandbox(&job.pod, *attempt, &tools.logs, &job.cluster);
            Finished::Sandbox(runtime.run_sandbox(spec).await.map(drop))
        }
        Action::Image { container } => Finished::Image(container.clone(), image(&tools, &job, container).await),
        Action::Start { container, attempt, level } => {
            Finished::Started(container.clone(), start(&tools, &job, container, *attempt, *level).await)
        }
        Action::Discard { id } => Finished::Discarded(id.clone(), runtime.remove(id).await),
        Action::Probe { container, id, kind } => {
            let answer = ask(&tools, &job, container, id, *kind).await;
            Finished::Probed { container: container.clone(), id: id.clone(), kind: *kind, answer }
        }
        Action::Stop { container, id, grace, why } => {
            job.say(Event::normal("Killing", container, format!("Stopping container {container}: {why}")));
            Finished::Stopped(id.clone(), stop(&tools, &job, container, id, *grace).await)
        }
        Action::StopSandbox { id } => Finished::SandboxStopped(runtime.stop_sandbox(id).await),
        Action::Remove => Finished::Removed(remove(&tools, &job.pod.metadata.uid, Some(&job.pod)).await),
    }
}

/// Takes away everything of the pod `uid`, running or not.
///
/// # Errors
/// In words, with what is still there.
pub(crate) async fn remove(tools: &Tools, uid: &str, pod: Option<&Pod>) -> Result<(), String> {
    let runtime = &*tools.runtime;
    for view in runtime.list(Some(uid)).await.map_err(|why| why.to_string())? {
        runtime.stop_sandbox(&view.id).await.map_err(|why| why.to_string())?;
        runtime.remove_sandbox(&view.id).await.map_err(|why| why.to_string())?;
    }
    tools.volumes.remove(uid)?;
    if let Some(pod) = pod {
        tools.volumes.remove_logs(&log_dir(&tools.logs, pod))?;
    }
    Ok(())
}

impl Job {
    fn say(&self, event: Event) {
        // Nobody listens any more when the agent ends.
        let _ = self.tell.send((self.pod.metadata.uid.clone(), event));
    }

    fn container(&self, name: &str) -> Result<&Container, RuntimeError> {
        self.pod.container(name).ok_or_else(|| RuntimeError::NotFound(format!("the pod has no container {name}")))
    }
}

async fn image(tools: &Tools, job: &Job, name: &str) -> Result<String, RuntimeError> {
    let container = job.container(name)?;
    let image = container.image.as_str();
    let here = tools.runtime.image(image).await.map_err(|why| RuntimeError::InvalidImage(why.to_string()))?;
    match (container.image_pull_policy.as_str(), here) {
        ("Always", _) | (_, None) if container.image_pull_policy != "Never" => {}
        (_, Some(here)) => {
            let message = format!("Container image \"{image}\" already present on machine");
            job.say(Event::normal("Pulled", name, message));
            return Ok(here.id);
        }
        (_, None) => {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            job.say(Event::warning("ErrImageNeverPull", name, message.clone()));
            return Err(RuntimeError::Config(message));
        }
    }
    job.say(Event::normal("Pulling", name, format!("Pulling image \"{image}\"")));
    match tools.runtime.pull(image, None).await {
        Ok(here) => {
            job.say(Event::normal(
                "Pulled",
                name,
                format!("Successfully pulled image \"{image}\". Image size: {} bytes.", here.bytes),
            ));
            Ok(here.id)
        }
        Err(why) => {
            job.say(Event::warning("Failed", name, format!("Failed to pull image \"{image}\": {why}")));
            Err(why)
        }
    }
}

async fn start(tools: &Tools, job: &Job, name: &str, attempt: u32, level: u32) -> Result<(), RuntimeError> {
    let made = begin(tools, job, name, attempt, level).await;
    if let Err(why) = &made {
        job.say(Event::warning("Failed", name, format!("Error: {why}")));
    }
    made
}

async fn begin(tools: &Tools, job: &Job, name: &str, attempt: u32, level: u32) -> Result<(), RuntimeError> {
    let container = job.container(name)?;
    let mut env = env::make(&job.pod, container, &job.sources).map_err(RuntimeError::Config)?;
    if Reference::parse(&container.image).is_ok_and(|reference| reference.is_builtin()) {
        // The built-in page names its pod and node.
        for (name, value) in [("POD_NAME", &job.pod.metadata.name), ("NODE_NAME", &tools.node)] {
            if !env.iter().any(|(known, _)| known == name) {
                env.push((name.into(), value.clone()));
            }
        }
    }
    let mounts = tools.volumes.mounts(&job.pod, container, &env).map_err(RuntimeError::Config)?;
    let start = Start { attempt, level, env, mounts, cluster: &job.cluster };
    let spec = specs::container(&job.pod, container, start);
    let id = tools.runtime.create(&job.sandbox, spec).await?;
    job.say(Event::normal("Created", name, format!("Created container: {name}")));
    if let Err(why) = tools.runtime.start(&id).await {
        // What was made and does not run is in the way of the next attempt.
        let _ = tools.runtime.remove(&id).await;
        return Err(why);
    }
    job.say(Event::normal("Started", name, format!("Started container {name}")));
    if let Some(hook) = &container.lifecycle.post_start
        && let Err(why) = probing::handle(&*tools.runtime, container, &id, &job.ip, hook).await
    {
        job.say(Event::warning("FailedPostStartHook", name, format!("PostStartHook failed: {why}")));
        tools.runtime.stop(&id, job.pod.grace_seconds() * 1_000).await?;
    }
    Ok(())
}

async fn ask(tools: &Tools, job: &Job, name: &str, id: &str, kind: Kind) -> Result<(), String> {
    let container = job.container(name).map_err(|why| why.to_string())?;
    let Some(asked) = kind.of(container) else { return Ok(()) };
    let answer = probing::ask(&*tools.runtime, container, id, &job.ip, asked, probe::patience(asked)).await;
    if let Err(why) = &answer {
        let mut word = kind.name().to_owned();
        word[..1].make_ascii_uppercase();
        job.say(Event::warning("Unhealthy", name, format!("{word} probe failed: {why}")));
    }
    answer
}

async fn stop(tools: &Tools, job: &Job, name: &str, id: &str, grace: u64) -> Result<(), RuntimeError> {
    let began = rt::now();
    let hook = job.pod.container(name).and_then(|container| Some((container, container.lifecycle.pre_stop.as_ref()?)));
    if let Some((container, hook)) = hook.filter(|_| grace > 0) {
        let asked = probing::handle(&*tools.runtime, container, id, &job.ip, hook);
        if let Some(Err(why)) = rt::timeout(Duration::from_millis(grace), asked).await {
            job.say(Event::warning("FailedPreStopHook", name, format!("PreStopHook failed: {why}")));
        }
    }
    let spent = u64::try_from(rt::now().since(began).as_millis()).unwrap_or(u64::MAX);
    tools.runtime.stop(id, grace.saturating_sub(spent)).await
}
