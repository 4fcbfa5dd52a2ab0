# SPDX-License-Identifier: Apache-2.0
"""Any service killed at any time: the agent, the engine, the cluster's and its network's, while a Deployment rolls out, a
StatefulSet scales and pods are deleted. Afterwards what was asked for is there, and nothing else.

The dice are WHERRY_SEED's (1 when not given), and every failure names the seed and what was done.
"""

import http.client
import json
import os
import random
import threading
import time

import pytest

from support import leaks
from support.cluster import Cluster
from support.node import eventually

SEED = int(os.environ.get("WHERRY_SEED", "1"))
WAIT = 240  # emulated: of what died last, all that waits for it comes after it
NS = "storm"
PORT = 8080
TAGS = 4  # of the one image, so that a version is another image than that of the one before it

# {unit: its program}
SERVICES = {"agent": "agent", "engine": "engine", "cluster": "cluster", "cluster-network": "cluster_network"}

# Init starts what died often only after half a minute, unless it is told to. What was killed may be on its way up again already.
KILL = """for i in $(seq 300); do old=$(pidof PROGRAM) && break; wherryctl start UNIT >/dev/null; sleep 0.1; done
[ -n "$old" ] || exit 1
kill -9 $old
for p in $old; do while [ -e /proc/$p ]; do sleep 0.05; done; done
wherryctl start UNIT >/dev/null; true"""
UP = """for i in $(seq 300); do wherryctl services | grep -q '^UNIT *up ' && exit 0; wherryctl start UNIT >/dev/null; sleep 0.1; done
wherryctl services; exit 1"""

# Beside what leaks.py compares: what of a pod is the engine's, the agent's and the network's.
KINDS = {
    "pods": leaks.names("/sys/fs/cgroup/pods/*/*/", "/data/engine/pods/*", "/run/engine/pods/*", "/data/agent/pods/*", "/run/agent/pods/*"),
    "unfinished": "ls /data/engine/staging /data/engine/trash",
}


def template(app, version):
    script = f"echo $(hostname) $VERSION >/tmp/index.html; exec httpd -f -p {PORT} -h /tmp"
    probe = {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 2, "timeoutSeconds": 10, "failureThreshold": 10}
    return {"metadata": {"labels": {"app": app}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
        {"name": "c", "image": image(version), "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
         "env": [{"name": "VERSION", "value": str(version)}], "readinessProbe": probe}]}}  # fmt: skip


def image(version):
    return f"wherry/hello:r{version % TAGS}"


