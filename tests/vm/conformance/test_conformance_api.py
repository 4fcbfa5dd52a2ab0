# SPDX-License-Identifier: Apache-2.0
"""Conformance of the API machinery: what needs the API server and its controllers, and no container."""

import json
import threading
import time

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

MACHINERY = "[sig-api-machinery] "
AUTH = "[sig-auth] "


# ---- the life of a kind: what upstream asks of most of them, in the same order

KINDS = [
    # upstream's name ("": it has no conformance test), group/version, resource, a body, the change, scope
    ("[sig-node] PodTemplates should run the lifecycle of PodTemplates", "v1", "podtemplates",
     {"kind": "PodTemplate", "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
     {"metadata": {"labels": {"patched": "yes"}}}, True),
    ("[sig-node] ConfigMap should run through a ConfigMap lifecycle", "v1", "configmaps",
     {"kind": "ConfigMap", "data": {"a": "1"}}, {"data": {"a": "2"}}, True),
    ("[sig-node] Secrets should patch a secret", "v1", "secrets",
     {"kind": "Secret", "data": {"key": "dmFsdWU="}}, {"data": {"key": "b3RoZXI="}}, True),
    ("[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount", "v1", "serviceaccounts",
     {"kind": "ServiceAccount"}, {"automountServiceAccountToken": False}, True),
    ("[sig-node] Lease lease API should be available", "coordination.k8s.io/v1", "leases",
     {"kind": "Lease", "spec": {"holderIdentity": "me", "leaseDurationSeconds": 30, "acquireTime": "2026-01-02T03:04:05.000001Z"}},
     {"spec": {"holderIdentity": "you"}}, True),
    ("[sig-node] RuntimeClass should support RuntimeClasses API operations", "node.k8s.io/v1", "runtimeclasses",
     {"kind": "RuntimeClass", "handler": "h"}, {"metadata": {"annotations": {"patched": "yes"}}}, False),
    ("[sig-network] IngressClass API should support creating IngressClass API operations", "networking.k8s.io/v1", "ingressclasses",
     {"kind": "IngressClass", "spec": {"controller": "example.com/c"}}, {"metadata": {"annotations": {"patched": "yes"}}}, False),
    ("[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass", "storage.k8s.io/v1",
     "storageclasses", {"kind": "StorageClass", "provisioner": "example.com/p"}, {"metadata": {"labels": {"patched": "yes"}}}, False),
    ("[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision", "apps/v1", "controllerrevisions",
     {"kind": "ControllerRevision", "revision": 1, "data": {"spec": {"x": 1}}}, {"metadata": {"labels": {"patched": "yes"}}}, True),
    ("[sig-apps] CronJob should support CronJob API operations", "batch/v1", "cronjobs",
     {"kind": "CronJob", "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": {
         "restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "i"}]}}}}}},
     {"metadata": {"annotations": {"patched": "yes"}}}, True),
    ("[sig-apps] DisruptionController should create a PodDisruptionBudget", "policy/v1", "poddisruptionbudgets",
     {"kind": "PodDisruptionBudget", "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
     {"spec": {"minAvailable": "70%"}}, True),
    ("[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection", "v1", "limitranges",
     {"kind": "LimitRange", "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}},
     {"spec": {"limits": [{"type": "Container", "default": {"cpu": "2"}}]}}, True),
    ("[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota", "v1", "resourcequotas",
     {"kind": "ResourceQuota", "spec": {"hard": {"pods": "5"}}}, {"spec": {"hard": {"pods": "6"}}}, True),
    ("[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with "
     "different HTTP methods", "scheduling.k8s.io/v1", "priorityclasses", {"kind": "PriorityClass", "value": 10},
     {"description": "patched"}, False),
    ("[sig-network] Ingress API should support creating Ingress API operations", "networking.k8s.io/v1", "ingresses",
     {"kind": "Ingress", "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
     {"spec": {"defaultBackend": {"service": {"name": "other"}}}}, True),
    ("[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver", "storage.k8s.io/v1", "csidrivers",
     {"kind": "CSIDriver", "spec": {"attachRequired": False}}, {"metadata": {"labels": {"patched": "yes"}}}, False),
    ("[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode", "storage.k8s.io/v1", "csinodes",
     {"kind": "CSINode", "spec": {"drivers": []}}, {"metadata": {"annotations": {"patched": "yes"}}}, False),
    ("[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations", "storage.k8s.io/v1", "csistoragecapacities",
     {"kind": "CSIStorageCapacity", "storageClassName": "c", "capacity": "1Gi"}, {"capacity": "2Gi"}, True),
    ("[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass",
     "storage.k8s.io/v1", "volumeattributesclasses", {"kind": "VolumeAttributesClass", "driverName": "example.com/d", "parameters": {"a": "b"}},
     {"metadata": {"labels": {"patched": "yes"}}}, False),
    ("[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment", "storage.k8s.io/v1",
     "volumeattachments", {"kind": "VolumeAttachment", "spec": {"attacher": "example.com/a", "nodeName": "n", "source": {
         "persistentVolumeName": "v"}}}, {"metadata": {"labels": {"patched": "yes"}}}, False),
    ("", "networking.k8s.io/v1", "networkpolicies",
     {"kind": "NetworkPolicy", "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": [
         {"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}], "ports": [{"protocol": "TCP", "port": 5432, "endPort": 5440}]}]}},
     {"spec": {"podSelector": {"matchLabels": {"app": "cache"}}}}, True),
]  # fmt: skip


def base(group_version, resource, ns=None):
    root = "/api/v1" if group_version == "v1" else f"/apis/{group_version}"
    return f"{root}/namespaces/{ns}/{resource}" if ns else f"{root}/{resource}"


def holds(part, whole):
    """Is everything of @part in @whole?"""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and holds(v, whole[k]) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(holds, part, whole))
    return part == whole


def update(cluster, path, change, subresource=""):
    """Get, change, put; again while a controller was faster, as every client does."""
    for _ in range(10):
        new = cluster.ask("GET", path)
        change(new)
        status, reply, _ = cluster.raw("PUT", path + subresource, new)
        if status != 409:
            assert status == 200, reply
            return reply
    raise AssertionError(f"{path}: always somebody was faster")


@pytest.mark.parametrize(
    ("version", "resource", "body", "change", "namespaced"),
    [pytest.param(*kind[1:], marks=pytest.mark.conformance(kind[0]) if kind[0] else (), id=kind[2]) for kind in KINDS],
)
def test_the_life_of(cluster, ns, version, resource, body, change, namespaced):
    path = base(version, resource, ns if namespaced else None)
    name = f"{ns[:40]}-x"
    body = {"apiVersion": version, **body, "metadata": {"name": name, "labels": {"test": ns}}}
    select = f"?labelSelector=test%3D{ns}"

    # create, get, list, in its namespace and in all
    made = cluster.ask("POST", path, body, expect=201)
    assert made["metadata"]["uid"] and made["kind"] == body["kind"]
    assert cluster.ask("POST", path, body, expect=409)["reason"] == "AlreadyExists"
    there = cluster.ask("GET", f"{path}/{name}")
    assert there["metadata"]["uid"] == made["metadata"]["uid"] and holds(body, there)
    assert [x["metadata"]["name"] for x in cluster.ask("GET", path + select)["items"]] == [name]
    assert [x["metadata"]["name"] for x in cluster.ask("GET", base(version, resource) + select)["items"]] == [name]

    with Watch(cluster, path, f"labelSelector=test%3D{ns}&resourceVersion={made['metadata']['resourceVersion']}") as watch:
        # patch, update, conflict
        patched = cluster.ask("PATCH", f"{path}/{name}", change, kind="application/merge-patch+json")
        assert holds(change, patched)
        assert patched["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        updated = update(cluster, f"{path}/{name}", lambda x: x["metadata"].setdefault("annotations", {}).update(updated="yes"))
        assert updated["metadata"]["annotations"]["updated"] == "yes"
        stale = cluster.ask("PUT", f"{path}/{name}", {**made, "metadata": {**made["metadata"], "labels": {"x": "y"}}}, expect=409)
        assert stale["reason"] == "Conflict"

        # delete one, delete the collection
        cluster.ask("DELETE", f"{path}/{name}")
        assert eventually(lambda: cluster.raw("GET", f"{path}/{name}")[0] == 404, timeout=30)
        assert watch.until("DELETED"), watch.seen
        kinds = [event["type"] for event in watch.seen]
        assert kinds[0] == "MODIFIED" and kinds[-1] == "DELETED" and "ADDED" not in kinds
    for i in range(3):
        body["metadata"]["name"] = f"{name}-{i}"
        cluster.ask("POST", path, body, expect=201)
    assert len(cluster.ask("GET", path + select)["items"]) == 3
    cluster.ask("DELETE", path + select)
    assert eventually(lambda: not cluster.ask("GET", path + select)["items"], timeout=30)


# ---- watches


def configmap(name, labels=None, **data):
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


@named("", MACHINERY + "Watchers should observe add, update, and delete watch notifications on configmaps")
def test_watches_see_what_their_selector_selects(cluster, ns):
    path = base("v1", "configmaps", ns)
    with Watch(cluster, path, "labelSelector=w%3Da") as a, Watch(cluster, path, "labelSelector=w%3Db") as b, Watch(
        cluster, path, "labelSelector=w+in+(a,b)"
    ) as both:
        cluster.ask("POST", path, configmap("one", {"w": "a"}), expect=201)
        cluster.ask("PATCH", f"{path}/one", {"data": {"m": "1"}}, kind="application/merge-patch+json")
        cluster.ask("DELETE", f"{path}/one")
        cluster.ask("POST", path, configmap("two", {"w": "b"}), expect=201)
        cluster.ask("DELETE", f"{path}/two")
        assert a.until("DELETED") and b.until("DELETED") and both.until("DELETED", count=2)
        assert a.types() == ["ADDED", "MODIFIED", "DELETED"]
        assert b.types() == ["ADDED", "DELETED"]
        assert both.types() == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]


@named("", MACHINERY + "Watchers should be able to start watching from a specific resource version",
             MACHINERY + "Watchers should be able to restart watching from the last resource version observed by the previous watch")  # fmt: skip
def test_watches_begin_where_they_are_told(cluster, ns):
    path = base("v1", "configmaps", ns)
    cluster.ask("POST", path, configmap("x"), expect=201)
    first = cluster.ask("PATCH", f"{path}/x", {"data": {"m": "1"}}, kind="application/merge-patch+json")
    cluster.ask("PATCH", f"{path}/x", {"data": {"m": "2"}}, kind="application/merge-patch+json")
    at = first["metadata"]["resourceVersion"]
    with Watch(cluster, path, f"fieldSelector=metadata.name%3Dx&resourceVersion={at}") as watch:
        assert watch.until("MODIFIED")
        assert watch.seen[0]["object"]["data"]["m"] == "2"
        at = watch.seen[0]["object"]["metadata"]["resourceVersion"]
    cluster.ask("PATCH", f"{path}/x", {"data": {"m": "3"}}, kind="application/merge-patch+json")
    cluster.ask("DELETE", f"{path}/x")
    with Watch(cluster, path, f"fieldSelector=metadata.name%3Dx&resourceVersion={at}") as watch:
        assert watch.until("DELETED")
        assert watch.types() == ["MODIFIED", "DELETED"]


@named("", MACHINERY + "Watchers should observe an object deletion if it stops meeting the requirements of the selector")
def test_what_leaves_a_selector_is_deleted_to_its_watch(cluster, ns):
    path = base("v1", "configmaps", ns)
    with Watch(cluster, path, "labelSelector=w%3Da") as watch:
        cluster.ask("POST", path, configmap("x", {"w": "a"}), expect=201)
        for labels, m in (({"w": "a"}, "1"), ({"w": "no"}, "2"), ({"w": "no"}, "3"), ({"w": "a"}, "4")):
            cluster.ask("PATCH", f"{path}/x", {"metadata": {"labels": labels}, "data": {"m": m}}, kind="application/merge-patch+json")
        cluster.ask("DELETE", f"{path}/x")
        assert watch.until("DELETED", count=2)
        assert watch.types() == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
        # the last state that met the selector was m=1; upstream shows the object as it became
        assert watch.seen[3]["object"]["data"]["m"] == "4"


@named("", MACHINERY + "Watchers should receive events on concurrent watches in same order")
def test_watches_agree_about_the_order(cluster, ns):
    path = base("v1", "configmaps", ns)
    start = cluster.ask("GET", path)["metadata"]["resourceVersion"]
    writers = []
    for w in range(3):

        def write(w=w):
            for i in range(8):
                cluster.ask("POST", path, configmap(f"c{w}-{i}"), expect=201)
                cluster.ask("DELETE", f"{path}/c{w}-{i}")

        writers.append(threading.Thread(target=write))
        writers[-1].start()
    time.sleep(0.3)
    watches = [Watch(cluster, path, f"resourceVersion={start}") for _ in range(4)]
    for writer in writers:
        writer.join()
    orders = []
    for watch in watches:
        with watch:
            assert watch.until("DELETED", count=24)
            # the namespace's own map may come at any time
            mine = [(e["type"], e["object"]["metadata"]) for e in list(watch.seen) if e["type"] != "BOOKMARK"]
            orders.append([(kind, meta["resourceVersion"]) for kind, meta in mine if not meta["name"].startswith("kube-")])
    assert len({json.dumps(order) for order in orders}) == 1
    revisions = [int(r) for _, r in orders[0]]
    assert revisions == sorted(revisions)


# ---- lists and tables


@named("", MACHINERY + "Servers with support for API chunking should return chunks of results for list calls")
def test_lists_in_parts(cluster, ns):
    path = base("v1", "podtemplates", ns)
    spec = {"template": {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}
    for i in range(25):
        cluster.ask("POST", path, {"metadata": {"name": f"t-{i:03}"}, **spec}, expect=201)
    names, more, revision, left = [], "", None, []
    while True:
        page = cluster.ask("GET", f"{path}?limit=10" + (f"&continue={more}" if more else ""))
        assert len(page["items"]) <= 10
        revision = revision or page["metadata"]["resourceVersion"]
        assert page["metadata"]["resourceVersion"] == revision
        names += [x["metadata"]["name"] for x in page["items"]]
        left.append(page["metadata"].get("remainingItemCount"))
        more = page["metadata"].get("continue")
        if not more:
            break
    assert names == [f"t-{i:03}" for i in range(25)] and left[:2] == [15, 5]
    assert [x["metadata"]["name"] for x in cluster.ask("GET", path)["items"]] == names


@named("", MACHINERY + "Servers with support for API chunking should support continue listing from the last key if the original version has been "
       "compacted away, though the list is inconsistent [Slow]")  # fmt: skip
def test_lists_in_parts_for_too_long(cluster, ns):
    """History ends in time, or when much is written, as here: a token of before gives way to one that goes on with what there is."""
    path, total, limit = base("v1", "podtemplates", ns), 40, 4
    spec = {"template": {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}
    for i in range(total):
        cluster.ask("POST", path, {"metadata": {"name": f"template-{i:04}"}, **spec}, expect=201)
    page = lambda more: cluster.raw("GET", f"{path}?limit={limit}&continue={more}")  # noqa: E731
    first = cluster.ask("GET", f"{path}?limit={limit}")["metadata"]
    assert first["remainingItemCount"] == total - limit
    assert page(first["continue"])[0] == 200
    for i in range(200):
        note = {"metadata": {"annotations": {"note": f"{i:03}" * (80 << 10)}}}
        cluster.ask("PATCH", f"{path}/template-{total - 1:04}", note, kind="application/merge-patch+json")
        status, reply, _ = page(first["continue"])
        if status != 200:
            break
    assert (status, reply["reason"], reply["code"], reply["kind"]) == (410, "Expired", 410, "Status"), reply
    assert "too old to display a consistent list result" in reply["message"]
    more, found, revision = reply["metadata"]["continue"], limit, None
    while more:
        now = cluster.ask("GET", f"{path}?limit={limit}&continue={more}")
        assert len(now["items"]) == limit
        assert now["metadata"].get("remainingItemCount", 0) + limit + found == total
        assert [x["metadata"]["name"] for x in now["items"]] == [f"template-{found + i:04}" for i in range(limit)]
        revision = revision or now["metadata"]["resourceVersion"]
        assert now["metadata"]["resourceVersion"] == revision != first["resourceVersion"]
        found, more = found + limit, now["metadata"].get("continue")
    assert found == total


@named("", "[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]")
def test_a_configmap_is_updated(cluster, ns):
    path = base("v1", "configmaps", ns)
    made = cluster.ask("POST", path, configmap("m", data="value"), expect=201)
    made["data"] = {"data": "value-2"}
    cluster.ask("PUT", f"{path}/m", made)
    assert cluster.ask("GET", f"{path}/m")["data"] == {"data": "value-2"}


@named("", MACHINERY + "Servers with support for Table transformation should return a 406 for a backend which does not implement metadata")
def test_no_table_of_a_review(cluster):
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}  # fmt: skip
    status, reply, _ = cluster.raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body,
                                   headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})  # fmt: skip
    assert status == 406, reply


@named("", MACHINERY + "server version should find the server version")
def test_version(cluster):
    version = cluster.ask("GET", "/version")
    assert int(version["major"]) >= 1 and version["minor"].rstrip("+").isdigit()


# ---- discovery


@named("", MACHINERY + "Discovery should validate PreferredVersion for each APIGroup",
             MACHINERY + "Discovery should locate the groupVersion and a resource within each APIGroup")  # fmt: skip
def test_discovery(cluster):
    groups = cluster.ask("GET", "/apis")["groups"]
    assert {g["name"] for g in groups} >= {"apps", "batch", "apiextensions.k8s.io", "coordination.k8s.io"}
    for group in groups:
        one = cluster.ask("GET", f"/apis/{group['name']}")
        assert one["preferredVersion"] == group["preferredVersion"]
        assert group["preferredVersion"] in group["versions"] and one["versions"] == group["versions"]
        for version in group["versions"]:
            resources = cluster.ask("GET", f"/apis/{version['groupVersion']}")
            assert resources["groupVersion"] == version["groupVersion"] and resources["resources"]


@named("", MACHINERY + "AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers",
             MACHINERY + "AggregatedDiscovery should support aggregated discovery interface")  # fmt: skip
def test_aggregated_discovery(cluster):
    kind = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
    for path, known in (("/api", ""), ("/apis", "apps")):
        for version in ("v2", "v2beta1"):
            status, reply, headers = cluster.raw("GET", path, headers={"Accept": kind.format(version)})
            if status == 406 and version == "v2beta1":
                continue
            assert status == 200 and reply["kind"] == "APIGroupDiscoveryList"
            assert version in headers["Content-Type"]
        groups = cluster.raw("GET", path, headers={"Accept": kind.format("v2")})[1]["items"]
        assert known in [g["metadata"].get("name", "") for g in groups]
        plain = cluster.ask("GET", path)
        assert plain["kind"] in ("APIVersions", "APIGroupList")
    resources = {r["resource"] for g in groups for v in g["versions"] for r in v["resources"]}
    assert {"deployments", "jobs", "leases", "endpointslices"} <= resources


# ---- fields


@named("", MACHINERY + "FieldValidation should detect unknown and duplicate fields of a typed object")
def test_unknown_and_duplicate_fields(cluster, ns):
    path = base("apps/v1", "deployments", ns)
    text = """{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 0, "replicas": 1,
     "unknownField": "x", "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
     "spec": {"containers": [{"name": "c", "image": "i"}]}}}}"""
    status, reply, _ = cluster.raw("POST", f"{path}?fieldValidation=Strict", text)
    assert status == 400, reply
    assert 'unknown field "spec.unknownField"' in reply["message"] and 'duplicate field "spec.replicas"' in reply["message"]
    assert reply["message"].startswith("Deployment in version") or "strict decoding error" in reply["message"]


def test_encoded_paths(cluster, ns):
    """A segment is decoded by itself: an encoded slash makes no step, and nothing follows what was decoded."""
    for path in ("/apis%2Fapps", "/apis%2Fapps%2Fv1", "/api%2Fv1", "/apis//", "/apis/apps%2Fv1", "/api/v1%2Fpods"):
        assert cluster.raw("GET", path)[0] in (200, 404), path
    cluster.ask("POST", base("v1", "configmaps", ns), {"metadata": {"name": "prod-a"}}, expect=201)
    path = base("v1", "configmaps", ns.replace("-", "%2D"))
    assert cluster.ask("GET", f"{path}/p%72od%2da")["metadata"]["name"] == "prod-a"
    assert cluster.raw("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode")[0] == 200
    assert cluster.raw("GET", f"{path}/%")[0] == 400


def test_more_warnings_than_a_client_reads(cluster, ns):
    """Python's client gives up after 100 lines of a head."""
    body = {"metadata": {"name": "w"}, **{f"unknown{i}": 1 for i in range(90)}}
    status, _, headers = cluster.raw("POST", base("v1", "configmaps", ns) + "?dryRun=All&fieldValidation=Warn", body)
    assert status == 201
    said = headers.get_all("Warning")
    assert len(said) == 65 and 'unknown field' in said[0] and said[-1] == '299 - "and 26 more"', said[-1]


@named("", MACHINERY + "FieldValidation should detect unknown metadata fields of a typed object")
def test_unknown_fields_of_metadata(cluster, ns):
    path = base("apps/v1", "deployments", ns)
    body = {"metadata": {"name": "d", "unknownMeta": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}, "unknownSubMeta": "y"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}  # fmt: skip
    status, reply, _ = cluster.raw("POST", f"{path}?fieldValidation=Strict", body)
    assert status == 400
    assert 'unknown field "metadata.unknownMeta"' in reply["message"]
    assert 'unknown field "spec.template.metadata.unknownSubMeta"' in reply["message"]


@named("", "[sig-node] ConfigMap should fail to create ConfigMap with empty key")
def test_configmap_with_an_empty_key(cluster, ns):
    assert cluster.ask("POST", base("v1", "configmaps", ns), configmap("x", **{"": "v"}), expect=422)["reason"] == "Invalid"


@named("", "[sig-node] Secrets should fail to create secret due to empty secret key")
def test_secret_with_an_empty_key(cluster, ns):
    body = {"metadata": {"name": "x"}, "data": {"": "dmFsdWU="}}
    assert cluster.ask("POST", base("v1", "secrets", ns), body, expect=422)["reason"] == "Invalid"


# ---- namespaces


@named("", MACHINERY + "Namespaces [Serial] should patch a Namespace",
             MACHINERY + "Namespaces [Serial] should apply an update to a Namespace",
             MACHINERY + "Namespaces [Serial] should apply changes to a namespace status")  # fmt: skip
def test_a_namespace_is_changed(cluster, ns):
    path = f"/api/v1/namespaces/{ns}"
    patched = cluster.ask("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, kind="application/strategic-merge-patch+json")
    assert patched["metadata"]["labels"]["a"] == "b" and patched["metadata"]["labels"]["kubernetes.io/metadata.name"] == ns
    assert update(cluster, path, lambda x: x["metadata"]["labels"].update(c="d"))["metadata"]["labels"]["c"] == "d"
    condition = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status = cluster.ask("PATCH", f"{path}/status", {"status": {"conditions": [condition]}}, kind="application/merge-patch+json")
    assert status["status"]["conditions"] == [condition] and status["status"]["phase"] == "Active"
    status["status"]["conditions"][0]["message"] = "n"
    assert cluster.ask("PUT", f"{path}/status", status)["status"]["conditions"][0]["message"] == "n"


@named("", MACHINERY + "Namespaces [Serial] should apply a finalizer to a Namespace")
def test_a_namespace_with_a_finalizer(cluster):
    name = "with-a-finalizer"
    cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, expect=201)
    made = update(cluster, f"/api/v1/namespaces/{name}", lambda x: x["spec"]["finalizers"].append("example.com/mine"), "/finalize")
    assert "example.com/mine" in made["spec"]["finalizers"]
    cluster.ask("DELETE", f"/api/v1/namespaces/{name}")
    assert eventually(
        lambda: cluster.ask("GET", f"/api/v1/namespaces/{name}")["spec"].get("finalizers") == ["example.com/mine"], timeout=30
    )
    assert cluster.ask("GET", f"/api/v1/namespaces/{name}")["status"]["phase"] == "Terminating"
    update(cluster, f"/api/v1/namespaces/{name}", lambda x: x["spec"].update(finalizers=[]), "/finalize")
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{name}")[0] == 404, timeout=30)


@named("", MACHINERY + "Namespaces [Serial] should ensure that all services are removed when a namespace is deleted")
def test_services_go_with_their_namespace(cluster):
    name = "with-a-service"
    cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, expect=201)
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    cluster.ask("POST", base("v1", "services", name), service, expect=201)
    cluster.ask("DELETE", f"/api/v1/namespaces/{name}")
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{name}")[0] == 404, timeout=60)
    cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, expect=201)
    assert not cluster.ask("GET", base("v1", "services", name))["items"]
    cluster.ask("DELETE", f"/api/v1/namespaces/{name}")


# ---- garbage


def deployment(name, replicas=1):
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "wherry/hello", "command": ["sleep", "600"]}],
                 "nodeSelector": {"no": "such"}}}}}  # fmt: skip


