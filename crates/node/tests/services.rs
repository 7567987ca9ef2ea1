//! The exam of services on a worker: real requests through virtual addresses and node ports to real listeners, in network
//! namespaces made for it. It needs root, nft and ip; without them only what needs no root is examined. It leaves nothing.
mod lab;

use lab::{Lab, answers, ask_tcp, ask_udp, count};
use node::service::Services as _;
use node::service::userspace::Userspace;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const CLUSTER: &str = "10.96.0.10";

fn service(name: &str, spec: Value) -> Value {
    json!({"metadata": {"namespace": "exam", "name": name}, "spec": spec})
}

/// Endpoints as `(address, node)`, all ready.
fn slice(name: &str, endpoints: &[(&str, &str)]) -> Value {
    let all: Vec<_> = endpoints.iter().map(|(ip, node)| json!({"addresses": [ip], "nodeName": node})).collect();
    json!({"addressType": "IPv4", "endpoints": all,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 5353, "protocol": "UDP"}],
        "metadata": {"namespace": "exam", "name": name, "labels": {"kubernetes.io/service-name": name}}})
}

fn spec(address: &str, extra: Value) -> Value {
    let mut spec = json!({"type": "NodePort", "clusterIP": address, "ports": [
        {"name": "http", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 53, "nodePort": 30053, "protocol": "UDP"}]});
    for (key, value) in extra.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn connections_are_spread_over_the_endpoints_and_follow_them() {
    let Some(lab) = Lab::open(3) else { return };
    let services = [service("web", spec(CLUSTER, json!({})))];
    let [one, two, three] = [0, 1, 2].map(|index| lab.pod(index));
    let all = [slice("web", &[(&one, "here"), (&two, "here"), (&three, "here")])];
    lab.apply(&services, &all);
    // From a pod, through the cluster address: spread, and seen as who it is.
    let found = answers(60, || lab.in_pod(0, || ask_tcp(CLUSTER, 80)));
    assert!(found.len() == 3 && found.values().all(|times| *times >= 6), "{found:?}");
    let found = answers(30, || lab.in_pod(0, || ask_udp(CLUSTER, 53)));
    assert!(found.len() == 3, "{found:?}");
    let seen = lab.in_pod(1, || count(40, || ask_tcp(CLUSTER, 80).map(|answer| answer.1)));
    assert!(
        seen.contains_key(&two) && seen.contains_key("10.244.201.1") && seen.len() == 2,
        "others see the pod, itself sees the gateway: {seen:?}"
    );
    // From the node itself, and from a stranger through the node port.
    let found = answers(40, || lab.in_node(|| ask_tcp(CLUSTER, 80)));
    assert_eq!(found.len(), 3, "{found:?}");
    let found = answers(60, || lab.outside(|| ask_tcp(lab::NODE, 30080)));
    assert!(found.len() == 3 && found.values().all(|times| *times >= 6), "{found:?}");
    let found = answers(30, || lab.outside(|| ask_udp(lab::NODE, 30053)));
    assert_eq!(found.len(), 3, "{found:?}");
    let found = answers(30, || lab.in_pod(2, || ask_tcp(lab::NODE, 30080)));
    assert_eq!(found.len(), 3, "{found:?}");
    // Other endpoints: nobody is led to the old ones, not even a flow that was already there.
    lab.apply(&services, &[slice("web", &[(&two, "here")])]);
    let socket = lab.in_pod(0, || lab::udp(CLUSTER, 53));
    assert_eq!(lab::again(&socket).map(|answer| answer.0), Ok("pod-1".into()));
    let mut draining = slice("web", &[(&two, "here"), (&three, "here")]);
    draining["endpoints"][0]["conditions"] = json!({"ready": false, "serving": true, "terminating": true});
    lab.apply(&services, &[draining.clone()]);
    assert_eq!(answers(20, || lab.in_pod(0, || ask_tcp(CLUSTER, 80))).into_keys().collect::<Vec<_>>(), ["pod-2"]);
    if lab::has("conntrack") {
        assert_eq!(lab::again(&socket).map(|answer| answer.0), Ok("pod-2".into()));
    }
    // Of those that are ready none is left: the one that is going still answers.
    draining["endpoints"][1]["conditions"] = json!({"ready": false, "serving": false});
    lab.apply(&services, &[draining]);
    assert_eq!(answers(10, || lab.outside(|| ask_tcp(lab::NODE, 30080))).into_keys().collect::<Vec<_>>(), ["pod-1"]);
}

#[test]
fn where_nobody_answers_it_is_said_at_once() {
    let Some(lab) = Lab::open(1) else { return };
    let one = lab.pod(0);
    let services = [service("web", spec(CLUSTER, json!({"externalIPs": ["192.0.2.77"]})))];
    lab.apply(&services, &[]);
    let refused =
        |what: &str, answer: Result<(String, String), String>| assert_eq!(answer, Err("refused".into()), "{what}");
    let start = rt::now();
    refused("tcp from a pod", lab.in_pod(0, || ask_tcp(CLUSTER, 80)));
    refused("tcp from the node", lab.in_node(|| ask_tcp(CLUSTER, 80)));
    refused("tcp from outside", lab.outside(|| ask_tcp(lab::NODE, 30080)));
    refused("tcp to an external address", lab.outside(|| ask_tcp("192.0.2.77", 80)));
    refused("udp from a pod", lab.in_pod(0, || ask_udp(CLUSTER, 53)));
    refused("udp from the node", lab.in_node(|| ask_udp(CLUSTER, 53)));
    refused("udp from outside", lab.outside(|| ask_udp(lab::NODE, 30053)));
    assert!(rt::now().since(start) < Duration::from_secs(2), "at once");
    lab.apply(&services, &[slice("web", &[(&one, "here")])]);
    assert!(lab.in_pod(0, || ask_tcp(CLUSTER, 80)).is_ok(), "a pod reaches itself");
    assert!(lab.in_pod(0, || ask_udp(CLUSTER, 53)).is_ok(), "a pod reaches itself");
    assert!(lab.outside(|| ask_tcp("192.0.2.77", 80)).is_ok());
    refused("a port that the service has not", lab.in_pod(0, || ask_tcp(CLUSTER, 81)));
    lab.apply(&[], &[]);
    assert!(lab.outside(|| ask_tcp(lab::NODE, 30080)).is_err());
}

#[test]
fn policies_affinity_and_ranges_are_kept() {
    let Some(lab) = Lab::open(3) else { return };
    let [one, two, three] = [0, 1, 2].map(|index| lab.pod(index));
    let local = service("web", spec(CLUSTER, json!({"externalTrafficPolicy": "Local"})));
    lab.apply(std::slice::from_ref(&local), &[slice("web", &[(&one, "here"), (&two, "there")])]);
    let found = lab.outside(|| count(20, || ask_tcp(lab::NODE, 30080)));
    let expected = BTreeMap::from([(("pod-0".to_owned(), lab::STRANGER.to_owned()), 20)]);
    assert_eq!(found, expected, "only the one here, and it sees who asks");
    assert_eq!(answers(30, || lab.in_node(|| ask_tcp(lab::NODE, 30080))).len(), 2);
    assert_eq!(answers(30, || lab.in_pod(2, || ask_tcp(lab::NODE, 30080))).len(), 2);
    lab.apply(&[local], &[slice("web", &[(&two, "there")])]);
    assert_eq!(lab.outside(|| ask_tcp(lab::NODE, 30080)), Err("silence".into()));
    // A client stays with its endpoint, also when others come, and until it goes.
    let sticky = [service("web", spec(CLUSTER, json!({"sessionAffinity": "ClientIP"})))];
    lab.apply(&sticky, &[slice("web", &[(&one, "here"), (&two, "here")])]);
    let first = answers(20, || lab.in_pod(2, || ask_tcp(CLUSTER, 80)));
    assert_eq!(first.len(), 1, "{first:?}");
    lab.apply(&sticky, &[slice("web", &[(&one, "here"), (&two, "here"), (&three, "here")])]);
    assert_eq!(answers(20, || lab.in_pod(2, || ask_tcp(CLUSTER, 80))), first);
    let other = if first.contains_key("pod-0") { (&two, "pod-1") } else { (&one, "pod-0") };
    lab.apply(&sticky, &[slice("web", &[(other.0, "here")])]);
    assert_eq!(answers(20, || lab.in_pod(2, || ask_tcp(CLUSTER, 80))).into_keys().collect::<Vec<_>>(), [other.1]);
    // A balancer's address, for everybody and then only for others.
    let balanced = |ranges: Value| {
        let extra = json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ranges});
        let mut service = service("web", spec(CLUSTER, extra));
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.88"}]}});
        [service]
    };
    let slices = [slice("web", &[(&one, "here")])];
    for (ranges, open) in [(json!([]), true), (json!(["198.51.100.0/24"]), false), (json!(["192.0.2.200/24"]), true)] {
        lab.apply(&balanced(ranges.clone()), &slices);
        assert_eq!(lab.outside(|| ask_tcp("192.0.2.88", 80)).is_ok(), open, "{ranges}");
    }
}

