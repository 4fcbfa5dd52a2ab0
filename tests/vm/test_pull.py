# SPDX-License-Identifier: Apache-2.0
"""Pulling: a real registry, every kind of layer, and registries that lie. What is refused leaves nothing behind."""

import json
import random
import re
import subprocess
import tarfile
import urllib.error
import urllib.request

import pytest

from support import clients, leaks, oci, stack, webimage
from support.cluster import Cluster, Watch
from support.node import eventually
from support.powercut import RecordedDisk
from support.registry import GUEST_ADDRESS, LyingRegistry, Registry, machine_yaml



@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"), user=("boat", "oars"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def liar(tmp_path_factory):
    def behave(handler, path):
        if "/blobs/" in path and path.endswith(liar.redirect_on):
            handler.answer(307, "text/plain", b"", Location="http://169.254.169.254/latest/meta-data/")
            return True
        return False

    liar = LyingRegistry(tmp_path_factory.mktemp("liar"), behave)
    liar.redirect_on = "nothing"
    yield liar
    liar.stop()


@pytest.fixture(scope="module")
def puller(registry, liar, tmp_path_factory, session_dir):
    """A node that trusts both registries; it logs in once."""
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    folder = tmp_path_factory.mktemp("config")
    (folder / "machine.yaml").write_text(machine_yaml(registry, liar))
    node = nodes(extra=["--config", str(folder / "machine.yaml"), "--guest-forward", registry.forward,
                        "--guest-forward", liar.forward, "--forward", "0:8080"])  # fmt: skip
    node.boot()
    node.docker("login", "-u", "boat", "-p", "oars", registry.address)
    yield node
    nodes.end()


@pytest.fixture
def node(puller):
    with leaks.checked(puller):
        yield puller


def small(*members, how="gzip", **more):
    return oci.Image([oci.Layer(oci.tar([oci.Member("hello", b"hi\n"), *members]), how)], **more)


@pytest.mark.parametrize("how, docker", [("gzip", False), ("zstd", False), ("", False), ("gzip", True)])
def test_nginx_is_pulled_and_serves(node, registry, how, docker):
    page = f"served from {how or 'plain'} {docker}\n".encode()
    ref = registry.push("lib/nginx", f"{how or 'plain'}-{docker}".lower(), webimage.nginx(how=how, docker=docker, page=page))
    out = node.docker("pull", ref, timeout=300).stdout
    assert "Downloaded newer image" in out
    node.docker("run", "-d", "--name", "web", "-p", "8080:80", ref)
    try:
        url = f"http://127.0.0.1:{node.env['WHERRY_TCP_8080']}/"
        assert eventually(lambda: fetch(url) == page, 20), node.docker("logs", "web").stderr
    finally:
        node.docker("rm", "-f", "web")
        node.docker("rmi", ref)