@named("", MACHINERY + "Garbage collector should delete RS created by deployment when not orphaning")
def test_replica_sets_go_with_their_deployment(cluster, ns):
    sets = base("apps/v1", "replicasets", ns)
    cluster.ask("POST", base("apps/v1", "deployments", ns), deployment("d"), expect=201)
    assert eventually(lambda: cluster.ask("GET", sets)["items"], timeout=30)
    cluster.ask("DELETE", base("apps/v1", "deployments", ns) + "/d", {"propagationPolicy": "Background"})
    assert eventually(lambda: not cluster.ask("GET", sets)["items"], timeout=60)


@named("", MACHINERY + "Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan")
def test_replica_sets_are_orphaned(cluster, ns):
    sets = base("apps/v1", "replicasets", ns)
    cluster.ask("POST", base("apps/v1", "deployments", ns), deployment("d"), expect=201)
    assert eventually(lambda: cluster.ask("GET", sets)["items"], timeout=30)
    cluster.ask("DELETE", base("apps/v1", "deployments", ns) + "/d", {"propagationPolicy": "Orphan"})
    assert eventually(lambda: cluster.raw("GET", base("apps/v1", "deployments", ns) + "/d")[0] == 404, timeout=60)
    time.sleep(2)
    left = cluster.ask("GET", sets)["items"]
    assert len(left) == 1 and not left[0]["metadata"].get("ownerReferences")


