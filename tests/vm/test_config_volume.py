# SPDX-License-Identifier: Apache-2.0
"""Where a machine configuration is found when nobody hands one over: on the boot partition, and on volumes that carry
our label or cloud-init's."""

import re
import subprocess
import threading
import time

import pytest

from support import clients
from support.node import eventually, qemu_node
from support.volumes import cdrom, fat, fat_image, iso, write_config

NAME = "from-a-volume"


@pytest.mark.parametrize("make, label, name", [
    (iso, "cidata", "user-data"), (cdrom, "WHERRY", "machine.yaml"), (fat, "WHERRY", "machine.yaml"), (fat, "CIDATA", "user-data"),
])  # fmt: skip
def test_configuration_on_a_volume(make_node, tmp_path, make, label, name):
    node = make_node()
    node.extra = ["--config", "none", *make(tmp_path, label, name, write_config(node, NAME))]
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert name in node.ssh("cat /run/config/source")
    # It is kept: without the volume the node is the same.
    node.stop()
    node.extra = ["--config", "none"]
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert node.docker("run", "--rm", "wherry/hello", "true").returncode == 0


def test_a_slow_stick_is_waited_for(make_node, tmp_path):
    """A USB stick that shows itself eight seconds after the machine was switched on."""
    node = make_node()
    image = fat_image(tmp_path, "WHERRY", "machine.yaml", write_config(node, NAME))
    node.extra = ["--config", "none", "--qemu",
                  f"-S -device qemu-xhci -drive if=none,id=stick,format=raw,readonly=on,file={image}"]  # fmt: skip
    boot = threading.Thread(target=node.boot)
    boot.start()
    assert eventually(lambda: (node.state / "monitor.sock").exists(), 30)
    monitor = qemu_node.Qmp(node.state)
    monitor.command("cont")
    time.sleep(8)
    monitor.command("device_add", driver="usb-storage", drive="stick")
    monitor.close()
    boot.join()
    assert node.ssh("hostname").strip() == NAME


def test_a_volume_of_another_label_is_left_alone(make_node, tmp_path):
    node = make_node()
    text = write_config(node, NAME)
    node.boot()
    name = node.ssh("hostname").strip()
    node.stop()
    node.extra = ["--config", "none", *iso(tmp_path, "backup", "machine.yaml", text)]
    node.boot()
    assert node.ssh("hostname").strip() == name != NAME


def test_wrong_configuration_on_a_volume_is_named(make_node, tmp_path):
    node = make_node()
    node.boot()
    node.stop()
    node.extra = ["--config", "none", *fat(tmp_path, "WHERRY", "machine.yaml", "version: 1\nhostnam: x\n")]
    node.boot()
    status = node.ssh("wherryctl status", check=False).stdout
    assert re.search(r"machine\.yaml:2:1: .*hostnam", status), status


def test_configuration_on_the_boot_partition(make_node, tmp_path):
    """Through the firmware; the partition's number one, as `mcopy` of the README puts it there."""
    node = make_node(boot="efi")
    text = tmp_path / "machine.yaml"
    text.write_text(write_config(node, NAME))
    (node.state / "disk.img").unlink(missing_ok=True)
    disk = node.state / "disk.img"
    subprocess.run(["cp", "--sparse=always", clients.TOP / "out/x86_64/wherry.img", disk], check=True)
    with open(disk, "r+b") as f:
        f.seek(512 + 512 + 32)  # first GPT entry, its first block
        start = int.from_bytes(f.read(8), "little") * 512
        f.truncate(4 << 30)
    subprocess.run([*clients.command("mcopy", "image"), "-i", f"{disk}@@{start}", text, "::machine.yaml"], check=True)
    node.extra = ["--config", "none"]
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert eventually(lambda: node.docker("run", "--rm", "wherry/hello", "true", check=False).returncode == 0, 30)
