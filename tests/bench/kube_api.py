# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API under load: requests of many connections, and what a stored pod costs in memory.

The load is `load/kube_requests.py`, which takes any cluster's kubeconfig: the same against upstream gives what to compare with.
The cluster's program runs on this machine itself: common.serve_cluster() says why. The load takes processors from it, so the
processor time that a request costs the server is told, too.
"""

import re

from common import Row, processor_seconds, serve_cluster  # first: it says where the others lie
import kube_access
import kube_requests

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


def anonymous_kib(pid):
    """The resident memory of the process without what is mapped from files."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


def per_pod(pid, access):
    """KiB of the API server's process for each of PODS pods."""
    api = kube_access.Api(access)
    kube_access.make_namespace(api, "stored")
    before = anonymous_kib(pid)
    for i in range(PODS):
        api.ask("POST", "/api/v1/namespaces/stored/pods", gated_pod(i))
    return (anonymous_kib(pid) - before) / PODS


def rows(folder):
    with serve_cluster(folder / "api") as (server, access):
        stored = per_pod(server.pid, access)
        used = processor_seconds(server.pid)
        for kind, rate, p50, p99 in kube_requests.run(access, CONNECTIONS, SECONDS):
            before, used = used, processor_seconds(server.pid)
            yield Row(f"API: {UNIT[kind]} a second ({kind})", f"{rate:.0f}", "> 5x of upstream's, same machine" if kind == "create" else "",
                      f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; {NOTE[kind]}, {SECONDS} s; {(used - before) * 1e6 / (rate * SECONDS):.0f} µs of the server's "
                      "processor time each")  # fmt: skip
        yield Row("API: memory of a stored pod", f"{stored:.1f} KiB", note=f"anonymous memory of the server before and after {PODS} pods, history for watches with it")
