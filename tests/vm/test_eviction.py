# SPDX-License-Identifier: Apache-2.0
"""A node whose disk runs full: images and pods leave, those last that keep to what they asked for."""

import json

import pytest
from support.cluster import Cluster
from support.node import eventually

MACHINE = """version: 1
storage:
  data_size: 400MiB
cluster:
  eviction:
    transitionSeconds: 20
"""


@pytest.fixture
def small(make_node, tmp_path):
    config = tmp_path / "machine.yaml"
    config.write_text(MACHINE)
    node = make_node(extra=["--config", str(config)])
    node.boot("--wait", "ready")
    cluster = Cluster(node)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    assert eventually(lambda: cluster.raw("GET", account)[0] == 200, timeout=60)
    return cluster


def pod(name, script, **requests):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
                 "resources": {"requests": requests}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]}}  # fmt: skip


def status(cluster, name):
    return cluster.ask("GET", f"/api/v1/namespaces/default/pods/{name}")["status"]


def conditions(of):
    return {c["type"]: c["status"] for c in of.get("conditions", [])}


def the_node(cluster):
    return cluster.ask("GET", "/api/v1/nodes")["items"][0]


def taints(node):
    return [t["key"] for t in node["spec"].get("taints", [])]


def test_a_full_disk(small):
    # Most of what is free, by who asked for it and who did not.
    modest = pod("modest", "fallocate -l 100M /v/f; sleep 1000", **{"ephemeral-storage": "120Mi"})
    greedy = pod("greedy", "for n in 320 300 280 260 240 220 200; do fallocate -l ${n}M /v/f && break; rm -f /v/f; done; sleep 1000")
    for body in (modest, greedy):
        small.ask("POST", "/api/v1/namespaces/default/pods", body, expect=201)
        assert eventually(lambda name=body["metadata"]["name"]: status(small, name)["phase"] == "Running", timeout=120)
    assert eventually(lambda: status(small, "greedy")["phase"] == "Failed", timeout=90), json.dumps(status(small, "greedy"))
    ended = status(small, "greedy")
    assert ended["reason"] == "Evicted" and "The node was low on resource: ephemeral-storage. Threshold quantity: " in ended["message"]
    assert conditions(ended)["DisruptionTarget"] == "True"
    # While the condition stays, nothing is scheduled here.
    assert eventually(lambda: "node.kubernetes.io/disk-pressure" in taints(the_node(small)), timeout=20), the_node(small)["spec"]
    assert conditions(the_node(small)["status"])["DiskPressure"] == "True"
    # What it held is free, and who kept to the request runs on.
    free = lambda: int(small.node.ssh("df -k /data | awk 'END{print $4}'"))  # noqa: E731
    assert eventually(lambda: free() > 150 * 1024, timeout=40), small.node.ssh("df -k /data; ls -la /data/agent/pods/*/volumes/*")
    assert eventually(lambda: not taints(the_node(small)), timeout=90), the_node(small)["spec"]
    assert status(small, "modest")["phase"] == "Running" and status(small, "greedy")["containerStatuses"][0]["state"]["terminated"]
    events = small.ask("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dgreedy")["items"]
    assert [e["type"] for e in events if e["reason"] == "Evicted"] == ["Warning"]
