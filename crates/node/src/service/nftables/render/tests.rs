//! What the rules are, and the steps between them, case by case. It must never need nft.
use super::*;
use crate::service::table::servers;
use serde_json::{Value, json};

fn objects(name: &str, spec: Value, endpoints: &[&str]) -> (Value, Value) {
    let all: Vec<_> = endpoints.iter().map(|ip| json!({"addresses": [ip], "nodeName": "here"})).collect();
    let ports: Vec<Value> = spec["ports"].as_array().cloned().unwrap_or_default();
    let ports: Vec<_> =
        ports.iter().map(|port| json!({"name": port["name"], "port": 8080, "protocol": "TCP"})).collect();
    (
        json!({"metadata": {"namespace": "shop", "name": name}, "spec": spec}),
        json!({"addressType": "IPv4", "ports": ports, "endpoints": all,
            "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": name}}}),
    )
}

fn ruleset(objects: &[(Value, Value)]) -> Ruleset {
    let (services, slices): (Vec<_>, Vec<_>) = objects.iter().cloned().unzip();
    let place = Place { pod_range: Some("10.1.0.0/24".into()), bridge_is_seen: true };
    render(&servers(&services, &slices, "here"), &place)
}

fn verdicts(ruleset: &Ruleset, set: &str) -> Vec<(String, String)> {
    let all = ruleset.elements.iter().filter(|((name, _), _)| *name == set);
    all.map(|((_, key), verdict)| (key.clone(), verdict.chars().take_while(|c| *c != '-').collect())).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(key, verdict)| ((*key).to_owned(), (*verdict).to_owned())).collect()
}

#[test]
fn one_service_is_a_way_in_a_choice_and_a_way_out() {
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.1", "ports": [{"port": 80, "nodePort": 30080}]});
    let text = ruleset(&[objects("web", spec, &["10.1.0.1", "10.1.0.2"])]).whole("t");
    let name = "805b47b45a7b-shop/web__tcp_80";
    let name =
        text.split_once("add chain ip t anywhere-").map_or(name, |(_, rest)| rest.lines().next().unwrap_or(name));
    assert!(name.ends_with("-shop/web__tcp_80"), "{name}");
    assert!(text.starts_with("add table ip t\ndelete table ip t\nadd table ip t\n"));
    for line in [
        format!("add rule ip t anywhere-{name} numgen random mod 2 == 0 goto to-10.1.0.1-8080-{name}"),
        format!("add rule ip t anywhere-{name} goto to-10.1.0.2-8080-{name}"),
        format!("add rule ip t cluster-{name} ip saddr != 10.1.0.0/24 meta mark set meta mark or 0x4000"),
        format!("add rule ip t cluster-{name} goto anywhere-{name}"),
        format!("add rule ip t external-{name} meta mark set meta mark or 0x4000"),
        format!("add rule ip t to-10.1.0.1-8080-{name} ip saddr 10.1.0.1 meta mark set meta mark or 0x4000"),
        format!("add rule ip t to-10.1.0.1-8080-{name} meta l4proto tcp dnat to 10.1.0.1:8080"),
        format!("add element ip t servers {{ 10.96.0.1 . tcp . 80 : goto cluster-{name} }}"),
        format!("add element ip t node_ports {{ tcp . 30080 : goto external-{name} }}"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn without_endpoints_every_way_in_is_refused_and_without_local_ones_only_strangers_are_dropped() {
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.1", "externalIPs": ["192.0.2.7"],
        "ports": [{"port": 80, "nodePort": 30080}]});
    let none = ruleset(&[objects("web", spec.clone(), &[])]);
    assert_eq!(
        verdicts(&none, SERVERS),
        pairs(&[("10.96.0.1 . tcp . 80", "goto refuse"), ("192.0.2.7 . tcp . 80", "goto refuse")])
    );
    assert_eq!(verdicts(&none, NODE_PORTS), pairs(&[("tcp . 30080", "goto refuse")]));
    let mut local = spec;
    local["externalTrafficPolicy"] = "Local".into();
    local["internalTrafficPolicy"] = "Local".into();
    let (service, mut slice) = objects("web", local, &["10.1.0.1"]);
    slice["endpoints"][0]["nodeName"] = "there".into();
    let ruleset = ruleset(&[(service, slice)]);
    let rules = |kind: &str| {
        let found = ruleset.chains.iter().find(|(name, _)| name.starts_with(kind));
        found.map(|(_, chain)| chain.rules.clone()).unwrap_or_default()
    };
    assert_eq!(rules("cluster-").last().map(String::as_str), Some("drop"));
    let external = rules("external-");
    assert!(external[0].starts_with("ip saddr 10.1.0.0/24 goto anywhere-"), "{external:?}");
    assert!(external[1].starts_with("fib saddr type local meta mark set meta mark or 0x4000 goto anywhere-"));
    assert_eq!(external[2..], ["drop"]);
}

#[test]
fn few_are_chosen_among_by_rules_and_many_by_a_map() {
    let verdicts = |count: usize| (0..count).map(|index| format!("goto e{index}")).collect::<Vec<_>>();
    assert_eq!(choice(&verdicts(1)), ["goto e0"]);
    assert_eq!(
        choice(&verdicts(3)),
        ["numgen random mod 3 == 0 goto e0", "numgen random mod 2 == 0 goto e1", "goto e2"]
    );
    assert_eq!(choice(&verdicts(SERVICE_CHOICES_BY_RULE)).len(), SERVICE_CHOICES_BY_RULE);
    let many = choice(&verdicts(SERVICE_CHOICES_BY_RULE + 1));
    assert!(many.len() == 1 && many[0].starts_with("numgen random mod 33 vmap { 0 : goto e0, 1 : goto e1"), "{many:?}");
}

#[test]
fn nobody_takes_the_address_of_another() {
    let first = json!({"clusterIP": "10.96.0.9", "externalIPs": ["10.96.0.1"], "ports": [{"port": 80}, {"port": 81, "name": "more"}]});
    let second = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]});
    let ruleset = ruleset(&[objects("a", first, &["10.1.0.1"]), objects("b", second, &["10.1.0.2"])]);
    let keys: Vec<_> = verdicts(&ruleset, SERVERS).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["10.96.0.1 . tcp . 80", "10.96.0.9 . tcp . 80", "10.96.0.9 . tcp . 81"]);
    assert!(ruleset.elements[&(SERVERS, "10.96.0.1 . tcp . 80".to_owned())].contains("shop/b"));
}