@named("", MACHINERY + "Garbage collector should not be blocked by dependency circle")
def test_a_circle_of_owners(cluster, ns):
    path = base("v1", "configmaps", ns)
    made = [cluster.ask("POST", path, configmap(f"c{i}"), expect=201) for i in range(3)]
    for i, each in enumerate(made):
        owner = made[(i + 2) % 3]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
                     "controller": True, "blockOwnerDeletion": True}  # fmt: skip
        cluster.ask("PATCH", f"{path}/{each['metadata']['name']}", {"metadata": {"ownerReferences": [reference]}},
                    kind="application/merge-patch+json")  # fmt: skip
    cluster.ask("DELETE", f"{path}/c0", {"propagationPolicy": "Foreground"})
    mine = lambda: [x for x in cluster.ask("GET", path)["items"] if x["metadata"]["name"].startswith("c")]  # noqa: E731
    assert eventually(lambda: not mine(), timeout=60)


# ---- access


@named("", AUTH + "ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace")
def test_every_namespace_has_the_authority(cluster, ns):
    path = base("v1", "configmaps", ns) + "/kube-root-ca.crt"
    there = lambda: "BEGIN CERTIFICATE" in json.dumps(cluster.raw("GET", path)[1])  # noqa: E731
    assert eventually(there, timeout=30)
    cluster.ask("DELETE", path)
    assert eventually(there, timeout=30)
    changed = cluster.ask("GET", path)
    changed["data"] = {"ca.crt": "no"}
    cluster.ask("PUT", path, changed)
    assert eventually(there, timeout=30)


