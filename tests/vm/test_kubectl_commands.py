# SPDX-License-Identifier: Apache-2.0
"""Unmodified kubectl: the commands that no other scenario needs, each with its main options. (conformance/test_conformance_kubectl.py has
those of upstream's tests, test_kubectl.py what shows the manners of the API, test_pod_streams.py what talks with a pod.)"""

import base64
import json
import re
import subprocess
import urllib.request

import pytest

from support.node import eventually


@pytest.fixture
def kubectl(cluster, ns):
    """Words in the test's namespace; what is printed."""
    return lambda *words, **options: cluster.kubectl("-n", ns, *words, **options).stdout


def deployment(cluster, ns, name, replicas):
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}
    cluster.kubectl("-n", ns, "create", "-f", "-", input=json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}}))  # fmt: skip


def test_create(cluster, ns, kubectl, tmp_path):
    """What has a generator of its own."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=a.example",
                    "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)  # fmt: skip
    (tmp_path / "env").write_text("A=1\nB=2\n")
    kubectl("create", "secret", "tls", "t", "--cert", tmp_path / "crt", "--key", tmp_path / "key")
    kubectl("create", "secret", "docker-registry", "d", "--docker-server=r.example", "--docker-username=u", "--docker-password=p")
    kubectl("create", "secret", "generic", "g", f"--from-env-file={tmp_path / 'env'}", "--type=example.org/mine")
    kubectl("create", "configmap", "c", f"--from-file=named={tmp_path / 'env'}", "--append-hash")
    types = {s["metadata"]["name"]: (s["type"], sorted(s["data"])) for s in cluster.get("-n", ns, "secrets")["items"]}
    assert types == {"t": ("kubernetes.io/tls", ["tls.crt", "tls.key"]), "d": ("kubernetes.io/dockerconfigjson", [".dockerconfigjson"]),
                     "g": ("example.org/mine", ["A", "B"])}  # fmt: skip
    assert [c["data"] for c in cluster.get("-n", ns, "configmaps")["items"] if c["metadata"]["name"].startswith("c-")] == [{"named": "A=1\nB=2\n"}]

    kubectl("create", "service", "externalname", "e", "--external-name=a.example")
    kubectl("create", "service", "clusterip", "h", "--clusterip=None", "--tcp=80")
    kubectl("create", "service", "loadbalancer", "l", "--tcp=80:8080")
    services = {s["metadata"]["name"]: s["spec"] for s in cluster.get("-n", ns, "services")["items"]}
    assert services["e"]["externalName"] == "a.example" and services["h"]["clusterIP"] == "None" and services["l"]["ports"][0]["nodePort"]

    kubectl("create", "role", "r", "--verb=get,watch", "--resource=pods,pods/log,deployments.apps", "--resource-name=one")
    rules = cluster.get("-n", ns, "role", "r")["rules"]
    assert sorted((r["apiGroups"], r["resources"]) for r in rules) == [([""], ["pods", "pods/log"]), (["apps"], ["deployments"])]
    assert all(r["verbs"] == ["get", "watch"] and r["resourceNames"] == ["one"] for r in rules)
    for words, kind in (
        (("clusterrole", ns, "--verb=get", "--non-resource-url=/logs/*"), "clusterrole"),
        (("clusterrolebinding", ns, "--clusterrole=" + ns, f"--serviceaccount={ns}:default"), "clusterrolebinding"),
        (("priorityclass", ns, "--value=1000", "--description=of a test", "--preemption-policy=Never"), "priorityclass"),
    ):
        kubectl("create", *words)
        made = cluster.get(kind, ns)
        assert "deleted" in kubectl("delete", kind, ns)
        assert made["metadata"]["name"] == ns
    assert made["value"] == 1000 and made["preemptionPolicy"] == "Never"


def test_rollout(cluster, ns, kubectl):
    deployment(cluster, ns, "d", 1)
    kubectl("annotate", "deployment", "d", "kubernetes.io/change-cause=the first")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/d", "--timeout=180s", timeout=200)
    kubectl("set", "env", "deployment/d", "A=b")
    kubectl("annotate", "--overwrite", "deployment", "d", "kubernetes.io/change-cause=an environment")
    listed = lambda: [line.split(None, 1) for line in kubectl("rollout", "history", "deployment/d").splitlines() if line[:1].isdigit()]  # noqa: E731
    assert eventually(lambda: listed() == [["1", "the first"], ["2", "an environment"]], timeout=60), listed()
    assert "A:\tb" in kubectl("rollout", "history", "deployment/d", "--revision=2")

    kubectl("rollout", "pause", "deployment/d")
    assert "can't restart paused deployment" in cluster.kubectl("-n", ns, "rollout", "restart", "deployment/d", check=False).stderr
    kubectl("set", "env", "deployment/d", "A-", "C=d")
    at = cluster.get("-n", ns, "deployment", "d")["metadata"]["generation"]
    assert eventually(lambda: cluster.get("-n", ns, "deployment", "d")["status"]["observedGeneration"] == at, timeout=60)
    assert len(listed()) == 2, "nothing is rolled out while it is paused"
    kubectl("rollout", "resume", "deployment/d")
    assert eventually(lambda: len(listed()) == 3, timeout=60), listed()
    kubectl("rollout", "restart", "deployment/d")
    assert eventually(lambda: len(listed()) == 4, timeout=60), listed()
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/d", "--timeout=180s", timeout=200)
    template = cluster.get("-n", ns, "deployment", "d")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    kubectl("rollout", "undo", "deployment/d", "--to-revision=1")
    assert "env" not in cluster.get("-n", ns, "deployment", "d")["spec"]["template"]["spec"]["containers"][0]
    assert eventually(lambda: [n for n, _ in listed()] == ["2", "3", "4", "5"], timeout=60), listed()
    unknown = cluster.kubectl("-n", ns, "rollout", "undo", "deployment/d", "--to-revision=77", check=False)
    assert unknown.returncode == 1 and "unable to find specified revision 77" in unknown.stderr
    wrong = cluster.kubectl("-n", ns, "scale", "deployment/d", "--current-replicas=5", "--replicas=2", check=False)
    assert wrong.returncode == 1 and "Expected replicas to be 5, was 1" in wrong.stderr


def test_get(cluster, ns, kubectl):
    """The ways to print, to choose and to wait."""
    for name, tier in (("b", "front"), ("a", "back"), ("c", "front")):
        kubectl("create", "configmap", name, f"--from-literal=k={name}")
        kubectl("label", "configmap", name, f"tier={tier}")
    mine = ("get", "configmap", "-l", "tier")
    assert kubectl(*mine, "-o", "name").split() == ["configmap/a", "configmap/b", "configmap/c"]
    assert kubectl(*mine, "-o", "jsonpath={.items[*].data.k}") == "a b c"
    assert kubectl(*mine, "-o", "go-template={{range .items}}{{.metadata.labels.tier}} {{end}}") == "back front front "
    columns = kubectl(*mine, "-o", "custom-columns=NAME:.metadata.name,TIER:.metadata.labels.tier", "--sort-by=.metadata.labels.tier")
    assert [line.split() for line in columns.splitlines()][:2] == [["NAME", "TIER"], ["a", "back"]]
    table = kubectl(*mine, "-L", "tier", "--show-labels").splitlines()
    assert table[0].split() == ["NAME", "DATA", "AGE", "TIER", "LABELS"] and table[1].split()[-1] == "tier=back"
    assert "data:\n  k: a\n" in kubectl("get", "configmap", "a", "-o", "yaml")
    assert kubectl(*mine, "--field-selector=metadata.name!=a", "--no-headers", "--chunk-size=1").count("\n") == 2
    assert ns in kubectl("get", "configmaps", "-A", "-l", "tier=back")
    assert "No resources found" in cluster.kubectl("-n", ns, "get", "pods").stderr
    assert kubectl("get", "configmap", "nobody", "--ignore-not-found") == ""
    assert kubectl("get", "configmap,secret", "a", "--ignore-not-found", "-o", "name").split() == ["configmap/a"]
    assert {"NAME", "STATUS", "INTERNAL-IP", "CONTAINER-RUNTIME"} <= set(kubectl("get", "nodes", "-o", "wide").splitlines()[0].split())

    kubectl("wait", "configmap/a", "--for=jsonpath={.data.k}=a", "--timeout=30s")
    late = cluster.kubectl("-n", ns, "wait", "configmap/a", "--for=jsonpath={.data.k}=b", "--timeout=1s", check=False)
    assert late.returncode == 1 and "timed out" in late.stderr
    words = [*cluster.words, "--kubeconfig", str(cluster.config), "-n", ns]
    gone = subprocess.Popen([*words, "wait", "configmap/a", "--for=delete", "--timeout=60s"], stdout=subprocess.PIPE, text=True)
    seen = subprocess.Popen([*words, "get", "configmaps", "-l", "tier=back", "--watch", "--output-watch-events", "--no-headers"],
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert seen.stdout.readline().split()[:2] == ["ADDED", "a"]
        kubectl("delete", "configmap", "-l", "tier=back")
        assert seen.stdout.readline().split()[:2] == ["DELETED", "a"]
        assert gone.wait(60) == 0
    finally:
        seen.kill()
        gone.kill()
        seen.wait()


def test_change(cluster, ns, kubectl):
    """Labels and annotations, replacing, what was applied last, and deleting."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    kubectl("apply", "-f", "-", input=json.dumps(config))
    kubectl("label", "configmap", "a", "tier=front", "zone=b")
    assert "already has a value" in cluster.kubectl("-n", ns, "label", "configmap", "a", "tier=back", check=False).stderr
    kubectl("label", "--overwrite", "configmap", "a", "tier=back", "zone-")
    kubectl("annotate", "configmap", "a", "note=one")
    kubectl("annotate", "configmap", "a", "note-")
    made = cluster.get("-n", ns, "configmap", "a")["metadata"]
    assert made["labels"] == {"tier": "back"} and "note" not in made["annotations"]

    assert json.loads(kubectl("apply", "view-last-applied", "configmap/a", "-o", "json"))["data"] == {"k": "1"}
    kubectl("apply", "set-last-applied", "-f", "-", input=json.dumps({**config, "data": {"k": "2"}}))
    assert json.loads(kubectl("apply", "view-last-applied", "configmap/a", "-o", "json"))["data"] == {"k": "2"}
    changed = cluster.kubectl("-n", ns, "diff", "-f", "-", input=json.dumps({**config, "data": {"k": "3"}}), check=False)
    assert changed.returncode == 1 and "+  k: \"3\"" in changed.stdout and "-  k: \"1\"" in changed.stdout

    uid = cluster.get("-n", ns, "configmap", "a")["metadata"]["uid"]
    kubectl("replace", "-f", "-", input=json.dumps({**config, "data": {"r": "1"}}))
    after = cluster.get("-n", ns, "configmap", "a")
    assert after["data"] == {"r": "1"} and after["metadata"]["uid"] == uid and "labels" not in after["metadata"]
    kubectl("replace", "--force", "-f", "-", input=json.dumps(config))
    assert cluster.get("-n", ns, "configmap", "a")["metadata"]["uid"] != uid

    sets = lambda: cluster.get("-n", ns, "replicasets")["items"]  # noqa: E731
    deployment(cluster, ns, "d", 1)
    assert eventually(sets, timeout=60)
    kubectl("delete", "deployment", "d", "--cascade=orphan")
    assert sets()
    pods = lambda: cluster.get("-n", ns, "pods")["items"]  # noqa: E731
    assert eventually(pods, timeout=60)
    kubectl("delete", "replicaset", "--all", "--cascade=foreground", "--timeout=120s", timeout=150)
    assert not pods()
    kubectl("run", "p", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--restart=Never", "--command", "--", "sleep", "1000")
    kubectl("delete", "pod", "p", "--grace-period=0", "--force")
    assert eventually(lambda: not pods(), timeout=60)
    refused = cluster.kubectl("-n", ns, "delete", "configmap", "nobody", check=False)
    assert refused.returncode == 1 and 'configmaps "nobody" not found' in refused.stderr
    kubectl("delete", "configmap", "nobody", "--ignore-not-found")


def test_cluster(cluster, ns, kubectl, tmp_path):
    """What is about the whole: nodes, rights, requests for certificates, a dump."""
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    kubectl("taint", "node", node, "example.org/test=1:PreferNoSchedule")
    assert {"key": "example.org/test", "value": "1", "effect": "PreferNoSchedule"} in cluster.get("node", node)["spec"]["taints"]
    kubectl("taint", "node", node, "example.org/test:PreferNoSchedule-")
    assert not any(t["key"] == "example.org/test" for t in cluster.get("node", node)["spec"].get("taints", []))
    try:
        kubectl("cordon", node)
        assert "SchedulingDisabled" in kubectl("get", "node", node)
    finally:
        kubectl("uncordon", node)

    assert {"v1", "apps/v1", "batch/v1", "autoscaling/v2"} <= set(kubectl("api-versions").split())
    assert f"127.0.0.1:{cluster.node.env['WHERRY_TCP_6443']}" in kubectl("cluster-info")
    kubectl("cluster-info", "dump", "--namespaces", ns, "--output-directory", tmp_path / "dump")
    assert node in (tmp_path / "dump" / "nodes.json").read_text() and (tmp_path / "dump" / ns / "pods.json").exists()

    rule = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": ns}, "rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}  # fmt: skip
    assert "reconciled" in kubectl("auth", "reconcile", "-f", "-", input=json.dumps(rule))
    rule["rules"][0]["verbs"] = ["list"]
    kubectl("auth", "reconcile", "-f", "-", input=json.dumps(rule))
    verbs = {v for r in cluster.get("-n", ns, "role", "r")["rules"] for v in r["verbs"]}
    assert verbs == {"get", "list"}, "what is there already stays"
    kubectl("create", "rolebinding", "b", "--role=r", "--user=ann")
    may = [line.split()[0] for line in kubectl("auth", "can-i", "--list", "--as=ann").splitlines() if "list" in line]
    assert "pods" in may

    key, request = tmp_path / "key", tmp_path / "csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                    request, "-subj", "/CN=bob"], check=True, capture_output=True)  # fmt: skip
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": ns},
            "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
                     "request": base64.b64encode(request.read_bytes()).decode()}}  # fmt: skip
    kubectl("create", "-f", "-", input=json.dumps(body))
    kubectl("certificate", "deny", ns)
    assert "Denied" in kubectl("get", "csr", ns)
    kubectl("delete", "csr", ns)

    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning", "reason": "Leak", "message": "water comes in",
             "involvedObject": {"kind": "ConfigMap", "apiVersion": "v1", "name": "hull", "namespace": ns}}  # fmt: skip
    kubectl("create", "-f", "-", input=json.dumps(event))
    assert "water comes in" in kubectl("events", "--types=Warning", "--for=configmap/hull")
    assert "water comes in" not in kubectl("events", "--types=Normal")


