//! Stock helm, old and new, against a real cluster: install, upgrade, rollback, test, uninstall of a chart with hooks. The new one
//! writes by server-side apply.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::{Cluster, rutter, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn helm_binary(minor: u32) -> PathBuf {
    let target = rutter().ancestors().nth(2).expect("a target directory").to_owned();
    let path = target.join(format!("tools/helm-for-1.{minor}"));
    assert!(path.exists(), "{} is missing: run scripts/kubectl-versions (make test does)", path.display());
    path
}

fn helm(cluster: &Cluster, minor: u32, line: &str) -> String {
    let output = Command::new("timeout")
        .arg("120")
        .arg(helm_binary(minor))
        .args(line.split(' '))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HOME", cluster.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("helm runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "helm for 1.{minor} {line}: {}\n{out}{err}", output.status);
    out
}

#[test]
fn charts_come_change_go_back_and_leave() {
    let cluster = Cluster::start(17983, &["--members", "1"]);
    let of = |path: &str| cluster.kubectl(&["get", "deployment", "ship", "-o", &format!("jsonpath={path}")]);
    let greeting = "{.spec.template.spec.containers[0].env[0].value}";
    for minor in [35, 32] {
        let installed = helm(&cluster, minor, "install ship chart --wait --timeout 90s");
        assert!(installed.contains("STATUS: deployed"), "{installed}");
        assert_eq!(of("{.status.readyReplicas} {.spec.replicas}"), "1 1");
        helm(&cluster, minor, "upgrade ship chart --set replicas=2,greeting=hello --wait --timeout 90s");
        assert_eq!((of("{.status.readyReplicas}"), of(greeting)), ("2".to_owned(), "hello".to_owned()));
        let hook = cluster.kubectl(&["get", "configmap", "ship-before", "-o", "jsonpath={.data.greeting}"]);
        assert_eq!(hook, "hello", "the hook ran again");
        helm(&cluster, minor, "rollback ship 1 --wait --timeout 90s");
        assert_eq!((of("{.spec.replicas}"), of(greeting)), ("1".to_owned(), "ahoy".to_owned()));
        let tested = helm(&cluster, minor, "test ship --timeout 90s");
        assert!(tested.contains("Succeeded"), "{tested}");
        let listed = helm(&cluster, minor, "list");
        assert!(listed.contains("ship") && listed.contains("deployed"), "{listed}");
        helm(&cluster, minor, "uninstall ship --wait --timeout 90s");
        assert_eq!(cluster.kubectl(&["get", "deployments", "-o", "name"]), "");
        cluster.kubectl(&["delete", "pod,configmap", "--all", "--wait=true"]);
    }
}