#[test]
fn no_name_ends_a_word() {
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80, "name": "x }\nflush ruleset; \"#"}]});
    let text = ruleset(&[objects("evil { $name }", spec, &["10.1.0.1"])]).whole("t");
    assert!(!text.contains("flush ruleset") && !text.contains(['"', '$', '#']), "{text}");
    assert!(text.lines().all(|line| line.starts_with("add ") || line.starts_with("delete ")));
}

#[test]
fn a_step_touches_what_changed_and_no_more() {
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}], "sessionAffinity": "ClientIP"});
    let other = objects("other", json!({"clusterIP": "10.96.0.2", "ports": [{"port": 80}]}), &["10.1.0.9"]);
    let before = ruleset(&[objects("web", spec.clone(), &["10.1.0.1", "10.1.0.2"]), other.clone()]);
    let after = ruleset(&[objects("web", spec, &["10.1.0.2", "10.1.0.3"]), other.clone()]);
    assert_eq!(before.step(&before, "t"), "");
    let text = after.step(&before, "t");
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split_whitespace().take(5).collect::<Vec<_>>().join(" "))
            .map(|line| line.split("-8080").next().unwrap_or("").to_owned())
            .collect()
    };
    let found: Vec<_> = plain(&text).into_iter().filter(|line| !line.contains("anywhere")).collect();
    let expected = [
        "add set ip t clients-10800-10.1.0.3",
        "add chain ip t to-10.1.0.3",
        "flush chain ip t to-10.1.0.1",
        "add rule ip t to-10.1.0.3",
        "add rule ip t to-10.1.0.3",
        "add rule ip t to-10.1.0.3",
        "delete chain ip t to-10.1.0.1",
        "delete set ip t clients-10800-10.1.0.1",
    ];
    assert_eq!(found, expected, "{text}");
    assert!(!text.contains("shop/other"));
    // The last endpoint goes: the verdict changes, and the old one is taken away first.
    let none = ruleset(&[objects("web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}), &[]), other]);
    let text = none.step(&after, "t");
    assert!(text.starts_with("delete element ip t servers { 10.96.0.1 . tcp . 80 }\n"), "{text}");
    assert!(text.contains("\nadd element ip t servers { 10.96.0.1 . tcp . 80 : goto refuse }\n"), "{text}");
}
