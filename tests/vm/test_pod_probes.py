# SPDX-License-Identifier: Apache-2.0
"""Probes of every kind, and what follows from them."""

import json

from support.node import eventually

SERVER = "mkdir -p /www; echo ok >/www/ok; httpd -p 8080 -h /www; exec sleep 10000"


def make(cluster, ns, name, script, grace=0, **container):
    spec = {"terminationGracePeriodSeconds": grace,
            "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
                            "ports": [{"name": "web", "containerPort": 8080}], **container}]}  # fmt: skip
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))


def container(cluster, ns, name):
    statuses = cluster.get("-n", ns, "pod", name)["status"].get("containerStatuses") or [{}]
    return statuses[0]


def ready(cluster, ns, name):
    return container(cluster, ns, name).get("ready") is True


def events(cluster, ns, name):
    return cluster.kubectl("-n", ns, "describe", "pod", name).stdout


def told(cluster, ns, name, *what):
    """Events come by a way of their own, after the status or before it."""
    return eventually(lambda: all(text in events(cluster, ns, name) for text in what), timeout=60, every=1)


def quick(**how):
    return {"periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 2, **how}


def test_readiness_by_http_comes_and_goes(cluster, ns):
    make(cluster, ns, "web", SERVER, readinessProbe=quick(httpGet={"path": "/ok", "port": "web", "httpHeaders": [{"name": "X-A", "value": "b"}]}))
    assert eventually(lambda: ready(cluster, ns, "web"), timeout=120, every=1), events(cluster, ns, "web")
    cluster.kubectl("-n", ns, "exec", "web", "--", "rm", "/www/ok")
    assert eventually(lambda: not ready(cluster, ns, "web"), timeout=60, every=1)
    assert told(cluster, ns, "web", "Readiness probe failed: HTTP probe failed with statuscode: 404"), events(cluster, ns, "web")
    cluster.kubectl("-n", ns, "exec", "web", "--", "sh", "-c", "echo ok >/www/ok")
    assert eventually(lambda: ready(cluster, ns, "web"), timeout=60, every=1)
    assert container(cluster, ns, "web")["restartCount"] == 0


def test_readiness_on_the_way_down(cluster, ns):
    """Whether it is ready is asked until it has ended: some may still send to it. Whether it lives is not."""
    make(cluster, ns, "down", "touch /up; trap 'rm /up' TERM; while :; do sleep 1; done", grace=300,
         readinessProbe=quick(exec={"command": ["cat", "/up"]}), livenessProbe=quick(exec={"command": ["cat", "/up"]}))  # fmt: skip
    assert eventually(lambda: ready(cluster, ns, "down"), timeout=120, every=1), events(cluster, ns, "down")
    cluster.kubectl("-n", ns, "delete", "pod", "down", "--wait=false")
    assert eventually(lambda: not ready(cluster, ns, "down"), timeout=120, every=1), events(cluster, ns, "down")
    seen = cluster.get("-n", ns, "pod", "down")
    assert seen["metadata"]["deletionTimestamp"] and "running" in container(cluster, ns, "down")["state"]
    assert container(cluster, ns, "down")["restartCount"] == 0
    assert [c["status"] for c in seen["status"]["conditions"] if c["type"] == "Ready"] == ["False"]
    assert "failed liveness probe" not in events(cluster, ns, "down")
    cluster.kubectl("-n", ns, "delete", "pod", "down", "--force", "--grace-period=0", "--wait=false")


def test_liveness_by_command_restarts(cluster, ns):
    make(cluster, ns, "live", "touch /alive; exec sleep 10000", livenessProbe=quick(exec={"command": ["sh", "-c", "cat /alive"]}))
    assert eventually(lambda: ready(cluster, ns, "live"), timeout=120, every=1), events(cluster, ns, "live")
    cluster.kubectl("-n", ns, "exec", "live", "--", "sh", "-c", "until rm /alive 2>/dev/null; do sleep 0.1; done")
    assert eventually(lambda: container(cluster, ns, "live").get("restartCount") == 1, timeout=120, every=1), events(cluster, ns, "live")
    texts = ("Liveness probe failed: cat:", "failed liveness probe, will be restarted")
    assert told(cluster, ns, "live", *texts), events(cluster, ns, "live")


def test_startup_holds_the_others_back(cluster, ns):
    make(cluster, ns, "slow", "until [ -e /go ]; do sleep 0.2; done; touch /up; exec sleep 10000",
         startupProbe={"exec": {"command": ["cat", "/up"]}, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 100},
         livenessProbe=quick(exec={"command": ["cat", "/up"]}, failureThreshold=1),
         readinessProbe=quick(exec={"command": ["cat", "/up"]}))  # fmt: skip
    assert eventually(lambda: container(cluster, ns, "slow").get("started") is False, timeout=120, every=0.5)
    assert eventually(lambda: "running" in container(cluster, ns, "slow")["state"], timeout=120, every=0.5)
    assert told(cluster, ns, "slow", "Startup probe failed: cat:"), events(cluster, ns, "slow")
    assert container(cluster, ns, "slow")["started"] is False and not ready(cluster, ns, "slow")
    cluster.kubectl("-n", ns, "exec", "slow", "--", "touch", "/go")
    assert eventually(lambda: ready(cluster, ns, "slow"), timeout=120, every=1), events(cluster, ns, "slow")
    assert container(cluster, ns, "slow")["restartCount"] == 0 and container(cluster, ns, "slow")["started"] is True


def test_ports_and_grpc(cluster, ns):
    make(cluster, ns, "tcp", SERVER, readinessProbe=quick(tcpSocket={"port": 8080}))
    make(cluster, ns, "notcp", SERVER, readinessProbe=quick(tcpSocket={"port": 8081}))
    make(cluster, ns, "grpc", SERVER, readinessProbe=quick(grpc={"port": 8080}))
    assert eventually(lambda: ready(cluster, ns, "tcp"), timeout=120, every=1), events(cluster, ns, "tcp")
    assert eventually(lambda: "connection refused" in events(cluster, ns, "notcp").lower(), timeout=120, every=1), events(cluster, ns, "notcp")
    # a web server is no health service
    assert eventually(lambda: "Readiness probe failed: health rpc" in events(cluster, ns, "grpc"), timeout=120, every=1), events(cluster, ns, "grpc")
    assert not ready(cluster, ns, "notcp") and not ready(cluster, ns, "grpc")


def test_a_probe_that_hangs_is_ended(cluster_node, cluster, ns):
    make(cluster, ns, "hangs", "exec sleep 10000", readinessProbe={"exec": {"command": ["sleep", "7654"]}, "periodSeconds": 1, "timeoutSeconds": 1})
    assert eventually(lambda: "command timed out" in events(cluster, ns, "hangs"), timeout=120, every=1), events(cluster, ns, "hangs")
    cluster.kubectl("-n", ns, "delete", "pod", "hangs")
    assert eventually(lambda: "7654" not in cluster_node.ssh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"), timeout=30)
