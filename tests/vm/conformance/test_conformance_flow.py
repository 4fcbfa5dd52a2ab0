# SPDX-License-Identifier: Apache-2.0
"""Priority and fairness: its kinds through all verbs, those that every cluster has, and that levels limit who they are about."""

import contextlib
import json

import pytest
from support.cluster import Watch
from support.node import eventually

GROUP = "flowcontrol.apiserver.k8s.io"
API = f"/apis/{GROUP}/v1"
LEVELS, SCHEMAS = f"{API}/prioritylevelconfigurations", f"{API}/flowschemas"
FAIRNESS = "[sig-api-machinery] API priority and fairness should support "
MERGE = {"kind": "application/merge-patch+json"}
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
UIDS = ("X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID")


def flow_schema(name, level, subject, precedence=1000, by="ByUser"):
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    return {"metadata": name if isinstance(name, dict) else {"name": name}, "spec": {
        "matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": level}, "distinguisherMethod": {"type": by},
        "rules": [{"subjects": [subject], "resourceRules": [everything],
                   "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}}  # fmt: skip


def level(name, shares, response=None, **more):
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response or {"type": "Reject"}, **more}
    return {"metadata": name if isinstance(name, dict) else {"name": name}, "spec": {"type": "Limited", "limited": limited}}


def user(name):
    return {"kind": "User", "user": {"name": name}}


KINDS = [
    # kind, path, body of the named metadata, where its number is, the numbers of patch and update
    ("FlowSchema", SCHEMAS, lambda meta: flow_schema(meta, "global-default", user("example-e2e-non-existent-user"), 10000),
     lambda n: {"matchingPrecedence": n}, (9999, 9000)),
    ("PriorityLevelConfiguration", LEVELS, lambda meta: level(meta, 2), lambda n: {"limited": {"nominalConcurrencyShares": n}}, (4, 6)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "body", "spec", "numbers"),
                         [pytest.param(*k, marks=pytest.mark.conformance(f"{FAIRNESS}{k[0]} API operations"), id=k[0]) for k in KINDS])  # fmt: skip
def test_the_life_of(cluster, ns, kind, path, body, spec, numbers):
    plural = path.rsplit("/", 1)[1]
    groups = {g["name"]: [v["version"] for v in g["versions"]] for g in cluster.ask("GET", "/apis")["groups"]}
    assert "v1" in groups[GROUP]
    assert "v1" in [v["version"] for v in cluster.ask("GET", f"/apis/{GROUP}")["versions"]]
    assert {plural, f"{plural}/status"} <= {r["name"] for r in cluster.ask("GET", API)["resources"]}

    def labelled():
        return cluster.ask("GET", f"{path}?labelSelector=e2e%3D{ns}")

    def number(o):
        return o["spec"].get("matchingPrecedence") or o["spec"]["limited"]["nominalConcurrencyShares"]

    def again(change, sub=""):
        """Reads, changes and puts it until nobody else has changed it meanwhile."""
        for _ in range(10):
            o = cluster.ask("GET", one)
            change(o)
            status, reply, _ = cluster.raw("PUT", one + sub, o)
            if status != 409:
                assert status == 200, reply
                return reply
        raise AssertionError("always a conflict")

    def types(o):
        return [c["type"] for c in o["status"]["conditions"]]

    try:
        made = [cluster.ask("POST", path, body({"generateName": "e2e-example-", "labels": {"e2e": ns}}), expect=201) for _ in range(3)][-1]
        one = f"{path}/{made['metadata']['name']}"
        read = cluster.ask("GET", one)
        assert read["metadata"]["uid"] == made["metadata"]["uid"] and int(read["metadata"]["resourceVersion"]) > 0
        listed = labelled()
        assert len(listed["items"]) == 3
        with Watch(cluster, path, f"labelSelector=e2e%3D{ns}&resourceVersion={listed['metadata']['resourceVersion']}") as watch:
            patch = {"metadata": {"annotations": {"patched": "true"}}, "spec": spec(numbers[0])}
            patched = cluster.ask("PATCH", one, patch, **MERGE)
            assert patched["metadata"]["annotations"]["patched"] == "true" and number(patched) == numbers[0]
            assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])

            def update(o):
                o["metadata"]["annotations"]["updated"] = "true"
                o["spec"]["limited" if "limited" in o["spec"] else "matchingPrecedence"] = (
                    {**o["spec"]["limited"], "nominalConcurrencyShares": numbers[1]} if "limited" in o["spec"] else numbers[1])  # fmt: skip

            updated = again(update)
            assert updated["metadata"]["annotations"]["updated"] == "true" and number(updated) == numbers[1]
            assert watch.until_seen(lambda e: e["object"]["metadata"].get("annotations", {}).get("patched") == "true")
            assert set(watch.types()) == {"MODIFIED"}

        status = cluster.ask("GET", f"{one}/status")
        assert (status["apiVersion"], status["kind"]) == (f"{GROUP}/v1", kind) and status["metadata"]["uid"] == made["metadata"]["uid"]
        condition = {"type": "PatchStatusFailed", "status": "False", "reason": "e2e"}
        assert "PatchStatusFailed" in types(cluster.ask("PATCH", f"{one}/status", {"status": {"conditions": [condition]}}, **MERGE))
        other = {"type": "StatusUpdateFailed", "status": "False", "reason": "E2E", "message": "Set from an e2e test"}
        told = again(lambda o: o["status"]["conditions"].append(other), "/status")
        assert "StatusUpdateFailed" in types(told) and number(told) == numbers[1]

        cluster.ask("DELETE", one)
        assert cluster.raw("GET", one)[0] == 404
        assert len(labelled()["items"]) == 2
    finally:
        cluster.ask("DELETE", f"{path}?labelSelector=e2e%3D{ns}")
    assert labelled()["items"] == []


