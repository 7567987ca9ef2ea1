//! What we ask of a CRI runtime, made purely from our own specifications, and what it says, read back. It calls nobody.
use super::super::{ContainerSpec, ContainerView, End, ImageInfo, RuntimeError, SandboxSpec, SandboxView, oci};
use super::messages as cri;
use crate::limits::TERMINATION_MESSAGE_BYTES;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Labels by which we find what is ours; the rest are those that other tools look for.
pub(super) const UID: &str = "io.kubernetes.pod.uid";
const OURS: &str = "rutter.dev/managed";
/// Our own specification of a sandbox, whole, as JSON: who creates a container must say the sandbox's again.
const SPEC: &str = "rutter.dev/sandbox";
const LEVEL: &str = "rutter.dev/level";
const IMAGE: &str = "rutter.dev/image";
/// Where the last word of a container stands on this machine.
const LAST_WORD: &str = "rutter.dev/termination";

/// The selector of everything of ours, or of one pod's.
pub(super) fn selector(uid: Option<&str>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(OURS.to_owned(), "true".to_owned())]);
    labels.extend(uid.map(|uid| (UID.to_owned(), uid.to_owned())));
    labels
}

pub(super) fn sandbox(spec: &SandboxSpec) -> cri::SandboxConfig {
    let mut labels = spec.labels.clone();
    labels.extend(selector(Some(&spec.uid)));
    labels.insert("io.kubernetes.pod.name".into(), spec.name.clone());
    labels.insert("io.kubernetes.pod.namespace".into(), spec.namespace.clone());
    let mut annotations = spec.annotations.clone();
    annotations.insert(SPEC.into(), serde_json::to_string(spec).unwrap_or_default());
    let dns = &spec.dns;
    let dns =
        cri::DnsConfig { servers: dns.servers.clone(), searches: dns.searches.clone(), options: dns.options.clone() };
    let ports = spec.ports.iter().filter(|port| port.host != 0).map(|port| cri::PortMapping {
        protocol: if port.protocol.eq_ignore_ascii_case("udp") { cri::PROTOCOL_UDP } else { cri::PROTOCOL_TCP },
        container_port: port.container.into(),
        host_port: port.host.into(),
    });
    let security = cri::SandboxSecurity { namespace_options: Some(namespaces(spec)), privileged: false };
    cri::SandboxConfig {
        metadata: Some(cri::SandboxMetadata {
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            namespace: spec.namespace.clone(),
            attempt: spec.attempt,
        }),
        // runc refuses a host name in the machine's own namespace.
        hostname: if spec.host_network { String::new() } else { spec.hostname.clone() },
        log_directory: spec.log_dir.display().to_string(),
        dns_config: Some(dns),
        port_mappings: if spec.host_network { Vec::new() } else { ports.collect() },
        labels,
        annotations,
        linux: Some(cri::LinuxSandboxConfig {
            cgroup_parent: oci::pod_cgroup(&spec.cgroup).unwrap_or_default(),
            security_context: Some(security),
            sysctls: spec.sysctls.iter().cloned().collect(),
        }),
    }
}

/// Our own specification, as it was kept with the sandbox.
pub(super) fn kept(status: &cri::SandboxStatus) -> Result<SandboxSpec, RuntimeError> {
    let text = status.annotations.get(SPEC).map_or("", String::as_str);
    serde_json::from_str(text)
        .map_err(|why| RuntimeError::Failed(format!("sandbox {} was not made by us, or is damaged: {why}", status.id)))
}

fn namespaces(spec: &SandboxSpec) -> cri::NamespaceOption {
    let of = |host: bool, own: i32| if host { cri::NAMESPACE_NODE } else { own };
    cri::NamespaceOption {
        network: of(spec.host_network, cri::NAMESPACE_POD),
        pid: of(spec.host_pid, cri::NAMESPACE_CONTAINER),
        ipc: of(spec.host_ipc, cri::NAMESPACE_POD),
    }
}

