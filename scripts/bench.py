#!/usr/bin/env python3
"""bench.py RUTTER PAGE: runs every row of the benchmark table and writes the page. Figures only; nothing passes or fails here."""
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time

RUTTER, PAGE = sys.argv[1], sys.argv[2]
PORT = 8443


def run(*arguments, env=None):
    print("rutter", " ".join(arguments), flush=True)
    done = subprocess.run([RUTTER, *arguments, "--output", "json"], capture_output=True, text=True, env=env)
    if done.returncode != 0:
        print(done.stderr.strip().splitlines()[-1] if done.stderr else "failed", flush=True)
        return None
    return json.loads(done.stdout)


def row(cells):
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |\n"


def table(head, rows):
    return row(head) + row(["---"] * len(head)) + "".join(row(cells) for cells in rows) + "\n"


def pick(result, *names):
    return [None] * len(names) if result is None else [result.get(name) for name in names]


def log_rows():
    rows = []
    for clients in (1, 64, 256):
        found = run("bench", "log", "--peer", "etcd", "--clients", str(clients), "--size", "1024")
        for system in ("rutter", "etcd"):
            part = found and found.get(system)
            rows.append([clients, system, *pick(part, "ops_per_second", "ops_per_second_min", "ops_per_second_max", "p50_us", "p99_us", "cpu_us_per_op")])
        rows.append([clients, "ratio", *pick(found, "throughput_ratio"), "", "", "", *pick(found, "p99_ratio", "cpu_ratio")])
    return rows


class Cluster:
    """Three members and no node, by the command a user would type."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(dir=os.getcwd(), prefix=".rutter-bench-")
        home = os.path.join(self.dir.name, "home")
        self.up = subprocess.Popen([RUTTER, "up", "--dir", home, "--nodes", "0", "--api-port", str(PORT)], stdout=subprocess.PIPE, text=True)
        for line in self.up.stdout:
            if "The cluster is up" in line:
                break
        self.env = {**os.environ, "KUBECONFIG": os.path.join(home, "kubeconfig")}
        self.kubeconfig = self.env["KUBECONFIG"]
        return self

    def __exit__(self, *_):
        self.up.terminate()
        self.up.wait()
        self.dir.cleanup()

    def bench(self, *arguments):
        return run("bench", *arguments, "--kubeconfig", self.kubeconfig)


def api_rows(cluster):
    rows = []
    for clients in (1, 64, 256):
        found = cluster.bench("api", "--operation", "create", "--clients", str(clients))
        rows.append([f"create 1 KiB, {clients} clients", *pick(found, "ops_per_second", "p50_us", "p99_us", "cpu_us_per_op")])
    found = cluster.bench("api", "--operation", "update", "--clients", "64")
    rows.append(["update 1 KiB, 64 clients", *pick(found, "ops_per_second", "p50_us", "p99_us", "cpu_us_per_op")])
    found = cluster.bench("api", "--operation", "get", "--clients", "64")
    rows.append(["get one, 64 clients", *pick(found, "ops_per_second", "p50_us", "p99_us", "cpu_us_per_op")])
    found = cluster.bench("api", "--operation", "list", "--clients", "1", "--objects", "10000")
    rows.append(["list 10,000 x 1 KiB, 1 client", *pick(found, "ops_per_second", "p50_us", "p99_us", "cpu_us_per_op")])
    found = cluster.bench("watch", "--watchers", "1000", "--rate", "20")
    rows.append(["1,000 watchers, 20 changes/s (an operation is a delivered event)", *pick(found, "ops_per_second", "p50_us", "p99_us", "cpu_us_per_op")])
    return rows


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    etcd = subprocess.run(["etcd", "--version"], capture_output=True, text=True).stdout.splitlines()[:1]
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())
    return f"{os.cpu_count()} cores ({cpu.group(1) if cpu else 'unknown'}), {int(memory.group(1)) // 1024 // 1024} GiB, Linux {platform.release()}, {etcd[0] if etcd else 'no etcd'}, load {os.getloadavg()[0]:.1f} at the start"


def main():
    text = "# Benchmarks\n\n`make bench` wrote this page on " + time.strftime("%Y-%m-%d") + ": " + machine() + ".\n\n"
    text += "Servers, load and disk share these cores, and shared machines lie about rates: the steady figure is the servers' CPU time per operation, summed over all server processes. Rounds of Rutter and its peer alternate within one run; figures are medians of rounds, ratios above 1 are in Rutter's favour.\n\n"
    text += "## Through the log: three members, fsync on, 1 KiB, without HTTP\n\n"
    text += "Rutter's load runs inside the leader's process (so its own cost is counted as Rutter's); etcd's comes over gRPC, spread over its members.\n\n"
    text += table(["clients", "system", "ops/s", "least", "most", "p50 us", "p99 us", "CPU us/op"], log_rows())
    text += "## Over HTTPS: three members\n\n"
    with Cluster() as cluster:
        text += table(["load", "ops/s", "p50 us", "p99 us", "CPU us/op"], api_rows(cluster))
    text += "## Leader killed (kill -9) under 16 writers, three members\n\n"
    found = run("bench", "failover", "--kills", "10")
    text += table(["kills", "acknowledged", "lost", "events twice or missed", "median gap ms", "longest gap ms"], [[*pick(found, "kills", "acknowledged", "lost"), None if found is None else found["events_missed"] + found["events_twice"], *pick(found, "gap_ms_median", "gap_ms_longest")]])
    text += "## 100,000 objects of 1 KiB, one member\n\n"
    found = run("bench", "state")
    text += table(["resident empty, MiB", "resident bytes per object", "after restart", "written per logged byte", "disk per logged byte", "restart to ready ms"], [[None if found is None else round(found["resident_empty_bytes"] / 2**20, 1), *pick(found, "resident_bytes_per_object", "resident_after_restart_bytes_per_object", "written_per_logged_byte", "disk_per_logged_byte", "restart_to_ready_ms")]])
    with open(PAGE, "w") as page:
        page.write(text)
    print(f"wrote {PAGE}")


main()
