//! What is particular to OCI containers: the bundle's specification, made purely from the pod's; the files a pod's
//! containers share; and taking cgroups away. It starts nothing: the shim does.
use super::{ContainerSpec, RuntimeError, user};
use crate::image::Image;
use crate::shim::protocol::{ContainerRecord, Run, SandboxRecord};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Beside the bundle: what the container leaves as its last word.
pub const TERMINATION_FILE: &str = "termination-log";
/// All cgroups of containers stand below this one.
const CGROUP_ROOT: &str = "rutter";

const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];
/// What of `/proc` and `/sys` only a privileged container may see, and may write.
pub(crate) const MASKED_PATHS: [&str; 9] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
pub(crate) const READ_ONLY_PATHS: [&str; 6] =
    ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// In the order of the kernel's numbers (capability.h).
const ALL_CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The process for the container.
///
/// # Errors
/// `Config` if it has no command or asks for what cannot be.
pub fn resolve(sandbox: &SandboxRecord, spec: &ContainerSpec, image: &Image) -> Result<Run, RuntimeError> {
    let args = image.command(&spec.command, &spec.args);
    if args.is_empty() {
        return Err(RuntimeError::Config("no command specified: neither the pod nor the image names one".into()));
    }
    let (user, group, groups) = user::resolve(spec, image)?;
    let mut env = image.environment();
    let mut own = vec![("HOSTNAME".to_owned(), sandbox.spec.hostname.clone())];
    if spec.tty {
        own.push(("TERM".into(), "xterm".into()));
    }
    for (name, value) in own.iter().chain(&spec.env) {
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value.clone()));
    }
    let cwd = if spec.working_dir.is_empty() { image.config.working_dir.clone() } else { spec.working_dir.clone() };
    let cwd = if cwd.starts_with('/') { cwd } else { format!("/{cwd}") };
    Ok(Run {
        args,
        env,
        cwd,
        user,
        group,
        groups,
        lowers: image.lowers.clone(),
        root: None,
        chroot: false,
        stop_signal: signal(&image.config.stop_signal),
    })
}

/// A signal by name or number; 0 if none is named.
#[must_use]
pub fn signal(text: &str) -> i32 {
    let name = if text.starts_with("SIG") || text.is_empty() { text.to_owned() } else { format!("SIG{text}") };
    text.parse().unwrap_or_else(|_| name.parse::<nix::sys::signal::Signal>().map_or(0, |signal| signal as i32))
}

/// Where the container's cgroup stands in every hierarchy.
#[must_use]
pub fn cgroup(sandbox: &SandboxRecord, container: &str) -> String {
    format!("/{CGROUP_ROOT}/{}/{container}", sandbox.spec.cgroup)
}

/// The OCI runtime specification of a container. `held` are the capabilities this machine lets us give.
#[must_use]
pub fn specification(
    pod_dir: &Path,
    dir: &Path,
    sandbox: &SandboxRecord,
    container: &ContainerRecord,
    held: &[String],
) -> Value {
    let (spec, run) = (&container.spec, &container.run);
    let capabilities = capabilities(spec, held);
    let mut namespaces = vec![json!({"type": "mount"})];
    if !sandbox.spec.host_pid {
        namespaces.push(json!({"type": "pid"}));
    }
    let mut process = json!({
        "terminal": spec.tty,
        "user": {"uid": run.user, "gid": run.group, "additionalGids": run.groups},
        "args": run.args, "cwd": run.cwd,
        "env": run.env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        "noNewPrivileges": spec.no_new_privileges,
    });
    if spec.oom_score > 0 {
        // Only upwards: lowering needs a capability that many machines do not give.
        process["oomScoreAdj"] = spec.oom_score.into();
    }
    let mut resources = json!({"cpu": {"shares": spec.cpu_shares.max(2)}});
    if let Some(quota) = spec.cpu_quota {
        resources["cpu"]["quota"] = quota.into();
        resources["cpu"]["period"] = 100_000.into();
    }
    if let Some(bytes) = spec.memory_bytes {
        resources["memory"] = json!({"limit": bytes});
    }
    let mut linux =
        json!({"namespaces": namespaces, "resources": resources, "cgroupsPath": cgroup(sandbox, &container.id)});
    if !spec.privileged {
        linux["maskedPaths"] = json!(MASKED_PATHS);
        linux["readonlyPaths"] = json!(READ_ONLY_PATHS);
    }
    json!({"ociVersion": "1.0.2", "process": process, "root": {"path": dir.join("rootfs"), "readonly": spec.read_only_root},
        "mounts": mounts(pod_dir, dir, sandbox, spec), "linux": linux})
}

