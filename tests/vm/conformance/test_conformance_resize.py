# SPDX-License-Identifier: Apache-2.0
"""Conformance of pods that are resized in place: spec, status and the kernel's groups follow, and nothing is restarted unasked."""

import json

import pytest
from support.node import eventually

SIG = "[sig-node] Pod InPlace Resize Container "
SINCE = " [MinimumKubeletVersion:1.34]"
CPU, LESS_CPU, MORE_CPU = 20, 15, 25  # thousandths
MEM, LESS_MEM, MORE_MEM = 35, 30, 40  # MiB


def resources(cpu=None, memory=None, cpu_limit=None, memory_limit=None):
    lists = {
        "requests": {"cpu": f"{cpu}m" if cpu else None, "memory": f"{memory}Mi" if memory else None},
        "limits": {"cpu": f"{cpu_limit}m" if cpu_limit else None, "memory": f"{memory_limit}Mi" if memory_limit else None},
    }
    said = {kind: {k: v for k, v in amounts.items() if v} for kind, amounts in lists.items()}
    return {kind: amounts for kind, amounts in said.items() if amounts}


def guaranteed(*pairs):
    """Containers c1, c2... each a little larger than the one before, so that no two are the same."""
    return {f"c{i + 1}": resources(cpu + 2 * i, mem + 2 * i, cpu + 2 * i, mem + 2 * i) for i, (cpu, mem) in enumerate(pairs)}


