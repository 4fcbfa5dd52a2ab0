# SPDX-License-Identifier: Apache-2.0
"""What may be asked of networks: names, families, gateways, addresses; and what is refused in which words."""

import json

import pytest

from support import api
from support.node import eventually

HELLO = "wherry/hello"
SERVER = "while :; do nc -l -p 80 -e echo served; done"


def asked_of(network, **settings):
    return {"EndpointsConfig": {network: settings}}


def test_names_of_networks(node):
    """Nearly any, as in Docker; but not those that are there from the beginning."""
    for name in ("test@#$", "kiwl$%^", "a b"):
        made = node.docker("network", "create", name).stdout.strip()
        try:
            assert name in node.docker("network", "ls", "--format", "{{.Name}}").stdout.splitlines()
            assert node.docker("network", "inspect", "-f", "{{.Id}}", name).stdout.strip() == made
        finally:
            node.docker("network", "rm", name)
    for name in ("bridge", "host", "none", "default", "container:x"):
        status, why = node.api("POST", "/networks/create", {"Name": name})
        assert status == 403 and f"operation is not permitted on predefined {name} network" in why["message"], (status, why)
    status, why = node.api("POST", "/networks/create", {"Name": " "})
    assert status == 400 and "invalid network name" in why["message"], (status, why)


def test_the_list_under_either_path(node):
    status, listed = node.api("GET", "/networks/")
    assert status == 200 and {n["Name"] for n in listed} == {"bridge", "host", "none"}
    assert listed == node.api("GET", "/networks")[1]


def test_ipv4_is_shown_first(node):
    pools = [{"Subnet": "2001:db8:91::/64"}, {"Subnet": "10.191.0.0/24"}]
    status, made = node.api("POST", "/networks/create", {"Name": "both", "EnableIPv6": True, "IPAM": {"Config": pools}})
    assert status == 201, made
    try:
        shown = node.api("GET", "/networks/both")[1]["IPAM"]["Config"]
        assert [c["Subnet"] for c in shown] == ["10.191.0.0/24", "2001:db8:91::/64"], shown
    finally:
        node.docker("network", "rm", "both")


@pytest.mark.parametrize(("version", "has_ipv4"), [("1.46", True), ("1.47", False), ("", False)])
def test_clients_that_know_no_network_without_ipv4(node, version, has_ipv4):
    status, made = api.call(node, "POST", "/networks/create", {"Name": "six", "EnableIPv4": False, "EnableIPv6": True}, version=version)
    assert status == 201, made
    try:
        shown = node.api("GET", "/networks/six")[1]
        assert (shown["EnableIPv4"], shown["EnableIPv6"]) == (has_ipv4, True), shown
    finally:
        node.docker("network", "rm", "six")


NO_NETWORK_OF_ONES_OWN = "user specified IP address is supported on user defined networks only"
NO_SUBNET_OF_ONES_OWN = "user specified IP address is supported only when connecting to networks with user configured subnets"
NO_ALIASES = "network-scoped aliases are only supported for user-defined networks"


@pytest.mark.parametrize(("network", "settings", "words"), [
    ("bridge", {"IPAMConfig": {"IPv4Address": "172.17.0.99"}}, NO_NETWORK_OF_ONES_OWN),
    ("bridge", {"IPAMConfig": {"IPv6Address": "fd00::99"}}, NO_NETWORK_OF_ONES_OWN),
    ("host", {"IPAMConfig": {"IPv4Address": "172.17.0.99"}}, NO_NETWORK_OF_ONES_OWN),
    ("none", {"IPAMConfig": {"IPv4Address": "172.17.0.99"}}, NO_NETWORK_OF_ONES_OWN),
    ("bridge", {"Aliases": ["web"]}, NO_ALIASES),
    ("host", {"Aliases": ["web"]}, NO_ALIASES),
    ("chosen", {"IPAMConfig": {"IPv4Address": "172.18.0.99"}}, NO_SUBNET_OF_ONES_OWN),
    ("named", {"IPAMConfig": {"IPv4Address": "10.192.1.9"}}, "no configured subnet or ip-range contain the IP address 10.192.1.9"),
    ("named", {"IPAMConfig": {"IPv6Address": "10.192.0.9"}}, "invalid IPv6 address: 10.192.0.9"),
])  # fmt: skip
def test_what_cannot_be_asked_of_a_network(node, network, settings, words):
    """At create already, and by connect."""
    node.docker("network", "create", "chosen")
    node.docker("network", "create", "--subnet", "10.192.0.0/24", "named")
    try:
        made = {"Image": HELLO, "HostConfig": {"NetworkMode": network}, "NetworkingConfig": asked_of(network, **settings)}
        status, why = node.api("POST", "/containers/create", made)
        assert (status, why["message"]) == (400, f"invalid config for network {network}: invalid endpoint settings:\n{words}")
        if network not in ("host", "none"):
            node.docker("create", "--name", "later", "--network", "named" if network == "bridge" else "bridge", HELLO)
            status, why = node.api("POST", f"/networks/{network}/connect", {"Container": "later", "EndpointConfig": settings})
            assert (status, why["message"]) == (400, f"invalid endpoint settings:\n{words}")
    finally:
        node.docker("rm", "-f", "later", check=False)
        node.docker("network", "rm", "chosen", "named")


