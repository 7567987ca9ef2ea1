//! PersistentVolumeClaimResize: a claim grows only when it is bound and its class says that it may.
use api::admission::request::{Notes, Operation, Plugin, Request, annotation, text};
use api::quantity::Quantity;
use api::status::Status;
use serde_json::Value;

pub const PLUGIN: Plugin = Plugin { name: "PersistentVolumeClaimResize", admit: None, validate: Some(validate) };

const CLASSES: &str = "storageclasses.storage.k8s.io";
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

fn size(claim: &Value) -> Quantity {
    let text = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap_or_default();
    Quantity::parse(text).unwrap_or(Quantity::ZERO)
}

fn class(claim: &Value) -> &str {
    let older = annotation(claim, CLASS_BETA);
    if older.is_empty() { text(&claim["spec"], "storageClassName") } else { older }
}

fn validate(request: &Request<'_>, claim: &Value, _: &mut Notes) -> Result<(), Status> {
    let Some(old) = request.old.filter(|_| request.is(Operation::Update, "persistentvolumeclaims")) else {
        return Ok(());
    };
    if !size(claim).exceeds(&size(old)) {
        return Ok(());
    }
    if old["status"]["phase"] != "Bound" {
        return Err(request.forbidden(claim, "only bound persistent volume claims can be expanded"));
    }
    let found = request.cluster.get(CLASSES, "", class(claim)).map(|class| class.value());
    let grows = found.is_some_and(|class| class["allowVolumeExpansion"] == true);
    if grows && class(claim) == class(old) {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    Err(request.forbidden(claim, why))
}
