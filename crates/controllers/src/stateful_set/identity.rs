//! Who a StatefulSet's pod is: its name, ordinal, labels, host name and revision. It decides nothing about when one is made.
use crate::fields::{set, text};
use crate::owners::controller_reference;
use crate::pods::from_template;
use crate::revisions::Keeper;
use api::object::Object;
use serde_json::Value;
use store::view::View;

/// The resource and kind of the sets themselves.
pub(super) const RESOURCE: &str = "statefulsets.apps";
pub(super) const KIND: &str = "StatefulSet";
/// How its revisions are kept.
pub(super) static KEEPER: Keeper = Keeper { kind: KIND, hash: "controller.kubernetes.io/hash", counts_used: false };
const NAME: &str = "statefulset.kubernetes.io/pod-name";
const INDEX: &str = "apps.kubernetes.io/pod-index";
pub(super) const REVISION: &str = "controller-revision-hash";
/// What a label's value may have.
pub(super) const LABEL_BYTES_MAX: usize = 63;

/// The set and the ordinal in a pod's name.
pub(super) fn parse(name: &str) -> Option<(&str, u64)> {
    let (set, digits) = name.rsplit_once('-')?;
    let ordinal: u64 = digits.parse().ok()?;
    (ordinal.to_string() == digits && !set.is_empty()).then_some((set, ordinal))
}

pub(super) fn name(owner: &Object, ordinal: u64) -> String {
    format!("{}-{ordinal}", owner.key.name)
}

/// The name of the revision that a pod was made of; empty if it says none.
pub(super) fn revision(pod: &Object) -> &str {
    pod.facet.label(REVISION).unwrap_or("")
}

/// The pod of this ordinal, made of `template`, without the volumes of its claims.
///
/// # Errors
/// Why admission does not let it in.
pub(super) fn pod(
    view: &View,
    owner: &Object,
    value: &Value,
    template: &Value,
    ordinal: u64,
    revision: &str,
) -> Result<Value, String> {
    let (name, stem) = (name(owner, ordinal), format!("{}-", owner.key.name));
    let reference = controller_reference("apps/v1", KIND, owner);
    let mut pod = from_template(view, template, &owner.key.namespace, &name, &stem, &name, reference)?;
    for (label, of) in [(NAME, &*name), (INDEX, &*ordinal.to_string()), (REVISION, revision)] {
        set(&mut pod, &["metadata", "labels", label], of);
    }
    set(&mut pod, &["spec", "hostname"], name);
    let service = text(value, "/spec/serviceName");
    if !service.is_empty() {
        set(&mut pod, &["spec", "subdomain"], service);
    }
    Ok(pod)
}

/// The pod with the labels by which Services find it; `None` if it has them.
pub(super) fn repaired(pod: &Object, ordinal: u64) -> Option<Value> {
    let index = ordinal.to_string();
    if pod.facet.label(NAME) == Some(&*pod.key.name) && pod.facet.label(INDEX) == Some(&*index) {
        return None;
    }
    let mut value = pod.value();
    set(&mut value, &["metadata", "labels", NAME], &*pod.key.name);
    set(&mut value, &["metadata", "labels", INDEX], index);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_are_read_as_they_are_made() {
        for (name, want) in [
            ("web-0", Some(("web", 0))),
            ("a-b-12", Some(("a-b", 12))),
            ("web-01", None),
            ("web-", None),
            ("web", None),
            ("-1", None),
            ("web-+1", None),
            ("web-99999999999999999999999", None),
        ] {
            assert_eq!(parse(name), want, "{name}");
        }
    }
}
