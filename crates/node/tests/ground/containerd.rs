//! A containerd of the test's own: root, state, socket and pod network apart from the machine's. Needs root, and Debian's packages
//! `containerd` and `containernetworking-plugins`, or what they hold.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The container that holds a pod's namespaces: there is no registry to fetch the usual one from.
const PAUSE: &str = "localhost/pause:exam";

pub(super) struct Containerd {
    dir: PathBuf,
    bridge: String,
    child: Child,
}

impl Containerd {
    pub(super) async fn start(dir: &Path) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("needs root".into());
        }
        for tool in ["containerd", "ctr", "runc"] {
            if !super::on_path(tool) {
                return Err(format!("needs {tool}"));
            }
        }
        let plugins = ["/usr/lib/cni", "/opt/cni/bin"].into_iter().find(|dir| Path::new(dir).join("bridge").exists());
        let plugins = plugins.ok_or("needs the CNI plugins")?;
        let (bridge, words) = (format!("rc{}", std::process::id()), |why: std::io::Error| why.to_string());
        std::fs::create_dir_all(dir.join("cni")).map_err(words)?;
        let network = serde_json::json!({"cniVersion": "0.4.0", "name": "exam", "plugins": [{
            "type": "bridge", "bridge": bridge, "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": dir.join("ipam"), "ranges": [[{"subnet": "10.244.201.0/24"}]]}}]});
        std::fs::write(dir.join("cni/10-exam.conflist"), network.to_string()).map_err(words)?;
        std::fs::write(dir.join("config.toml"), config(dir, plugins)).map_err(words)?;
        let log = std::fs::File::create(dir.join("containerd.log")).map_err(words)?;
        let child = Command::new("containerd")
            .arg("--config")
            .arg(dir.join("config.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(words)?;
        let containerd = Self { dir: dir.to_owned(), bridge, child };
        containerd.wait().await?;
        for (file, name, command) in
            [("busybox", super::IMAGE, &["/bin/sh"][..]), ("pause", PAUSE, &["/bin/busybox", "sleep", "1000000"])]
        {
            let archive = dir.join(file).with_extension("tar");
            super::busybox_that(&archive, name, command)?;
            containerd.ctr(&["images", "import", &archive.display().to_string()])?;
        }
        Ok(containerd)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("containerd.sock")
    }

    async fn wait(&self) -> Result<(), String> {
        let mut why = String::new();
        for _ in 0..100 {
            match self.ctr(&["version"]) {
                Ok(()) => return Ok(()),
                Err(words) => why = words,
            }
            rt::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("containerd does not start: {why}"))
    }

    fn ctr(&self, args: &[&str]) -> Result<(), String> {
        let said = Command::new("ctr").arg("-a").arg(self.socket()).args(["-n", "k8s.io"]).args(args).output();
        let said = said.map_err(|why| why.to_string())?;
        match said.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&said.stderr).into_owned()),
        }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // What a failed test left lives in shims beside containerd: it is ended first, for afterwards nobody could.
        let tasks =
            Command::new("ctr").arg("-a").arg(self.socket()).args(["-n", "k8s.io", "tasks", "ls", "-q"]).output();
        for task in String::from_utf8_lossy(&tasks.map(|said| said.stdout).unwrap_or_default()).lines() {
            let _ = self.ctr(&["tasks", "rm", "-f", task]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).output();
    }
}

/// `restrict_oom_score_adj`: without the capability to lower it, no sandbox starts otherwise.
fn config(dir: &Path, plugins: &str) -> String {
    let dir = dir.display();
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{dir}/containerd.sock"
[ttrpc]
  address = "{dir}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{dir}/cni"
"#
    )
}
