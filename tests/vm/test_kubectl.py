# SPDX-License-Identifier: Apache-2.0
"""Unmodified kubectl against a booted node: the verbs and manners of the API, object by object."""

import base64
import gzip
import json
import subprocess
import threading

from support.cluster import Cluster
from support.node import eventually

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: wherry/hello
        ports: [{containerPort: 80}]
"""


def test_version(cluster):
    out = json.loads(cluster.kubectl("version", "-o", "json").stdout)
    assert out["serverVersion"]["major"] == "1" and out["serverVersion"]["minor"] == "36"


def test_api_resources(cluster):
    out = cluster.kubectl("api-resources", "--no-headers").stdout
    for word in ("configmaps", "deployments", "clusterroles", "endpointslices", "leases"):
        assert word in out


def test_who_am_i_and_can_i(cluster):
    assert "system:masters" in cluster.kubectl("auth", "whoami").stdout
    assert cluster.kubectl("auth", "can-i", "delete", "nodes").stdout.strip() == "yes"
    no = cluster.kubectl("auth", "can-i", "delete", "nodes", "--as", "somebody", check=False)
    assert no.stdout.strip() == "no"
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
              "spec": {"user": "jane", "groups": ["system:authenticated"], "nonResourceAttributes": {"path": "/apis", "verb": "get"}}}  # fmt: skip
    said = cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, expect=201)["status"]
    assert said == {"allowed": True, "reason": 'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" '
                                               'to Group "system:authenticated"'}, said  # fmt: skip


def test_a_configmap_through_its_life(cluster, ns):
    cluster.kubectl("-n", ns, "create", "configmap", "a", "--from-literal=x=1")
    assert cluster.get("-n", ns, "configmap", "a")["data"] == {"x": "1"}
    cluster.kubectl("-n", ns, "label", "configmap", "a", "tier=front")
    cluster.kubectl("-n", ns, "annotate", "configmap", "a", "note=hello")
    cluster.kubectl("-n", ns, "patch", "configmap", "a", "-p", '{"data":{"y":"2"}}')
    cluster.kubectl("-n", ns, "patch", "configmap", "a", "--type=json", "-p", '[{"op":"remove","path":"/data/x"}]')
    a = cluster.get("-n", ns, "configmap", "a")
    assert a["data"] == {"y": "2"}
    assert a["metadata"]["labels"] == {"tier": "front"} and a["metadata"]["annotations"]["note"] == "hello"
    assert len(cluster.get("-n", ns, "configmap", "-l", "tier=front")["items"]) == 1
    assert not cluster.get("-n", ns, "configmap", "-l", "tier!=front,tier")["items"]
    cluster.kubectl("-n", ns, "delete", "configmap", "a")
    gone = cluster.kubectl("-n", ns, "get", "configmap", "a", check=False)
    assert 'configmaps "a" not found' in gone.stderr


def test_apply_twice_and_change(cluster, ns):
    assert "created" in cluster.kubectl("-n", ns, "apply", "-f", "-", input=WEB).stdout
    assert "unchanged" in cluster.kubectl("-n", ns, "apply", "-f", "-", input=WEB).stdout
    before = cluster.get("-n", ns, "deployment", "web")
    changed = WEB.replace("replicas: 2", "replicas: 3")
    assert "configured" in cluster.kubectl("-n", ns, "apply", "-f", "-", input=changed).stdout
    after = cluster.get("-n", ns, "deployment", "web")
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    cluster.kubectl("-n", ns, "scale", "deployment", "web", "--replicas=1")
    assert cluster.get("-n", ns, "deployment", "web")["spec"]["replicas"] == 1


def test_a_list_is_applied(cluster, ns):
    """What `kubectl get -o json` gives can be applied again: the items of a List are looked up in OpenAPI v2."""
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}, "data": {"k": n}} for n in ("one", "two")]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = cluster.kubectl("-n", ns, "apply", "-f", "-", input=text)
    assert done.stdout.split("\n")[:2] == ["configmap/one created", "configmap/two created"]
    unknown = text.replace('"kind": "ConfigMap"', '"kind": "NoSuch"', 1)
    assert "NoSuch" in cluster.kubectl("-n", ns, "apply", "-f", "-", input=unknown, check=False).stderr
    names = cluster.ask("GET", "/openapi/v2")["definitions"]
    assert "apps.v1.Deployment" in names and "v1.Pod" in names


def test_bodies_in_protobuf(cluster, ns):
    """kubectl's own generators send protobuf, with every tag it knows."""
    cluster.kubectl("-n", ns, "create", "deployment", "d", "--image=wherry/hello", "--replicas=2", "--port=80")
    spec = cluster.get("-n", ns, "deployment", "d")["spec"]
    assert spec["replicas"] == 2
    containers = spec["template"]["spec"]["containers"]
    assert [c["image"] for c in containers] == ["wherry/hello"] and containers[0]["ports"][0]["containerPort"] == 80
    cluster.kubectl("-n", ns, "create", "job", "j", "--image=wherry/hello", "--", "true")
    cluster.kubectl("-n", ns, "create", "cronjob", "c", "--image=wherry/hello", "--schedule=* * * * *")
    cluster.kubectl("-n", ns, "create", "ingress", "i", "--rule=example.org/=s:80")
    cluster.kubectl("-n", ns, "create", "poddisruptionbudget", "p", "--selector=a=b", "--min-available=1")
    cluster.kubectl("-n", ns, "create", "quota", "q", "--hard=pods=30")
    cluster.kubectl("-n", ns, "autoscale", "deployment", "d", "--max=3")
    assert cluster.get("-n", ns, "horizontalpodautoscaler", "d")["spec"]["maxReplicas"] == 3


