# SPDX-License-Identifier: Apache-2.0
"""Conformance of the workloads: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, disruption budgets, with pods that run."""

import json
import time

import pytest
from support.cluster import Watch
from support.node import eventually

APPS = "[sig-apps] "
MERGE = {"kind": "application/merge-patch+json"}
STRATEGIC = {"kind": "application/strategic-merge-patch+json"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def at(group_version, resource, ns, name=""):
    root = "/api/v1" if group_version == "v1" else f"/apis/{group_version}"
    return f"{root}/namespaces/{ns}/{resource}" + (f"/{name}" if name else "")


def pods(cluster, ns, selector=""):
    found = cluster.ask("GET", at("v1", "pods", ns) + (f"?labelSelector={selector.replace('=', '%3D')}" if selector else ""))["items"]
    return [p for p in found if not p["metadata"].get("deletionTimestamp")]


def template(name, script="sleep 1000", **spec):
    return {"metadata": {"labels": {"app": name}}, "spec": {
        "terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}], **spec}}  # fmt: skip


def workload(name, replicas, **spec):
    return {"metadata": {"name": name, "labels": {"app": name}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name), **spec}}  # fmt: skip


def status(cluster, path, **wanted):
    last = {}

    def reached():
        last.update(cluster.ask("GET", path))
        now = last.get("status", {})
        return all(now.get(k, 0) == v for k, v in wanted.items()) and (
            now.get("observedGeneration", 1) >= last["metadata"].get("generation", 1))  # fmt: skip

    assert eventually(reached, timeout=150), json.dumps(last.get("status"))
    return last


def owner(obj):
    return next((o["uid"] for o in obj["metadata"].get("ownerReferences", []) if o.get("controller")), None)


# ---- Deployments


@pytest.mark.conformance(APPS + "Deployment RollingUpdateDeployment should delete old pods and create new ones")
@pytest.mark.conformance(APPS + "Deployment should run the lifecycle of a Deployment")
@pytest.mark.conformance(APPS + "Deployment deployment should support rollover")
@pytest.mark.conformance(APPS + "Deployment deployment should delete old replica sets")
def test_a_deployment_rolls(cluster, ns):
    path = at("apps/v1", "deployments", ns, "d")
    sets = at("apps/v1", "replicasets", ns)
    cluster.ask("POST", at("apps/v1", "deployments", ns), workload("d", 2, revisionHistoryLimit=0), expect=201)
    status(cluster, path, readyReplicas=2, updatedReplicas=2)
    first = cluster.ask("GET", sets)["items"][0]
    for tag in ("one", "two"):  # the second before the first has ended
        change = {"spec": {"template": {"metadata": {"annotations": {"tag": tag}}}}}
        cluster.ask("PATCH", path, change, **STRATEGIC)
    rolled = status(cluster, path, readyReplicas=2, updatedReplicas=2, replicas=2)
    assert {c["type"]: c["status"] for c in rolled["status"]["conditions"]} == {"Available": "True", "Progressing": "True"}
    assert eventually(lambda: [s["metadata"]["name"] != first["metadata"]["name"] for s in cluster.ask("GET", sets)["items"]] == [True], timeout=60)
    for each in pods(cluster, ns, "app=d"):
        assert each["metadata"]["annotations"]["tag"] == "two"
    cluster.ask("DELETE", path)
    assert eventually(lambda: not pods(cluster, ns), timeout=60)


@pytest.mark.conformance(APPS + "Deployment RecreateDeployment should delete old pods and create new ones")
def test_a_deployment_is_recreated(cluster, ns):
    path = at("apps/v1", "deployments", ns, "d")
    cluster.ask("POST", at("apps/v1", "deployments", ns), workload("d", 1, strategy={"type": "Recreate"}), expect=201)
    status(cluster, path, readyReplicas=1)
    with Watch(cluster, at("v1", "pods", ns), "") as watch:
        cluster.ask("PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"tag": "new"}}}}}, **STRATEGIC)
        status(cluster, path, readyReplicas=1, updatedReplicas=1, replicas=1)
    alive = {}
    for event in watch.seen:
        meta = event["object"]["metadata"]
        if event["type"] == "DELETED" or event["object"]["status"].get("phase") in ("Succeeded", "Failed"):
            alive.pop(meta["name"], None)
        else:
            alive[meta["name"]] = meta.get("annotations", {}).get("tag")
        assert len(set(alive.values())) <= 1, "old and new pods at once"


@pytest.mark.conformance(APPS + "Deployment deployment should support proportional scaling")
def test_a_deployment_scales_in_proportion(cluster, ns):
    path = at("apps/v1", "deployments", ns, "d")
    sets = at("apps/v1", "replicasets", ns)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    body = workload("d", 10, strategy=rolling)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1m"}}
    cluster.ask("POST", at("apps/v1", "deployments", ns), body, expect=201)
    status(cluster, path, readyReplicas=10)
    bad = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "wherry/no-such:1", "imagePullPolicy": "Never"}]}}}}
    cluster.ask("PATCH", path, bad, **STRATEGIC)
    wanted = lambda: sorted(s["spec"]["replicas"] for s in cluster.ask("GET", sets)["items"])  # noqa: E731
    assert eventually(lambda: wanted() == [5, 8], timeout=60), wanted()
    cluster.ask("PATCH", path + "/scale", {"spec": {"replicas": 15}}, **MERGE)
    assert eventually(lambda: wanted() == [7, 11], timeout=60), wanted()  # 18 pods, shared as 5 is to 8
    cluster.ask("DELETE", path)
    assert eventually(lambda: not cluster.ask("GET", at("v1", "pods", ns))["items"], timeout=90)


