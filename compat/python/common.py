"""What the Python suites share: a namespace of their own, and errors that are wanted."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tap import eventually  # noqa: E402: the path is set first

from kubernetes import client, config  # noqa: E402: the path is set first
from kubernetes.client.rest import ApiException  # noqa: E402

IMAGE = "rutter.dev/hello"
config.load_kube_config()
core = client.CoreV1Api()


def refused(code, reason, call, *arguments, **more):
    """The message of a call that must be refused so."""
    try:
        call(*arguments, **more)
    except ApiException as problem:
        status = json.loads(problem.body)
        got = (problem.status, status.get("reason"))
        if got != (code, reason):
            raise AssertionError(f"got {got}: {problem.body}, wanted {(code, reason)}") from None
        return status
    raise AssertionError(f"it was not refused; wanted {code} {reason}")


def config_map(name, **data):
    """A ConfigMap as plain JSON."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name, command=None):
    """A pod of the built-in image."""
    container = {"name": "c", "image": IMAGE, "ports": [{"containerPort": 8080}]}
    if command:
        container["command"] = command
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never", "containers": [container]}}


def raw(method, path, body=None, **headers):
    """(status, headers, JSON or text) of one request, as it is."""
    pool = core.api_client.rest_client.pool_manager
    url = core.api_client.configuration.host + path
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    answer = pool.request(method, url, body=json.dumps(body) if isinstance(body, (dict, list)) else body, headers=headers, timeout=20)
    text = answer.data.decode()
    try:
        return answer.status, answer.headers, json.loads(text)
    except ValueError:
        return answer.status, answer.headers, text


def namespace_gone(name):
    """Deletes a namespace of an earlier run and waits."""
    try:
        core.delete_namespace(name)
    except ApiException as problem:
        if problem.status != 404:
            raise
    eventually(f"namespace {name} is gone", lambda: name not in [one.metadata.name for one in core.list_namespace().items], 60)
