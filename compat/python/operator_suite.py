#!/usr/bin/env python3
"""A stock kopf operator: a kind of its own, finalizers, handlers, status, timers, daemons, events, indexes, and leadership (peering
off). The operator runs in a thread; the suite is its user."""
import asyncio
import logging
import threading

import common
import kopf
from common import client, core, namespace_gone
from tap import done, equal, eventually, step

NAMESPACE = "compat-kopf"
GROUP, VERSION, PLURAL = "kopf.rutter.dev", "v1", "lamps"
PRESERVE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": PLURAL, "singular": "lamp", "kind": "Lamp"},
             "versions": [{"name": VERSION, "served": True, "storage": True, "subresources": {"status": {}},
                           "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": PRESERVE, "status": PRESERVE}}}}]},
}
told = []
objects = client.CustomObjectsApi()
definitions = client.ApiextensionsV1Api()


@kopf.on.startup()
def startup(settings, **_):
    """As short as possible, so that watches are renewed within the suite."""
    settings.watching.server_timeout = 4
    settings.posting.level = logging.INFO
    settings.persistence.finalizer = "kopf.rutter.dev/hold"


@kopf.on.create(GROUP, VERSION, PLURAL)
def created(spec, name, body, patch, **_):
    """Makes a child and says so in the status."""
    told.append(("created", name))
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-child"}, "data": {"watts": str(spec.get("watts"))}}
    kopf.adopt(child)
    core.create_namespaced_config_map(body["metadata"]["namespace"], child)
    kopf.info(body, reason="Lit", message=f"{name} is lit")
    return {"child": f"{name}-child"}


@kopf.on.update(GROUP, VERSION, PLURAL, field="spec.watts")
def updated(name, old, new, namespace, retry, **_):
    """Fails once, to be tried again."""
    if retry == 0:
        raise kopf.TemporaryError("once more", delay=0.5)
    told.append(("updated", name, old, new))
    core.patch_namespaced_config_map(f"{name}-child", namespace, {"data": {"watts": str(new)}})


@kopf.on.delete(GROUP, VERSION, PLURAL)
def deleted(name, **_):
    """Holds the object until it ran."""
    told.append(("deleted", name))


@kopf.on.event("configmaps", labels={"lamp": kopf.PRESENT})
def event(event, name, **_):
    """Sees built-in objects, without finalizers."""
    told.append(("event", event["type"], name))


@kopf.timer(GROUP, VERSION, PLURAL, interval=1.0)
def tick(status, patch, **_):
    """Counts in the status."""
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.index(GROUP, VERSION, PLURAL)
def watts(name, spec, **_):
    """In memory."""
    return {spec.get("watts"): name}


def operator(stop, ready):
    """kopf as it is run by `kopf run`."""
    asyncio.run(kopf.operator(namespaces=[NAMESPACE], standalone=True, stop_flag=stop, ready_flag=ready))


def lamp(name):
    """The object as it is."""
    return objects.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, name)


def start():
    """Runs the operator; what ends it."""
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=operator, args=(stop, ready), daemon=True)
    thread.start()
    if not ready.wait(30):
        raise AssertionError("the operator does not become ready")
    return stop, thread


def make(name, **spec):
    """A new lamp."""
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Lamp", "metadata": {"name": name}, "spec": spec}
    return objects.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, body)


def watches():
    """The open watches, as the server counts them."""
    answer = core.api_client.call_api(*core.api_client.param_serialize("GET", "/metrics", auth_settings=["BearerToken"]))
    page = answer.read().decode()
    return "\n".join(line for line in page.splitlines() if line.startswith("apiserver_longrunning_requests{"))


def fresh():
    """Nothing of an earlier run."""
    for one in definitions.list_custom_resource_definition().items:
        if one.metadata.name == f"{PLURAL}.{GROUP}":
            for item in objects.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"]:
                objects.patch_namespaced_custom_object(GROUP, VERSION, item["metadata"]["namespace"], PLURAL, item["metadata"]["name"], {"metadata": {"finalizers": None}})
            definitions.delete_custom_resource_definition(one.metadata.name)
    eventually("the kind is gone", lambda: f"{PLURAL}.{GROUP}" not in [one.metadata.name for one in definitions.list_custom_resource_definition().items])
    namespace_gone(NAMESPACE)
    core.create_namespace({"metadata": {"name": NAMESPACE}})


