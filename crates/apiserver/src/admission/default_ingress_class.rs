//! DefaultIngressClass: an Ingress that names no class gets the cluster's default. Of several defaults the newest wins.
use api::admission::request::{Operation, Plugin, Request, annotation};
use api::status::Status;
use serde_json::Value;
use std::cmp::Reverse;

pub const PLUGIN: Plugin = Plugin { name: "DefaultIngressClass", admit: Some(admit), validate: None };

const CLASSES: &str = "ingressclasses.networking.k8s.io";
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
/// How an Ingress named its class before it had a field for it.
const CLASS_BETA: &str = "kubernetes.io/ingress.class";

fn admit(request: &Request<'_>, ingress: &mut Value) -> Result<(), Status> {
    let named =
        !ingress["spec"]["ingressClassName"].is_null() || ingress["metadata"]["annotations"].get(CLASS_BETA).is_some();
    if !request.is(Operation::Create, "ingresses.networking.k8s.io") || !ingress["spec"].is_object() || named {
        return Ok(());
    }
    let classes = request.cluster.list(CLASSES, None);
    let defaults = classes.iter().filter(|class| annotation(&class.value(), DEFAULT) == "true");
    if let Some(class) = defaults.max_by_key(|class| (class.created, Reverse(class.key.name.clone()))) {
        ingress["spec"]["ingressClassName"] = (*class.key.name).into();
    }
    Ok(())
}