#[test]
fn rules_that_were_taken_away_come_back_and_nothing_stays() {
    let Some(lab) = Lab::open(2) else { return };
    let [one, two] = [0, 1].map(|index| lab.pod(index));
    let services = [service("web", spec(CLUSTER, json!({})))];
    lab.apply(&services, &[slice("web", &[(&one, "here")])]);
    lab.nft(&["flush", "ruleset"]);
    lab.apply(&services, &[slice("web", &[(&two, "here")])]);
    assert_eq!(answers(10, || lab.in_node(|| ask_tcp(CLUSTER, 80))).into_keys().collect::<Vec<_>>(), ["pod-1"]);
    // Where the bridge does not show its packets to the rules, pods on one bridge still reach each other.
    lab.hide_bridge();
    lab.apply(&services, &[slice("web", &[(&one, "here"), (&two, "here")])]);
    let found = answers(30, || lab.in_pod(0, || ask_tcp(CLUSTER, 80)));
    assert_eq!(found.len(), 2, "{found:?}");
    // So many endpoints that a map chooses, and back.
    let crowd: Vec<String> = (100..140).map(|last| format!("10.244.201.{last}")).collect();
    let crowd: Vec<(&str, &str)> =
        crowd.iter().map(|ip| (ip.as_str(), "here")).chain([(one.as_str(), "here")]).collect();
    lab.apply(&services, &[slice("web", &crowd)]);
    assert!(lab.nft(&["list", "ruleset"]).contains("numgen random mod 41 vmap"));
    lab.apply(&services, &[slice("web", &[(&two, "here")])]);
    assert_eq!(answers(5, || lab.in_node(|| ask_tcp(CLUSTER, 80))).into_keys().collect::<Vec<_>>(), ["pod-1"]);
    // Many services in one transaction, then one change.
    let many: Vec<_> = (0..300)
        .map(|n| {
            let mut service = service(
                &format!("s{n}"),
                spec(&format!("10.96.{}.{}", 1 + n / 200, n % 200 + 1), json!({"type": "ClusterIP"})),
            );
            service["metadata"]["name"] = format!("s{n}").into();
            service
        })
        .collect();
    let mut slices: Vec<_> = (0..300).map(|n| slice(&format!("s{n}"), &[(&one, "here")])).collect();
    lab.apply(&many, &slices);
    slices[7] = slice("s7", &[(&two, "here")]);
    lab.apply(&many, &slices);
    assert_eq!(lab.in_pod(0, || ask_tcp("10.96.1.8", 80)).map(|answer| answer.0), Ok("pod-1".into()));
    assert_eq!(lab.in_pod(1, || ask_tcp("10.96.2.50", 80)).map(|answer| answer.0), Ok("pod-0".into()));
    assert!(lab.nft(&["list", "tables"]).contains("rutter_services_exam"));
    lab.remove();
    assert!(!lab.nft(&["list", "tables"]).contains("rutter_services"));
    lab.remove();
    assert!(lab.outside(|| ask_tcp(lab::NODE, 30080)).is_err());
}