def test_an_address_in_a_subnet_that_was_named(node):
    node.docker("network", "create", "--subnet", "10.192.0.0/24", "named")
    try:
        node.docker("run", "-d", "--name", "fixed", "--network", "named", "--ip", "10.192.0.9", HELLO, "sleep", "1000")
        at = node.docker("inspect", "-f", "{{.NetworkSettings.Networks.named.IPAddress}}", "fixed").stdout.strip()
        assert at == "10.192.0.9"
    finally:
        node.docker("rm", "-f", "fixed", check=False)
        node.docker("network", "rm", "named")


def test_an_address_in_a_network_that_came_later(node):
    """It is asked for before anybody knows whose the subnets are: the start sees what create could not."""
    docker = node.docker
    docker("create", "--name", "early", "--network", "late", "--ip", "10.192.0.9", HELLO, "sleep", "1000")
    try:
        docker("network", "create", "late")
        failed = docker("start", "early", check=False)
        assert failed.returncode == 1 and NO_SUBNET_OF_ONES_OWN in failed.stderr, failed
        docker("network", "rm", "late")
        docker("network", "create", "--subnet", "10.192.0.0/24", "late")
        docker("start", "early")
        assert docker("inspect", "-f", "{{.NetworkSettings.Networks.late.IPAddress}}", "early").stdout == "10.192.0.9\n"
    finally:
        docker("rm", "-f", "early", check=False)
        docker("network", "rm", "late", check=False)


def test_host_and_none_stand_alone(node):
    docker = node.docker
    docker("run", "-d", "--name", "in-bridge", HELLO, "sleep", "1000")
    docker("run", "-d", "--name", "in-host", "--network", "host", HELLO, "sleep", "1000")
    docker("run", "-d", "--name", "in-none", "--network", "none", HELLO, "sleep", "1000")
    try:
        for command, network, container, words in (
                ("connect", "host", "in-bridge", "cannot connect container to host network - container must be created in host network mode"),
                ("connect", "none", "in-bridge", "one of the networks in private (none) mode"),
                ("connect", "bridge", "in-none", "one of the networks in private (none) mode"),
                ("connect", "bridge", "in-host", "container sharing network namespace with another container or host"),
                ("disconnect", "host", "in-host",
                 "cannot disconnect container from host network - container was created in host network mode")):  # fmt: skip
            done = docker("network", command, network, container, check=False)
            assert done.returncode == 1 and words in done.stderr, (command, network, container, done)
        # also of one that is in no other any more
        docker("network", "disconnect", "bridge", "in-bridge")
        done = docker("network", "connect", "host", "in-bridge", check=False)
        assert done.returncode == 1 and "cannot connect container to host network" in done.stderr, done
    finally:
        docker("rm", "-f", "in-bridge", "in-host", "in-none", check=False)


