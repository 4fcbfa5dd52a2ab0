# SPDX-License-Identifier: Apache-2.0
"""A node with its cluster at work: idle processor time, from `kubectl apply` to a pod's answer, updates of services, probes."""

import json
import time
import urllib.request

from common import CPUS, Row, median  # first: it says where the others lie
import kube_access
from support.cluster import Cluster
from support.node import Node, eventually

PORT = 30080
IDLE = 60
APPLIES, TOGGLES = 5, 10
SERVICES = [10, 1000]
# The period is long enough for an emulated node to keep up, and the first probe waits until all containers are likely there: probes
# that take all of its processors would keep the last containers from starting.
PROBES, PODS_OF_PROBES, PERIOD, WINDOW = 100, 10, 30, 60
FIRST_PROBE = 60


def answer(node):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.env[f'WHERRY_TCP_{PORT}']}/", timeout=5) as reply:
            return reply.read().decode().strip()
    except OSError:
        return ""


def until(node, wanted, timeout=120):
    """Seconds until the node's port answers with it."""
    began = time.monotonic()
    if not eventually(lambda: answer(node) == wanted, timeout, 0.01):
        raise RuntimeError(f"port {PORT} does not answer {wanted!r} within {timeout} s, but {answer(node)!r}")
    return time.monotonic() - began


def busy(node, seconds):
    """Seconds of processor time that the node used meanwhile, by one look before and one after, in one session."""
    said = node.ssh(f"head -n 1 /proc/stat; sleep {seconds}; head -n 1 /proc/stat", timeout=seconds + 60)
    first, last = ([int(n) for n in line.split()[1:9]] for line in said.splitlines())
    used = [b - a for a, b in zip(first, last)]
    return (sum(used) - used[3] - used[4]) / 100  # all but idle and iowait, in hundredths


def web(name, says):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web", "says": says}}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", f"mkdir /w; echo {says} >/w/index.html; exec httpd -f -p 8080 -h /w"]}]}}  # fmt: skip


def service(name, node_port=None, **spec):
    port = {"port": 80, "targetPort": 8080, **({"nodePort": node_port} if node_port else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "NodePort" if node_port else "ClusterIP", "ports": [port], **spec}}  # fmt: skip


def applies(node, cluster):
    """Seconds from the start of `kubectl apply` of a Deployment and its service to the pod's first answer, each time."""
    took = []
    for i in range(APPLIES + 1):
        pod = web("x", f"hello-{i}")
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod["spec"]}}}  # fmt: skip
        began = time.monotonic()
        cluster.kubectl("apply", "-f", "-", input=json.dumps(body) + json.dumps(service("web", PORT, selector={"app": "web"})))
        until(node, f"hello-{i}")
        took.append(time.monotonic() - began)
        cluster.kubectl("delete", "deployment/web", "service/web", "--cascade=foreground")
        if not eventually(lambda: not cluster.get("pods")["items"], 120):
            raise RuntimeError("the pods do not end")
    return took[1:]  # the first one warms up


def endpoint_slice(name, address):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name + "-1", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": [address], "conditions": {"ready": True}}]}  # fmt: skip


