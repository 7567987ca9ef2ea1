//! Tests of the protobuf decoder: bytes written here by the rules of the wire, damage, and chance.
use super::parse;
use proptest::prelude::*;
use serde_json::{Value, json};

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn bytes(number: u64, payload: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

fn text(number: u64, payload: &str) -> Vec<u8> {
    bytes(number, payload.as_bytes())
}

fn int(number: u64, payload: i64) -> Vec<u8> {
    [varint(number << 3), varint(payload.cast_unsigned())].concat()
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [text(1, api_version), text(2, kind)].concat();
    [b"k8s\0".to_vec(), bytes(1, &meta), bytes(2, raw), text(3, ""), text(4, "")].concat()
}

fn meta(name: &str) -> Vec<u8> {
    // As generated code writes it: every scalar, an empty creationTimestamp.
    let label = bytes(11, &[text(1, "app"), text(2, "x")].concat());
    bytes(1, &[text(1, name), text(2, ""), text(3, "d"), text(5, ""), int(7, 0), bytes(8, b""), label].concat())
}

#[test]
fn a_pod_as_client_go_writes_it() {
    let probe = bytes(
        11,
        &[
            bytes(1, &bytes(2, &[text(1, "/"), bytes(2, &[int(1, 0), int(2, 80), text(3, "")].concat())].concat())),
            int(2, 0),
            int(4, 5),
        ]
        .concat(),
    );
    let limits = bytes(8, &bytes(1, &[text(1, "cpu"), bytes(2, &text(1, "500m"))].concat()));
    let container = bytes(2, &[text(1, "c"), text(2, "i"), int(16, 0), limits, probe].concat());
    let volume = bytes(1, &[text(1, "v"), bytes(2, &bytes(2, &[text(1, "")].concat()))].concat());
    let spec = bytes(
        2,
        &[volume, container, int(4, 0), int(11, 0), int(21, 0), bytes(22, &[text(1, "k"), int(5, -1)].concat())]
            .concat(),
    );
    let pod = parse(&envelope("v1", "Pod", &[meta("p"), spec, bytes(3, b"")].concat())).expect("a pod");
    assert_eq!(
        pod,
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "500m"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5}}],
                "volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
                "tolerations": [{"key": "k", "tolerationSeconds": -1}]},
            "status": {}})
    );
}

#[test]
fn special_scalars() {
    let data = bytes(2, &[text(1, "k"), bytes(2, b"\x00\xff")].concat());
    let secret = parse(&envelope("v1", "Secret", &[meta("s"), data].concat())).expect("a secret");
    assert_eq!(secret["data"], json!({"k": "AP8="}));
    let time = bytes(4, &[int(1, 1_000_000_000), int(2, 123_456_789)].concat());
    let spec = bytes(2, &[text(1, "holder"), int(2, 15), time].concat());
    let lease = parse(&envelope("coordination.k8s.io/v1", "Lease", &[meta("l"), spec].concat())).expect("a lease");
    assert_eq!(lease["spec"]["renewTime"], "2001-09-09T01:46:40.123456Z");
    let options =
        parse(&envelope("v1", "DeleteOptions", &[int(1, 0), text(4, "Background")].concat())).expect("options");
    assert_eq!((&options["gracePeriodSeconds"], &options["propagationPolicy"]), (&json!(0), &json!("Background")));
    let port = bytes(
        1,
        &[
            text(1, ""),
            text(2, "TCP"),
            int(3, 80),
            bytes(4, &[int(1, 1), int(2, 0), text(3, "http")].concat()),
            int(5, 0),
        ]
        .concat(),
    );
    let service = parse(&envelope("v1", "Service", &[meta("s"), bytes(2, &port)].concat())).expect("a service");
    assert_eq!(service["spec"]["ports"], json!([{"protocol": "TCP", "port": 80, "targetPort": "http"}]));
    let extra = bytes(5, &[text(1, "k"), bytes(2, &[text(1, "a"), text(1, "b")].concat())].concat());
    let review =
        parse(&envelope("authorization.k8s.io/v1", "SubjectAccessReview", &bytes(2, &extra))).expect("a review");
    assert_eq!(review["spec"]["extra"], json!({"k": ["a", "b"]}));
}

#[test]
fn every_kind_can_be_named() {
    for kind in crate::kinds::builtin() {
        let value = parse(&envelope(&kind.api_version(), &kind.kind, &meta("n")))
            .unwrap_or_else(|why| panic!("{}: {why}", kind.kind));
        assert_eq!(value["metadata"]["name"], "n", "{}", kind.kind);
    }
    for (version, kind) in [
        ("autoscaling/v1", "Scale"),
        ("policy/v1", "Eviction"),
        ("authentication.k8s.io/v1", "TokenRequest"),
        ("v1", "Binding"),
    ] {
        assert_eq!(parse(&envelope(version, kind, &meta("n"))).expect(kind)["kind"], kind);
    }
}

#[test]
fn damage_is_a_bad_request() {
    let good = envelope("v1", "ConfigMap", &meta("c"));
    for end in 0..good.len() {
        let _ = parse(&good[..end]);
    }
    let mut deep = Vec::new();
    for _ in 0..5_000 {
        deep = bytes(24, &bytes(1, &deep));
    }
    let deep = bytes(2, &bytes(7, &bytes(4, &bytes(1, &deep))));
    let bad = [
        b"".to_vec(),
        b"k8s".to_vec(),
        b"{}".to_vec(),
        envelope("v1", "Nope", b""),
        envelope("v1", "ConfigMap", b"\x0a\xff"),
        envelope("v1", "ConfigMap", &[0x0b]),
        envelope("v1", "ConfigMap", &int(1, 5)),
        envelope("v1", "Secret", &bytes(2, &bytes(1, &[0xff]))),
        envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", &deep),
    ];
    for body in bad.iter().take(8) {
        assert_eq!(parse(body).expect_err("bad bytes").code, 400);
    }
    let _ = parse(&bad[8]);
}

proptest! {
    #[test]
    fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..64) {
        let kinds = crate::kinds::builtin();
        let kind = &kinds[at % kinds.len()];
        let _ = parse(&raw);
        if let Ok(value) = parse(&envelope(&kind.api_version(), &kind.kind, &raw)) {
            prop_assert!(matches!(value, Value::Object(_)));
        }
    }

    #[test]
    fn flipped_bits_do_not_panic(at in 0_usize..200, bit in 0_u8..8) {
        let mut body = envelope("v1", "ConfigMap", &meta("c"));
        let at = at % body.len();
        body[at] ^= 1 << bit;
        let _ = parse(&body);
    }
}
