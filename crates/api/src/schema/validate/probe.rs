//! Probes and hooks of containers. It asks no container anything.
use super::words::{all, at, demanded, items, known, not_negative, number, port_number, text};
use crate::field::Problems;
use crate::name;
use serde_json::Value;

/// In the order in which Kubernetes looks for them.
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
pub(super) const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// The hooks and probes of a container that has them.
pub(super) fn all_of(container: &Value, path: &str, problems: &mut Problems) {
    for hook in ["postStart", "preStop"] {
        let (own, path) = (&container["lifecycle"][hook], format!("{path}.lifecycle.{hook}"));
        if own.is_object() {
            handler(own, &path, problems);
        }
    }
    for kind in PROBES {
        let (probe, path) = (&container[kind], at(path, kind));
        if probe.is_object() {
            self::probe(kind, probe, &path, problems);
        }
    }
}

fn probe(kind: &str, probe: &Value, path: &str, problems: &mut Problems) {
    handler(probe, path, problems);
    let counts = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    not_negative(probe, path, &counts, problems);
    let grace = &probe["terminationGracePeriodSeconds"];
    if grace.as_i64().is_some_and(|seconds| seconds <= 0) {
        problems.invalid(at(path, "terminationGracePeriodSeconds"), grace, "must be greater than 0");
    }
    if kind == "readinessProbe" {
        if grace.is_number() {
            let why = "must not be set for readinessProbes";
            problems.invalid(at(path, "terminationGracePeriodSeconds"), grace, why);
        }
    } else if number(probe, "successThreshold") != 1 {
        problems.invalid(at(path, "successThreshold"), &probe["successThreshold"], "must be 1");
    }
}

fn handler(owner: &Value, path: &str, problems: &mut Problems) {
    let mut found = HANDLERS.into_iter().chain(["sleep"]).filter(|handler| owner[*handler].is_object());
    let Some(first) = found.next() else {
        problems.required(path, "must specify a handler type");
        return;
    };
    for other in found {
        problems.forbidden(at(path, other), "may not specify more than 1 handler type");
    }
    let (handler, path) = (&owner[first], at(path, first));
    match first {
        "exec" => {
            if items(handler, "command").is_empty() {
                problems.required(at(&path, "command"), "");
            }
        }
        "httpGet" => {
            demanded(handler, "path", &path, problems);
            port(&handler["port"], &at(&path, "port"), problems);
            known(handler, "scheme", &path, &["HTTP", "HTTPS"], problems);
            for (place, header) in items(handler, "httpHeaders").iter().enumerate() {
                let own = text(header, "name");
                if own.is_empty() || !own.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', \
                               regex used for validation is '[-A-Za-z0-9]+')";
                    problems.invalid_text(format!("{path}.httpHeaders[{place}].name"), own, why);
                }
            }
        }
        "tcpSocket" => port(&handler["port"], &at(&path, "port"), problems),
        "grpc" => port_number(&handler["port"], at(&path, "port"), problems),
        _ => {
            let seconds = number(handler, "seconds");
            if seconds < 0 {
                let why = "must be non-negative and less than terminationGracePeriodSeconds";
                problems.invalid(path, &seconds.into(), why);
            }
        }
    }
}

/// A port by number or by name.
fn port(port: &Value, path: &str, problems: &mut Problems) {
    match port.as_str() {
        Some(own) => all(path, own, name::port(own), problems),
        None => port_number(port, path, problems),
    }
}
