# SPDX-License-Identifier: Apache-2.0
"""Pods and the machine under them: it is rebooted, then its plug is pulled. They are the same pods, with what they had, and serve again."""

import json
import urllib.request

from support.cluster import Cluster
from support.node import eventually

NODE_PORT = 30880
WAIT = 240  # emulated, beside other work

# Longer to end than an engine gives one that asks for nothing, and within what its pod says.
STORE = """echo begin >>/data/log; sync
trap 'sleep 12; echo end >>/data/log; exit 0' TERM
while :; do sleep 0.2; done"""
SERVE = "mkdir -p /w && hostname >/w/index.html && exec httpd -f -p 8080 -h /w"


def template(name, script, grace, **container):
    return {"metadata": {"labels": {"app": name}}, "spec": {
        "terminationGracePeriodSeconds": grace, "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], **container}]}}  # fmt: skip


def workload(kind, name, replicas, pod, **spec):
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod, **spec}}  # fmt: skip


def service(name, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, **spec}}


CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}}
OBJECTS = [
    service("web", type="NodePort", ports=[{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}]),
    workload("Deployment", "web", 2, template("web", SERVE, 2, readinessProbe={"httpGet": {"port": 8080}, "periodSeconds": 2})),
    service("store", clusterIP="None"),
    workload("StatefulSet", "store", 1, template("store", STORE, 60, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
             serviceName="store", volumeClaimTemplates=[CLAIM]),
]  # fmt: skip


def pods(cluster):
    said = cluster.kubectl("get", "pods", "-o", "json", "--request-timeout=20s", check=False).stdout
    return {p["metadata"]["name"]: p for p in json.loads(said or '{"items": []}')["items"]}


def up(cluster, starts):
    """All three once each of them has been started so many times; what was written of them before the machine went down is not taken
    for that."""
    now = {}

    def is_up(pod):
        found = pod["status"].get("containerStatuses", [])
        return len(found) == 1 and found[0]["ready"] and found[0]["restartCount"] == starts - 1

    def all_up():
        now.clear()
        now.update(pods(cluster))
        return len(now) == 3 and all(map(is_up, now.values()))

    assert eventually(all_up, WAIT, 1), json.dumps({name: p["status"] for name, p in now.items()}, indent=1)
    return dict(now)


def uids(found):
    return {name: p["metadata"]["uid"] for name, p in found.items()}


def ended(pod):
    """How the container before the present one ended."""
    return pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"]


def answers(node):
    """Who answers at the node's port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.env[f'WHERRY_TCP_{NODE_PORT}']}/", timeout=10) as reply:
            return reply.read().decode().strip()
    except OSError:
        return None


def serves(node, cluster, found):
    """The service leads to both pods, from outside; and by its name, from a pod."""
    web, seen = {name for name in found if name.startswith("web-")}, set()
    assert eventually(lambda: seen.add(answers(node)) or seen >= web, 90, 0.5), (seen, web)
    inside = lambda: cluster.kubectl("exec", "store-0", "--", "wget", "-q", "-T", "5", "-O", "-", "http://web", check=False).stdout.strip()  # noqa: E731
    assert eventually(lambda: inside() in web, 60, 1), inside()


def kept(cluster, name, *words):
    """What the claim holds; a container may be up before it has said so."""
    now = lambda: cluster.kubectl("exec", "store-0", "--", "cat", f"/data/{name}", check=False).stdout.split()  # noqa: E731
    assert eventually(lambda: now() == list(words), 30, 1), now()


def test_pods_are_there_again(make_node):
    node = make_node(extra=["--forward", f"0:{NODE_PORT}"])
    node.boot("--wait", "ready")
    cluster = Cluster(node)
    cluster.kubectl("apply", "-f", "-", input="\n".join(map(json.dumps, OBJECTS)))
    first = up(cluster, starts=1)
    serves(node, cluster, first)
    cluster.kubectl("exec", "store-0", "--", "sh", "-c", "echo precious >/data/note; sync")
    claim = cluster.get("pvc", "data-store-0")
    assert claim["status"]["phase"] == "Bound"

    boot_id = node.ssh("cat /proc/sys/kernel/random/boot_id")
    node.ssh("wherryctl reboot", check=False)

    def again():
        done = node.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        return done.returncode == 0 and done.stdout != boot_id

    assert eventually(again, WAIT, 1), "the node does not come up again"
    second = up(cluster, starts=2)
    assert uids(second) == uids(first)
    # it was asked to end, and had the time to
    assert ended(second["store-0"]) == 0
    kept(cluster, "log", "begin", "end", "begin")
    kept(cluster, "note", "precious")
    serves(node, cluster, second)

    node.cut_power()
    node.boot("--wait", "ready")
    third = up(cluster, starts=3)
    assert uids(third) == uids(first)
    # nobody knows how it ended, and nothing is made up
    assert ended(third["store-0"]) == 255
    kept(cluster, "log", "begin", "end", "begin", "begin")
    kept(cluster, "note", "precious")
    assert cluster.get("pvc", "data-store-0")["spec"]["volumeName"] == claim["spec"]["volumeName"]
    serves(node, cluster, third)
    # the controllers go on where they were: one that is ended is made anew
    cluster.kubectl("delete", "pod", next(name for name in third if name.startswith("web-")), timeout=WAIT)
    cluster.kubectl("rollout", "status", "deployment", "web", f"--timeout={WAIT}s", timeout=WAIT + 30)