def test_nginx_under_wrk(node, registry):
    """A published port under more connections than the server has processes: each request is answered, and each is in the log."""
    ref = registry.push("lib/nginx", "wrk", webimage.nginx())
    node.docker("pull", ref, timeout=300)
    node.docker("run", "-d", "--name", "web", "-p", "8080:80", ref)
    try:
        url = f"http://127.0.0.1:{node.env['WHERRY_TCP_8080']}/"
        assert eventually(lambda: fetch(f"{url}ready"), 60), node.docker("logs", "web").stderr
        assert fetch(url)
        count = lambda: node.docker("logs", "web").stdout.count("GET / ")  # noqa: E731
        assert eventually(lambda: count() == 1)
        done = subprocess.run([*clients.command("wrk", "load"), "-t", "1", "-c", "16", "-d", "10s", "--timeout", "20s", url],
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        print(done.stdout)
        assert done.returncode == 0 and "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout + done.stderr
        answered = int(re.search(r"(\d+) requests in", done.stdout)[1])
        assert answered > 16
        # wrk leaves those that are under way when its time is over
        assert eventually(lambda: answered + 1 <= count() <= answered + 17), (answered, count())
    finally:
        node.docker("rm", "-f", "web")
        node.docker("rmi", ref)


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.read()
    except urllib.error.HTTPError as e:
        return e.read()
    except OSError:
        return None


def test_index_picks_the_nodes_platform(node, registry):
    ref = registry.push("multi", "1", [small(oci.Member("which", b"arm\n"), arch="arm64"), small(oci.Member("which", b"amd\n"))])
    node.docker("pull", ref)
    assert node.docker("image", "inspect", "-f", "{{.Architecture}}", ref).stdout.strip() == "amd64"
    node.docker("rmi", ref)


def test_pull_needs_the_password(node, registry):
    ref = registry.push("private", "1", small())
    node.docker("logout", registry.address)
    try:
        done = node.docker("pull", ref, check=False)
        # The engine's 401 makes the client ask for a login, which it cannot without a terminal.
        assert done.returncode != 0 and "login" in done.stdout + done.stderr, done.stderr
    finally:
        node.docker("login", "-u", "boat", "-p", "oars", registry.address)


# ---- for pods


@pytest.fixture
def pods(puller):
    """The cluster of the node, and a namespace in it."""
    cluster = Cluster(puller)
    nodes = lambda: cluster.kubectl("get", "nodes", "--request-timeout=20s", check=False)  # noqa: E731
    assert eventually(lambda: nodes().stdout.count(" Ready ") == 1, 180, 1), nodes()
    cluster.namespace("pulls")
    yield cluster
    cluster.kubectl("delete", "namespace", "pulls", timeout=240)


def pod_of(name, image, policy, *secrets):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "imagePullSecrets": [{"name": s} for s in secrets],
        "containers": [{"name": "c", "image": image, "imagePullPolicy": policy, "command": ["/bin/true"]}]}}  # fmt: skip


def waits_for(pod):
    """Why its container waits, and in which words."""
    found = pod.get("status", {}).get("containerStatuses", [])
    waiting = found[0]["state"].get("waiting", {}) if found else {}
    return waiting.get("reason"), waiting.get("message", "")


def reaches(cluster, name, check, timeout=200):
    """Until check() is true of the pod."""
    last = {}
    look = lambda: last.update(cluster.ask("GET", f"/api/v1/namespaces/pulls/pods/{name}")) or check(last)  # noqa: E731
    assert eventually(look, timeout, 1), (name, last["status"])


def ends(cluster, *names, timeout=200):
    for name in names:
        reaches(cluster, name, lambda pod: pod["status"].get("phase") == "Succeeded", timeout)


def waits(cluster, name, reason, words):
    reaches(cluster, name, lambda pod: waits_for(pod)[0] == reason and words in waits_for(pod)[1])


def fails_then_waits(watch, name, words):
    """The error is there for a moment, after each try; in between the pod waits for the next one."""
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        of = lambda pod: pod.get("kind") == "Pod" and pod["metadata"]["name"] == name  # noqa: E731
        said = lambda event: of(event["object"]) and waits_for(event["object"])  # noqa: E731
        seen = watch.until_seen(lambda event: said(event) and said(event)[0] == reason and words in said(event)[1], 150)  # noqa: B023
        assert seen, (name, reason, [said(event) for event in watch.seen if said(event)])


def secret(cluster, name, password):
    made = cluster.kubectl("-n", "pulls", "create", "secret", "docker-registry", name, f"--docker-server={GUEST_ADDRESS}:5000",
                           "--docker-username=boat", f"--docker-password={password}", "--dry-run=client", "-o", "json")  # fmt: skip
    cluster.kubectl("-n", "pulls", "apply", "-f", "-", input=made.stdout)


