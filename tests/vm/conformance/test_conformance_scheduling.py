# SPDX-License-Identifier: Apache-2.0
"""Conformance of preemption and of taints that evict, on a node with a resource of the test's own."""

import json

import pytest
from support.cluster import Watch
from support.conformance import named
from support.node import eventually

MERGE = {"kind": "application/merge-patch+json"}
FOO = "scheduling.k8s.io/foo"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def have(cluster, node, amount):
    cluster.ask("PATCH", f"/api/v1/nodes/{node}/status", {"status": {"capacity": {FOO: amount}, "allocatable": {FOO: amount}}}, **MERGE)


@pytest.fixture
def node(cluster):
    """The node's name; five of a resource that nothing else asks for."""
    name = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    have(cluster, name, "5")
    yield name
    have(cluster, name, None)
    cluster.kubectl("taint", "node", name, "example.com/evict-", check=False)


@pytest.fixture
def priority(cluster, ns):
    made = []

    def make(name, value):
        cluster.ask("POST", CLASSES, {"metadata": {"name": f"{ns[:40]}-{name}"}, "value": value}, expect=201)
        made.append(f"{ns[:40]}-{name}")
        return made[-1]

    yield make
    for name in made:
        cluster.raw("DELETE", f"{CLASSES}/{name}")


def pod_spec(foo=None, **spec):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "10000"]}
    if foo:
        container["resources"] = {"requests": {FOO: foo}, "limits": {FOO: foo}}
    return {"terminationGracePeriodSeconds": 1, "containers": [container], **spec}


def create(cluster, ns, name, foo=None, metadata=None, **spec):
    body = {"metadata": {"name": name, **(metadata or {})}, "spec": pod_spec(foo, **spec)}
    return cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=201)


def get(cluster, ns, name):
    status, reply, _ = cluster.raw("GET", f"/api/v1/namespaces/{ns}/pods/{name}")
    return reply if status == 200 else None


def runs(cluster, ns, name, timeout=90):
    there = lambda: (get(cluster, ns, name) or {"status": {}})["status"].get("phase") == "Running"  # noqa: E731
    assert eventually(there, timeout=timeout), json.dumps(get(cluster, ns, name))


def leaves(cluster, ns, name, timeout=60):
    gone = lambda: (get(cluster, ns, name) or {"metadata": {"deletionTimestamp": 1}})["metadata"].get("deletionTimestamp")  # noqa: E731
    assert eventually(gone, timeout=timeout), json.dumps(get(cluster, ns, name))


@named("[sig-scheduling] SchedulerPreemption [Serial] ", "validates basic preemption works", "validates lower priority pod preemption by critical pod",
             "validates pod disruption condition is added to the preempted pod")  # fmt: skip
def test_preemption(cluster, ns, node, priority):
    """The lowest priority leaves, and nobody else; for whoever is critical, too; and it is told why."""
    low, medium, high = priority("low", 1), priority("medium", 100), priority("high", 1000)
    create(cluster, ns, "low", "2", priorityClassName=low)
    create(cluster, ns, "medium", "3", priorityClassName=medium)
    runs(cluster, ns, "low")
    runs(cluster, ns, "medium")
    create(cluster, ns, "preemptor", "2", priorityClassName=high)
    leaves(cluster, ns, "low")
    runs(cluster, ns, "preemptor")
    assert not get(cluster, ns, "medium")["metadata"].get("deletionTimestamp")

    cluster.ask("DELETE", f"/api/v1/namespaces/{ns}/pods/preemptor", {"gracePeriodSeconds": 0})
    create(cluster, ns, "victim", "2", {"finalizers": ["example.com/test-finalizer"]}, priorityClassName=low)
    runs(cluster, ns, "victim")
    name = f"{ns[:40]}-critical"
    create(cluster, "kube-system", name, "2", priorityClassName="system-cluster-critical")
    try:
        leaves(cluster, ns, "victim")
        why = [c for c in get(cluster, ns, "victim")["status"]["conditions"] if c["type"] == "DisruptionTarget"]
        assert why and why[0]["status"] == "True" and why[0]["reason"] == "PreemptionByScheduler"
        runs(cluster, "kube-system", name)
        assert not get(cluster, ns, "medium")["metadata"].get("deletionTimestamp")
    finally:
        cluster.raw("DELETE", f"/api/v1/namespaces/kube-system/pods/{name}", {"gracePeriodSeconds": 0})
        cluster.raw("PATCH", f"/api/v1/namespaces/{ns}/pods/victim", {"metadata": {"finalizers": None}}, **MERGE)


