//! Claims and volumes that are deleted stay while somebody uses them: a claim while a pod that has a node names it, a volume while it is
//! bound. Admission holds each by a finalizer (StorageObjectInUseProtection); here it is taken off.
use crate::controller::Controller;
use crate::fields::{list, text};
use crate::writes::drop_finalizer;
use api::admission::storage_object_in_use_protection::{CLAIM, VOLUME};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use serde_json::Value;
use store::view::View;

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

/// Keys are claims and volumes on their way out.
pub(crate) const CONTROLLER: Controller = Controller { name: "storage_protection", keys, all, decide };

fn going(object: &Object) -> bool {
    object.facet.deleting.is_some() && object.facet.finalizers
}

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    match &*object.key.resource {
        CLAIMS | VOLUMES if event.act != Act::Deleted && going(object) => vec![object.key.clone()],
        // Only when a pod is gone may its claims go.
        "pods" if event.act == Act::Deleted && view.count(CLAIMS, Some(&object.key.namespace)) > 0 => {
            let pod = object.value();
            let claims = claims(&pod).map(|claim| Key::new(CLAIMS, &object.key.namespace, claim));
            claims.filter(|key| view.get_key(key).is_some_and(|claim| going(claim))).collect()
        }
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    let objects = view.list(CLAIMS, None).chain(view.list(VOLUMES, None));
    objects.filter(|object| going(object)).map(|object| object.key.clone()).collect()
}

/// The claims that a pod's volumes name.
fn claims(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = list(pod, "/spec/volumes").iter().map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    volumes.filter(|claim| !claim.is_empty())
}

fn used(view: &View, claim: &Key) -> bool {
    let pods = view.list("pods", Some(&claim.namespace));
    // A pod without a node never starts with a claim that is going.
    let mut placed = pods.filter(|pod| pod.facet.field("spec.nodeName").is_some_and(|node| !node.is_empty()));
    placed.any(|pod| claims(&pod.value()).any(|name| name == &*claim.name))
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| going(object)) else { return Decision::idle() };
    let value = object.value();
    let (finalizer, used) = match &*key.resource {
        CLAIMS => (CLAIM, used(view, key)),
        _ => (VOLUME, text(&value, "/status/phase") == "Bound"),
    };
    if used || !list(&value, "/metadata/finalizers").iter().any(|held| held == finalizer) {
        return Decision::idle();
    }
    Decision::one(drop_finalizer(object, finalizer).into_iter().collect(), "nobody uses it any more")
}