@named("", AUTH + "ServiceAccounts should update a ServiceAccount")
def test_a_service_account_is_updated(cluster, ns):
    path = base("v1", "serviceaccounts", ns)
    made = cluster.ask("POST", path, {"metadata": {"name": "a"}}, expect=201)
    made["automountServiceAccountToken"] = True
    assert cluster.ask("PUT", f"{path}/a", made)["automountServiceAccountToken"] is True


@named("", AUTH + "ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview")
def test_a_token_is_reviewed(cluster, ns):
    path = base("v1", "serviceaccounts", ns)
    cluster.ask("POST", path, {"metadata": {"name": "a"}}, expect=201)
    made = cluster.ask("POST", f"{path}/a/token", {"spec": {"expirationSeconds": 3600}}, expect=201)
    review = cluster.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": made["status"]["token"]}}, expect=201)
    assert review["status"]["authenticated"] is True
    assert review["status"]["user"]["username"] == f"system:serviceaccount:{ns}:a"
    bad = cluster.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "a.b.c"}}, expect=201)
    assert not bad["status"].get("authenticated")


@named("", AUTH + "SubjectReview should support SubjectReview API operations")
def test_subject_reviews(cluster, ns):
    cluster.ask("POST", base("v1", "serviceaccounts", ns), {"metadata": {"name": "e2e"}}, expect=201)
    user = f"system:serviceaccount:{ns}:e2e"
    spec = {"user": user, "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": ns}}
    review = cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec}, expect=201)
    assert review["status"]["allowed"] is False
    local = {"metadata": {"namespace": ns}, "spec": spec}
    path = f"/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews"
    assert cluster.ask("POST", path, local, expect=201)["status"]["allowed"] is False
    rule = {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    cluster.ask("POST", base("rbac.authorization.k8s.io/v1", "roles", ns), rule, expect=201)
    binding = {"metadata": {"name": "r"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
               "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": ns}]}  # fmt: skip
    cluster.ask("POST", base("rbac.authorization.k8s.io/v1", "rolebindings", ns), binding, expect=201)
    assert cluster.ask("POST", path, local, expect=201)["status"]["allowed"] is True


