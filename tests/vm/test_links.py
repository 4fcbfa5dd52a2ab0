# SPDX-License-Identifier: Apache-2.0
"""The network of the machine: fixed addresses, IPv6, a device told by its MAC address, and what is said of devices that
are missing."""

import re

import pytest

from support.node import eventually


def configured(node, tmp_path, text):
    config = tmp_path / f"{node.state.name}.yaml"
    config.write_text("version: 1\n" + text)
    node.extra += ["--config", str(config)]
    return node


def test_addresses_come_by_router_advertisement(node):
    """QEMU's own router advertises a prefix: SLAAC gives an address and a default route."""
    assert eventually(lambda: re.search(r"inet6 fec0:.*scope site.* dynamic", node.ssh("ip -6 addr show dev eth0")), 30)
    assert re.search(r"^default via fe80::", node.ssh("ip -6 route"), re.M)
    assert re.search(r"^address +eth0 fec0:", node.ssh("wherryctl status", check=False).stdout, re.M)


def test_no_ipv6_where_it_is_off(make_node, tmp_path):
    node = configured(make_node(), tmp_path, "network:\n  interfaces:\n    - name: eth0\n      dhcp: true\n      ipv6: \"off\"\n")
    node.boot()
    assert node.ssh("ip -6 addr show dev eth0") == ""


def test_fixed_address_gateway_and_names(make_node, tmp_path):
    text = ("network:\n  interfaces:\n    - mac: \"52:54:00:12:34:56\"\n      addresses: [10.0.2.15/24, \"fec0::15/64\"]\n"
            "      gateway: 10.0.2.2\n      gateway6: \"fec0::2\"\n      ipv6: auto\n"
            "  nameservers: [10.0.2.3]\n  search: [example.test]\n")  # fmt: skip
    node = configured(make_node(), tmp_path, text)
    node.boot()
    assert "default via 10.0.2.2 " in node.ssh("ip route")
    assert "default via fec0::2 " in node.ssh("ip -6 route")
    assert "dynamic" not in node.ssh("ip -4 addr show dev eth0")
    resolv = node.ssh("cat /run/resolv.conf")
    assert "nameserver 10.0.2.3" in resolv and "search example.test" in resolv
    assert node.docker("run", "--rm", "wherry/hello", "true").returncode == 0


@pytest.mark.parametrize(("text", "words"), [
    ("    - name: v9\n      dhcp: true\n      vlan:\n        id: 9\n        parent: eth9\n",
     "v9: configured, but there is no such device"),
    ("    - name: bond3\n      dhcp: true\n      bond:\n        members: [eth8, eth9]\n", "bond3: no link"),
], ids=["a VLAN whose parent is not there", "a bond without a member"])  # fmt: skip
def test_what_is_missing_is_said_and_holds_up_nothing(make_node, tmp_path, text, words):
    node = configured(make_node(), tmp_path, "network:\n  interfaces:\n    - name: eth0\n      dhcp: true\n" + text)
    node.boot()
    status = r"^notice +network: " + words
    assert eventually(lambda: re.search(status, node.ssh("wherryctl status"), re.M), 30, 1), node.ssh("wherryctl status")
    assert words in node.console()
