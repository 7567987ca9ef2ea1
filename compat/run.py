#!/usr/bin/env python3
"""Runs the suites one after the other against one cluster, and sums up. A suite prints `ok STEP` and `not ok STEP`; a step that is
listed in expected.tsv may fail, and must be struck from it once it passes. Standard library only."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ["COMPAT_WORK"])
PYTHON = str(WORK / "venv/bin/python")
SUITES = {
    "kubectl": [sys.executable, str(HERE / "transcripts/run.py")],
    "kubectl-more": [sys.executable, str(HERE / "transcripts/more.py")],
    "helm": [sys.executable, str(HERE / "helm/run.py")],
    "python": [PYTHON, str(HERE / "python/client.py")],
    "kopf": [PYTHON, str(HERE / "python/operator_suite.py")],
    "node": ["node", str(HERE / "node/run.mjs")],
    "kube-rs": [str(WORK / "kube-rs/debug/compat-kube-rs")],
}
# Seconds a suite and the cluster's start may take.
SUITE_PATIENCE = 300
START_PATIENCE = 60


class Cluster:
    """A cluster of one member and one node, in a directory and at a port of its own; or the one of a kubeconfig."""

    def __init__(self, arguments):
        self.up = None
        self.kubeconfig = arguments.kubeconfig
        if self.kubeconfig:
            return
        self.rutter = os.environ["RUTTER"]
        self.home = tempfile.TemporaryDirectory(prefix="rutter-compat-")
        self.dir = Path(self.home.name) / "cluster"
        self.said = Path(self.home.name) / "said"
        line = [self.rutter, "up", "--dir", str(self.dir), "--members", "1", "--api-port", str(arguments.port)]
        with self.said.open("w") as out:
            self.up = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.kubeconfig = str(self.dir / "kubeconfig")
        end = time.monotonic() + START_PATIENCE
        while "The cluster is up" not in self.said.read_text():
            if self.up.poll() is not None or time.monotonic() > end:
                said = self.said.read_text()
                self.stop()
                sys.exit(f"the cluster does not start: {said}")
            time.sleep(0.2)

    def stop(self):
        """Ends it and takes everything away."""
        if self.up:
            self.up.send_signal(signal.SIGINT)
            self.up.wait()
            subprocess.run([self.rutter, "purge", "--dir", str(self.dir)], check=False, stdout=subprocess.DEVNULL)
            self.home.cleanup()


def expected():
    """{(suite, step): reason}"""
    rows = (line.split("\t") for line in (HERE / "expected.tsv").read_text().splitlines() if line and not line.startswith("#"))
    return {(suite, step): reason for suite, step, reason in rows}


def run(name, kubeconfig, known):
    """Runs a suite and prints what it prints; [(step, "ok" | "failed" | "expected" | "unexpected")]."""
    environment = os.environ | {"KUBECONFIG": kubeconfig, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    line = ["timeout", str(SUITE_PATIENCE), *SUITES[name]]
    process = subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace")
    steps = []
    for line in process.stdout:
        line = line.rstrip("\n")
        fine = line.startswith("ok ")
        if not fine and not line.startswith("not ok "):
            print(line, flush=True)
            continue
        step = line.removeprefix("not ").removeprefix("ok ")
        reason = known.get((name, step))
        outcome = ("unexpected" if fine else "expected") if reason else ("ok" if fine else "failed")
        steps.append((step, outcome))
        mark = {"expected": f" # expected: {reason}", "unexpected": " # passes: strike it from expected.tsv"}.get(outcome, "")
        print(line + mark, flush=True)
    code = process.wait()
    if code not in (0, 1) or (code == 1 and not any(outcome in ("failed", "expected") for _, outcome in steps)):
        print(f"not ok the suite itself\n#   it ended with {code}")
        steps.append(("the suite itself", "failed"))
    return steps


def main():
    """All suites, or those that are named."""
    parser = argparse.ArgumentParser(prog="scripts/compat", description="Stock clients against a cluster.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--json", metavar="FILE", help="writes the results there, or to standard output if it is -")
    parser.add_argument("--kubeconfig", help="a cluster that runs, instead of one of its own")
    parser.add_argument("--port", type=int, default=23443, help="where the cluster of its own listens")
    arguments = parser.parse_args()
    unknown = set(arguments.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}")
    cluster, known, results = Cluster(arguments), expected(), {}
    try:
        for name in arguments.suites or SUITES:
            print(f"== {name}", flush=True)
            began = time.monotonic()
            steps = run(name, cluster.kubeconfig, known)
            results[name] = {"seconds": round(time.monotonic() - began, 1), "steps": [{"step": step, "outcome": outcome} for step, outcome in steps]}
    finally:
        cluster.stop()
    print("== sum")
    bad = 0
    for name, result in results.items():
        counts = {outcome: sum(step["outcome"] == outcome for step in result["steps"]) for outcome in ("ok", "failed", "expected", "unexpected")}
        result |= counts
        bad += counts["failed"] + counts["unexpected"] + (not result["steps"])
        text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count or outcome == "ok")
        print(f"{name}: {text} ({result['seconds']:.0f} s)")
    if arguments.json == "-":
        print(json.dumps(results))
    elif arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))
    sys.exit(1 if bad else 0)


main()
