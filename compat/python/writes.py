"""Create, replace, the four kinds of patch, subresources, deletion; and how each is refused."""
from common import ApiException, client, config_map, core, pod, raw, refused
from tap import equal, eventually, step

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def run(ns):
    """All of it."""
    objects(ns)
    patches(ns)
    apply(ns)
    workloads(ns)
    deletes(ns)


def objects(ns):
    """Plain CRUD and its refusals."""
    with step("create, read, replace"):
        made = core.create_namespaced_config_map(ns, config_map("a", k="1"))
        read = core.read_namespaced_config_map("a", ns)
        equal(read.metadata.uid, made.metadata.uid)
        read.data["k"] = "2"
        equal(core.replace_namespaced_config_map("a", ns, read).data, {"k": "2"})
    with step("a stale replace is a conflict"):
        status = refused(409, "Conflict", core.replace_namespaced_config_map, "a", ns, read)
        assert "the object has been modified; please apply your changes to the latest version" in status["message"], status
    with step("create twice"):
        status = refused(409, "AlreadyExists", core.create_namespaced_config_map, ns, config_map("a"))
        equal(status["message"], 'configmaps "a" already exists')
    with step("read what is not there"):
        status = refused(404, "NotFound", core.read_namespaced_config_map, "none", ns)
        equal((status["message"], status["details"]), ('configmaps "none" not found', {"name": "none", "kind": "configmaps"}))
    with step("a name that may not be"):
        status = refused(422, "Invalid", core.create_namespaced_config_map, ns, config_map("A_b"))
        equal(status["details"]["causes"][0]["field"], "metadata.name")
    with step("a namespace that is another"):
        body = config_map("b")
        body["metadata"]["namespace"] = "default"
        status = refused(400, "BadRequest", core.create_namespaced_config_map, ns, body)
        equal(status["message"], "the namespace of the provided object does not match the namespace sent on the request")
    with step("a namespace that is not there"):
        status = refused(404, "NotFound", core.create_namespaced_config_map, "none", config_map("b"))
        equal(status["message"], 'namespaces "none" not found')
    with step("generateName"):
        body = config_map("x")
        body["metadata"] = {"generateName": "gen-"}
        name = core.create_namespaced_config_map(ns, body).metadata.name
        assert name.startswith("gen-") and len(name) == 9, name
    with step("dry run writes nothing"):
        core.create_namespaced_config_map(ns, config_map("dry"), dry_run="All")
        refused(404, "NotFound", core.read_namespaced_config_map, "dry", ns)
    with step("unknown fields: warned, refused, ignored"):
        path, body = f"/api/v1/namespaces/{ns}/configmaps", config_map("odd") | {"dta": {}}
        status, headers, _ = raw("POST", path + "?dryRun=All", body)
        equal((status, headers.get("Warning")), (201, '299 - "unknown field \\"dta\\""'))
        status, _, answer = raw("POST", path + "?dryRun=All&fieldValidation=Strict", body)
        equal((status, answer["reason"]), (400, "BadRequest"))
        assert 'strict decoding error: unknown field "dta"' in answer["message"], answer
        status, headers, _ = raw("POST", path + "?dryRun=All&fieldValidation=Ignore", body)
        equal((status, headers.get("Warning")), (201, None))
    with step("bodies: none, not JSON, YAML, another type"):
        path = f"/api/v1/namespaces/{ns}/configmaps?dryRun=All"
        equal(raw("POST", path, b"")[0], 400)
        equal(raw("POST", path, b"{")[0], 400)
        equal(raw("POST", path, b"metadata: {name: yaml}", Content_Type="application/yaml")[0], 201)
        equal(raw("POST", path, b"x", Content_Type="text/plain")[0], 415)
        equal(raw("POST", path, config_map("x"), Accept="text/html")[0], 406)


def patches(ns):
    """JSON, merge and strategic patches."""
    core.create_namespaced_config_map(ns, config_map("p", a="1", b="2"))
    patch = core.patch_namespaced_config_map
    with step("JSON patch"):
        body = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "9"}, {"op": "remove", "path": "/data/b"}]
        equal(patch("p", ns, body, _content_type=JSON_PATCH).data, {"a": "9"})
    with step("JSON patch whose test fails"):
        refused(422, "Invalid", patch, "p", ns, [{"op": "test", "path": "/data/a", "value": "1"}], _content_type=JSON_PATCH)
    with step("merge patch, null takes away"):
        equal(patch("p", ns, {"data": {"a": None, "c": "3"}}, _content_type=MERGE).data, {"c": "3"})
    with step("a patch without a type of its own"):
        equal(patch("p", ns, {"data": {"d": "4"}}).data, {"c": "3", "d": "4"})
    with step("strategic patch merges containers by name"):
        apps = client.AppsV1Api()
        apps.create_namespaced_deployment(ns, deployment("strategic", 0))
        containers = [{"name": "more", "image": "x"}, {"name": "c", "env": [{"name": "A", "value": "1"}]}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        got = apps.patch_namespaced_deployment("strategic", ns, body, _content_type=STRATEGIC).spec.template.spec.containers
        equal(sorted(one.name for one in got), ["c", "more"])
        body = {"spec": {"template": {"spec": {"containers": [{"name": "more", "$patch": "delete"}]}}}}
        got = apps.patch_namespaced_deployment("strategic", ns, body, _content_type=STRATEGIC).spec.template.spec.containers
        equal([(one.name, one.env[0].name) for one in got], [("c", "A")])
    with step("a patch that names another revision is a conflict"):
        refused(409, "Conflict", patch, "p", ns, {"metadata": {"resourceVersion": "1"}, "data": {"z": "1"}}, _content_type=MERGE)
    with step("a patch that changes nothing keeps the revision"):
        before = core.read_namespaced_config_map("p", ns).metadata.resource_version
        equal(patch("p", ns, {"data": {"c": "3"}}, _content_type=MERGE).metadata.resource_version, before)
    with step("patch what is not there"):
        refused(404, "NotFound", patch, "none", ns, {"data": {}}, _content_type=MERGE)


def apply(ns):
    """Server-side apply by the typed client."""
    patch = core.patch_namespaced_config_map
    def by(manager, body, **more):
        return patch(body["metadata"]["name"], ns, body, field_manager=manager, _content_type=APPLY, **more)
    with step("apply creates, then owns"):
        equal(by("one", config_map("s", a="1", b="2")).data, {"a": "1", "b": "2"})
        equal(by("one", config_map("s", a="1")).data, {"a": "1"})
    with step("apply against another's field is a conflict"):
        status = refused(409, "Conflict", by, "two", config_map("s", a="7"))
        cause = status["details"]["causes"][0]
        equal((cause["reason"], cause["field"]), ("FieldManagerConflict", ".data.a"))
    with step("apply by force"):
        equal(by("two", config_map("s", a="7"), force=True).data, {"a": "7"})
        owners = {entry.manager: (entry.operation, entry.fields_v1) for entry in core.read_namespaced_config_map("s", ns).metadata.managed_fields}
        equal(owners["two"], ("Apply", {"f:data": {"f:a": {}}}))
    with step("apply without a manager"):
        status = refused(422, "Invalid", patch, "s", ns, config_map("s"), _content_type=APPLY)
        assert "fieldManager: Required value: is required for apply patch" in status["message"], status


def deployment(name, replicas):
    """A Deployment of the built-in image."""
    template = pod(name)
    del template["spec"]["restartPolicy"]
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]}}}


