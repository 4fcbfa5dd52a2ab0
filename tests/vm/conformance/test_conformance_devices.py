# SPDX-License-Identifier: Apache-2.0
"""Conformance of dynamic resources: the kinds of resource.k8s.io, through all verbs. There is no driver here, so nothing is allocated."""

import contextlib
import json

import pytest
from support.cluster import Watch
from support.node import eventually

API = "/apis/resource.k8s.io/v1"
DRA = "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 "
LABEL = {"metadata": {"labels": {"test.dra.example.com": "test"}}}
MERGE, STRATEGIC, APPLY, JSON_PATCH = (
    "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/json-patch+json")  # fmt: skip
ADD_LABEL = [{"op": "add", "path": "/metadata/labels/test.dra.example.com", "value": "test"}]
NEVER = {"spec": {"selectors": [{"cel": {"expression": "1 == 0"}}]}}
CLAIM = {"devices": {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "dra.example.com"}}]}}
EMPTY = {"status": {"allocation": {}}}
SLICE = {"driver": "dra.example.com", "pool": {"name": "cluster", "generation": 1, "resourceSliceCount": 1}, "nodeName": "no-such-node"}
DEVICE = {"spec": {"devices": [{"name": "device-0"}]}}

KINDS = [
    # kind, plural, namespaced, body, patches of the object, patches of its status
    ("DeviceClass", "deviceclasses", False, {"spec": {"selectors": [{"cel": {"expression": "false"}}]}}, [(STRATEGIC, NEVER)], []),
    ("ResourceClaim", "resourceclaims", True, {"spec": CLAIM},
     [(STRATEGIC, LABEL), (APPLY, LABEL), (MERGE, LABEL), (JSON_PATCH, ADD_LABEL)],
     [(STRATEGIC, EMPTY), (APPLY, EMPTY), (MERGE, EMPTY), (JSON_PATCH, [{"op": "add", "path": "/status/allocation", "value": {}}])]),
    ("ResourceClaimTemplate", "resourceclaimtemplates", True, {"spec": {"spec": CLAIM}}, [(STRATEGIC, LABEL)], []),
    ("ResourceSlice", "resourceslices", False, {"spec": SLICE}, [(STRATEGIC, DEVICE)], []),
]  # fmt: skip


def overlaid(body, patch):
    """@body with what a merge patch without nulls says."""
    if not isinstance(patch, dict) or not isinstance(body, dict):
        return patch
    return {**body, **{k: overlaid(body.get(k), v) for k, v in patch.items()}}


class Life:
    """One kind's, seen by clients that watch: what they must have seen after each step."""

    def __init__(self, cluster, ns, kind, plural, namespaced, body):
        self.cluster, self.kind = cluster, kind
        self.path = f"{API}/namespaces/{ns}/{plural}" if namespaced else f"{API}/{plural}"
        self.everywhere = f"{API}/{plural}"
        self.name = f"test-{ns}"[:60].strip("-")
        self.select = f"labelSelector=e2e-test%3D{ns}"
        self.body = {"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": {"name": self.name, "labels": {"e2e-test": ns}}, **body}
        self.one = f"{self.path}/{self.name}"

    def create(self):
        made = self.cluster.ask("POST", f"{self.path}?fieldValidation=Strict", self.body, expect=201)
        assert made["kind"] == self.kind and made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
        return made

    def patch(self, how, what, made, sub=""):
        if how != JSON_PATCH:
            meta = {"name": self.name, "uid": made["metadata"]["uid"], **what.get("metadata", {})}
            what = {"apiVersion": made["apiVersion"], "kind": self.kind, **what, "metadata": meta}
        query = "?fieldValidation=Strict" + ("&fieldManager=test-apply&force=true" if how == APPLY else "")
        return self.cluster.ask("PATCH", f"{self.one}{sub}{query}", what, kind=how)

    def gone(self):
        return self.cluster.raw("GET", self.one)[0] == 404


@pytest.mark.parametrize(("kind", "plural", "namespaced", "body", "patches", "of_status"),
                         [pytest.param(*k, marks=pytest.mark.conformance(DRA + k[0]), id=k[0]) for k in KINDS])  # fmt: skip
