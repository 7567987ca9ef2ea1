//! What the baseline policy forbids: known ways out of a container (Kubernetes, Pod Security Standards). One function a check.
use super::words::{Pod, Violation, context, name, named, plural, quoted, setters, strange, violation};
use crate::admission::request::items;
use serde_json::Value;
use std::collections::BTreeSet;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Profiles of AppArmor and seccomp that are allowed.
pub(super) const PROFILES: [&str; 2] = ["Localhost", "RuntimeDefault"];
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The annotations of these keys with a value that is not allowed: `key="value"`.
fn annotations<'a>(pod: Pod<'a>, key: impl Fn(&str) -> bool + 'a, allowed: fn(&str) -> bool) -> Vec<String> {
    let all = pod.annotations.as_object().into_iter().flatten();
    let all = all.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let bad = all.filter(|(name, value)| key(name) && !allowed(value));
    bad.map(|(name, value)| format!("{name}={value:?}")).collect()
}

/// Who sets this profile's type to a value that is not allowed, and the values.
pub(super) fn profiles<'a>(pod: Pod<'a>, profile: &str) -> (Option<String>, BTreeSet<&'a str>) {
    let of = |context: &'a Value| strange([&context[profile]["type"]].into_iter(), &PROFILES);
    let whole = of(pod.context());
    let containers: Vec<&Value> = pod.containers().filter(|one| !of_container(one, profile).is_empty()).collect();
    let names: Vec<&str> = containers.iter().map(|one| name(one)).collect();
    let who = setters(!whole.is_empty(), &names);
    let values = containers.iter().flat_map(|one| of_container(one, profile));
    (who, whole.iter().copied().chain(values).collect())
}

fn of_container<'a>(container: &'a Value, profile: &str) -> BTreeSet<&'a str> {
    strange([&context(container)[profile]["type"]].into_iter(), &PROFILES)
}

pub(super) fn app_armor(pod: Pod<'_>) -> Option<Violation> {
    let (who, values) = profiles(pod, "appArmorProfile");
    let allowed = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations = annotations(pod, |key| key.starts_with(APP_ARMOR), allowed);
    let told = (!annotations.is_empty()).then(|| plural("annotation", "annotations", annotations.len()).to_owned());
    let who: Vec<String> = who.into_iter().chain(told).collect();
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = values.into_iter().map(str::to_owned).chain(annotations).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    let detail = format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(values));
    violation(reason, detail)
}

