//! One cell of a built-in kind: a path, or one of the few computed ones. Anything missing is `<none>` or empty, never an error.
use super::pod;
use crate::age;
use crate::jsonpath;
use crate::revision::Millis;
use serde_json::Value;

/// Items shown of a long list, as kubectl does.
const SHOWN_MAX: usize = 3;

pub(super) fn cell(source: &str, integer: bool, value: &Value, now: Millis) -> Value {
    let Some(computed) = source.strip_prefix('@') else {
        let (path, missing) = source.split_once('|').unwrap_or((source, ""));
        let found = jsonpath::first(path, value);
        if integer {
            return found.and_then(Value::as_i64).unwrap_or(0).into();
        }
        return found.and_then(text).unwrap_or_else(|| missing.to_owned()).into();
    };
    let mut words = computed.split(' ');
    let name = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    let argument = arguments.first().copied().unwrap_or_default();
    let found = |path: &str| jsonpath::first(path, value).unwrap_or(&Value::Null);
    if name == "count" {
        let size = |path: &&str| {
            found(path).as_array().map_or_else(|| found(path).as_object().map_or(0, serde_json::Map::len), Vec::len)
        };
        return arguments.iter().map(size).sum::<usize>().into();
    }
    let shown = match name {
        "age" => since(&value["metadata"]["creationTimestamp"], now),
        "since" if found(argument).is_null() => "<none>".into(),
        "since" => since(found(argument), now),
        "names" => joined(list(found(argument)).iter().filter_map(|item| text(&item["name"])), ""),
        "images" => joined(list(found(argument)).iter().filter_map(|item| text(&item["image"])), ""),
        "pairs" => pairs(found(argument)),
        "selector" => selector(found(argument)),
        "join" => joined(list(found(argument)).iter().filter_map(text), "<none>"),
        "flag" => found(argument).as_bool().map_or_else(|| "false".into(), |flag| flag.to_string()),
        "ratio" => {
            let number = |path: Option<&&str>| path.and_then(|path| found(path).as_i64()).unwrap_or(0);
            format!("{}/{}", number(arguments.first()), number(arguments.get(1)))
        }
        "condition" => condition(value, argument)
            .and_then(|condition| text(&condition["status"]))
            .unwrap_or_else(|| "Unknown".into()),
        "modes" => joined(list(found(argument)).iter().filter_map(Value::as_str).map(mode), ""),
        "phase" if !value["metadata"]["deletionTimestamp"].is_null() => "Terminating".into(),
        "phase" => text(&value["status"]["phase"]).unwrap_or_default(),
        "addresses" => joined(
            list(found(argument)).iter().filter_map(|item| text(&item["ip"]).or_else(|| text(&item["hostname"]))),
            "",
        ),
        _ => return of_kind(name, argument, value, now).into(),
    };
    shown.into()
}

/// The cells that only one kind has.
fn of_kind(name: &str, argument: &str, value: &Value, now: Millis) -> String {
    let (spec, status) = (&value["spec"], &value["status"]);
    match name {
        "pod_ready" => pod::row(value, now).ready,
        "pod_status" => pod::row(value, now).status,
        "pod_restarts" => pod::row(value, now).restarts,
        "pod_gates" => gates(value),
        "job_status" => job_status(value),
        "job_completions" => job_completions(value),
        "job_duration" => job_duration(status, now),
        "service_external" => service_external(value),
        "service_ports" => joined(list(&spec["ports"]).iter().map(service_port), "<none>"),
        "ingress_hosts" => joined(list(&spec["rules"]).iter().filter_map(|rule| text(&rule["host"])), "*"),
        "ingress_ports" => if list(&spec["tls"]).is_empty() { "80" } else { "80, 443" }.into(),
        "endpoints" => endpoints(value),
        "node_status" => node_status(value),
        "node_roles" => node_roles(value),
        "node_address" => {
            let address = list(&status["addresses"]).iter().find(|address| address["type"] == argument);
            address.and_then(|address| text(&address["address"])).unwrap_or_else(|| "<none>".into())
        }
        "event_last" | "event_first" => event_time(value, name == "event_last", now),
        "event_object" => {
            let object = &value["involvedObject"];
            let kind = text(&object["kind"]).unwrap_or_default().to_lowercase();
            text(&object["name"]).map_or_else(|| kind.clone(), |name| format!("{kind}/{name}"))
        }
        "event_source" => event_source(value),
        "event_count" => {
            let count = value["series"]["count"].as_i64().or_else(|| value["count"].as_i64()).unwrap_or(1);
            count.max(1).to_string()
        }
        "claim" => {
            let claim = &spec["claimRef"];
            text(&claim["name"])
                .map_or_else(String::new, |name| format!("{}/{name}", text(&claim["namespace"]).unwrap_or_default()))
        }
        "role" => {
            let role = &value["roleRef"];
            format!("{}/{}", text(&role["kind"]).unwrap_or_default(), text(&role["name"]).unwrap_or_default())
        }
        "subjects" => subjects(value, argument),
        "csr_condition" => csr_condition(value),
        "controller" => controller(value),
        "quota" => quota(value, argument),
        "slice_ports" => first_few(
            list(&value["ports"]).iter().map(|port| text(&port["port"]).unwrap_or_else(|| "*".into())),
            "<unset>",
        ),
        "slice_endpoints" => {
            let addresses = list(&value["endpoints"])
                .iter()
                .flat_map(|endpoint| list(&endpoint["addresses"]).iter().filter_map(text));
            first_few(addresses, "<unset>")
        }
        "hpa_reference" => {
            let target = &spec["scaleTargetRef"];
            format!("{}/{}", text(&target["kind"]).unwrap_or_default(), text(&target["name"]).unwrap_or_default())
        }
        "hpa_targets" => hpa_targets(value),
        _ => String::new(),
    }
}

