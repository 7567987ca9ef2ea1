//! What each kind's writers may not say of it, as Kubernetes' registry strategies have it (pkg/registry): it is put back or made,
//! silently, before anything is judged. It refuses nothing and asks nobody.
use crate::call::Call;
use crate::draft;
use crate::identity::User;
use crate::template_generation;
use api::revision::Millis;
use serde_json::{Map, Value, json};

/// What a new object gets beside what its author said.
pub fn create(call: &Call, value: &mut Value) {
    template_generation::begin(call, value);
    if is(call, "certificates.k8s.io", "CertificateSigningRequest") {
        requester(&call.user, value);
    }
    if is(call, "", "Pod") && value["spec"]["terminationGracePeriodSeconds"].as_i64().is_some_and(|grace| grace < 0) {
        value["spec"]["terminationGracePeriodSeconds"] = 1.into();
    }
}

/// Who asks for a certificate is who asks, whatever the request says.
fn requester(user: &User, value: &mut Value) {
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for member in ["username", "uid", "groups", "extra"] {
        spec.remove(member);
    }
    spec.insert("username".into(), (*user.name).into());
    if !user.uid.is_empty() {
        spec.insert("uid".into(), (*user.uid).into());
    }
    let list = |texts: &[Box<str>]| Value::from_iter(texts.iter().map(|text| &**text));
    if !user.groups.is_empty() {
        spec.insert("groups".into(), list(&user.groups));
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter().map(|(key, values)| (key.to_string(), list(values)));
        spec.insert("extra".into(), Value::Object(extra.collect()));
    }
}

/// What an update of the object itself leaves as it was.
pub fn update(call: &Call, old: &Value, new: &mut Value) {
    template_generation::keep(call, old, new);
    if is(call, "certificates.k8s.io", "CertificateSigningRequest") {
        keep(old, new, "spec");
    }
    if is(call, "", "Service") {
        if let Some(spec) = new.get_mut("spec") {
            service(&old["spec"], spec);
        }
    }
}

