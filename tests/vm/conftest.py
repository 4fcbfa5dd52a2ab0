# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the VM tests. One node is shared by the tests of the engine that leave it as they found it, another by those of the
cluster, whose pods end in their own time; `make_node` gives a test its own."""

import shutil
import tempfile
from pathlib import Path

import pytest

from support import conformance, leaks
from support.cluster import Cluster
from support.node import Node, eventually, qemu_node
from support.webhook import Webhook

WEBHOOK = "10.0.2.100:9443"


@pytest.fixture(scope="session")
def session_dir():
    # Unix sockets want short paths, which pytest's own temporary directories are not.
    path = Path(tempfile.mkdtemp(prefix="wt-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


class _Nodes:
    def __init__(self, base):
        self.base, self.made = base, []

    def __call__(self, **options):
        node = Node(self.base / f"n{len(list(self.base.iterdir()))}", **options)
        node.state.mkdir()
        self.made.append(node)
        return node

    def end(self):
        for node in self.made:
            node.cut_power()
            shutil.rmtree(node.state, ignore_errors=True)


@pytest.fixture
def make_node(session_dir):
    nodes = _Nodes(session_dir)
    yield nodes
    nodes.end()


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """Words for a node without a cluster: nobody but the test asks its engine for anything, so what is left is the test's own."""
    config = tmp_path_factory.mktemp("alone") / "machine.yaml"
    config.write_text("version: 1\ncluster:\n  enabled: false\n")
    return ["--config", str(config)]


@pytest.fixture(scope="session")
def shared_node(session_dir, alone):
    nodes = _Nodes(session_dir)
    node = nodes(cpus=2, extra=alone)
    node.boot()
    yield node
    nodes.end()


@pytest.fixture
def node(shared_node):
    """The shared node, with a leak check around the test."""
    with leaks.checked(shared_node):
        yield shared_node


@pytest.fixture(scope="session")
def cluster_node(session_dir):
    nodes = _Nodes(session_dir)
    port = qemu_node.free_port()
    node = nodes(extra=["--guest-forward", f"{WEBHOOK}=127.0.0.1:{port}"])
    node.webhook = (port, WEBHOOK)  # where a test may listen, and what that is to the node
    node.boot("--wait", "ready")
    yield node
    nodes.end()


@pytest.fixture(scope="session")
def cluster(cluster_node):
    """The Kubernetes API of the cluster's node."""
    made = Cluster(cluster_node)
    assert eventually(lambda: made.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok", timeout=120), "the API is not ready"
    return made


@pytest.fixture(scope="module")
def webhook(cluster, tmp_path_factory):
    """A webhook that the cluster's node can reach."""
    made = Webhook(tmp_path_factory.mktemp("webhook"), *cluster.node.webhook)
    yield made
    made.end()


@pytest.fixture
def ns(cluster, request):
    """A namespace for the test."""
    name = "t-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:50].strip("-")
    cluster.namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


def pytest_configure(config):
    config.pluginmanager.register(conformance.Recorder(config), "conformance")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Several workers run the tests (`make test`): those that share a node, or anything else of a module, stay on one. Those of the
    shared nodes come first: they are the longest, and those marked so after them; and those of conformance have a cluster of their
    own beside the others'."""
    for item in items:
        found = [defs[-1] for defs in item._fixtureinfo.name2fixturedefs.values()]
        shared = sorted(d.argname for d in found if d.scope != "function" and d.func.__module__ in ("conftest", item.module.__name__))
        nodes = [name for name in ("shared_node", "cluster_node") if name in shared]
        group = nodes[0] if nodes else item.module.__name__ if shared != ["session_dir"] and shared else ""
        if group == "cluster_node" and item.path.parent.name == "conformance":
            group = "conformance"
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
        item.order = {"cluster_node": 0, "conformance": 1, "shared_node": 2}.get(group, 3 if item.get_closest_marker("lengthy") else 4)
    items.sort(key=lambda item: item.order)


def pytest_runtest_makereport(item, call):
    """A failed VM test shows what the console said last."""
    if call.when == "call" and call.excinfo is not None:
        for name in ("node", "shared_node", "cluster_node"):
            node = item.funcargs.get(name)
            if isinstance(node, Node) and (node.state / "console.log").exists():
                item.add_report_section("call", f"console of {node.state}", "\n".join(node.console().splitlines()[-40:]))
                break