# ---- those that every cluster has


def spec_of(cluster, path):
    return cluster.ask("GET", path)["spec"]


def test_mandatory_and_suggested_ones(cluster):
    rows = [line.split() for line in cluster.kubectl("get", "prioritylevelconfigurations", "--no-headers").stdout.splitlines()]
    assert [r[:6] for r in rows if r[0] in ("exempt", "catch-all", "leader-election")] == [
        ["catch-all", "Limited", "5", "<none>", "<none>", "<none>"], ["exempt", "Exempt", "0", "<none>", "<none>", "<none>"],
        ["leader-election", "Limited", "10", "16", "4", "50"]]  # fmt: skip
    rows = {r[0]: r for r in (line.split() for line in cluster.kubectl("get", "flowschemas", "--no-headers").stdout.splitlines())}
    assert rows["exempt"][1:4] == ["exempt", "1", "<none>"] and rows["system-nodes"][1:4] == ["system", "500", "ByUser"]
    assert all(r[-1] == "False" for r in rows.values()), rows

    # mandatory: cannot be changed, and are there again
    said = cluster.ask("PATCH", f"{SCHEMAS}/catch-all", {"spec": {"matchingPrecedence": 9000}}, expect=422, **MERGE)
    assert "spec of 'catch-all' must equal the fixed value" in said["message"]
    for path in (f"{SCHEMAS}/catch-all", f"{LEVELS}/exempt", f"{SCHEMAS}/probes"):
        was = cluster.ask("GET", path)
        cluster.ask("DELETE", path)
        assert eventually(lambda path=path, uid=was["metadata"]["uid"]: cluster.raw("GET", path)[1].get("metadata", {}).get("uid") not in (None, uid))
        now = cluster.ask("GET", path)
        assert now["spec"] == was["spec"] and now["metadata"]["annotations"][AUTOUPDATE] == "true"

    # suggested: as the annotation says
    path = f"{LEVELS}/workload-low"
    was = spec_of(cluster, path)
    change = {"spec": {"limited": {"nominalConcurrencyShares": 90}}}
    cluster.ask("PATCH", path, change, **MERGE)
    assert eventually(lambda: spec_of(cluster, path) == was)
    cluster.ask("PATCH", path, {"metadata": {"annotations": {AUTOUPDATE: "false"}}, **change}, **MERGE)
    cluster.ask("PATCH", path, {"metadata": {"labels": {"touched": "yes"}}}, **MERGE)
    assert spec_of(cluster, path)["limited"]["nominalConcurrencyShares"] == 90
    cluster.ask("PATCH", path, {"metadata": {"annotations": {AUTOUPDATE: "true"}, "labels": {"touched": None}}}, **MERGE)
    assert eventually(lambda: spec_of(cluster, path) == was)


# ---- that they have an effect


@pytest.fixture
def one_seat(cluster, ns):
    """A level of which one request has a seat at a time, and a schema of it for the user greedy."""
    filler, name = f"{ns[:40]}-filler", f"{ns[:40]}-one"
    paths = [f"{LEVELS}/{filler}", f"{LEVELS}/{name}", f"{SCHEMAS}/{name}"]
    cluster.ask("POST", LEVELS, level(filler, 400, lendablePercent=100), expect=201)
    cluster.ask("POST", LEVELS, level(name, 1, borrowingLimitPercent=0), expect=201)
    cluster.ask("POST", SCHEMAS, flow_schema(name, name, user("greedy"), 50), expect=201)
    yield paths[1]
    for path in reversed(paths):
        cluster.raw("DELETE", path)


