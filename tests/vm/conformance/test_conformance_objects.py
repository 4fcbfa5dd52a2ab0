# SPDX-License-Identifier: Apache-2.0
"""Conformance of what rules over pods and needs none that runs: quotas, limits, garbage collection, the end of a namespace, the
scheduler's filters. The pods are gated or fit nowhere, so that no container is waited for."""

import json

import pytest
from support.conformance import named
from support.node import eventually

MACHINERY, SCHEDULING = "[sig-api-machinery] ", "[sig-scheduling] "
MERGE = {"kind": "application/merge-patch+json"}


def at(ns, resource, name=""):
    root = "/apis/apps/v1" if resource in ("replicasets", "deployments") else "/api/v1"
    return f"{root}/namespaces/{ns}/{resource}" + (f"/{name}" if name else "")


def gated(resources=None, **spec):
    """What a pod is that no scheduler looks at."""
    return {"schedulingGates": [{"name": "example.com/wait"}], "terminationGracePeriodSeconds": 0, **spec,
            "containers": [{"name": "c", "image": "wherry/hello", "resources": resources or {}}]}  # fmt: skip


def pod(name, spec, **meta):
    return {"metadata": {"name": name, **meta}, "spec": spec}


# ---- quotas


@pytest.fixture
def quota(cluster, ns):
    def make(name="q", hard=None, **spec):
        cluster.ask("POST", at(ns, "resourcequotas"), {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}, expect=201)
        uses(cluster, ns, name, **{})
        assert eventually(lambda: status(cluster, ns, name).get("hard") == hard, timeout=60), status(cluster, ns, name)

    return make


def status(cluster, ns, name="q"):
    return cluster.ask("GET", at(ns, "resourcequotas", name)).get("status", {})


def uses(cluster, ns, quota_name="q", **used):
    """Waits until the quota counts as much; a key's / is written __ and its . is _."""
    wanted = {key.replace("__", "/").replace("_", "."): str(value) for key, value in used.items()}
    now = lambda: status(cluster, ns, quota_name).get("used", {})  # noqa: E731
    assert eventually(lambda: {k: now().get(k) for k in wanted} == wanted, timeout=60), (now(), wanted)


@named(MACHINERY + "ResourceQuota should ", "create a ResourceQuota and ensure its status is promptly calculated.",
             "create a ResourceQuota and capture the life of a configMap.", "create a ResourceQuota and capture the life of a secret.",
             "create a ResourceQuota and capture the life of a service.")  # fmt: skip