def test_pods_show_their_secrets_to_the_registry(pods, puller, registry):
    """Who has the right one is let in, be it the second of two or that of the pod's account; who has not is told, waits, and is let in
    when the secret is mended. What is here is used, pulled or not thought of, as the policy says; and no name is no image."""
    private, loaded = (registry.push(f"pods/{name}", "1", stack.busybox(oci.Member("of", name.encode()))) for name in ("private", "loaded"))
    puller.docker("pull", loaded)
    secret(pods, "right", "oars")
    secret(pods, "wrong", "rudder")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sailor"}, "imagePullSecrets": [{"name": "right"}]}
    of_account = pod_of("by-account", private, "Always")
    del of_account["spec"]["imagePullSecrets"]
    of_account["spec"]["serviceAccountName"] = "sailor"
    pods.kubectl("-n", "pulls", "apply", "-f", "-", input=json.dumps(account))
    everything = [
        pod_of("wrong", private, "Always", "wrong"), pod_of("without", private, "IfNotPresent"), pod_of("loaded-always", loaded, "Always"),
        pod_of("loaded-if", loaded, "IfNotPresent"), pod_of("loaded-never", loaded, "Never"),
        pod_of("absent-never", f"{registry.address}/pods/absent:1", "Never", "right"),
        pod_of("no-name-always", "no:good:name", "Always"), pod_of("no-name-if", "no:good:name", "IfNotPresent"),
    ]  # fmt: skip
    with Watch(pods, "/api/v1/namespaces/pulls/pods", "") as watch:
        pods.kubectl("-n", "pulls", "apply", "-f", "-", input="\n".join(map(json.dumps, everything)))
        for name in ("wrong", "without", "loaded-always"):
            fails_then_waits(watch, name, "unauthorized")
    ends(pods, "loaded-if", "loaded-never")
    waits(pods, "absent-never", "ErrImageNeverPull", "is not present with pull policy of Never")
    for name in ("no-name-always", "no-name-if"):
        waits(pods, name, "InvalidImageName", 'Failed to apply default image tag "no:good:name"')
    for name in ("wrong", "without", "loaded-always"):  # nobody was let in by the back door
        assert pods.get("-n", "pulls", "pod", name)["status"]["phase"] == "Pending"
    wanted = {("Normal", "BackOff", f'Back-off pulling image "{private}"'), ("Warning", "Failed", "Error: ErrImagePull"),
              ("Warning", "Failed", "Error: ImagePullBackOff")}  # fmt: skip
    events = lambda: pods.get("-n", "pulls", "events", "--field-selector", "involvedObject.name=wrong")["items"]  # noqa: E731
    said = lambda: {(e["type"], e["reason"], e["message"]) for e in events()}  # noqa: E731
    assert eventually(lambda: wanted <= said(), 60, 1), said()

    let_in = [pod_of("right", private, "Always", "right"), pod_of("second", private, "Always", "wrong", "right"), of_account]
    pods.kubectl("-n", "pulls", "apply", "-f", "-", input="\n".join(map(json.dumps, let_in)))
    ends(pods, "right", "second", "by-account")
    assert pods.get("-n", "pulls", "pod", "by-account")["spec"]["imagePullSecrets"] == [{"name": "right"}]

    secret(pods, "wrong", "oars")
    ends(pods, "wrong", timeout=420)  # the back-off has grown meanwhile


# ---- what is wrong with what arrives


def test_missing_image_is_named(node, registry):
    done = node.docker("pull", f"{registry.address}/no/such:tag", check=False)
    assert done.returncode != 0 and "no/such:tag" in done.stderr, done.stderr


def test_whiteouts_hide_what_is_below(node, registry):
    busybox = (clients.packages("clients") / "usr/bin/busybox").read_bytes()
    below = oci.Layer(oci.tar([oci.Member("a/x", b"1"), oci.Member("a/y", b"1"), oci.Member("b/z", b"1"),
                               oci.Member("bin/busybox", busybox, mode=0o755)]))
    above = oci.Layer(oci.tar([oci.Member("a/.wh.x"), oci.Member("b/.wh..wh..opq"), oci.Member("b/new", b"1")]))
    ref = registry.push("whiteouts", "1", oci.Image([below, above]))
    node.docker("pull", ref)
    try:
        out = node.docker("run", "--rm", ref, "/bin/busybox", "find", "/a", "/b").stdout
        assert sorted(out.split()) == ["/a", "/a/y", "/b", "/b/new"]
    finally:
        node.docker("rmi", ref)


LINK, HARD, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE

