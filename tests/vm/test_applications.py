# SPDX-License-Identifier: Apache-2.0
"""Real programs: PostgreSQL, Valkey and a Python web application, as compose runs them together; a shop, as Kubernetes does."""

import contextlib
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


SHOP = Path(__file__).parent / "applications/shop/shop.yaml"
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


@pytest.fixture
def shop(host, tmp_path):
    """The shop in a namespace of its own: its YAML as it is, with this node's names for the images."""
    cluster = Cluster(host)
    ready = lambda: cluster.kubectl("get", "nodes", check=False).stdout.count(" Ready ") == 1  # noqa: E731
    assert eventually(ready, WAIT, 1), "the node is not ready"
    shutil.copy(SHOP, tmp_path)
    names = {"postgres": host.refs["postgresql"], "shop": host.shop[0], "busybox": host.shop[0]}
    images = "".join("  - {name: %s, newName: \"%s\", newTag: \"%s\"}\n" % (name, *ref.rsplit(":", 1)) for name, ref in names.items())
    (tmp_path / "kustomization.yaml").write_text(f"resources: [shop.yaml]\nnamespace: shop\nimages:\n{images}")
    cluster.kubectl("create", "namespace", "shop")
    cluster.kubectl("apply", "-k", tmp_path)
    yield lambda *words, **how: cluster.kubectl("-n", "shop", *words, **how)
    cluster.kubectl("delete", "namespace", "shop", timeout=WAIT)


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
    with Shoppers(host) as shoppers:
        assert eventually(lambda: shoppers.served > 5, WAIT), shoppers.lost
        shoppers.lost.clear()  # the rules of a node port may follow a moment after the first pod is ready
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