@pytest.mark.parametrize("option", ["com.docker.network.bridge.gateway_mode_ipv4=isolated", "com.docker.network.bridge.inhibit_ipv4=true"])
def test_a_pair_of_addresses_for_two_containers(node, option):
    """Where the node has no address of its own there is no gateway: two containers meet in a /31."""
    docker = node.docker
    docker("network", "create", "--internal", "--subnet", "10.192.0.0/31", "-o", option, "pair")
    try:
        shown = json.loads(docker("network", "inspect", "pair").stdout)[0]
        assert shown["IPAM"]["Config"] == [{"Subnet": "10.192.0.0/31"}], shown
        assert "10.192.0" not in node.ssh("ip addr")
        docker("run", "-d", "--name", "one", "--network", "pair", HELLO, "sh", "-c", SERVER)
        docker("run", "-d", "--name", "two", "--network", "pair", HELLO, "sleep", "1000")
        assert "inet 10.192.0.1/31" in docker("exec", "two", "ip", "addr").stdout
        asked = ["exec", "two", "nc", "-w", "3", "one", "80"]
        assert eventually(lambda: "served" in docker(*asked, check=False).stdout)
        full = docker("run", "--rm", "--network", "pair", HELLO, check=False)
        assert full.returncode == 125 and "failed to set up container networking: no available IPv4 addresses" in full.stderr, full
    finally:
        docker("rm", "-f", "one", "two", check=False)
        docker("network", "rm", "pair")


def test_no_gateway_where_no_way_leads_out(node):
    """The node is in an internal network, but it is no way out."""
    docker = node.docker
    docker("network", "create", "--internal", "--subnet", "10.192.0.0/24", "inner")
    try:
        docker("run", "-d", "--name", "kept", "--network", "inner", HELLO, "sleep", "1000")
        of = json.loads(docker("inspect", "-f", "{{json .NetworkSettings.Networks.inner}}", "kept").stdout)
        assert (of["IPAddress"], of["Gateway"]) == ("10.192.0.2", ""), of
        assert "default" not in docker("exec", "kept", "ip", "route").stdout
        shown = json.loads(docker("network", "inspect", "inner").stdout)[0]
        assert shown["IPAM"]["Config"] == [{"Subnet": "10.192.0.0/24", "Gateway": "10.192.0.1"}], shown
    finally:
        docker("rm", "-f", "kept", check=False)
        docker("network", "rm", "inner")


def test_isolated_is_for_internal_networks(node):
    for family in ("ipv4", "ipv6"):
        done = node.docker("network", "create", "-o", f"com.docker.network.bridge.gateway_mode_{family}=isolated", "open", check=False)
        assert done.returncode == 1 and "gateway mode 'isolated' can only be used for an internal network" in done.stderr, done


def test_macvlan_without_addresses(node):
    """An interface and no more, which its programs set up themselves; and no gateway that nobody named."""
    docker = node.docker
    status, made = node.api("POST", "/networks/create", {"Name": "bare", "Driver": "macvlan", "EnableIPv4": False, "EnableIPv6": False})
    assert status == 201, made
    try:
        docker("run", "-d", "--name", "plain", "--network", "bare", HELLO, "sleep", "1000")
        of = json.loads(docker("inspect", "-f", "{{json .NetworkSettings.Networks.bare}}", "plain").stdout)
        assert (of["IPAddress"], of["GlobalIPv6Address"]) == ("", "") and of["MacAddress"], of
        inside = docker("exec", "plain", "ip", "addr", "show", "eth0").stdout
        assert of["MacAddress"] in inside and "inet" not in inside
    finally:
        docker("rm", "-f", "plain", check=False)
        docker("network", "rm", "bare")
    docker("network", "create", "-d", "macvlan", "--subnet", "10.192.0.0/24", "-o", "parent=eth0", "wire")
    try:
        assert json.loads(docker("network", "inspect", "-f", "{{json .IPAM.Config}}", "wire").stdout) == [{"Subnet": "10.192.0.0/24"}]
        routes = docker("run", "--rm", "--network", "wire", HELLO, "ip", "route").stdout
        assert "10.192.0.0/24" in routes and "default" not in routes
    finally:
        docker("network", "rm", "wire")
    status, why = node.api("POST", "/networks/create", {"Name": "bare", "EnableIPv4": False, "EnableIPv6": False})
    assert status == 400 and "neither IPv4 nor IPv6 is enabled" in why["message"], (status, why)
