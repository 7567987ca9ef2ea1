//! Tables over the environment. They touch nothing outside the function.
use super::*;
use serde_json::json;

fn made(spec: Value, container: Value) -> Result<Vec<(String, String)>, String> {
    let mut pod =
        json!({"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "x"}}, "spec": spec});
    pod["spec"]["containers"] = json!([container]);
    let pod = Pod::read(&pod)?;
    let sources = Sources {
        config_maps: [("m".into(), json!({"kind": "ConfigMap", "data": {"a": "1", "b": "2"}}))].into(),
        secrets: [("s".into(), json!({"kind": "Secret", "data": {"k": "aGk="}}))].into(),
        services: vec![
            json!({"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "sql", "port": 5432}]}}),
        ],
        node_name: "n1".into(),
        host_ip: "192.0.2.1".into(),
        pod_ips: vec!["10.244.200.5".into()],
        tokens: BTreeMap::new(),
        cpu_milli: 2_000,
        memory_bytes: 1 << 30,
    };
    make(&pod, &pod.spec.containers[0], &sources)
}

#[test]
fn every_reference() {
    let env = json!([
        {"name": "A", "value": "x"},
        {"name": "B", "value": "$(A)-$(MY_DB_SERVICE_HOST)-$(NONE)-$$(A)"},
        {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "a"}}},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "O", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": true}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]);
    let all: BTreeMap<_, _> = made(
        json!({}),
        json!({"name": "c", "env": env, "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
        "resources": {"limits": {"memory": "100M"}}}),
    )
    .expect("made")
    .into_iter()
    .collect();
    let table = [
        ("A", "x"),
        ("B", "x-10.96.0.7-$(NONE)-$(A)"),
        ("M", "1"),
        ("S", "hi"),
        ("P_b", "2"),
        ("IP", "10.244.200.5"),
        ("L", "x"),
        ("CPU", "2"),
        ("MEM", "96"),
        ("MY_DB_SERVICE_PORT_SQL", "5432"),
        ("MY_DB_PORT", "tcp://10.96.0.7:5432"),
        ("MY_DB_PORT_5432_TCP_ADDR", "10.96.0.7"),
    ];
    for (name, value) in table {
        assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!all.contains_key("O"));
}

#[test]
fn what_is_missing_is_said() {
    let table = [
        (
            json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "a"}}}]),
            "configmap \"none\" not found",
        ),
        (
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "z"}}}]),
            "couldn't find key z in secret d/s",
        ),
        (json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.secrets"}}}]), "unsupported fieldPath"),
        (json!([{"name": "A", "valueFrom": {}}]), "names no source"),
    ];
    for (env, words) in table {
        let why = made(json!({}), json!({"name": "c", "env": env})).expect_err("missing");
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn later_variables_win_and_links_can_be_refused() {
    let all = made(
        json!({"enableServiceLinks": false}),
        json!({"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]}),
    );
    assert_eq!(all, Ok(vec![("A".to_owned(), "12".to_owned())]));
}

#[test]
fn dollars_never_break_expansion() {
    let known = BTreeMap::from([("A".to_owned(), "ä".to_owned())]);
    for (text, expected) in
        [("$", "$"), ("$(", "$("), ("$()", "$()"), ("$(A)$(A", "ä$(A"), ("$$$(A)", "$ä"), ("ü$ü", "ü$ü")]
    {
        assert_eq!(expand(text, &known), expected);
    }
}
