# SPDX-License-Identifier: Apache-2.0
"""Resources of pods as a whole, by kubectl: what the kernel holds them to, their class, who has room for them, and what is refused."""

import json

from support.node import eventually

WAIT = 150  # emulated, beside other work
SAY = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max /proc/self/oom_score_adj; echo $CPU $MEMORY; exec sleep 100000"
# holds 30 MiB until the kernel takes them back
HOLD = "mkfifo /tmp/p; sleep 100000 </tmp/p & exec dd if=/dev/zero of=/tmp/p bs=30M count=1"
MI = 1 << 20


def container(name, script, **more):
    env = [{"name": n.upper(), "valueFrom": {"resourceFieldRef": {"resource": f"limits.{n}"}}} for n in ("cpu", "memory")]
    return {"name": name, "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], "env": env, **more}


def spec(resources, *containers, **more):
    return {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "hostNetwork": True, "resources": resources,
            "containers": list(containers), **more}  # fmt: skip


def pod(name, resources, *containers, **more):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec(resources, *containers, **more)}


def apply(cluster, ns, what, check=True):
    return cluster.kubectl("-n", ns, "apply", "-f", "-", input=json.dumps(what), check=check)


def refused(cluster, ns, what):
    done = apply(cluster, ns, what, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def running(cluster, ns, name):
    def runs():
        seen = cluster.get("-n", ns, "pod", name)
        return seen if seen["status"].get("phase") == "Running" else None

    seen = eventually(runs, timeout=WAIT, every=1)
    assert seen, json.dumps(cluster.get("-n", ns, "pod", name)["status"])
    return seen


def said(cluster, ns, name, which):
    def lines():
        text = cluster.kubectl("-n", ns, "logs", name, "-c", which, check=False).stdout.splitlines()
        return text if len(text) == 4 else None

    text = eventually(lines, timeout=WAIT, every=1)
    assert text, cluster.kubectl("-n", ns, "logs", name, "-c", which, check=False)
    return text


def group(cluster, seen, file):
    path = f"/sys/fs/cgroup/pods/{seen['status']['qosClass'].lower()}/{seen['metadata']['uid']}/{file}"
    return cluster.node.ssh(f"cat {path}").strip()


def test_limits_alone(cluster, ns):
    """They are requested as well; each container sees them as its own and may use all of it."""
    limits = {"cpu": "200m", "memory": "48Mi"}
    apply(cluster, ns, pod("p", {"limits": limits}, container("a", SAY), container("b", SAY)))
    seen = running(cluster, ns, "p")
    assert seen["spec"]["resources"] == {"limits": limits, "requests": limits}
    assert seen["status"]["qosClass"] == "Guaranteed"
    assert all(not c.get("resources") for c in seen["spec"]["containers"])
    assert group(cluster, seen, "cpu.max") == "20000 100000" and group(cluster, seen, "memory.max") == str(48 * MI)
    for each in "ab":
        assert said(cluster, ns, "p", each) == ["20000 100000", str(48 * MI), "-997", f"1 {48 * MI}"]
        # neither says what cpu it requests: it has the weight of the limit
        weight = cluster.kubectl("-n", ns, "exec", "p", "-c", each, "--", "cat", "/sys/fs/cgroup/cpu.weight").stdout
        assert weight.strip() == group(cluster, seen, "cpu.weight") == "8"


def test_overhead(cluster, ns):
    """What a runtime class uses beside the containers is the group's, and counts for quotas; it is no container's, nor in the status."""
    overhead = {"cpu": "100m", "memory": "16Mi"}
    cluster.kubectl("apply", "-f", "-", input=json.dumps({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": ns}, "handler": "runc", "overhead": {"podFixed": overhead}}))  # fmt: skip
    try:
        cluster.kubectl("-n", ns, "create", "quota", "q", "--hard=requests.cpu=1,limits.memory=1Gi")
        whole = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "48Mi"}}
        apply(cluster, ns, pod("p", whole, container("a", SAY), runtimeClassName=ns))
        seen = running(cluster, ns, "p")
        assert seen["spec"]["overhead"] == overhead
        assert group(cluster, seen, "cpu.max") == "30000 100000" and group(cluster, seen, "memory.max") == str(64 * MI)
        assert group(cluster, seen, "cpu.weight") == "8"
        assert said(cluster, ns, "p", "a")[:2] == ["20000 100000", str(48 * MI)]
        assert eventually(lambda: cluster.get("-n", ns, "pod", "p")["status"].get("resources") == whole, timeout=WAIT)
        used = lambda: cluster.get("-n", ns, "quota", "q")["status"].get("used")  # noqa: E731
        assert eventually(lambda: used() == {"requests.cpu": "200m", "limits.memory": "64Mi"}, timeout=WAIT), used()
    finally:
        cluster.kubectl("delete", "runtimeclass", ns, check=False)


def test_they_share_it(cluster, ns):
    """Two that hold 30 MiB each are too much for 48 MiB, and one of them has to go."""
    apply(cluster, ns, pod("p", {"limits": {"memory": "48Mi"}}, container("a", HOLD), container("b", HOLD), restartPolicy="Never"))

    def killed():
        states = cluster.get("-n", ns, "pod", "p")["status"].get("containerStatuses", [])
        return [s["name"] for s in states if s["state"].get("terminated", {}).get("reason") == "OOMKilled"]

    assert eventually(killed, timeout=WAIT, every=1), json.dumps(cluster.get("-n", ns, "pod", "p")["status"])


def test_beside_those_of_containers(cluster, ns):
    """A container's own limits are closer; what the pod requests beyond its containers protects each of them."""
    own = {"requests": {"memory": "16Mi"}, "limits": {"cpu": "50m", "memory": "24Mi"}}
    whole = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    apply(cluster, ns, pod("p", whole, container("a", SAY, resources=own), container("b", SAY)))
    seen = running(cluster, ns, "p")
    assert seen["status"]["qosClass"] == "Burstable" and seen["spec"]["resources"] == whole
    assert group(cluster, seen, "cpu.max") == "max 100000" and group(cluster, seen, "memory.max") == str(64 * MI)
    node = cluster.get("node", seen["spec"]["nodeName"])["status"]
    capacity = int(node["capacity"]["memory"].removesuffix("Ki")) << 10
    score = lambda memory: str(1000 - 1000 * memory // capacity)  # noqa: E731
    assert said(cluster, ns, "p", "a") == ["5000 100000", str(24 * MI), score(24 * MI), f"1 {24 * MI}"]
    cpus = node["allocatable"]["cpu"]
    assert said(cluster, ns, "p", "b") == ["max 100000", str(64 * MI), score(8 * MI), f"{cpus} {64 * MI}"]


def test_room_and_quota(cluster, ns):
    """The scheduler and quotas go by what the pod says, whatever its containers do."""
    apply(cluster, ns, pod("large", {"requests": {"cpu": "90"}}, container("c", SAY)))
    waits = eventually(
        lambda: [c for c in cluster.get("-n", ns, "pod", "large")["status"].get("conditions", []) if c["type"] == "PodScheduled"], timeout=WAIT
    )
    assert waits and waits[0]["reason"] == "Unschedulable" and "Insufficient cpu" in waits[0]["message"], waits
    cluster.kubectl("-n", ns, "delete", "pod", "large")

    cluster.kubectl("-n", ns, "create", "quota", "q", "--hard=requests.memory=40Mi,limits.memory=1Gi")
    apply(cluster, ns, pod("p", {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}, container("c", SAY)))
    used = lambda: cluster.get("-n", ns, "quota", "q")["status"].get("used")  # noqa: E731
    assert eventually(lambda: used() == {"requests.memory": "32Mi", "limits.memory": "64Mi"}, timeout=WAIT), used()
    assert "exceeded quota: q, requested: requests.memory=16Mi, used: requests.memory=32Mi, limited: requests.memory=40Mi" in refused(
        cluster, ns, pod("q", {"limits": {"memory": "16Mi"}}, container("c", SAY))
    )


def test_what_is_refused(cluster, ns):
    one = container("c", SAY, resources={"requests": {"cpu": "60m"}, "limits": {"memory": "16Mi"}})
    two = {**one, "name": "d"}
    for resources, why in (
        ({"requests": {"cpu": "100m"}}, 'spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to '
                                        "aggregate container requests of 120m"),
        ({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}, 'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu '
                                                             "limit of 1"),
        ({"limits": {"cpu": "1", "ephemeral-storage": "1Gi"}}, 'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": '
                                                               'supported values: "cpu", "hugepages-", "memory"'),
        ({"limits": {"memory": "8Mi"}, "requests": {"memory": "8Mi"}}, "must be less than or equal to pod limits of 8Mi"),
    ):  # fmt: skip
        text = refused(cluster, ns, pod("p", resources, one, two))
        assert why in text, text


def test_a_deployment(cluster, ns):
    limits = {"cpu": "200m", "memory": "48Mi"}
    labels = {"app": "d"}
    apply(cluster, ns, {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": spec({"limits": limits}, container("c", SAY), container("d", SAY))}}})  # fmt: skip
    cluster.kubectl("-n", ns, "rollout", "status", "deployment/d", f"--timeout={WAIT}s", timeout=WAIT + 30)
    assert cluster.get("-n", ns, "deployment", "d")["spec"]["template"]["spec"]["resources"] == {"limits": limits}
    (seen,) = cluster.get("-n", ns, "pods", "-l", "app=d")["items"]
    assert seen["status"]["qosClass"] == "Guaranteed" and seen["spec"]["resources"]["requests"] == limits


def test_resized(cluster, ns):
    """The pod's group and that of a container without limits of its own follow in place; the status says so."""
    apply(cluster, ns, pod("p", {"requests": {"cpu": "50m"}, "limits": {"cpu": "200m", "memory": "48Mi"}},
                           container("a", SAY), container("b", SAY, resources={"limits": {"memory": "16Mi"}})))  # fmt: skip
    seen = running(cluster, ns, "p")
    before = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"cpu": "200m", "memory": "48Mi"}}
    assert eventually(lambda: cluster.get("-n", ns, "pod", "p")["status"].get("resources") == before, timeout=WAIT)

    def patch(resources):
        text = json.dumps({"spec": {"resources": resources}})
        return cluster.kubectl("-n", ns, "patch", "pod", "p", "--subresource", "resize", "--patch", text, check=False)

    after = {"requests": {"cpu": "60m", "memory": "20Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
    done = patch(after)
    assert done.returncode == 0, done.stderr

    def is_resized():
        status = cluster.get("-n", ns, "pod", "p")["status"]
        return (status.get("resources") == after and status.get("allocatedResources") == after["requests"]
                and not [c for c in status["conditions"] if c["type"].startswith("PodResize")])  # fmt: skip

    assert eventually(is_resized, timeout=WAIT), json.dumps(cluster.get("-n", ns, "pod", "p")["status"])
    assert group(cluster, seen, "cpu.max") == "10000 100000" and group(cluster, seen, "memory.max") == str(64 * MI)
    look = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max"
    for name, memory in (("a", 64), ("b", 16)):
        inside = cluster.kubectl("-n", ns, "exec", "p", "-c", name, "--", "sh", "-c", look).stdout.splitlines()
        assert inside == ["10000 100000", str(memory * MI)]
    assert all(s["restartCount"] == 0 for s in cluster.get("-n", ns, "pod", "p")["status"]["containerStatuses"])
    assert "pod-level resource limits cannot be removed" in patch({"limits": {"memory": None}}).stderr
    assert "only cpu and memory resources are mutable" in patch({"limits": {"hugepages-2Mi": "2Mi"}}).stderr
    assert patch({"requests": {"cpu": "90"}, "limits": {"cpu": "90"}}).returncode == 0
    waits = lambda: [c for c in cluster.get("-n", ns, "pod", "p")["status"]["conditions"] if c["type"] == "PodResizePending"]  # noqa: E731
    assert eventually(lambda: waits() and waits()[0]["reason"] == "Infeasible", timeout=WAIT), waits()
