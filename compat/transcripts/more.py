#!/usr/bin/env python3
"""Rarer commands of kubectl 1.35: each line of more.txt, its exit and what it must say. Standard library only."""
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tap import done, say  # noqa: E402: the path must be set first

KUBECTL = Path(os.environ["COMPAT_TOOLS"]) / "kubectl-1.35"
NAMESPACE = "compat-more"
PATIENCE = 90
# A command may begin with what is set in its environment.
SETTING = re.compile(r"[A-Za-z_]+=")


def commands():
    """[(must fail, command, what it must say)]"""
    found = []
    for line in (HERE / "more.txt").read_text().splitlines():
        if line.startswith(("$ ", "! ")):
            found.append([line[0] == "!", line[2:], ""])
        elif line and not line.startswith("# "):
            found[-1][2] = line
    return found


def run(line, home):
    """(exit code, both outputs)."""
    words = [word.replace("FILES", str(home)) for word in line.split()]
    settings = list(itertools.takewhile(SETTING.match, words))
    environment = os.environ | {"HOME": str(home), "KUBECTL_APPLYSET": "true"} | dict(one.split("=", 1) for one in settings)
    words = words[len(settings):]
    process = subprocess.run(["timeout", str(PATIENCE), str(KUBECTL), "--namespace", NAMESPACE, *words], cwd=home, env=environment,
                             text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return process.returncode, process.stdout


with tempfile.TemporaryDirectory() as directory:
    shutil.copytree(HERE / "files", directory, dirs_exist_ok=True)
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=compat",
                   "-keyout", f"{directory}/tls.key", "-out", f"{directory}/tls.crt"]
    subprocess.run(certificate, check=True, capture_output=True)
    run(f"delete namespace {NAMESPACE} --ignore-not-found", directory)
    for fails, command, wanted in commands():
        code, said = run(command, directory)
        well = (code != 0) == fails and wanted in said
        say(command, None if well else f"ended with {code}, must say {wanted!r}\n" + "\n".join(said.splitlines()[-12:]))
done()