def test_every_day(cluster, ns, kubectl, tmp_path):
    """A workload from a folder of YAML, followed while it comes, and reached by its name instead of its pods'."""
    words = [*cluster.words, "--kubeconfig", str(cluster.config), "-n", ns]
    begin = lambda *more: subprocess.Popen([*words, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cluster.node.docker_env())  # noqa: E731
    container = {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent",
                 "command": ["sh", "-c", "hostname; hostname >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"]}  # fmt: skip
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    web = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w"}, "spec": {
        "replicas": 2, "serviceName": "w", "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"app": "w"}}, "template": template}}  # fmt: skip
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/web.json").write_text(json.dumps(web))
    (tmp_path / "service.yaml").write_text(kubectl("create", "service", "clusterip", "w", "--tcp=80:8080", "--dry-run=client", "-o", "yaml"))
    watching = begin("get", "statefulset", "w", "--watch", "--no-headers", "--ignore-not-found")
    waiting = begin("wait", "statefulset/w", "--for=create", "--timeout=60s")
    kubectl("apply", "--recursive", "-f", tmp_path)
    assert waiting.wait(90) == 0, waiting.stdout.read()
    for line in watching.stdout:
        if line.split()[:2] == ["w", "2/2"]:
            break
    watching.terminate()
    watching.wait(30)
    assert "roll out complete" in kubectl("rollout", "status", "statefulset/w", "--timeout=60s")
    everything = kubectl("get", "all", "-o", "name").split()
    assert {"pod/w-0", "pod/w-1", "service/w", "statefulset.apps/w"} <= set(everything), everything
    logs = lambda: sorted(kubectl("logs", "-l", "app=w", "--prefix", "--all-containers", "--tail=1").splitlines())  # noqa: E731
    assert eventually(lambda: logs() == [f"[pod/w-{i}/c] w-{i}" for i in range(2)]), logs()
    assert kubectl("logs", "statefulset/w").splitlines()[-1] in ("w-0", "w-1")
    assert kubectl("exec", "statefulset/w", "--", "hostname").strip() in ("w-0", "w-1")
    forward = begin("port-forward", "service/w", ":80")
    try:
        port = re.search(r"127.0.0.1:(\d+) -> 8080", forward.stdout.readline()).group(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as reply:
            assert reply.read().decode().strip() in ("w-0", "w-1")
    finally:
        forward.terminate()
        forward.wait(30)
    assert "Started container c" in kubectl("get", "events", "--sort-by=.lastTimestamp") or "Started" in kubectl("events")
    order = kubectl("get", "pods", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert sorted(order) == ["w-0", "w-1"]
    kubectl("set", "env", "statefulset/w", "A=b")
    kubectl("rollout", "status", "statefulset/w", "--timeout=120s", timeout=150)
    assert re.findall(r"(?m)^\d+", kubectl("rollout", "history", "statefulset/w")) == ["1", "2"]
    kubectl("rollout", "undo", "statefulset/w")
    going = begin("wait", "pod", "-l", "app=w", "--for=delete", "--timeout=90s")
    kubectl("delete", "--recursive", "-f", tmp_path)
    assert going.wait(120) == 0, going.stdout.read()
    said = kubectl("run", "once", "-i", "--rm", "--image=wherry/hello", "--image-pull-policy=IfNotPresent", "--restart=Never", "--", "sh", "-c", "cat; echo done",
                   input="typed\n")  # fmt: skip
    assert "typed\ndone\n" in said and 'pod "once" deleted' in said, said


def test_apply_sets(cluster, ns, kubectl, monkeypatch):
    """What was applied before by the same set, and is no part of it any more, goes."""
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    maps = lambda *names: json.dumps({"apiVersion": "v1", "kind": "List", "items": [{  # noqa: E731
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in names]})  # fmt: skip
    there = lambda: sorted(n for n in kubectl("get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}").split() if n in "abc")  # noqa: E731
    for names in ("ab", "bc"):
        kubectl("apply", "--prune", "--applyset=mine", "-f", "-", input=maps(*names))
        assert there() == list(names)