@named("", AUTH + "ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer")
def test_the_issuer_is_discovered(cluster):
    found = cluster.ask("GET", "/.well-known/openid-configuration")
    assert found["issuer"] and found["jwks_uri"].endswith("/openid/v1/jwks")
    keys = cluster.ask("GET", "/openid/v1/jwks")["keys"]
    assert keys and keys[0]["kid"] and keys[0]["kty"] in ("RSA", "EC")


# ---- events


@named("", "[sig-instrumentation] Events should manage the lifecycle of an event",
             "[sig-instrumentation] Events should delete a collection of events")  # fmt: skip
def test_core_events(cluster, ns):
    path = base("v1", "events", ns)
    body = {"metadata": {"name": "e", "labels": {"t": "a"}}, "message": "m", "reason": "Test", "type": "Normal", "count": 1,
            "involvedObject": {"namespace": ns, "kind": "Pod", "name": "p"}, "source": {"component": "c"}}  # fmt: skip
    cluster.ask("POST", path, body, expect=201)
    assert [e["metadata"]["name"] for e in cluster.ask("GET", "/api/v1/events?labelSelector=t%3Da")["items"]] == ["e"]
    patched = cluster.ask("PATCH", f"{path}/e", {"message": "n"}, kind="application/strategic-merge-patch+json")
    assert patched["message"] == "n"
    patched["series"] = {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000000Z"}
    assert cluster.ask("PUT", f"{path}/e", patched)["series"]["count"] == 2
    cluster.ask("DELETE", f"{path}/e")
    for i in range(3):
        body["metadata"]["name"] = f"e{i}"
        cluster.ask("POST", path, body, expect=201)
    cluster.ask("DELETE", f"{path}?labelSelector=t%3Da")
    assert not cluster.ask("GET", f"{path}?labelSelector=t%3Da")["items"]


@named("", "[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed",
             "[sig-instrumentation] Events API should delete a collection of events")  # fmt: skip
def test_events_of_the_newer_group(cluster, ns):
    path = base("events.k8s.io/v1", "events", ns)
    body = {"metadata": {"name": "e", "labels": {"t": "b"}}, "eventTime": "2026-01-02T03:04:05.000001Z", "action": "Do", "reason": "Test",
            "type": "Normal", "note": "n", "reportingController": "c", "reportingInstance": "i",
            "regarding": {"namespace": ns, "kind": "Pod", "name": "p"}}  # fmt: skip
    cluster.ask("POST", path, body, expect=201)
    assert [e["note"] for e in cluster.ask("GET", "/apis/events.k8s.io/v1/events?labelSelector=t%3Db")["items"]] == ["n"]
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000000Z"}}
    assert cluster.ask("PATCH", f"{path}/e", series, kind="application/strategic-merge-patch+json")["series"]["count"] == 2
    assert cluster.ask("GET", base("v1", "events", ns) + "/e")["message"] == "n"
    cluster.ask("DELETE", f"{path}/e")
    for i in range(3):
        body["metadata"]["name"] = f"e{i}"
        cluster.ask("POST", path, body, expect=201)
    cluster.ask("DELETE", f"{path}?labelSelector=t%3Db")
    assert not cluster.ask("GET", f"{path}?labelSelector=t%3Db")["items"]


# ---- services, as objects


@named("", "[sig-network] API Server should provide secure master service")
def test_the_api_has_a_service(cluster):
    service = cluster.ask("GET", base("v1", "services", "default") + "/kubernetes")
    assert [p["port"] for p in service["spec"]["ports"]] == [443]


@named("", "[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server")
def test_the_api_has_endpoints(cluster):
    assert cluster.ask("GET", base("v1", "endpoints", "default") + "/kubernetes")["subsets"]
    slices = cluster.ask("GET", base("discovery.k8s.io/v1", "endpointslices", "default") +
                         "?labelSelector=kubernetes.io/service-name%3Dkubernetes")["items"]  # fmt: skip
    assert slices and slices[0]["endpoints"]


@named("", "[sig-network] Services should find a service from listing all namespaces",
             "[sig-network] Services should delete a collection of services",
             "[sig-network] Services should complete a service status lifecycle")  # fmt: skip
def test_services_as_objects(cluster, ns):
    path = base("v1", "services", ns)
    for i in range(3):
        body = {"metadata": {"name": f"s{i}", "labels": {"t": ns}}, "spec": {"ports": [{"port": 80}]}}
        cluster.ask("POST", path, body, expect=201)
    assert len(cluster.ask("GET", f"/api/v1/services?labelSelector=t%3D{ns}")["items"]) == 3
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}
    patched = cluster.ask("PATCH", f"{path}/s0/status", status, kind="application/merge-patch+json")
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    patched["status"]["conditions"] = [
        {"type": "T", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    ]
    assert cluster.ask("PUT", f"{path}/s0/status", patched)["status"]["conditions"][0]["reason"] == "R"
    cluster.ask("DELETE", f"{path}?labelSelector=t%3D{ns}")
    assert eventually(lambda: not cluster.ask("GET", f"{path}?labelSelector=t%3D{ns}")["items"], timeout=30)


@named("", "[sig-network] Services should be able to change the type from ExternalName to ClusterIP",
             "[sig-network] Services should be able to change the type from ClusterIP to ExternalName")  # fmt: skip
def test_a_service_changes_its_type(cluster, ns):
    path = base("v1", "services", ns)
    made = cluster.ask("POST", path, {"metadata": {"name": "s"}, "spec": {"type": "ExternalName", "externalName": "a.example"}}, expect=201)
    assert "clusterIP" not in made["spec"]
    made["spec"] = {"type": "ClusterIP", "ports": [{"name": "http", "port": 80, "targetPort": 9376}]}
    made = cluster.ask("PUT", f"{path}/s", made)
    assert made["spec"]["clusterIP"] and "externalName" not in made["spec"]
    made["spec"] = {"type": "ExternalName", "externalName": "b.example"}
    made = cluster.ask("PUT", f"{path}/s", made)
    assert "clusterIP" not in made["spec"] and made["spec"]["externalName"] == "b.example"


@named("", "[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods")
def test_slices_of_a_service_without_pods(cluster, ns):
    path = base("v1", "services", ns)
    cluster.ask("POST", path, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}, expect=201)
    slices = base("discovery.k8s.io/v1", "endpointslices", ns) + "?labelSelector=kubernetes.io/service-name%3Ds"
    assert eventually(lambda: cluster.ask("GET", slices)["items"], timeout=30)
    assert eventually(lambda: cluster.raw("GET", base("v1", "endpoints", ns) + "/s")[0] == 200, timeout=30)
    cluster.ask("DELETE", f"{path}/s")
    assert eventually(lambda: not cluster.ask("GET", slices)["items"], timeout=60)
    assert eventually(lambda: cluster.raw("GET", base("v1", "endpoints", ns) + "/s")[0] == 404, timeout=60)


