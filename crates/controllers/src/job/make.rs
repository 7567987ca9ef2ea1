//! A new pod of a Job: its template with the finalizer by which it is counted and, in an Indexed Job, its index.
use super::indexes::INDEX;
use super::own;
use super::per_index::Tries;
use crate::fields::{at, list, set};
use crate::owners::controller_reference;
use crate::pods::{free_name, from_template};
use api::object::Object;
use serde_json::{Value, json};
use store::view::View;

/// The longest stem of a generated name.
const STEM: usize = 58;

/// The pod with this index and what was tried at it, if it has one; `count` numbers the names drawn in one decision.
///
/// # Errors
/// Why admission does not let it in.
pub(super) fn pod(
    view: &View,
    job: &Object,
    value: &Value,
    index: Option<(usize, Option<Tries>)>,
    count: &mut u64,
) -> Result<(String, Value), String> {
    let mut template = at(value, "/spec/template").clone();
    own::track(&mut template);
    let name = &*job.key.name;
    let stem = index.map_or_else(|| format!("{name}-"), |(index, _)| indexed(&mut template, name, index));
    if let Some((_, Some(tries))) = index {
        tries.write(&mut template);
    }
    let namespace = &*job.key.namespace;
    let own = free_name(view, "pods", namespace, &stem, job.uid, count);
    let owner = controller_reference("batch/v1", "Job", job);
    let pod = from_template(view, &template, namespace, &own, &stem, &format!("{name}-"), owner)?;
    Ok((own, pod))
}

/// Writes the index into the template; gives what the pod's name begins with.
fn indexed(template: &mut Value, job: &str, index: usize) -> String {
    let shown = index.to_string();
    for member in ["annotations", "labels"] {
        set(template, &["metadata", member, INDEX], &*shown);
    }
    if at(template, "/spec/hostname").is_null() {
        set(template, &["spec", "hostname"], format!("{}-{shown}", head(job, 63 - shown.len() - 1)));
    }
    for member in ["initContainers", "containers"] {
        let mut containers = list(template, &format!("/spec/{member}")).to_vec();
        for container in &mut containers {
            let mut env = list(container, "/env").to_vec();
            if !env.iter().any(|variable| variable["name"] == "JOB_COMPLETION_INDEX") {
                let from =
                    json!({"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.annotations['{INDEX}']")}});
                env.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": from}));
            }
            set(container, &["env"], env);
        }
        if !containers.is_empty() {
            set(template, &["spec", member], containers);
        }
    }
    format!("{}-{shown}-", head(job, STEM - shown.len() - 2))
}

/// The first bytes of a name, which is ASCII.
fn head(name: &str, most: usize) -> &str {
    name.get(..most).unwrap_or(name)
}
