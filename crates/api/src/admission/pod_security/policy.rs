//! The policies as a namespace's labels name them, and which checks each is made of: a level, as it was in some version of Kubernetes.
use super::baseline;
use super::restricted;
use super::words::{Pod, Violation};
use crate::status::Cause;
use serde_json::Value;

/// How strict a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// A level in a version: of 1.x the x, or whatever is newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub level: Level,
    pub version: Option<u32>,
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        })?;
        match self.version {
            Some(version) => write!(f, ":v1.{version}"),
            None => f.write_str(":latest"),
        }
    }
}

/// What a namespace says of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    pub enforce: Policy,
    pub audit: Policy,
    pub warn: Policy,
}

const PREFIX: &str = "pod-security.kubernetes.io/";

impl Policies {
    /// The policies that labels name, and what is wrong with the labels. Where one cannot be read the strictest is enforced.
    #[must_use]
    pub fn of(labels: &Value) -> (Self, Vec<Cause>) {
        let mut causes = Vec::new();
        let mut read = |mode: &str, otherwise: Level| {
            let label = format!("{PREFIX}{mode}");
            let level = match labels[&label].as_str() {
                None | Some("privileged") => Level::Privileged,
                Some("baseline") => Level::Baseline,
                Some("restricted") => Level::Restricted,
                Some(other) => {
                    causes.push(invalid(&label, other, "must be one of privileged, baseline, restricted"));
                    otherwise
                }
            };
            let label = format!("{label}-version");
            let version = match labels[&label].as_str() {
                None | Some("latest") => None,
                Some(text) => minor(text).or_else(|| {
                    causes.push(invalid(&label, text, "must be \"latest\" or \"v1.x\""));
                    None
                }),
            };
            Policy { level, version }
        };
        let enforce = read("enforce", Level::Restricted);
        let (audit, warn) = (read("audit", Level::Privileged), read("warn", Level::Privileged));
        (Self { enforce, audit, warn }, causes)
    }
}

/// The x of `v1.x`.
fn minor(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("v1.")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

fn invalid(label: &str, value: &str, why: &str) -> Cause {
    let (message, field) = (format!("Invalid value: {value:?}: {why}"), format!("metadata.labels[{label}]"));
    Cause { reason: "FieldValueInvalid", message, field }
}

type Check = fn(Pod<'_>) -> Option<Violation>;

/// The versions in which a check holds: from the first to before the second.
struct Row(u32, u32, Check);

const EVER: u32 = u32::MAX;

/// The checks of the baseline, ordered as they are told, and the version from which a stricter check of `restricted` takes their place.
const BASELINE: [(u32, &[Row]); 12] = [
    (EVER, &[Row(0, EVER, baseline::app_armor)]),
    (22, &[Row(0, EVER, baseline::capabilities)]),
    (EVER, &[Row(0, EVER, baseline::host_namespaces)]),
    (0, &[Row(0, EVER, baseline::host_path_volumes)]),
    (EVER, &[Row(0, EVER, baseline::host_ports)]),
    (EVER, &[Row(34, EVER, baseline::host_probes)]),
    (EVER, &[Row(0, EVER, baseline::privileged)]),
    (35, &[Row(0, 35, baseline::proc_mount), Row(35, EVER, baseline::proc_mount_of_host_users)]),
    (EVER, &[Row(0, 31, baseline::se_linux), Row(31, EVER, baseline::se_linux_1_31)]),
    (19, &[Row(0, 19, baseline::seccomp_annotations), Row(19, EVER, baseline::seccomp)]),
    (
        EVER,
        &[
            Row(0, 27, baseline::sysctls),
            Row(27, 29, baseline::sysctls_1_27),
            Row(29, 32, baseline::sysctls_1_29),
            Row(32, EVER, baseline::sysctls_1_32),
        ],
    ),
    (EVER, &[Row(0, EVER, baseline::windows_host_process)]),
];

/// What the restricted policy checks beside, in order.
const RESTRICTED: [&[Row]; 7] = [
    &[Row(8, 25, restricted::privilege_escalation), Row(25, EVER, restricted::privilege_escalation_1_25)],
    &[Row(22, 25, restricted::capabilities), Row(25, EVER, restricted::capabilities_1_25)],
    &[Row(35, EVER, baseline::proc_mount)],
    &[Row(0, EVER, restricted::volumes)],
    &[Row(0, 35, restricted::non_root), Row(35, EVER, restricted::non_root_1_35)],
    &[Row(23, 35, restricted::root_user), Row(35, EVER, restricted::root_user_1_35)],
    &[Row(19, 25, restricted::seccomp), Row(25, EVER, restricted::seccomp_1_25)],
];

/// Everything that a pod does against a policy.
#[must_use]
pub fn violations(policy: Policy, pod: Pod<'_>) -> Vec<Violation> {
    let version = policy.version.unwrap_or(EVER - 1);
    let restricted = policy.level == Level::Restricted;
    let base = BASELINE.iter().filter(|(replaced, _)| !(restricted && version >= *replaced)).map(|(_, rows)| *rows);
    let base = base.filter(|_| policy.level >= Level::Baseline);
    let more = RESTRICTED.iter().copied().filter(|_| restricted);
    let rows = base.chain(more).flatten().filter(|Row(from, before, _)| (*from..*before).contains(&version));
    rows.filter_map(|Row(_, _, check)| check(pod)).collect()
}