# ---- subresources of the workloads


@pytest.mark.parametrize("resource", [
    pytest.param("deployments", marks=[
        pytest.mark.conformance("[sig-apps] Deployment Deployment should have a working scale subresource"),
        pytest.mark.conformance("[sig-apps] Deployment should validate Deployment Status endpoints")]),
    pytest.param("replicasets", marks=[
        pytest.mark.conformance("[sig-apps] ReplicaSet Replicaset should have a working scale subresource"),
        pytest.mark.conformance("[sig-apps] ReplicaSet should validate Replicaset Status endpoints"),
        pytest.mark.conformance("[sig-apps] ReplicaSet Replace and Patch tests"),
        pytest.mark.conformance("[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets")]),
])  # fmt: skip
def test_scale_and_status(cluster, ns, resource):
    path = base("apps/v1", resource, ns)
    body = deployment("w")
    body["metadata"]["labels"] = {"t": ns}
    cluster.ask("POST", path, body, expect=201)
    scale = cluster.ask("GET", f"{path}/w/scale")
    assert scale["kind"] == "Scale" and scale["spec"]["replicas"] == 1 and scale["status"]["selector"] == "app=w"
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]  # whatever it is by now
    assert cluster.ask("PUT", f"{path}/w/scale", scale)["spec"]["replicas"] == 2
    assert cluster.ask("GET", f"{path}/w")["spec"]["replicas"] == 2
    patched = cluster.ask("PATCH", f"{path}/w/scale", {"spec": {"replicas": 3}}, kind="application/strategic-merge-patch+json")
    assert patched["spec"]["replicas"] == 3
    assert eventually(lambda: cluster.ask("GET", f"{path}/w/status")["status"].get("observedGeneration", 0) >= 3, timeout=30)
    condition = {"type": "StatusPatched", "status": "True", "reason": "R", "message": "m"}
    changed = cluster.ask("PATCH", f"{path}/w/status", {"status": {"conditions": [condition]}}, kind="application/merge-patch+json")
    assert condition["type"] in [c["type"] for c in changed["status"]["conditions"]]
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}
    changed = cluster.ask("PATCH", f"{path}/w", image, kind="application/strategic-merge-patch+json")
    container = changed["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "other" and container["command"] == ["sleep", "600"]
    cluster.ask("DELETE", f"{path}?labelSelector=t%3D{ns}")
    assert eventually(lambda: not cluster.ask("GET", f"{path}?labelSelector=t%3D{ns}")["items"], timeout=60)


# ---- kubectl


@named("", "[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions",
             "[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info",
             "[sig-cli] Kubectl client Kubectl version should check is all data is printed")  # fmt: skip
def test_kubectl_of_the_server(cluster):
    assert "v1" in cluster.kubectl("api-versions").stdout.split()
    assert "Kubernetes control plane" in cluster.kubectl("cluster-info").stdout
    out = cluster.kubectl("version").stdout
    assert "Client Version" in out and "Server Version" in out


@named("", "[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments")
def test_kubectl_diff(cluster, ns):
    body = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment("d")}
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=json.dumps(body))
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "different"
    done = cluster.kubectl("-n", ns, "diff", "-f", "-", input=json.dumps(body), check=False)
    assert done.returncode == 1 and "different" in done.stdout


