# SPDX-License-Identifier: Apache-2.0
"""Unmodified kubectl: its commands for itself, and the options that no other scenario has a use for, each for what it does."""

import base64
import json
import select
import shutil
import subprocess
import time

import pytest

from support.node import eventually

WAIT = 150  # emulated, beside other work


@pytest.fixture
def kubectl(cluster, ns):
    """Words in the test's namespace; what is printed."""
    return lambda *words, **options: cluster.kubectl("-n", ns, *words, **options).stdout


@pytest.fixture
def refused(cluster, ns):
    """Words that have to fail; what is complained about."""

    def run(*words, **options):
        done = cluster.kubectl("-n", ns, *words, check=False, **options)
        assert done.returncode != 0, done.stdout
        return done.stderr

    return run


@pytest.fixture
def alone(cluster):
    """Words without --kubeconfig, which the environment names, too: what is found by its first word wants that to be first."""

    def run(*words):
        done = subprocess.run([*cluster.words, *words], capture_output=True, text=True, timeout=120, check=False, env=cluster.node.docker_env())
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def mine(cluster, tmp_path):
    """A kubeconfig that may be changed."""
    return shutil.copy(cluster.config, tmp_path / "mine")


def config_map(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def gated(name, replicas):
    """A Deployment whose pods wait for ever to be scheduled: they cost nothing."""
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "schedulingGates": [{"name": "example.org/wait"}],
            "containers": [{"name": "c", "image": "wherry/hello", "env": [{"name": "A", "value": "1"}]}, {"name": "d", "image": "wherry/hello"}]}}}})  # fmt: skip


def test_config(cluster, ns, kubectl, mine):
    """A kubeconfig is looked at, and changed: what the next command does follows it."""
    config = lambda *words: cluster.kubectl("--kubeconfig", mine, "config", *words).stdout  # noqa: E731
    first = config("current-context").strip()
    server = json.loads(config("view", "--minify", "-o", "json"))["clusters"][0]["cluster"]["server"]
    assert server == f"https://127.0.0.1:{cluster.node.env['WHERRY_TCP_6443']}"
    assert "DATA+OMITTED" in config("view") and "DATA+OMITTED" not in config("view", "--raw")
    (known,), (user,) = (config(f"get-{what}").split()[1:] for what in ("clusters", "users"))

    kubectl("create", "configmap", "here")
    config("set-context", "second", f"--cluster={known}", f"--user={user}", f"--namespace={ns}")
    there = lambda: cluster.kubectl("--kubeconfig", mine, "get", "configmap", "here", "--ignore-not-found", "-o", "name").stdout  # noqa: E731
    assert there() == ""
    config("use-context", "second")
    assert config("current-context").strip() == "second" and there() == "configmap/here\n"
    config("rename-context", "second", "third")
    assert sorted(config("get-contexts", "-o", "name").split()) == sorted([first, "third"])
    config("set", "contexts.third.namespace", "kube-public")
    assert there() == ""
    config("unset", "contexts.third.namespace")
    config("set-context", "--current", f"--namespace={ns}")
    assert there() == "configmap/here\n"

    config("set-cluster", "nowhere", "--server=https://127.0.0.1:1", "--insecure-skip-tls-verify")
    config("set-credentials", "nobody", "--token=abc")
    config("set-context", "third", "--cluster=nowhere", "--user=nobody")
    lost = cluster.kubectl("--kubeconfig", mine, "get", "configmaps", check=False)
    assert lost.returncode == 1 and "127.0.0.1:1" in lost.stderr
    assert cluster.kubectl("--kubeconfig", mine, "--context", first, "-n", ns, "get", "configmap", "here", "-o", "name").stdout == "configmap/here\n"
    for what, name, left in (("context", "third", [first]), ("cluster", "nowhere", ["NAME", known]), ("user", "nobody", ["NAME", user])):
        config(f"delete-{what}", name)
        assert config(*(("get-contexts", "-o", "name") if what == "context" else (f"get-{what}s",))).split() == left