def toggles(node, api, addresses):
    """Seconds from the update of a service's endpoints to the first answer of the new one, each time."""
    took = []
    for i in range(TOGGLES + 2):
        says = ("a", "b")[i % 2]
        change = {"endpoints": [{"addresses": [addresses[says]], "conditions": {"ready": True}}]}
        began = time.monotonic()
        api.ask("PATCH", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/s-0-1", change, "application/merge-patch+json")
        until(node, says)
        took.append(time.monotonic() - began)
    return took[2:]  # the first ones warm up; after an even number it is as before


def services(node, cluster):
    """{count of services: median milliseconds of an update}"""
    api = kube_access.Api(kube_access.Access(node.env["KUBECONFIG"]))
    addresses, found, made = {}, {}, 0
    for says in ("a", "b"):
        api.ask("POST", "/api/v1/namespaces/default/pods", web(says, says))
    for says in ("a", "b"):
        ready = lambda: cluster.get("pod", says)["status"].get("containerStatuses", [{}])[0].get("ready")  # noqa: B023, E731
        if not eventually(ready, 120):
            raise RuntimeError(f"the pod {says} is not ready")
        addresses[says] = cluster.get("pod", says)["status"]["podIP"]
    for count in SERVICES:
        for i in range(made, count):
            api.ask("POST", "/api/v1/namespaces/default/services", service(f"s-{i}", PORT if i == 0 else None))
            api.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", endpoint_slice(f"s-{i}", addresses["b"]))
        made = count
        until(node, "b")
        found[count] = median(toggles(node, api, addresses)) * 1000
    return found


def probes(node, cluster):
    """Milliseconds of processor time of one exec probe, of PROBES every PERIOD seconds."""
    used = {}
    probed = {"livenessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": FIRST_PROBE, "periodSeconds": PERIOD, "timeoutSeconds": 30}}
    for kind, probe in (("without", {}), ("with", probed)):
        for i in range(PODS_OF_PROBES):
            containers = [{"name": f"c{n}", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "10000"], **probe}
                          for n in range(PROBES // PODS_OF_PROBES)]  # fmt: skip
            cluster.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": f"{kind}-{i}", "labels": {"probes": kind}}, "spec": {
                # each of the services that are there by now would be seven variables of each container
                "enableServiceLinks": False, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                "containers": containers}}, expect=201)  # fmt: skip
        running = lambda: all(all(c["ready"] for c in p["status"].get("containerStatuses", [{"ready": False}]))  # noqa: E731
                              for p in cluster.get("pods", "-l", f"probes={kind}")["items"])  # noqa: B023  # fmt: skip
        if not eventually(running, 600, 2):
            raise RuntimeError(f"the pods {kind} probes are not ready")
        # until the last container's probes have begun
        time.sleep(FIRST_PROBE + PERIOD if probe else PERIOD)
        used[kind] = busy(node, WINDOW)
        counts = [c["restartCount"] for p in cluster.get("pods", "-l", f"probes={kind}")["items"] for c in p["status"]["containerStatuses"]]
        if any(counts):
            raise RuntimeError(f"containers were restarted: {counts}")
        cluster.kubectl("delete", "pods", "-l", f"probes={kind}", "--force", timeout=600)
    return (used["with"] - used["without"]) * 1000 / (PROBES * WINDOW / PERIOD), used


def rows(folder):
    node = Node(folder / "work", memory=1024, cpus=CPUS, extra=["--forward", f"0:{PORT}"])
    node.state.mkdir()
    node.boot("--wait", "ready")
    try:
        cluster = Cluster(node)
        time.sleep(10)  # what follows the start is not idle yet
        share = busy(node, IDLE) * 100 / IDLE
        yield Row("processor time, idle, one-node cluster", f"{share:.1f} % of one", note=f"/proc/stat over {IDLE} s, no pods")
        took = applies(node, cluster)
        yield Row("kubectl apply to the pod's first answer", f"{median(took):.2f} s",
                  note=f"Deployment and NodePort service, image on the node, kubectl's own start with it; median of {APPLIES}")  # fmt: skip
        for count, ms in services(node, cluster).items():
            yield Row(f"update of a service, {count} services", f"{ms:.0f} ms",
                      note=f"from the change of its EndpointSlice to the new endpoint's first answer on its node port; median of {TOGGLES}")  # fmt: skip
        each, used = probes(node, cluster)
        yield Row("an exec probe", f"{each:.1f} ms of processor time",
                  note=f"{PROBES} every {PERIOD} s: {used['with']:.1f} s busy in {WINDOW} s, {used['without']:.1f} s without probes")  # fmt: skip
    finally:
        node.cut_power()