HOSTILE = {
    "a name that climbs out": [oci.Member("../../escape", b"x")],
    "a name that climbs out in the middle": [oci.Member("a/../../escape", b"x")],
    "a hard link to outside": [oci.Member("h", type=HARD, link="../../../etc/passwd")],
    "a file through a link to outside": [oci.Member("d", type=LINK, link="/data"), oci.Member("d/escape", b"x")],
    "a whiteout that names the parent": [oci.Member("a/.wh...", b"")],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_names(node, liar, what):
    """Either refused with the reason or confined to the layer: never outside, never a crash."""
    before = node.ssh("find / -xdev -name 'escape*'; ls /data/engine/layers 2>/dev/null | sort")
    liar.hold("hostile", oci.Image([oci.Layer(oci.tar(HOSTILE[what]))]))
    done = node.docker("pull", f"{liar.address}/hostile:hostile", check=False)
    if done.returncode == 0:
        assert what == "a file through a link to outside"
        node.docker("rmi", f"{liar.address}/hostile:hostile")
    else:
        assert "layer" in done.stderr.lower() or "sha256" in done.stderr, done.stderr
    assert node.ssh("find / -xdev -name 'escape*'; ls /data/engine/layers 2>/dev/null | sort") == before


def lying_layers():
    good = oci.tar([oci.Member("x", b"y" * 100000)])
    packed = oci.compress(good, "gzip")
    return {
        "truncated": (oci.Layer(good, blob=oci.truncated(packed)), ("unexpected", "truncated", "ended")),
        "wrong digest": (oci.Layer(good, claimed="sha256:" + "0" * 64), ("digest",)),
        "wrong diff id": (oci.Layer(good, claimed_diff="sha256:" + "1" * 64), ("diff",)),
        "garbage": (oci.Layer(good, blob=b"this is no gzip stream" * 100), ("gzip", "format", "archive", "tar")),
        "bomb": (oci.Layer(b"", blob=oci.gzip_bomb(3 << 30), claimed_diff="sha256:" + "2" * 64), ("ratio", "limit", "large", "bomb", "exceeds")),
    }


@pytest.mark.parametrize("what", ["truncated", "wrong digest", "wrong diff id", "garbage", "bomb"])
def test_lying_layers_are_refused(node, liar, what):
    layer, words = lying_layers()[what]
    before = node.ssh("ls /data/engine/layers 2>/dev/null | sort; df -k /data | tail -n 1 | awk '{print ($3 > 100000)}'")
    liar.hold("lie", oci.Image([layer]))
    done = node.docker("pull", f"{liar.address}/lie:lie", check=False, timeout=300)
    assert done.returncode != 0
    assert any(word in done.stderr.lower() for word in words), done.stderr
    assert node.ssh("ls /data/engine/layers 2>/dev/null | sort; df -k /data | tail -n 1 | awk '{print ($3 > 100000)}'") == before


def test_redirect_to_link_local_is_refused(node, liar):
    image = small()
    liar.hold("redirect", image)
    liar.redirect_on = image.layers[0].digest()
    try:
        done = node.docker("pull", f"{liar.address}/redirect:redirect", check=False, timeout=300)
        assert done.returncode != 0 and "169.254.169.254" in done.stderr, done.stderr
    finally:
        liar.redirect_on = "nothing"


def test_power_cut_in_a_pull_is_redone(make_node, registry, tmp_path):
    """The plug is pulled while layers arrive; the next boot has no half layer, and the pull works."""
    dice = random.Random(11)
    config = tmp_path / "machine.yaml"
    config.write_text(machine_yaml(registry))
    options = ["--config", str(config), "--guest-forward", registry.forward]
    disk = tmp_path / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(1 << 30)
    ref = registry.push("lib/nginx", "cut", webimage.nginx())

    record = RecordedDisk(disk)
    node = make_node(extra=[*options, *record.options()])
    node.boot()
    node.docker("login", "-u", "boat", "-p", "oars", registry.address)
    node.ssh("sync")
    begin = record.read()
    node.docker("pull", ref, timeout=300)
    node.ssh("sync")
    end = record.read()
    node.cut_power()
    writes = record.writes(begin, end)
    assert len(writes) > 20
    node.extra = [*options, "--disk", str(disk)]
    for moment in sorted(dice.sample(writes, 3)):
        record.cut(disk, moment, dice)
        node.boot()
        assert node.ssh("ls /data/engine/staging 2>/dev/null | wc -l").strip() == "0"
        node.docker("pull", ref, timeout=300)
        assert node.docker("run", "--rm", "--entrypoint", "/usr/sbin/nginx", ref, "-v").returncode == 0
        node.cut_power()
    record.remove()
