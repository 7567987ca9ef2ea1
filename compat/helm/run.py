#!/usr/bin/env python3
"""Stock helm, new and old: one release from install to uninstall, with a hook of each kind, written by server-side apply and without.
Standard library only."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tap import done, equal, eventually, step  # noqa: E402: the path must be set first

TOOLS = Path(os.environ["COMPAT_TOOLS"])
KUBECTL = TOOLS / "kubectl-1.35"
HOME = tempfile.TemporaryDirectory()
PATIENCE = 90


def run(*line, fails=False):
    """What it prints; both outputs in the error."""
    process = subprocess.run(["timeout", str(PATIENCE), *map(str, line)], env=os.environ | {"HOME": HOME.name}, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False)
    if (process.returncode != 0) != fails:
        raise AssertionError(f"{' '.join(map(str, line[1:]))}: ended with {process.returncode}\n{process.stdout}{process.stderr}")
    return process.stdout + (process.stderr if fails else "")


class Release:
    """One release in a namespace of its own."""

    def __init__(self, helm, more, name):
        self.helm, self.more, self.name, self.namespace = helm, more, name, f"compat-{name}"

    def do(self, line, *more, fails=False):
        """helm LINE in the namespace."""
        return run(self.helm, *line.split(), *more, "--namespace", self.namespace, fails=fails)

    def kubectl(self, *line):
        """kubectl LINE in the namespace."""
        return run(KUBECTL, "--namespace", self.namespace, *line)

    def hooks(self):
        """The hooks' jobs that completed."""
        jobs = json.loads(self.kubectl("get", "jobs", "-l", f"hooks-of={self.name}", "-o", "json"))["items"]
        return sorted(job["metadata"]["name"].removeprefix(f"{self.name}-") for job in jobs if job.get("status", {}).get("succeeded") == 1)

    def deployment(self):
        """(ready, greeting) of the deployment."""
        spec = json.loads(self.kubectl("get", "deployment", self.name, "-o", "json"))
        return spec["status"].get("readyReplicas"), spec["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"]


def life(title, release):
    """From install to uninstall."""
    chart, name, more = str(HERE / "chart"), release.name, release.more
    with step(f"{title}: template and dry run against the server"):
        text = release.do(f"install {name} {chart} --dry-run=server", *more)
        assert "kind: Deployment" in text and "PodDisruptionBudget" in text, text
    with step(f"{title}: install, waiting; its hooks ran"):
        text = release.do(f"install {name} {chart} --create-namespace --wait --timeout 60s", *more)
        assert "STATUS: deployed" in text and f"{name} says ahoy." in text, text
        equal(release.deployment(), (1, "ahoy"))
        equal(release.hooks(), ["post-install", "pre-install"])
    with step(f"{title}: install again is refused"):
        text = release.do(f"install {name} {chart}", *more, fails=True)
        assert "cannot reuse a name that is still in use" in text or "cannot re-use a name that is still in use" in text, text
    with step(f"{title}: upgrade, waiting; its hooks ran"):
        release.do(f"upgrade {name} {chart} --set replicas=2,greeting=hello --wait --timeout 60s", *more)
        equal(release.deployment(), (2, "hello"))
        equal(release.hooks(), ["post-install", "post-upgrade", "pre-install", "pre-upgrade"])
    with step(f"{title}: an upgrade that fails goes back by itself"):
        flag = "--rollback-on-failure" if "v4" in run(release.helm, "version", "--short") else "--atomic"
        release.do(f"upgrade {name} {chart} --set broken=true {flag} --timeout 8s", *more, fails=True)
        eventually("as before", lambda: release.deployment() == (2, "hello"))
    with step(f"{title}: get values, manifest, notes, hooks, metadata"):
        equal(json.loads(release.do(f"get values {name} -o json")), {"greeting": "hello", "replicas": 2})
        assert "kind: RoleBinding" in release.do(f"get manifest {name}")
        assert "helm.sh/hook: test" in release.do(f"get hooks {name}")
        assert "says hello" in release.do(f"get notes {name}")
    with step(f"{title}: status with its resources"):
        text = release.do(f"status {name}" + ("" if "v4" in run(release.helm, "version", "--short") else " --show-resources"))
        assert "STATUS: deployed" in text and "==> v1/Deployment" in text, text
    with step(f"{title}: rollback, waiting"):
        release.do(f"rollback {name} 1 --wait --timeout 60s", *more)
        equal(release.deployment(), (1, "ahoy"))
        assert "pre-rollback" in release.hooks()
    with step(f"{title}: history and list"):
        states = [one["status"] for one in json.loads(release.do(f"history {name} -o json"))]
        equal((states[-1], set(states[:-1])), ("deployed", {"superseded", "failed"}))
        equal([one["name"] for one in json.loads(release.do("list -o json"))], [name])
    with step(f"{title}: test"):
        text = release.do(f"test {name} --timeout 60s --logs")
        assert "Succeeded" in text and "rutter " in text, text
    with step(f"{title}: uninstall, waiting"):
        release.do(f"uninstall {name} --wait --timeout 60s")
        equal(release.kubectl("get", "deployments,services,configmaps,pdb,roles,serviceaccounts", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"), "")
        equal(release.kubectl("get", "deployments", "-o", "name"), "")
        equal(json.loads(release.do("list -a -o json" if "v3" in run(release.helm, "version", "--short") else "list -o json")), [])
        run(KUBECTL, "delete", "namespace", release.namespace, "--timeout=60s")


NEW, OLD = TOOLS / "helm-for-1.35", TOOLS / "helm-for-1.32"
SERVER = ("--server-side=true",)
CLIENT = ("--server-side=false",)
LIVES = {
    "helm 4, server-side": (NEW, SERVER, "harbour-ssa"),
    "helm 4, client-side": (NEW, CLIENT, "harbour-csa"),
    "helm 3": (OLD, (), "harbour-old"),
}
for title_, (helm_, more_, name_) in LIVES.items():
    if len(sys.argv) < 2 or title_ in sys.argv[1:]:
        life(title_, Release(helm_, more_, name_))
done()