/// How long ago a stamp was.
pub fn since(stamp: &Value, now: Millis) -> String {
    stamp.as_str().and_then(Millis::parse).map_or_else(|| "<unknown>".into(), |then| age::since(then, now))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn joined(items: impl Iterator<Item = impl Into<String>>, none: &str) -> String {
    let items: Vec<String> = items.map(Into::into).collect();
    if items.is_empty() { none.into() } else { items.join(",") }
}

fn first_few(items: impl Iterator<Item = String>, none: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.len() > SHOWN_MAX {
        return format!("{} + {} more...", items[..SHOWN_MAX].join(","), items.len() - SHOWN_MAX);
    }
    joined(items.into_iter(), none)
}

fn pairs(map: &Value) -> String {
    let members = map.as_object().into_iter().flatten();
    joined(members.map(|(key, value)| format!("{key}={}", text(value).unwrap_or_default())), "<none>")
}

/// A LabelSelector as one would type it.
fn selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut parts: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", text(value).unwrap_or_default())).collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"]).unwrap_or_default();
        let values = joined(list(&expression["values"]).iter().filter_map(text), "");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("Exists") => key,
            _ => format!("!{key}"),
        });
    }
    joined(parts.into_iter(), "<none>")
}

fn mode(mode: &str) -> &str {
    match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }
}

fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&value["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

fn holds(value: &Value, kind: &str) -> bool {
    condition(value, kind).is_some_and(|condition| condition["status"] == "True")
}

fn gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates.iter().filter_map(|gate| gate["conditionType"].as_str()).filter(|kind| holds(pod, kind)).count();
    format!("{open}/{}", gates.len())
}

fn job_status(job: &Value) -> String {
    let ended = [("Complete", "Complete"), ("Failed", "Failed")].into_iter().find(|(kind, _)| holds(job, kind));
    match ended {
        Some((_, word)) => word.into(),
        None if !job["metadata"]["deletionTimestamp"].is_null() => "Terminating".into(),
        None if holds(job, "Suspended") => "Suspended".into(),
        None if holds(job, "FailureTarget") => "FailureTarget".into(),
        None if holds(job, "SuccessCriteriaMet") => "SuccessCriteriaMet".into(),
        None => "Running".into(),
    }
}

fn job_completions(job: &Value) -> String {
    let done = job["status"]["succeeded"].as_i64().unwrap_or(0);
    match (job["spec"]["completions"].as_i64(), job["spec"]["parallelism"].as_i64().unwrap_or(0)) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, many) if many > 1 => format!("{done}/1 of {many}"),
        (None, _) => format!("{done}/1"),
    }
}

fn job_duration(status: &Value, now: Millis) -> String {
    let Some(start) = status["startTime"].as_str().and_then(Millis::parse) else { return String::new() };
    let end = status["completionTime"].as_str().and_then(Millis::parse).unwrap_or(now);
    age::between(end.0.saturating_sub(start.0))
}

fn service_external(service: &Value) -> String {
    let spec = &service["spec"];
    let external: Vec<String> = list(&spec["externalIPs"]).iter().filter_map(text).collect();
    match spec["type"].as_str() {
        Some("ExternalName") => text(&spec["externalName"]).unwrap_or_default(),
        Some("LoadBalancer") => {
            let ingress = list(&service["status"]["loadBalancer"]["ingress"]).iter();
            let own = ingress.filter_map(|point| text(&point["ip"]).or_else(|| text(&point["hostname"])));
            joined(own.chain(external), "<pending>")
        }
        _ => joined(external.into_iter(), "<none>"),
    }
}

