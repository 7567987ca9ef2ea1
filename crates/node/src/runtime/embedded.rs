//! The runtime that is part of the binary: a shim process per pod, state in files. What is particular to an engine stands in
//! `oci` and `process`. It never holds state that is not also on the disk, so a restarted agent sees what runs.
use super::{
    About, Answer, BoxDuplex, ContainerSpec, ContainerView, Credentials, ExecSpec, ImageInfo, Runtime, RuntimeError,
    SandboxSpec, SandboxView,
};
use crate::image::registry;
use crate::image::store::Images;
use crate::limits::{SHIM_WAIT, TERMINATION_MESSAGE_BYTES};
use crate::network::PodNetwork;
use crate::runtime::{oci, process};
use crate::shim::protocol::{
    self, CONTAINER_FILE, CONTAINERS, ContainerRecord, Engine, Reply, Request, SANDBOX_FILE, STATE_FILE, SandboxRecord,
    StateRecord,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Embedded {
    dir: PathBuf,
    /// The binary that is executed as `pod-shim`.
    shim: PathBuf,
    engine: Engine,
    images: Arc<Images>,
    network: Arc<dyn PodNetwork>,
    changed: UnboundedSender<String>,
    changes: Mutex<Option<UnboundedReceiver<String>>>,
    lacks: Vec<String>,
}

impl Embedded {
    /// The runtime with its state below `dir`; follows the shims that already run there.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub async fn open(
        dir: &Path,
        shim: &Path,
        engine: Engine,
        images: Arc<Images>,
        network: Arc<dyn PodNetwork>,
        lacks: Vec<String>,
    ) -> Result<Self, RuntimeError> {
        let dir = dir.join("sandboxes");
        std::fs::create_dir_all(&dir).map_err(failed("making the runtime's directory"))?;
        let (changed, changes) = unbounded_channel();
        let runtime = Self {
            dir,
            shim: shim.to_owned(),
            engine,
            images,
            network,
            changed,
            changes: Mutex::new(Some(changes)),
            lacks,
        };
        for id in runtime.ids() {
            if let Ok(record) = runtime.sandbox(&id) {
                runtime.follow(&id, &record.spec);
            }
        }
        Ok(runtime)
    }

    fn ids(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut ids: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        ids
    }

    fn place(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }

    fn sandbox(&self, id: &str) -> Result<SandboxRecord, RuntimeError> {
        protocol::read_file(&self.place(id).join(SANDBOX_FILE))
            .map_err(|_| RuntimeError::NotFound(format!("sandbox {id} is not here")))
    }

    /// A container's sandbox and directory. Container ids begin with their sandbox's.
    fn container(&self, id: &str) -> Result<(String, PathBuf), RuntimeError> {
        let sandbox =
            id.split_once('.').map(|(sandbox, _)| sandbox).filter(|sandbox| !sandbox.is_empty() && !id.contains('/'));
        let dir = sandbox.map(|sandbox| self.place(sandbox).join(CONTAINERS).join(id)).filter(|dir| dir.is_dir());
        match (sandbox, dir) {
            (Some(sandbox), Some(dir)) => Ok((sandbox.to_owned(), dir)),
            _ => Err(RuntimeError::NotFound(format!("container {id} is not here"))),
        }
    }

    async fn launch(&self, id: &str) -> Result<(), RuntimeError> {
        let dir = self.place(id);
        let log = std::fs::File::create(dir.join("shim.log")).map_err(failed("making the shim's log"))?;
        let mut command = tokio::process::Command::new(&self.shim);
        command
            .arg("pod-shim")
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .env_clear()
            .current_dir("/");
        let mut child = command.spawn().map_err(failed("starting the pod's shim"))?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| RuntimeError::Failed("the shim has no output".into()))?;
        let read = rt::timeout(Duration::from_millis(SHIM_WAIT), BufReader::new(out).read_line(&mut line)).await;
        if line.trim() != "ready" {
            let _ = child.start_kill();
            let words = std::fs::read_to_string(dir.join("shim.log")).unwrap_or_default();
            let late = if read.is_none() { "it did not become ready in time" } else { "it ended" };
            return Err(RuntimeError::Failed(format!("the pod's shim: {late}: {}", words.trim())));
        }
        // Who waits for the child keeps it from staying a zombie; it lives on if we go.
        rt::spawn("shim-wait", async move { child.wait().await });
        Ok(())
    }

    async fn ask(&self, sandbox: &str, request: &Request) -> Result<UnixStream, RuntimeError> {
        let dir = self.place(sandbox);
        let talk = async {
            let stream = protocol::connect(&dir)?;
            stream.set_nonblocking(true)?;
            let mut stream = UnixStream::from_std(stream)?;
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let reply: Reply = serde_json::from_slice(&read_line(&mut stream).await?)?;
            Ok::<_, std::io::Error>((stream, reply))
        };
        match rt::timeout(Duration::from_millis(SHIM_WAIT), talk).await {
            None => Err(RuntimeError::Failed(format!("the shim of sandbox {sandbox} does not answer"))),
            Some(Err(why)) => Err(RuntimeError::State(format!("the shim of sandbox {sandbox} is gone: {why}"))),
            Some(Ok((stream, Reply::Done))) => Ok(stream),
            Some(Ok((_, Reply::NotFound(why)))) => Err(RuntimeError::NotFound(why)),
            Some(Ok((_, Reply::State(why)))) => Err(RuntimeError::State(why)),
            Some(Ok((_, Reply::Failed(why)))) => Err(RuntimeError::Failed(why)),
        }
    }

    /// Passes on what the shim says has changed, until it is gone; its going is a change too.
    fn follow(&self, id: &str, spec: &SandboxSpec) {
        let (dir, uid, changed) = (self.place(id), spec.uid.clone(), self.changed.clone());
        let (id, cgroup, engine) = (id.to_owned(), spec.cgroup.clone(), self.engine);
        rt::spawn("shim-events", async move {
            let listen = async {
                let stream = protocol::connect(&dir)?;
                stream.set_nonblocking(true)?;
                let mut stream = UnixStream::from_std(stream)?;
                stream.write_all(b"\"events\"\n").await?;
                loop {
                    read_line(&mut stream).await?;
                    if changed.send(uid.clone()).is_err() {
                        return Ok::<(), std::io::Error>(());
                    }
                }
            };
            let _ = listen.await;
            // A process that is killed closes its files one after another: the lock may go last.
            for _ in 0..SHIM_WAIT / 20 {
                if !protocol::alive(&dir) {
                    break;
                }
                rt::sleep(Duration::from_millis(20)).await;
            }
            if !protocol::alive(&dir) {
                // Its containers have nobody any more who could say how they end.
                match engine {
                    Engine::Oci => oci::reclaim_sandbox(&cgroup, &id),
                    Engine::Process => process::reclaim(&dir),
                }
            }
            let _ = changed.send(uid);
        });
    }

    async fn run(&self, spec: SandboxSpec) -> Result<String, RuntimeError> {
        let id = format!("{}{:08x}", prefix(&spec.uid), rt::random() >> 32);
        let dir = self.place(&id);
        std::fs::create_dir_all(dir.join(CONTAINERS)).map_err(failed("making the sandbox's directory"))?;
        let followed = spec.clone();
        let made = async {
            let address = match (self.engine, spec.host_network) {
                (Engine::Oci, false) => Some(self.network.attach(&id, &spec).await.map_err(RuntimeError::Failed)?),
                _ => None,
            };
            let (netns, ips) = address.map_or((None, Vec::new()), |address| (Some(address.netns), address.ips));
            let record = SandboxRecord {
                id: id.clone(),
                engine: self.engine,
                spec,
                created: rt::wall(),
                ips,
                netns,
                stopped: false,
            };
            if self.engine == Engine::Oci {
                oci::write_pod_files(&dir, &record).map_err(RuntimeError::Failed)?;
            }
            protocol::write_file(&dir.join(SANDBOX_FILE), &record).map_err(failed("keeping the sandbox"))?;
            self.launch(&id).await
        };
        if let Err(why) = made.await {
            self.network.detach(&id).await;
            let _ = std::fs::remove_dir_all(&dir);
            return Err(why);
        }
        self.follow(&id, &followed);
        Ok(id)
    }

    async fn end(&self, id: &str) -> Result<(), RuntimeError> {
        let Ok(mut record) = self.sandbox(id) else { return Ok(()) };
        let dir = self.place(id);
        if protocol::alive(&dir) {
            let _ = self.ask(id, &Request::End).await;
            for _ in 0..SHIM_WAIT / 20 {
                if !protocol::alive(&dir) {
                    break;
                }
                rt::sleep(Duration::from_millis(20)).await;
            }
            if protocol::alive(&dir) {
                return Err(RuntimeError::Failed(format!("the shim of sandbox {id} does not end")));
            }
        }
        match self.engine {
            Engine::Oci => oci::reclaim(&record.spec.cgroup),
            Engine::Process => process::reclaim(&dir),
        }
        self.network.detach(id).await;
        if !record.stopped {
            record.stopped = true;
            record.ips.clear();
            protocol::write_file(&dir.join(SANDBOX_FILE), &record).map_err(failed("keeping the sandbox"))?;
        }
        Ok(())
    }

    async fn make(&self, sandbox: &str, spec: ContainerSpec) -> Result<String, RuntimeError> {
        let record = self.sandbox(sandbox)?;
        let image = registry::find(&self.images, &spec.image)
            .await?
            .ok_or_else(|| RuntimeError::NotFound(format!("image {} is not here", spec.image)))?;
        let id = format!("{sandbox}.{:016x}", rt::random());
        let dir = self.place(sandbox).join(CONTAINERS).join(&id);
        std::fs::create_dir_all(&dir).map_err(failed("making the container's directory"))?;
        let log = record.spec.log_dir.join(&spec.log_path);
        let made = match self.engine {
            Engine::Oci => oci::resolve(&record, &spec, &image).and_then(|run| {
                let container =
                    ContainerRecord { id: id.clone(), spec, image_id: image.id.clone(), created: rt::wall(), log, run };
                oci::write_bundle(&self.place(sandbox), &dir, &record, &container)?;
                Ok(container)
            }),
            Engine::Process => {
                let (dir, shim, id, created) = (dir.clone(), self.shim.clone(), id.clone(), rt::wall());
                // The image's files are copied.
                let made = rt::blocking("container-files", move || {
                    let run = process::resolve(&spec, &image, &dir, &shim)?;
                    Ok(ContainerRecord { id, spec, image_id: image.id, created, log, run })
                });
                made.await.unwrap_or_else(|_| Err(RuntimeError::Failed("copying the image's files broke off".into())))
            }
        };
        let written = made.and_then(|container| {
            protocol::write_file(&dir.join(CONTAINER_FILE), &container).map_err(failed("keeping the container"))
        });
        if let Err(why) = written {
            let _ = std::fs::remove_dir_all(&dir);
            return Err(why);
        }
        Ok(id)
    }

    async fn halt(&self, id: &str, grace: u64) -> Result<(), RuntimeError> {
        let (sandbox, dir) = self.container(id)?;
        let record: ContainerRecord =
            protocol::read_file(&dir.join(CONTAINER_FILE)).map_err(|why| RuntimeError::NotFound(why.to_string()))?;
        let ended = || {
            let state: Option<StateRecord> = protocol::read_file(&dir.join(STATE_FILE)).ok();
            state.is_none_or(|state| state.end.is_some()) || !protocol::alive(&self.place(&sandbox))
        };
        let soft = if record.run.stop_signal == 0 { nix::libc::SIGTERM } else { record.run.stop_signal };
        let steps = [(soft, grace), (nix::libc::SIGKILL, SHIM_WAIT)];
        for (signal, wait) in steps {
            if ended() {
                return Ok(());
            }
            if wait == 0 {
                continue;
            }
            match self.ask(&sandbox, &Request::Signal { id: id.to_owned(), signal }).await {
                Ok(_) | Err(RuntimeError::State(_)) => {}
                Err(why) => return Err(why),
            }
            let until = rt::now().after(Duration::from_millis(wait));
            let mut pause = 5;
            while !ended() && rt::now() < until {
                rt::sleep(Duration::from_millis(pause)).await;
                pause = (pause * 2).min(100);
            }
        }
        if ended() {
            Ok(())
        } else {
            Err(RuntimeError::Failed(format!("container {id} does not end, even when killed")))
        }
    }

    fn view(&self, id: &str) -> Option<SandboxView> {
        let record = self.sandbox(id).ok()?;
        let dir = self.place(id);
        let alive = protocol::alive(&dir);
        let entries = std::fs::read_dir(dir.join(CONTAINERS)).into_iter().flatten().flatten();
        let mut containers: Vec<ContainerView> = entries.filter_map(|entry| view(&entry.path(), alive)).collect();
        containers.sort_by(|a, b| (&a.name, a.attempt).cmp(&(&b.name, b.attempt)));
        Some(SandboxView {
            id: record.id,
            uid: record.spec.uid,
            name: record.spec.name,
            namespace: record.spec.namespace,
            attempt: record.spec.attempt,
            ready: alive && !record.stopped,
            ips: record.ips,
            created: record.created,
            containers,
        })
    }

    async fn forget(&self, id: &str) -> Result<(), RuntimeError> {
        self.end(id).await?;
        remove_tree(&self.place(id))
    }

    async fn drop_container(&self, id: &str) -> Result<(), RuntimeError> {
        let Ok((sandbox, dir)) = self.container(id) else { return Ok(()) };
        if protocol::alive(&self.place(&sandbox)) {
            self.ask(&sandbox, &Request::Discard { id: id.to_owned() }).await?;
        }
        remove_tree(&dir)
    }
}