def test_a_quota_counts(cluster, ns, quota):
    given = at(ns, "configmaps", "kube-root-ca.crt")  # every namespace gets it, in a while
    assert eventually(lambda: cluster.raw("GET", given)[0] == 200, timeout=60)
    before = len(cluster.ask("GET", at(ns, "configmaps"))["items"])
    hard = {"configmaps": "10", "secrets": "10", "services": "2", "services.nodeports": "1", "services.loadbalancers": "0"}
    quota(hard=hard)
    uses(cluster, ns, configmaps=before, secrets=0, services=0, services_nodeports=0)
    service = lambda name, kind: {"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}}  # noqa: E731
    cluster.ask("POST", at(ns, "configmaps"), {"metadata": {"name": "m"}}, expect=201)
    cluster.ask("POST", at(ns, "secrets"), {"metadata": {"name": "s"}}, expect=201)
    cluster.ask("POST", at(ns, "services"), service("a", "ClusterIP"), expect=201)
    cluster.ask("POST", at(ns, "services"), service("b", "NodePort"), expect=201)
    uses(cluster, ns, configmaps=before + 1, secrets=1, services=2, services_nodeports=1)
    refused = cluster.ask("POST", at(ns, "services"), service("c", "ClusterIP"), expect=403)
    assert "exceeded quota" in refused["message"]
    for resource, name in (("configmaps", "m"), ("secrets", "s"), ("services", "a"), ("services", "b")):
        cluster.ask("DELETE", at(ns, resource, name))
    uses(cluster, ns, configmaps=before, secrets=0, services=0, services_nodeports=0)
    # a load balancer is none of those that there may be
    cluster.ask("POST", at(ns, "services"), service("l", "LoadBalancer"), expect=403)


@named(MACHINERY + "ResourceQuota should ", "create a ResourceQuota and capture the life of a pod.")
def test_a_quota_of_pods(cluster, ns, quota):
    quota(hard={"pods": "2", "cpu": "1", "memory": "500Mi", "requests.example.com/x": "3"})
    mine = {"requests": {"cpu": "500m", "memory": "252Mi", "example.com/x": "2"}, "limits": {"example.com/x": "2"}}
    cluster.ask("POST", at(ns, "pods"), pod("p", gated(mine)), expect=201)
    uses(cluster, ns, pods=1, cpu="500m", memory="252Mi", requests_example_com__x=2)
    for too_much in ({"cpu": "600m", "memory": "1Mi"}, {"cpu": "1m", "memory": "300Mi"}, {"cpu": "1m", "memory": "1Mi", "example.com/x": "2"}):
        limits = {k: v for k, v in too_much.items() if "/" in k}
        cluster.ask("POST", at(ns, "pods"), pod("no", gated({"requests": too_much, "limits": limits})), expect=403)
    without = cluster.ask("POST", at(ns, "pods"), pod("no", gated()), expect=403)
    assert "must specify" in without["message"]
    cluster.ask("PATCH", at(ns, "pods", "p"), {"metadata": {"labels": {"a": "b"}}}, **MERGE)
    uses(cluster, ns, pods=1, cpu="500m")
    cluster.ask("DELETE", at(ns, "pods", "p"))
    uses(cluster, ns, pods=0, cpu="0", memory="0")


@named(MACHINERY + "ResourceQuota should ", "create a ResourceQuota and capture the life of a replica set.",
             "create a ResourceQuota and capture the life of a replication controller.")  # fmt: skip
def test_a_quota_of_sets(cluster, ns, quota):
    quota(hard={"replicationcontrollers": "1", "count/replicasets.apps": "1"})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": gated()}
    bodies = {"replicasets": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
              "replicationcontrollers": {"replicas": 0, "selector": {"a": "b"}, "template": template}}  # fmt: skip
    for resource, spec in bodies.items():
        cluster.ask("POST", at(ns, resource), {"metadata": {"name": "s"}, "spec": spec}, expect=201)
    uses(cluster, ns, replicationcontrollers=1, count__replicasets_apps=1)
    for resource, spec in bodies.items():
        cluster.ask("POST", at(ns, resource), {"metadata": {"name": "t"}, "spec": spec}, expect=403)
        cluster.ask("DELETE", at(ns, resource, "s"))
    uses(cluster, ns, replicationcontrollers=0, count__replicasets_apps=0)


@named(MACHINERY + "ResourceQuota should ", "verify ResourceQuota with best effort scope.",
             "verify ResourceQuota with terminating scopes.")  # fmt: skip
def test_a_quota_of_some_pods(cluster, ns, quota):
    for name, scope in (("best", "BestEffort"), ("better", "NotBestEffort"), ("ends", "Terminating"), ("stays", "NotTerminating")):
        quota(name, hard={"pods": "5"}, scopes=[scope])
    counted = lambda **wanted: [uses(cluster, ns, name, pods=count) for name, count in wanted.items()]  # noqa: E731
    cluster.ask("POST", at(ns, "pods"), pod("p", gated()), expect=201)
    counted(best=1, better=0, ends=0, stays=1)
    cluster.ask("POST", at(ns, "pods"), pod("q", gated({"requests": {"cpu": "1m"}}, activeDeadlineSeconds=3600)), expect=201)
    counted(best=1, better=1, ends=1, stays=1)
    cluster.ask("DELETE", at(ns, "pods", "p"))
    cluster.ask("DELETE", at(ns, "pods", "q"))
    counted(best=0, better=0, ends=0, stays=0)


@named(MACHINERY + "ResourceQuota should ", "be able to update and delete ResourceQuota.", "apply changes to a resourcequota status")
def test_a_quota_changes(cluster, ns, quota):
    path = at(ns, "resourcequotas", "q")
    quota(hard={"cpu": "1", "memory": "500Mi"})
    changed = cluster.ask("PATCH", path, {"spec": {"hard": {"cpu": "2", "memory": "1Gi"}}}, **MERGE)
    assert changed["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    assert eventually(lambda: status(cluster, ns)["hard"] == {"cpu": "2", "memory": "1Gi"}, timeout=60)
    # what a status says is the controller's again after a while
    told = cluster.ask("PATCH", path + "/status", {"status": {"hard": {"cpu": "3", "memory": "1Gi"}}}, **MERGE)
    assert told["status"]["hard"]["cpu"] == "3" and told["spec"]["hard"]["cpu"] == "2"
    cluster.ask("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, **MERGE)
    assert eventually(lambda: status(cluster, ns)["hard"]["cpu"] == "2", timeout=60), status(cluster, ns)
    cluster.ask("DELETE", path)
    assert cluster.raw("GET", path)[0] == 404


@named(SCHEDULING, "LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.")
def test_limits_by_default(cluster, ns):
    few, many = {"cpu": "100m", "memory": "100Mi"}, {"cpu": "500m", "memory": "500Mi"}
    cluster.ask("POST", at(ns, "limitranges"), {"metadata": {"name": "l"}, "spec": {"limits": [{
        "type": "Container", "min": {"cpu": "50m", "memory": "50Mi"}, "max": many, "default": many, "defaultRequest": few}]}}, expect=201)  # fmt: skip
    resources = lambda made: made["spec"]["containers"][0]["resources"]  # noqa: E731
    create = lambda name, given, **how: cluster.ask("POST", at(ns, "pods"), pod(name, gated(given)), **{"expect": 201, **how})  # noqa: E731
    assert resources(create("none", None)) == {"requests": few, "limits": many}
    assert resources(create("some", {"requests": {"cpu": "200m"}})) == {"requests": {"cpu": "200m", "memory": "100Mi"}, "limits": many}
    create("less", {"requests": {"cpu": "10m"}}, expect=403)
    create("more", {"limits": {"cpu": "600m"}}, expect=403)
    wide = {"spec": {"limits": [{"type": "Container", "min": {"cpu": "1m", "memory": "1Mi"}, "max": many, "default": many, "defaultRequest": few}]}}
    cluster.ask("PATCH", at(ns, "limitranges", "l"), wide, **MERGE)
    create("less", {"requests": {"cpu": "10m"}})
    cluster.ask("DELETE", at(ns, "limitranges", "l"))
    assert resources(create("free", {"limits": {"cpu": "600m"}}))["limits"] == {"cpu": "600m"}


# ---- owners and what they own


def controller(name, **meta):
    return {"metadata": {"name": name, **meta}, "spec": {"replicas": 3, "selector": {"rc": name},
                                                         "template": {"metadata": {"labels": {"rc": name}}, "spec": gated()}}}  # fmt: skip


def owned(cluster, ns, name):
    return cluster.ask("GET", at(ns, "pods") + f"?labelSelector=rc%3D{name}")["items"]


def made(cluster, ns, name):
    body = cluster.ask("POST", at(ns, "replicationcontrollers"), controller(name), expect=201)
    assert eventually(lambda: len(owned(cluster, ns, name)) == 3, timeout=60), "the pods are not made"
    return body


def ends(cluster, ns, name, how):
    cluster.ask("DELETE", at(ns, "replicationcontrollers", name), {"propagationPolicy": how})


def there(cluster, ns, name):
    return cluster.raw("GET", at(ns, "replicationcontrollers", name))[0] == 200


@named(MACHINERY + "Garbage collector should ", "delete pods created by rc when not orphaning",
             "orphan pods created by rc if delete options say so [Serial]")  # fmt: skip
def test_pods_follow_or_stay(cluster, ns):
    for name, how in (("gone", "Background"), ("kept", "Orphan")):
        made(cluster, ns, name)
        ends(cluster, ns, name, how)
    assert eventually(lambda: not owned(cluster, ns, "gone"), timeout=60)
    assert eventually(lambda: not there(cluster, ns, "kept"), timeout=60)
    kept = owned(cluster, ns, "kept")
    assert len(kept) == 3 and not any(p["metadata"].get("ownerReferences") or p["metadata"].get("deletionTimestamp") for p in kept)


@named(MACHINERY + "Garbage collector should ",
             "keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]",
             "not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]")  # fmt: skip
def test_an_owner_waits(cluster, ns):
    made(cluster, ns, "waits")
    stays = made(cluster, ns, "stays")
    held, shared, _ = owned(cluster, ns, "waits")
    patch = lambda p, meta: cluster.ask("PATCH", at(ns, "pods", p["metadata"]["name"]), {"metadata": meta}, **MERGE)  # noqa: E731
    patch(held, {"finalizers": ["example.com/hold"]})
    second = {"apiVersion": "v1", "kind": "ReplicationController", "name": "stays", "uid": stays["metadata"]["uid"]}
    patch(shared, {"ownerReferences": [*shared["metadata"]["ownerReferences"], second]})
    ends(cluster, ns, "waits", "Foreground")
    left = lambda: {p["metadata"]["name"] for p in owned(cluster, ns, "waits")}  # noqa: E731
    assert eventually(lambda: left() == {held["metadata"]["name"], shared["metadata"]["name"]}, timeout=60), left()
    assert there(cluster, ns, "waits")  # one of its pods is still there
    patch(held, {"finalizers": None})
    assert eventually(lambda: not there(cluster, ns, "waits"), timeout=60)
    assert left() == {shared["metadata"]["name"]}
    owners = [o["name"] for o in owned(cluster, ns, "waits")[0]["metadata"]["ownerReferences"]]
    assert owners == ["stays"], owners


@named(MACHINERY, "Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted",
             "OrderedNamespaceDeletion namespace deletion should delete pod first")  # fmt: skip
def test_the_end_of_a_namespace(cluster, ns):
    cluster.ask("POST", at(ns, "pods"), pod("p", gated(), finalizers=["example.com/hold"]), expect=201)
    cluster.ask("POST", at(ns, "pods"), pod("q", gated()), expect=201)
    cluster.ask("POST", at(ns, "configmaps"), {"metadata": {"name": "m"}}, expect=201)
    cluster.ask("DELETE", f"/api/v1/namespaces/{ns}")
    names = lambda: [p["metadata"]["name"] for p in cluster.ask("GET", at(ns, "pods"))["items"]]  # noqa: E731
    assert eventually(lambda: names() == ["p"], timeout=60), names()
    told = lambda: {c["type"]: c["status"] for c in cluster.ask("GET", f"/api/v1/namespaces/{ns}")["status"].get("conditions", [])}  # noqa: E731
    assert eventually(lambda: told().get("NamespaceContentRemaining") == "True", timeout=60), told()
    assert cluster.ask("GET", at(ns, "configmaps", "m"))["metadata"].get("deletionTimestamp") is None  # pods go first
    cluster.ask("PATCH", at(ns, "pods", "p"), {"metadata": {"finalizers": None}}, **MERGE)
    assert eventually(lambda: cluster.raw("GET", f"/api/v1/namespaces/{ns}")[0] == 404, timeout=60)
    assert cluster.raw("GET", at(ns, "configmaps", "m"))[0] == 404 and not names()


# ---- where pods fit


def scheduled(cluster, ns, name):
    found = cluster.ask("GET", at(ns, "pods", name))
    condition = [c for c in found["status"].get("conditions", []) if c["type"] == "PodScheduled"]
    return bool(found["spec"].get("nodeName")), condition[0].get("message", "") if condition else ""


def fits(cluster, ns, name):
    assert eventually(lambda: scheduled(cluster, ns, name)[0], timeout=60), scheduled(cluster, ns, name)


def fits_nowhere(cluster, ns, name, why):
    assert eventually(lambda: why in scheduled(cluster, ns, name)[1], timeout=60), scheduled(cluster, ns, name)
    assert not scheduled(cluster, ns, name)[0]


def sleeper(resources=None, ports=(), **spec):
    return {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, **spec,
            "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"],
                            "resources": resources or {}, "ports": list(ports)}]}  # fmt: skip