class Storm:
    """What is asked of the node, and what it was told."""

    def __init__(self, node, cluster):
        self.node, self.cluster, self.dice = node, cluster, random.Random(SEED)
        self.version, self.members, self.told, self.lock, self.began = 0, 2, [], threading.Lock(), time.monotonic()

    def tell(self, *words):
        with self.lock:
            self.told.append(f"{time.monotonic() - self.began:6.1f} {' '.join(map(str, words))}")

    def __str__(self):
        with self.lock:
            return f"WHERRY_SEED={SEED}\n" + "\n".join(self.told)

    def ask(self, method, path, body=None, kind="application/json", gone=False):
        """Asked until it is answered: who asks may be cut off at any time. @gone: that it is not there is an answer too."""
        last = None

        def answered():
            nonlocal last
            try:
                last = self.cluster.raw(method, path, body, kind=kind)
            except (OSError, http.client.HTTPException, ValueError) as e:
                last = (0, repr(e))
            return 0 < last[0] < 500 and last[0] != 429

        assert eventually(answered, WAIT, 0.3), f"{method} {path}: {last}\n{self}"
        assert last[0] in (200, 201, 202) or (gone and last[0] == 404), f"{method} {path}: {last[:2]}\n{self}"
        return last[1]

    def pods(self, ns=f"/namespaces/{NS}"):
        return self.ask("GET", f"/api/v1{ns}/pods")["items"]

    # ---- what happens in a round

    def roll(self):
        self.version += 1
        self.tell("roll out", self.version)
        self.ask("PATCH", f"/apis/apps/v1/namespaces/{NS}/deployments/d", {"spec": {"template": template("d", self.version)}},
                 kind="application/strategic-merge-patch+json")  # fmt: skip

    def scale(self):
        self.members = self.dice.choice([n for n in range(4) if n != self.members])
        self.tell("scale to", self.members)
        self.ask("PATCH", f"/apis/apps/v1/namespaces/{NS}/statefulsets/s", {"spec": {"replicas": self.members}}, kind="application/merge-patch+json")

    def delete(self):
        which = self.dice.random()
        names = sorted(pod["metadata"]["name"] for pod in self.pods())
        if names:
            name = names[int(which * len(names))]
            self.tell("delete", name)
            self.ask("DELETE", f"/api/v1/namespaces/{NS}/pods/{name}", gone=True)

    def kill(self, unit, after):
        time.sleep(after)
        self.tell("kill", unit)
        done = self.node.ssh(KILL.replace("PROGRAM", SERVICES[unit]).replace("UNIT", unit), check=False, timeout=120)
        assert done.returncode == 0, f"kill {unit}: {done.stdout}{done.stderr}\n{self}"
        self.tell("killed", unit)

    def round(self, unit):
        """Four things in any order, and the kill in their midst."""
        steps = [self.roll, self.scale, self.delete, self.delete]
        self.dice.shuffle(steps)
        pauses = [self.dice.random() for _ in steps]
        wrong = []

        def killer(after):
            try:
                self.kill(unit, after)
            except Exception as e:
                wrong.append(e)

        thread = threading.Thread(target=killer, args=(self.dice.random() * sum(pauses),))
        thread.start()
        try:
            for step, pause in zip(steps, pauses, strict=True):
                time.sleep(pause)
                step()
        finally:
            thread.join()
        if wrong:
            raise wrong[0]

    # ---- what has to come of it

    def workload(self, kind, name, replicas):
        made = self.ask("GET", f"/apis/apps/v1/namespaces/{NS}/{kind}/{name}")
        status = made["status"]
        counts = {key: status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")}
        if status.get("observedGeneration") != made["metadata"]["generation"] or set(counts.values()) != {replicas}:
            yield f"{kind}/{name} wants {replicas}, generation {made['metadata']['generation']}: {status}"

    def wrong_pods(self):
        """Who is there and how: the Deployment's of the last version, the StatefulSet's by their numbers, all Ready, nobody on the way
        out; and what the API calls a pod, the engine and the kernel have, and no more."""
        yield from self.workload("deployments", "d", 3)
        yield from self.workload("statefulsets", "s", self.members)
        for old in self.ask("GET", f"/apis/apps/v1/namespaces/{NS}/replicasets")["items"]:
            current = old["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == str(self.version)
            if old["spec"]["replicas"] != (3 if current else 0) or old["status"].get("replicas", 0) != old["spec"]["replicas"]:
                yield f"a ReplicaSet of {'the last' if current else 'an old'} version: {old['spec']['replicas']}, {old['status']}"
        pods = self.pods()
        names = sorted(p["metadata"]["name"] for p in pods if p["metadata"]["labels"]["app"] == "s")
        if names != [f"s-{n}" for n in range(self.members)] or len(pods) != 3 + self.members:
            yield f"pods {sorted(p['metadata']['name'] for p in pods)}"
        for pod in pods:
            made, name = pod["spec"]["containers"][0], pod["metadata"]["name"]
            if pod["metadata"]["labels"]["app"] == "d" and (made["image"], made["env"][0]["value"]) != (image(self.version), str(self.version)):
                yield f"{name} is of an old template: {made['image']} {made['env']}"
            ready = [c["status"] for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
            if pod["metadata"].get("deletionTimestamp") or ready != ["True"]:
                yield f"{name}: {pod['metadata'].get('deletionTimestamp', 'not on its way out')}, {json.dumps(pod['status'])}"
        uids = sorted(pod["metadata"]["uid"] for pod in self.pods(ns=""))
        groups = self.node.ssh("cd /sys/fs/cgroup/pods && ls -d */*/; true").split()
        if sorted(group.split("/")[1] for group in groups) != uids:
            yield f"control groups {groups} and pods {uids}"
        if self.node.names("/data/engine/pods") != uids:
            yield f"the engine has other pods than {uids}"
        shown = self.node.docker("ps", "-a", "--format", '{{.State}} {{.Label "io.kubernetes.pod.uid"}}').stdout.split("\n")
        if sorted(line.partition(" ")[2] for line in shown if line.startswith("running ")) != uids or {line.split()[-1] for line in shown if line} - set(uids):
            yield f"containers {shown} and pods {uids}"

    def wrong_answers(self, service, version):
        """Each of its pods answers, and nobody else."""
        ip = self.ask("GET", f"/api/v1/namespaces/{NS}/services/{service}")["spec"]["clusterIP"]
        want = {f"{p['metadata']['name']} {version}" for p in self.pods() if p["metadata"]["labels"]["app"] == service}
        done = self.node.ssh(f"for i in $(seq 12); do wget -q -T 5 -O - http://{ip} || exit 1; done", check=False, timeout=120)
        if done.returncode or set(done.stdout.splitlines()) != want:
            yield f"{service} at {ip} answers {done.stdout.splitlines()} {done.stderr}, and its pods are {want}"

    def converges(self, what, *args):
        wrong = []

        def look():
            try:
                wrong[:] = what(*args)
            except AssertionError as e:  # the node was asked while something of it was not up
                wrong[:] = [str(e)]
            return not wrong

        assert eventually(look, WAIT, 2), "\n".join([*wrong, str(self)])


@pytest.fixture
def storm(make_node):
    node = make_node()
    node.boot("--wait", "ready")
    for n in range(TAGS):
        node.docker("tag", "wherry/hello", image(n))
    made = Storm(node, Cluster(node))
    before = leaks.snapshot(node, KINDS)
    made.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NS}})
    yield made

    made.cluster.kubectl("delete", "namespace", NS, timeout=WAIT)

    def leaked():
        # the engine is another one, which has opened what it needed since
        found = leaks.difference(before, leaks.snapshot(node, KINDS))
        return {kind: lines for kind, lines in found.items() if kind != "engine descriptors"}

    assert eventually(lambda: not leaked(), 60, 1), f"left behind: {leaked()}\n{made}"


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.long)])
def test_services_killed_while_pods_come_and_go(storm, rounds):
    for name in "ds":
        storm.ask("POST", f"/api/v1/namespaces/{NS}/services", {
            "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]}})  # fmt: skip
    workload = lambda name, replicas: {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name, 0)}  # noqa: E731
    storm.ask("POST", f"/apis/apps/v1/namespaces/{NS}/deployments", {"metadata": {"name": "d"}, "spec": workload("d", 3)})
    storm.ask("POST", f"/apis/apps/v1/namespaces/{NS}/statefulsets", {"metadata": {"name": "s"}, "spec": {**workload("s", storm.members), "serviceName": "s"}})

    # Each of the four in turn, in an order of the dice's: a short run has every one of them, too.
    victims = []
    while len(victims) < rounds:
        victims += storm.dice.sample(list(SERVICES), len(SERVICES))
    for unit in victims[:rounds]:
        storm.round(unit)
    if not storm.members:
        storm.scale()
    for unit in SERVICES:
        done = storm.node.ssh(UP.replace("UNIT", unit), check=False, timeout=120)
        assert done.returncode == 0, f"{unit} does not come up: {done.stdout}\n{storm}"
    storm.converges(storm.wrong_pods)
    storm.converges(storm.wrong_answers, "d", storm.version)
    storm.converges(storm.wrong_answers, "s", 0)
    print(storm)
