//! Tokens on a real cluster: a pod asks the API with the one in its volume, as an in-cluster client does; a person with one of `kubectl
//! create token`; and both end with what they are bound to.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::{Cluster, any_kubectl, eventually, is_root, text};
use serde_json::Value;
use std::process::Command;

/// A pod with the machine's programs in it: the built-in image has none.
const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: rutter.dev/hello
    volumeMounts:
    - {name: usr, mountPath: /usr}
    - {name: bin, mountPath: /bin}
    - {name: lib, mountPath: /lib}
    - {name: lib64, mountPath: /lib64}
  volumes:
  - {name: usr, hostPath: {path: /usr}}
  - {name: bin, hostPath: {path: /usr/bin}}
  - {name: lib, hostPath: {path: /usr/lib}}
  - {name: lib64, hostPath: {path: /usr/lib64}}
";

/// What every client library does in a pod.
const ASK: &str = "D=/var/run/secrets/kubernetes.io/serviceaccount; curl -sS --max-time 20 --cacert $D/ca.crt \
    -H \"Authorization: Bearer $(cat $D/token)\" -H 'Content-Type: application/json' \
    -d '{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}' \
    https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Who the API says that one is who has `token`.
fn who(cluster: &Cluster, token: &str) -> Value {
    let server = cluster.kubectl(&["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let answer = Command::new("curl")
        .args(["-sk", "--max-time", "20", "-H", &format!("Authorization: Bearer {token}")])
        .args(["-H", "Content-Type: application/json", "-d"])
        .arg(r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#)
        .arg(format!("{server}/apis/authentication.k8s.io/v1/selfsubjectreviews"))
        .output()
        .expect("curl runs");
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|why| panic!("{why}: {}", text(&answer.stdout)))
}

/// A network of its own: every cluster leads the same addresses of Services and pods to itself.
fn apart() {
    if is_root() {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network of its own");
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip runs");
        assert!(up.success());
    }
}

#[test]
fn tokens_prove_pods_and_people() {
    apart();
    let cluster = Cluster::start(18543, &["--members", "1"]);
    let token = cluster.kubectl(&["create", "token", "default", "--duration=1h"]);
    let user = &who(&cluster, token.trim())["status"]["userInfo"]["username"];
    assert_eq!(user, "system:serviceaccount:default:default");
    let whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let output = cluster.try_kubectl(&any_kubectl(), &[&["--token", token.trim()], &whoami[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    if !is_root() {
        return;
    }
    let file = cluster.path("pod.yaml");
    std::fs::write(&file, POD).expect("written");
    cluster.kubectl(&["apply", "-f", &file.display().to_string()]);
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/client", "--timeout=90s"]);
    let said = cluster.kubectl(&["exec", "client", "--", "/bin/sh", "-c", ASK]);
    let review: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
    let info = &review["status"]["userInfo"];
    assert_eq!(info["username"], "system:serviceaccount:default:default", "{review}");
    assert_eq!(info["extra"]["authentication.kubernetes.io/pod-name"][0], "client");
    assert_eq!(info["extra"]["authentication.kubernetes.io/node-name"][0], "n1");
    let path = "/var/run/secrets/kubernetes.io/serviceaccount";
    let namespace = cluster.kubectl(&["exec", "client", "--", "/bin/cat", &format!("{path}/namespace")]);
    assert_eq!(namespace, "default");
    let loopback = "curl -sk --max-time 3 https://10.96.0.1/livez && ! curl -sk --max-time 3 --interface eth0 https://127.0.0.1:18544/livez";
    assert_eq!(cluster.kubectl(&["exec", "client", "--", "/bin/sh", "-c", loopback]), "ok");
    let own = cluster.kubectl(&["exec", "client", "--", "/bin/cat", &format!("{path}/token")]);
    assert_eq!(who(&cluster, own.trim())["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
    cluster.kubectl(&["delete", "pod", "client", "--wait=true", "--timeout=60s"]);
    eventually("the pod's token ends with the pod", || (who(&cluster, own.trim())["code"] == 401).then_some(()));
}
