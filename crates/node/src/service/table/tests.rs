//! Which servers come of which objects, case by case. It must never need a machine.
use super::*;
use serde_json::json;

fn service(spec: Value) -> Value {
    json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": spec})
}

fn slice(ports: Value, endpoints: Value) -> Value {
    json!({"addressType": "IPv4", "ports": ports, "endpoints": endpoints,
        "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}})
}

fn endpoint(ip: &str, node: &str, ready: bool, serving: bool, terminating: bool) -> Value {
    json!({"addresses": [ip], "nodeName": node,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating}})
}

fn shown(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(|endpoint| format!("{}:{}", endpoint.ip, endpoint.port)).collect()
}

/// What the endpoints of one port on node `here` come to.
fn choice(endpoints: Value) -> (Vec<String>, Vec<String>) {
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]});
    let slices = [slice(json!([{"name": "", "port": 8080, "protocol": "TCP"}]), endpoints)];
    let servers = servers(&[service(spec)], &slices, "here");
    (shown(&servers[0].endpoints), shown(&servers[0].local_endpoints))
}

#[test]
fn only_the_best_endpoints_there_are_get_connections() {
    let ready = |ip, node| endpoint(ip, node, true, true, false);
    let draining = |ip, node| endpoint(ip, node, false, true, true);
    let unready = |ip, node| endpoint(ip, node, false, false, false);
    let dying = |ip, node| endpoint(ip, node, false, false, true);
    let cases: [(Value, &[&str], &[&str]); 8] = [
        (json!([]), &[], &[]),
        (
            json!([ready("10.1.0.1", "here"), ready("10.1.0.2", "there")]),
            &["10.1.0.1:8080", "10.1.0.2:8080"],
            &["10.1.0.1:8080"],
        ),
        (
            json!([ready("10.1.0.1", "there"), draining("10.1.0.2", "here"), unready("10.1.0.3", "here")]),
            &["10.1.0.1:8080"],
            &["10.1.0.2:8080"],
        ),
        (json!([draining("10.1.0.1", "there"), unready("10.1.0.2", "here")]), &["10.1.0.1:8080"], &[]),
        (json!([dying("10.1.0.1", "here"), unready("10.1.0.2", "here")]), &[], &[]),
        // Nothing said: ready, and on no node in particular.
        (json!([{"addresses": ["10.1.0.1"]}]), &["10.1.0.1:8080"], &[]),
        // The same address twice: the better word holds.
        (json!([draining("10.1.0.1", "here"), ready("10.1.0.1", "here")]), &["10.1.0.1:8080"], &["10.1.0.1:8080"]),
        (json!([{"addresses": ["fd00::1"]}, {"addresses": []}, {}, {"addresses": ["10.1.0.1; drop"]}]), &[], &[]),
    ];
    for (endpoints, anywhere, here) in cases {
        let (found, local) = choice(endpoints.clone());
        assert_eq!(
            (found, local),
            (anywhere.iter().map(|s| (*s).to_owned()).collect(), here.iter().map(|s| (*s).to_owned()).collect()),
            "{endpoints}"
        );
    }
}

#[test]
fn ports_are_joined_by_name_and_protocol() {
    let spec = json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "ports": [
        {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}, {"name": "lost", "port": 9},
        {"name": "stream", "port": 7, "protocol": "SCTP"}, {"name": "nonsense", "port": 70000}]});
    let ports =
        json!([{"name": "dns-tcp", "port": 5354, "protocol": "TCP"}, {"name": "dns", "port": 5353, "protocol": "UDP"}]);
    let other = json!({"addressType": "IPv6", "ports": [{"name": "dns", "port": 1, "protocol": "UDP"}],
        "endpoints": [{"addresses": ["10.9.9.9"]}],
        "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}});
    let mut elsewhere = slice(ports.clone(), json!([{"addresses": ["10.8.8.8"]}]));
    elsewhere["metadata"]["namespace"] = "other".into();
    let slices = [slice(ports, json!([{"addresses": ["10.1.0.1"]}])), other, elsewhere];
    let servers = servers(&[service(spec)], &slices, "here");
    let found: Vec<_> = servers
        .iter()
        .map(|server| (server.port_name.as_str(), server.protocol.text(), server.port, shown(&server.endpoints)))
        .collect();
    let expected = [
        ("dns", "udp", 53, vec!["10.1.0.1:5353".to_owned()]),
        ("dns-tcp", "tcp", 53, vec!["10.1.0.1:5354".to_owned()]),
        ("lost", "tcp", 9, vec![]),
    ];
    assert_eq!(found, expected);
    assert_eq!(servers[0].cluster_addresses, [Ipv4Addr::new(10, 96, 0, 1)].into());
}

#[test]
fn services_without_an_address_of_their_own_are_skipped() {
    let ports = json!([{"port": 80}]);
    for spec in [
        json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": ports}),
        json!({"ports": ports}),
        json!({"clusterIP": "", "ports": ports}),
        json!({"type": "ExternalName", "externalName": "example.com", "clusterIP": "10.96.0.1", "ports": ports}),
        json!({"clusterIP": "fd00::1", "ports": ports}),
        json!({"clusterIP": "10.96.0.1", "ports": "nonsense"}),
    ] {
        assert_eq!(servers(&[service(spec.clone())], &[], "here"), [], "{spec}");
    }
    let mut given = service(json!({"clusterIP": "10.96.0.1", "ports": ports}));
    given["metadata"]["labels"] = json!({"service.kubernetes.io/service-proxy-name": "mesh"});
    assert_eq!(servers(&[given, json!(null), json!(3)], &[json!([])], "here"), []);
}

#[test]
fn addresses_policies_and_affinity_are_taken_over() {
    let spec = json!({"type": "LoadBalancer", "clusterIP": "10.96.0.1", "externalIPs": ["192.0.2.7"],
        "ports": [{"port": 80, "nodePort": 30080}], "sessionAffinity": "ClientIP",
        "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": ["198.51.100.77/24", "fd00::/8", "1.2.3.4/33"]});
    let mut object = service(spec);
    object["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.8", "ipMode": "VIP"},
        {"ip": "192.0.2.9", "ipMode": "Proxy"}, {"hostname": "a.example"}]}});
    let server = servers(std::slice::from_ref(&object), &[], "here").remove(0);
    assert_eq!(server.service, "shop/web");
    assert_eq!(server.external_addresses, [Ipv4Addr::new(192, 0, 2, 7)].into());
    assert_eq!(server.balancer_addresses, [Ipv4Addr::new(192, 0, 2, 8)].into());
    assert_eq!(server.node_port, Some(30080));
    assert_eq!(server.sources, Some([(Ipv4Addr::new(198, 51, 100, 0), 24)].into()));
    assert_eq!(server.affinity, Some(SERVICE_AFFINITY_SECONDS));
    assert_eq!((server.inside, server.outside), (Policy::Local, Policy::Local));
    object["spec"]["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 9_999_999}});
    object["spec"]["loadBalancerSourceRanges"] = json!(["10.0.0.0/8", "0.0.0.0/0"]);
    object["spec"]["type"] = "ClusterIP".into();
    let server = servers(std::slice::from_ref(&object), &[], "here").remove(0);
    assert_eq!((server.affinity, server.node_port, server.sources), (Some(86_400), None, None));
    assert!(server.balancer_addresses.is_empty());
}