@named("", "[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods",
             "[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image",
             "[sig-cli] Kubectl client Kubectl label should update the label on a resource")  # fmt: skip
def test_kubectl_changes_a_pod(cluster, ns):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"run": "p"}},
           "spec": {"containers": [{"name": "c", "image": "wherry/hello"}], "nodeSelector": {"no": "such"}}}  # fmt: skip
    cluster.kubectl("-n", ns, "create", "-f", "-", input=json.dumps(pod))
    patch = '{"spec":{"containers":[{"name":"c","image":"busybox"}]}}'
    cluster.kubectl("-n", ns, "patch", "pod", "p", "-p", patch, "--dry-run=server")
    assert cluster.get("-n", ns, "pod", "p")["spec"]["containers"][0]["image"] == "wherry/hello"
    # the scheduler writes its opinion first, and not over ours
    assert eventually(lambda: cluster.get("-n", ns, "pod", "p")["status"].get("conditions"), timeout=60)
    pod = cluster.get("-n", ns, "pod", "p")
    del pod["metadata"]["resourceVersion"]  # whatever it is by now
    pod["spec"]["containers"][0]["image"] = "other"
    cluster.kubectl("-n", ns, "replace", "-f", "-", input=json.dumps(pod))
    assert cluster.get("-n", ns, "pod", "p")["spec"]["containers"][0]["image"] == "other"
    cluster.kubectl("-n", ns, "label", "pod", "p", "testing=yes")
    assert "yes" in cluster.kubectl("-n", ns, "get", "pod", "p", "-L", "testing").stdout
    cluster.kubectl("-n", ns, "label", "pod", "p", "testing-")
    assert "testing" not in cluster.get("-n", ns, "pod", "p")["metadata"]["labels"]