def test_server_side_apply_conflicts(cluster, ns):
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: one}\n"
    cluster.kubectl("-n", ns, "apply", "--server-side", "--field-manager=a", "-f", "-", input=one)
    other = cluster.kubectl("-n", ns, "apply", "--server-side", "--field-manager=b", "-f", "-", input=one.replace("one", "two"), check=False)
    assert other.returncode != 0 and "conflict" in other.stderr
    cluster.kubectl("-n", ns, "apply", "--server-side", "--field-manager=b", "--force-conflicts", "-f", "-", input=one.replace("one", "two"))
    assert cluster.get("-n", ns, "configmap", "c")["data"]["k"] == "two"


def test_from_one_apply_to_the_other(cluster, ns, tmp_path):
    """What was applied on the client's side goes on on the server's, and kustomize builds another."""
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=WEB)
    for _ in range(2):
        done = cluster.kubectl("-n", ns, "apply", "--server-side", "-f", "-", input=WEB)
        assert "serverside-applied" in done.stdout and "Warning" not in done.stderr, done.stderr
    assert cluster.get("-n", ns, "deployment", "web")["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\nnamePrefix: my-\nreplicas: [{name: web, count: 1}]\n")
    cluster.kubectl("-n", ns, "apply", "-k", tmp_path)
    assert cluster.get("-n", ns, "deployment", "my-web")["spec"]["replicas"] == 1


