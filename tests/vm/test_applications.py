# SPDX-License-Identifier: Apache-2.0
"""Real programs: PostgreSQL, Valkey and a Python web application, as compose runs them together; a shop, and a queue with its
workers, as Kubernetes does."""

import contextlib
import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support import programs, stack
from support.cluster import Cluster
from support.node import eventually
from test_compose import Compose

FILE = """
name: guestbook
services:
  database:
    image: {postgresql}
    volumes: [entries:/var/lib/postgresql/data]
    healthcheck: {{test: ["CMD", "pg_isready", "-h", "127.0.0.1"], interval: 2s, timeout: 10s, retries: 90}}
    shm_size: 64m
  cache:
    image: {valkey}
    healthcheck: {{test: ["CMD", "valkey-cli", "ping"], interval: 2s, timeout: 10s, retries: 60}}
  web:
    image: {guestbook}
    ports: ["8000:8000"]
    environment: {{DATABASE: database, CACHE: cache}}
    depends_on: {{database: {{condition: service_healthy}}, cache: {{condition: service_healthy}}}}
volumes:
  entries: {{}}
"""


APPLICATIONS = Path(__file__).parent / "applications"
NODE_PORT = 30800
WAIT = 300  # emulated, beside other work; Python compiles what it imports at each start here


@pytest.fixture(scope="module")
def host(session_dir, tmp_path_factory):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node, registry = stack.boot(nodes, tmp_path_factory.mktemp("programs"), memory=1024, forward=(8000, NODE_PORT))
    node.refs = {name: registry.push(f"programs/{name}", "1", getattr(programs, name)()) for name in ("postgresql", "valkey", "guestbook")}
    node.shop = [registry.push("programs/shop", version, programs.shop(version)) for version in ("1", "2")]
    for ref in [*node.refs.values(), *node.shop]:
        node.docker("pull", "-q", ref, timeout=600)
    yield node
    registry.stop()
    nodes.end()


def ask(node, body=None):
    url = f"http://127.0.0.1:{node.env['WHERRY_TCP_8000']}/"
    try:
        with urllib.request.urlopen(url, data=body, timeout=20) as reply:
            return reply.read().decode()
    except OSError:
        return ""


def test_guest_book(host, tmp_path):
    """From a file to a page; what was written is there after down, up, and a kill of the engine."""
    (tmp_path / "compose.yaml").write_text(FILE.format(**host.refs))
    compose = Compose(host, tmp_path)
    compose("up", "-d", "--wait", timeout=500)
    try:
        # Python compiles what it imports at each start here: on a busy machine that takes a while
        assert eventually(lambda: "Guest book" in ask(host), 300, 1), compose("logs", "web").stdout[-3000:]
        assert ask(host, b"hello from a test") == "thanks\n"
        assert "hello from a test" in ask(host)
        # The image's directory gave the new volume its owner and mode.
        assert compose("exec", "-T", "database", "busybox", "stat", "-c", "%U %a", "/var/lib/postgresql/data").stdout == "postgres 700\n"
        host.ssh("kill -9 $(pidof -s engine)")
        assert eventually(lambda: "hello from a test" in ask(host), 30)
        host.wait_engine()
        compose("down", "-t", "20", timeout=200)
        compose("up", "-d", "--wait", timeout=500)
        assert eventually(lambda: "hello from a test" in ask(host), 300, 1)
    finally:
        compose("down", "-v", "-t", "5", timeout=200, check=False)


def test_pgbench(host):
    """PostgreSQL's own load; the figures go to the log."""
    host.docker("run", "-d", "--name", "pg", host.refs["postgresql"])
    try:
        ready = lambda: host.docker("exec", "pg", "pg_isready", "-h", "127.0.0.1", check=False).returncode == 0  # noqa: E731
        assert eventually(ready, 200, 1), host.docker("logs", "pg").stderr
        host.docker("exec", "pg", "pgbench", "-h", "127.0.0.1", "-i", "-s", "1", "postgres", timeout=300)
        done = host.docker("exec", "pg", "pgbench", "-h", "127.0.0.1", "-c", "2", "-T", "5", "postgres", timeout=300)
        print(done.stdout)
        assert "number of failed transactions: 0" in done.stdout
    finally:
        start = time.monotonic()
        host.docker("rm", "-f", "-v", "pg")
        assert time.monotonic() - start < 60