def workloads(ns):
    """Scale, status and eviction."""
    apps = client.AppsV1Api()
    with step("a deployment runs"):
        apps.create_namespaced_deployment(ns, deployment("d", 1))
        eventually("it is available", lambda: apps.read_namespaced_deployment("d", ns).status.available_replicas == 1, 60)
    with step("scale: read, patch, replace"):
        scale = apps.read_namespaced_deployment_scale("d", ns)
        equal((scale.spec.replicas, scale.status.selector), (1, "app=d"))
        equal(apps.patch_namespaced_deployment_scale("d", ns, {"spec": {"replicas": 2}}, _content_type=MERGE).spec.replicas, 2)
        def replace():
            scale = apps.read_namespaced_deployment_scale("d", ns)
            scale.spec.replicas = 1
            try:
                return apps.replace_namespaced_deployment_scale("d", ns, scale)
            except ApiException as problem:
                # The controller may have written in between.
                equal(problem.status, 409)
        equal(eventually("it is replaced", replace).spec.replicas, 1)
    with step("status and spec are apart"):
        before = apps.read_namespaced_deployment("d", ns)
        got = apps.patch_namespaced_deployment_status("d", ns, {"spec": {"paused": True}}, _content_type=MERGE)
        equal((got.spec.paused, got.metadata.generation), (before.spec.paused, before.metadata.generation))
    with step("evict a pod"):
        name = core.list_namespaced_pod(ns, label_selector="app=d").items[0].metadata.name
        core.create_namespaced_pod_eviction(name, ns, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})
        eventually("it goes", lambda: name not in [one.metadata.name for one in core.list_namespaced_pod(ns).items])


def deletes(ns):
    """Preconditions, finalizers, collections, what goes with an owner."""
    apps = client.AppsV1Api()
    with step("delete with a precondition that fails"):
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="none"))
        refused(409, "Conflict", core.delete_namespaced_config_map, "a", ns, body=options)
    with step("a finalizer holds back"):
        body = config_map("held")
        body["metadata"]["finalizers"] = ["rutter.dev/hold"]
        core.create_namespaced_config_map(ns, body)
        core.delete_namespaced_config_map("held", ns)
        assert core.read_namespaced_config_map("held", ns).metadata.deletion_timestamp
        core.patch_namespaced_config_map("held", ns, {"metadata": {"finalizers": None}}, _content_type=MERGE)
        refused(404, "NotFound", core.read_namespaced_config_map, "held", ns)
    with step("delete a collection"):
        for name in ("x1", "x2"):
            body = config_map(name)
            body["metadata"]["labels"] = {"set": "x"}
            core.create_namespaced_config_map(ns, body)
        core.delete_collection_namespaced_config_map(ns, label_selector="set=x")
        equal(core.list_namespaced_config_map(ns, label_selector="set=x").items, [])
        core.read_namespaced_config_map("a", ns)
    with step("orphans stay"):
        apps.delete_namespaced_deployment("strategic", ns, propagation_policy="Orphan")
        eventually("it is gone", lambda: "strategic" not in [one.metadata.name for one in apps.list_namespaced_deployment(ns).items])
        sets = apps.list_namespaced_replica_set(ns, label_selector="app=strategic").items
        assert sets and not sets[0].metadata.owner_references, sets
        apps.delete_collection_namespaced_replica_set(ns, label_selector="app=strategic")
    with step("foreground: the owner goes last"):
        apps.delete_namespaced_deployment("d", ns, propagation_policy="Foreground")
        left = apps.list_namespaced_deployment(ns).items
        assert not left or left[0].metadata.finalizers == ["foregroundDeletion"], left
        eventually("it is gone", lambda: not apps.list_namespaced_deployment(ns).items)
        equal(core.list_namespaced_pod(ns, label_selector="app=d").items, [])