@named(SCHEDULING + "SchedulerPredicates [Serial] validates ", "that NodeSelector is respected if not matching",
             "that NodeSelector is respected if matching")  # fmt: skip
def test_node_selectors(cluster, ns):
    wanted = f"example.com/{ns[:40].strip('-')}"
    cluster.ask("POST", at(ns, "pods"), pod("p", sleeper(nodeSelector={wanted: "42"})), expect=201)
    fits_nowhere(cluster, ns, "p", "didn't match Pod's node affinity/selector")
    node = "/api/v1/nodes/" + cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    cluster.ask("PATCH", node, {"metadata": {"labels": {wanted: "42"}}}, **MERGE)
    try:
        fits(cluster, ns, "p")
    finally:
        cluster.ask("PATCH", node, {"metadata": {"labels": {wanted: None}}}, **MERGE)


@named(SCHEDULING + "SchedulerPredicates [Serial] validates ", "resource limits of pods that are allowed to run")
def test_what_a_node_has(cluster, ns):
    node = cluster.ask("GET", "/api/v1/nodes")["items"][0]
    milli = lambda text: int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)  # noqa: E731
    most = milli(node["status"]["allocatable"]["cpu"]) * 7 // 10  # of which there is not twice as much, whatever else runs
    request = {"requests": {"cpu": f"{most}m"}}
    cluster.ask("POST", at(ns, "pods"), pod("first", sleeper(request)), expect=201)
    fits(cluster, ns, "first")
    cluster.ask("POST", at(ns, "pods"), pod("second", sleeper(request)), expect=201)
    fits_nowhere(cluster, ns, "second", "Insufficient cpu")
    cluster.ask("DELETE", at(ns, "pods", "first"))
    fits(cluster, ns, "second")


