#!/usr/bin/env python3
"""The recorded working days of kubectl 1.32 and 1.35: runs each command with the real kubectl against the cluster of KUBECONFIG and
compares how it ended and the status class of every request with the recording. What may differ stands in differences.tsv, with the
reason. Standard library only."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tap import say, done  # noqa: E402: the path must be set first

TOOLS = Path(os.environ["COMPAT_TOOLS"])
# Seconds after which a command that goes on for ever is ended, as the recording's were.
ENDLESS = 4
PATIENCE = 60
# The recording's images, which no test may fetch, and what stands in for them.
IMAGES = re.compile(r"(?<==)(nginx|busybox)(:\d+)?")
ENDS_ITSELF = re.compile(r"^(logs -f|attach|port-forward|get pods -w|rollout status)")
# kubectl keeps these, so which command asks for them depends on what it remembers.
KEPT = re.compile(r"^GET (/api|/apis|/openapi/v3.*|/version)$")
MADE_UP = [
    (re.compile(r"(?<=/pods/)(web|d2)-[0-9a-z]{6,10}-[a-z0-9]{5}"), r"\1-~-~"),
    (re.compile(r"(?<=/replicasets/)(web|d2)-[0-9a-z]{6,10}(?=$|/)"), r"\1-~"),
    (re.compile(r"(?<=/pods/)(node-debugger-n1|j1|cj1-\d+)-[a-z0-9]{5}"), r"\1-~"),
    (re.compile(r"(?<=/)cj1-\d+"), "cj1-~"),
]
OLD = re.compile(r"\] (GET|POST|PUT|PATCH|DELETE) (https?://\S+) (\d{3})")
NEW = re.compile(r'"Response" verb="(\w+)" url="([^"]+)" status="(\d{3})')


def recording(path):
    """[(command, exit code, [request])] of a recorded day; a request is (method and path, status)."""
    days = []
    for line in path.read_text().splitlines():
        if line.startswith("$ "):
            days.append((line[2:], [0], []))
        elif line.startswith("exit "):
            days[-1][1][0] = int(line[5:])
        elif line and not line.startswith("#"):
            request, status = line.rsplit(" ", 1)
            days[-1][2].append((request, status))
    return [(command, code[0], requests) for command, code, requests in days]


def differences(minor):
    """{command: [line]}: what may be otherwise than recorded."""
    found = {}
    for line in (HERE / "differences.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            versions, command, what, _reason = line.split("\t")
            if versions in ("*", str(minor)):
                found.setdefault(command, []).append(what)
    return found


def requests(said):
    """The requests that kubectl tells of at verbosity 6."""
    for line in said.splitlines():
        match = OLD.search(line) or NEW.search(line)
        if match:
            yield request(match[1], match[2]), match[3]


def request(method, url):
    """As the recording writes it."""
    parts = urlsplit(url)
    path = parts.path
    for pattern, text in MADE_UP:
        path = pattern.sub(text, path)
    query = parse_qs(parts.query, keep_blank_values=True)
    mark = " +stream" if "sendInitialEvents" in query else " +watch" if "watch" in query else ""
    return f"{method} {path}{mark}"


def words(line):
    """Split at spaces, but a cron schedule and a patch are one word."""
    if "--schedule=" in line:
        start, schedule = line.split(" --schedule=")
        return [*start.split(), f"--schedule={schedule}"]
    return line.split()


def run(kubectl, command, home):
    """(exit code, both outputs); 124 if it was ended."""
    line = IMAGES.sub(lambda match: f"rutter.dev/hello{match[2] or ''}", command).replace("p1:FILE", "p1:/tmp/x")
    line = line.replace("exec p1 -- ls", "exec p1 -- rutter --version").replace("8080:80", "0:8080")
    environment = os.environ | {"HOME": str(home), "KUBE_EDITOR": "true"}
    patience = ENDLESS if ENDS_ITSELF.match(line) else PATIENCE
    process = subprocess.run(["timeout", str(patience), str(kubectl), "-v=6", *words(line)], cwd=home, env=environment, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return process.returncode, process.stdout


def compare(wanted_code, wanted, code, got, may):
    """What differs, a line each."""
    codes = {int(what[5:]) for what in may if what.startswith("exit ")} or {wanted_code}
    if code not in codes:
        yield f"it ended with {code}, recorded {wanted_code}"
    may_lack = {what[2:] for what in may if what.startswith("- ")}
    otherwise = {what.rsplit(" ", 1)[0]: what.rsplit(" ", 1)[1] for what in may if not what.startswith(("- ", "exit "))}
    answers = {}
    for name, status in got:
        answers.setdefault(name, set()).add(status[0].replace("3", "2"))
    # The recorded server refused streamed lists, and kubectl fell back; who answers them is asked for nothing more.
    streamed = {name for name, _ in wanted if name.endswith(" +stream")}
    fallback = {name.replace(" +stream", more) for name in streamed for more in ("", " +watch")}
    # Who waits for what it deleted finds it gone at once or watches it go.
    deleted = {name.replace("DELETE ", "GET ") for name, _ in [*wanted, *got] if name.startswith("DELETE ")}
    watched = {name.rsplit("/", 1)[0] + more for name in deleted for more in ("", " +stream", " +watch")}
    known = set()
    for name, status in wanted:
        known.add(name)
        if name in may_lack | fallback | watched | deleted or status == "upgrade":
            continue
        if name in streamed:
            status = "200"
        may_be = {one[0].replace("3", "2") for one in [status, *otherwise.get(name, "").split("|")] if one}
        if name not in answers:
            if not KEPT.match(name):
                yield f"not asked: {name} {status}"
        elif not may_be & answers[name]:
            yield f"{name}: answered {'xx '.join(sorted(answers[name]))}xx, recorded {status}"
    for name, status in got:
        gone = name in deleted and status == "404"
        if (name not in known or name in deleted) and status[0] in "45" and not gone and status not in otherwise.get(name, "").split("|"):
            yield f"not in the recording: {name} {status}"


def day(minor):
    """One version's day in a home of its own."""
    kubectl = TOOLS / f"kubectl-1.{minor}"
    may = differences(minor)
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(HERE / "files", home, dirs_exist_ok=True)
        for command, code, wanted in recording(HERE / f"kubectl-1.{minor}.txt"):
            got_code, said = run(kubectl, command, home)
            got = list(requests(said))
            wrong = list(compare(code, wanted, got_code, got, may.get(command, [])))
            noise = re.compile(r"^[IE]\d{4} ")
            tail = [line for line in said.splitlines() if line.strip() and not noise.match(line)][-6:]
            say(f"kubectl-1.{minor} {command}", "\n".join(wrong + ["it said:", *tail]) if wrong else None)
            if wrong and os.environ.get("COMPAT_VERBOSE"):
                print(said)


for version in sys.argv[1:] or ["32", "35"]:
    day(int(version))
done()