def test_commands_of_its_own(cluster, ns, kubectl, alone, tmp_path, monkeypatch):
    """kustomize by itself, completion, plugins, the list of options, and an editor for what was applied last."""
    folder = tmp_path / "kustomize"
    folder.mkdir()
    (folder / "map.json").write_text(config_map("hull", oak="1"))
    (folder / "kustomization.yaml").write_text("resources: [map.json]\nnamePrefix: my-\nlabels: [{pairs: {built: here}}]\nconfigMapGenerator: "
                                               "[{name: made, literals: [a=b], options: {disableNameSuffixHash: true}}]\n")  # fmt: skip
    kubectl("apply", "-f", "-", input=kubectl("kustomize", folder))
    found = {o["metadata"]["name"]: (o["metadata"]["labels"], o["data"]) for o in cluster.get("-n", ns, "configmaps", "-l", "built")["items"]}
    assert found == {"my-hull": ({"built": "here"}, {"oak": "1"}), "my-made": ({"built": "here"}, {"a": "b"})}

    # what a shell asks when somebody presses Tab, and the script that makes it ask
    assert set(alone("__complete", "-n", ns, "get", "configmap", "my-").splitlines()) >= {"my-hull", "my-made"}
    assert "pods" in alone("__complete", "get", "po").split()
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "__complete" in alone("completion", shell)
    subprocess.run(["bash", "-n"], input=alone("completion", "bash"), text=True, check=True)

    plugin = tmp_path / "bin/kubectl-ahoy"
    plugin.parent.mkdir()
    plugin.write_text('#!/bin/sh\necho "ahoy, $*"\n')
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{plugin.parent}:/usr/bin:/bin")
    assert str(plugin) in alone("plugin", "list").split()
    assert alone("ahoy", "there", "--sails=2") == "ahoy, there --sails=2\n"
    assert {"--as-uid='':", "--request-timeout='0':"} <= set(alone("options").split())

    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/oak/elm/")
    kubectl("apply", "edit-last-applied", "configmap/my-hull", "-o", "json")
    assert json.loads(kubectl("apply", "view-last-applied", "configmap/my-hull", "-o", "json"))["data"] == {"elm": "1"}
    assert cluster.get("-n", ns, "configmap", "my-hull")["data"] == {"oak": "1"}, "only what was applied last is edited"


def test_who_asks(cluster, ns, kubectl, refused, mine):
    """--as-group and --as-uid; --token, with a token for a time and for as long as a thing is there."""
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--group=crew")
    ann = ("--as=ann", "--as-group=crew", "--as-group=deck", "--as-uid=1234")
    who = json.loads(kubectl("auth", "whoami", *ann, "-o", "json"))["status"]["userInfo"]
    assert (who["username"], who["uid"]) == ("ann", "1234") and {"crew", "deck"} <= set(who["groups"])
    assert "kube-root-ca.crt" in kubectl("get", "configmaps", *ann)
    assert 'User "ann" cannot list resource "configmaps"' in refused("get", "configmaps", "--as=ann", "--as-group=deck")

    kubectl("create", "secret", "generic", "bond")
    bond = cluster.get("-n", ns, "secret", "bond")["metadata"]["uid"]
    bound = ("--bound-object-kind=Secret", "--bound-object-name=bond")
    assert "the UID in the bound object reference" in refused("create", "token", "default", *bound, "--bound-object-uid=0")
    token = kubectl("create", "token", "default", "--duration=20m", *bound, f"--bound-object-uid={bond}").strip()
    part = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["exp"] - claims["iat"] == 1200 and claims["kubernetes.io"]["secret"] == {"name": "bond", "uid": bond}

    # a certificate would count before a token, so the context has none
    config = ("--kubeconfig", mine)
    known = cluster.kubectl(*config, "config", "get-clusters").stdout.split()[1]
    cluster.kubectl(*config, "config", "set-credentials", "nobody")
    cluster.kubectl(*config, "config", "set-context", "bare", f"--cluster={known}", "--user=nobody")
    bare = (*config, "--context=bare", f"--token={token}")
    assert f"system:serviceaccount:{ns}:default" in kubectl(*bare, "auth", "whoami")
    assert 'cannot list resource "configmaps"' in refused(*bare, "get", "configmaps")
    kubectl("create", "rolebinding", "account", "--role=reader", f"--serviceaccount={ns}:default")
    assert "kube-root-ca.crt" in kubectl(*bare, "get", "configmaps")
    kubectl("delete", "secret", "bond")
    gone = lambda: "must be logged in" in cluster.kubectl("-n", ns, *bare, "get", "configmaps", check=False).stderr  # noqa: E731
    assert eventually(gone, timeout=60, every=1), "the token outlives what it is bound to"