/// What only one type of Service has goes with the type, if it was not asked for anew.
fn service(old: &Value, new: &mut Value) {
    let inside = |spec: &Value| spec["type"] != "ExternalName";
    let unsaid = |value: &Value| value.as_str().is_none_or(str::is_empty);
    if inside(old)
        && !inside(new)
        && old["clusterIPs"] == new["clusterIPs"]
        && (old["clusterIP"] == new["clusterIP"] || unsaid(&new["clusterIP"]))
        && let Some(spec) = new.as_object_mut()
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    let outside = |spec: &Value| {
        matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"))
            || spec["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty())
    };
    let balanced = |spec: &Value| spec["type"] == "LoadBalancer";
    let local = |spec: &Value| balanced(spec) && spec["externalTrafficPolicy"] == "Local";
    let rules: [(&str, &dyn Fn(&Value) -> bool); 6] = [
        ("ipFamilies", &inside),
        ("ipFamilyPolicy", &inside),
        ("healthCheckNodePort", &local),
        ("externalTrafficPolicy", &outside),
        ("allocateLoadBalancerNodePorts", &balanced),
        ("loadBalancerClass", &balanced),
    ];
    for (member, needs) in rules {
        if needs(old) && !needs(new) && old[member] == new[member] {
            if let Some(spec) = new.as_object_mut() {
                spec.remove(member);
            }
        }
    }
}

/// What `/status` leaves as it was, or completes.
pub fn status(call: &Call, old: &Value, new: &mut Value) {
    template_generation::keep(call, old, new);
    if is(call, "", "Pod") {
        let given = |value: &Value| value["status"]["qosClass"].as_str().is_some_and(|class| !class.is_empty());
        if !given(new)
            && given(old)
            && let Some(status) = new.get_mut("status").and_then(Value::as_object_mut)
        {
            put(status, "qosClass", old["status"].get("qosClass"));
        }
    }
    if is(call, "certificates.k8s.io", "CertificateSigningRequest") {
        decided(old, new);
        stamp(old, new);
    }
}

/// What was decided is as it was: only `/approval` decides.
fn decided(old: &Value, new: &mut Value) {
    let of = |value: &Value, kind: &str| -> Vec<Value> {
        value["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|condition| condition["type"] == kind)
            .cloned()
            .collect()
    };
    for kind in ["Approved", "Denied"] {
        let mut had = of(old, kind).into_iter();
        let have = conditions(new).into_iter().flatten();
        for condition in have.filter(|condition| condition["type"] == kind) {
            if let Some(was) = had.next() {
                *condition = was;
            }
        }
    }
}

fn conditions(value: &mut Value) -> Option<&mut Vec<Value>> {
    value.pointer_mut("/status/conditions").and_then(Value::as_array_mut)
}

/// The times of conditions that have none.
fn stamp(old: &Value, new: &mut Value) {
    let now: Value = Millis(rt::wall()).rfc3339().to_string().into();
    let known = old["status"]["conditions"].clone();
    for condition in conditions(new).into_iter().flatten().filter(|condition| condition.is_object()) {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = now.clone();
        }
        if condition["lastTransitionTime"].is_null() {
            let same = known.as_array().into_iter().flatten().find(|was| {
                was["type"] == condition["type"]
                    && was["status"] == condition["status"]
                    && !was["lastTransitionTime"].is_null()
            });
            condition["lastTransitionTime"] = same.map_or_else(|| now.clone(), |was| was["lastTransitionTime"].clone());
        }
    }
}

/// The object as a smaller subresource may change it.
#[must_use]
pub fn narrowed(subresource: &str, old: &Value, wanted: &Value) -> Value {
    match subresource {
        "finalize" => with(old, wanted, "spec", "finalizers"),
        "ephemeralcontainers" => with(old, wanted, "spec", "ephemeralContainers"),
        "approval" => {
            let mut new = with(old, wanted, "status", "conditions");
            stamp(old, &mut new);
            draft::take_meta(&mut new, wanted, &["annotations", "labels"]);
            new
        }
        "resize" => resized(old, wanted),
        _ => old.clone(),
    }
}

fn with(old: &Value, wanted: &Value, parent: &str, member: &str) -> Value {
    let mut new = old.clone();
    let Some(object) = new.as_object_mut() else { return new };
    let parent_value = object.entry(parent).or_insert_with(|| json!({}));
    if let Some(members) = parent_value.as_object_mut() {
        put(members, member, wanted[parent].get(member));
    }
    new
}

fn put(members: &mut Map<String, Value>, member: &str, value: Option<&Value>) {
    match value.filter(|value| !value.is_null()) {
        Some(value) => drop(members.insert(member.into(), value.clone())),
        None => drop(members.remove(member)),
    }
}

/// Of containers that stand where they stood, what they are given. Others are for validation to refuse.
fn resized(old: &Value, wanted: &Value) -> Value {
    let mut new = old.clone();
    for list in ["containers", "initContainers"] {
        let names = |value: &Value| -> Vec<Value> {
            value["spec"][list].as_array().into_iter().flatten().map(|container| container["name"].clone()).collect()
        };
        if names(old) != names(wanted) {
            if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
                put(spec, list, wanted["spec"].get(list));
            }
            continue;
        }
        let asked = wanted["spec"][list].as_array().into_iter().flatten();
        let own = new.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for (container, asked) in own.into_iter().flatten().zip(asked) {
            if let Some(members) = container.as_object_mut() {
                put(members, "resources", asked.get("resources"));
                put(members, "resizePolicy", asked.get("resizePolicy"));
            }
        }
    }
    new
}

fn keep(old: &Value, new: &mut Value, member: &str) {
    if let Some(members) = new.as_object_mut() {
        put(members, member, old.get(member));
    }
}

fn is(call: &Call, group: &str, kind: &str) -> bool {
    (&*call.kind.group, &*call.kind.kind) == (group, kind)
}
