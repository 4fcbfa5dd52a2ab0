# SPDX-License-Identifier: Apache-2.0
"""Real programs: PostgreSQL, Valkey and a Python web application, as compose runs them together."""

import time
import urllib.request

import pytest

from support import programs, stack
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


@pytest.fixture(scope="module")
def host(session_dir, tmp_path_factory):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node, registry = stack.boot(nodes, tmp_path_factory.mktemp("programs"), memory=1024, forward=(8000,))
    node.refs = {name: registry.push(f"programs/{name}", "1", getattr(programs, name)()) for name in ("postgresql", "valkey", "guestbook")}
    for ref in node.refs.values():
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
        done = host.docker("exec", "pg", "pgbench", "-h", "127.0.0.1", "-c", "2", "-T", "10", "postgres", timeout=300)
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