def test_valkey_benchmark(host):
    host.docker("run", "-d", "--name", "vk", host.refs["valkey"])
    try:
        assert eventually(lambda: "PONG" in host.docker("exec", "vk", "valkey-cli", "ping", check=False).stdout, 60, 1)
        done = host.docker("exec", "vk", "valkey-benchmark", "-q", "-n", "2000", "-t", "set,get", timeout=300)
        print(done.stdout)
        assert "GET:" in done.stdout
        host.docker("exec", "vk", "valkey-cli", "set", "kept", "yes")
        host.docker("restart", "-t", "10", "vk")
        assert eventually(lambda: "yes" in host.docker("exec", "vk", "valkey-cli", "get", "kept", check=False).stdout, 60, 1)
    finally:
        host.docker("rm", "-f", "-v", "vk")


class Shoppers:
    """Three who ask for the page again and again, each with a new connection, and note whatever is not the page."""

    def __init__(self, node):
        self.url, self.over = f"http://127.0.0.1:{node.env[f'WHERRY_TCP_{NODE_PORT}']}/", threading.Event()
        self.lost, self.versions, self.served = [], [], 0
        self.threads = [threading.Thread(target=self._shop) for _ in range(3)]

    def _shop(self):
        while not self.over.wait(0.1):
            try:
                with urllib.request.urlopen(self.url, timeout=60) as reply:
                    text = reply.read().decode()
                self.versions.append(text.partition("version ")[2].partition("<")[0])
                self.served += 1
            except OSError as e:
                self.lost.append(f"{time.strftime('%T')} {e} {e.read().decode() if isinstance(e, urllib.error.HTTPError) else ''}")

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


def ready_cluster(host):
    cluster = Cluster(host)
    ready = lambda: cluster.kubectl("get", "nodes", check=False).stdout.count(" Ready ") == 1  # noqa: E731
    assert eventually(ready, WAIT, 1), "the node is not ready"
    return cluster


def customize(folder, name, images):
    """An application's YAML as it is, for a namespace of its own, with this node's names for the images: what -k takes."""
    shutil.copy(APPLICATIONS / name / f"{name}.yaml", folder)
    lines = "".join("  - {name: %s, newName: \"%s\", newTag: \"%s\"}\n" % (image, *ref.rsplit(":", 1)) for image, ref in images.items())
    (folder / "kustomization.yaml").write_text(f"resources: [{name}.yaml]\nnamespace: {name}\nimages:\n{lines}")


@contextlib.contextmanager
def applied(host, folder, name, images):
    """The application in its namespace, with kubectl for it."""
    cluster = ready_cluster(host)
    customize(folder, name, images)
    cluster.kubectl("create", "namespace", name)
    try:
        cluster.kubectl("apply", "-k", folder)
        yield lambda *words, **how: cluster.kubectl("-n", name, *words, **how)
    finally:
        cluster.kubectl("delete", "namespace", name, timeout=WAIT)


@pytest.fixture
def shop(host, tmp_path):
    with applied(host, tmp_path, "shop", {"postgres": host.refs["postgresql"], "shop": host.shop[0], "busybox": host.shop[0]}) as kubectl:
        yield kubectl


@pytest.fixture
def queue(host, tmp_path):
    with applied(host, tmp_path, "queue", {"valkey/valkey": host.refs["valkey"]}) as kubectl:
        yield kubectl


def order(url, what):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, data=what.encode(), timeout=30) as reply:
        return reply.read().decode()


