//! OCI containers by libcontainer: the pod's namespaces, the overlay root, create and start, exec, and what is left at the end.
//! It runs in the shim's single thread, because libcontainer forks and changes directory.
use super::console;
use super::protocol::{ContainerRecord, SandboxRecord};
use super::started::Started;
use crate::runtime::ExecSpec;
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where libcontainer keeps its own state, beside the containers.
const STATE: &str = "oci";

/// Moves the shim into the pod's namespaces: what is started from here inherits network, host name, IPC and mounts.
pub(super) fn enter(dir: &Path, record: &SandboxRecord) -> Result<(), String> {
    let words = |what: &'static str| move |why: nix::Error| format!("{what}: {why}");
    if let Some(netns) = &record.netns {
        let file = std::fs::File::open(netns).map_err(|why| format!("opening the pod's network namespace: {why}"))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(words("entering the pod's network namespace"))?;
    }
    if !record.spec.host_network {
        unshare(CloneFlags::CLONE_NEWUTS).map_err(words("making a host name of the pod's own"))?;
        nix::unistd::sethostname(&record.spec.hostname).map_err(words("setting the pod's host name"))?;
    }
    if !record.spec.host_ipc {
        unshare(CloneFlags::CLONE_NEWIPC).map_err(words("making the pod's IPC namespace"))?;
    }
    // A mount namespace of our own: whatever is mounted for the pod goes when we go, however that happens.
    unshare(CloneFlags::CLONE_NEWNS).map_err(words("making the pod's mount namespace"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .map_err(words("keeping the pod's mounts to itself"))?;
    if !record.spec.host_ipc {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("shm"), &dir.join("shm"), Some("tmpfs"), flags, Some("mode=1777,size=65536k"))
            .map_err(words("mounting the pod's shared memory"))?;
    }
    if record.netns.is_some() {
        // So that a pod's user may serve low ports and send pings, as containerd sets it.
        let _ = std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
        let _ = std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    }
    for (name, value) in &record.spec.sysctls {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let namespaced = ["net.", "kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if !namespaced || name.contains("..") {
            return Err(format!("sysctl {name} is not one of the pod's own"));
        }
        std::fs::write(&path, value).map_err(|why| format!("setting sysctl {name}: {why}"))?;
    }
    Ok(())
}

pub(super) fn start(dir: &Path, record: &ContainerRecord) -> Result<Started, String> {
    overlay(dir, &record.run.lowers)?;
    let tty = record.spec.tty;
    let listener = if tty { Some(console::Listener::open(dir)?) } else { None };
    let (mut ours, mut theirs) = pipes(tty, record.spec.stdin)?;
    let mut builder =
        base(dir, &record.id)?.with_console_socket(listener.as_ref().map(|listener| listener.path.clone()));
    (builder.stdin, builder.stdout, builder.stderr) = theirs.take();
    let built = builder.as_init(dir).with_systemd(false).with_detach(true).build();
    let container = built.and_then(|mut container| container.start().map(|()| container));
    let container = container.map_err(|why| words(&why))?;
    if let Some(listener) = listener {
        ours.stdout = Some(listener.receive()?);
    }
    ours.pid = container.pid().ok_or("the container has no process")?.as_raw();
    Ok(ours)
}

pub(super) fn exec(dir: &Path, record: &ContainerRecord, exec: &ExecSpec) -> Result<Started, String> {
    let text = std::fs::read(dir.join("config.json")).map_err(|why| format!("reading the bundle: {why}"))?;
    let mut bundle: Value = serde_json::from_slice(&text).map_err(|why| format!("reading the bundle: {why}"))?;
    let mut process = bundle["process"].take();
    process["args"] = exec.command.clone().into();
    process["terminal"] = exec.tty.into();
    if exec.tty
        && let Some(env) = process["env"].as_array_mut()
        && !env.iter().any(|text| text.as_str().is_some_and(|text| text.starts_with("TERM=")))
    {
        env.push("TERM=xterm".into());
    }
    let file = dir.join("exec.json");
    std::fs::write(&file, process.to_string()).map_err(|why| format!("writing the process: {why}"))?;
    let listener = if exec.tty { Some(console::Listener::open(dir)?) } else { None };
    let (mut ours, mut theirs) = pipes(exec.tty, exec.stdin)?;
    let mut builder =
        base(dir, &record.id)?.with_console_socket(listener.as_ref().map(|listener| listener.path.clone()));
    (builder.stdin, builder.stdout, builder.stderr) = theirs.take();
    let pid = builder.as_tenant().with_detach(true).with_process(Some(file)).build().map_err(|why| words(&why))?;
    if let Some(listener) = listener {
        ours.stdout = Some(listener.receive()?);
    }
    ours.pid = pid.as_raw();
    Ok(ours)
}

/// Takes the container's cgroup and state away; true if the kernel killed in it for want of memory.
pub(super) fn ended(dir: &Path, record: &ContainerRecord) -> bool {
    let starved = starved(dir);
    if let Ok(mut container) = Container::load(dir.join(STATE).join(&record.id)) {
        if let Err(why) = container.delete(true) {
            eprintln!("taking container {} away: {}", record.id, words(&why));
        }
    }
    starved
}

pub(super) fn discard(dir: &Path) {
    let _ = umount2(&dir.join("rootfs"), MntFlags::MNT_DETACH);
}

fn base(dir: &Path, id: &str) -> Result<ContainerBuilder, String> {
    let state = dir.join(STATE);
    std::fs::create_dir_all(&state).map_err(|why| format!("making the container's state: {why}"))?;
    let builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(state)
        .map_err(|why| words(&why))?;
    builder.validate_id().map_err(|why| words(&why))
}

/// The error with its causes: libcontainer says in the outermost only that something failed.
fn words(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Mounts the root. Lower directories are named relative to their parent: a mount's options have one page.
fn overlay(dir: &Path, lowers: &[PathBuf]) -> Result<(), String> {
    let rootfs = dir.join("rootfs");
    let parent = lowers.first().and_then(|lower| lower.parent()).ok_or("the image has no layers")?;
    std::env::set_current_dir(parent).map_err(|why| format!("entering the image's layers: {why}"))?;
    let names: Vec<String> =
        lowers.iter().map(|lower| lower.strip_prefix(parent).unwrap_or(lower).to_string_lossy().into_owned()).collect();
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let options = format!("lowerdir={},upperdir={},workdir={}", names.join(":"), upper.display(), work.display());
    let done = mount(Some("overlay"), &rootfs, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|why| format!("mounting the container's root: {why}"));
    let _ = std::env::set_current_dir("/");
    done
}

/// The container's ends of its streams.
struct Ends(Option<OwnedFd>, Option<OwnedFd>, Option<OwnedFd>);

impl Ends {
    fn take(&mut self) -> (Option<OwnedFd>, Option<OwnedFd>, Option<OwnedFd>) {
        (self.0.take(), self.1.take(), self.2.take())
    }
}

fn pipes(tty: bool, stdin: bool) -> Result<(Started, Ends), String> {
    let mut ours = Started { pid: 0, stdin: None, stdout: None, stderr: None, tty };
    let mut theirs = Ends(None, None, None);
    if tty {
        return Ok((ours, theirs));
    }
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|why| format!("making pipes: {why}"));
    let (read, write) = pipe()?;
    (ours.stdout, theirs.1) = (Some(read), Some(write));
    let (read, write) = pipe()?;
    (ours.stderr, theirs.2) = (Some(read), Some(write));
    theirs.0 = if stdin {
        let (read, write) = pipe()?;
        ours.stdin = Some(write);
        Some(read)
    } else {
        let null = std::fs::File::open("/dev/null").map_err(|why| format!("opening /dev/null: {why}"))?;
        Some(null.into())
    };
    Ok((ours, theirs))
}

/// The kernel's count of kills for want of memory, on v1 and v2.
fn starved(dir: &Path) -> bool {
    let Ok(text) = std::fs::read(dir.join("config.json")) else { return false };
    let bundle: Value = serde_json::from_slice(&text).unwrap_or_default();
    let path = bundle["linux"]["cgroupsPath"].as_str().unwrap_or_default();
    if path.is_empty() {
        return false;
    }
    crate::runtime::oci::cgroup_dirs(path).iter().any(|dir| {
        ["memory.oom_control", "memory.events"].iter().any(|file| {
            let text = std::fs::read_to_string(dir.join(file)).unwrap_or_default();
            text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
        })
    })
}