# ---- pods, as objects


@named("", "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu")
def test_the_class_of_a_pod(cluster, ns):
    amounts = {"cpu": "100m", "memory": "100Mi"}
    body = {"metadata": {"name": "q"}, "spec": {"nodeSelector": {"no": "such"}, "containers": [
        {"name": "c", "image": "i", "resources": {"requests": amounts, "limits": amounts}}]}}  # fmt: skip
    assert cluster.ask("POST", base("v1", "pods", ns), body, expect=201)["status"]["qosClass"] == "Guaranteed"


@named("", "[sig-node] PodTemplates should replace a pod template", "[sig-node] PodTemplates should delete a collection of pod templates")
def test_pod_templates(cluster, ns):
    path = base("v1", "podtemplates", ns)
    body = {"metadata": {"name": "t", "labels": {"t": ns}}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
    made = cluster.ask("POST", path, body, expect=201)
    made["metadata"]["annotations"] = {"updated": "true"}
    assert cluster.ask("PUT", f"{path}/t", made)["metadata"]["annotations"]["updated"] == "true"
    cluster.ask("DELETE", f"{path}?labelSelector=t%3D{ns}")
    assert not cluster.ask("GET", path)["items"]


@named("", "[sig-node] Secrets should patch a secret")
def test_secrets_everywhere(cluster, ns):
    body = {"metadata": {"name": "s", "labels": {"t": ns}}, "data": {"k": "dg=="}, "stringData": {"plain": "x"}}
    made = cluster.ask("POST", base("v1", "secrets", ns), body, expect=201)
    assert made["data"] == {"k": "dg==", "plain": "eA=="} and "stringData" not in made and made["type"] == "Opaque"
    cluster.ask("DELETE", base("v1", "secrets", ns) + f"?labelSelector=t%3D{ns}")
    assert not cluster.ask("GET", f"/api/v1/secrets?labelSelector=t%3D{ns}")["items"]
