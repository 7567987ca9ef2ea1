#!/usr/bin/env python3
"""bench.py RUTTER PAGE: runs every row of the benchmark table and writes the page. A row that cannot be run ends it.
bench.py RUTTER - : prints the rows of simulated clusters alone."""
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

RUTTER, PAGE = sys.argv[1], sys.argv[2]
PORT = 8443


def run(*arguments):
    print("rutter", " ".join(arguments), flush=True)
    done = subprocess.run([RUTTER, *arguments, "--output", "json"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"rutter {' '.join(arguments)} failed; nothing is written")
    return json.loads(done.stdout)


def row(cells):
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |\n"


def table(head, rows):
    return row(head) + row(["---"] * len(head)) + "".join(row(cells) for cells in rows) + "\n"


def spread(found, name):
    """The median over the rounds, with the least and the most."""
    middle, least, most = found[name], found.get(name + "_min"), found.get(name + "_max")
    return f"{middle:,}" if least is None or middle is None else f"{middle:,} ({least:,} to {most:,})"


def aim(words, value, met):
    return f"{words}: {'met' if met else 'missed'}" if value is not None else f"{words}: not measured"


COLUMNS = ["ops/s", "p50 us", "p99 us", "CPU us/op", "aim"]


def cells(found, told=""):
    return [spread(found, "ops_per_second"), f"{found['p50_us']:,}", spread(found, "p99_us"), spread(found, "cpu_us_per_op"), told]


def log_rows():
    rows = []
    for clients in (1, 64, 256):
        found = run("bench", "log", "--peer", "etcd", "--clients", str(clients), "--size", "1024")
        rows += [[clients, system, *cells(found[system])] for system in ("rutter", "etcd")]
        cpu, p99 = found["cpu_ratio"], found["p99_ratio"]
        told = "; ".join([aim("a tenth of etcd's CPU", cpu, cpu >= 10), aim("p99 no worse", p99, p99 >= 1)]) if clients == 64 else ""
        rows.append([clients, "ratio", found["throughput_ratio"], "", p99, cpu, told])
    return rows


class Cluster:
    """Three members and no node, by the command a user would type."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(dir=os.getcwd(), prefix=".rutter-bench-")
        home = os.path.join(self.dir.name, "home")
        policy = os.path.join(self.dir.name, "audit.yaml")
        with open(policy, "w") as file:
            file.write("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n")
        command = [RUTTER, "up", "--dir", home, "--nodes", "0", "--api-port", str(PORT), "--audit-policy-file", policy]
        self.up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if not any("The cluster is up" in line for line in self.up.stdout):
            self.__exit__()
            sys.exit("rutter up failed; nothing is written")
        self.kubeconfig = os.path.join(home, "kubeconfig")
        return self

    def __exit__(self, *_):
        self.up.send_signal(signal.SIGINT)
        self.up.wait()
        self.dir.cleanup()

    def bench(self, *arguments):
        return run("bench", "api", *arguments, "--kubeconfig", self.kubeconfig)


# The loads of 64 clients, with the CPU in microseconds that all members may use for one.
LOADS = [
    ("create", "create 1 KiB", 130),
    ("update", "update 1 KiB", None),
    ("patch", "merge patch of 1 KiB", None),
    ("status-patch", "status patch of a pod", 250),
    ("apply", "server-side apply of a pod", 250),
    ("get", "get 1 KiB", 50),
    ("mixed", "mixed", None),
]


def api_rows(cluster):
    rows = []
    for clients in (1, 256):
        found = cluster.bench("--operation", "create", "--clients", str(clients))["create"]
        rows.append([f"create 1 KiB, {clients} clients", *cells(found)])
    loads = cluster.bench("--operation", ",".join(name for name, _, _ in LOADS), "--clients", "64")
    for name, words, most in LOADS:
        cpu = loads[name]["cpu_us_per_op"]
        rows.append([f"{words}, 64 clients", *cells(loads[name], aim(f"under {most} us", cpu, cpu and cpu < most) if most else "")])
    found = cluster.bench("--operation", "list", "--clients", "1", "--objects", "10000")["list"]
    cpu = found["cpu_us_per_op"]
    rows.append(["list 10,000 x 1 KiB, 1 client", *cells(found, aim("20 ms of CPU", cpu, cpu and cpu <= 20_000))])
    pages = [(objects, cluster.bench("--operation", "page", "--clients", "1", "--objects", str(objects))["page"]) for objects in (1_000, 10_000, 100_000)]
    for objects, found in pages:
        flat = found["cpu_us_per_op"] and found["cpu_us_per_op"] <= 1.3 * pages[0][1]["cpu_us_per_op"]
        rows.append([f"`limit=500` of {objects:,}, 1 client", *cells(found, aim("flat", found["cpu_us_per_op"], flat))])
    found = cluster.bench("--operation", "watch", "--watchers", "1000", "--rate", "20")["watch"]
    cpu, p99, each = found["cpu_us_per_op"], found["p99_us"], found["resident_per_watcher_bytes"]
    told = "; ".join([aim("p99 under 250 ms", p99, p99 < 250_000), aim("5 us an event", cpu, cpu and cpu <= 5), aim(f"an idle watcher under 48 KiB ({each / 1024:.0f})", each, each < 48 * 1024)])
    rows.append(["1,000 watchers, 20 changes/s (an operation is a delivered event)", *cells(found, told)])
    return rows


def failover_rows():
    found = run("bench", "failover", "--kills", "10")
    wrong = found["events_missed"] + found["events_twice"]
    told = "; ".join([aim("nothing lost, nothing twice", wrong, wrong + found["lost"] == 0), aim("longest gap under 500 ms", found["gap_ms_longest"], found["gap_ms_longest"] < 500)])
    return [[found["kills"], f"{found['acknowledged']:,}", found["lost"], wrong, found["gap_ms_median"], found["gap_ms_longest"], told]]


def state_rows():
    found = run("bench", "state")
    empty, each = found["resident_empty_bytes"] / 2**20, found["resident_bytes_per_object"]
    restart = found["restart_to_ready_ms"]
    return [
        ["resident, empty", f"{empty:.1f} MiB", aim("40 MiB", empty, empty <= 40)],
        ["resident per object", f"{each:,} bytes", aim("under 2.5 KiB", each, each < 2560)],
        ["resident per object after a restart", f"{found['resident_after_restart_bytes_per_object']:,} bytes", ""],
        ["written to disk per byte logged", found["written_per_logged_byte"], ""],
        ["on disk per byte logged", found["disk_per_logged_byte"], ""],
        ["kill -9 to ready again", f"{restart} ms", aim("under 1 s", restart, restart < 1000)],
    ]


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return f"no {command[0]}"


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())
    hardware = f"{os.cpu_count()} cores ({cpu.group(1) if cpu else 'unknown'}), {int(memory.group(1)) // 2**20} GiB"
    versions = [first_line(RUTTER, "--version"), first_line("rustc", "--version"), first_line("etcd", "--version")]
    return f"{hardware}, {platform.system()} {platform.release()}; {', '.join(versions)}; load {os.getloadavg()[0]:.1f} at the start"


def simulated(*arguments):
    """A sweep on one core: virtual seconds and runs, by seconds of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = run("simulate", "--threads", "1", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found["virtual_millis"] / 1000, found["seeds"], found["steps"], cpu


def simulation_rows():
    quiet, storm = "simulation/scenarios/quiet.txt", "simulation/scenarios/storm.txt"
    rows = []
    kinds = [
        ("little happens, 10 nodes", ["--scenario", quiet, "--runs", "1"], 300),
        ("the full storm, 10 nodes", ["--scenario", storm, "--runs", "6"], 60),
        ("the standard scenario, 3 nodes", ["--runs", "20"], None),
        ("little happens, 100 nodes", ["--scenario", quiet, "--nodes", "100", "--for", "1m", "--runs", "1"], None),
        ("little happens, 1,000 nodes", ["--scenario", quiet, "--nodes", "1000", "--for", "1m", "--runs", "1"], None),
    ]
    for name, arguments, wanted in kinds:
        seconds, runs, steps, cpu = simulated(*arguments)
        speed, minute = seconds / cpu, 60 * runs / cpu
        told = aim(f"{wanted} virtual s a second", speed, speed >= wanted) if wanted else ""
        if name.startswith("the standard"):
            told = aim("60 runs a minute", minute, minute >= 60)
        rows.append([name, runs, round(seconds), f"{steps:,}", f"{cpu:.1f}", f"{speed:,.0f}", f"{minute:,.0f}", told])
    return rows


def simulation():
    head = ["three members and", "runs", "virtual s", "steps", "CPU s", "virtual s a CPU s", "runs a CPU minute", "aim"]
    return table(head, simulation_rows())


def main():
    if PAGE == "-":
        print(simulation())
        return
    text = "# Benchmarks\n\n`make bench` wrote this page on " + time.strftime("%Y-%m-%d") + ": " + machine() + ".\n\n"
    text += "Servers, load and disk share these cores, and shared machines lie about rates: the steady figure is the servers' CPU time per operation, summed over all server processes. Rounds of Rutter and its peer alternate within one run, and who goes first changes; figures are medians of rounds, with the least and the most in brackets; ratios are the peer's figure by Rutter's (throughput: Rutter's by the peer's), so above 1 is in Rutter's favour. [profile.md](profile.md) says what bounds what is missed.\n\n"
    text += "## Through the log: three members, fsync on, 1 KiB, without HTTP\n\nEach write is a new key, asked of the leader. Rutter's load runs inside the leader's process (so its own cost is counted as Rutter's); etcd's comes over gRPC.\n\n"
    text += table(["clients", "system", *COLUMNS], log_rows())
    text += "## Over HTTPS: three members, the leader asked\n\nThe load asks as a service account whom RBAC allows just this, with its token; every request is remembered by an audit policy of level Metadata.\n\n"
    with Cluster() as cluster:
        text += table(["load", *COLUMNS], api_rows(cluster))
    text += "## Leader killed (kill -9) under 16 writers, three members\n\nA gap is the longest time between two acknowledgements around a kill.\n\n"
    text += table(["kills", "acknowledged", "lost", "events twice or missed", "median gap ms", "longest gap ms", "aim"], failover_rows())
    text += "## 100,000 objects of 1 KiB, one member\n\n"
    text += table(["figure", "value", "aim"], state_rows())
    text += "## Simulated clusters, one core\n\n`rutter simulate`: see [simulation.md](simulation.md).\n\n" + simulation()
    with open(PAGE, "w") as page:
        page.write(text)
    print(f"wrote {PAGE}")


main()
