# SPDX-License-Identifier: Apache-2.0
"""What may be asked of networks: names, families, gateways, addresses; and what is refused in which words."""

import pytest

from support import api


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
