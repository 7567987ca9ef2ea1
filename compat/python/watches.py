"""Watches: from nothing, from a version, with a selector, streamed lists, bookmarks, and what is too old; the client's informer."""
import json
import logging
import time

from common import config_map, core, raw, refused
from kubernetes import watch
from kubernetes.informer import SharedInformer
from tap import equal, eventually, step


def run(ns):
    """All of it."""
    live(ns)
    streamed(ns)
    odd(ns)
    informer(ns)


def labelled(name, text):
    """A ConfigMap that only these watches see."""
    body = config_map(name)
    body["metadata"]["labels"] = {"watched": text}
    return body


def live(ns):
    """What happens is told, in order, once."""
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.create_namespaced_config_map(ns, labelled("w1", "yes"))
    core.patch_namespaced_config_map("w1", ns, {"data": {"a": "1"}})
    core.patch_namespaced_config_map("w1", ns, {"metadata": {"labels": {"watched": "no"}}})
    core.patch_namespaced_config_map("w1", ns, {"metadata": {"labels": {"watched": "yes"}}})
    core.delete_namespaced_config_map("w1", ns)
    def events(**how):
        stream = watch.Watch().stream(core.list_namespaced_config_map, ns, timeout_seconds=2, **how)
        return [(event["type"], event["raw_object"]) for event in stream]
    with step("from a version: each change"):
        got = [kind for kind, one in events(resource_version=start) if one["metadata"]["name"] == "w1"]
        equal(got, ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"])
    with step("a selector: what leaves it is deleted, what comes into it is added"):
        got = events(resource_version=start, label_selector="watched=yes")
        equal([kind for kind, _ in got], ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"])
        numbers = [int(one["metadata"]["resourceVersion"]) for _, one in got]
        equal(numbers, sorted(set(numbers)))
    with step("from the middle"):
        middle = got[1][1]["metadata"]["resourceVersion"]
        equal([kind for kind, _ in events(resource_version=middle, label_selector="watched=yes")], ["DELETED", "ADDED", "DELETED"])
    with step("without a version, and from 0: what is there is added first"):
        for how in ({}, {"resource_version": "0"}):
            got = [kind for kind, one in events(field_selector="metadata.name=a", **how)]
            equal(got, ["ADDED"])
    with step("it ends at its time"):
        began = time.monotonic()
        events()
        assert 1 < time.monotonic() - began < 5, time.monotonic() - began
    with step("a bookmark before its time ends"):
        lines = raw_watch(ns, f"allowWatchBookmarks=true&resourceVersion={start}&timeoutSeconds=5&labelSelector=none")
        equal([(line["type"], sorted(line["object"]), line["object"]["kind"]) for line in lines], [("BOOKMARK", ["apiVersion", "kind", "metadata"], "ConfigMap")])
        assert int(lines[0]["object"]["metadata"]["resourceVersion"]) >= int(start), lines
    with step("the dedicated path of old: watch one"):
        equal(raw("GET", f"/api/v1/watch/namespaces/{ns}/configmaps/a?timeoutSeconds=1&resourceVersion=0")[2]["type"], "ADDED")


def raw_watch(ns, query):
    """The lines of a watch, as they are."""
    status, _, text = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?watch=true&{query}")
    equal(status, 200)
    return [text] if isinstance(text, dict) else [json.loads(line) for line in text.splitlines()]


def streamed(ns):
    """sendInitialEvents."""
    with step("a streamed list ends with a bookmark that says so"):
        lines = raw_watch(ns, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1")
        kinds = [line["type"] for line in lines]
        end = kinds.index("BOOKMARK")
        equal(set(kinds[:end]), {"ADDED"})
        equal(lines[end]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        equal(end, len(core.list_namespaced_config_map(ns).items))
    with step("a streamed list asked for wrongly"):
        for query in ("sendInitialEvents=true", "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5"):
            status, _, answer = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?watch=true&{query}")
            equal((status, answer["reason"]), (422, "Invalid"))
        equal(raw("GET", f"/api/v1/namespaces/{ns}/configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan")[0], 422)


def odd(ns):
    """Versions that cannot be watched from."""
    with step("from a version of the future"):
        # Kubernetes lets a watch wait for it, and refuses a version that cannot come.
        status, _, answer = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?watch=true&timeoutSeconds=1&resourceVersion=99999999999")
        assert status in (200, 504), (status, answer)
    with step("from a version that is none"):
        status, _, answer = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?watch=true&resourceVersion=x")
        equal((status in (400, 500), answer["kind"]), (True, "Status"))
    with step("a table that is watched names its columns once"):
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        text = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?watch=true&timeoutSeconds=1", Accept=accept)[2]
        rows = [json.loads(line)["object"] for line in text.splitlines()]
        equal([bool(row.get("columnDefinitions")) for row in rows], [True] + [False] * (len(rows) - 1))


def informer(ns):
    """The client's own informer."""
    with step("the informer follows"):
        told = []
        one = SharedInformer(core.list_namespaced_config_map, namespace=ns, label_selector="watched=informer")
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            one.add_event_handler(kind, lambda item, kind=kind: told.append(kind))
        core.create_namespaced_config_map(ns, labelled("i0", "informer"))
        one.start()
        eventually("it knows the first", lambda: told == ["ADDED"])
        core.create_namespaced_config_map(ns, labelled("i1", "informer"))
        core.patch_namespaced_config_map("i1", ns, {"data": {"a": "1"}})
        core.delete_namespaced_config_map("i1", ns)
        eventually("it was told all", lambda: told == ["ADDED", "ADDED", "MODIFIED", "DELETED"])
        equal([item.metadata.name for item in one.cache.list()], ["i0"])
        logging.disable()
        one.stop()
    with step("the informer follows what is deleted while it does not watch"):
        core.delete_namespaced_config_map("i0", ns)
        refused(404, "NotFound", core.read_namespaced_config_map, "i0", ns)
