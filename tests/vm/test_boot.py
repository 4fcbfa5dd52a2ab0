# SPDX-License-Identifier: Apache-2.0
"""Booting: without what a machine should have, with a configuration that is wrong, and cut short."""

import random
import re

import pytest

from support.node import Node, eventually


def hello(node):
    return node.docker("run", "--rm", "wherry/hello").returncode == 0


def test_no_disk(make_node):
    """Works in memory and says so."""
    node = make_node(extra=["--disk", "none"])
    node.boot()
    assert hello(node)
    assert re.search(r"no disk", node.console(), re.I)
    assert re.search(r"no disk", node.ssh("wherryctl status", check=False).stdout, re.I)


def test_foreign_disk_is_not_formatted(make_node, tmp_path):
    disk = tmp_path / "foreign.img"
    content = b"somebody's data" + bytes(4096)
    with open(disk, "wb") as f:
        f.write(content)
        f.truncate(1 << 30)
    # Tagged as ours, but not empty: still somebody's.
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    assert hello(node)
    node.cut_power()
    with open(disk, "rb") as f:
        assert f.read(len(content)) == content


def test_read_only_disk(make_node, tmp_path):
    disk = tmp_path / "ro.img"
    with open(disk, "wb") as f:
        f.truncate(1 << 30)
    node = make_node(extra=["--disk", f"{disk}:ro"])
    node.boot()
    assert hello(node)
    assert re.search(r"read-only|write-protected", node.console(), re.I)


def test_too_small_disk(make_node, tmp_path):
    disk = tmp_path / "small.img"
    with open(disk, "wb") as f:
        f.truncate(16 << 20)
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    assert hello(node)
    assert re.search(r"too small", node.console(), re.I)


def test_no_network(make_node, tmp_path):
    """No address by DHCP in this segment: the engine still comes up, and the boot does not wait for ever."""
    config = tmp_path / "machine.yaml"
    config.write_text("version: 1\nnetwork:\n  interfaces:\n    - name: eth7\n      dhcp: true\n")
    node = make_node(extra=["--config", str(config)])
    done = node.boot(check=False, timeout=60)
    assert done.returncode != 0  # nobody can reach it
    assert "eth7" in node.console()


BAD = {
    "an unknown key": ("version: 1\nnetwrok:\n  nameservers: []\n", 2, "netwrok"),
    "a wrong type": ("version: 1\nhostname: [a, b]\n", 2, "hostname"),
    "not YAML": ("version: 1\nhostname: \"open\n", 2, ""),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_configuration_leaves_the_previous_in_force(make_node, tmp_path, what):
    text, line, word = BAD[what]
    node = make_node()
    good = tmp_path / "good.yaml"
    good.write_text("version: 1\nhostname: good-name\n")
    node.extra = ["--config", str(good)]
    node.boot()
    assert node.ssh("hostname").strip() == "good-name"
    node.stop()
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    node.extra = ["--config", str(bad)]
    node.boot()  # still reachable, with the certificates it had
    assert node.ssh("hostname").strip() == "good-name"
    for said in (node.console(), node.ssh("wherryctl status", check=False).stdout):
        assert re.search(rf"line {line}\b|:{line}:", said), said
        assert word in said
    assert hello(node)


def test_power_cut_at_any_moment_of_the_first_boot(make_node):
    """Whatever the plug interrupts, the next boot repairs or redoes it."""
    dice = random.Random(7)
    for _ in range(6):
        node = make_node()
        node.boot(check=False, timeout=0.8 + dice.random() * 3.5)
        node.cut_power()
        node.boot()
        assert hello(node)
        assert "/data" in node.ssh("grep ext4 /proc/mounts")
        node.cut_power()


def test_full_disk(make_node, tmp_path):
    disk = tmp_path / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(400 << 20)
    node = make_node(extra=["--disk", str(disk)])
    node.boot()
    node.docker("run", "-d", "--name", "before", "wherry/hello", "sh", "-c", "while :; do echo line; sleep 0.2; done")
    node.ssh("dd if=/dev/zero of=/data/filler bs=64k 2>/dev/null; sync", check=False)
    done = node.docker("run", "--name", "during", "wherry/hello", "true", check=False)
    assert done.returncode == 0 or "space" in done.stderr.lower(), done.stderr
    assert node.docker("inspect", "-f", "{{.State.Running}}", "before").stdout.strip() == "true"
    node.ssh("rm /data/filler; sync")
    assert eventually(lambda: hello(node), 20)
    node.stop()
    node.boot()
    assert hello(node)


def test_a_grown_disk_is_used(make_node):
    node = make_node()
    node.boot()
    before = int(node.ssh("df -k /data | tail -n 1").split()[1])
    node.stop()
    disk = node.state / "disk.img"
    with open(disk, "r+b") as f:
        f.truncate(disk.stat().st_size + (4 << 30))
    node.boot()
    assert int(node.ssh("df -k /data | tail -n 1").split()[1]) > before + (3 << 20)


def test_reboot_from_inside(make_node):
    node = make_node()
    node.boot()
    boot_id = node.ssh("cat /proc/sys/kernel/random/boot_id")
    node.ssh("wherryctl reboot", check=False)

    def again():
        done = node.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        return done.returncode == 0 and done.stdout != boot_id

    assert eventually(again, 120, 1)
    node.wait_engine()


def test_two_nodes_share_nothing(make_node):
    first, second = make_node(), make_node()
    for node in (first, second):
        node.boot()
    assert first.ssh("cat /state/machine-id") != second.ssh("cat /state/machine-id")
    stranger = Node(first.state, arch=first.arch)
    done = stranger.docker("version", check=False, env={"DOCKER_CERT_PATH": str(second.state / "docker")})
    assert done.returncode != 0  # another node's client certificate opens nothing


@pytest.mark.parametrize("hardware", ["nvme", "ahci", "usb"])
def test_disks_and_cards_of_real_machines(make_node, hardware):
    """NVMe with e1000e, SATA with e1000e, USB with e1000: what QEMU has of what real machines are made of."""
    node = make_node(boot="efi", extra=["--hardware", hardware])
    node.boot()
    assert hello(node)
    assert "/data" in node.ssh("grep ext4 /proc/mounts")