# ---- ReplicaSets and ReplicationControllers

SETS = [
    pytest.param("apps/v1", "replicasets", marks=[
        pytest.mark.conformance(APPS + "ReplicaSet should adopt matching pods on creation and release no longer matching pods"),
        pytest.mark.conformance(APPS + "ReplicaSet should serve a basic image on each replica with a public image")]),
    pytest.param("v1", "replicationcontrollers", marks=[
        pytest.mark.conformance(APPS + "ReplicationController should adopt matching pods on creation"),
        pytest.mark.conformance(APPS + "ReplicationController should release no longer matching pods"),
        pytest.mark.conformance(APPS + "ReplicationController should get and update a ReplicationController scale"),
        pytest.mark.conformance(APPS + "ReplicationController should serve a basic image on each replica with a public image")]),
]  # fmt: skip


@pytest.mark.parametrize(("version", "resource"), SETS)
def test_sets_adopt_and_release(cluster, ns, version, resource):
    orphan = {"metadata": {"name": "orphan", "labels": {"app": "s"}}, "spec": template("s")["spec"]}
    cluster.ask("POST", at("v1", "pods", ns), orphan, expect=201)
    body = workload("s", 1)
    if version == "v1":
        body["spec"]["selector"] = {"app": "s"}
    made = cluster.ask("POST", at(version, resource, ns), body, expect=201)
    adopted = lambda: owner(cluster.ask("GET", at("v1", "pods", ns, "orphan"))) == made["metadata"]["uid"]  # noqa: E731
    assert eventually(adopted, timeout=60) and len(pods(cluster, ns)) == 1
    cluster.ask("PATCH", at("v1", "pods", ns, "orphan"), {"metadata": {"labels": {"app": "free"}}}, **MERGE)
    released = lambda: owner(cluster.ask("GET", at("v1", "pods", ns, "orphan"))) is None  # noqa: E731
    assert eventually(lambda: released() and len(pods(cluster, ns, "app=s")) == 1, timeout=60)
    cluster.ask("PATCH", at(version, resource, ns, "s/scale"), {"spec": {"replicas": 2}}, **MERGE)
    status(cluster, at(version, resource, ns, "s"), readyReplicas=2, replicas=2)
    cluster.ask("DELETE", at(version, resource, ns, "s"), {"propagationPolicy": "Background"})
    assert eventually(lambda: not pods(cluster, ns, "app=s"), timeout=60)