def lives():
    """One lamp from its making to its end."""
    with step("the create handler ran; its result is in the status"):
        make("one", watts=40)
        eventually("the result", lambda: lamp("one").get("status", {}).get("created") == {"child": "one-child"})
        equal(told.count(("created", "one")), 1)
    with step("the finalizer is set, the last handled state is noted"):
        meta = lamp("one")["metadata"]
        equal(meta["finalizers"], ["kopf.rutter.dev/hold"])
        eventually("the note", lambda: "kopf.zalando.org/last-handled-configuration" in lamp("one")["metadata"].get("annotations", {}))
    with step("the child is adopted"):
        owner = core.read_namespaced_config_map("one-child", NAMESPACE).metadata.owner_references[0]
        equal((owner.kind, owner.name, owner.controller, owner.uid), ("Lamp", "one", True, lamp("one")["metadata"]["uid"]))
    with step("the event was posted"):
        def posted():
            events = core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=one,involvedObject.kind=Lamp").items
            return [one for one in events if one.reason == "Lit" and one.message == "one is lit"]
        eventually("the event", posted)
    with step("the update handler ran, after a try that failed"):
        objects.patch_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "one", {"spec": {"watts": 60}})
        eventually("it was told", lambda: ("updated", "one", 40, 60) in told)
        eventually("the child follows", lambda: core.read_namespaced_config_map("one-child", NAMESPACE).data == {"watts": "60"})
    with step("the timer counts in the status"):
        first = eventually("it ticks", lambda: lamp("one").get("status", {}).get("ticks"))
        eventually("it goes on", lambda: lamp("one")["status"]["ticks"] > first + 1)
        equal(lamp("one")["metadata"]["generation"], 2)
    with step("the delete handler ran before the object went, and the child went with it"):
        objects.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "one")
        eventually("it is gone", lambda: not objects.list_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL)["items"])
        equal(told.count(("deleted", "one")), 1)
        eventually("the child is gone", lambda: "one-child" not in [one.metadata.name for one in core.list_namespaced_config_map(NAMESPACE).items])


def built_in():
    """Handlers of a kind that was there before."""
    with step("events of a built-in kind, over watches that end and begin again"):
        body = common.config_map("plain")
        body["metadata"]["labels"] = {"lamp": "x"}
        core.create_namespaced_config_map(NAMESPACE, body)
        eventually("added", lambda: ("event", "ADDED", "plain") in told)
        threading.Event().wait(5)
        core.delete_namespaced_config_map("plain", NAMESPACE)
        eventually("deleted", lambda: ("event", "DELETED", "plain") in told)
        equal([one for one in told if one[-1] == "plain" and one[0] == "event" and one[1] == "DELETED"], [("event", "DELETED", "plain")])


def restart():
    """What happens while no operator runs is handled by the next."""
    stop, thread = start()
    with step("what was changed while the operator was away is handled"):
        make("two", watts=1)
        eventually("it is known", lambda: ("created", "two") in told)
        eventually("it is done", lambda: lamp("two").get("status", {}).get("created"))
        stop.set()
        thread.join(20)
        objects.patch_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "two", {"spec": {"watts": 2}})
        make("three", watts=3)
        stop, thread = start()
        eventually("the change", lambda: ("updated", "two", 1, 2) in told)
        eventually("the new one", lambda: ("created", "three") in told)
        equal(told.count(("created", "two")), 1)
    with step("the operator ends"):
        for name in ("two", "three"):
            objects.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, name)
        eventually("they go", lambda: not objects.list_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL)["items"])
        stop.set()
        thread.join(20)
        equal(thread.is_alive(), False)


logging.getLogger().setLevel(logging.ERROR)
fresh()
with step("define the kind while the operator watches for kinds"):
    stopper, runner = start()
    # The operator passes over what is there when it begins to watch.
    eventually("it watches for kinds", lambda: 'resource="customresourcedefinitions"' in watches())
    definitions.create_custom_resource_definition(CRD)
    eventually("it is served", lambda: any(one.type == "Established" and one.status == "True" for one in
                                           definitions.read_custom_resource_definition(f"{PLURAL}.{GROUP}").status.conditions or []))
lives()
built_in()
stopper.set()
runner.join(20)
restart()
namespace_gone(NAMESPACE)
done()