def test_reading(cluster, ns, kubectl):
    """--show-managed-fields, --watch-only, and the choice among the kinds."""
    kubectl("apply", "--server-side", "--field-manager=me", "-f", "-", input=config_map("a", k="1"))
    assert "managedFields" not in json.loads(kubectl("get", "configmap", "a", "-o", "json"))["metadata"]
    (fields,) = json.loads(kubectl("get", "configmap", "a", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]
    assert (fields["manager"], fields["operation"]) == ("me", "Apply") and "f:k" in fields["fieldsV1"]["f:data"]

    words = [*cluster.words, "--kubeconfig", str(cluster.config), "-n", ns, "get", "configmaps", "--watch-only", "--no-headers"]
    kubectl("create", "configmap", "b")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=cluster.node.docker_env()) as seen:
        try:
            for turn in range(60):  # once it watches, a change is shown; what was there before is not
                kubectl("label", "--overwrite", "configmap", "b", f"turn={turn}")
                if select.select([seen.stdout], [], [], 1)[0]:
                    break
            assert seen.stdout.readline().split()[:1] == ["b"]
        finally:
            seen.kill()

    kinds = lambda *words: set(kubectl("api-resources", "-o", "name", *words).split())  # noqa: E731
    inside, outside = kinds("--namespaced=true", "--verbs=list,watch"), kinds("--namespaced=false", "--verbs=list,watch")
    assert {"configmaps", "deployments.apps"} <= inside and {"nodes", "clusterroles.rbac.authorization.k8s.io"} <= outside and not inside & outside
    unlisted = {"bindings", "tokenreviews.authentication.k8s.io"}
    assert unlisted <= kinds("--verbs=create") and not unlisted & kinds("--verbs=list")


def test_writing(cluster, ns, kubectl, refused):
    """--validate, the kinds of patch, --subresource, --raw, and --resource-version."""
    wrong = config_map("w", k="1").replace('"data"', '"dta": 1, "data"')
    assert 'unknown field "dta"' in refused("create", "--validate=strict", "-f", "-", input=wrong)
    assert kubectl("get", "configmap", "w", "--ignore-not-found") == ""
    for how, warned in (("warn", True), ("ignore", False)):
        done = cluster.kubectl("-n", ns, "create", f"--validate={how}", "-f", "-", input=wrong)
        assert ('unknown field "dta"' in done.stderr) == warned, done.stderr
        made = cluster.get("-n", ns, "configmap", "w")
        assert made["data"] == {"k": "1"} and "dta" not in made
        kubectl("delete", "configmap", "w")

    kubectl("create", "-f", "-", input=gated("d", 0))
    patch = lambda kind, containers, *more: kubectl("patch", "deployment", "d", *more, f"--type={kind}", "-p", json.dumps(  # noqa: E731
        {"spec": {"template": {"spec": {"containers": containers}}}}))  # fmt: skip
    containers = lambda: [(c["name"], [e["name"] for e in c.get("env", [])])  # noqa: E731
                          for c in cluster.get("-n", ns, "deployment", "d")["spec"]["template"]["spec"]["containers"]]  # fmt: skip
    change = [{"name": "c", "image": "wherry/hello", "env": [{"name": "B", "value": "2"}]}]
    patch("strategic", change, "--dry-run=server")
    assert containers() == [("c", ["A"]), ("d", [])]
    patch("strategic", change)
    assert sorted(containers()[0][1]) == ["A", "B"] and containers()[1] == ("d", []), "by name, and the rest stays"
    patch("merge", change)
    assert containers() == [("c", ["B"])], "the list as a whole"

    kubectl("patch", "deployment", "d", "--subresource=scale", "--type=merge", "-p", '{"spec": {"replicas": 3}}')
    assert cluster.get("-n", ns, "deployment", "d")["spec"]["replicas"] == 3
    scale = json.loads(kubectl("get", "deployment", "d", "--subresource=scale", "-o", "json"))
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 3)
    assert eventually(lambda: len(cluster.get("-n", ns, "pods", "-l", "app=d")["items"]) == 3, timeout=60)
    assert "Expected resource version to be 1," in refused("scale", "deployment", "d", "--replicas=1", "--resource-version=1")
    assert cluster.get("-n", ns, "deployment", "d")["spec"]["replicas"] == 3
    kubectl("delete", "deployment", "d", "--now")

    path = f"/api/v1/namespaces/{ns}/configmaps"
    assert json.loads(kubectl("create", "--raw", path, "-f", "-", input=config_map("raw", k="1")))["data"] == {"k": "1"}
    assert json.loads(kubectl("replace", "--raw", f"{path}/raw", "-f", "-", input=config_map("raw", k="2")))["data"] == {"k": "2"}
    raw = cluster.get("-n", ns, "configmap", "raw")
    assert raw["data"] == {"k": "2"}
    at = raw["metadata"]["resourceVersion"]
    for verb in ("label", "annotate"):
        assert "the object has been modified" in refused(verb, "configmap", "raw", "too=late", "--resource-version=1")
    kubectl("label", "configmap", "raw", "in=time", f"--resource-version={at}")
    assert cluster.get("-n", ns, "configmap", "raw")["metadata"]["labels"] == {"in": "time"}
    assert json.loads(kubectl("delete", "--raw", f"{path}/raw"))["status"] == "Success"
    assert kubectl("get", "configmap", "raw", "--ignore-not-found") == ""