# ---- StatefulSets

BASIC = APPS + "StatefulSet Basic StatefulSet functionality [StatefulSetBasic] "


def stateful(cluster, ns, replicas, **spec):
    cluster.ask("POST", at("v1", "services", ns), {"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "selector": {"app": "s"}}}, expect=201)
    cluster.ask("POST", at("apps/v1", "statefulsets", ns), workload("s", replicas, serviceName="s", **spec), expect=201)
    return at("apps/v1", "statefulsets", ns, "s")


@pytest.mark.conformance(BASIC + "should perform rolling updates and roll backs of template modifications")
@pytest.mark.conformance(BASIC + "should perform canary updates and phased rolling updates of template modifications")
@pytest.mark.conformance(BASIC + "should have a working scale subresource")
def test_a_stateful_set_rolls(cluster, ns):
    path = stateful(cluster, ns, 3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    first = status(cluster, path, readyReplicas=3)["status"]["currentRevision"]
    tags = lambda: [p["metadata"].get("annotations", {}).get("tag") for p in sorted(pods(cluster, ns, "app=s"), key=lambda p: p["metadata"]["name"])]  # noqa: E731
    cluster.ask("PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"tag": "new"}}}}}, **STRATEGIC)
    status(cluster, path, updatedReplicas=1, readyReplicas=3)
    assert tags() == [None, None, "new"]
    cluster.ask("PATCH", path, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}, **STRATEGIC)
    rolled = status(cluster, path, readyReplicas=3, currentReplicas=3)
    assert eventually(lambda: tags() == ["new"] * 3, timeout=120), tags()
    rolled = status(cluster, path, readyReplicas=3)
    assert eventually(lambda: cluster.ask("GET", path)["status"]["currentRevision"] != first, timeout=60)
    cluster.ask("PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"tag": None}}}}}, **STRATEGIC)
    assert eventually(lambda: tags() == [None] * 3 and cluster.ask("GET", path)["status"]["currentRevision"] == first, timeout=150)
    scale = cluster.ask("GET", path + "/scale")
    assert scale["spec"]["replicas"] == 3 and scale["status"]["selector"] == "app=s" and rolled
    cluster.ask("PATCH", path + "/scale", {"spec": {"replicas": 1}}, **MERGE)
    status(cluster, path, replicas=1, readyReplicas=1)
    cluster.ask("DELETE", path)


@pytest.mark.conformance(BASIC + "Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow]")
def test_a_stateful_set_keeps_its_order(cluster, ns):
    path = at("apps/v1", "statefulsets", ns, "s")
    body = workload("s", 3, serviceName="s")
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {
        "exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 20}  # fmt: skip
    cluster.ask("POST", at("apps/v1", "statefulsets", ns), body, expect=201)
    names = lambda: sorted(p["metadata"]["name"] for p in pods(cluster, ns, "app=s"))  # noqa: E731
    for i in range(3):
        assert eventually(lambda i=i: names() == [f"s-{n}" for n in range(i + 1)], timeout=90), names()
        cluster.kubectl("-n", ns, "wait", "--for=jsonpath={.status.phase}=Running", f"pod/s-{i}", "--timeout=90s")
        time.sleep(1)
        assert len(names()) == i + 1, "the next came before the one before it was ready"
        cluster.kubectl("-n", ns, "exec", f"s-{i}", "--", "touch", "/tmp/ready")
    status(cluster, path, readyReplicas=3)
    with Watch(cluster, at("v1", "pods", ns), "") as watch:
        cluster.ask("PATCH", path + "/scale", {"spec": {"replicas": 0}}, **MERGE)
        assert eventually(lambda: not names(), timeout=90)
        assert watch.until("DELETED", count=3)
        assert [e["object"]["metadata"]["name"] for e in watch.seen if e["type"] == "DELETED"] == ["s-2", "s-1", "s-0"]
    cluster.ask("DELETE", path)


@pytest.mark.conformance(BASIC + "Burst scaling should run to completion even with unhealthy pods [Slow]")
@pytest.mark.conformance(BASIC + "should list, patch and delete a collection of StatefulSets")
@pytest.mark.conformance(BASIC + "should validate Statefulset Status endpoints")
def test_a_stateful_set_in_bursts(cluster, ns):
    path = at("apps/v1", "statefulsets", ns, "s")
    body = workload("s", 3, serviceName="s", podManagementPolicy="Parallel")
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    cluster.ask("POST", at("apps/v1", "statefulsets", ns), body, expect=201)
    assert eventually(lambda: len(pods(cluster, ns, "app=s")) == 3, timeout=60)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "m"}
    changed = cluster.ask("PATCH", path + "/status", {"status": {"conditions": [condition]}}, **MERGE)
    assert changed["status"]["conditions"][0]["type"] == "StatusUpdate"
    cluster.ask("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, **MERGE)
    assert len(cluster.ask("GET", "/apis/apps/v1/statefulsets?labelSelector=x%3Dy")["items"]) == 1
    cluster.ask("DELETE", at("apps/v1", "statefulsets", ns) + "?labelSelector=x%3Dy")
    assert eventually(lambda: not cluster.ask("GET", at("v1", "pods", ns))["items"], timeout=90)


@pytest.mark.conformance(BASIC + "Should recreate evicted statefulset")
def test_a_stateful_set_whose_pod_is_refused(cluster, ns):
    """Its port of the node is another's, which nobody asks the scheduler about: the node refuses the pod, and there is a new one each
    time until the port is free."""
    node = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    port = {"name": "conflict", "containerPort": 21017, "hostPort": 21017}

    def bound(spec):
        spec["containers"][0]["ports"] = [port]
        return {**spec, "nodeName": node}

    cluster.ask("POST", at("v1", "pods", ns), {"metadata": {"name": "test-pod"}, "spec": bound(template("t")["spec"])}, expect=201)

    def phase(name):
        code, pod, _ = cluster.raw("GET", at("v1", "pods", ns, name))
        return pod["status"].get("phase") if code == 200 else None  # between two of its lives there is none

    assert eventually(lambda: phase("test-pod") == "Running", timeout=120), phase("test-pod")
    with Watch(cluster, at("v1", "pods", ns), "fieldSelector=metadata.name%3Ds-0") as watch:
        body = workload("s", 1, serviceName="s")
        body["spec"]["template"]["spec"] = bound(body["spec"]["template"]["spec"])
        cluster.ask("POST", at("apps/v1", "statefulsets", ns), body, expect=201)
        assert watch.until("DELETED", timeout=120), watch.seen[-1:]
        (ended, *_) = [e["object"] for e in watch.seen if e["type"] == "DELETED"]
    assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "NodePorts"), ended["status"]
    assert "didn't have free ports for the requested pod ports" in ended["status"]["message"]
    cluster.ask("DELETE", at("v1", "pods", ns, "test-pod"), {"gracePeriodSeconds": 0})
    assert eventually(lambda: phase("s-0") == "Running", timeout=120), cluster.kubectl("-n", ns, "describe", "pod", "s-0", check=False).stdout
    assert cluster.ask("GET", at("v1", "pods", ns, "s-0"))["metadata"]["uid"] != ended["metadata"]["uid"]
    cluster.ask("DELETE", at("apps/v1", "statefulsets", ns, "s"))


# ---- DaemonSets

DAEMON = APPS + "Daemon set [Serial] "


@pytest.mark.conformance(DAEMON + "should run and stop simple daemon")
@pytest.mark.conformance(DAEMON + "should retry creating failed daemon pods")
@pytest.mark.conformance(DAEMON + "should update pod when spec was updated and update strategy is RollingUpdate")
@pytest.mark.conformance(DAEMON + "should verify changes to a daemon set status")
@pytest.mark.conformance(DAEMON + "should list and delete a collection of DaemonSets")
def test_a_daemon_set(cluster, ns):
    path = at("apps/v1", "daemonsets", ns, "d")
    body = workload("d", 1)
    del body["spec"]["replicas"]
    cluster.ask("POST", at("apps/v1", "daemonsets", ns), body, expect=201)
    status(cluster, path, desiredNumberScheduled=1, numberReady=1, numberAvailable=1)
    one = pods(cluster, ns, "app=d")[0]["metadata"]["name"]
    cluster.kubectl("-n", ns, "delete", "pod", one, "--timeout=60s")
    assert eventually(lambda: [p["metadata"]["name"] != one for p in pods(cluster, ns, "app=d")] == [True], timeout=60)
    two = pods(cluster, ns, "app=d")[0]
    cluster.ask("PATCH", at("v1", "pods", ns, two["metadata"]["name"]) + "/status", {"status": {"phase": "Failed"}}, **MERGE)
    assert eventually(lambda: [p["metadata"]["uid"] != two["metadata"]["uid"] for p in pods(cluster, ns, "app=d")] == [True], timeout=60)
    cluster.ask("PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"tag": "new"}}}}}, **STRATEGIC)
    status(cluster, path, updatedNumberScheduled=1, numberReady=1)
    assert pods(cluster, ns, "app=d")[0]["metadata"]["annotations"]["tag"] == "new"
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "m"}
    assert cluster.ask("PATCH", path + "/status", {"status": {"conditions": [condition]}}, **MERGE)["status"]["conditions"] == [condition]
    cluster.ask("DELETE", at("apps/v1", "daemonsets", ns) + "?labelSelector=app%3Dd")
    assert eventually(lambda: not cluster.ask("GET", at("v1", "pods", ns))["items"], timeout=90)


@pytest.mark.conformance(DAEMON + "should run and stop complex daemon")
def test_a_daemon_set_that_chooses_its_nodes(cluster, ns):
    node = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    body = workload("d", 1)
    del body["spec"]["replicas"]
    body["spec"]["template"]["spec"]["nodeSelector"] = {f"{ns[:20]}-color": "blue"}
    path = at("apps/v1", "daemonsets", ns, "d")
    cluster.ask("POST", at("apps/v1", "daemonsets", ns), body, expect=201)
    status(cluster, path, desiredNumberScheduled=0)
    cluster.kubectl("label", "node", node, f"{ns[:20]}-color=blue")
    status(cluster, path, desiredNumberScheduled=1, numberReady=1)
    cluster.kubectl("label", "node", node, f"{ns[:20]}-color-")
    assert eventually(lambda: not pods(cluster, ns), timeout=90)
    cluster.ask("DELETE", path)


class SecondNode:
    """A node that is none: the test says of it, and of its pods, what an agent would. Nothing but what tolerates it comes to it."""

    taint = {"key": "example.com/simulated", "effect": "NoSchedule"}

    def __init__(self, cluster, ns, name):
        self.cluster, self.ns, self.name = cluster, ns, name

    def __enter__(self):
        room = {"cpu": "4", "memory": "4Gi", "pods": "10"}
        self.cluster.ask("POST", "/api/v1/nodes", {
            "metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}}, "spec": {"taints": [self.taint]},
            "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}}, expect=201)  # fmt: skip
        self.cluster.ask("POST", LEASES, {"metadata": {"name": self.name}, "spec": self._lease()}, expect=201)
        ready = lambda: self.cluster.ask("GET", f"/api/v1/nodes/{self.name}")["spec"]["taints"] == [self.taint]  # noqa: E731
        assert eventually(ready, timeout=60), self.cluster.ask("GET", f"/api/v1/nodes/{self.name}")
        return self

    def __exit__(self, *_):
        for path in (f"/api/v1/nodes/{self.name}", f"{LEASES}/{self.name}"):
            self.cluster.raw("DELETE", path)

    def _lease(self):
        return {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}

    def works(self):
        """It is alive, and its pods run whose image there is."""
        self.cluster.ask("PATCH", f"{LEASES}/{self.name}", {"spec": self._lease()}, **MERGE)
        for p in pods(self.cluster, self.ns):
            if p["spec"].get("nodeName") == self.name and p["status"]["phase"] == "Pending" and p["spec"]["containers"][0]["image"] == "wherry/hello":
                self.cluster.ask("PATCH", at("v1", "pods", self.ns, p["metadata"]["name"]) + "/status", {"status": {
                    "phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": p["metadata"]["creationTimestamp"]}]}}, **MERGE)  # fmt: skip


@pytest.mark.conformance(DAEMON + "should rollback without unnecessary restarts")
def test_a_daemon_set_that_is_rolled_back(cluster, ns):
    """In the middle of an update to what does not start, on the first of two nodes, back again: the pod that was not touched yet, which
    is a real one, is not touched at all."""
    path = at("apps/v1", "daemonsets", ns, "d")
    image = lambda name: cluster.ask("PATCH", path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}, **STRATEGIC)  # noqa: E731
    body = workload("d", 1)
    del body["spec"]["replicas"]
    body["spec"]["template"]["spec"].update(tolerations=[SecondNode.taint], terminationGracePeriodSeconds=0)
    with SecondNode(cluster, ns, "a-simulated-one") as second:  # the names are in this order

        def images(*wanted, available):
            second.works()
            now = cluster.ask("GET", path)
            return (sorted(p["spec"]["containers"][0]["image"] for p in pods(cluster, ns, "app=d")) == sorted(wanted)
                    and now["status"].get("observedGeneration") == now["metadata"]["generation"] and now["status"].get("numberAvailable") == available)  # fmt: skip

        cluster.ask("POST", at("apps/v1", "daemonsets", ns), body, expect=201)
        assert eventually(lambda: images("wherry/hello", "wherry/hello", available=2), timeout=120), cluster.ask("GET", path)["status"]
        image("foo:non-existent")
        assert eventually(lambda: images("wherry/hello", "foo:non-existent", available=1), timeout=60), cluster.ask("GET", path)["status"]
        (kept,) = [p for p in pods(cluster, ns, "app=d") if p["spec"]["containers"][0]["image"] == "wherry/hello"]
        assert kept["spec"]["nodeName"] != second.name
        image("wherry/hello")
        assert eventually(lambda: images("wherry/hello", "wherry/hello", available=2), timeout=60), cluster.ask("GET", path)["status"]
        now = cluster.ask("GET", at("v1", "pods", ns, kept["metadata"]["name"]))
        containers = lambda p: [(c["containerID"], c["restartCount"]) for c in p["status"]["containerStatuses"]]  # noqa: E731
        assert now["metadata"]["uid"] == kept["metadata"]["uid"] and containers(now) == containers(kept)
        cluster.ask("DELETE", path)
        assert eventually(lambda: not cluster.ask("GET", at("v1", "pods", ns))["items"], timeout=90)


# ---- Jobs

JOB = APPS + "Job "


def job(name, script, **spec):
    made = template(name, script, restartPolicy=spec.pop("restartPolicy", "Never"))
    return {"metadata": {"name": name}, "spec": {"template": made, **spec}}


def conditions(cluster, path):
    return {c["type"]: c for c in cluster.ask("GET", path).get("status", {}).get("conditions", []) if c["status"] == "True"}


@pytest.mark.conformance(JOB + "should run a job to completion when tasks sometimes fail and are locally restarted")
@pytest.mark.conformance(JOB + "should create pods for an Indexed job with completion indexes and specified hostname")
@pytest.mark.conformance(JOB + "should allow to use the pod failure policy on exit code to fail the job early")
@pytest.mark.conformance(JOB + "should execute all indexes despite some failing when using backoffLimitPerIndex")
@pytest.mark.conformance(JOB + "should delete a job")
def test_jobs(cluster, ns):
    all_jobs = at("batch/v1", "jobs", ns)
    post = lambda body: cluster.ask("POST", all_jobs, body, expect=201)  # noqa: E731
    sometimes = job("sometimes", "[ -e /v/done ] && exit 0; touch /v/done; exit 1", restartPolicy="OnFailure", completions=2, parallelism=2)
    sometimes["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    sometimes["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    post(sometimes)
    post(job("indexed", 'echo "$JOB_COMPLETION_INDEX $(hostname)" >/dev/termination-log', completions=2, parallelism=2, completionMode="Indexed"))
    rules = [{"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}]
    post(job("early", "exit 42", backoffLimit=6, podFailurePolicy={"rules": rules}))
    post(job("each", '[ "$JOB_COMPLETION_INDEX" = 1 ]', completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=0))
    post(job("sleeps", "sleep 1000", parallelism=1))
    for name in ("sometimes", "indexed"):
        assert eventually(lambda name=name: "Complete" in conditions(cluster, f"{all_jobs}/{name}"), timeout=120), name
    done = cluster.ask("GET", f"{all_jobs}/sometimes")["status"]
    assert done["succeeded"] == 2 and not done.get("failed")
    indexed = cluster.ask("GET", f"{all_jobs}/indexed")
    assert indexed["status"]["completedIndexes"] == "0,1"  # a hyphen takes three
    said = sorted(p["status"]["containerStatuses"][0]["state"]["terminated"]["message"].strip()
                  for p in cluster.ask("GET", at("v1", "pods", ns) + "?labelSelector=app%3Dindexed")["items"])  # fmt: skip
    assert said == ["0 indexed-0", "1 indexed-1"]
    assert eventually(lambda: "Failed" in conditions(cluster, f"{all_jobs}/early"), timeout=90)
    assert conditions(cluster, f"{all_jobs}/early")["Failed"]["reason"] == "PodFailurePolicy"
    assert eventually(lambda: "Failed" in conditions(cluster, f"{all_jobs}/each"), timeout=90)
    each = cluster.ask("GET", f"{all_jobs}/each")["status"]
    assert each["completedIndexes"] == "1" and each["failedIndexes"] == "0"
    assert eventually(lambda: cluster.ask("GET", f"{all_jobs}/sleeps")["status"].get("active") == 1, timeout=60)
    cluster.ask("DELETE", f"{all_jobs}/sleeps", {"propagationPolicy": "Foreground"})
    assert eventually(lambda: cluster.raw("GET", f"{all_jobs}/sleeps")[0] == 404, timeout=90)
    assert not pods(cluster, ns, "app=sleeps")


@pytest.mark.conformance(JOB + "should adopt matching orphans and release non-matching pods")
@pytest.mark.conformance(JOB + "should manage the lifecycle of a job")
@pytest.mark.conformance(JOB + "should apply changes to a job status")
def test_a_job_through_its_life(cluster, ns):
    path = at("batch/v1", "jobs", ns, "j")
    made = cluster.ask("POST", at("batch/v1", "jobs", ns), job("j", "sleep 1000", parallelism=2, suspend=True), expect=201)
    assert eventually(lambda: "Suspended" in conditions(cluster, path), timeout=60)
    changed = cluster.ask("PATCH", path + "/status", {"metadata": {"annotations": {"patched": "yes"}}, "status": {"startTime": "2026-01-02T03:04:05Z"}}, **MERGE)
    assert changed["status"]["startTime"] == "2026-01-02T03:04:05Z" and changed["metadata"]["annotations"]["patched"] == "yes"
    cluster.ask("PATCH", path, {"spec": {"suspend": False}}, **MERGE)
    assert eventually(lambda: len(pods(cluster, ns, "app=j")) == 2, timeout=60)
    one = pods(cluster, ns, "app=j")[0]["metadata"]["name"]
    cluster.ask("PATCH", at("v1", "pods", ns, one), {"metadata": {"ownerReferences": None}}, **MERGE)
    mine = lambda: owner(cluster.ask("GET", at("v1", "pods", ns, one))) == made["metadata"]["uid"]  # noqa: E731
    assert eventually(mine, timeout=60), "not adopted again"
    cluster.ask("PATCH", at("v1", "pods", ns, one), {"metadata": {"labels": None}}, **MERGE)
    assert eventually(lambda: owner(cluster.ask("GET", at("v1", "pods", ns, one))) is None, timeout=60), "not released"
    cluster.ask("DELETE", path, {"propagationPolicy": "Background"})
    assert eventually(lambda: not pods(cluster, ns, "app=j"), timeout=90)


@pytest.mark.conformance(APPS + "CronJob should schedule multiple jobs concurrently")
@pytest.mark.conformance(APPS + "CronJob should replace jobs when ReplaceConcurrent")
@pytest.mark.conformance(APPS + "CronJob should not schedule new jobs when ForbidConcurrent [Slow]")
@pytest.mark.conformance(APPS + "CronJob should not schedule jobs when suspended [Slow]")
def test_cron_jobs(cluster, ns):
    """All four at once: two turns decide all of them."""
    crons = at("batch/v1", "cronjobs", ns)
    for name, more in (("allow", {}), ("replace", {"concurrencyPolicy": "Replace"}), ("forbid", {"concurrencyPolicy": "Forbid"}),
                       ("suspended", {"suspend": True})):  # fmt: skip
        spec = {"schedule": "@every 5s", "jobTemplate": {"spec": job("x", "sleep 300")["spec"]}, **more}
        cluster.ask("POST", crons, {"metadata": {"name": name}, "spec": spec}, expect=201)
    active = lambda name: [a["name"] for a in cluster.ask("GET", f"{crons}/{name}")["status"].get("active", [])]  # noqa: E731
    assert eventually(lambda: len(active("allow")) >= 1 and len(active("replace")) == 1 and len(active("forbid")) == 1, timeout=100)
    first = {name: active(name) for name in ("replace", "forbid")}
    assert eventually(lambda: len(active("allow")) >= 2, timeout=100)
    assert eventually(lambda: len(active("replace")) == 1 and active("replace") != first["replace"], timeout=30)
    assert active("forbid") == first["forbid"] and not active("suspended")
    jobs = at("batch/v1", "jobs", ns)
    assert not [j for j in cluster.ask("GET", jobs)["items"] if j["metadata"]["name"].startswith("suspended")]
    cluster.ask("DELETE", crons)
    cluster.ask("DELETE", jobs, {"propagationPolicy": "Background"})
    assert eventually(lambda: not cluster.ask("GET", at("v1", "pods", ns))["items"], timeout=120)


# ---- disruptions


@pytest.mark.conformance(APPS + "DisruptionController should block an eviction until the PDB is updated to allow it")
@pytest.mark.conformance(APPS + "DisruptionController should observe PodDisruptionBudget status updated")
def test_a_disruption_budget(cluster, ns):
    budget = at("policy/v1", "poddisruptionbudgets", ns)
    cluster.ask("POST", at("apps/v1", "replicasets", ns), workload("s", 2), expect=201)
    status(cluster, at("apps/v1", "replicasets", ns, "s"), readyReplicas=2)
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "s"}}}
    cluster.ask("POST", budget, {"metadata": {"name": "b"}, "spec": spec}, expect=201)
    seen = lambda: cluster.ask("GET", f"{budget}/b")["status"]  # noqa: E731
    assert eventually(lambda: seen().get("expectedPods") == 2 and seen().get("currentHealthy") == 2, timeout=60), seen()
    assert seen()["disruptionsAllowed"] == 0
    name = pods(cluster, ns, "app=s")[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    refused = cluster.ask("POST", at("v1", "pods", ns, name) + "/eviction", eviction, expect=429)
    assert "disruption budget" in refused["message"]
    cluster.ask("PATCH", f"{budget}/b", {"spec": {"minAvailable": 1}}, **MERGE)
    assert eventually(lambda: seen()["disruptionsAllowed"] == 1, timeout=60)
    cluster.ask("POST", at("v1", "pods", ns, name) + "/eviction", eviction, expect=201)
    assert eventually(lambda: name not in [p["metadata"]["name"] for p in pods(cluster, ns)], timeout=60)
