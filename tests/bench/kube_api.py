# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API of a node under load: requests from outside, and what a stored pod costs in memory.

The load is `load/kube_requests.py`, which takes any cluster's kubeconfig: the same against upstream gives what to compare with.
"""

import re

from common import Row  # first: it says where the others lie
import kube_access
import kube_requests
from support.node import Node

CONNECTIONS, SECONDS = 32, 10
PODS = 2000
UNIT = {"create": "writes", "get": "reads", "list": "lists", "watch": "events"}
NOTE = {
    "create": f"ConfigMaps of 1 KiB, {CONNECTIONS} connections, durable before the answer",
    "get": f"one ConfigMap each, {CONNECTIONS} connections",
    "list": f"{kube_requests.LISTED} ConfigMaps each, 4 connections",
    "watch": f"{CONNECTIONS} watchers of one namespace, {kube_requests.WRITERS} writers; from before the write to the event",
}


def gated_pod(i):
    """A pod that nobody looks at again: as large as kubectl makes one, and gated."""
    return {"metadata": {"name": f"p-{i}", "labels": {"app": "stored", "pod-template-hash": "5d4f8c7b9"}}, "spec": {
        "schedulingGates": [{"name": "wherry.io/bench"}],
        "containers": [{"name": "c", "image": "docker.io/library/nginx:1.27", "ports": [{"containerPort": 80}],
                        "env": [{"name": "A", "value": "b"}], "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                        "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]}}  # fmt: skip


def cluster_kib(node):
    """The resident memory of the cluster's process: not the page cache of its database."""
    return int(re.search(r"RssAnon:\s+(\d+)", node.ssh("cat /proc/$(pidof -s cluster)/status"))[1])


def per_pod(node, access):
    """KiB of the API server's process for each of PODS pods."""
    api = kube_access.Api(access)
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "stored"}})
    before = cluster_kib(node)
    for i in range(PODS):
        api.ask("POST", "/api/v1/namespaces/stored/pods", gated_pod(i), also=())
    return (cluster_kib(node) - before) / PODS


def rows(folder):
    node = Node(folder / "api", memory=1024)
    node.state.mkdir()
    node.boot("--wait", "ready")
    try:
        access = kube_access.Access(node.env["KUBECONFIG"])
        stored = per_pod(node, access)
        for kind, rate, p50, p99 in kube_requests.run(access, CONNECTIONS, SECONDS):
            yield Row(f"API: {UNIT[kind]} a second ({kind})", f"{rate:.0f}", "> 5x of upstream's, same machine" if kind == "create" else "",
                      f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; {NOTE[kind]}, {SECONDS} s")
        yield Row("API: memory of a stored pod", f"{stored:.1f} KiB", note=f"anonymous memory of the server before and after {PODS} pods, history for watches with it")
    finally:
        node.cut_power()
