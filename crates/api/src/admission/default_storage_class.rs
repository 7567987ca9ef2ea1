//! DefaultStorageClass: a claim that names no class, not even none, gets the cluster's default. Of several defaults the newest wins.
use super::request::{Operation, Plugin, Request, annotation};
use crate::status::Status;
use serde_json::Value;

pub const PLUGIN: Plugin = Plugin { name: "DefaultStorageClass", admit: Some(admit), validate: None };

const CLASSES: &str = "storageclasses.storage.k8s.io";
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
const DEFAULT_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

fn admit(request: &Request<'_>, claim: &mut Value) -> Result<(), Status> {
    let named =
        !claim["spec"]["storageClassName"].is_null() || claim["metadata"]["annotations"].get(CLASS_BETA).is_some();
    if !request.is(Operation::Create, "persistentvolumeclaims") || !claim["spec"].is_object() || named {
        return Ok(());
    }
    let mut best: Option<(crate::revision::Millis, std::cmp::Reverse<String>)> = None;
    for class in request.cluster.list(CLASSES, None) {
        let value = class.value();
        if annotation(&value, DEFAULT) == "true" || annotation(&value, DEFAULT_BETA) == "true" {
            best = best.max(Some((class.created, std::cmp::Reverse(class.key.name.to_string()))));
        }
    }
    if let Some((_, std::cmp::Reverse(name))) = best {
        claim["spec"]["storageClassName"] = name.into();
    }
    Ok(())
}