@contextlib.contextmanager
def held(cluster, who):
    """A request of somebody's whose body does not end."""
    conn = cluster.connect()
    conn.putrequest("POST", REVIEWS)
    for key, value in {"Content-Type": "application/json", "Content-Length": "100", "Impersonate-User": who}.items():
        conn.putheader(key, value)
    conn.endheaders(b"{")
    try:
        yield
    finally:
        conn.close()


def review(cluster, who, query=""):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, reply, headers = cluster.raw("POST", REVIEWS + query, body, headers={"Impersonate-User": who})
    return status, reply, headers


def metric(cluster, name, level):
    for line in cluster.raw("GET", "/metrics")[1].decode().splitlines():
        if line.startswith(f'apiserver_flowcontrol_{name}{{priority_level="{level}"'):
            return int(line.rsplit(" ", 1)[1])
    return 0


def test_a_level_that_rejects_serves_one_at_a_time(cluster, one_seat):
    name = one_seat.rsplit("/", 1)[1]
    assert metric(cluster, "nominal_limit_seats", name) == 1
    uids = [cluster.ask("GET", path)["metadata"]["uid"] for path in (f"{SCHEMAS}/{name}", one_seat)]
    status, _, headers = review(cluster, "greedy")
    assert status == 201 and [headers[k] for k in UIDS] == uids
    with held(cluster, "greedy"):
        assert eventually(lambda: metric(cluster, "current_executing_requests", name) == 1)
        for _ in range(3):
            status, reply, headers = review(cluster, "greedy")
            assert (status, reply["reason"], headers["Retry-After"]) == (429, "TooManyRequests", "1"), reply
            assert reply["message"] == "Too many requests, please try again later." and [headers[k] for k in UIDS] == uids
            # others are served, on other levels
            status, _, headers = review(cluster, "modest")
            assert status == 201 and headers[UIDS[0]] and headers[UIDS[0]] not in uids
        assert metric(cluster, "rejected_requests_total", name) == 3
    assert eventually(lambda: review(cluster, "greedy")[0] == 201)
    assert eventually(lambda: cluster.kubectl("get", "nodes", "--as", "greedy", check=False).stderr.startswith("Error from server (Forbidden)"))


def test_a_level_that_queues_serves_in_turn(cluster, one_seat):
    name = one_seat.rsplit("/", 1)[1]
    queue = {"type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 1}}
    cluster.ask("PATCH", one_seat, {"spec": {"limited": {"limitResponse": queue}}}, **MERGE)
    with held(cluster, "greedy"):
        assert eventually(lambda: metric(cluster, "current_executing_requests", name) == 1)
        # a quarter of its time, and not longer
        assert review(cluster, "greedy", "?timeout=2s")[0] == 429
        leaver = cluster.connect()
        leaver.request("GET", "/api", headers={"Impersonate-User": "greedy"})
        assert eventually(lambda: metric(cluster, "current_inqueue_requests", name) == 1)
        assert review(cluster, "greedy")[0] == 429, "the queue is full"
        assert review(cluster, "modest")[0] == 201
        leaver.close()
        assert eventually(lambda: metric(cluster, "current_inqueue_requests", name) == 0)
        conn = cluster.connect()
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        conn.request("POST", REVIEWS, json.dumps(body), {"Content-Type": "application/json", "Impersonate-User": "greedy"})
        assert eventually(lambda: metric(cluster, "current_inqueue_requests", name) == 1)
    reply = conn.getresponse()
    assert reply.status == 201 and json.loads(reply.read())["status"]["userInfo"]["username"] == "greedy"
    conn.close()


def test_a_schema_without_its_level(cluster, ns, one_seat):
    name = one_seat.rsplit("/", 1)[1]
    dangling = f"{SCHEMAS}/{name}"

    def says():
        return {c["type"]: (c["status"], c["reason"]) for c in cluster.ask("GET", dangling).get("status", {}).get("conditions", [])}

    assert eventually(lambda: says().get("Dangling") == ("False", "Found"))
    uid = cluster.ask("GET", dangling)["metadata"]["uid"]
    assert review(cluster, "greedy")[2][UIDS[0]] == uid
    cluster.ask("DELETE", one_seat)
    assert eventually(lambda: says().get("Dangling") == ("True", "NotFound"))
    assert review(cluster, "greedy")[2][UIDS[0]] != uid, "it matches nothing"
    cluster.ask("POST", LEVELS, level(name, 1), expect=201)
    assert eventually(lambda: says().get("Dangling") == ("False", "Found"))
    assert review(cluster, "greedy")[2][UIDS[0]] == uid
