//! Stock kubectl, version by version, against a real cluster: each command of a working day, and what it must say.
mod cluster;

use cluster::{Cluster, kubectl_binary, text};
use std::path::Path;

/// A command line (split at spaces; `@` is replaced by the test's namespace) and what its output must hold; `!` first: it must fail.
const DAY: &[(&str, &str)] = &[
    ("version", "Server Version: v1."),
    ("api-resources", "deployments"),
    ("api-resources --api-group=apps", "replicasets"),
    ("cluster-info", "control plane"),
    ("auth can-i create pods", "yes"),
    ("create namespace @", "created"),
    ("config set-context --current --namespace=@", "modified"),
    ("get namespaces", "Active"),
    ("get nodes -o wide", "Ready"),
    ("describe node n1", "Capacity"),
    ("create configmap c --from-literal=a=1", "created"),
    ("!create configmap c --from-literal=a=1", "already exists"),
    ("get configmap c -o jsonpath={.data.a}", "1"),
    ("get cm", "NAME"),
    ("create secret generic s --from-literal=p=w", "created"),
    ("get secret s -o jsonpath={.data.p}", "dw=="),
    ("describe configmap c", "a:"),
    ("patch configmap c --type=merge -p {\"data\":{\"b\":\"2\"}}", "patched"),
    ("patch configmap c --type=json -p [{\"op\":\"remove\",\"path\":\"/data/a\"}]", "patched"),
    ("!patch configmap c --type=json -p [{\"op\":\"remove\",\"path\":\"/data/none\"}]", ""),
    ("get configmap c -o jsonpath={.data}", "{\"b\":\"2\"}"),
    ("label configmap c x=y", "labeled"),
    ("annotate configmap c note=hi", "annotated"),
    ("get cm -l x=y -o name", "configmap/c"),
    ("get cm -l x!=y -o name", "configmap/kube-root-ca.crt"),
    ("get cm --field-selector metadata.name=c -o name", "configmap/c"),
    ("apply -f FILES/app.yaml", "deployment.apps/web created"),
    ("rollout status deployment/web --timeout=100s", "successfully rolled out"),
    ("get deployment web", "2/2"),
    ("get all", "replicaset.apps/web"),
    ("get pods -o wide", "Running"),
    ("describe deployment web", "ScalingReplicaSet"),
    ("describe service web", "Endpoints"),
    ("get endpointslices", "web-"),
    ("diff -f FILES/app.yaml", ""),
    ("!diff -f FILES/app2.yaml", "+"),
    ("apply -f FILES/app2.yaml --dry-run=server", "configured (server dry run)"),
    ("apply -f FILES/app2.yaml", "deployment.apps/web configured"),
    ("rollout status deployment/web --timeout=100s", "successfully rolled out"),
    ("rollout history deployment/web", "REVISION"),
    ("rollout undo deployment/web", "rolled back"),
    ("rollout status deployment/web --timeout=100s", "successfully rolled out"),
    ("rollout restart deployment/web", "restarted"),
    ("rollout status deployment/web --timeout=100s", "successfully rolled out"),
    ("scale deployment/web --replicas=3", "scaled"),
    ("wait --for=condition=Available deployment/web --timeout=100s", "condition met"),
    ("wait --for=jsonpath={.status.readyReplicas}=3 deployment/web --timeout=100s", "condition met"),
    ("logs deployment/web", "hello"),
    ("logs deployment/web --tail=1 --timestamps", "20"),
    ("exec deployment/web -- rutter --version", "rutter"),
    ("!exec deployment/web -- rutter no-such-verb", ""),
    ("get pods -l app=web -o custom-columns=N:.metadata.name,P:.status.phase", "Running"),
    ("label pod -l app=web seen=yes", "labeled"),
    ("annotate pod -l app=web note=hello", "annotated"),
    ("get pods -l seen=yes -o name", "pod/"),
    ("explain deployment.spec.replicas", "integer"),
    ("explain pod.spec.containers", "image"),
    ("create -f FILES/bad.yaml --validate=strict", "!unknown field"),
    ("apply -f FILES/crd.yaml", "created"),
    ("wait --for=condition=Established crd/boats.rutter.dev --timeout=20s", "condition met"),
    ("apply -f FILES/boat.yaml", "boat.rutter.dev/ann created"),
    ("get boats", "ann"),
    ("delete boat ann", "deleted"),
    ("delete -f FILES/crd.yaml", "deleted"),
    ("get events", "Scheduled"),
    ("set image deployment/web web=rutter.dev/hello:2", "image updated"),
    ("rollout status deployment/web --timeout=100s", "successfully rolled out"),
    ("delete deployment web --wait=true --timeout=60s", "deleted"),
    ("wait --for=delete pod -l app=web --timeout=90s", ""),
    ("!get deployment web", "NotFound"),
    ("delete namespace @ --timeout=90s", "deleted"),
    ("!get namespace @", "NotFound"),
];

