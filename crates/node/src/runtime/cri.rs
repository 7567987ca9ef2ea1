//! The runtime behind a CRI socket (v1): containerd or CRI-O. It keeps no state of its own: what it must know again later
//! stands in labels and annotations of what the runtime keeps.
mod messages;
mod spec;
mod stream;
mod wire;

use super::{
    About, Answer, BoxDuplex, ContainerSpec, ContainerView, Credentials, ExecSpec, ImageInfo, Runtime, RuntimeError,
    SandboxSpec, SandboxView, oci,
};
use crate::image::reference::Reference;
use crate::limits::{CRI_PULL_WAIT, CRI_WAIT};
use messages as cri;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::Wire;

/// Names a method of the CRI's two services.
macro_rules! method {
    (image $name:literal) => {
        concat!("/runtime.v1.ImageService/", $name)
    };
    ($name:literal) => {
        concat!("/runtime.v1.RuntimeService/", $name)
    };
}

pub struct Cri {
    wire: Arc<Wire>,
    about: About,
}

impl Cri {
    /// The runtime at the socket; asks it who it is and how it is.
    ///
    /// # Errors
    /// If nobody answers there, or not as a CRI runtime of version 1.
    pub async fn open(socket: &Path) -> Result<Self, RuntimeError> {
        let wire = Arc::new(Wire::open(socket)?);
        let version = cri::VersionRequest { version: "v1".into() };
        let version: cri::VersionResponse = wire.call(method!("Version"), version).await?;
        let status: cri::StatusResponse = wire.call(method!("Status"), cri::StatusRequest { verbose: false }).await?;
        let mut lacks = vec![
            "Exec with input or a terminal, and attach, do not work through this runtime: its streaming server is not bridged."
                .to_owned(),
        ];
        let conditions = status.status.unwrap_or_default().conditions;
        lacks.extend(conditions.into_iter().filter(|condition| !condition.status).map(|condition| {
            format!("The runtime says that {} is not so: {} {}", condition.kind, condition.reason, condition.message)
        }));
        let about = About {
            name: "cri".into(),
            scheme: version.runtime_name,
            version: version.runtime_version,
            pod_network: true,
            events: false,
            lacks,
        };
        Ok(Self { wire, about })
    }

    async fn look(&self, name: &str) -> Result<Option<cri::Image>, RuntimeError> {
        let request = cri::ImageStatusRequest { image: Some(cri::ImageSpec { image: name.to_owned() }) };
        let response: cri::ImageStatusResponse = self.wire.call(method!(image "ImageStatus"), request).await?;
        Ok(response.image)
    }

    async fn fetch(&self, name: &str, credentials: Option<Credentials>) -> Result<ImageInfo, RuntimeError> {
        Reference::parse(name).map_err(RuntimeError::InvalidImage)?;
        let auth = credentials.map(|known| cri::AuthConfig { username: known.user, password: known.password });
        let request = cri::PullImageRequest { image: Some(cri::ImageSpec { image: name.to_owned() }), auth };
        let pulled = self.wire.call_within(CRI_PULL_WAIT, method!(image "PullImage"), request).await;
        let pulled: cri::PullImageResponse = pulled.map_err(|why| match why {
            RuntimeError::Config(why) => RuntimeError::InvalidImage(why),
            why => RuntimeError::Pull(why.to_string()),
        })?;
        let found = self.look(&pulled.image_ref).await?;
        found
            .map(|image| spec::image(&image))
            .ok_or_else(|| RuntimeError::Pull(format!("image {name} was pulled and is not here")))
    }

    async fn run(&self, spec: SandboxSpec) -> Result<String, RuntimeError> {
        std::fs::create_dir_all(&spec.log_dir)
            .map_err(|why| RuntimeError::Failed(format!("making the pod's log directory: {why}")))?;
        let request = cri::RunSandboxRequest { config: Some(spec::sandbox(&spec)) };
        let response: cri::RunSandboxResponse = self.wire.call(method!("RunPodSandbox"), request).await?;
        Ok(response.pod_sandbox_id)
    }

    async fn status(
        &self,
        id: &str,
        verbose: bool,
    ) -> Result<(cri::SandboxStatus, cri::SandboxStatusResponse), RuntimeError> {
        let request = cri::SandboxRequest { pod_sandbox_id: id.to_owned(), verbose };
        let mut response: cri::SandboxStatusResponse = self.wire.call(method!("PodSandboxStatus"), request).await?;
        let status = response.status.take().ok_or_else(|| missing(id))?;
        Ok((status, response))
    }

    async fn halt(&self, id: &str) -> Result<(), RuntimeError> {
        let request = cri::SandboxRequest { pod_sandbox_id: id.to_owned(), verbose: false };
        let done: Result<cri::Nothing, _> = self.wire.call(method!("StopPodSandbox"), request).await;
        gone_is_fine(done)
    }