@named(SCHEDULING + "SchedulerPredicates [Serial] validates ",
             "that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP")  # fmt: skip
def test_ports_of_the_node(cluster, ns):
    port = {"containerPort": 8080, "hostPort": 54322}
    cluster.ask("POST", at(ns, "pods"), pod("all", sleeper(ports=[port])), expect=201)
    fits(cluster, ns, "all")
    cluster.ask("POST", at(ns, "pods"), pod("one", sleeper(ports=[{**port, "hostIP": "127.0.0.1"}])), expect=201)
    fits_nowhere(cluster, ns, "one", "didn't have free ports for the requested pod ports")


@named("[sig-node] RuntimeClass should ", "reject a Pod requesting a non-existent RuntimeClass [NodeConformance]",
             "reject a Pod requesting a deleted RuntimeClass [NodeConformance]",
             "schedule a Pod requesting a RuntimeClass without PodOverhead [NodeConformance]",
             "schedule a Pod requesting a RuntimeClass and initialize its Overhead [NodeConformance]")  # fmt: skip
def test_runtime_classes(cluster, ns):
    classes, name = "/apis/node.k8s.io/v1/runtimeclasses", ns[:50].strip("-")
    wants = lambda name: sleeper(runtimeClassName=name)  # noqa: E731
    said = cluster.ask("POST", at(ns, "pods"), pod("none", wants(name)), expect=403)["message"]
    assert f'RuntimeClass "{name}" not found' in said
    cluster.ask("POST", classes, {"metadata": {"name": name}, "handler": "runc"}, expect=201)
    assert "overhead" not in cluster.ask("POST", at(ns, "pods"), pod("plain", wants(name)), expect=201)["spec"]
    fits(cluster, ns, "plain")
    cluster.ask("DELETE", f"{classes}/{name}")
    cluster.ask("POST", at(ns, "pods"), pod("deleted", wants(name)), expect=403)
    costs = {"cpu": "10m", "memory": "1Mi"}
    cluster.ask("POST", classes, {"metadata": {"name": name}, "handler": "runc", "overhead": {"podFixed": costs}}, expect=201)
    assert cluster.ask("POST", at(ns, "pods"), pod("costs", wants(name)), expect=201)["spec"]["overhead"] == costs
    fits(cluster, ns, "costs")
    cluster.ask("DELETE", f"{classes}/{name}")


