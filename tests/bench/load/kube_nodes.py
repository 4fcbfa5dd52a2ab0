# SPDX-License-Identifier: Apache-2.0
"""Nodes that are none, and pods for them: what a scheduler does with a cluster of many nodes.

    python3 kube_nodes.py --kubeconfig FILE --nodes N [--pods N] [--renew S] [--acknowledge]

Through the public API alone, so that any cluster can be asked: creates the Nodes (32 processors, 64 GiB, 256 pods each) with a
Lease, and renews each Lease every S seconds. The pods share a claim that is not there, so the scheduler tries each once and
keeps it; when all have been refused, the claim is made, whose volume is there, and the whole backlog may go at once: the clients'
own speed at creating pods does not count. With --acknowledge each binding is answered as a kubelet does, by patching the pod's
status to Running; without it the scheduler is measured and not how many requests this program can make, as upstream's own
scheduler_perf does.
The pods ask for the label of these nodes, so that none comes to a real one. Prints pods bound a second, from the claim's creation
to the last binding seen by a watch, and pods created (and refused) a second before that.
The namespace and the Nodes are deleted at the end.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import json
import queue
import threading
import time

from kube_access import Access, Api, make_namespace

LABEL = "wherry.io/simulated"
INFO = ("machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion kubeProxyVersion operatingSystem "
        "architecture").split()  # fmt: skip
AT_ONCE = 16
ACKS = 4


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def node(number, name):
    """With addresses of its own for pods: what a cluster has to give may be fewer, and is not what is measured."""
    when, addresses = now()[:19] + "Z", f"100.{64 + number // 256}.{number % 256}.0/24"
    room = {"cpu": "32", "memory": "64Gi", "pods": "256", "ephemeral-storage": "100Gi"}
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {LABEL: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": addresses, "podCIDRs": [addresses]},
            "status": {"capacity": room, "allocatable": room, "nodeInfo": dict.fromkeys(INFO, "simulated") | {"operatingSystem": "linux"}, "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated", "lastHeartbeatTime": when, "lastTransitionTime": when}]}}  # fmt: skip


def lease(name):
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now()}}  # fmt: skip


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "load"}},
            "spec": {"nodeSelector": {LABEL: "true"}, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                     "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "gate"}}],
                     "containers": [{"name": "c", "image": "simulated", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}]}}  # fmt: skip


COMMON = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}


def volume(namespace):
    """What the pods' claim will get: a volume that is anywhere."""
    return {"metadata": {"name": namespace}, "spec": {
        **COMMON, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/simulated"}, "claimRef": {"namespace": namespace, "name": "gate"}}}  # fmt: skip


def claim(namespace):
    """The claim that the pods share."""
    return {"metadata": {"name": "gate"}, "spec": {**COMMON, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}}}


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
MERGE = "application/merge-patch+json"


class Pool:
    """@count connections, each a thread's."""

    def __init__(self, access, count):
        self.access, self.count, self.own = access, count, threading.local()
        self.threads = concurrent.futures.ThreadPoolExecutor(count)

    def _call(self, what, item):
        if not hasattr(self.own, "api"):
            self.own.api = Api(self.access)
        return what(self.own.api, item)

    def each(self, what, items):
        """what(api, item) of all, however they come; the first that fails is raised."""
        return list(self.threads.map(lambda item: self._call(what, item), items))


class Nodes:
    """The simulated nodes of a cluster, from `with` to its end."""

    def __init__(self, access, count, renew):
        self.access, self.renew = access, renew
        self.names = [f"simulated-{i:05}" for i in range(count)]
        self.pool, self.over, self.failed = Pool(access, AT_ONCE), threading.Event(), None

    def __enter__(self):
        self.pool.each(lambda api, which: (api.ask("POST", "/api/v1/nodes", node(*which)), api.ask("POST", LEASES, lease(which[1]))),
                       list(enumerate(self.names)))  # fmt: skip
        # what the node life cycle says of a new node has to be off before anything is scheduled
        api, end = Api(self.access), time.monotonic() + 300
        while left := [n["metadata"]["name"] for n in api.ask("GET", f"/api/v1/nodes?labelSelector={LABEL}%3Dtrue")["items"]
                       if any(t["effect"] != "PreferNoSchedule" for t in n["spec"].get("taints", []))]:  # fmt: skip
            if time.monotonic() > end:
                raise RuntimeError(f"{len(left)} nodes are still tainted, {left[0]} among them")
            time.sleep(1)
        self.beat = threading.Thread(target=self._beat, daemon=True)
        self.beat.start()
        return self

    def _beat(self):
        """Renews all Leases, spread over the interval."""
        api = Api(self.access)
        try:
            while True:
                began = time.monotonic()
                for i, name in enumerate(self.names):
                    due = began + self.renew * i / len(self.names)
                    if self.over.wait(max(0, due - time.monotonic())):
                        return
                    api.ask("PATCH", f"{LEASES}/{name}", {"spec": {"renewTime": now()}}, MERGE)
                if self.over.wait(max(0, began + self.renew - time.monotonic())):
                    return
        except Exception as e:  # noqa: BLE001: told at the end of the block
            self.failed = e

    def __exit__(self, *_):
        self.over.set()
        if hasattr(self, "beat"):
            self.beat.join()
        if self.failed:
            raise RuntimeError("the Leases were not renewed") from self.failed
        self.pool.each(lambda api, name: (api.ask("DELETE", f"/api/v1/nodes/{name}", also=(404,)), api.ask("DELETE", f"{LEASES}/{name}", also=(404,))), self.names)


class Bindings:
    """Watches the pods of a namespace: which were refused, when each was bound; over @acks connections says of each bound that it runs."""

    def __init__(self, access, namespace, acks):
        self.access, self.namespace, self.acks, self.more = access, namespace, acks, threading.Condition()
        self.refused, self.bound = set(), {}
        self.todo = queue.SimpleQueue()

    def __enter__(self):
        api = Api(self.access)
        version = api.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods?limit=1")["metadata"]["resourceVersion"]
        events = api.watch(f"/api/v1/namespaces/{self.namespace}/pods", f"resourceVersion={version}")
        threading.Thread(target=self._read, args=(events,), daemon=True).start()
        for _ in range(self.acks):
            threading.Thread(target=self._ack, daemon=True).start()
        return self

    def _read(self, events):
        with contextlib.suppress(OSError, ValueError):
            for event in events:
                pod = event["object"]
                if event["type"] not in ("ADDED", "MODIFIED") or pod["metadata"]["name"] in self.bound:
                    continue
                name, where = pod["metadata"]["name"], pod["spec"].get("nodeName")
                with self.more:
                    if where:
                        self.bound[name] = (time.monotonic(), where)
                        self.todo.put(name)
                    elif any(c["type"] == "PodScheduled" and c["status"] == "False" for c in pod["status"].get("conditions", [])):
                        self.refused.add(name)
                    self.more.notify_all()

    def _ack(self):
        api = Api(self.access)
        while name := self.todo.get():
            when = now()[:19] + "Z"
            api.ask("PATCH", f"/api/v1/namespaces/{self.namespace}/pods/{name}/status", {"status": {
                "phase": "Running", "startTime": when, "conditions": [{"type": t, "status": "True", "lastTransitionTime": when}
                                                                       for t in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]}},
                    MERGE, also=(404,))  # fmt: skip

    def all(self, what, count, timeout):
        """Waits until @count are in @what, .refused or .bound."""
        with self.more:
            if not self.more.wait_for(lambda: len(what) >= count, timeout):
                raise RuntimeError(f"after {timeout} s, of {count} pods {len(self.refused)} have been refused, {len(self.bound)} bound")

    def __exit__(self, *_):
        for _ in range(self.acks):
            self.todo.put(None)


def run(access, nodes, pods, renew, acknowledge=False, timeout=300, meter=lambda: 0):
    """{"bound a second", "created a second", "nodes used", "meter": by how much @meter grew while the backlog was bound}"""
    api, namespace = Api(access), f"load-{time.time_ns()}"
    make_namespace(api, namespace)
    api.ask("POST", "/api/v1/persistentvolumes", volume(namespace))
    create = lambda own, name: own.ask("POST", f"/api/v1/namespaces/{namespace}/pods", pod(name))  # noqa: E731
    try:
        with Nodes(access, nodes, renew) as there, Bindings(access, namespace, ACKS if acknowledge else 0) as bindings:
            began = time.monotonic()
            there.pool.each(create, [f"p-{i:05}" for i in range(pods)])
            bindings.all(bindings.refused, pods, timeout)
            created = time.monotonic() - began
            time.sleep(2)  # upstream looks at none again within a second of its refusal
            began, metered = time.monotonic(), meter()
            api.ask("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim(namespace))
            bindings.all(bindings.bound, pods, timeout)
            metered = meter() - metered
            took = max(at for at, _ in bindings.bound.values()) - began
            api = Api(access)
            api.ask("DELETE", f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0")
    finally:
        api = Api(access)
        api.ask("DELETE", f"/api/v1/namespaces/{namespace}")
        api.ask("DELETE", f"/api/v1/persistentvolumes/{namespace}", also=(404,))
    return {"bound a second": pods / took, "created a second": pods / created, "nodes used": len({where for _, where in bindings.bound.values()}),
            "meter": metered}  # fmt: skip


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("--kubeconfig", required=True)
    words.add_argument("--nodes", type=int, required=True)
    words.add_argument("--pods", type=int, default=2000)
    words.add_argument("--renew", type=float, default=10, help="seconds between two renewals of a Lease")
    words.add_argument("--acknowledge", action="store_true", help="answer each binding with the status of a running pod")
    args = words.parse_args()
    said = run(Access(args.kubeconfig), args.nodes, args.pods, args.renew, args.acknowledge)
    print(json.dumps({k: round(v, 1) for k, v in said.items() if k != "meter"}))


if __name__ == "__main__":
    main()