    async fn forget(&self, id: &str) -> Result<(), RuntimeError> {
        let kept = match self.status(id, false).await {
            Err(RuntimeError::NotFound(_)) => return Ok(()),
            Err(why) => return Err(why),
            Ok((status, _)) => spec::kept(&status).ok(),
        };
        self.halt(id).await?;
        let request = cri::SandboxRequest { pod_sandbox_id: id.to_owned(), verbose: false };
        let done: Result<cri::Nothing, _> = self.wire.call(method!("RemovePodSandbox"), request).await;
        gone_is_fine(done)?;
        if let Some(kept) = kept {
            // The runtime takes away what it made in it; the pod's own cgroup is ours.
            oci::reclaim(&kept.cgroup);
        }
        Ok(())
    }

    async fn make(&self, sandbox: &str, spec: ContainerSpec) -> Result<String, RuntimeError> {
        let (status, _) = self.status(sandbox, false).await?;
        let pod = spec::kept(&status)?;
        let image = self.look(&spec.image).await?;
        let image = image.ok_or_else(|| RuntimeError::NotFound(format!("image {} is not here", spec.image)))?;
        spec::not_root(&spec, &image)?;
        let ips = spec::sandbox_view(status, Vec::new()).ips;
        let files = files(&pod, &spec, &ips)
            .map_err(|why| RuntimeError::Failed(format!("making the container's files: {why}")))?;
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(spec::container(&pod, &spec, &files)),
            sandbox_config: Some(spec::sandbox(&pod)),
        };
        let response: cri::CreateContainerResponse = self.wire.call(method!("CreateContainer"), request).await?;
        Ok(response.container_id)
    }

    async fn container(&self, id: &str) -> Result<cri::ContainerStatus, RuntimeError> {
        let request = cri::ContainerRequest { container_id: id.to_owned() };
        let response: cri::ContainerStatusResponse = self.wire.call(method!("ContainerStatus"), request).await?;
        response.status.ok_or_else(|| missing(id))
    }

    async fn running(&self, id: &str) -> Result<(), RuntimeError> {
        match self.container(id).await?.state {
            cri::CONTAINER_RUNNING => Ok(()),
            _ => Err(RuntimeError::State(format!("container {id} does not run"))),
        }
    }

    async fn drop_container(&self, id: &str) -> Result<(), RuntimeError> {
        let last = match self.container(id).await {
            Err(RuntimeError::NotFound(_)) => return Ok(()),
            status => spec::last_word_of(&status?),
        };
        let request = cri::ContainerRequest { container_id: id.to_owned() };
        let done: Result<cri::Nothing, _> = self.wire.call(method!("RemoveContainer"), request).await;
        gone_is_fine(done)?;
        if let Some(last) = last {
            let _ = std::fs::remove_file(last);
        }
        Ok(())
    }

    async fn views(&self, uid: Option<&str>) -> Result<Vec<SandboxView>, RuntimeError> {
        let filter = Some(cri::SandboxFilter { id: String::new(), label_selector: spec::selector(uid) });
        let request = cri::ListSandboxesRequest { filter };
        let found: cri::ListSandboxesResponse = self.wire.call(method!("ListPodSandbox"), request).await?;
        let mut views = Vec::new();
        for sandbox in found.items {
            match self.view(&sandbox.id).await {
                Ok(view) => views.push(view),
                // It went while we looked.
                Err(RuntimeError::NotFound(_)) => {}
                Err(why) => return Err(why),
            }
        }
        views.sort_by_key(|view| view.attempt);
        Ok(views)
    }

    async fn view(&self, id: &str) -> Result<SandboxView, RuntimeError> {
        let filter = Some(cri::ContainerFilter { id: String::new(), pod_sandbox_id: id.to_owned() });
        let request = cri::ListContainersRequest { filter };
        let found: cri::ListContainersResponse = self.wire.call(method!("ListContainers"), request).await?;
        let mut containers: Vec<ContainerView> = Vec::new();
        for container in found.containers {
            match self.container(&container.id).await {
                Ok(status) => containers.push(spec::container_view(status)),
                Err(RuntimeError::NotFound(_)) => {}
                Err(why) => return Err(why),
            }
        }
        containers.sort_by(|a, b| (&a.name, a.attempt).cmp(&(&b.name, b.attempt)));
        let (status, _) = self.status(id, false).await?;
        Ok(spec::sandbox_view(status, containers))
    }

    async fn connect(&self, id: &str, port: u16) -> Result<BoxDuplex, RuntimeError> {
        let (status, response) = self.status(id, true).await?;
        if status.state != cri::SANDBOX_READY {
            return Err(RuntimeError::State(format!("sandbox {id} does not run")));
        }
        if spec::kept(&status)?.host_network {
            return stream::forward(None, port).await;
        }
        let info: serde_json::Value =
            response.info.get("info").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        match info["pid"].as_u64().filter(|pid| *pid > 0) {
            Some(pid) => stream::forward(Some(pid), port).await,
            None => Err(RuntimeError::State(
                "the runtime does not say which process holds the pod's network, so no port of it can be forwarded"
                    .into(),
            )),
        }
    }
}

