//! CertificateSigningRequest: what is asked for, who may say what of it. It signs nothing and reads no key.
use super::words::{all, at, items, one_of, text, texts};
use crate::base64;
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// A certificate lives at least so many seconds.
const SECONDS_MIN: i64 = 600;
/// Conditions that are true or not there.
const DECISIONS: [&str; 3] = ["Approved", "Denied", "Failed"];

pub(super) fn request(value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    let asked = text(spec, "request");
    let pem = base64::decode(asked).unwrap_or_default();
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE REQUEST-----") {
        problems.invalid("spec.request", &spec["request"], "PEM block type must be CERTIFICATE REQUEST");
    }
    let usages = texts(spec, "usages");
    if usages.is_empty() {
        problems.required("spec.usages", "");
    }
    for (place, usage) in usages.iter().enumerate() {
        one_of(&format!("spec.usages[{place}]"), usage, &USAGES, problems);
    }
    let mut seen = BTreeSet::new();
    for (place, usage) in usages.iter().enumerate() {
        if !seen.insert(*usage) {
            problems.duplicate(format!("spec.usages[{place}]"), &(*usage).into());
        }
    }
    let signer = text(spec, "signerName");
    if signer == LEGACY_SIGNER {
        let why = "the legacy signerName is not allowed via this API version";
        problems.invalid_text("spec.signerName", signer, why);
    } else {
        self::signer(signer, "spec.signerName", problems);
    }
    let seconds = &spec["expirationSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds < SECONDS_MIN) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        problems.invalid("spec.expirationSeconds", seconds, why);
    }
    conditions(&value["status"], problems);
}

fn signer(own: &str, path: &str, problems: &mut Problems) {
    if own.is_empty() {
        problems.required(path, "");
        return;
    }
    let [domain, rest] = own.split('/').collect::<Vec<_>>()[..] else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        problems.invalid_text(path, own, why);
        return;
    };
    if let Some((label, whys)) =
        domain.split('.').map(|label| (label, name::label(label))).find(|(_, whys)| !whys.is_empty())
    {
        let whys = whys.into_iter().map(|why| format!("validating label {label:?}: {why}"));
        all(path, domain, whys.collect(), problems);
    }
    if !domain.contains('.') {
        problems.invalid_text(path, domain, "should be a domain with at least two segments separated by dots");
    }
    if let Some((label, whys)) =
        rest.split('.').map(|label| (label, name::subdomain(label))).find(|(_, whys)| !whys.is_empty())
    {
        let whys = whys.into_iter().map(|why| format!("validating label {label:?}: {why}"));
        all(path, rest, whys.collect(), problems);
    }
}

fn conditions(status: &Value, problems: &mut Problems) {
    let (mut seen, field) = (BTreeSet::new(), "status.conditions");
    for (place, condition) in items(status, "conditions").iter().enumerate() {
        let (path, kind) = (format!("{field}[{place}]"), text(condition, "type"));
        if kind.is_empty() {
            problems.required(at(&path, "type"), "");
        }
        let allowed: &[&str] = if DECISIONS.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        match text(condition, "status") {
            "" => problems.required(at(&path, "status"), ""),
            found => one_of(&at(&path, "status"), found, allowed, problems),
        }
        let other = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if seen.contains(other) {
            let why = "Approved and Denied conditions are mutually exclusive";
            problems.invalid_text(at(&path, "type"), kind, why);
        }
        if !seen.insert(kind) {
            problems.duplicate(at(&path, "type"), &condition["type"]);
        }
    }
}

/// What was decided stays, and only `/approval` decides; only `/status` brings the certificate, once.
pub(super) fn change(old: &Value, new: &Value, subresource: &str, problems: &mut Problems) {
    let (before, after) = (&old["status"], &new["status"]);
    let of = |status: &Value, kind: &str| -> Vec<Value> {
        items(status, "conditions").iter().filter(|condition| condition["type"] == kind).cloned().collect()
    };
    for kind in DECISIONS {
        if of(after, kind).len() < of(before, kind).len() {
            let why = format!("updates may not remove a condition of type {kind:?}");
            problems.forbidden("status.conditions", &why);
        }
    }
    if subresource != "approval" {
        for kind in ["Approved", "Denied"] {
            let (before, after) = (of(before, kind), of(after, kind));
            if after.len() > before.len() {
                let why = format!("updates may not add a condition of type {kind:?}");
                problems.forbidden("status.conditions", &why);
            } else if after.len() == before.len() && after != before {
                let why = format!("updates may not modify a condition of type {kind:?}");
                problems.forbidden("status.conditions", &why);
            }
        }
    }
    if before["conditions"] != after["conditions"] {
        conditions(after, problems);
    }
    if before["certificate"] != after["certificate"] {
        if subresource != "status" {
            problems.forbidden("status.certificate", "updates may not set certificate content");
        } else if !text(before, "certificate").is_empty() {
            problems.forbidden("status.certificate", "updates may not modify existing certificate content");
        } else {
            certificate(text(after, "certificate"), problems);
        }
    }
}

fn certificate(encoded: &str, problems: &mut Problems) {
    let pem = base64::decode(encoded).unwrap_or_default();
    let pem = String::from_utf8_lossy(&pem);
    let mut blocks = pem.match_indices("-----BEGIN ").map(|(start, begin)| {
        let rest = &pem[start + begin.len()..];
        rest.split("-----").next().unwrap_or_default().to_owned()
    });
    let (mut any, mut other) = (false, None);
    for block in &mut blocks {
        any = true;
        if block != "CERTIFICATE" {
            other = other.or(Some(block));
        }
    }
    let why = match other {
        Some(block) => format!("only CERTIFICATE PEM blocks are allowed, found {block:?}"),
        None if !any => "must contain at least one CERTIFICATE PEM block".to_owned(),
        None => return,
    };
    problems.invalid_text("status.certificate", "<certificate data>", &why);
}