class Pod:
    def __init__(self, cluster, ns, containers, policy=None):
        self.cluster, self.path = cluster, f"/api/v1/namespaces/{ns}/pods/p"
        common = {"image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "100000"]}
        more = {"resizePolicy": policy} if policy else {}
        body = {
            "metadata": {"name": "p"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "restartPolicy": "OnFailure",
                "containers": [{"name": name, "resources": r, **common, **more} for name, r in containers.items()],
            },
        }
        self.cluster.ask("POST", f"/api/v1/namespaces/{ns}/pods", body, expect=201)
        assert eventually(self.is_ready, timeout=120), json.dumps(self.get()["status"])
        self.has(containers)

    def get(self):
        return self.cluster.ask("GET", self.path)

    def condition(self, kind):
        return next((c for c in self.get()["status"].get("conditions", []) if c["type"] == kind), None)

    def is_ready(self):
        return (self.condition("Ready") or {}).get("status") == "True"

    def patch(self, containers, expect=200):
        body = {"spec": {"containers": [{"name": name, "resources": r} for name, r in containers.items()]}}
        return self.cluster.ask("PATCH", self.path + "/resize", body, expect=expect, kind="application/strategic-merge-patch+json")

    def is_resized(self, containers):
        pod = self.get()
        said = {s["name"]: s["resources"] for s in pod["status"]["containerStatuses"]}
        aside = {s["name"]: s.get("allocatedResources", {}) for s in pod["status"]["containerStatuses"]}
        return (
            said == containers
            and aside == {name: r.get("requests", {}) for name, r in containers.items()}
            and not [c for c in pod["status"]["conditions"] if c["type"].startswith("PodResize")]
            and pod["status"].get("observedGeneration") == pod["metadata"]["generation"]
            and self.is_ready()
        )

    def has(self, containers):
        """What is asked for, what the node says of it, and what the kernel was told."""
        pod = self.get()
        assert {c["name"]: c.get("resources", {}) for c in pod["spec"]["containers"]} == containers
        assert eventually(lambda: self.is_resized(containers), timeout=90), json.dumps(self.get()["status"])
        for name, (quota, memory) in self.groups().items():
            limits = containers[name].get("limits", {})
            cpu = limits.get("cpu", "").removesuffix("m")
            assert quota == (f"{max(int(cpu) * 100, 1000)} 100000" if cpu else "max 100000"), name
            assert memory == (str(int(limits["memory"].removesuffix("Mi")) << 20) if "memory" in limits else "max"), name

    def groups(self):
        pod = self.get()
        group = f"/sys/fs/cgroup/pods/{pod['status']['qosClass'].lower()}/{pod['metadata']['uid']}"
        ids = {s["name"]: s["containerID"].split("//")[1] for s in pod["status"]["containerStatuses"]}
        files = " ".join(f"{group}/{i}/{f}" for i in ids.values() for f in ("cpu.max", "memory.max"))
        said = iter(self.cluster.node.ssh(f"cat {files}").strip().split("\n"))
        return {name: (next(said), next(said)) for name in ids}

    def restarts(self):
        return {s["name"]: s["restartCount"] for s in self.get()["status"]["containerStatuses"]}

    def becomes(self, containers):
        self.patch(containers)
        self.has(containers)
        assert set(self.restarts().values()) == {0}


MULTIPLE = "guaranteed pods with multiple containers 3 containers - "


@pytest.mark.parametrize(
    "to",
    [
        pytest.param(pairs, id=name[:20], marks=pytest.mark.conformance(SIG + MULTIPLE + name + SINCE))
        for name, pairs in (
            ("increase cpu & mem on c1, c2, decrease cpu & mem on c3 - net increase",
             [(MORE_CPU, MORE_MEM), (MORE_CPU, MORE_MEM), (LESS_CPU, LESS_MEM)]),
            ("increase cpu & mem on c1, decrease cpu & mem on c2, c3 - net decrease",
             [(MORE_CPU, MORE_MEM), (LESS_CPU, LESS_MEM), (LESS_CPU, LESS_MEM)]),
            ("increase: CPU (c1,c3), memory (c2, c3) ; decrease: CPU (c2)",
             [(MORE_CPU, MEM), (LESS_CPU, MORE_MEM), (MORE_CPU, MORE_MEM)]),
        )
    ],
)  # fmt: skip
def test_guaranteed(cluster, ns, to):
    before = guaranteed((CPU, MEM), (CPU, MEM), (CPU, MEM))
    pod = Pod(cluster, ns, before)
    pod.becomes(guaranteed(*to))
    uid = pod.get()["metadata"]["uid"]
    whole = sum(int(r["limits"]["memory"].removesuffix("Mi")) for r in guaranteed(*to).values())
    assert cluster.node.ssh(f"cat /sys/fs/cgroup/pods/guaranteed/{uid}/memory.max").strip() == str(whole << 20)
    pod.becomes(before)


@pytest.mark.conformance(SIG + "burstable pods - extended 6 containers - various operations performed (including adding limits and requests)" + SINCE)
def test_burstable(cluster, ns):
    pod = Pod(cluster, ns, {
        "c1": resources(CPU), "c2": resources(None, MEM), "c3": resources(CPU, MEM), "c4": resources(CPU), "c5": resources(None, MEM),
        "c6": resources(None, MEM)})  # fmt: skip
    pod.becomes({
        "c1": resources(MORE_CPU, None, 35), "c2": resources(None, LESS_MEM, None, 50), "c3": resources(CPU, LESS_MEM),
        "c4": resources(LESS_CPU, MEM), "c5": resources(CPU, MORE_MEM),
        "c6": resources(None, MORE_MEM)})  # fmt: skip


@pytest.mark.conformance(SIG + "burstable pods - extended resize with equivalents" + SINCE)
def test_what_the_kernel_cannot_tell_apart(cluster, ns):
    """2m and 1m are the same weight, 10m and 5m the same quota; the status says what was asked for all the same."""
    pod = Pod(cluster, ns, {"c1": resources(2, None, 10)})
    pod.becomes({"c1": resources(1, None, 5)})
    pod.becomes({"c1": resources(2, None, 10)})


@pytest.mark.conformance(SIG + "resize pod via the replace endpoint" + SINCE)
def test_replaced(cluster, ns):
    pod = Pod(cluster, ns, {"c1": resources(CPU, MEM)})
    assert pod.get()["metadata"]["generation"] == 1
    wanted = {"c1": resources(MORE_CPU, MORE_MEM)}

    def put():
        body = pod.get()
        body["spec"]["containers"][0]["resources"] = wanted["c1"]
        code, reply, _ = cluster.raw("PUT", pod.path + "/resize", body)
        assert code in (200, 409), reply  # its node may have been faster
        return code == 200

    assert eventually(put, timeout=60), "the pod is never put"
    assert pod.get()["metadata"]["generation"] == 2
    pod.has(wanted)
    assert eventually(lambda: cluster.ask("GET", pod.path + "/resize") == pod.get(), timeout=30)


def test_kubectl_and_what_is_refused(cluster, ns):
    """`kubectl patch --subresource resize`; more than the node has; what changes only with a restart; what may not change at all."""
    pod = Pod(cluster, ns, {"c1": resources(CPU, MEM, CPU, MEM)}, policy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}])

    def patch(r):
        text = json.dumps({"spec": {"containers": [{"name": "c1", "resources": r}]}})
        return cluster.kubectl("-n", ns, "patch", "pod", "p", "--subresource", "resize", "--patch", text, check=False)

    assert patch(resources(MORE_CPU, MEM, MORE_CPU, MEM)).returncode == 0
    pod.has({"c1": resources(MORE_CPU, MEM, MORE_CPU, MEM)})
    assert pod.restarts() == {"c1": 0}
    assert patch(resources(MORE_CPU, MORE_MEM, MORE_CPU, MORE_MEM)).returncode == 0
    pod.has({"c1": resources(MORE_CPU, MORE_MEM, MORE_CPU, MORE_MEM)})
    assert pod.restarts() == {"c1": 1}

    for r, why in (
        (resources(CPU, MEM, MORE_CPU, MORE_MEM), "Pod QOS Class may not change as a result of resizing"),
        ({"requests": {"ephemeral-storage": "1Mi"}}, "only cpu and memory resources are mutable"),
        ({"limits": {"memory": None}}, "resource limits cannot be removed"),
    ):
        refused = patch(r)
        assert refused.returncode == 1 and why in refused.stderr, refused.stderr

    assert patch(resources(1000000, MORE_MEM, 1000000, MORE_MEM)).returncode == 0
    assert eventually(lambda: (pod.condition("PodResizePending") or {}).get("reason") == "Infeasible", timeout=60), json.dumps(pod.get()["status"])
    assert pod.condition("PodResizePending")["message"].startswith("Node didn't have enough capacity: cpu, requested: 1000000, capacity: ")
    assert pod.get()["status"]["containerStatuses"][0]["resources"] == resources(MORE_CPU, MORE_MEM, MORE_CPU, MORE_MEM)
    assert patch(resources(CPU, MORE_MEM, CPU, MORE_MEM)).returncode == 0
    pod.has({"c1": resources(CPU, MORE_MEM, CPU, MORE_MEM)})

    def told():
        events = cluster.ask("GET", f"/api/v1/namespaces/{ns}/events")["items"]
        return {"ResizeStarted", "ResizeCompleted", "ResizeInfeasible"} <= {e["reason"] for e in events}

    assert eventually(told, timeout=30), "the events are missing"
