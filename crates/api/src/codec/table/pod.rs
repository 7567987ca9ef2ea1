//! What a pod's row says: readiness, the one word for its state, restarts. The rules are those of kubectl's printers.
use crate::age;
use crate::revision::Millis;
use serde_json::Value;

/// The three columns, computed together for they look at the same containers.
pub(super) struct Row {
    pub(super) ready: String,
    pub(super) status: String,
    pub(super) restarts: String,
}

struct Count {
    ready: usize,
    restarts: i64,
    last: Option<Millis>,
}

impl Count {
    fn restarted(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_i64().unwrap_or(0);
        let finished = status["lastState"]["terminated"]["finishedAt"].as_str().and_then(Millis::parse);
        self.last = self.last.max(finished);
    }
}

pub(super) fn row(pod: &Value, now: Millis) -> Row {
    let (spec, state) = (&pod["spec"], &pod["status"]);
    let restartable = |name: &Value| {
        list(&spec["initContainers"]).iter().any(|init| init["name"] == *name && init["restartPolicy"] == "Always")
    };
    let total = list(&spec["containers"]).len()
        + list(&spec["initContainers"]).iter().filter(|init| init["restartPolicy"] == "Always").count();
    let mut reason = text(&state["reason"]).unwrap_or_else(|| text(&state["phase"]).unwrap_or_default());
    let gated = |condition: &Value| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated";
    if list(&state["conditions"]).iter().any(gated) {
        reason = "SchedulingGated".into();
    }
    let mut count = Count { ready: 0, restarts: 0, last: None };
    let mut beside = Count { ready: 0, restarts: 0, last: None };
    let mut initializing = false;
    for (at, status) in list(&state["initContainerStatuses"]).iter().enumerate() {
        count.restarted(status);
        let sidecar = restartable(&status["name"]);
        if sidecar {
            beside.restarted(status);
        }
        let (terminated, waiting) = (&status["state"]["terminated"], &status["state"]["waiting"]);
        if terminated["exitCode"] == 0 && terminated.is_object() {
            continue;
        }
        if sidecar && status["started"] == true {
            beside.ready += usize::from(status["ready"] == true);
            continue;
        }
        let total = list(&spec["initContainers"]).len();
        reason = match (ended(terminated), text(&waiting["reason"])) {
            (Some(ended), _) => format!("Init:{ended}"),
            (None, Some(why)) if why != "PodInitializing" => format!("Init:{why}"),
            _ => format!("Init:{at}/{total}"),
        };
        initializing = true;
        break;
    }
    count.ready = beside.ready;
    if !initializing || holds(state, "Initialized") {
        count = beside;
        let mut running = false;
        for status in list(&state["containerStatuses"]).iter().rev() {
            count.restarted(status);
            let (terminated, waiting) = (&status["state"]["terminated"], &status["state"]["waiting"]);
            if let Some(why) = text(&waiting["reason"]).or_else(|| ended(terminated)) {
                reason = why;
            } else if status["ready"] == true && status["state"]["running"].is_object() {
                running = true;
                count.ready += 1;
            }
        }
        if reason == "Completed" && running {
            reason = if holds(state, "Ready") { "Running".into() } else { "NotReady".into() };
        }
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let terminal = state["phase"] == "Succeeded" || state["phase"] == "Failed";
        if state["reason"] == "NodeLost" {
            reason = "Unknown".into();
        } else if !terminal {
            reason = "Terminating".into();
        }
    }
    let restarts = match count.last {
        Some(last) if count.restarts > 0 => format!("{} ({} ago)", count.restarts, age::since(last, now)),
        _ => count.restarts.to_string(),
    };
    Row { ready: format!("{}/{total}", count.ready), status: reason, restarts }
}

/// Why a container ended, if it did.
fn ended(terminated: &Value) -> Option<String> {
    terminated.as_object()?;
    text(&terminated["reason"]).or_else(|| {
        let signal = terminated["signal"].as_i64().unwrap_or(0);
        let code = terminated["exitCode"].as_i64().unwrap_or(0);
        Some(if signal != 0 { format!("Signal:{signal}") } else { format!("ExitCode:{code}") })
    })
}

fn holds(state: &Value, kind: &str) -> bool {
    list(&state["conditions"]).iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
