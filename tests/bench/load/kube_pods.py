# SPDX-License-Identifier: Apache-2.0
"""A cluster's node at work: idle processor time, from `kubectl apply` to a pod's answer, updates of services, exec probes.

    python3 kube_pods.py --kubeconfig FILE --address HOST[:PORT] --node-shell WORDS [--image NAME] [--node-port N] [--kubectl WORDS]
                         [--only KIND...]

Of a cluster whose pods all run on one node; in a namespace of its own, which is deleted at the end. Prints a line for each figure:

idle    processor time of the node while the load does nothing, in percent of one processor
apply   from the start of `kubectl apply` of a Deployment and its NodePort service to the pod's first answer on the node port; the
        image is on the node by then; the median
update  from the change of a service's EndpointSlice to the first answer of the new endpoint on its node port, with few and with
        many services in the cluster; the medians
probe   processor time of the node with many containers that have an exec probe, less that with the same containers without, for
        each probe

Processor time is what the node's /proc/stat says before and after, in one session: all but idle and iowait.
"""

import argparse
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kube_access import Access, Api, make_namespace, percentile, until

IMAGE, PORT = "docker.io/library/busybox:1.37", 30080
SETTLE, IDLE = 10, 60
APPLIES, TOGGLES = 5, 10
SERVICES = [10, 1000]
# The period is long enough for an emulated node to keep up, and the first probe waits until all containers are likely there: probes
# that take all of its processors would keep the last containers from starting.
PROBES, PODS_OF_PROBES, PERIOD, WINDOW = 100, 10, 30, 60
FIRST_PROBE = 60

# Without the proxies of the environment: it is the node's answer that is waited for.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Cluster:
    """
    A cluster as the load reaches it. @home: a folder in which kubectl may keep what it finds out; @address: HOST:PORT, where
    @node_port of the node answers; @image: one with busybox's sh, httpd and sleep; @kubectl: its words; @shell(command, timeout):
    what a shell command on the node prints.
    """

    kubeconfig: str
    home: Path
    address: str = ""
    image: str = IMAGE
    node_port: int = PORT
    kubectl: tuple = ("kubectl",)
    shell: Callable | None = None
    namespace: str = field(default_factory=lambda: f"load-{time.time_ns()}")

    def api(self):
        """A new connection: a server may have left one on which nothing was asked for a minute or two."""
        return Api(Access(self.kubeconfig))

    def path(self, plural, group="api/v1"):
        return f"/{group}/namespaces/{self.namespace}/{plural}"

    def run_kubectl(self, *args, input=None, timeout=120):
        done = subprocess.run([*self.kubectl, "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, *args], capture_output=True, text=True,
                              input=input, timeout=timeout, check=False, env={**os.environ, "HOME": str(self.home)})  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}")

    def answer(self):
        try:
            with OPENER.open(f"http://{self.address}/", timeout=5) as reply:
                return reply.read().decode().strip()
        except (OSError, http.client.HTTPException):
            return ""

    def until_answer(self, wanted):
        until(lambda: self.answer() == wanted, 120, lambda: f"{self.address} does not answer {wanted!r}, but {self.answer()!r}", 0.01)


def takes_pods(node):
    """Whether pods come to it that tolerate nothing; what the node life cycle says of its condition may pass."""
    return not node["spec"].get("unschedulable") and all(
        t["effect"] == "PreferNoSchedule" or t["key"].startswith("node.kubernetes.io/") for t in node["spec"].get("taints", []))  # fmt: skip


def check_nodes(api):
    """The processor time is of one node, so that all pods have to be there."""
    nodes = api.ask("GET", "/api/v1/nodes")["items"]
    there = [n["metadata"]["name"] for n in nodes if takes_pods(n)]
    if len(there) != 1:
        raise RuntimeError(f"one node has to take all pods, but of {len(nodes)} these do: {', '.join(there) or 'none'}; cordon or taint the others")


def processor_seconds(first, last):
    """Seconds of processor time between two first lines of /proc/stat: all but idle and iowait, which are in hundredths."""
    used = [int(b) - int(a) for a, b in zip(first.split()[1:9], last.split()[1:9], strict=True)]
    return (sum(used) - used[3] - used[4]) / 100


def busy(cluster, seconds):
    """Seconds of processor time that the node used meanwhile, by one look before and one after, in one session."""
    said = cluster.shell(f"head -n 1 /proc/stat; sleep {seconds}; head -n 1 /proc/stat", timeout=seconds + 60)
    looks = said.splitlines()
    if len(looks) != 2 or not all(re.fullmatch(r"cpu( +\d+){8,}", look) for look in looks):
        raise RuntimeError(f"the node was asked twice for the first line of /proc/stat, and said {said!r}")
    return processor_seconds(*looks)