/// Answers every connection with its name; ends with the test.
fn listener(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    lab::thread(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(name.as_bytes());
        }
    });
    port
}

fn greeting(port: u16) -> Result<String, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|why| why.to_string())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|why| why.to_string())?;
    Ok(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_root_node_ports_lead_to_endpoints_in_turn() {
    let services = Userspace::new();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let object =
        service("web", json!({"type": "NodePort", "clusterIP": CLUSTER, "ports": [{"port": 80, "nodePort": free}]}));
    let through = |ports: &[u16]| {
        let slices = ports.iter().map(|port| {
            json!({"addressType": "IPv4", "ports": [{"port": port}], "endpoints": [{"addresses": ["127.0.0.1"]}],
                "metadata": {"namespace": "exam", "labels": {"kubernetes.io/service-name": "web"}}})
        });
        slices.collect::<Vec<_>>()
    };
    let ask = || async move { rt::blocking("ask", move || greeting(free)).await.expect("asks") };
    let ports = [listener("a"), listener("b")];
    let objects = [object];
    services.apply(&objects, &through(&ports)).await.expect("applies");
    let mut found = BTreeMap::new();
    for _ in 0..10 {
        *found.entry(ask().await.expect("an answer")).or_insert(0) += 1;
    }
    assert_eq!(found, BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 5)]));
    // One that does not answer is passed over.
    let silent = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    services.apply(&objects, &through(&[silent, ports[1]])).await.expect("applies");
    for _ in 0..4 {
        assert_eq!(ask().await, Ok("b".into()));
    }
    services.apply(&objects, &[]).await.expect("applies");
    assert!(ask().await.is_err(), "nobody behind it: refused");
    services.apply(&objects, &through(&ports)).await.expect("applies");
    assert!(ask().await.is_ok());
    services.remove().await.expect("removes");
    assert!(ask().await.is_err());
    let taken = TcpListener::bind(("127.0.0.1", free)).expect("the port is free again");
    let why = services.apply(&objects, &through(&ports)).await.expect_err("the port is taken");
    assert!(why.contains(&free.to_string()), "{why}");
    drop(taken);
}