const APP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: rutter.dev/hello
        ports: [{containerPort: 8080}]
        env: [{name: PORT, value: \"0\"}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
";

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.rutter.dev}
spec:
  group: rutter.dev
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {masts: {type: integer}}}}}}
";

fn files(dir: &Path) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("writes");
    write("app.yaml", APP);
    write("app2.yaml", &APP.replace("name: PORT, value: \"0\"", "name: PORT, value: \"0\"}, {name: TURN, value: two"));
    write("bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndta: {a: b}\n");
    write("crd.yaml", CRD);
    write("boat.yaml", "apiVersion: rutter.dev/v1\nkind: Boat\nmetadata: {name: ann}\nspec: {masts: 2}\n");
}

fn a_day(cluster: &Cluster, minor: u32) {
    let Some(kubectl) = kubectl_binary(minor) else {
        panic!("kubectl 1.{minor} is not there: run scripts/kubectl-versions")
    };
    let dir = cluster.path(&format!("files-{minor}"));
    std::fs::create_dir_all(&dir).expect("a directory");
    files(&dir);
    let namespace = format!("day-{minor}");
    let mut failures = Vec::new();
    for (line, wanted) in DAY {
        let (fails, line) = line.strip_prefix('!').map_or((false, *line), |rest| (true, rest));
        let (fails, wanted) = wanted.strip_prefix('!').map_or((fails, *wanted), |rest| (true, rest));
        let line = line.replace('@', &namespace).replace("FILES", &dir.display().to_string());
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = cluster.try_kubectl(&kubectl, &arguments);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        if output.status.success() == fails || !said.contains(wanted) {
            failures.push(format!(
                "kubectl {line}\n  {}, wanted {wanted:?}\n  {}",
                output.status,
                said.trim().replace('\n', "\n  ")
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "kubectl 1.{minor}: {} of {} commands:\n{}",
        failures.len(),
        DAY.len(),
        failures.join("\n")
    );
}

#[test]
fn a_working_day_of_each_kubectl() {
    let cluster = Cluster::start(18443, &["--members", "1"]);
    a_day(&cluster, 32);
    a_day(&cluster, 35);
    cluster.kubectl(&["config", "set-context", "--current", "--namespace=default"]);
    edit(&cluster);
}

/// `kubectl edit` with an editor that changes a line.
fn edit(cluster: &Cluster) {
    cluster.kubectl(&["create", "configmap", "edited", "--from-literal=a=before"]);
    let mut command = std::process::Command::new(cluster::any_kubectl());
    command
        .args(["edit", "configmap", "edited"])
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HOME", cluster.dir.path());
    let output = command.env("KUBE_EDITOR", "sed -i s/before/after/").output().expect("kubectl runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(cluster.kubectl(&["get", "configmap", "edited", "-o", "jsonpath={.data.a}"]), "after");
}
