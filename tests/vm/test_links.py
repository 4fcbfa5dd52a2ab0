# SPDX-License-Identifier: Apache-2.0
"""The network of the machine: bonds, VLANs, fixed addresses, IPv6, devices told by their MAC address."""

import re

import pytest

from support.node import eventually, qemu_node

MAC = "52:54:00:00:{:02x}:{:02x}"


def wires(number, side, folder, count=2):
    """@count network cards of node @number, each joined by a wire of its own to the same one of the other node."""
    words = []
    for i in range(1, count + 1):
        end = "server=on" if side == "a" else "server=off"
        words.append(f"-netdev stream,id=w{i},{end},addr.type=unix,addr.path={folder}/wire{i} "
                     f"-device virtio-net-pci,netdev=w{i},id=card{i},romfile=,mac={MAC.format(number, i)}")  # fmt: skip
    return [word for one in words for word in ("--qemu", one)]


def configured(node, tmp_path, text):
    config = tmp_path / f"{node.state.name}.yaml"
    config.write_text("version: 1\n" + text)
    node.extra += ["--config", str(config)]
    return node


def pings(node, address):
    return node.ssh(f"ping -c 2 -W 2 {address}", check=False).returncode == 0


PAIR = """network:
  interfaces:
    - name: eth0
      dhcp: true
    - name: left
      mac: "{mac}"
    - name: bond7
      mtu: 1400
      addresses: [10.77.0.{n}/24]
      bond:
        mode: active-backup
        members: [left, eth2]
    - name: bond7.5
      addresses: [10.78.0.{n}/24, "fd00:78::{n}/64"]
      vlan:
        id: 5
        parent: bond7
    - name: other
      addresses: [10.79.0.{n}/24]
      vlan:
        id: {other}
        parent: bond7
"""


def test_bond_vlan_fixed_addresses_and_names(make_node, tmp_path):
    """Two nodes, joined by two wires. The first wire's card gets a name by its MAC address; both make a bond, on which
    there are VLANs; one wire is cut."""
    nodes = [make_node(), make_node()]
    for n, (node, side) in enumerate(zip(nodes, "ab"), 1):
        node.extra = wires(n, side, tmp_path)
        configured(node, tmp_path, PAIR.format(n=n, mac=MAC.format(n, 1), other=5 + n))
        node.boot()
    a = nodes[0]
    links = a.ssh("ip link show")
    assert re.search(r"\d+: bond7: .*mtu 1400", links), links
    assert re.search(r"\d+: bond7\.5@bond7: ", links), links
    bond = a.ssh("cat /proc/net/bonding/bond7")
    assert "Bonding Mode: fault-tolerance (active-backup)" in bond
    assert re.findall(r"^Slave Interface: (\S+)", bond, re.M) == ["left", "eth2"], bond
    for address in ("10.77.0.2", "10.78.0.2", "fd00:78::2"):
        assert eventually(lambda address=address: pings(a, address), 60, 1), address
    assert not pings(a, "10.79.0.2")  # their tags differ
    status = a.ssh("wherryctl status", check=False).stdout
    assert re.search(r"^address +bond7\.5 10\.78\.0\.1$", status, re.M), status

    # Both ends lose the link, as they do of a cut wire: either must turn to the other one.
    monitors = [qemu_node.Qmp(node.state) for node in nodes]
    for monitor in monitors:
        monitor.command("set_link", name="card1", up=False)
    assert eventually(lambda: re.search(r"Slave Interface: left\nMII Status: down", a.ssh("cat /proc/net/bonding/bond7")), 60, 1)
    assert eventually(lambda: pings(a, "10.78.0.2"), 60, 1)
    for monitor in monitors:
        monitor.command("set_link", name="card1", up=True)
        monitor.close()
    assert eventually(lambda: "MII Status: down" not in a.ssh("cat /proc/net/bonding/bond7"), 60, 1)


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