def idle(cluster):
    time.sleep(SETTLE)  # what follows the start is not idle yet
    yield {"percent of one processor": busy(cluster, IDLE) * 100 / IDLE}


def web(cluster, name, says):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web", "says": says}}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": cluster.image, "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", f"mkdir /w; echo {says} >/w/index.html; exec httpd -f -p 8080 -h /w"]}]}}  # fmt: skip


def service(name, node_port=None, **spec):
    port = {"port": 80, "targetPort": 8080, **({"nodePort": node_port} if node_port else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "NodePort" if node_port else "ClusterIP", "ports": [port], **spec}}  # fmt: skip


def applies(cluster):
    """From the start of `kubectl apply` of a Deployment and its service to the pod's first answer."""
    took = []
    for i in range(APPLIES + 1):
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": web(cluster, "x", f"hello-{i}")["spec"]}}}  # fmt: skip
        began = time.monotonic()
        cluster.run_kubectl("apply", "-f", "-", input=json.dumps(body) + json.dumps(service("web", cluster.node_port, selector={"app": "web"})))
        cluster.until_answer(f"hello-{i}")
        took.append(time.monotonic() - began)
        cluster.run_kubectl("delete", "deployment/web", "service/web", "--cascade=foreground")
        api = cluster.api()
        until(lambda: not api.ask("GET", cluster.path("pods"))["items"], 120, lambda: "the deployment's pods have not ended")  # noqa: B023
    yield {"median s": percentile(took[1:], 0.5)}  # the first one warms up


def endpoint_slice(name, address):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name + "-1", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": [{"addresses": [address], "conditions": {"ready": True}}]}  # fmt: skip


def toggles(cluster, api, slices, addresses):
    """Seconds from the update of a service's endpoints to the first answer of the new one, each time."""
    took = []
    for i in range(TOGGLES + 2):
        says = ("a", "b")[i % 2]
        change = {"endpoints": [{"addresses": [addresses[says]], "conditions": {"ready": True}}]}
        began = time.monotonic()
        api.ask("PATCH", f"{slices}/s-0-1", change, "application/merge-patch+json")
        cluster.until_answer(says)
        took.append(time.monotonic() - began)
    return took[2:]  # the first ones warm up; after an even number it is as before


def statuses(pod):
    return pod["status"].get("containerStatuses", [])


def ready(pods):
    """Whether all containers of all of them are; a pod of which nothing was said yet is not."""
    return all(statuses(p) and all(c["ready"] for c in statuses(p)) for p in pods)


def updates(cluster):
    """Milliseconds of an update, with few and with many services."""
    api, addresses, made = cluster.api(), {}, 0
    slices = cluster.path("endpointslices", "apis/discovery.k8s.io/v1")
    for says in ("a", "b"):
        api.ask("POST", cluster.path("pods"), web(cluster, says, says))
    for says in ("a", "b"):
        look = lambda: api.ask("GET", cluster.path(f"pods/{says}"))  # noqa: B023, E731
        until(lambda: ready([look()]), 120, lambda: f"the pod {says} is not ready")  # noqa: B023
        addresses[says] = look()["status"]["podIP"]
    for count in SERVICES:
        for i in range(made, count):
            api.ask("POST", cluster.path("services"), service(f"s-{i}", cluster.node_port if i == 0 else None))
            api.ask("POST", slices, endpoint_slice(f"s-{i}", addresses["b"]))
        made = count
        cluster.until_answer("b")
        yield {"services": count, "median ms": percentile(toggles(cluster, api, slices, addresses), 0.5) * 1000}


