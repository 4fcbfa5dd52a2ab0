# SPDX-License-Identifier: Apache-2.0
"""Conformance of preemption and of taints that evict, on a node with a resource of the test's own."""

import json

import pytest
from support.conformance import named
from support.node import eventually

MERGE = {"kind": "application/merge-patch+json"}
FOO = "scheduling.k8s.io/foo"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


@pytest.fixture
def node(cluster):
    """The node's name; five of a resource that nothing else asks for."""
    name = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    path = f"/api/v1/nodes/{name}"

    def have(amount):
        cluster.ask("PATCH", path + "/status", {"status": {"capacity": {FOO: amount}, "allocatable": {FOO: amount}}}, **MERGE)

    have("5")
    yield name
    have(None)
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


def create(cluster, ns, name, foo=None, metadata=None, **spec):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "10000"]}
    if foo:
        container["resources"] = {"requests": {FOO: foo}, "limits": {FOO: foo}}
    body = {"metadata": {"name": name, **(metadata or {})}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec}}
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


@named("[sig-node] NoExecuteTaintManager ", "Single Pod [Serial] removing taint cancels eviction [Disruptive]",
             "Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]")  # fmt: skip
def test_taints_that_evict(cluster, ns, node):
    """Each pod goes when its time is over; who still has time stays when the taint is taken away."""
    tolerates = lambda seconds: [{"key": "example.com/evict", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": seconds}]  # noqa: E731
    for name, seconds in (("soon", 1), ("later", 3), ("stays", 20)):
        create(cluster, ns, name, tolerations=tolerates(seconds))
    for name in ("soon", "later", "stays"):
        runs(cluster, ns, name)
    cluster.kubectl("taint", "node", node, "example.com/evict=v:NoExecute")
    leaves(cluster, ns, "soon")
    leaves(cluster, ns, "later")
    cluster.kubectl("taint", "node", node, "example.com/evict:NoExecute-")
    assert not eventually(lambda: (get(cluster, ns, "stays") or {"metadata": {"deletionTimestamp": 1}})["metadata"].get("deletionTimestamp"), timeout=21)