fn capabilities(spec: &ContainerSpec, held: &[String]) -> Vec<String> {
    let short = |name: &String| name.to_uppercase().trim_start_matches("CAP_").to_owned();
    let all = |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let (add, drop): (Vec<_>, Vec<_>) =
        (spec.capabilities_add.iter().map(short).collect(), spec.capabilities_drop.iter().map(short).collect());
    let wanted = |name: &str| {
        let listed = |list: &[String]| list.iter().any(|other| other == name);
        let base = CAPABILITIES.contains(&name) && !all(&spec.capabilities_drop);
        spec.privileged || all(&spec.capabilities_add) && !listed(&drop) || listed(&add) || base && !listed(&drop)
    };
    ALL_CAPABILITIES
        .iter()
        .filter(|name| wanted(name))
        .map(|name| format!("CAP_{name}"))
        .filter(|name| held.contains(name))
        .collect()
}

fn mounts(pod_dir: &Path, dir: &Path, sandbox: &SandboxRecord, spec: &ContainerSpec) -> Vec<Value> {
    let special = |target: &str, kind: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
    let bind = |target: &str, source: PathBuf, read_only: bool| json!({"destination": target, "type": "bind", "source": source, "options": ["rbind", if read_only { "ro" } else { "rw" }]});
    let sys = if spec.privileged { "rw" } else { "ro" };
    let mut mounts = vec![
        special("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        special("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        special("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        special("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        special("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
        bind("/dev/shm", if sandbox.spec.host_ipc { "/dev/shm".into() } else { pod_dir.join("shm") }, false),
    ];
    let taken = |target: &str| spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == target);
    for (target, file) in [("/etc/hosts", "hosts"), ("/etc/hostname", "hostname"), ("/etc/resolv.conf", "resolv.conf")]
    {
        if !taken(target) {
            mounts.push(bind(target, pod_dir.join(file), false));
        }
    }
    if !spec.termination_path.is_empty() && spec.termination_path.starts_with('/') {
        mounts.push(bind(&spec.termination_path, dir.join(TERMINATION_FILE), false));
    }
    mounts.extend(spec.mounts.iter().map(|mount| bind(&mount.target, mount.source.clone(), mount.read_only)));
    mounts
}

/// Writes the files that all containers of the pod see.
///
/// # Errors
/// The disk's, in words.
pub fn write_pod_files(dir: &Path, sandbox: &SandboxRecord) -> Result<(), String> {
    let words = |why: std::io::Error| format!("writing the pod's files: {why}");
    std::fs::create_dir_all(dir.join("shm")).map_err(words)?;
    let spec = &sandbox.spec;
    std::fs::write(dir.join("hosts"), hosts(spec, &sandbox.ips)).map_err(words)?;
    std::fs::write(dir.join("hostname"), format!("{}\n", spec.hostname)).map_err(words)?;
    std::fs::write(dir.join("resolv.conf"), resolv(&spec.dns)).map_err(words)
}

/// The pod's `/etc/hosts`.
pub(crate) fn hosts(spec: &super::SandboxSpec, ips: &[String]) -> String {
    let aliases: String = spec.annotations.get("hosts").cloned().unwrap_or_default();
    let hosts = match spec.host_network {
        true => std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
        false => {
            let own: String = ips.iter().map(|ip| format!("{ip}\t{}\n", spec.hostname)).collect();
            format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{own}")
        }
    };
    hosts + &aliases
}

fn resolv(dns: &super::Dns) -> String {
    let mut text: String = dns.servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    if !dns.searches.is_empty() {
        text += &format!("search {}\n", dns.searches.join(" "));
    }
    if !dns.options.is_empty() {
        text += &format!("options {}\n", dns.options.join(" "));
    }
    text
}

/// Writes the bundle of a container.
///
/// # Errors
/// `Failed` if the disk refuses.
pub fn write_bundle(
    pod_dir: &Path,
    dir: &Path,
    sandbox: &SandboxRecord,
    container: &ContainerRecord,
) -> Result<(), RuntimeError> {
    let spec = specification(pod_dir, dir, sandbox, container, &held());
    let written = ["rootfs", "upper", "work"].iter().try_for_each(|part| std::fs::create_dir_all(dir.join(part)));
    let written = written.and_then(|()| std::fs::write(dir.join(TERMINATION_FILE), b"")).and_then(|()| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(dir.join(TERMINATION_FILE), std::fs::Permissions::from_mode(0o666))
    });
    let written = written.and_then(|()| std::fs::write(dir.join("config.json"), spec.to_string()));
    written.map_err(|why| RuntimeError::Failed(format!("writing the container's bundle: {why}")))
}

/// The capabilities in our bounding set: only those can be given.
fn held() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    ALL_CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| mask >> bit & 1 == 1)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect()
}