def probed(cluster, kind, number, probe):
    """A pod whose containers do nothing but what @probe has them do."""
    containers = [{"name": f"c{n}", "image": cluster.image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "10000"], **probe}
                  for n in range(PROBES // PODS_OF_PROBES)]  # fmt: skip
    return {"metadata": {"name": f"{kind}-{number}", "labels": {"probes": kind}}, "spec": {
        # each of the services that are there by now would be seven variables of each container
        "enableServiceLinks": False, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": containers}}  # fmt: skip


def busy_with(cluster, kind, probe):
    """Seconds of processor time in WINDOW seconds with all containers running."""
    api, those = cluster.api(), cluster.path("pods") + f"?labelSelector=probes%3D{kind}"
    for i in range(PODS_OF_PROBES):
        api.ask("POST", cluster.path("pods"), probed(cluster, kind, i, probe))
    until(lambda: ready(api.ask("GET", those)["items"]), 600, lambda: f"the pods {kind} probes are not ready", 2)
    # until the last container's probes have begun
    time.sleep(FIRST_PROBE + PERIOD if probe else PERIOD)
    used = busy(cluster, WINDOW)
    counts = [c["restartCount"] for p in cluster.api().ask("GET", those)["items"] for c in statuses(p)]
    if any(counts):
        raise RuntimeError(f"containers were restarted: {counts}")
    cluster.run_kubectl("delete", "pods", "-l", f"probes={kind}", "--force", timeout=600)
    return used


def probes(cluster):
    """Milliseconds of processor time of one exec probe, of PROBES every PERIOD seconds."""
    without = busy_with(cluster, "without", {})
    used = busy_with(cluster, "with", {"livenessProbe": {
        "exec": {"command": ["true"]}, "initialDelaySeconds": FIRST_PROBE, "periodSeconds": PERIOD, "timeoutSeconds": 30}})  # fmt: skip
    yield {"ms each": (used - without) * 1000 / (PROBES * WINDOW / PERIOD), "s with probes": used, "s without": without}


KINDS = {"idle": idle, "apply": applies, "update": updates, "probe": probes}
# What is asked of the one who starts it, and for which kinds
NEEDS = {
    "address": ({"apply", "update"}, "where the node port answers"),
    "node_shell": ({"idle", "probe"}, "how a shell command runs on the node"),
    "kubectl": ({"apply", "probe"}, "a kubectl that is there"),
}


def run(cluster, kinds=tuple(KINDS)):
    """(kind, {figure: value}) after each other, in the order of KINDS."""
    api = cluster.api()
    check_nodes(api)
    try:
        make_namespace(api, cluster.namespace)
        for kind in KINDS:
            for said in KINDS[kind](cluster) if kind in kinds else ():
                yield kind, said
    finally:
        cluster.api().ask("DELETE", f"/api/v1/namespaces/{cluster.namespace}", also=(404,))


def by_words(words):
    """What runs a shell command on the node as the last of these words."""
    def shell(command, timeout):
        done = subprocess.run([*words, command], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{shlex.join([*words, command])}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    return shell


def parse(argv):
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    words.add_argument("--kubeconfig", required=True, metavar="FILE",
                       help="of an administrator, with its certificates embedded (kubectl config view --raw --flatten)")
    words.add_argument("--address", metavar="HOST[:PORT]",
                       help="the node's address, with a port where its node port is reached by another one; for apply and update")
    words.add_argument("--node-shell", type=shlex.split, metavar="WORDS",
                       help="words after which a shell command runs on the node: `ssh root@NODE`, `docker exec NODE sh -c` (of a kind cluster, whose "
                            "/proc/stat is that of its whole machine), or `sh -c` on the node itself; for idle and probe")  # fmt: skip
    words.add_argument("--image", default=IMAGE, metavar="NAME",
                       help="an image with busybox's sh, httpd and sleep that the node has or may pull (default %(default)s)")
    words.add_argument("--node-port", type=int, default=PORT, metavar="N", help="a free one of the cluster's range (default %(default)s)")
    words.add_argument("--kubectl", type=shlex.split, default=["kubectl"], metavar="WORDS",
                       help="the client (default kubectl; `k3s kubectl`); for apply and probe")
    words.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=f"only these of {', '.join(KINDS)}")
    args = words.parse_args(argv)
    try:
        Access(args.kubeconfig)
    except (OSError, ValueError) as e:
        words.error(f"--kubeconfig: {e}")
    args.kubectl = args.kubectl if args.kubectl and shutil.which(args.kubectl[0]) else None
    for name, (kinds, what) in NEEDS.items():
        if (those := [k for k in args.only if k in kinds]) and not getattr(args, name):
            words.error(f"{' and '.join(those)}: --{name.replace('_', '-')} has to say {what}")
    if args.address and not re.search(r":\d+$", args.address):
        args.address += f":{args.node_port}"
    return args


def main(argv=None):
    args = parse(argv)
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(args.kubeconfig, Path(home), args.address, args.image, args.node_port, args.kubectl,
                          by_words(args.node_shell) if args.node_shell else None)  # fmt: skip
        for kind, said in run(cluster, args.only):
            print(json.dumps({"kind": kind, **{name: round(value, 2) for name, value in said.items()}}), flush=True)


if __name__ == "__main__":
    main()