pub(super) fn capabilities(pod: Pod<'_>) -> Option<Violation> {
    let added = |container| strange(items(&context(container)["capabilities"], "add").iter(), &CAPABILITIES);
    let bad = pod.bad(|container| !added(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let all: BTreeSet<&str> = pod.containers().flat_map(added).collect();
    let detail = format!("{} must not include {} in securityContext.capabilities.add", named(&bad), quoted(all));
    violation("non-default capabilities", detail)
}

pub(super) fn host_namespaces(pod: Pod<'_>) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|member| pod.spec[*member] == true);
    let shared: Vec<String> = shared.map(|member| format!("{member}=true")).collect();
    if shared.is_empty() { None } else { violation("host namespaces", shared.join(", ")) }
}

pub(super) fn host_path_volumes(pod: Pod<'_>) -> Option<Violation> {
    let volumes = items(pod.spec, "volumes").iter().filter(|volume| !volume["hostPath"].is_null());
    let volumes: Vec<&str> = volumes.map(name).collect();
    if volumes.is_empty() {
        return None;
    }
    let detail = format!("{} {}", plural("volume", "volumes", volumes.len()), quoted(volumes));
    violation("hostPath volumes", detail)
}

pub(super) fn host_ports(pod: Pod<'_>) -> Option<Violation> {
    let ports = |container| {
        let all = items(container, "ports").iter().filter_map(|port| port["hostPort"].as_i64());
        all.filter(|port| *port != 0).map(|port| port.to_string()).collect::<BTreeSet<String>>()
    };
    let bad = pod.bad(|container| !ports(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let all: BTreeSet<String> = pod.containers().flat_map(ports).collect();
    let (uses, what) = (plural("uses", "use", bad.len()), plural("hostPort", "hostPorts", all.len()));
    let detail = format!("{} {uses} {what} {}", named(&bad), all.into_iter().collect::<Vec<_>>().join(", "));
    violation("hostPort", detail)
}

/// The hosts that a container's probes and hooks name.
fn hosts(container: &Value) -> BTreeSet<&str> {
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"].iter().map(|member| &container[member]);
    let hooks = ["postStart", "preStop"].iter().map(|member| &container["lifecycle"][member]);
    let handlers = probes.chain(hooks).flat_map(|handler| [&handler["httpGet"], &handler["tcpSocket"]]);
    handlers.filter_map(|way| way["host"].as_str()).filter(|host: &&str| !host.is_empty()).collect()
}

pub(super) fn host_probes(pod: Pod<'_>) -> Option<Violation> {
    let bad: BTreeSet<&str> = pod.bad(|container| !hosts(container).is_empty()).into_iter().collect();
    if bad.is_empty() {
        return None;
    }
    let bad: Vec<&str> = bad.into_iter().collect();
    let all: BTreeSet<&str> = pod.containers().flat_map(hosts).collect();
    let (uses, what) = (plural("uses", "use", bad.len()), "probe or lifecycle host");
    let what = if all.len() == 1 { what.to_owned() } else { format!("{what}s") };
    violation("probe or lifecycle host", format!("{} {uses} {what} {}", named(&bad), quoted(all)))
}

pub(super) fn privileged(pod: Pod<'_>) -> Option<Violation> {
    let bad = pod.bad(|container| context(container)["privileged"] == true);
    if bad.is_empty() {
        return None;
    }
    violation("privileged", format!("{} must not set securityContext.privileged=true", named(&bad)))
}

/// From 1.35 on a pod with users of its own may see all of `/proc`.
pub(super) fn proc_mount_of_host_users(pod: Pod<'_>) -> Option<Violation> {
    if pod.own_users() { None } else { proc_mount(pod) }
}

pub(super) fn proc_mount(pod: Pod<'_>) -> Option<Violation> {
    let asked = |container| strange([&context(container)["procMount"]].into_iter(), &["Default"]);
    let bad = pod.bad(|container| !asked(container).is_empty());
    if bad.is_empty() {
        return None;
    }
    let all: BTreeSet<&str> = pod.containers().flat_map(asked).collect();
    violation("procMount", format!("{} must not set securityContext.procMount to {}", named(&bad), quoted(all)))
}

pub(super) fn se_linux(pod: Pod<'_>) -> Option<Violation> {
    se_linux_of(pod, &["", "container_t", "container_init_t", "container_kvm_t"])
}

pub(super) fn se_linux_1_31(pod: Pod<'_>) -> Option<Violation> {
    se_linux_of(pod, &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"])
}

fn se_linux_of(pod: Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let options = |context: &Value| {
        let options = &context["seLinuxOptions"];
        let set = |member: &str| options[member].as_str().is_some_and(|text| !text.is_empty());
        let types = strange([&options["type"]].into_iter(), allowed).into_iter().map(str::to_owned).collect();
        (types, set("user"), set("role"))
    };
    let bad = |(types, user, role): &(BTreeSet<String>, bool, bool)| !types.is_empty() || *user || *role;
    let whole = options(pod.context());
    let containers = pod.bad(|container| bad(&options(context(container))));
    let who = setters(bad(&whole), &containers)?;
    let (mut types, mut user, mut role) = whole;
    for own in pod.containers().map(|container| options(context(container))) {
        types.extend(own.0);
        user |= own.1;
        role |= own.2;
    }
    let mut told = Vec::new();
    if !types.is_empty() {
        told.push(format!("{} {}", plural("type", "types", types.len()), quoted(types)));
    }
    told.extend(user.then(|| "user may not be set".to_owned()));
    told.extend(role.then(|| "role may not be set".to_owned()));
    violation("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", told.join("; ")))
}

pub(super) fn seccomp_annotations(pod: Pod<'_>) -> Option<Violation> {
    let own: BTreeSet<String> =
        pod.containers().map(|container| format!("{SECCOMP_CONTAINER}{}", name(container))).collect();
    let allowed =
        |value: &str| matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/");
    let bad = annotations(pod, move |key| key == SECCOMP_POD || own.contains(key), allowed);
    if bad.is_empty() {
        return None;
    }
    let detail = format!("forbidden {} {}", plural("annotation", "annotations", bad.len()), bad.join(", "));
    violation("seccompProfile", detail)
}

pub(super) fn seccomp(pod: Pod<'_>) -> Option<Violation> {
    let (who, values) = profiles(pod, "seccompProfile");
    let detail = format!("{} must not set securityContext.seccompProfile.type to {}", who?, quoted(values));
    violation("seccompProfile", detail)
}

/// Sysctls that are safe, and the version of the policy that first says so.
const SYSCTLS: [(u32, &str); 12] = [
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
];

pub(super) fn sysctls(pod: Pod<'_>) -> Option<Violation> {
    sysctls_of(pod, 0)
}

pub(super) fn sysctls_1_27(pod: Pod<'_>) -> Option<Violation> {
    sysctls_of(pod, 27)
}

pub(super) fn sysctls_1_29(pod: Pod<'_>) -> Option<Violation> {
    sysctls_of(pod, 29)
}

pub(super) fn sysctls_1_32(pod: Pod<'_>) -> Option<Violation> {
    sysctls_of(pod, 32)
}

fn sysctls_of(pod: Pod<'_>, version: u32) -> Option<Violation> {
    let safe = |known: &str| SYSCTLS.iter().any(|(since, name)| *since <= version && *name == known);
    let set = items(pod.context(), "sysctls").iter().map(name);
    let bad: Vec<&str> = set.filter(|name| !safe(name)).collect();
    if bad.is_empty() { None } else { violation("forbidden sysctls", bad.join(", ")) }
}

pub(super) fn windows_host_process(pod: Pod<'_>) -> Option<Violation> {
    let set = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let who = setters(set(pod.context()), &pod.bad(|container| set(context(container))))?;
    violation("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
