# SPDX-License-Identifier: Apache-2.0
"""Networks of containers: published ports, names, isolation, and what an engine restart leaves alone."""

import socket

import pytest

from support.node import eventually

# Answers each connection with the client's address, for ever.
SERVER = "while :; do nc -l -p 80 -e sh -c 'echo served; netstat -tn | grep :80'; done"


@pytest.fixture(scope="module")
def net_node(request, session_dir):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node = nodes(extra=["--forward", "0:8085"])
    node.boot()
    yield node
    nodes.end()


def fetch(node, port=8085):
    try:
        with socket.create_connection(("127.0.0.1", int(node.env[f"WHERRY_TCP_{port}"])), timeout=5) as s:
            s.settimeout(5)
            return s.recv(4096).decode()
    except OSError:
        return ""


def test_published_port(net_node):
    net_node.docker("run", "-d", "--name", "web", "-p", "8085:80", "wherry/hello", "sh", "-c", SERVER)
    try:
        assert "8085" in net_node.docker("port", "web", "80/tcp").stdout
        assert eventually(lambda: "served" in fetch(net_node))
        taken = net_node.docker("run", "--rm", "-p", "8085:80", "wherry/hello", check=False)
        assert taken.returncode == 125
        assert "Bind for 0.0.0.0:8085 failed: port is already allocated" in taken.stderr
        # On the node itself, over loopback, too.
        assert "served" in net_node.ssh("nc -w 3 127.0.0.1 8085 </dev/null")
        # The refused container took nothing with it, and a killed engine does not either.
        net_node.ssh("pkill -9 -x engine || kill -9 $(pidof engine)")
        assert eventually(lambda: "served" in fetch(net_node))
        net_node.wait_engine()
        assert eventually(lambda: "served" in fetch(net_node))
    finally:
        net_node.docker("rm", "-f", "web")
    assert not fetch(net_node)


def test_ephemeral_port(net_node):
    net_node.docker("run", "-d", "--name", "any", "-p", "80", "wherry/hello", "sh", "-c", SERVER)
    try:
        port = int(net_node.docker("port", "any", "80/tcp").stdout.split(":")[-1])
        assert port >= 1024
        assert eventually(lambda: "served" in net_node.ssh(f"nc -w 3 127.0.0.1 {port} </dev/null", check=False).stdout)
    finally:
        net_node.docker("rm", "-f", "any")


def test_names_and_isolation(net_node):
    docker = net_node.docker
    docker("network", "create", "front")
    docker("network", "create", "--subnet", "10.99.0.0/24", "back")
    try:
        docker("run", "-d", "--name", "db", "--network", "back", "--network-alias", "database", "wherry/hello", "sh", "-c", SERVER)
        docker("run", "-d", "--name", "stranger", "--network", "front", "wherry/hello", "sleep", "1000")
        address = docker("inspect", "-f", '{{(index .NetworkSettings.Networks "back").IPAddress}}', "db").stdout.strip()
        assert address == "10.99.0.2"
        for name in ("db", "database", "db.back"):
            done = docker("run", "--rm", "--network", "back", "wherry/hello", "nc", "-w", "3", name, "80", check=False)
            assert "served" in done.stdout, (name, done)
        # Another network knows neither the name nor the way.
        assert docker("exec", "stranger", "nslookup", "db", check=False).returncode != 0
        assert docker("exec", "stranger", "nc", "-w", "2", address, "80", check=False).returncode != 0
        # Until it is connected.
        docker("network", "connect", "back", "stranger")
        assert "served" in docker("exec", "stranger", "nc", "-w", "3", "db", "80").stdout
        refused = docker("network", "rm", "back", check=False)
        assert refused.returncode != 0 and "active endpoints" in refused.stderr
        docker("network", "disconnect", "back", "stranger")
        assert docker("exec", "stranger", "nc", "-w", "2", address, "80", check=False).returncode != 0
    finally:
        docker("rm", "-f", "db", "stranger", check=False)
        docker("network", "rm", "front", "back", check=False)
    assert "back" not in docker("network", "ls", "--format", "{{.Name}}").stdout.split()


def test_rules_explain_themselves(net_node):
    """The node's own view after all of it: nothing is left of what is gone."""
    links = net_node.ssh("ip link")
    assert "docker0" in links
    assert "veth" not in links
    assert "br-" not in links