/// `user`: the image's, if it is a number and the pod names none. `extra`: files of ours that the container sees.
pub(super) fn container(pod: &SandboxSpec, spec: &ContainerSpec, extra: &Files) -> cri::ContainerConfig {
    let mut mounts = Vec::new();
    let mut bind = |target: &str, source: &Path, readonly: bool, propagation: i32| {
        let (container_path, host_path) = (target.to_owned(), source.display().to_string());
        mounts.push(cri::Mount { container_path, host_path, readonly, propagation });
    };
    if !spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == "/etc/hosts") {
        bind("/etc/hosts", &extra.hosts, false, 0);
    }
    let mut annotations =
        BTreeMap::from([(LEVEL.to_owned(), spec.level.to_string()), (IMAGE.to_owned(), spec.image.clone())]);
    if let Some(last) = &extra.last_word {
        bind(&spec.termination_path, last, false, 0);
        annotations.insert(LAST_WORD.into(), last.display().to_string());
    }
    for mount in &spec.mounts {
        bind(&mount.target, &mount.source, mount.read_only, cri::PROPAGATION_FROM_HOST);
    }
    let mut labels = selector(Some(&pod.uid));
    labels.insert("io.kubernetes.pod.name".into(), pod.name.clone());
    labels.insert("io.kubernetes.pod.namespace".into(), pod.namespace.clone());
    labels.insert("io.kubernetes.container.name".into(), spec.name.clone());
    cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: spec.name.clone(), attempt: spec.attempt }),
        image: Some(cri::ImageSpec { image: spec.image.clone() }),
        command: spec.command.clone(),
        args: spec.args.clone(),
        working_dir: spec.working_dir.clone(),
        envs: spec.env.iter().map(|(key, value)| cri::KeyValue { key: key.clone(), value: value.clone() }).collect(),
        mounts,
        labels,
        annotations,
        log_path: spec.log_path.display().to_string(),
        stdin: spec.stdin,
        stdin_once: spec.stdin_once,
        tty: spec.tty,
        linux: Some(linux(pod, spec)),
    }
}

fn linux(pod: &SandboxSpec, spec: &ContainerSpec) -> cri::LinuxContainerConfig {
    let number = |value: u32| cri::Int64Value { value: value.into() };
    let paths = |list: &[&str]| match spec.privileged {
        true => Vec::new(),
        false => list.iter().map(|&path| path.to_owned()).collect(),
    };
    cri::LinuxContainerConfig {
        resources: Some(cri::LinuxResources {
            cpu_period: if spec.cpu_quota.is_some() { 100_000 } else { 0 },
            cpu_quota: spec.cpu_quota.unwrap_or(0),
            cpu_shares: i64::try_from(spec.cpu_shares.max(2)).unwrap_or(i64::MAX),
            memory_limit_in_bytes: spec.memory_bytes.unwrap_or(0),
            oom_score_adj: spec.oom_score.into(),
        }),
        security_context: Some(cri::ContainerSecurity {
            capabilities: Some(cri::Capability {
                add_capabilities: spec.capabilities_add.clone(),
                drop_capabilities: spec.capabilities_drop.clone(),
            }),
            privileged: spec.privileged,
            namespace_options: Some(namespaces(pod)),
            run_as_user: spec.user.map(number),
            run_as_group: spec.group.filter(|_| spec.user.is_some()).map(number),
            readonly_rootfs: spec.read_only_root,
            supplemental_groups: spec.groups.iter().map(|&group| group.into()).collect(),
            no_new_privs: spec.no_new_privileges,
            masked_paths: paths(&oci::MASKED_PATHS),
            readonly_paths: paths(&oci::READ_ONLY_PATHS),
        }),
    }
}

/// Files on this machine that a container is shown.
pub(super) struct Files {
    pub(super) hosts: PathBuf,
    pub(super) last_word: Option<PathBuf>,
}

/// The pod forbids root: what the image would run as must be known not to be it.
pub(super) fn not_root(spec: &ContainerSpec, image: &cri::Image) -> Result<(), RuntimeError> {
    if !spec.must_not_be_root {
        return Ok(());
    }
    match (spec.user, &image.uid) {
        (Some(0), _) => Err(RuntimeError::Config("container's runAsUser breaks non-root policy".into())),
        (Some(_), _) => Ok(()),
        (None, Some(uid)) if uid.value != 0 => Ok(()),
        (None, None) if !image.username.is_empty() => Err(RuntimeError::Config(format!(
            "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root",
            image.username
        ))),
        _ => Err(RuntimeError::Config("container has runAsNonRoot and image will run as root".into())),
    }
}