fn prefix(uid: &str) -> String {
    format!("{}-", uid.replace('.', "_"))
}

fn view(dir: &Path, alive: bool) -> Option<ContainerView> {
    let record: ContainerRecord = protocol::read_file(&dir.join(CONTAINER_FILE)).ok()?;
    let state: Option<StateRecord> = protocol::read_file(&dir.join(STATE_FILE)).ok();
    let mut end = state.as_ref().and_then(|state| state.end.clone());
    if let (Some(_), None, false) = (&state, &end, alive) {
        // Its shim was lost, by a kill or a reboot: nobody knows how it ended.
        let message = "The container's shim was lost before it could say how the container ended".into();
        let finished = std::fs::metadata(dir.join(STATE_FILE)).and_then(|meta| meta.modified()).ok();
        let finished = finished
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        end = Some(super::End { code: 137, signal: 0, reason: "ContainerStatusUnknown".into(), message, finished });
    }
    if let Some(end) = end.as_mut().filter(|end| end.message.is_empty()) {
        end.message = termination_message(dir);
    }
    Some(ContainerView {
        id: record.id,
        name: record.spec.name,
        attempt: record.spec.attempt,
        level: record.spec.level,
        image: record.spec.image,
        image_id: record.image_id,
        log: record.log,
        started: state.map(|state| state.started),
        end,
    })
}

