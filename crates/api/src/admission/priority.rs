//! Priority: a pod's priority is that of its PriorityClass, or of the default one; there is one default, and names and values of the system
//! are the system's.
use super::request::{Notes, Operation, Plugin, Request, text};
use crate::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "Priority", admit: Some(admit), validate: Some(validate) };

const CLASSES: &str = "priorityclasses.scheduling.k8s.io";

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    if !request.about("pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    match request.operation {
        Operation::Create => prioritize(request, pod),
        // A client that knows no such field keeps what the pod has.
        Operation::Update => {
            for member in ["priority", "preemptionPolicy"] {
                let had = request.old.and_then(|old| old["spec"].get(member)).filter(|had| !had.is_null());
                if let Some(had) = had.filter(|_| pod["spec"][member].is_null()) {
                    pod["spec"][member] = had.clone();
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn prioritize(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    let name = text(&pod["spec"], "priorityClassName").to_owned();
    let class = if name.is_empty() {
        default_class(request)
    } else {
        let why = format!("no PriorityClass with name {name} was found");
        let found = request.cluster.get(CLASSES, "", &name).map(|class| class.value());
        Some(found.ok_or_else(|| request.forbidden(pod, &why))?)
    };
    let computed = class.as_ref().and_then(|class| class["value"].as_i64()).unwrap_or(0);
    let asked = &pod["spec"]["priority"];
    if asked.as_i64().is_some_and(|asked| asked != computed) {
        let why = format!(
            "the integer value of priority ({asked}) must not be provided in pod spec; priority admission controller computed {computed} from the given PriorityClass name"
        );
        return Err(request.forbidden(pod, &why));
    }
    let policy = class.as_ref().map(|class| text(class, "preemptionPolicy")).filter(|policy| !policy.is_empty());
    let policy = policy.unwrap_or("PreemptLowerPriority");
    let asked = text(&pod["spec"], "preemptionPolicy");
    if !asked.is_empty() && asked != policy {
        let why = format!(
            "the string value of PreemptionPolicy ({asked}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        );
        return Err(request.forbidden(pod, &why));
    }
    if let Some(class) = class.as_ref().filter(|_| name.is_empty()) {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = computed.into();
    pod["spec"]["preemptionPolicy"] = policy.into();
    Ok(())
}

/// If two became the default in a race, the one of the lower value is.
fn default_class(request: &Request<'_>) -> Option<Value> {
    let classes = request.cluster.list(CLASSES, None).into_iter().map(|class| class.value());
    classes.filter(|class| class["globalDefault"] == true).min_by_key(|class| class["value"].as_i64().unwrap_or(0))
}

fn validate(request: &Request<'_>, class: &Value, _: &mut Notes) -> Result<(), Status> {
    let changes = matches!(request.operation, Operation::Create | Operation::Update);
    if !request.about(CLASSES) || !changes || class["globalDefault"] != true {
        return Ok(());
    }
    let name = text(&class["metadata"], "name");
    match default_class(request).map(|other| other["metadata"]["name"].clone()) {
        Some(other) if request.operation == Operation::Create || other != json!(name) => {
            let other = other.as_str().unwrap_or_default();
            let why = format!("PriorityClass {other} is already marked as default. Only one default can exist");
            Err(request.forbidden(class, &why))
        }
        _ => Ok(()),
    }
}
