//! The twin of `node::runtime::Runtime`: a machine's containers, asked by one life of an agent. What was begun when the agent dies is
//! half done, done or not done, as with a real one.
use crate::machine::Machine;
use node::network::PodNetwork;
use node::runtime::{
    About, Answer, BoxDuplex, ContainerSpec, Credentials, ExecSpec, ImageInfo, Runtime, RuntimeError, SandboxSpec,
    SandboxView,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::UnboundedReceiver;

/// How often it is looked whether a container has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The channel of an exec's exit (`link::message::NodeStream::Exec`).
const EXIT_CHANNEL: u8 = 3;

pub struct SimulatedRuntime {
    machine: Machine,
    network: Arc<dyn PodNetwork>,
}

impl SimulatedRuntime {
    #[must_use]
    pub fn new(machine: &Machine, network: Arc<dyn PodNetwork>) -> Self {
        Self { machine: machine.clone(), network }
    }

    /// Takes its time, and may fail.
    async fn work(&self, what: &str) -> Result<(), RuntimeError> {
        let (takes, fails) = self.machine.fate(|temper| temper.work_millis);
        rt::sleep(takes).await;
        if fails { Err(RuntimeError::Failed(format!("{what} failed"))) } else { Ok(()) }
    }

    async fn run(&self, spec: SandboxSpec) -> Result<String, RuntimeError> {
        let id = format!("s{}", self.machine.number());
        self.work("making a sandbox").await?;
        let ips = match spec.host_network {
            true => Vec::new(),
            false => self.network.attach(&id, &spec).await.map_err(RuntimeError::Failed)?.ips,
        };
        self.machine.add_sandbox(&id, spec, ips);
        let late = self.work("waiting for the sandbox").await;
        if late.is_err() {
            self.machine.remove_sandbox(&id);
            self.network.detach(&id).await;
        }
        late.map(|()| id)
    }

    async fn halt(&self, id: &str, grace: u64) -> Result<(), RuntimeError> {
        if self.machine.running(id) {
            self.machine.ask_to_end(id, grace);
        }
        while self.machine.running(id) {
            rt::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn pull_image(&self, name: &str) -> Result<ImageInfo, RuntimeError> {
        let (takes, fails) = self.machine.fate(|temper| temper.pull_millis);
        rt::sleep(takes).await;
        if fails {
            return Err(RuntimeError::Pull("the registry does not answer".into()));
        }
        self.machine.lock().images.insert(name.to_owned());
        Ok(info(name))
    }

    /// A command ends well if the container runs.
    async fn command(&self, container: &str) -> Result<BoxDuplex, RuntimeError> {
        self.work("running a command").await?;
        if !self.machine.running(container) {
            return Err(RuntimeError::State("the container does not run".into()));
        }
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let exit = br#"{"code":0,"error":""}"#;
        let mut frame = vec![EXIT_CHANNEL, 0, 0, 0, u8::try_from(exit.len()).unwrap_or(0)];
        frame.extend_from_slice(exit);
        // It fits: nobody need read it yet.
        let _ = theirs.write_all(&frame).await;
        Ok(Box::new(ours))
    }
}

fn info(name: &str) -> ImageInfo {
    let id = format!("sha256:{:016x}", crate::trace::hash(name.as_bytes()));
    ImageInfo { id, names: vec![name.to_owned()], bytes: 1 << 20, user: None }
}

fn refused<T: Send + 'static>(what: &'static str) -> Answer<'static, T> {
    Box::pin(async move { Err(RuntimeError::State(format!("a simulated runtime has no {what}"))) })
}

impl Runtime for SimulatedRuntime {
    fn about(&self) -> About {
        let name = "simulated".to_owned();
        About { scheme: name.clone(), name, version: "1".into(), pod_network: true, events: true, lacks: Vec::new() }
    }

    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ImageInfo>> {
        Box::pin(async move { Ok(self.machine.lock().images.contains(name).then(|| info(name))) })
    }

    fn images(&self) -> Answer<'_, Vec<ImageInfo>> {
        Box::pin(async move { Ok(self.machine.lock().images.iter().map(|name| info(name)).collect()) })
    }

    fn pull<'a>(&'a self, name: &'a str, _: Option<Credentials>) -> Answer<'a, ImageInfo> {
        Box::pin(self.pull_image(name))
    }

    fn run_sandbox(&self, spec: SandboxSpec) -> Answer<'_, String> {
        Box::pin(self.run(spec))
    }

    fn stop_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.work("ending a sandbox").await?;
            self.machine.stop_sandbox(id);
            self.network.detach(id).await;
            Ok(())
        })
    }

    fn remove_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.work("removing a sandbox").await?;
            self.machine.remove_sandbox(id);
            self.network.detach(id).await;
            Ok(())
        })
    }

    fn create<'a>(&'a self, sandbox: &'a str, spec: ContainerSpec) -> Answer<'a, String> {
        Box::pin(async move {
            self.work("creating a container").await?;
            let gone = || RuntimeError::NotFound(format!("sandbox {sandbox} is not here"));
            self.machine.create(sandbox, spec).ok_or_else(gone)
        })
    }

    fn start<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.work("starting a container").await?;
            self.machine.start(container).map_err(RuntimeError::Failed)
        })
    }

    fn stop<'a>(&'a self, container: &'a str, grace: u64) -> Answer<'a, ()> {
        Box::pin(self.halt(container, grace))
    }

    fn remove<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.work("removing a container").await?;
            let runs = || RuntimeError::State(format!("container {container} runs"));
            self.machine.remove(container).then_some(()).ok_or_else(runs)
        })
    }

    fn list<'a>(&'a self, uid: Option<&'a str>) -> Answer<'a, Vec<SandboxView>> {
        Box::pin(async move { Ok(self.machine.views(uid)) })
    }

    fn exec<'a>(&'a self, container: &'a str, _: ExecSpec) -> Answer<'a, BoxDuplex> {
        Box::pin(self.command(container))
    }

    fn attach<'a>(&'a self, _: &'a str, _: bool) -> Answer<'a, BoxDuplex> {
        refused("terminal")
    }

    fn forward<'a>(&'a self, _: &'a str, _: u16) -> Answer<'a, BoxDuplex> {
        refused("ports")
    }

    fn events(&self) -> Option<UnboundedReceiver<String>> {
        Some(self.machine.listen())
    }
}