def page(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()
    return ""


def test_a_shop(host, shop):
    """From its YAML to the page; an update, a bad one and its rollback lose no request; orders outlive the database's pod."""
    for kind in ("statefulset/database", "deployment/shop"):
        shop("rollout", "status", kind, f"--timeout={WAIT}s", timeout=WAIT + 30)
    with Shoppers(host) as early:  # the rules of a node port may follow a moment after the first pod is ready
        assert eventually(lambda: early.served > 5, WAIT), early.lost
    with Shoppers(host) as shoppers:
        assert eventually(lambda: shoppers.served > 5, WAIT), shoppers.lost
        url = shoppers.url
        assert "<h1>The Chandlery</h1>" in page(url) and order(url + "orders", "lantern") == "ordered\n"

        shop("set", "image", "deployment/shop", f"shop={host.shop[1]}")
        shop("rollout", "status", "deployment/shop", f"--timeout={WAIT}s", timeout=WAIT + 30)
        assert eventually(lambda: set(shoppers.versions[-20:]) == {"2"}, WAIT), shoppers.versions[-20:]

        bad = '{"spec": {"progressDeadlineSeconds": 5, "template": {"spec": {"containers": [{"name": "shop", "image": "%s"}]}}}}'
        shop("patch", "deployment/shop", "-p", bad % host.shop[0].replace(":1", ":none"))
        said = shop("rollout", "status", "deployment/shop", f"--timeout={WAIT}s", timeout=WAIT + 30, check=False)
        assert said.returncode == 1 and "exceeded its progress deadline" in said.stderr, said
        assert shop("get", "deployment", "shop", "-o", "jsonpath={.status.availableReplicas}").stdout == "2"
        shop("rollout", "undo", "deployment/shop")
        shop("rollout", "status", "deployment/shop", f"--timeout={WAIT}s", timeout=WAIT + 30)
        served = shoppers.served
        assert eventually(lambda: shoppers.served > served + 10, WAIT), "nobody is served any more"
    assert not shoppers.lost and set(shoppers.versions) == {"1", "2"}, (shoppers.served, shoppers.lost[:5])
    print(f"{shoppers.served} requests served, none lost")

    before = shop("get", "pod", "database-0", "-o", "jsonpath={.metadata.uid}").stdout
    shop("delete", "pod", "database-0", timeout=WAIT)
    after = lambda: shop("get", "pod", "database-0", "-o", "jsonpath={.metadata.uid}", check=False).stdout  # noqa: E731
    assert eventually(lambda: after() not in ("", before), WAIT, 1), "the database's pod does not come back"
    assert eventually(lambda: "lantern: 1 ordered" in page(url), WAIT, 1), page(url)
    assert eventually(lambda: "standing order: " in page(url), WAIT, 1), shop("get", "cronjobs,jobs,pods").stdout


def test_a_queue(queue):
    """Workers come while there are many jobs and go when there are none; each job is done once, also those of a worker that went."""
    ask = lambda *words: queue("exec", "queue-0", "--", "valkey-cli", *words).stdout.split()  # noqa: E731
    get = lambda *words: json.loads(queue("get", *words, "-o", "json").stdout)  # noqa: E731
    queue("wait", "--for=condition=complete", "job/fill", f"--timeout={WAIT}s", timeout=WAIT + 30)
    jobs = 20

    def grown():
        nonlocal jobs
        if int(ask("LLEN", "jobs")[0]) < 10:  # there are enough until they have come
            ask("RPUSH", "jobs", *(f"more-{jobs + i}" for i in range(10)))
            jobs += 10
        return get("deployment", "worker")["status"].get("readyReplicas") == 3

    assert eventually(grown, WAIT, 1), queue("describe", "hpa", "worker").stdout
    hpa = get("hpa", "worker")
    seen = {c["type"]: c["status"] for c in hpa["status"]["conditions"]}
    assert seen["ScalingActive"] == "True" and seen["AbleToScale"] == "True", hpa["status"]
    assert get("horizontalpodautoscalers.v1.autoscaling", "worker")["spec"]["targetCPUUtilizationPercentage"] == 80
    assert eventually(lambda: int(ask("HLEN", "done")[0]) == jobs, WAIT, 1), (jobs, ask("HLEN", "done"), ask("KEYS", "*"))

    queue("create", "job", "now", "--from=cronjob/report")
    queue("wait", "--for=condition=complete", "job/now", f"--timeout={WAIT}s", timeout=WAIT + 30)
    assert queue("logs", "job/now").stdout == f"0 wait, {jobs} are done\n"
    assert get("pdb", "queue")["status"]["currentHealthy"] == 1

    assert eventually(lambda: get("deployment", "worker")["status"]["replicas"] == 1, WAIT, 1), queue("describe", "hpa", "worker").stdout
    told = queue("describe", "hpa", "worker").stdout
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in told, told
    assert "New size: 1; reason: All metrics below target" in told, told
    assert set(ask("HVALS", "done")) == {"1"} and ask("KEYS", "*") == ["done"]


@pytest.mark.conformance("[sig-cli] Kubectl client Guestbook application should create and stop a working application")
def test_a_guest_book_in_pods(host, tmp_path):
    """Created by kubectl, it takes an entry and gives it back, through the proxy of its service; deleted by kubectl, nothing is left."""
    cluster = ready_cluster(host)
    kubectl = lambda *words, **how: cluster.kubectl("-n", "guestbook", *words, **how)  # noqa: E731
    customize(tmp_path, "guestbook", {"valkey/valkey": host.refs["valkey"]})
    cluster.kubectl("create", "namespace", "guestbook")
    try:
        kubectl("create", "-k", tmp_path)
        get = lambda what: cluster.ask("GET", f"{what.replace('NS', 'namespaces/guestbook')}?labelSelector=app%3Dguestbook")["items"]  # noqa: E731
        phases = lambda: [p["status"]["phase"] for p in get("/api/v1/NS/pods") if p["metadata"]["labels"]["tier"] == "frontend"]  # noqa: E731
        assert eventually(lambda: phases() == ["Running"] * 3, WAIT, 1), kubectl("get", "pods", "-o", "wide").stdout
        path = "/api/v1/namespaces/guestbook/services/frontend/proxy/cgi-bin/guestbook?key=messages&cmd="
        ask = lambda words: cluster.raw("GET", path + words)[1]  # noqa: E731
        for words, wanted in (("get", {"data": ""}), ("set&value=TestEntry", {"message": "Updated"}), ("get", {"data": "TestEntry"})):
            assert eventually(lambda words=words, wanted=wanted: ask(words) == wanted, WAIT, 1), ask(words)
        kubectl("delete", "-k", tmp_path, "--grace-period=0", "--force", timeout=WAIT)
        left = lambda: [o["metadata"]["name"] for what in ("/api/v1/NS/pods", "/api/v1/NS/services", "/apis/apps/v1/NS/replicasets") for o in get(what)]  # noqa: E731
        assert eventually(lambda: not left(), WAIT, 1), left()
    finally:
        cluster.kubectl("delete", "namespace", "guestbook", timeout=WAIT)


@pytest.mark.conformance("[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35]")
def test_an_image_as_a_volume(host):
    """The registry is asked, and a container of one image reads what is in another."""
    cluster = ready_cluster(host)
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reads"}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
        "volumes": [{"name": "v", "image": {"reference": host.refs["guestbook"], "pullPolicy": "Always"}}],
        "containers": [{"name": "c", "image": host.refs["valkey"], "command": ["sleep", "1000"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}  # fmt: skip
    cluster.namespace("reads")
    try:
        cluster.kubectl("-n", "reads", "apply", "-f", "-", input=json.dumps(body))
        cluster.kubectl("-n", "reads", "wait", "--for=condition=Ready", "pod/reads", f"--timeout={WAIT}s", timeout=WAIT + 30)
        inside = lambda *words: cluster.kubectl("-n", "reads", "exec", "reads", "--", "busybox", *words, check=False).stdout  # noqa: E731
        assert inside("cat", "/v/etc/passwd").startswith("root:") and "python3" in inside("ls", "/v/usr/bin")
        assert "python3" not in inside("ls", "/usr/bin")
    finally:
        cluster.kubectl("delete", "namespace", "reads", timeout=WAIT)
