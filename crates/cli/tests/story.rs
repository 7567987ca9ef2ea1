//! The story of a user: what README tells to do, done on a real cluster; then the leader is killed, and nothing is lost.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::{Cluster, agreed, any_kubectl, eventually, is_root, rutter, text};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PORT: u16 = 17443;

/// The shell lines of README's tour, without the one that names the kubeconfig.
fn tour() -> Vec<String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("README.md");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter(|line| !line.starts_with("export")).map(str::to_owned).collect()
}

fn shell(cluster: &Cluster, line: &str) -> String {
    let tools = cluster.path("tools");
    if !tools.exists() {
        std::fs::create_dir(&tools).expect("a directory");
        std::os::unix::fs::symlink(any_kubectl(), tools.join("kubectl")).expect("a link");
        std::os::unix::fs::symlink(rutter(), tools.join("rutter")).expect("a link");
    }
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", line])
        .env("PATH", path)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HOME", cluster.dir.path())
        .current_dir(cluster.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{line}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_tour_of_the_readme() {
    let mut cluster = Cluster::start(PORT, &[]);
    let tour = tour();
    assert!(
        tour.iter().filter(|line| line.starts_with("kubectl")).count() >= 10,
        "README's tour has ten kubectl commands"
    );
    for line in &tour {
        let out = shell(&cluster, line);
        if line.contains("get nodes") {
            assert!(out.contains(" Ready "), "{out}");
        }
        if line.contains("kubectl scale") {
            eventually("three pods run", || (running(&cluster) == 3).then_some(()));
        }
        if line.contains("kubectl expose") && is_root() {
            let ip = cluster.kubectl(&["get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}"]);
            let page = eventually("the Service answers", || get(&format!("http://{ip}/")));
            assert!(page.contains("hello-"), "the page names its pod: {page}");
        }
    }
    assert_past_is_readable(&cluster);
    kill_the_leader_and_go_on(&cluster);
    let live = eventually("all members agree", || agreed(&cluster.status(), 3));
    cluster.stop();
    for member in ["m1", "m2", "m3"] {
        let dir = cluster.home().join("members").join(member);
        let replay = cluster.rutter(&["replay", "--dir", &dir.display().to_string(), "--to", &live.0.to_string()]);
        assert_eq!(
            (replay["revision"].as_u64(), replay["hash"].as_str()),
            (Some(live.0), Some(live.1.as_str())),
            "{member}: {replay}"
        );
    }
    cluster.up();
    let again = eventually("all members agree", || agreed(&cluster.status(), 3));
    assert!(again.0 >= live.0);
    let names = cluster.kubectl(&["get", "configmaps", "-o", "name"]);
    assert!(names.contains("configmap/after-the-kill"), "{names}");
}

/// Without root the tour works as well: pods are processes, and that is said.
#[test]
fn the_tour_without_root() {
    if !is_root() {
        return eprintln!("skipped: who is not root has just taken the tour");
    }
    let mut cluster = Cluster::start_as_nobody(PORT + 400);
    let said = std::fs::read_to_string(cluster.path("up.out")).expect("what it said");
    assert!(said.contains("Pods are plain processes of this machine"), "{said}");
    for line in &tour() {
        shell(&cluster, line);
        if line.contains("kubectl scale") {
            eventually("three pods run", || (running(&cluster) == 3).then_some(()));
        }
    }
    cluster.stop();
}

/// How many pods of the tour's deployment run.
fn running(cluster: &Cluster) -> usize {
    let phases = cluster.kubectl(&["get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[*].status.phase}"]);
    phases.split_whitespace().filter(|phase| *phase == "Running").count()
}

fn get(url: &str) -> Option<String> {
    let output = Command::new("curl").args(["-sf", "-m", "2", url]).output().expect("curl runs");
    output.status.success().then(|| text(&output.stdout))
}

/// `/asof/<revision>` answers get and list as they were, to stock kubectl.
fn assert_past_is_readable(cluster: &Cluster) {
    cluster.kubectl(&["create", "configmap", "was", "--from-literal=a=1"]);
    let made = cluster.kubectl(&["get", "configmap", "was", "-o", "jsonpath={.metadata.resourceVersion}"]);
    cluster.kubectl(&["delete", "configmap", "was"]);
    let server = format!("--server=https://127.0.0.1:{}/asof/{made}", cluster.port);
    assert_eq!(cluster.kubectl(&[&server, "get", "configmap", "was", "-o", "jsonpath={.data.a}"]), "1");
    assert!(cluster.kubectl(&[&server, "get", "configmaps", "-o", "name"]).contains("configmap/was"));
    assert!(!cluster.kubectl(&["get", "configmaps", "-o", "name"]).contains("configmap/was"));
}

fn kill_the_leader_and_go_on(cluster: &Cluster) {
    let (name, pid, _) = eventually("somebody leads", || cluster.members().into_iter().find(|(_, _, leads)| *leads));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("it can be killed");
    eventually("kubectl goes on", || {
        let output = cluster.try_kubectl(&any_kubectl(), &["create", "configmap", "after-the-kill"]);
        (output.status.success() || text(&output.stderr).contains("already exists")).then_some(())
    });
    eventually("the member comes back", || {
        cluster.members().iter().any(|(other, new, _)| *other == name && *new != pid && *new != 0).then_some(())
    });
}

/// A registry from the package manager, with the image of a static busybox.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_image_from_a_registry() {
    if !is_root() {
        eprintln!("skipped: containers need root");
        return;
    }
    let port = PORT + 40;
    let cluster = Cluster::start(PORT + 200, &["--members", "1"]);
    let config = cluster.path("registry.yml");
    let root = cluster.path("registry");
    let text_of = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        root.display()
    );
    std::fs::write(&config, text_of).expect("writes");
    let child =
        Command::new("docker-registry").arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _registry = Registry(child.expect("docker-registry is installed (make test installs it)"));
    eventually("the registry answers", || get(&format!("http://127.0.0.1:{port}/v2/")));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/push-image.sh");
    let pushed =
        Command::new("bash").arg(script).args([&format!("127.0.0.1:{port}"), "web", "1"]).output().expect("bash runs");
    assert!(pushed.status.success(), "{}{}", text(&pushed.stdout), text(&pushed.stderr));
    cluster.kubectl(&[
        "create",
        "deployment",
        "web",
        &format!("--image=127.0.0.1:{port}/web:1"),
        "--port=8080",
        "--replicas=2",
    ]);
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=90s"]);
    cluster.kubectl(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    let ip = cluster.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    let page = eventually("the Service answers", || get(&format!("http://{ip}/")));
    assert!(page.contains("from a registry"), "{page}");
    cluster.kubectl(&["delete", "service,deployment", "web"]);
}