def test_the_life_of(cluster, ns, kind, plural, namespaced, body, patches, of_status):
    life = Life(cluster, ns, kind, plural, namespaced, body)
    assert "resource.k8s.io" in [g["name"] for g in cluster.ask("GET", "/apis")["groups"]]
    found = {r["name"]: r for r in cluster.ask("GET", API)["resources"]}
    assert found[plural]["kind"] == kind and found[plural]["namespaced"] == namespaced
    assert (f"{plural}/status" in found) == bool(of_status)
    change = patches[0][1]
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(Watch(cluster, path, life.select)) for path in {life.path, life.everywhere}]

        # create, get, list, update, conflict
        made = life.create()
        assert cluster.ask("GET", life.one)["metadata"]["uid"] == made["metadata"]["uid"]
        for path in (life.path, life.everywhere):
            assert [x["metadata"]["name"] for x in cluster.ask("GET", f"{path}?{life.select}")["items"]] == [life.name]
        updated = cluster.ask("PUT", life.one, overlaid(made, change))
        assert int(updated["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        assert cluster.ask("PUT", life.one, overlaid(made, {"metadata": {"labels": {"x": "y"}}}), expect=409)["reason"] == "Conflict"
        if of_status:
            told = cluster.ask("PUT", f"{life.one}/status", overlaid(updated, EMPTY))
            assert told["status"]["allocation"] == {}
            assert cluster.ask("GET", f"{life.one}/status")["status"]["allocation"] == {}

        # each kind of patch, on an object that is new
        for how, what, sub in [(h, w, "") for h, w in patches] + [(h, w, "/status") for h, w in of_status]:
            cluster.ask("DELETE", life.one)
            assert eventually(life.gone, timeout=30)
            made = life.create()
            patched = life.patch(how, what, made, sub)
            assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"]), how
            wanted = EMPTY if sub else change
            assert json.dumps(overlaid(patched, wanted), sort_keys=True) == json.dumps(patched, sort_keys=True), (how, patched)

        # the collection
        cluster.ask("DELETE", f"{life.path}?{life.select}")
        assert eventually(life.gone, timeout=30)
        for watch in watches:
            count = 1 + len(patches) + len(of_status)
            assert watch.until("DELETED", count=count), watch.types()
            assert watch.types()[:2] == ["ADDED", "MODIFIED"] and watch.types()[-1] == "DELETED"
            assert watch.types().count("ADDED") == count
            revisions = [int(e["object"]["metadata"]["resourceVersion"]) for e in watch.seen if e["type"] != "BOOKMARK"]
            assert revisions == sorted(revisions)


def test_claims_stay_as_they_were_asked(cluster, ns):
    path = f"{API}/namespaces/{ns}/resourceclaims"
    made = cluster.ask("POST", path, {"metadata": {"name": "c"}, "spec": CLAIM}, expect=201)
    assert made["spec"]["devices"]["requests"][0]["exactly"] == {"deviceClassName": "dra.example.com", "allocationMode": "ExactCount", "count": 1}
    other = {"spec": {"devices": {"requests": [{"name": "other", "exactly": {"deviceClassName": "dra.example.com"}}]}}}
    assert "field is immutable" in cluster.ask("PATCH", f"{path}/c", other, expect=422, kind=MERGE)["message"]
    reserved = {"status": {"reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]}}
    assert "when `allocated` is not set" in cluster.ask("PATCH", f"{path}/c/status", reserved, expect=422, kind=MERGE)["message"]
    assert cluster.kubectl("-n", ns, "get", "resourceclaims", "--no-headers").stdout.split()[:2] == ["c", "pending"]
    assert "devices" in cluster.kubectl("explain", "resourceclaim.spec").stdout


def test_a_pod_does_not_run_without_the_devices_it_claims(cluster, ns):
    pod = {"metadata": {"name": "p"}, "spec": {"resourceClaims": [{"name": "d", "resourceClaimName": "c"}], "containers": [
        {"name": "c", "image": "wherry/hello", "resources": {"claims": [{"name": "d"}]}}]}}  # fmt: skip
    said = cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", pod, expect=422)["message"]
    assert "no node of this cluster has a driver of dynamic resources" in said
    pod["spec"]["nodeName"] = cluster.get("nodes")["items"][0]["metadata"]["name"]
    assert cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", pod, expect=422)["message"] == said
