# SPDX-License-Identifier: Apache-2.0
"""Which disk STATE and DATA are on: the one that the command line or the configuration names, wiped only when it says so, and of two that carry the
partition that was booted the one that is named."""

import subprocess

import pytest

from support.node import TOP, eventually

SIZE = 1 << 30
TABLE = 34 * 512  # protective MBR, header, entries
FOREIGN = b"somebody's data" + bytes(4096) + b"and more of it"


@pytest.fixture
def disk(tmp_path):
    """A second disk, blank."""
    path = tmp_path / "second.img"
    with open(path, "wb") as f:
        f.truncate(SIZE)
    return path


def second(disk):
    return ["--qemu", f"-drive if=none,id=second,format=raw,cache=writeback,file={disk} -device virtio-blk-pci,drive=second,serial=second"]


def configured(folder, **storage):
    """Words that hand over a configuration with this storage."""
    path = folder / "machine.yaml"
    path.write_text("version: 1\nstorage:\n" + "".join(f"  {key}: {value}\n" for key, value in storage.items()))
    return ["--config", str(path)]


def head(path, size=len(FOREIGN)):
    with open(path, "rb") as f:
        return f.read(size)


def used(node):
    """The disk that STATE and DATA are on, as the node names it, and how it was found; that is where both are mounted."""
    name, _, how = node.ssh("sed -n 's/^disk: //p' /run/storage/status").strip().partition(", ")
    mounted = {where: (device.rstrip("0123456789"), kind) for device, where, kind, *_ in map(str.split, node.ssh("cat /proc/mounts").splitlines())}
    assert name and mounted["/state"] == mounted["/data"] == (name, "ext4"), (name, how, mounted)
    return name, how


def in_memory(node, why):
    """Both are, and whoever looks is told why."""
    status = node.ssh("cat /run/storage/status")
    assert status.count("in memory, lost at reboot") == 2 and why in status, status
    assert "ext4" not in node.ssh("cat /proc/mounts")
    assert eventually(lambda: why in node.console(), 30) and why in node.ssh("wherryctl status", check=False).stdout


def by_serial(node, serial):
    """/dev/NAME of the disk with it."""
    return "/dev/" + node.ssh(f"cd /sys/block; for d in vd*; do [ \"$(cat $d/serial)\" = {serial} ] && echo $d; done; true").strip()


def test_the_disk_that_is_named(make_node, tmp_path, disk):
    """By its serial, then by its name: not the one that would have been taken without a word."""
    node = make_node()
    node.extra = [*configured(tmp_path, disk="serial:second"), *second(disk)]
    node.boot()
    name, how = used(node)
    assert (name, how) == (by_serial(node, "second"), "as configured") and by_serial(node, "wherry-data") not in ("/dev/", name)
    node.ssh("echo data >/data/kept; echo state >/state/kept")
    node.stop()
    assert (node.state / "disk.img").stat().st_blocks == 0, "the disk that nobody named was written"

    node.extra = [*configured(tmp_path, disk=name), *second(disk)]
    node.boot()
    assert used(node) == (name, "as configured")
    assert node.ssh("cat /data/kept /state/kept").split() == ["data", "state"]
    assert node.docker("run", "--rm", "wherry/hello", "true").returncode == 0


def test_the_disk_that_the_command_line_names(make_node, tmp_path, disk):
    """It stands against the configuration's, and wipes nothing; one that is not there, or is no name, leaves all disks alone."""
    node = make_node()
    node.extra = [*configured(tmp_path, disk="serial:wherry-data"), *second(disk), "--append", "wherry.disk=serial:second"]
    node.boot()
    assert used(node) == (by_serial(node, "second"), "as the command line says")
    node.ssh("echo data >/data/kept")
    node.stop()
    assert (node.state / "disk.img").stat().st_blocks == 0, "the disk that the configuration names was written"

    # without a word it is the configuration's once more; with one, the saved configuration is found on its disk
    node.extra = ["--config", "none", *second(disk), "--append", "wherry.disk=serial:second"]
    node.boot()
    assert node.ssh("cat /data/kept; cat /run/config/source").split() == ["data", "saved"]
    node.stop()

    for word, why in (("/dev/nosuch", "no disk /dev/nosuch, which wherry.disk of the command line names"),
                      ("second", "wherry.disk=second of the command line is neither /dev/NAME nor serial:TEXT")):  # fmt: skip
        node.extra = [*configured(tmp_path, disk="serial:second"), *second(disk), "--append", f"wherry.disk={word}"]
        node.boot()
        in_memory(node, why)
        node.cut_power()

    foreign = tmp_path / "third.img"
    foreign.write_bytes(FOREIGN.ljust(SIZE // 8, b"\0"))
    third = f"-drive if=none,id=third,format=raw,cache=writeback,file={foreign} -device virtio-blk-pci,drive=third,serial=third"
    node.extra = [*configured(tmp_path, disk="serial:second", wipe="true"), *second(disk), "--qemu", third, "--append", "wherry.disk=serial:third"]
    node.boot()
    in_memory(node, "holds data that is not Wherry's and is left alone")
    node.cut_power()
    assert head(foreign) == FOREIGN


def test_a_disk_is_wiped_when_told(make_node, tmp_path, disk):
    """One that holds something is left alone although it is named, until `wipe` gives it up; and what is made then stays."""
    with open(disk, "r+b") as f:
        f.write(FOREIGN)
    node = make_node()
    node.extra = [*configured(tmp_path, disk="serial:second"), *second(disk)]
    node.boot()
    in_memory(node, f"disk {by_serial(node, 'second')} holds data that is not Wherry's and is left alone")
    node.cut_power()
    assert head(disk) == FOREIGN

    node.extra = [*configured(tmp_path, disk="serial:second", wipe="true"), *second(disk)]
    node.boot()
    assert used(node) == (by_serial(node, "second"), "as configured")
    node.ssh("echo data >/data/kept; echo state >/state/kept")
    node.stop()
    assert b"and more of it" not in head(disk) and head(disk)[512:520] == b"EFI PART"

    node.boot()  # `wipe` is still there
    used(node)
    assert node.ssh("cat /data/kept /state/kept").split() == ["data", "state"]


def test_two_disks_of_one_image(make_node, tmp_path):
    """Both carry the partition that was booted: neither is written until one is named. That one is then told from the other."""
    image = TOP / "out/x86_64/wherry.img"
    twin = tmp_path / "second.img"
    subprocess.run(["cp", "--sparse=always", image, twin], check=True)
    table = head(image, TABLE)
    node = make_node(boot="efi")
    node.extra = second(twin)
    node.boot()
    in_memory(node, "several disks carry the partition that was booted, so none is written")
    other = by_serial(node, "second")
    (booted,) = {f"/dev/{name}" for name in node.ssh("cd /sys/block; echo vd*").split()} - {other}
    node.cut_power()
    assert head(node.state / "disk.img", TABLE) == head(twin, TABLE) == table

    node.extra = [*configured(tmp_path, disk=booted), *second(twin)]
    node.boot()
    assert used(node) == (booted, "as configured")
    node.stop()
    assert head(twin, TABLE) == table, "the disk that was not named was written"
    entries = slice(1024 + 16, 1024 + 32)  # the first partition's own GUID
    assert head(node.state / "disk.img", TABLE)[entries] != table[entries], "it has the GUID of the image still"