fn service_port(port: &Value) -> String {
    let number = text(&port["port"]).unwrap_or_default();
    let protocol = text(&port["protocol"]).unwrap_or_else(|| "TCP".into());
    match port["nodePort"].as_i64() {
        Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

fn endpoints(value: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(&value["subsets"]) {
        let addresses = list(&subset["addresses"]).iter().filter_map(|address| text(&address["ip"]));
        for address in addresses {
            let ports = list(&subset["ports"]);
            if ports.is_empty() {
                all.push(address.clone());
            }
            all.extend(ports.iter().map(|port| format!("{address}:{}", text(&port["port"]).unwrap_or_default())));
        }
    }
    first_few(all.into_iter(), "<none>")
}

fn node_status(node: &Value) -> String {
    let ready = match condition(node, "Ready").map(|condition| condition["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    };
    if node["spec"]["unschedulable"] == true { format!("{ready},SchedulingDisabled") } else { ready.into() }
}

fn node_roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()).filter(|role| !role.is_empty()),
        None if key == "kubernetes.io/role" => text(value),
        None => None,
    };
    joined(labels.filter_map(role), "<none>")
}

fn event_time(event: &Value, last: bool, now: Millis) -> String {
    let stamp = |name: &str| Some(&event[name]).filter(|stamp| stamp.is_string());
    let first = stamp("firstTimestamp").or_else(|| stamp("eventTime"));
    let newest =
        Some(&event["series"]["lastObservedTime"]).filter(|stamp| stamp.is_string()).or_else(|| stamp("lastTimestamp"));
    let found = if last { newest.or(first) } else { first };
    since(found.unwrap_or(&Value::Null), now)
}

fn event_source(event: &Value) -> String {
    let component =
        text(&event["source"]["component"]).or_else(|| text(&event["reportingComponent"])).unwrap_or_default();
    let host = text(&event["source"]["host"]).or_else(|| text(&event["reportingInstance"]));
    host.map_or_else(|| component.clone(), |host| format!("{component}, {host}"))
}

fn subjects(binding: &Value, kind: &str) -> String {
    let found = list(&binding["subjects"]).iter().filter(|subject| subject["kind"] == kind);
    let name = |subject: &Value| {
        let name = text(&subject["name"]).unwrap_or_default();
        if kind == "ServiceAccount" {
            format!("{}/{name}", text(&subject["namespace"]).unwrap_or_default())
        } else {
            name
        }
    };
    found.map(name).collect::<Vec<_>>().join(", ")
}

fn csr_condition(request: &Value) -> String {
    let mut words: Vec<&str> = Vec::new();
    for kind in ["Approved", "Denied", "Failed"] {
        if condition(request, kind).is_some() {
            words.push(kind);
        }
    }
    if request["status"]["certificate"].as_str().is_some_and(|text| !text.is_empty()) {
        words.push("Issued");
    }
    joined(words.into_iter(), "Pending")
}

fn controller(value: &Value) -> String {
    let owner = list(&value["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true);
    let Some(owner) = owner else { return "<none>".into() };
    let kind = text(&owner["kind"]).unwrap_or_default().to_lowercase();
    let group = owner["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let name = text(&owner["name"]).unwrap_or_default();
    if group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{group}/{name}") }
}

/// `cpu: 1/2`, requests and everything else in one column, limits in the other.
fn quota(value: &Value, column: &str) -> String {
    let hard = value["status"]["hard"].as_object().into_iter().flatten();
    let own = hard.filter(|(name, _)| name.starts_with("limits.") == (column == "limits"));
    let used = &value["status"]["used"];
    let shown = own.map(|(name, most)| {
        let have = text(&used[name.as_str()]).unwrap_or_else(|| "0".into());
        format!("{name}: {have}/{}", text(most).unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn hpa_targets(value: &Value) -> String {
    let current = list(&value["status"]["currentMetrics"]);
    let shown = list(&value["spec"]["metrics"]).iter().enumerate().map(|(at, metric)| {
        let wanted = metric["resource"]["target"]["averageUtilization"].as_i64();
        let have = current.get(at).and_then(|now| now["resource"]["current"]["averageUtilization"].as_i64());
        let name = text(&metric["resource"]["name"]).unwrap_or_default();
        let percent =
            |number: Option<i64>| number.map_or_else(|| "<unknown>".to_owned(), |number| format!("{number}%"));
        format!("{name}: {}/{}", percent(have), percent(wanted))
    });
    joined(shown, "<none>").replace(',', ", ")
}
