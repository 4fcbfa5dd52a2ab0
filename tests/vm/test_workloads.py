# SPDX-License-Identifier: Apache-2.0
"""What workloads and their services may say beside what upstream's conformance asks of them."""

import json

from support.node import eventually


def container(*command, **more):
    return {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": list(command), **more}


def apply(cluster, ns, *objects):
    cluster.kubectl("-n", ns, "apply", "-f", "-", input="\n".join(map(json.dumps, objects)))


def test_ordinals_begin_elsewhere(cluster, ns):
    """spec.ordinals.start of a StatefulSet: its pods are numbered from there, and move when it does. They are gated: no container runs."""
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"schedulingGates": [{"name": "example.com/wait"}], "containers": [container("true")]}}
    apply(cluster, ns, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w"}, "spec": {
        "replicas": 2, "serviceName": "w", "podManagementPolicy": "Parallel", "ordinals": {"start": 5},
        "selector": {"matchLabels": {"app": "w"}}, "template": template}})  # fmt: skip

    def pods():
        """{name: its index}, of those that stay"""
        found = cluster.ask("GET", f"/api/v1/namespaces/{ns}/pods")["items"]
        return {p["metadata"]["name"]: p["metadata"]["labels"]["apps.kubernetes.io/pod-index"] for p in found if "deletionTimestamp" not in p["metadata"]}

    def become(*names):
        wanted = {name: name.partition("-")[2] for name in names}
        assert eventually(lambda: pods() == wanted, timeout=60), (pods(), wanted)

    def patch(**spec):
        cluster.kubectl("-n", ns, "patch", "statefulset", "w", "--type=merge", "-p", json.dumps({"spec": spec}))

    become("w-5", "w-6")
    patch(replicas=3)
    become("w-5", "w-6", "w-7")
    patch(replicas=1)
    become("w-5")
    patch(ordinals={"start": 4}, replicas=2)
    become("w-4", "w-5")
    patch(ordinals=None)
    become("w-0", "w-1")


def test_addresses_of_pods_that_are_not_ready(cluster, ns):
    """publishNotReadyAddresses: members of a group find each other before they can be ready. Another service waits until they are."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "group"}}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [
            container("sleep", "100000", readinessProbe={"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1})]}}  # fmt: skip
    services = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "clusterIP": "None", "selector": {"app": "group"}, "ports": [{"port": 80}], "publishNotReadyAddresses": early}}
        for name, early in (("early", True), ("late", False))]  # fmt: skip
    apply(cluster, ns, pod, *services)
    running = lambda: cluster.get("-n", ns, "pod", "p")["status"]  # noqa: E731
    assert eventually(lambda: running()["phase"] == "Running" and running().get("podIP"), timeout=150, every=1), running()
    address = running()["podIP"]

    def endpoints(name):
        """(ready addresses, others, what slices say of being ready)"""
        status, found, _ = cluster.raw("GET", f"/api/v1/namespaces/{ns}/endpoints/{name}")
        subsets = found.get("subsets") or [] if status == 200 else []
        slices = cluster.ask("GET", f"/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{name}")["items"]
        lists = ([a["ip"] for s in subsets for a in s.get(kind) or []] for kind in ("addresses", "notReadyAddresses"))
        return (*lists, [e["conditions"]["ready"] for s in slices for e in s["endpoints"] or []])

    def become(name, *wanted):
        assert eventually(lambda: endpoints(name) == wanted, timeout=60), (endpoints(name), wanted)

    def resolves(name):
        said = cluster.kubectl("-n", ns, "exec", "p", "--", "nslookup", "-type=a", f"{name}.{ns}.svc.cluster.local", check=False).stdout
        return address in said

    become("early", [address], [], [True])
    become("late", [], [address], [False])
    assert eventually(lambda: resolves("early"), timeout=60, every=1)
    assert not resolves("late")
    cluster.kubectl("-n", ns, "exec", "p", "--", "touch", "/tmp/ready")
    become("late", [address], [], [True])
    assert eventually(lambda: resolves("late"), timeout=60, every=1)
