//! What a client of the load asks, turn by turn. It sends nothing.
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

/// What each client does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// A new ConfigMap.
    Create,
    /// A ConfigMap of the client's own.
    Get,
    /// All ConfigMaps that are there (see --objects) in one answer.
    List,
    /// The first 500 of them.
    Page,
    /// Replaces a ConfigMap of the client's own.
    Update,
    /// A merge patch of it.
    Patch,
    /// A strategic merge patch of the status of a pod of the client's own.
    StatusPatch,
    /// A server-side apply of a pod of the client's own.
    Apply,
    /// Out of twenty: ten gets, one page, four patches, two updates, two creates, a delete.
    Mixed,
    /// Many watchers of one resource, and a bounded rate of changes: an operation is a delivered event.
    Watch,
}

/// Whose turn it is, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) client: usize,
    pub(crate) number: u64,
    /// Tells the names of one round from another's.
    pub(crate) salt: u64,
    /// Bytes of a ConfigMap's JSON.
    pub(crate) size: usize,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) content_type: &'static str,
}

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
/// JSON is YAML; every server that knows server-side apply takes it.
const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// kubectl's chunk.
const PAGE: usize = 500;
/// How many creates ago the object was made that a mixed load deletes: an even number, for creates come in pairs.
const MIXED_BEHIND: u64 = 20;

impl Operation {
    /// Every one, in the order in which they run by themselves.
    pub(crate) const ALL: [Self; 10] = [
        Self::Create,
        Self::Get,
        Self::List,
        Self::Page,
        Self::Update,
        Self::Patch,
        Self::StatusPatch,
        Self::Apply,
        Self::Mixed,
        Self::Watch,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether the objects of --objects are made before the load.
    pub(crate) const fn reads_many(self) -> bool {
        matches!(self, Self::List | Self::Page | Self::Mixed)
    }

    /// What must be there before the client's first turn.
    pub(crate) fn before(self, turn: &Turn<'_>) -> Option<Ask> {
        match self {
            Self::Get | Self::Update | Self::Patch | Self::Mixed => Some(create(turn, own(turn))),
            Self::StatusPatch | Self::Apply => Some(apply(turn)),
            Self::Create | Self::List | Self::Page | Self::Watch => None,
        }
    }

    /// The request of this turn.
    pub(crate) fn ask(self, turn: &Turn<'_>) -> Ask {
        let all = collection(turn.namespace);
        match self {
            Self::Create | Self::Watch => create(turn, fresh(turn, turn.number)),
            Self::Get => plain(Method::GET, format!("{all}/{}", own(turn))),
            Self::List => plain(Method::GET, all),
            Self::Page => plain(Method::GET, format!("{all}?limit={PAGE}")),
            Self::Update => {
                let body = config_map(&own(turn), turn.size, turn.number);
                with(Method::PUT, format!("{all}/{}", own(turn)), body, JSON)
            }
            Self::Patch => {
                let body = json!({"data": {"turn": stamp(turn)}}).to_string().into();
                with(Method::PATCH, format!("{all}/{}", own(turn)), body, MERGE_PATCH)
            }
            Self::StatusPatch => status_patch(turn),
            Self::Apply => apply(turn),
            Self::Mixed => mixed(turn),
        }
    }
}

fn mixed(turn: &Turn<'_>) -> Ask {
    let (round, step) = (turn.number / 20, turn.number % 20);
    match step {
        3 => Operation::Page.ask(turn),
        1 | 6 | 11 | 16 => Operation::Patch.ask(turn),
        8 | 18 => Operation::Update.ask(turn),
        4 | 14 => Operation::Create.ask(turn),
        // The first create of an earlier round; the second ones stay. Before there is one, a get.
        19 if round >= MIXED_BEHIND => {
            let name = fresh(turn, (round - MIXED_BEHIND) * 20 + 4);
            plain(Method::DELETE, format!("{}/{name}", collection(turn.namespace)))
        }
        _ => Operation::Get.ask(turn),
    }
}

/// What a kubelet sends: a condition and the address.
fn status_patch(turn: &Turn<'_>) -> Ask {
    let condition = json!({"type": "Ready", "status": "False", "reason": "Bench", "message": stamp(turn)});
    let body = json!({"status": {"conditions": [condition], "hostIP": "192.0.2.1"}}).to_string().into();
    with(Method::PATCH, format!("{}/{}/status", pods(turn.namespace), own(turn)), body, STRATEGIC_MERGE_PATCH)
}

/// What a controller sends: the whole of its intent.
fn apply(turn: &Turn<'_>) -> Ask {
    let path = format!("{}/{}?fieldManager=bench&force=true", pods(turn.namespace), own(turn));
    with(Method::PATCH, path, pod(&own(turn), &stamp(turn)).to_string().into(), APPLY_PATCH)
}

fn create(turn: &Turn<'_>, name: String) -> Ask {
    with(Method::POST, collection(turn.namespace), config_map(&name, turn.size, turn.number), JSON)
}

fn plain(method: Method, path: String) -> Ask {
    Ask { method, path, body: None, content_type: JSON }
}

const fn with(method: Method, path: String, body: Bytes, content_type: &'static str) -> Ask {
    Ask { method, path, body: Some(body), content_type }
}

fn own(turn: &Turn<'_>) -> String {
    format!("own-{}", turn.client)
}

fn fresh(turn: &Turn<'_>, number: u64) -> String {
    format!("c-{:x}-{number}", turn.salt)
}

/// Never the same twice, so that no write is one that changes nothing.
fn stamp(turn: &Turn<'_>) -> String {
    format!("{:x}-{}", turn.salt, turn.number)
}

/// The path of a namespace's ConfigMaps.
pub(crate) fn collection(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

fn pods(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// A ConfigMap whose JSON has about `size` bytes.
pub(crate) fn config_map(name: &str, size: usize, turn: u64) -> Bytes {
    let padding = "x".repeat(size.saturating_sub(110 + name.len()));
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"padding": padding, "turn": turn.to_string()}})
        .to_string()
        .into()
}