# ---- budgets


@named("[sig-apps] DisruptionController ", "Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets",
             "should update/patch PodDisruptionBudget status")  # fmt: skip
def test_budgets(cluster, ns):
    path = f"/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"
    select = f"?labelSelector=of%3D{ns}"
    for i in range(3):
        cluster.ask("POST", path, {"metadata": {"name": f"b{i}", "labels": {"of": ns}}, "spec": {
            "minAvailable": 1, "selector": {"matchLabels": {"no": "body"}}}}, expect=201)  # fmt: skip
    assert len(cluster.ask("GET", "/apis/policy/v1/poddisruptionbudgets" + select)["items"]) == 3
    settled = lambda: cluster.ask("GET", f"{path}/b0").get("status", {}).get("observedGeneration") == 1  # noqa: E731
    assert eventually(settled, timeout=60)
    condition = {"type": "Told", "status": "True", "reason": "Because", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    told = cluster.ask("PATCH", f"{path}/b0/status", {"status": {"conditions": [condition]}}, **MERGE)
    assert "Told" in json.dumps(told["status"]["conditions"]) and told["spec"]["minAvailable"] == 1

    def put():
        now = cluster.ask("GET", f"{path}/b0")
        now["status"]["disruptedPods"] = {"p": "2026-01-02T03:04:05Z"}
        code, reply, _ = cluster.raw("PUT", f"{path}/b0/status", now)
        assert code in (200, 409), reply  # the controller may have been faster
        return code == 200

    assert eventually(put, timeout=60), "the status is never put"
    cluster.ask("DELETE", path + select)
    assert eventually(lambda: not cluster.ask("GET", path)["items"], timeout=60)


# ---- controllers of pods, and the test in the kubelet's place

JOB = "[sig-apps] Job "


def told(cluster, ns, name, phase, code=0, *conditions):
    """Says of a pod what its kubelet would say."""
    state = {"running": {"startedAt": "2026-01-02T03:04:05Z"}} if phase == "Running" else {"terminated": {"exitCode": code}}
    cluster.ask("PATCH", at(ns, "pods", name) + "/status", {"status": {
        "phase": phase, "conditions": [{"type": c, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"} for c in conditions],
        "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": phase == "Running", "restartCount": 0, "state": state}]}},
        **MERGE)  # fmt: skip


class Job:
    """A Job of gated pods."""

    def __init__(self, cluster, ns, name, **spec):
        self.cluster, self.ns, self.name = cluster, ns, name
        self.path = f"/apis/batch/v1/namespaces/{ns}/jobs/{name}"
        indexed = {"completionMode": "Indexed", "parallelism": spec["completions"]} if spec.get("completions", 1) > 1 else {}
        cluster.ask("POST", f"/apis/batch/v1/namespaces/{ns}/jobs", {"metadata": {"name": name}, "spec": {
            **indexed, **spec, "template": {"spec": gated(restartPolicy="Never")}}}, expect=201)  # fmt: skip

    def pods(self):
        """{index, or the pod's name: the pod}, of those that have not ended"""
        found = self.cluster.ask("GET", at(self.ns, "pods") + f"?labelSelector=batch.kubernetes.io%2Fjob-name%3D{self.name}")["items"]
        alive = [p for p in found if p["status"]["phase"] == "Pending" and not p["metadata"].get("deletionTimestamp")]
        return {p["metadata"]["annotations"].get("batch.kubernetes.io/job-completion-index", p["metadata"]["name"])
                if p["metadata"].get("annotations") else p["metadata"]["name"]: p["metadata"]["name"] for p in alive}  # fmt: skip

    def ends(self, index, code, *conditions):
        assert eventually(lambda: index in self.pods(), timeout=60), (index, self.pods())
        told(self.cluster, self.ns, self.pods()[index], "Failed" if code else "Succeeded", code, *conditions)

    def status(self):
        return self.cluster.ask("GET", self.path).get("status", {})

    def conditions(self):
        return {c["type"]: c.get("reason") for c in self.status().get("conditions", []) if c["status"] == "True"}

    def comes_to(self, condition, reason=None):
        assert eventually(lambda: condition in self.conditions(), timeout=60), self.status()
        assert reason is None or self.conditions()[condition] == reason, self.conditions()
        return self.status()


@named(JOB + "with successPolicy ", "should succeeded when all indexes succeeded",
             "succeededCount rule should succeeded even when some indexes remain pending",
             "succeededIndexes rule should succeeded even when some indexes remain pending")  # fmt: skip
def test_when_a_job_has_succeeded(cluster, ns):
    whole = Job(cluster, ns, "all", completions=2, successPolicy={"rules": [{"succeededIndexes": "0-1"}]})
    count = Job(cluster, ns, "count", completions=3, successPolicy={"rules": [{"succeededCount": 1}]})
    some = Job(cluster, ns, "some", completions=3, successPolicy={"rules": [{"succeededIndexes": "1"}]})
    whole.ends("0", 0)
    some.ends("0", 0)
    for job, index, done in ((whole, "1", "0,1"), (count, "2", "2"), (some, "1", "0,1")):
        assert "SuccessCriteriaMet" not in job.conditions()
        job.ends(index, 0)
        job.comes_to("SuccessCriteriaMet", "SuccessPolicy")
        assert job.comes_to("Complete")["completedIndexes"] == done
        assert eventually(lambda: not job.pods(), timeout=60), "pods that are not needed go on"  # noqa: B023


@named(JOB, "should terminate job execution when the number of failed indexes exceeds maxFailedIndexes",
             "should mark indexes as failed when the FailIndex action is matched in podFailurePolicy",
             "should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition")  # fmt: skip
def test_when_a_job_has_failed(cluster, ns):
    most = Job(cluster, ns, "most", completions=4, backoffLimitPerIndex=0, maxFailedIndexes=1)
    most.ends("0", 1)
    most.ends("1", 1)
    most.comes_to("Failed", "MaxFailedIndexesExceeded")
    assert eventually(lambda: not most.pods(), timeout=60)
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}}
    index = Job(cluster, ns, "index", completions=2, backoffLimitPerIndex=1, podFailurePolicy={"rules": [rule]})
    index.ends("0", 42)
    index.ends("1", 0)
    said = index.comes_to("Failed", "FailedIndexes")
    assert (said["failedIndexes"], said["completedIndexes"], said["failed"], said["succeeded"]) == ("0", "1", 1, 1)
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ignored = Job(cluster, ns, "ignored", backoffLimit=0, podFailurePolicy={"rules": [rule]})
    assert eventually(ignored.pods, timeout=60)
    (first,) = ignored.pods()
    ignored.ends(first, 137, "DisruptionTarget")
    assert eventually(lambda: set(ignored.pods()) - {first}, timeout=60), ignored.status()
    (second,) = ignored.pods()
    ignored.ends(second, 0)
    said = ignored.comes_to("Complete")
    assert not said.get("failed") and said["succeeded"] == 1


