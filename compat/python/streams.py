"""Logs, exec, attach and forwarding by the client's WebSockets."""
import json

from common import ApiException, core, pod, refused
from kubernetes import watch
from kubernetes.stream import portforward, stream
from tap import equal, eventually, step


def run(ns):
    """All of it."""
    with step("a pod runs"):
        core.create_namespaced_pod(ns, pod("s"))
        eventually("it is ready", lambda: core.read_namespaced_pod("s", ns).status.phase == "Running", 60)
    logs(ns)
    commands(ns)
    forwarding(ns)


def logs(ns):
    """What a pod printed."""
    with step("log"):
        text = eventually("it spoke", lambda: core.read_namespaced_pod_log("s", ns))
        assert "hello from pod s" in text, text
        assert core.read_namespaced_pod_log("s", ns, timestamps=True, tail_lines=1)[:2] == "20"
        equal(len(core.read_namespaced_pod_log("s", ns, limit_bytes=5)), 5)
    with step("log that is followed"):
        follow = watch.Watch()
        for line in follow.stream(core.read_namespaced_pod_log, name="s", namespace=ns, follow=True):
            assert line.startswith("hello"), line
            follow.stop()
    with step("log of a container that is not there"):
        status = refused(400, "BadRequest", core.read_namespaced_pod_log, "s", ns, container="none")
        equal(status["message"], "container none is not valid for pod s")


def commands(ns):
    """exec."""
    connect = core.connect_get_namespaced_pod_exec
    with step("exec"):
        said = stream(connect, "s", ns, command=["rutter", "--version"], stdout=True, stderr=True, stdin=False, tty=False)
        assert said.startswith("rutter "), said
    with step("exec: the exit code"):
        run_ = stream(connect, "s", ns, command=["rutter", "no-such-verb"], stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False)
        run_.run_forever(timeout=20)
        assert run_.returncode not in (0, None) and "no-such-verb" in run_.read_stderr(), (run_.returncode, run_.read_all())
    with step("exec: no such command"):
        run_ = stream(connect, "s", ns, command=["none"], stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False)
        run_.run_forever(timeout=20)
        equal(json.loads(run_.read_channel(3) or "{}").get("status", "Failure"), "Failure")
    with step("exec in a pod that is not there"):
        try:
            stream(connect, "none", ns, command=["x"], stdout=True)
            raise AssertionError("it was not refused")
        except ApiException as problem:
            assert "404" in str(problem), problem


def forwarding(ns):
    """portforward."""
    with step("port-forward"):
        forward = portforward(core.connect_get_namespaced_pod_portforward, "s", ns, ports="8080")
        socket = forward.socket(8080)
        socket.setblocking(True)
        socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while more := socket.recv(4096):
            text += more
        assert b"200 OK" in text and b"Hello" in text, text
        equal(forward.error(8080), None)
