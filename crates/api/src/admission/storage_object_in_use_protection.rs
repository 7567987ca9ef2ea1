//! StorageObjectInUseProtection: claims and volumes are held by a finalizer, which a controller takes off when nobody uses them.
use super::request::{Operation, Plugin, Request, items};
use crate::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "StorageObjectInUseProtection", admit: Some(admit), validate: None };

/// Holds a claim that a pod uses.
pub const CLAIM: &str = "kubernetes.io/pvc-protection";
/// Holds a volume that is bound to a claim.
pub const VOLUME: &str = "kubernetes.io/pv-protection";

fn admit(request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
    let finalizer = match &*request.kind.resource {
        "persistentvolumeclaims" => CLAIM,
        "persistentvolumes" => VOLUME,
        _ => return Ok(()),
    };
    if request.operation != Operation::Create || !request.subresource.is_empty() {
        return Ok(());
    }
    let mut finalizers = items(&object["metadata"], "finalizers").to_vec();
    if !finalizers.iter().any(|known| known == finalizer) {
        finalizers.push(finalizer.into());
        object["metadata"]["finalizers"] = json!(finalizers);
    }
    Ok(())
}