@named("[sig-apps] ReplicationController ", "should surface a failure condition on a common issue like exceeded quota",
             "should test the lifecycle of a ReplicationController")  # fmt: skip
def test_a_replication_controller(cluster, ns, quota):
    path = at(ns, "replicationcontrollers", "rc")
    quota(hard={"pods": "2"})
    cluster.ask("POST", at(ns, "replicationcontrollers"), controller("rc", labels={"of": ns}), expect=201)
    now = lambda: cluster.ask("GET", path).get("status", {})  # noqa: E731
    fails = lambda: [c["reason"] for c in now().get("conditions", []) if c["type"] == "ReplicaFailure"]  # noqa: E731
    assert eventually(lambda: fails() == ["FailedCreate"] and now().get("replicas") == 2, timeout=60), now()
    assert cluster.ask("PATCH", path + "/scale", {"spec": {"replicas": 2}}, **MERGE)["spec"]["replicas"] == 2
    assert eventually(lambda: not fails(), timeout=60), now()
    for each in owned(cluster, ns, "rc"):
        told(cluster, ns, each["metadata"]["name"], "Running", 0, "Ready", "ContainersReady", "PodScheduled", "Initialized")
    assert eventually(lambda: now().get("readyReplicas") == 2 == now().get("availableReplicas"), timeout=60), now()
    cluster.ask("PATCH", path, {"metadata": {"labels": {"patched": "yes"}}}, **MERGE)
    assert cluster.ask("GET", path + "/status")["metadata"]["labels"]["patched"] == "yes"
    said = cluster.ask("PATCH", path + "/status", {"status": {"readyReplicas": 0}}, **MERGE)
    assert said["status"].get("readyReplicas", 0) == 0 and said["spec"]["replicas"] == 2
    everywhere = f"/api/v1/replicationcontrollers?labelSelector=of%3D{ns}"
    assert [r["metadata"]["name"] for r in cluster.ask("GET", everywhere)["items"]] == ["rc"]
    cluster.ask("DELETE", at(ns, "replicationcontrollers") + f"?labelSelector=of%3D{ns}")
    assert eventually(lambda: not cluster.ask("GET", everywhere)["items"], timeout=60)


