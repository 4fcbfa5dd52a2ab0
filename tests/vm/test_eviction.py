# SPDX-License-Identifier: Apache-2.0
"""A node that runs short of disk, inodes, memory or process ids: images and pods leave, those last that keep to what they asked for."""

import json
import re

import pytest
from support.cluster import Cluster
from support.node import eventually

MACHINE = """version: 1
storage:
  data_size: 400MiB
cluster:
  eviction:
    memory: 200Mi
    inodes: "70%"
    pids: "92%"
    transitionSeconds: 20
"""
PODS = "/api/v1/namespaces/default/pods"
GO = "until [ -e /v/go ]; do sleep 0.2; done; "


@pytest.fixture(scope="module")
def small(session_dir, tmp_path_factory):
    from conftest import _Nodes

    config = tmp_path_factory.mktemp("small") / "machine.yaml"
    config.write_text(MACHINE)
    nodes = _Nodes(session_dir)
    node = nodes(extra=["--config", str(config)])
    node.boot("--wait", "ready")
    cluster = Cluster(node)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    assert eventually(lambda: cluster.raw("GET", account)[0] == 200, timeout=60)
    yield cluster
    nodes.end()


def pod(name, script, medium="", **requests):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
                 "resources": {"requests": requests}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {"medium": medium}}],
                     "terminationGracePeriodSeconds": 1}}  # fmt: skip


def start(cluster, *bodies):
    for body in bodies:
        cluster.ask("POST", PODS, body, expect=201)
    for body in bodies:
        name = body["metadata"]["name"]
        assert eventually(lambda name=name: status(cluster, name)["phase"] == "Running", timeout=120), status(cluster, name)


def lets_go(cluster, *names):
    """Those that wait for it take what they are to take, now that they were seen running."""
    for name in names:
        cluster.kubectl("exec", name, "--", "touch", "/v/go")


def evicted(cluster, name):
    """Its status, once it was."""
    assert eventually(lambda: status(cluster, name)["phase"] == "Failed", timeout=90), json.dumps(status(cluster, name))
    ended = status(cluster, name)
    assert ended["reason"] == "Evicted" and conditions(ended)["DisruptionTarget"] == "True", ended
    events = lambda: cluster.ask("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{name}")["items"]  # noqa: E731
    told = lambda: [(e["type"], e["message"]) for e in events() if e["reason"] == "Evicted"]  # noqa: E731
    assert eventually(lambda: told() == [("Warning", ended["message"])]), events()
    return ended["message"]


def ends(cluster, *names):
    for name in names:
        cluster.ask("DELETE", f"{PODS}/{name}")
    assert eventually(lambda: not cluster.ask("GET", PODS)["items"], timeout=60), cluster.ask("GET", PODS)


def status(cluster, name):
    return cluster.ask("GET", f"{PODS}/{name}")["status"]


def conditions(of):
    return {c["type"]: c["status"] for c in of.get("conditions", [])}


def the_node(cluster):
    return cluster.ask("GET", "/api/v1/nodes")["items"][0]


def taints(node):
    return [t["key"] for t in node["spec"].get("taints", [])]


def test_a_full_disk(small):
    # Most of what is free, by who asked for it and who did not; and many small files.
    modest = pod("modest", "fallocate -l 100M /v/f; sleep 1000", **{"ephemeral-storage": "120Mi"})
    greedy = pod("greedy", GO + "for n in 320 300 280 260 240 220 200; do fallocate -l ${n}M /v/f && break; rm -f /v/f; done; sleep 1000")
    total = int(small.node.ssh("df -i /data | awk 'END{print $2}'"))
    crumbs = pod("crumbs", GO + f"i=0; while [ $((i += 1)) -le {total * 2 // 5} ]; do : >/v/$i; done; sleep 1000")
    start(small, modest, greedy, crumbs)
    lets_go(small, "greedy", "crumbs")
    # Of the files the pod's volume holds most, and no container is to be named.
    said = evicted(small, "crumbs")
    assert re.fullmatch(r"The node was low on resource: inodes\. Threshold quantity: \d+k?, available: \d+k?\. The pod was using \d+k?, request is 0\.", said), said
    said = evicted(small, "greedy")
    assert said.startswith("The node was low on resource: ephemeral-storage. Threshold quantity: "), said
    # While the condition stays, nothing is scheduled here.
    assert eventually(lambda: "node.kubernetes.io/disk-pressure" in taints(the_node(small)), timeout=20), the_node(small)["spec"]
    assert conditions(the_node(small)["status"])["DiskPressure"] == "True"
    # What it held is free, and who kept to the request runs on.
    free = lambda: int(small.node.ssh("df -k /data | awk 'END{print $4}'"))  # noqa: E731
    assert eventually(lambda: free() > 150 * 1024, timeout=40), small.node.ssh("df -k /data; ls -la /data/agent/pods/*/volumes/*")
    assert eventually(lambda: not taints(the_node(small)), timeout=90), the_node(small)["spec"]
    assert status(small, "modest")["phase"] == "Running" and status(small, "greedy")["containerStatuses"][0]["state"]["terminated"]
    ends(small, "modest", "greedy", "crumbs")


def test_short_of_memory_and_processes(small):
    # Files in memory, by who asked for it and who takes what there is; it is counted for who wrote them.
    thrifty = pod("thrifty", "fallocate -l 60M /v/f; sleep 1000", "Memory", memory="100Mi")
    eats = "i=0; while [ $(awk '/MemAvailable/{print $2}' /proc/meminfo) -gt 163840 ]; do fallocate -l 10M /v/$((i += 1)); done; sleep 1000"
    start(small, thrifty, pod("hungry", GO + eats, "Memory"))
    lets_go(small, "hungry")
    said = evicted(small, "hungry")
    assert re.fullmatch(r"The node was low on resource: memory\. Threshold quantity: 200Mi, available: \d+[KM]i\. "
                        r"Container c was using \d+[KM]i, request is 0, has larger consumption of memory\.", said), said  # fmt: skip
    assert eventually(lambda: "node.kubernetes.io/memory-pressure" in taints(the_node(small)), timeout=20), the_node(small)["spec"]
    assert conditions(the_node(small)["status"])["MemoryPressure"] == "True"
    # Who requests memory is let in all the same, and forks too much.
    start(small, pod("forks", GO + "for i in $(seq 400); do sleep 1000 & done; wait", memory="10Mi"))
    lets_go(small, "forks")
    said = evicted(small, "forks")
    short = re.fullmatch(r"The node was low on resource: pids\. Threshold quantity: (\d+k?), available: (\d+k?)\. The pod was using (\d+k?), request is 0\.", said)
    assert short, said
    threshold, left, used = (int(n.replace("k", "000")) for n in short.groups())
    assert left < threshold and threshold - left <= used <= 402, said  # it may be looked at while it still forks
    assert eventually(lambda: "node.kubernetes.io/pid-pressure" in taints(the_node(small)), timeout=20), the_node(small)["spec"]
    assert conditions(the_node(small)["status"])["PIDPressure"] == "True"
    assert eventually(lambda: not taints(the_node(small)), timeout=90), the_node(small)["spec"]
    over = conditions(the_node(small)["status"])
    assert over["MemoryPressure"] == over["PIDPressure"] == "False" and status(small, "thrifty")["phase"] == "Running"
    ends(small, "thrifty", "hungry", "forks")
