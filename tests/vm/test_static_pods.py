# SPDX-License-Identifier: Apache-2.0
"""Pods out of files on the node: they run, are seen in the API, change with their file and go with it."""

import json

from support.node import eventually

WAIT = 120
PODS = "/api/v1/namespaces/default/pods"


def manifest(said, name="static", **more):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", f"echo {said}; sleep 1000"]}
    spec = {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": [container], **more}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def put(node, name, text):
    node.ssh(f"cat >/state/manifests/.{name}; mv /state/manifests/.{name} /state/manifests/{name}", input=text)


def seen(cluster, name):
    status, body = cluster.raw("GET", f"{PODS}/{name}")[:2]
    return (body if isinstance(body, dict) else json.loads(body)) if status == 200 else None


def runs(cluster, name, but=()):
    """The mirror when it is Running, and another one than before."""
    pod = seen(cluster, name)
    return pod if pod and pod["metadata"]["uid"] not in but and pod.get("status", {}).get("phase") == "Running" else None


def test_a_file_is_a_pod(cluster_node, cluster):
    node = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    name = f"static-{node}"
    logs = lambda: cluster.kubectl("logs", name, check=False).stdout.strip()  # noqa: E731
    try:
        put(cluster_node, "static.json", manifest("first"))
        first = eventually(lambda: runs(cluster, name), timeout=WAIT)
        assert first, seen(cluster, name)
        notes = first["metadata"]["annotations"]
        assert notes["kubernetes.io/config.source"] == "file" and notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"]
        assert first["metadata"]["ownerReferences"][0]["name"] == node
        assert eventually(lambda: logs() == "first", timeout=30)
        # Who deletes the mirror gets another one; the pod does not notice.
        started = first["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
        cluster.kubectl("delete", "pod", name, "--wait=false")
        second = eventually(lambda: runs(cluster, name, [first["metadata"]["uid"]]), timeout=WAIT)
        assert second and second["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] == started
        # A file that is wrong is said, and changes nothing.
        put(cluster_node, "static.json", manifest("wrong", serviceAccountName="default"))
        told = lambda: [e["message"] for e in cluster.ask("GET", "/api/v1/namespaces/default/events?fieldSelector=reason%3DInvalidStaticPod")["items"]]  # noqa: E731
        assert eventually(lambda: "/state/manifests/static.json: a static pod cannot have serviceAccountName" in told(), timeout=WAIT), told()
        assert runs(cluster, name)["metadata"]["uid"] == second["metadata"]["uid"]
        put(cluster_node, "static.json", manifest("third"))
        uids = [first["metadata"]["uid"], second["metadata"]["uid"]]
        assert eventually(lambda: runs(cluster, name, uids), timeout=WAIT), seen(cluster, name)
        assert eventually(lambda: logs() == "third", timeout=30)
    finally:
        cluster_node.ssh("rm -f /state/manifests/static.json")
    assert eventually(lambda: seen(cluster, name) is None, timeout=WAIT), seen(cluster, name)


def test_without_the_api(cluster_node, cluster):
    """A file is a pod while no API server runs, which is seen to when its process ends; the API hears of it later."""
    node = cluster.ask("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    name = f"alone-{node}"
    words = ["ps", "--filter", f"label=io.kubernetes.pod.name={name}", "--format", "{{.ID}}", "--no-trunc"]
    ran = lambda: cluster_node.docker(*words).stdout.split()  # noqa: E731
    pid = lambda of: cluster_node.docker("inspect", "-f", "{{.State.Pid}}", of).stdout.strip()  # noqa: E731
    try:
        cluster_node.ssh("wherryctl stop cluster")
        try:
            over = lambda: cluster_node.ssh("pidof -s cluster", check=False).returncode == 1  # noqa: E731
            assert eventually(over, timeout=60)  # it is told to stop, and closes its store
            put(cluster_node, "alone.json", manifest("alone", name="alone"))
            first = eventually(ran, timeout=WAIT)
            assert first, cluster_node.ssh("wherryctl logs agent | tail -20")
            cluster_node.ssh(f"kill -9 {pid(first[0])}")
            second = eventually(lambda: [c for c in ran() if c not in first], timeout=WAIT)
            assert second, cluster_node.ssh("wherryctl logs agent | tail -20")
            assert over()
        finally:
            cluster_node.ssh("wherryctl start cluster")
        assert eventually(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", timeout=WAIT)
        pod = eventually(lambda: runs(cluster, name), timeout=WAIT)
        assert pod, seen(cluster, name)
        told = lambda: seen(cluster, name)["status"]["containerStatuses"][0]  # noqa: E731
        assert told()["containerID"].endswith(second[0]) and told()["restartCount"] == 1, told()
        assert told()["lastState"]["terminated"]["exitCode"] == 137 and told()["lastState"]["terminated"]["containerID"].endswith(first[0])
        assert ran() == second
        ready = lambda: {c["type"]: c["status"] for c in cluster.get("node", node)["status"]["conditions"]}["Ready"] == "True"  # noqa: E731
        assert eventually(ready, timeout=WAIT), "the node is not ready"
    finally:
        cluster_node.ssh("rm -f /state/manifests/alone.json")
    assert eventually(lambda: seen(cluster, name) is None and not ran(), timeout=WAIT), seen(cluster, name)