pub(super) fn image(image: &cri::Image) -> ImageInfo {
    let user = match &image.uid {
        Some(uid) => u32::try_from(uid.value).ok(),
        None if image.username.is_empty() => Some(0),
        None => None,
    };
    ImageInfo {
        id: image.repo_digests.first().unwrap_or(&image.id).clone(),
        names: image.repo_tags.clone(),
        bytes: image.size,
        user,
    }
}

fn millis(nanos: i64) -> u64 {
    u64::try_from(nanos / 1_000_000).unwrap_or(0)
}

pub(super) fn sandbox_view(status: cri::SandboxStatus, containers: Vec<ContainerView>) -> SandboxView {
    let metadata = status.metadata.unwrap_or_default();
    let network = status.network.unwrap_or_default();
    let ips = std::iter::once(network.ip).chain(network.additional_ips.into_iter().map(|more| more.ip));
    SandboxView {
        id: status.id,
        uid: metadata.uid,
        name: metadata.name,
        namespace: metadata.namespace,
        attempt: metadata.attempt,
        ready: status.state == cri::SANDBOX_READY,
        ips: ips.filter(|ip| !ip.is_empty()).collect(),
        created: millis(status.created_at),
        containers,
    }
}

pub(super) fn container_view(status: cri::ContainerStatus) -> ContainerView {
    let metadata = status.metadata.unwrap_or_default();
    let note = |name: &str| status.annotations.get(name).cloned().unwrap_or_default();
    let end = (status.state >= cri::CONTAINER_EXITED).then(|| {
        let said = status.annotations.get(LAST_WORD).map(|path| last_word(Path::new(path))).unwrap_or_default();
        End {
            code: status.exit_code,
            signal: 0,
            reason: status.reason.clone(),
            message: if said.is_empty() { status.message.clone() } else { said },
            finished: millis(status.finished_at),
        }
    });
    ContainerView {
        id: status.id,
        name: metadata.name,
        attempt: metadata.attempt,
        level: note(LEVEL).parse().unwrap_or(0),
        image: note(IMAGE),
        image_id: status.image_ref,
        log: status.log_path.into(),
        started: Some(millis(status.started_at)).filter(|started| *started > 0),
        end,
    }
}

pub(super) fn last_word_of(status: &cri::ContainerStatus) -> Option<PathBuf> {
    status.annotations.get(LAST_WORD).map(PathBuf::from)
}

fn last_word(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ =
            std::io::Read::read_to_end(&mut std::io::Read::take(file, TERMINATION_MESSAGE_BYTES as u64), &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_read_back_as_it_was_asked_for() {
        let spec = SandboxSpec {
            uid: "u".into(),
            name: "n".into(),
            host_network: true,
            hostname: "h".into(),
            ..SandboxSpec::default()
        };
        let asked = sandbox(&spec);
        assert_eq!(asked.hostname, "", "the machine's own name stays");
        let status = cri::SandboxStatus { annotations: asked.annotations, ..cri::SandboxStatus::default() };
        assert_eq!(kept(&status), Ok(spec));
        assert!(kept(&cri::SandboxStatus::default()).is_err());
    }

    #[test]
    fn who_must_not_be_root_is_not() {
        let image = |uid: Option<i64>, name: &str| cri::Image {
            uid: uid.map(|value| cri::Int64Value { value }),
            username: name.into(),
            ..cri::Image::default()
        };
        let spec = |user| ContainerSpec { user, must_not_be_root: true, ..ContainerSpec::default() };
        for (user, image, fine) in [
            (None, image(None, ""), false),
            (None, image(Some(0), ""), false),
            (None, image(Some(7), ""), true),
            (None, image(None, "app"), false),
            (Some(5), image(None, "app"), true),
            (Some(0), image(Some(7), ""), false),
        ] {
            assert_eq!(not_root(&spec(user), &image).is_ok(), fine, "{user:?} {image:?}");
        }
        assert_eq!(not_root(&ContainerSpec::default(), &image(None, "")), Ok(()));
    }
}