@named("[sig-scheduling] SchedulerPreemption [Serial] ", "PreemptionExecutionPath runs ReplicaSets to verify preemption running path")
def test_preemption_of_replicas(cluster, ns, node, priority):
    """Those of the two lower priorities leave for one that needs both their places, once; what is made in their stead waits."""
    have(cluster, node, "1000")
    selector = {"kubernetes.io/hostname": cluster.ask("GET", f"/api/v1/nodes/{node}")["metadata"]["labels"]["kubernetes.io/hostname"]}
    classes = [priority(f"p{i}", i) for i in range(1, 5)]
    sets = f"/apis/apps/v1/namespaces/{ns}/replicasets"
    with Watch(cluster, f"/api/v1/namespaces/{ns}/pods", "") as watch:
        for i, amount in ((1, "200"), (2, "300"), (3, "450")):
            labels = {"name": f"pod{i}"}
            template = {"metadata": {"labels": labels}, "spec": pod_spec(amount, priorityClassName=classes[i - 1], nodeSelector=selector)}
            cluster.ask("POST", sets, {"metadata": {"name": f"rs-pod{i}"}, "spec": {
                "replicas": 1, "selector": {"matchLabels": labels}, "template": template}}, expect=201)  # fmt: skip
        available = lambda: [s["status"].get("availableReplicas") for s in cluster.ask("GET", sets)["items"]]  # noqa: E731
        assert eventually(lambda: available() == [1, 1, 1], timeout=120), available()
        create(cluster, ns, "pod4", "500", priorityClassName=classes[3], nodeSelector=selector)
        runs(cluster, ns, "pod4")

        def settled():
            """The places that are left are too few for either of the two, and the scheduler has said so."""
            waiting = [p for p in cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods")["items"] if not p["spec"].get("nodeName")]
            reasons = [c.get("reason") for p in waiting for c in p["status"].get("conditions", []) if c["type"] == "PodScheduled"]
            return sorted(p["metadata"]["labels"]["name"] for p in waiting) == ["pod1", "pod2"] and reasons == ["Unschedulable"] * 2

        assert eventually(settled, timeout=60), cluster.kubectl("-n", ns, "get", "pods", "-o", "wide").stdout
        added = [e["object"]["metadata"]["labels"].get("name") for e in watch.seen if e["type"] == "ADDED" and "labels" in e["object"]["metadata"]]
    assert {name: added.count(name) for name in added} == {"pod1": 2, "pod2": 2, "pod3": 1}, added


@named("[sig-node] NoExecuteTaintManager ", "Single Pod [Serial] removing taint cancels eviction [Disruptive]",
             "Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]")  # fmt: skip
def test_taints_that_evict(cluster, ns, node):
    """Each pod goes when its time is over; who still has time stays when the taint is taken away."""
    tolerates = lambda seconds: [{"key": "example.com/evict", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": seconds}]  # noqa: E731
    for name, seconds in (("soon", 1), ("later", 3), ("stays", 60)):
        create(cluster, ns, name, tolerations=tolerates(seconds))
    for name in ("soon", "later", "stays"):
        runs(cluster, ns, name)
    cluster.kubectl("taint", "node", node, "example.com/evict=v:NoExecute")
    leaves(cluster, ns, "soon")
    leaves(cluster, ns, "later")
    cluster.kubectl("taint", "node", node, "example.com/evict:NoExecute-")
    assert not eventually(lambda: (get(cluster, ns, "stays") or {"metadata": {"deletionTimestamp": 1}})["metadata"].get("deletionTimestamp"), timeout=61)
