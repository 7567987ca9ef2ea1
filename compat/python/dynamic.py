"""The dynamic client: kinds by name, server-side apply, custom kinds; and leader election by Lease."""
import threading

from common import ApiException, client, config_map, core, refused
from kubernetes.dynamic import DynamicClient
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from tap import equal, eventually, step

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "ships.compat.rutter.dev"},
    "spec": {"group": "compat.rutter.dev", "scope": "Namespaced", "names": {"plural": "ships", "singular": "ship", "kind": "Ship", "shortNames": ["sh"]},
             "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}, "scale": {
                 "specReplicasPath": ".spec.masts", "statusReplicasPath": ".status.masts"}},
                 "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                     "spec": {"type": "object", "required": ["name"], "properties": {
                         "name": {"type": "string", "minLength": 2}, "masts": {"type": "integer", "default": 1, "minimum": 1},
                         "crew": {"type": "array", "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}, "who": {"type": "string"}}},
                                  "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["role"]}}},
                     "status": {"type": "object", "properties": {"masts": {"type": "integer"}, "at": {"type": "string"}}}}}}}]},
}


def run(ns):
    """All of it."""
    dynamic = DynamicClient(client.ApiClient())
    built_in(dynamic, ns)
    custom(dynamic, ns)
    election(ns)


def built_in(dynamic, ns):
    """A built-in kind by its name."""
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    with step("dynamic: create, get, patch, list, delete"):
        maps.create(body=config_map("dyn", a="1"), namespace=ns)
        equal(maps.get(name="dyn", namespace=ns).data.a, "1")
        maps.patch(body={"metadata": {"name": "dyn"}, "data": {"a": "2"}}, namespace=ns, content_type="application/merge-patch+json")
        assert "dyn" in [one.metadata.name for one in maps.get(namespace=ns).items]
        equal(maps.delete(name="dyn", namespace=ns).status, "Success")
    with step("dynamic: server-side apply"):
        maps.server_side_apply(body=config_map("dynssa", a="1"), namespace=ns, field_manager="one")
        try:
            maps.server_side_apply(body=config_map("dynssa", a="2"), namespace=ns, field_manager="two")
            raise AssertionError("no conflict")
        except ApiException as problem:
            equal(problem.status, 409)
        got = maps.server_side_apply(body=config_map("dynssa", a="2"), namespace=ns, field_manager="two", force_conflicts=True)
        equal(got.data.a, "2")
    with step("dynamic: watch"):
        version = maps.get(namespace=ns).metadata.resourceVersion
        maps.create(body=config_map("dynw"), namespace=ns)
        maps.delete(name="dynw", namespace=ns)
        got = [event["type"] for event in dynamic.watch(maps, namespace=ns, name="dynw", resource_version=version, timeout=2)]
        equal(got, ["ADDED", "DELETED"])