# ---- objects that only the API looks at


def lives(cluster, path, body, change, select):
    """Create, get, list, patch, put; returns what it is then."""
    name = body["metadata"]["name"]
    cluster.ask("POST", path, body, expect=201)
    assert [o["metadata"]["name"] for o in cluster.ask("GET", path + select)["items"]] == [name]
    cluster.ask("PATCH", f"{path}/{name}", change, **MERGE)

    def put():
        now = cluster.ask("GET", f"{path}/{name}")
        now["metadata"].setdefault("annotations", {})["put"] = "yes"
        code, reply, _ = cluster.raw("PUT", f"{path}/{name}", now)
        assert code in (200, 409), reply  # a controller may have been faster
        return code == 200

    assert eventually(put, timeout=60), f"{path}/{name} is never put"
    now = cluster.ask("GET", f"{path}/{name}")
    assert now["metadata"]["annotations"]["put"] == "yes"
    return now


def gone(cluster, path, select):
    cluster.ask("DELETE", path + select)
    assert eventually(lambda: not cluster.ask("GET", path + select)["items"], timeout=60)


@named("[sig-node] ", "Node Lifecycle should run through the lifecycle of a node")
def test_a_node(cluster, ns):
    name, select = ns[:50].strip("-"), f"?labelSelector=of%3D{ns}"
    body = {"metadata": {"name": name, "labels": {"of": ns}}, "spec": {"unschedulable": True}}
    now = lives(cluster, "/api/v1/nodes", body, {"metadata": {"labels": {"patched": "yes"}}}, select)
    assert now["metadata"]["labels"]["patched"] == "yes" and now["spec"]["unschedulable"]
    condition = {"type": "Told", "status": "True", "reason": "Because", "message": "by the test"}
    said = cluster.ask("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": [condition]}}, kind="application/strategic-merge-patch+json")
    assert "Told" in [c["type"] for c in said["status"]["conditions"]]
    gone(cluster, "/api/v1/nodes", select)


@named("[sig-node] ", "Pods should run through the lifecycle of Pods and PodStatus")
def test_a_pod(cluster, ns):
    path, select = at(ns, "pods"), f"?labelSelector=of%3D{ns}"
    now = lives(cluster, path, pod("p", gated(), labels={"of": ns}), {"metadata": {"labels": {"patched": "yes"}}}, select)
    assert now["metadata"]["labels"]["patched"] == "yes" and now["status"]["phase"] == "Pending"
    assert [p["metadata"]["uid"] for p in cluster.ask("GET", "/api/v1/pods" + select)["items"]] == [now["metadata"]["uid"]]
    image = {"spec": {"containers": [{"name": "c", "image": "wherry/other"}]}}
    changed = cluster.ask("PATCH", f"{path}/p", image, kind="application/strategic-merge-patch+json")
    assert changed["spec"]["containers"][0]["image"] == "wherry/other" and changed["metadata"]["generation"] == now["metadata"]["generation"] + 1
    told(cluster, ns, "p", "Running", 0, "Ready")
    status_ = cluster.ask("GET", f"{path}/p/status")["status"]
    assert status_["phase"] == "Running" and "Ready" in [c["type"] for c in status_["conditions"]]
    gone(cluster, path, select)


@named("[sig-node] ", "Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls")
def test_sysctls_that_are_none(cluster, ns):
    names = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar..", "%"]
    body = pod("p", gated(securityContext={"sysctls": [{"name": n, "value": "1"} for n in names]}))
    said = cluster.ask("POST", at(ns, "pods"), body, expect=422)["message"]
    for i, bad in ((0, "foo-"), (3, "bar.."), (4, "%")):
        assert f'spec.securityContext.sysctls[{i}].name: Invalid value: "{bad}"' in said, said
    assert "sysctls[1]" not in said and "sysctls[2]" not in said, said


@named("[sig-auth] ", "Certificates API [Privileged:ClusterAdmin] should support CSR API operations")
def test_a_request_to_sign(cluster, ns):
    path, select, name = "/apis/certificates.k8s.io/v1/certificatesigningrequests", f"?labelSelector=of%3D{ns}", ns[:50].strip("-")
    body = {"metadata": {"name": name, "labels": {"of": ns}}, "spec": {
        "request": REQUEST, "signerName": "example.com/test", "expirationSeconds": 3600, "usages": ["digital signature", "server auth"]}}  # fmt: skip
    now = lives(cluster, path, body, {"metadata": {"annotations": {"patched": "yes"}}}, select)
    assert now["metadata"]["annotations"]["patched"] == "yes" and now["spec"]["username"]
    condition = {"type": "Approved", "status": "True", "reason": "Because", "message": "by the test"}
    said = cluster.ask("PATCH", f"{path}/{name}/approval", {"status": {"conditions": [condition]}}, **MERGE)
    assert [c["type"] for c in said["status"]["conditions"]] == ["Approved"]
    assert cluster.ask("GET", f"{path}/{name}/approval")["status"]["conditions"][0]["reason"] == "Because"
    said = cluster.ask("PATCH", f"{path}/{name}/status", {"metadata": {"annotations": {"status": "yes"}}, "status": {"conditions": [
        condition, {"type": "Told", "status": "True", "reason": "Because", "message": ""}]}}, **MERGE)  # fmt: skip
    assert {c["type"] for c in said["status"]["conditions"]} == {"Approved", "Told"}
    gone(cluster, path, select)


# openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test, once, as base64
REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISk1IRUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWRHVnpkREJaTUJNR0J5cUdTTT"
    "Q5QWdFR0NDcUdTTTQ5QXdFSApBMElBQkJtNTdpbTdiMWVsRlJ6cVkzVWlJcCtIbHlaUlpDZVNPU1dwYytkTmZXM2R2OThrSFBXNWpsR0ZaNjhr"
    "CnBxdmNWWHBUSmpjYXhUaWlvVURKYjNXaGw5U2dBREFLQmdncWhrak9QUVFEQWdOSUFEQkZBaUVBbnkyeG5UeG8KcTV6RUMwcmtYTjVtUkdVTG"
    "VIQWpkK1BQbzJpYnQ3RHIycWtDSUNneW04d0FSay9oS2lzZkVmZ211RlhlNTRKSgpGaU1ON2FNRXpLUU16TGNBCi0tLS0tRU5EIENFUlRJRklD"
    "QVRFIFJFUVVFU1QtLS0tLQo="
)


@named("[sig-storage] PersistentVolumes CSI Conformance ", "should run through the lifecycle of a PV and a PVC",
             "should apply changes to a pv/pvc status")  # fmt: skip
def test_a_volume_and_a_claim(cluster, ns):
    select, name = f"?labelSelector=of%3D{ns}", ns[:50].strip("-")
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": name}
    volume = {"metadata": {"name": name, "labels": {"of": ns}}, "spec": {
        **common, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "example.com/d", "volumeHandle": "h"}}}  # fmt: skip
    claim = {"metadata": {"name": "c", "labels": {"of": ns}}, "spec": {
        **common, "storageClassName": "example-other", "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    for path, body in (("/api/v1/persistentvolumes", volume), (at(ns, "persistentvolumeclaims"), claim)):
        one = f"{path}/{body['metadata']['name']}"
        lives(cluster, path, body, {"metadata": {"labels": {"patched": "yes"}}}, select)
        settled = lambda: cluster.ask("GET", one).get("status", {}).get("phase") in ("Available", "Pending")  # noqa: B023, E731
        assert eventually(settled, timeout=60)
        given = {"message": "told", "reason": "Because"} if path.endswith("volumes") else {"conditions": [{"type": "Told", "status": "True"}]}
        said = cluster.ask("PATCH", one + "/status", {"status": given}, **MERGE)
        assert {k: said["status"][k] for k in given if k != "conditions"} == {k: v for k, v in given.items() if k != "conditions"}
        assert "conditions" not in given or said["status"]["conditions"][0]["type"] == "Told"
        gone(cluster, path, select)


@named("[sig-storage] ", "VolumeAttachment Conformance should apply changes to a volumeattachment status",
             "CSIInlineVolumes should support CSIVolumeSource in Pod API")  # fmt: skip
def test_volumes_of_drivers(cluster, ns):
    path, select, name = "/apis/storage.k8s.io/v1/volumeattachments", f"?labelSelector=of%3D{ns}", ns[:50].strip("-")
    cluster.ask("POST", path, {"metadata": {"name": name, "labels": {"of": ns}}, "spec": {
        "attacher": "example.com/a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}, expect=201)  # fmt: skip
    assert cluster.ask("PATCH", f"{path}/{name}/status", {"status": {"attached": True}}, **MERGE)["status"]["attached"]
    now = cluster.ask("GET", f"{path}/{name}/status")
    now["status"]["attached"] = False
    assert not cluster.ask("PUT", f"{path}/{name}/status", now)["status"]["attached"]
    gone(cluster, path, select)
    volume = {"name": "v", "csi": {"driver": "example.com/d", "readOnly": False, "volumeAttributes": {"a": "b"}}}
    made_ = cluster.ask("POST", at(ns, "pods"), pod("p", gated(volumes=[volume]), labels={"of": ns}), expect=201)
    assert volume in made_["spec"]["volumes"]
    cluster.ask("PATCH", at(ns, "pods", "p"), {"metadata": {"labels": {"patched": "yes"}}}, **MERGE)
    gone(cluster, at(ns, "pods"), select)