def test_the_order_of_what_is_applied(cluster, ns, kubectl):
    """By --server-side: that of initContainers and variables means something."""
    made = json.loads(gated("d", 0))
    spec = made["spec"]["template"]["spec"]
    spec["initContainers"] = [{"name": name, "image": "wherry/hello"} for name in ("one", "two")]
    spec["containers"][0]["env"] = [{"name": name, "value": "$(B)"} for name in "AB"]
    order = lambda: [[each["name"] for each in group] for there in [cluster.get("-n", ns, "deployment", "d")["spec"]["template"]["spec"]]  # noqa: E731
                     for group in (there["initContainers"], there["containers"][0]["env"])]  # fmt: skip
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(made))
    assert order() == [["one", "two"], ["A", "B"]]
    spec["initContainers"] = [{"name": name, "image": "wherry/hello"} for name in ("two", "three", "one")]
    spec["containers"][0]["env"].reverse()
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(made))
    assert order() == [["two", "three", "one"], ["B", "A"]]


def test_ending_pods(cluster, ns, kubectl, refused):
    """drain --disable-eviction, which asks no budget; and delete --now, which waits for no grace."""
    for name in ("kept", "deaf"):
        kubectl("create", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"test": f"{ns}-{name}"}}, "spec": {
                "terminationGracePeriodSeconds": 600, "containers": [
                    {"name": "c", "image": "wherry/hello", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000"]}]}}))  # fmt: skip
    chosen = f"test={ns}-kept"
    kubectl("create", "poddisruptionbudget", "kept", f"--selector={chosen}", "--min-available=1")
    kubectl("wait", "--for=condition=Ready", "pod/kept", "pod/deaf", f"--timeout={WAIT}s", timeout=WAIT + 30)
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    drain = ("drain", node, f"--pod-selector={chosen}", "--force", "--grace-period=1")
    try:
        said = refused(*drain, "--timeout=10s")
        assert "disruption budget" in said, said
        assert "deletionTimestamp" not in cluster.get("-n", ns, "pod", "kept")["metadata"]
        kubectl(*drain, "--disable-eviction", f"--timeout={WAIT}s", timeout=WAIT + 30)
        assert kubectl("get", "pod", "kept", "--ignore-not-found") == ""
        assert cluster.get("node", node)["spec"]["unschedulable"] is True
    finally:
        kubectl("uncordon", node)
    began = time.monotonic()
    kubectl("delete", "pod", "deaf", "--now", timeout=WAIT)
    assert time.monotonic() - began < 100, "its grace was not cut short"
    assert kubectl("get", "pod", "deaf", "--ignore-not-found") == ""
