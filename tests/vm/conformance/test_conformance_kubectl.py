# SPDX-License-Identifier: Apache-2.0
"""Conformance of kubectl against a node: a controller's pods through their life, logs, run, proxy."""

import http.client
import json
import socket
import subprocess

import pytest
from support.node import eventually

CLIENT = "[sig-cli] Kubectl client "
IMAGE = "wherry/hello"


def controller(name, replicas, script="sleep 1000"):
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "replicas": replicas, "selector": {"app": name}, "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
                "ports": [{"name": "web", "containerPort": 6379}]}]}}}}  # fmt: skip


@pytest.mark.conformance(CLIENT + "Update Demo should create and stop a replication controller")
@pytest.mark.conformance(CLIENT + "Update Demo should scale a replication controller")
@pytest.mark.conformance(CLIENT + "Kubectl describe should check if kubectl describe prints relevant information for rc and pods")
@pytest.mark.conformance(CLIENT + "Kubectl expose should create services for rc")
@pytest.mark.conformance(CLIENT + "Kubectl patch should add annotations for pods in rc")
def test_a_replication_controller(cluster, ns):
    kubectl = lambda *args, **how: cluster.kubectl("-n", ns, *args, **how).stdout  # noqa: E731
    running = ("get", "pods", "-l", "app=demo", "-o", "jsonpath={range .items[?(@.status.phase=='Running')]}{.metadata.name} {end}")
    names = lambda: kubectl(*running).split()  # noqa: E731
    kubectl("create", "-f", "-", input=json.dumps(controller("demo", 2)))
    assert eventually(lambda: len(names()) == 2, timeout=120), kubectl("get", "pods", "-o", "wide")
    kubectl("scale", "rc", "demo", "--replicas=1", "--timeout=2m")
    assert eventually(lambda: len(kubectl("get", "pods", "-o", "name").split()) == 1, timeout=60)
    (pod,) = names()

    said = kubectl("describe", "rc", "demo")
    for words in (["Name:", "demo"], ["Namespace:", ns], ["Selector:", "app=demo"], ["Labels:", "app=demo"], ["Replicas:", "1", "current", "/", "1", "desired"],
                  ["Image:", IMAGE], ["Port:", "6379/TCP"]):  # fmt: skip
        assert words in [line.split() for line in said.splitlines()], (words, said)
    said = kubectl("describe", "pod", pod)
    lines = [line.split() for line in said.splitlines()]
    assert ["Controlled", "By:", "ReplicationController/demo"] in lines and ["Status:", "Running"] in lines and ["Image:", IMAGE] in lines, said
    for each in (("service", "kubernetes", "-n", "default"), ("namespace", ns), ("node", cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"])):
        assert each[1] in cluster.kubectl("describe", *each).stdout

    kubectl("expose", "rc", "demo", "--name=rm2", "--port=1234", "--target-port=6379")
    kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    for name, port in (("rm2", 1234), ("rm3", 2345)):
        made = cluster.get("-n", ns, "service", name)["spec"]["ports"][0]
        assert (made["port"], made["targetPort"]) == (port, 6379)
        ends = lambda name=name: cluster.get("-n", ns, "endpoints", name).get("subsets") or []  # noqa: E731
        assert eventually(lambda ends=ends: [p["port"] for s in ends() for p in s["ports"]] == [6379], timeout=60)
    kubectl("patch", "pod", pod, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.annotations.x}") == "y"

    kubectl("scale", "rc", "demo", "--replicas=2", "--timeout=2m")
    assert eventually(lambda: len(names()) == 2, timeout=120)
    kubectl("delete", "rc", "demo", "--timeout=60s")
    assert eventually(lambda: not kubectl("get", "pods", "-o", "name").split(), timeout=60)


@pytest.mark.conformance(CLIENT + "Kubectl run pod should create a pod from an image when restart is Never")
@pytest.mark.conformance("[sig-cli] Kubectl logs logs should be able to retrieve and filter logs")
def test_run_and_logs(cluster, ns):
    script = "for i in 1 2 3 4 5; do echo line $i; done; sleep 1000"
    cluster.kubectl("-n", ns, "run", "p", f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--restart=Never", "--command", "--", "sh", "-c", script)
    made = cluster.get("-n", ns, "pod", "p")["spec"]
    assert made["restartPolicy"] == "Never" and made["containers"][0]["image"] == IMAGE
    logs = lambda *how: cluster.kubectl("-n", ns, "logs", "p", *how, check=False).stdout  # noqa: E731
    assert eventually(lambda: logs().splitlines() == [f"line {i}" for i in range(1, 6)], timeout=120), logs()
    assert logs("--tail=1") == "line 5\n"
    assert logs("--limit-bytes=1") == "l"
    stamp, rest = logs("--tail=1", "--timestamps").split(" ", 1)
    assert rest == "line 5\n" and stamp[4] == "-" and stamp.endswith("Z")
    assert logs("--since=24h").count("\n") == 5
    assert eventually(lambda: logs("--since=1s") == "", timeout=30)
    cluster.kubectl("-n", ns, "delete", "pod", "p", "--grace-period=1", "--timeout=60s")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


@pytest.mark.conformance(CLIENT + "Proxy server should support proxy with --port 0")
@pytest.mark.conformance(CLIENT + "Proxy server should support --unix-socket=/path")
@pytest.mark.parametrize("where", ["port", "socket"])
def test_proxy(cluster, session_dir, where):
    path = session_dir / "proxy.sock"
    words = ["--port=0"] if where == "port" else [f"--unix-socket={path}"]
    proxy = subprocess.Popen([*cluster.words, "--kubeconfig", str(cluster.config), "proxy", *words, "--disable-filter"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=cluster.node.docker_env())  # fmt: skip
    try:
        said = proxy.stdout.readline()
        assert said.startswith("Starting to serve on"), said
        conn = UnixConnection(str(path)) if where == "socket" else http.client.HTTPConnection("127.0.0.1", int(said.rsplit(":", 1)[1]), timeout=30)
        conn.request("GET", "/api/")
        reply = conn.getresponse()
        assert reply.status == 200 and json.loads(reply.read())["kind"] == "APIVersions"
        conn.close()
    finally:
        proxy.terminate()
        proxy.wait(30)
