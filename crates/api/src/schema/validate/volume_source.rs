//! What a volume is made of, in pods and in PersistentVolumes. It never asks whether what a source names is there.
use super::environment;
use super::words::{all, at, demanded, driver_name, items, known, number, text};
use crate::field::Problems;
use crate::name;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every source, in the order in which Kubernetes looks for them, and what it must say.
const SOURCES: [(&str, &[&str]); 30] = [
    ("emptyDir", &[]),
    ("hostPath", &["path"]),
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("secret", &["secretName"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("flocker", &[]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &[]),
    ("quobyte", &["registry", "volume"]),
    ("downwardAPI", &[]),
    ("fc", &[]),
    ("flexVolume", &["driver"]),
    ("configMap", &["name"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("storageos", &[]),
    ("projected", &[]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("csi", &[]),
    ("ephemeral", &[]),
    ("image", &[]),
];
const HOST_PATHS: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
const MODE_RANGE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Whether a member of a volume is what it is made of.
pub(super) fn is(member: &str) -> bool {
    member == "local" || SOURCES.iter().any(|(source, _)| *source == member)
}

/// A volume of a pod: one source, and what it must say.
pub(super) fn pod(volume: &Value, path: &str, problems: &mut Problems) {
    let mut found = 0;
    for (source, needed) in SOURCES.iter().filter(|(source, _)| volume[*source].is_object()) {
        found += 1;
        if found > 1 {
            problems.forbidden(at(path, source), "may not specify more than 1 volume type");
            continue;
        }
        one(source, &volume[*source], needed, &at(path, source), problems);
    }
    if found == 0 {
        problems.required(path, "must specify a volume type");
    }
}

fn one(kind: &str, source: &Value, needed: &[&str], path: &str, problems: &mut Problems) {
    for member in needed {
        demanded(source, member, path, problems);
    }
    match kind {
        "emptyDir" => {
            let limit = text(source, "sizeLimit");
            if Quantity::parse(limit).is_ok_and(|limit| limit.is_negative()) {
                let why = "SizeLimit field must be a valid resource quantity";
                problems.forbidden(at(path, "sizeLimit"), why);
            }
        }
        "hostPath" => {
            no_steps_back(text(source, "path"), &at(path, "path"), problems);
            known(source, "type", path, &HOST_PATHS, problems);
        }
        "gitRepo" => below(text(source, "directory"), &at(path, "directory"), problems),
        "nfs" => {
            let own = text(source, "path");
            if !own.is_empty() && !own.starts_with('/') {
                problems.invalid_text(at(path, "path"), own, "must be an absolute path");
            }
        }
        "gcePersistentDisk" | "awsElasticBlockStore" => {
            let partition = number(source, "partition");
            if !(0..=255).contains(&partition) {
                let why = "must be between 0 and 255, inclusive";
                problems.invalid(at(path, "partition"), &partition.into(), why);
            }
        }
        "rbd" | "cephfs" => {
            if items(source, "monitors").is_empty() {
                problems.required(at(path, "monitors"), "");
            }
        }
        "secret" | "configMap" | "downwardAPI" => files(kind, source, path, problems),
        "projected" => projected(source, path, problems),
        "ephemeral" => {
            if source["volumeClaimTemplate"].is_null() {
                problems.required(at(path, "volumeClaimTemplate"), "");
            }
        }
        "csi" => driver_name(text(source, "driver"), &at(path, "driver"), problems),
        "image" => known(source, "pullPolicy", path, &["Always", "IfNotPresent", "Never"], problems),
        _ => {}
    }
}

fn mode(value: &Value, path: String, problems: &mut Problems) {
    if value.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        problems.invalid(path, value, MODE_RANGE);
    }
}

/// A source whose items become files.
fn files(kind: &str, source: &Value, path: &str, problems: &mut Problems) {
    mode(&source["defaultMode"], at(path, "defaultMode"), problems);
    for (place, item) in items(source, "items").iter().enumerate() {
        let path = format!("{path}.items[{place}]");
        if kind == "downwardAPI" {
            downward(item, &path, problems);
        } else {
            demanded(item, "key", &path, problems);
            file(text(item, "path"), &at(&path, "path"), problems);
        }
        mode(&item["mode"], at(&path, "mode"), problems);
    }
}

fn downward(item: &Value, path: &str, problems: &mut Problems) {
    file(text(item, "path"), &at(path, "path"), problems);
    let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
    if field.is_object() {
        environment::file_field(field, &at(path, "fieldRef"), problems);
        if resource.is_object() {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            problems.invalid_text(path, "resource", why);
        }
    } else if resource.is_object() {
        if text(resource, "containerName").is_empty() {
            problems.required(at(&at(path, "resourceFieldRef"), "containerName"), "");
        } else {
            environment::amount(resource, &at(path, "resourceFieldRef"), problems);
        }
    } else {
        problems.required(path, "one of fieldRef and resourceFieldRef is required");
    }
}

fn projected(source: &Value, path: &str, problems: &mut Problems) {
    mode(&source["defaultMode"], at(path, "defaultMode"), problems);
    let mut paths = BTreeSet::new();
    for (place, part) in items(source, "sources").iter().enumerate() {
        let path = format!("{path}.sources[{place}]");
        let kinds = ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"];
        for (nth, kind) in kinds.into_iter().filter(|kind| part[*kind].is_object()).enumerate() {
            let (inner, path) = (&part[kind], at(&path, kind));
            if nth > 0 {
                problems.forbidden(path, "may not specify more than 1 volume type");
                continue;
            }
            match kind {
                "serviceAccountToken" => token(inner, &path, problems),
                "clusterTrustBundle" => file(text(inner, "path"), &at(&path, "path"), problems),
                _ => {
                    if kind != "downwardAPI" {
                        demanded(inner, "name", &path, problems);
                    }
                    files(kind, inner, &path, problems);
                }
            }
            let own = std::iter::once(inner).chain(items(inner, "items")).map(|item| text(item, "path"));
            for own in own.filter(|own| !own.is_empty()) {
                if !paths.insert(own) {
                    let why = "conflicting duplicate paths";
                    problems.invalid_text(path.as_str(), own, why);
                }
            }
        }
    }
}

fn token(token: &Value, path: &str, problems: &mut Problems) {
    let seconds = &token["expirationSeconds"];
    let field = at(path, "expirationSeconds");
    match seconds.as_i64() {
        Some(short) if short < 600 => {
            problems.invalid(field, seconds, "may not specify a duration less than 10 minutes");
        }
        Some(long) if long > 1 << 32 => {
            problems.invalid(field, seconds, "may not specify a duration larger than 2^32 seconds");
        }
        _ => {}
    }
    file(text(token, "path"), &at(path, "path"), problems);
}

/// A path that stays below the volume it is in.
fn file(file: &str, path: &str, problems: &mut Problems) {
    if file.is_empty() {
        problems.required(path, "");
    } else if file.starts_with("..") && !file.starts_with("../") && file != ".." {
        problems.invalid_text(path, file, "must not start with '..'");
    } else {
        below(file, path, problems);
    }
}

/// A relative path that does not climb.
pub(super) fn below(file: &str, path: &str, problems: &mut Problems) {
    if file.starts_with('/') {
        problems.invalid_text(path, file, "must be a relative path");
    }
    no_steps_back(file, path, problems);
}

fn no_steps_back(file: &str, path: &str, problems: &mut Problems) {
    if file.split('/').any(|part| part == "..") {
        problems.invalid_text(path, file, "must not contain '..'");
    }
}

/// The source of a PersistentVolume, whose members stand beside the rest of its spec.
pub(super) fn persistent(spec: &Value, path: &str, problems: &mut Problems) {
    let mut found = 0;
    let durable = |source: &str| {
        !matches!(
            source,
            "emptyDir"
                | "gitRepo"
                | "secret"
                | "persistentVolumeClaim"
                | "downwardAPI"
                | "configMap"
                | "projected"
                | "ephemeral"
                | "image"
        )
    };
    for (source, needed) in SOURCES.iter().filter(|(source, _)| durable(source) && spec[*source].is_object()) {
        found += 1;
        if found > 1 {
            problems.forbidden(at(path, source), "may not specify more than 1 volume type");
            continue;
        }
        one(source, &spec[*source], needed, &at(path, source), problems);
        if *source == "csi" {
            demanded(&spec["csi"], "volumeHandle", &at(path, "csi"), problems);
        }
    }
    let local = &spec["local"];
    if local.is_object() {
        found += 1;
        if found > 1 {
            problems.forbidden(at(path, "local"), "may not specify more than 1 volume type");
        }
        let own = demanded(local, "path", &at(path, "local"), problems);
        no_steps_back(own, &format!("{path}.local.path"), problems);
        if spec["nodeAffinity"].is_null() {
            problems.required(at(path, "nodeAffinity"), "Local volume requires node affinity");
        }
    }
    if found == 0 {
        problems.required(path, "must specify a volume type");
    }
    if spec["hostPath"]["path"] == "/" && spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        let why = "may not be 'recycle' for a hostPath mount of '/'";
        problems.forbidden(at(path, "persistentVolumeReclaimPolicy"), why);
    }
}

/// The names of a pod's volumes, which are its own.
pub(super) fn names<'a>(spec: &'a Value, path: &str, problems: &mut Problems) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (place, volume) in items(spec, "volumes").iter().enumerate() {
        let (path, own) = (format!("{path}.volumes[{place}]"), text(volume, "name"));
        if own.is_empty() {
            problems.required(at(&path, "name"), "");
        } else {
            all(&at(&path, "name"), own, name::label(own), problems);
            if !names.insert(own) {
                problems.duplicate(at(&path, "name"), &volume["name"]);
            }
        }
        pod(volume, &path, problems);
    }
    names
}
