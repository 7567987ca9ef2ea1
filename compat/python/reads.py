"""Discovery, lists, selectors, pages and resource versions."""
from common import client, config_map, core, raw, refused
from tap import equal, step


def run(ns):
    """All of it."""
    discovery()
    selectors(ns)
    pages(ns)
    versions(ns)


def discovery():
    """What the client asks before anything else."""
    with step("version"):
        version = client.VersionApi().get_code()
        assert version.major == "1" and version.minor.isdigit() and version.git_version.startswith("v1."), version
    with step("groups and their resources"):
        groups = {group.name: group for group in client.ApisApi().get_api_versions().groups}
        equal(groups["apps"].preferred_version.group_version, "apps/v1")
        names = {one.name for one in client.AppsV1Api().get_api_resources().resources}
        assert {"deployments", "deployments/scale", "deployments/status"} <= names, names
    with step("the core group"):
        equal(client.CoreApi().get_api_versions().versions, ["v1"])
        pods = next(one for one in core.get_api_resources().resources if one.name == "pods")
        equal((pods.kind, pods.namespaced, pods.singular_name, pods.short_names), ("Pod", True, "pod", ["po"]))
    with step("aggregated discovery keeps its ETag"):
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        status, headers, answer = raw("GET", "/apis", Accept=accept)
        equal((status, answer["kind"], answer["apiVersion"]), (200, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"))
        equal(raw("GET", "/apis", Accept=accept, If_None_Match=headers["ETag"])[0], 304)
    with step("every kind can be listed as the client types it"):
        lists(client)
    with step("a table, with and without objects"):
        status, _, table = raw("GET", "/api/v1/nodes", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        equal((status, table["kind"], table["rows"][0]["object"]["kind"]), (200, "Table", "PartialObjectMetadata"))
        accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
        equal(raw("GET", "/api/v1/nodes", Accept=accept)[2]["kind"], "PartialObjectMetadataList")
    with step("a path that is not there"):
        equal(raw("GET", "/apis/none.example.com/v1")[0], 404)
        equal(raw("DELETE", "/version")[0], 405)


# Not of Kubernetes 1.35, but newer; what this client cannot read from any server, an event without eventTime; and
# ComponentStatus, of which there is nothing to tell.
NEWER = {"AdmissionregistrationV1Api.list_mutating_admission_policy", "AdmissionregistrationV1Api.list_mutating_admission_policy_binding",
         "CertificatesV1Api.list_cluster_trust_bundle", "CertificatesV1Api.list_pod_certificate_request_for_all_namespaces",
         "ResourceV1Api.list_device_taint_rule", "StoragemigrationV1Api.list_storage_version_migration",
         "EventsV1Api.list_event_for_all_namespaces", "CoreV1Api.list_component_status"}


def lists(module):
    """Each `list_x_for_all_namespaces` and cluster-wide list of the stable groups: the answer must fit the client's type."""
    wrong = []
    for name in dir(module):
        if not name.endswith("V1Api") and name != "AutoscalingV2Api":
            continue
        api = getattr(module, name)()
        for call in dir(api):
            named = call.startswith("list_") and not call.endswith(("_with_http_info", "_without_preload_content"))
            if named and "namespaced" not in call and "custom_object" not in call and f"{name}.{call}" not in NEWER:
                try:
                    getattr(api, call)(limit=2)
                except Exception as problem:  # noqa: BLE001: every one is told
                    wrong.append(f"{name}.{call}: {str(problem)[:200]}")
    if wrong:
        raise AssertionError("\n".join(wrong))


def selectors(ns):
    """The grammar of labels and fields."""
    for number in range(4):
        body = config_map(f"l{number}")
        body["metadata"]["labels"] = {"n": str(number), "even": str(number % 2 == 0).lower(), **({"two": ""} if number < 2 else {})}
        core.create_namespaced_config_map(ns, body)
    def names(**how):
        return [one.metadata.name for one in core.list_namespaced_config_map(ns, **how).items]
    with step("label selectors"):
        for text, wanted in [("n=1", ["l1"]), ("n==1", ["l1"]), ("n in (0,2)", ["l0", "l2"]), ("n,n notin (0,2)", ["l1", "l3"]),
                             ("n,!two", ["l2", "l3"]), ("even=true,n!=0", ["l2"]), ("n>1", ["l2", "l3"]), ("n<1", ["l0"])]:
            equal((text, names(label_selector=text)), (text, wanted))
    with step("a label selector that is none"):
        refused(400, "BadRequest", core.list_namespaced_config_map, ns, label_selector="n in (")
    with step("field selectors"):
        equal(names(field_selector="metadata.name=l2"), ["l2"])
        equal(names(field_selector=f"metadata.name=l2,metadata.namespace!={ns}"), [])
    with step("a field that cannot be selected"):
        status = refused(400, "BadRequest", core.list_namespaced_config_map, ns, field_selector="data.k=1")
        equal(status["message"], '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"')
        status = refused(400, "BadRequest", core.list_namespaced_pod, ns, field_selector="spec.none=1")
        assert "field label not supported: spec.none" in status["message"], status


def pages(ns):
    """limit and continue."""
    with step("pages hold all, once, of one moment"):
        first = core.list_namespaced_config_map(ns, limit=2)
        core.create_namespaced_config_map(ns, config_map("zz-late"))
        seen, token, answer = [one.metadata.name for one in first.items], first.metadata._continue, first
        equal(first.metadata.remaining_item_count is not None, True)
        while token:
            answer = core.list_namespaced_config_map(ns, limit=2, _continue=token)
            seen += [one.metadata.name for one in answer.items]
            token = answer.metadata._continue
            equal(answer.metadata.resource_version, first.metadata.resource_version)
        equal(seen, sorted(set(seen)))
        assert "zz-late" not in seen and "l3" in seen, seen
    with step("no count of the rest with a selector"):
        equal(core.list_namespaced_config_map(ns, limit=1, label_selector="n").metadata.remaining_item_count, None)
    with step("a token that is none"):
        refused(400, "BadRequest", core.list_namespaced_config_map, ns, limit=2, _continue="nonsense")
    with step("a token and a resource version"):
        token = core.list_namespaced_config_map(ns, limit=1).metadata._continue
        refused(400, "BadRequest", core.list_namespaced_config_map, ns, limit=2, _continue=token, resource_version="1")


def versions(ns):
    """resourceVersion and resourceVersionMatch."""
    made = core.create_namespaced_config_map(ns, config_map("v", k="old"))
    then = made.metadata.resource_version
    core.patch_namespaced_config_map("v", ns, {"data": {"k": "new"}})
    def k(**how):
        return next(one.data["k"] for one in core.list_namespaced_config_map(ns, **how).items if one.metadata.name == "v")
    with step("exactly then"):
        equal(k(resource_version=then, resource_version_match="Exact"), "old")
    with step("exactly then, in pages"):
        equal(core.list_namespaced_config_map(ns, resource_version=then, limit=1).metadata.resource_version, then)
    with step("not older than then, and any"):
        equal(k(resource_version=then, resource_version_match="NotOlderThan"), "new")
        equal(k(resource_version="0") in ("old", "new"), True)
        assert core.list_namespaced_config_map(ns, resource_version="0").metadata.resource_version != "0"
    with step("exactly 0, and a match without a version"):
        refused(422, "Invalid", core.list_namespaced_config_map, ns, resource_version="0", resource_version_match="Exact")
        refused(422, "Invalid", core.list_namespaced_config_map, ns, resource_version_match="Exact")
        refused(422, "Invalid", core.list_namespaced_config_map, ns, resource_version="1", resource_version_match="Sometimes")
    with step("a version of the future"):
        status = refused(504, "Timeout", core.list_namespaced_config_map, ns, resource_version="99999999999", resource_version_match="NotOlderThan")
        equal(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge")
    with step("a version that is none"):
        status, _, answer = raw("GET", f"/api/v1/namespaces/{ns}/configmaps?resourceVersion=x")
        equal((status in (400, 500), answer["kind"]), (True, "Status"))