/// A pod of a usual size that is never scheduled: a gate holds it.
fn pod(name: &str, stamp: &str) -> Value {
    let http = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    let container = json!({
        "name": "main",
        "image": "registry.example/bench/main:1.0",
        "args": ["--listen", ":8080"],
        "env": [{"name": "ONE", "value": "1"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": http,
        "livenessProbe": http,
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench"}, "annotations": {"bench/turn": stamp}},
        "spec": {
            "schedulingGates": [{"name": "example.com/bench"}],
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixed_round_is_what_it_says() {
        let turn = |number| Turn { namespace: "n", client: 1, number, salt: 2, size: 1024 };
        let asks: Vec<Ask> = (2000..2020).map(|number| Operation::Mixed.ask(&turn(number))).collect();
        let many = |method: Method| asks.iter().filter(|ask| ask.method == method).count();
        let counts = [Method::GET, Method::PATCH, Method::PUT, Method::POST, Method::DELETE].map(many);
        assert_eq!(counts, [11, 4, 2, 2, 1]);
        let gone = asks.iter().find(|ask| ask.method == Method::DELETE).expect("a delete");
        let made = Operation::Mixed.ask(&turn(2000 - 20 * MIXED_BEHIND + 4)).body.expect("a body");
        let name = gone.path.rsplit('/').next().expect("a name");
        assert!(String::from_utf8_lossy(&made).contains(&format!("\"name\":\"{name}\"")), "{name} was made before");
    }

    #[test]
    fn a_config_map_has_its_size() {
        assert!((1000..1050).contains(&config_map("c-1234-567", 1024, 8).len()));
        assert!(Operation::ALL.iter().all(|operation| !operation.name().is_empty()));
    }
}