fn termination_message(dir: &Path) -> String {
    let Ok(file) = std::fs::File::open(dir.join(oci::TERMINATION_FILE)) else { return String::new() };
    let mut bytes = Vec::new();
    let _ = std::io::Read::read_to_end(&mut std::io::Read::take(file, TERMINATION_MESSAGE_BYTES as u64), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn remove_tree(dir: &Path) -> Result<(), RuntimeError> {
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(RuntimeError::Failed(format!("removing {}: {why}", dir.display()))),
    }
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> RuntimeError {
    move |why| RuntimeError::Failed(format!("{doing}: {why}"))
}

/// One line, byte by byte: what follows it belongs to the caller.
async fn read_line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(line),
            byte if line.len() < crate::limits::SHIM_REQUEST_MAX => line.push(byte),
            _ => return Err(std::io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Runtime for Embedded {
    fn about(&self) -> About {
        let name = match self.engine {
            Engine::Oci => "oci",
            Engine::Process => "process",
        };
        About {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            scheme: "rutter".into(),
            pod_network: self.engine == Engine::Oci,
            events: true,
            lacks: self.lacks.clone(),
        }
    }

    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ImageInfo>> {
        Box::pin(async move {
            let found = registry::find(&self.images, name).await?;
            Ok(found.map(|image| image.info()))
        })
    }

    fn images(&self) -> Answer<'_, Vec<ImageInfo>> {
        Box::pin(async move { self.images.all().map_err(RuntimeError::Failed) })
    }

    fn pull<'a>(&'a self, name: &'a str, credentials: Option<Credentials>) -> Answer<'a, ImageInfo> {
        Box::pin(async move { registry::pull(&self.images, name, credentials).await.map(|image| image.info()) })
    }

    fn run_sandbox(&self, spec: SandboxSpec) -> Answer<'_, String> {
        Box::pin(self.run(spec))
    }

    fn stop_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.end(id))
    }

    fn remove_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.forget(id))
    }

    fn create<'a>(&'a self, sandbox: &'a str, spec: ContainerSpec) -> Answer<'a, String> {
        Box::pin(self.make(sandbox, spec))
    }

    fn start<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let (sandbox, _) = self.container(container)?;
            self.ask(&sandbox, &Request::Start { id: container.to_owned() }).await.map(drop)
        })
    }

    fn stop<'a>(&'a self, container: &'a str, grace: u64) -> Answer<'a, ()> {
        Box::pin(self.halt(container, grace))
    }

    fn remove<'a>(&'a self, container: &'a str) -> Answer<'a, ()> {
        Box::pin(self.drop_container(container))
    }

    fn list<'a>(&'a self, uid: Option<&'a str>) -> Answer<'a, Vec<SandboxView>> {
        Box::pin(async move {
            // The pod's uid begins the id, so that one pod is looked at without reading the others.
            let mine = |id: &String| uid.is_none_or(|uid| id.starts_with(&prefix(uid)));
            let all = self.ids().into_iter().filter(mine).filter_map(|id| self.view(&id));
            let mut views: Vec<_> = all.filter(|view| uid.is_none_or(|uid| view.uid == uid)).collect();
            views.sort_by_key(|view| view.attempt);
            Ok(views)
        })
    }

    fn exec<'a>(&'a self, container: &'a str, spec: ExecSpec) -> Answer<'a, BoxDuplex> {
        Box::pin(async move {
            let (sandbox, _) = self.container(container)?;
            let stream = self.ask(&sandbox, &Request::Exec { id: container.to_owned(), exec: spec }).await?;
            Ok(Box::new(stream) as BoxDuplex)
        })
    }

    fn attach<'a>(&'a self, container: &'a str, stdin: bool) -> Answer<'a, BoxDuplex> {
        Box::pin(async move {
            let (sandbox, _) = self.container(container)?;
            let stream = self.ask(&sandbox, &Request::Attach { id: container.to_owned(), stdin }).await?;
            Ok(Box::new(stream) as BoxDuplex)
        })
    }

    fn forward<'a>(&'a self, sandbox: &'a str, port: u16) -> Answer<'a, BoxDuplex> {
        Box::pin(async move {
            self.sandbox(sandbox)?;
            let stream = self.ask(sandbox, &Request::Forward { port }).await?;
            Ok(Box::new(stream) as BoxDuplex)
        })
    }

    fn events(&self) -> Option<UnboundedReceiver<String>> {
        self.changes.lock().ok()?.take()
    }
}