def custom(dynamic, ns):
    """A kind that is defined meanwhile."""
    definitions = client.ApiextensionsV1Api()
    if CRD["metadata"]["name"] in [one.metadata.name for one in definitions.list_custom_resource_definition().items]:
        definitions.delete_custom_resource_definition(CRD["metadata"]["name"])
        eventually("the kind of an earlier run is gone", lambda: not [one for one in definitions.list_custom_resource_definition().items if one.metadata.name == CRD["metadata"]["name"]])
    with step("define a kind, and find it"):
        definitions.create_custom_resource_definition(CRD)
        def established():
            conditions = definitions.read_custom_resource_definition("ships.compat.rutter.dev").status.conditions or []
            return any(one.type == "Established" and one.status == "True" for one in conditions)
        eventually("it is established", established)
        dynamic.resources.invalidate_cache()
        equal(dynamic.resources.get(api_version="compat.rutter.dev/v1", kind="Ship").name, "ships")
    ships = dynamic.resources.get(api_version="compat.rutter.dev/v1", kind="Ship")
    def ship(called, **spec):
        return {"apiVersion": "compat.rutter.dev/v1", "kind": "Ship", "metadata": {"name": called}, "spec": spec}
    with step("custom: defaults, and fields that are not known go"):
        got = ships.create(body=ship("ann", name="Ann", other=1), namespace=ns).to_dict()
        equal((got["spec"], got["metadata"]["generation"]), ({"name": "Ann", "masts": 1}, 1))
    with step("custom: what the schema refuses"):
        status = refused(422, "Invalid", ships.create, body=ship("bad", name="x", masts=0), namespace=ns)
        equal(sorted(cause["field"] for cause in status["details"]["causes"]), ["spec.masts", "spec.name"])
    with step("custom: status is apart, and moves no generation"):
        ships.status.patch(name="ann", namespace=ns, body={"status": {"at": "sea"}, "spec": {"name": "No"}}, content_type="application/merge-patch+json")
        got = ships.get(name="ann", namespace=ns).to_dict()
        equal((got["status"], got["spec"]["name"], got["metadata"]["generation"]), ({"at": "sea"}, "Ann", 1))
    with step("custom: scale"):
        custom_objects = client.CustomObjectsApi()
        where = ("compat.rutter.dev", "v1", ns, "ships", "ann")
        custom_objects.patch_namespaced_custom_object_scale(*where, {"spec": {"replicas": 3}}, _content_type="application/merge-patch+json")
        equal(ships.get(name="ann", namespace=ns).spec.masts, 3)
    with step("custom: apply merges lists by key"):
        for manager, role in (("one", "mate"), ("two", "cook")):
            ships.server_side_apply(body=ship("ben", name="Ben", crew=[{"role": role, "who": manager}]), namespace=ns, field_manager=manager)
        got = ships.get(name="ben", namespace=ns).to_dict()["spec"]["crew"]
        equal(got, [{"role": "mate", "who": "one"}, {"role": "cook", "who": "two"}])
    with step("custom: no strategic patch"):
        call = lambda: ships.patch(name="ann", namespace=ns, body={"spec": {"masts": 2}}, content_type="application/strategic-merge-patch+json")  # noqa: E731
        refused(415, "UnsupportedMediaType", call)
    with step("custom: a definition waits for its objects"):
        ships.patch(name="ann", namespace=ns, body={"metadata": {"finalizers": ["rutter.dev/hold"]}}, content_type="application/merge-patch+json")
        definitions.delete_custom_resource_definition("ships.compat.rutter.dev")
        assert definitions.read_custom_resource_definition("ships.compat.rutter.dev").metadata.deletion_timestamp
        eventually("the other goes", lambda: len(ships.get(namespace=ns).items) == 1)
        refused(405, "MethodNotAllowed", ships.create, body=ship("cid", name="Cid"), namespace=ns)
        ships.patch(name="ann", namespace=ns, body={"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
        eventually("it goes", lambda: "ships.compat.rutter.dev" not in [one.metadata.name for one in definitions.list_custom_resource_definition().items])


def election(ns):
    """Two that want to lead: one does, and renews; the other waits."""
    with step("leader election by Lease"):
        led, halt = [], {}
        def stand(name):
            halt[name] = threading.Event()
            def lead():
                led.append(name)
                halt[name].wait(20)
            lock = LeaseLock("election", ns, name)
            how = electionconfig.Config(lock, lease_duration=5, renew_deadline=4, retry_period=2, onstarted_leading=lead, onstopped_leading=lambda: None)
            threading.Thread(target=leaderelection.LeaderElection(how).run, daemon=True).start()
        stand("one")
        eventually("one leads", lambda: led == ["one"])
        lease = client.CoordinationV1Api().read_namespaced_lease("election", ns)
        equal(lease.spec.holder_identity, "one")
        stand("two")
        eventually("it renews", lambda: client.CoordinationV1Api().read_namespaced_lease("election", ns).metadata.resource_version != lease.metadata.resource_version)
        equal(led, ["one"])
        for event in halt.values():
            event.set()