def test_drain(cluster, ns):
    """A node is cordoned, what may go is evicted, and the node is there again for who comes. What goes so has not failed."""
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    sleeps = {"labels": {"drain": "me"}}, {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
        {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}]}  # fmt: skip
    job = f"/apis/batch/v1/namespaces/{ns}/jobs"
    ignore = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    cluster.ask("POST", job, {"metadata": {"name": "j"}, "spec": {"backoffLimit": 0, "podFailurePolicy": ignore, "template": {
        "metadata": sleeps[0], "spec": sleeps[1]}}}, expect=201)  # fmt: skip
    runs = lambda: [p for p in cluster.get("-n", ns, "pods", "-l", "job-name=j")["items"] if p["status"]["phase"] == "Running"]  # noqa: E731
    assert eventually(runs, timeout=150, every=1)
    first = runs()[0]["metadata"]["name"]
    cluster.kubectl("-n", ns, "run", "p", "--image=wherry/hello", "--labels=drain=me", "--overrides", json.dumps({"spec": {
        "nodeName": node, "containers": [{"name": "p", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}],
        "terminationGracePeriodSeconds": 1}}))  # fmt: skip
    try:
        cluster.kubectl("drain", node, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=drain=me", "--timeout=90s")
        assert cluster.get("node", node)["spec"]["unschedulable"] is True
        assert cluster.kubectl("-n", ns, "get", "pod", "p", check=False).returncode != 0
    finally:
        cluster.kubectl("uncordon", node)
    assert eventually(lambda: [p for p in runs() if p["metadata"]["name"] != first], timeout=150, every=1), cluster.ask("GET", f"{job}/j")["status"]
    assert "failed" not in cluster.ask("GET", f"{job}/j")["status"]
    assert "unschedulable" not in cluster.get("node", node)["spec"]


def test_edit_and_set(cluster, ns, tmp_path, monkeypatch):
    """What changes an object in place: an editor, and the words after `set`."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nexec sed -i 's/one/two/' \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("KUBE_EDITOR", str(editor))
    cluster.kubectl("-n", ns, "create", "configmap", "a", "--from-literal=k=one")
    assert "edited" in cluster.kubectl("-n", ns, "edit", "configmap", "a").stdout
    assert cluster.get("-n", ns, "configmap", "a")["data"] == {"k": "two"}
    done = cluster.kubectl("-n", ns, "edit", "configmap", "a")  # the editor changes nothing
    assert "no changes made" in done.stdout + done.stderr
    cluster.kubectl("-n", ns, "create", "serviceaccount", "robot")
    cluster.kubectl("-n", ns, "create", "rolebinding", "b", "--clusterrole=view", "--user=ann")
    cluster.kubectl("-n", ns, "set", "subject", "rolebinding", "b", f"--serviceaccount={ns}:robot", "--group=staff")
    subjects = cluster.get("-n", ns, "rolebinding", "b")["subjects"]
    assert sorted((s["kind"], s["name"]) for s in subjects) == [("Group", "staff"), ("ServiceAccount", "robot"), ("User", "ann")]
    cluster.kubectl("-n", ns, "create", "service", "clusterip", "s", "--tcp=80:80")
    cluster.kubectl("-n", ns, "set", "selector", "service", "s", "app=other,tier=front")
    assert cluster.get("-n", ns, "service", "s")["spec"]["selector"] == {"app": "other", "tier": "front"}
    cluster.kubectl("-n", ns, "create", "deployment", "d", "--image=wherry/hello", "--replicas=0")
    cluster.kubectl("-n", ns, "set", "image", "deployment/d", "hello=wherry/hello:2")
    cluster.kubectl("-n", ns, "set", "env", "deployment/d", "A=b")
    cluster.kubectl("-n", ns, "set", "resources", "deployment/d", "--limits=cpu=100m")
    cluster.kubectl("-n", ns, "set", "serviceaccount", "deployment/d", "robot")
    spec = cluster.get("-n", ns, "deployment", "d")["spec"]["template"]["spec"]
    made = spec["containers"][0]
    assert made["image"] == "wherry/hello:2" and made["env"] == [{"name": "A", "value": "b"}] and spec["serviceAccountName"] == "robot"
    assert made["resources"]["limits"] == {"cpu": "100m"}


def test_apply_prunes(cluster, ns):
    """What was applied before and is in no file any more goes; what somebody else made stays."""
    made = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n, "labels": {"set": "mine"}}} for n in ("one", "two")]
    apply = lambda items: cluster.kubectl("-n", ns, "apply", "--prune", "-l", "set=mine", "--prune-allowlist=core/v1/ConfigMap", "-f", "-",  # noqa: E731
                                          input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items})).stdout  # fmt: skip
    apply(made)
    cluster.kubectl("-n", ns, "create", "configmap", "other")
    cluster.kubectl("-n", ns, "label", "configmap", "other", "set=mine")
    assert "configmap/two pruned" in apply(made[:1])
    names = {o["metadata"]["name"] for o in cluster.get("-n", ns, "configmap")["items"]}
    assert {"one", "other"} <= names and "two" not in names


def test_debug(cluster, ns):
    """A copy of a pod with another program beside it, and a pod that sees the node."""
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [
        {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}]}}  # fmt: skip
    cluster.kubectl("-n", ns, "apply", "-f", "-", input=json.dumps(body))
    image = ("--image=wherry/hello", "--image-pull-policy=IfNotPresent")
    cluster.kubectl("-n", ns, "debug", "p", "--copy-to=copy", "--container=look", "--share-processes", *image, "--", "sh", "-c",
                    "until pidof sleep; do sleep 1; done; exec sleep 1000")  # fmt: skip
    cluster.kubectl("-n", ns, "wait", "--for=condition=Ready", "pod/copy", "--timeout=120s", timeout=150)
    found = lambda: cluster.kubectl("-n", ns, "logs", "copy", "-c", "look").stdout  # noqa: E731
    assert eventually(lambda: found().strip().isdigit(), timeout=60), found()
    assert cluster.get("-n", ns, "pod", "copy")["spec"]["shareProcessNamespace"] is True
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    cluster.kubectl("-n", ns, "debug", f"node/{node}", *image, "--", "sh", "-c", "cat /proc/1/comm; [ -d /host/run/cluster ] && echo it sees the node")
    debugger = lambda: [p for p in cluster.get("-n", ns, "pods")["items"] if p["metadata"]["name"].startswith("node-debugger-")]  # noqa: E731
    assert eventually(lambda: [p["status"]["phase"] for p in debugger()] == ["Succeeded"], timeout=120), debugger()
    said = cluster.kubectl("-n", ns, "logs", debugger()[0]["metadata"]["name"]).stdout
    assert said == "init\nit sees the node\n"


def test_a_wrong_field_is_named(cluster, ns):
    bad = cluster.kubectl("-n", ns, "apply", "-f", "-", input=WEB.replace("replicas: 2", "replica: 2"), check=False)
    assert bad.returncode != 0 and "spec.replica" in bad.stderr


def test_dry_run_writes_nothing(cluster, ns):
    cluster.kubectl("-n", ns, "create", "configmap", "ghost", "--dry-run=server")
    assert cluster.kubectl("-n", ns, "get", "configmap", "ghost", check=False).returncode != 0


def test_explain(cluster):
    assert "replicas" in cluster.kubectl("explain", "deployment.spec").stdout
    assert "in OpenAPI v3 only" in " ".join(cluster.kubectl("explain", "pod", "--output=plaintext-openapiv2").stdout.split())


def test_services_get_addresses_of_their_own(cluster, ns):
    cluster.kubectl("-n", ns, "create", "service", "nodeport", "a", "--tcp=80:80")
    cluster.kubectl("-n", ns, "create", "service", "clusterip", "b", "--tcp=80:80")
    a, b = (cluster.get("-n", ns, "service", name)["spec"] for name in "ab")
    assert a["clusterIP"] != b["clusterIP"] and a["clusterIP"].startswith("10.")
    port = a["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    taken = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"},
             "spec": {"clusterIP": a["clusterIP"], "ports": [{"port": 80}]}}  # fmt: skip
    code, status, _ = cluster.raw("POST", f"/api/v1/namespaces/{ns}/services", taken)
    assert code == 422 and "already allocated" in status["message"]


def test_token_of_a_service_account(cluster, ns):
    cluster.kubectl("-n", ns, "create", "serviceaccount", "robot")
    token = cluster.kubectl("-n", ns, "create", "token", "robot").stdout.strip()
    path = f"/api/v1/namespaces/{ns}/configmaps"
    bearer = {"Authorization": f"Bearer {token}"}
    assert cluster.raw("GET", path, headers=bearer, client=False)[0] == 403
    cluster.kubectl("-n", ns, "create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    cluster.kubectl("-n", ns, "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={ns}:robot")
    assert cluster.raw("GET", path, headers=bearer, client=False)[0] == 200
    assert cluster.raw("POST", path, {"metadata": {"name": "x"}}, headers=bearer, client=False)[0] == 403
    cluster.kubectl("-n", ns, "delete", "serviceaccount", "robot")
    assert cluster.raw("GET", path, headers=bearer, client=False)[0] == 401


def test_a_node_joins_with_a_bootstrap_token(cluster, tmp_path):
    """Its token is good for asking for a certificate, and for little else; with that it is somebody. A wrong one is nobody's, and so is
    one that was taken back."""
    secrets, requests = "/api/v1/namespaces/kube-system/secrets", "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    who = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    def ask(method, path, body=None, token="abc123.0123456789abcdef"):
        return cluster.raw(method, path, body, headers={"Authorization": f"Bearer {token}"}, client=False)[:2]

    assert ask("POST", review, who)[0] == 401
    data = {"token-id": "abc123", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    cluster.ask("POST", secrets, {"metadata": {"name": "bootstrap-token-abc123"}, "type": "bootstrap.kubernetes.io/token", "stringData": data}, expect=201)
    try:
        status, said = ask("POST", review, who)
        assert status == 201 and said["status"]["userInfo"]["username"] == "system:bootstrap:abc123", said
        assert "system:bootstrappers" in said["status"]["userInfo"]["groups"]
        assert ask("POST", review, who, token="abc123.0123456789abcdee")[0] == 401
        assert ask("GET", secrets)[0] == 403 and ask("GET", "/api/v1/nodes")[0] == 403

        key, csr, crt = (tmp_path / name for name in ("key", "csr", "crt"))
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                        csr, "-subj", "/O=system:nodes/CN=system:node:joiner"], check=True, capture_output=True)  # fmt: skip
        body = {"metadata": {"name": "joiner"}, "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "usages": ["digital signature", "client auth"],
            "request": base64.b64encode(csr.read_bytes()).decode()}}  # fmt: skip
        status, made = ask("POST", requests, body)
        assert status == 201 and made["spec"]["username"] == "system:bootstrap:abc123", made
        signed = eventually(lambda: ask("GET", f"{requests}/joiner")[1].get("status", {}).get("certificate"), timeout=60)
        assert signed, ask("GET", f"{requests}/joiner")
        crt.write_bytes(base64.b64decode(signed) + key.read_bytes())
        said = cluster.ask("POST", review, who, expect=201, client=crt)
        assert said["status"]["userInfo"]["username"] == "system:node:joiner" and "system:nodes" in said["status"]["userInfo"]["groups"], said
    finally:
        cluster.raw("DELETE", f"{requests}/joiner")
        cluster.raw("DELETE", f"{secrets}/bootstrap-token-abc123")
    assert ask("POST", review, who)[0] == 401


def test_nobody_gets_in_without_a_name(cluster):
    assert cluster.raw("GET", "/api/v1/pods", client=False)[0] == 401
    assert cluster.raw("GET", "/healthz", client=False)[0] == 200
    assert cluster.raw("GET", "/api/v1/pods", headers={"Authorization": "Bearer a.b.c"}, client=False)[0] == 401


# ---- the manners of the API, by raw HTTP


def test_bad_bodies(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    for body in ("{", "[]", "null", '"a"', '{"kind":"Pod","apiVersion":"v1"}', "{" * 3000):
        code, status, _ = cluster.raw("POST", path, body)
        assert code == 400 and status["kind"] == "Status", (body[:20], code, status)
    assert cluster.raw("POST", path, "{}", kind="text/plain")[0] == 415
    assert cluster.raw("POST", path, "x" * (3 << 20) + "x")[0] == 413
    # of keys that are there twice the last counts, which is said
    code, made, headers = cluster.raw("POST", path, '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}')
    assert code == 201 and made["data"] == {"a": "2"} and "duplicate field" in headers["Warning"]
    again, apply = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","a":"3"}}', {"kind": "application/apply-patch+yaml"}
    code, made, headers = cluster.raw("PATCH", path + "/twice?fieldManager=m&force=true", again, **apply)
    assert code == 200 and made["data"] == {"a": "3"} and "duplicate field" in headers["Warning"]
    assert cluster.raw("PATCH", path + "/twice?fieldManager=m&force=true&fieldValidation=Strict", again, **apply)[0] == 400
    code, status, _ = cluster.raw("GET", path + "?timeout=zz")
    assert code == 400 and status["message"] == 'invalid timeout - time: invalid duration "zz"'
    assert cluster.raw("GET", path + "?timeout=1m30s")[0] == 200
    assert cluster.raw("GET", "/api/v1/nonsense")[0] == 404
    assert cluster.raw("GET", "/apis/no.such/v1/things")[0] == 404


def test_conflicts(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    code, made, _ = cluster.raw("POST", path, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    assert code == 201
    assert cluster.raw("POST", path, {"metadata": {"name": "c"}})[1]["reason"] == "AlreadyExists"
    assert cluster.raw("PUT", path + "/c", {**made, "data": {"a": "2"}})[0] == 200
    code, status, _ = cluster.raw("PUT", path + "/c", {**made, "data": {"a": "3"}})
    assert code == 409 and status["reason"] == "Conflict"
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    assert cluster.raw("DELETE", path + "/c", wrong)[0] == 409
    assert cluster.raw("DELETE", path + "/c")[1]["status"] == "Success"


def test_pages_show_the_state_of_the_first(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/secrets"
    for i in range(7):
        cluster.raw("POST", path, {"metadata": {"name": f"p{i}"}})
    first = cluster.raw("GET", path + "?limit=3")[1]
    assert [o["metadata"]["name"] for o in first["items"]] == ["p0", "p1", "p2"]
    assert first["metadata"]["remainingItemCount"] == 4
    cluster.raw("DELETE", path + "/p4")
    cluster.raw("POST", path, {"metadata": {"name": "p45"}})
    names, more = [], first["metadata"]["continue"]
    while more:
        page = cluster.raw("GET", f"{path}?limit=3&continue={more}")[1]
        names += [o["metadata"]["name"] for o in page["items"]]
        more = page["metadata"].get("continue")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert names == ["p3", "p4", "p5", "p6"]
    assert cluster.raw("GET", path + "?limit=3&continue=nonsense")[0] == 400


def test_large_answers_are_compressed_for_who_takes_it(cluster, ns):
    """As upstream: from 128 KiB on. Lists in pieces, whole objects, tables and errors all the same."""
    path = f"/api/v1/namespaces/{ns}/configmaps"
    for i in range(30):
        data = {"metadata": {"name": f"m{i:02}"}, "data": {"x": f"{i:04} " * (8 << 10)}}
        assert cluster.raw("POST", path, data)[0] == 201
    assert cluster.raw("POST", path, {"metadata": {"name": "big"}, "data": {"x": "y" * (200 << 10)}})[0] == 201

    def ask(query, accept):
        conn = cluster.connect()
        conn.request("GET", path + query, headers={"Accept-Encoding": accept})
        reply = conn.getresponse()
        data = reply.read()
        conn.close()
        assert reply.status == 200
        packed = reply.headers["Content-Encoding"] == "gzip"
        assert packed == (reply.headers["Vary"] == "Accept-Encoding")
        return packed, json.loads(gzip.decompress(data) if packed else data), len(data)

    for query in ("", "?limit=20", "?pretty=true", "/big", "?fieldSelector=metadata.name%3Dbig"):
        plain, packed = ask(query, "identity"), ask(query, "deflate, gzip")
        assert (plain[0], packed[0]) == (False, True), query
        of = lambda answer: answer[1].get("items", answer[1])  # noqa: E731
        assert of(plain) == of(packed) and packed[2] < plain[2] / 5
    for query in ("?fieldSelector=metadata.name%3Dm01", "/m01"):
        assert ask(query, "gzip")[0] is False
    assert ask("", "gzip;q=0")[0] is False


def watch(cluster, path, into, until):
    conn = cluster.connect()
    conn.request("GET", path)
    reply = conn.getresponse()
    assert reply.status == 200
    for line in reply:
        event = json.loads(line)
        into.append((event["type"], event["object"]["metadata"].get("name"), event["object"]))
        if until(event):
            break
    conn.close()


def test_watch_tells_what_happens_in_order(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    at = cluster.raw("GET", path)[1]["metadata"]["resourceVersion"]
    seen = []
    thread = threading.Thread(target=watch, args=(
        cluster, f"{path}?watch=1&resourceVersion={at}&labelSelector=see%3Dme", seen, lambda e: e["type"] == "DELETED"))  # fmt: skip
    thread.start()
    cluster.raw("POST", path, {"metadata": {"name": "other"}})
    cluster.raw("POST", path, {"metadata": {"name": "w", "labels": {"see": "me"}}})
    cluster.raw("PATCH", path + "/w", {"data": {"a": "b"}}, kind="application/merge-patch+json")
    cluster.raw("PATCH", path + "/w", {"metadata": {"labels": {"see": None}}}, kind="application/merge-patch+json")
    thread.join(timeout=60)
    assert [(kind, name) for kind, name, _ in seen] == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")]
    versions = [int(o["metadata"]["resourceVersion"]) for _, _, o in seen]
    assert versions == sorted(versions) and versions[0] > int(at)
    again = []
    watch(cluster, f"{path}?watch=1&resourceVersion={at}&labelSelector=see%3Dme", again, lambda e: e["type"] == "DELETED")
    assert [(k, n) for k, n, _ in again] == [(k, n) for k, n, _ in seen]


def test_watch_list(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/secrets"
    for name in "ab":
        cluster.raw("POST", path, {"metadata": {"name": name}})
    seen = []
    watch(cluster, path + "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", seen,
          lambda e: e["type"] == "BOOKMARK")  # fmt: skip
    assert [(kind, name) for kind, name, _ in seen if kind != "BOOKMARK"] == [("ADDED", "a"), ("ADDED", "b")]
    assert seen[-1][2]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_revision_from_before_is_gone(cluster):
    code, status, _ = cluster.raw("GET", "/api/v1/namespaces?watch=1&resourceVersion=1")
    assert code == 410 and status["reason"] == "Expired"


def test_finalizers_keep_an_object(cluster, ns):
    path = f"/api/v1/namespaces/{ns}/configmaps"
    cluster.raw("POST", path, {"metadata": {"name": "f", "finalizers": ["example.org/hold"]}})
    code, kept, _ = cluster.raw("DELETE", path + "/f")
    assert code == 200 and kept["metadata"]["deletionTimestamp"]
    cluster.raw("PATCH", path + "/f", {"metadata": {"finalizers": None}}, kind="application/merge-patch+json")
    assert cluster.raw("GET", path + "/f")[0] == 404


def test_discovery_keeps_its_tag(cluster):
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    code, doc, headers = cluster.raw("GET", "/apis", headers=accept)
    assert code == 200 and doc["kind"] == "APIGroupDiscoveryList"
    assert cluster.raw("GET", "/apis", headers={**accept, "If-None-Match": headers["ETag"]})[0] == 304
    # what kubectl keeps is asked for again, whatever its clock says, but for what a hash names
    index = cluster.raw("GET", "/openapi/v3")
    for kept in (headers, index[2], cluster.raw("GET", "/api/v1")[2]):
        assert kept.get_all("Cache-Control") == ["no-cache, private"]
    document = index[1]["paths"]["api/v1"]["serverRelativeURL"]
    assert cluster.raw("GET", document)[2].get_all("Cache-Control") == ["public, immutable"]


def test_everything_is_there_after_the_power_was_cut(make_node):
    node = make_node()
    node.boot()
    cluster = Cluster(node)
    assert eventually(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", timeout=120)
    cluster.kubectl("create", "configmap", "kept", "--from-literal=x=1")
    before = cluster.get("configmap", "kept")
    node.cut_power()
    node.boot()
    assert eventually(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", timeout=120)
    after = cluster.get("configmap", "kept")
    assert after["metadata"]["uid"] == before["metadata"]["uid"] and after["data"] == {"x": "1"}
    cluster.kubectl("create", "configmap", "later")
    later = cluster.get("configmap", "later")
    assert int(later["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