/// The container's cgroup directories, one per hierarchy that has it.
pub(crate) fn cgroup_dirs(path: &str) -> Vec<PathBuf> {
    let relative = path.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join(relative)).filter(|dir| dir.is_dir()).collect()
}

/// Where a pod's cgroup stands in every hierarchy, if it names one.
pub(crate) fn pod_cgroup(cgroup: &str) -> Option<String> {
    (!cgroup.is_empty()).then(|| format!("/{CGROUP_ROOT}/{cgroup}"))
}

/// Ends what is left in the cgroup of a pod whose keeper is gone, and takes it away.
pub fn reclaim(cgroup: &str) {
    for dir in pod_cgroup(cgroup).iter().flat_map(|path| cgroup_dirs(path)) {
        inner(&dir).iter().chain([&dir]).for_each(|place| empty(place));
    }
}

/// Ends the containers of a sandbox whose shim is gone: their ids begin with its own. What takes its place is left alone.
pub fn reclaim_sandbox(cgroup: &str, sandbox: &str) {
    for dir in pod_cgroup(cgroup).iter().flat_map(|path| cgroup_dirs(path)) {
        let of_it = |place: &&PathBuf| {
            place.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(sandbox))
        };
        inner(&dir).iter().filter(of_it).for_each(|place| empty(place));
    }
}

/// Takes away the cgroups in which the pods' own stood, if nobody's are left in them.
pub fn sweep() {
    for place in ["kubepods/burstable", "kubepods/besteffort", "kubepods", ""] {
        for dir in cgroup_dirs(&format!("{CGROUP_ROOT}/{place}")) {
            // Not empty: another node of this machine uses it.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn inner(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}

fn empty(place: &Path) {
    let processes = std::fs::read_to_string(place.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    // Busy until the kernel has reaped them; the next reclaim finds it.
    let _ = std::fs::remove_dir(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(spec: ContainerSpec) -> Vec<String> {
        let held: Vec<String> =
            ALL_CAPABILITIES.iter().filter(|name| **name != "SYS_RESOURCE").map(|name| format!("CAP_{name}")).collect();
        capabilities(&spec, &held)
    }

    #[test]
    fn capabilities_follow_the_pod_and_the_machine() {
        assert_eq!(caps(ContainerSpec::default()).len(), 14);
        assert_eq!(
            caps(ContainerSpec { capabilities_drop: vec!["ALL".into()], ..ContainerSpec::default() }),
            Vec::<String>::new()
        );
        let one = ContainerSpec {
            capabilities_drop: vec!["ALL".into()],
            capabilities_add: vec!["NET_ADMIN".into(), "SYS_RESOURCE".into()],
            ..ContainerSpec::default()
        };
        assert_eq!(caps(one), ["CAP_NET_ADMIN"]);
        assert_eq!(caps(ContainerSpec { privileged: true, ..ContainerSpec::default() }).len(), 40);
    }

    #[test]
    fn names_of_signals() {
        for (text, number) in [("", 0), ("SIGQUIT", 3), ("TERM", 15), ("9", 9), ("SIGNONSENSE", 0)] {
            assert_eq!(signal(text), number, "{text}");
        }
    }
}