/// Files beside the pod's logs, which go when those go.
fn files(pod: &SandboxSpec, spec: &ContainerSpec, ips: &[String]) -> std::io::Result<spec::Files> {
    use std::os::unix::fs::PermissionsExt as _;
    let hosts = pod.log_dir.join("hosts");
    std::fs::create_dir_all(pod.log_dir.join(&spec.log_path).parent().unwrap_or(&pod.log_dir))?;
    std::fs::write(&hosts, oci::hosts(pod, ips))?;
    let last_word = if spec.termination_path.starts_with('/') {
        let path = pod.log_dir.join(format!("{}-{}-{:08x}.last", spec.name, spec.attempt, rt::random() >> 32));
        std::fs::write(&path, b"")?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        Some(path)
    } else {
        None
    };
    Ok(spec::Files { hosts, last_word })
}

fn missing(id: &str) -> RuntimeError {
    RuntimeError::NotFound(format!("{id} is not here"))
}

fn gone_is_fine(done: Result<cri::Nothing, RuntimeError>) -> Result<(), RuntimeError> {
    match done {
        Ok(_) | Err(RuntimeError::NotFound(_)) => Ok(()),
        Err(why) => Err(why),
    }
}

impl Runtime for Cri {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ImageInfo>> {
        Box::pin(async move { Ok(self.look(name).await?.map(|image| spec::image(&image))) })
    }

    fn images(&self) -> Answer<'_, Vec<ImageInfo>> {
        Box::pin(async move {
            let request = cri::ListImagesRequest {};
            let found: cri::ListImagesResponse = self.wire.call(method!(image "ListImages"), request).await?;
            Ok(found.images.iter().map(spec::image).collect())
        })
    }

    fn pull<'a>(&'a self, name: &'a str, credentials: Option<Credentials>) -> Answer<'a, ImageInfo> {
        Box::pin(self.fetch(name, credentials))
    }

    fn run_sandbox(&self, spec: SandboxSpec) -> Answer<'_, String> {
        Box::pin(self.run(spec))
    }

    fn stop_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.halt(id))
    }

    fn remove_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.forget(id))
    }

    fn create<'a>(&'a self, sandbox: &'a str, spec: ContainerSpec) -> Answer<'a, String> {
        Box::pin(self.make(sandbox, spec))
    }

    fn start<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let request = cri::ContainerRequest { container_id: container.to_owned() };
            self.wire.call(method!("StartContainer"), request).await.map(|_: cri::Nothing| ())
        })
    }

    fn stop<'a>(&'a self, container: &'a str, grace: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            // Whole seconds; what is less than one is one, for none means at once.
            let timeout = i64::try_from(grace.div_ceil(1_000)).unwrap_or(i64::MAX);
            let request = cri::StopContainerRequest { container_id: container.to_owned(), timeout };
            let wait = grace.saturating_add(CRI_WAIT);
            self.wire.call_within(wait, method!("StopContainer"), request).await.map(|_: cri::Nothing| ())
        })
    }

    fn remove<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(self.drop_container(container))
    }

    fn list<'a>(&'a self, uid: Option<&'a str>) -> Answer<'a, Vec<SandboxView>> {
        Box::pin(self.views(uid))
    }

    fn exec<'a>(&'a self, container: &'a str, spec: ExecSpec) -> Answer<'a, BoxDuplex> {
        Box::pin(async move {
            self.running(container).await?;
            if spec.stdin || spec.tty {
                return Err(RuntimeError::State(self.about.lacks[0].clone()));
            }
            Ok(stream::exec(self.wire.clone(), container.to_owned(), spec.command))
        })
    }

    fn attach<'a>(&'a self, container: &'a str, _stdin: bool) -> Answer<'a, BoxDuplex> {
        Box::pin(async move {
            self.running(container).await?;
            Err(RuntimeError::State(self.about.lacks[0].clone()))
        })
    }

    fn forward<'a>(&'a self, sandbox: &'a str, port: u16) -> Answer<'a, BoxDuplex> {
        Box::pin(self.connect(sandbox, port))
    }

    fn events(&self) -> Option<UnboundedReceiver<String>> {
        None
    }
}
