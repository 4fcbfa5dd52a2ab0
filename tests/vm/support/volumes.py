# SPDX-License-Identifier: Apache-2.0
"""Volumes with a machine configuration on them, as words for qemu/run, and the text of one."""

import subprocess

from . import clients


def write_config(node, name):
    """The configuration that qemu/run would have handed over, with a host name of its own."""
    subprocess.run([clients.TOP / "qemu/run", "--state", node.state, "--disk", "none", "--detach", "--timeout", "0"],
                   capture_output=True, check=False)  # fmt: skip
    return f"hostname: {name}\n" + (node.state / "gen/machine.yaml").read_text()


def iso(folder, label, name, text):
    (folder / "content").mkdir()
    (folder / "content" / name).write_text(text)
    (folder / "content" / "meta-data").write_text("instance-id: i1\n")
    words = clients.command("genisoimage")
    subprocess.run([*words, "-quiet", "-o", folder / "volume.iso", "-V", label, "-J", "-r", folder / "content"], check=True)
    return ["--qemu", f"-drive if=none,id=cd,format=raw,readonly=on,file={folder}/volume.iso",
            "--qemu", "-device virtio-blk-pci,drive=cd"]  # fmt: skip


def cdrom(folder, label, name, text):
    drive, _ = iso(folder, label, name, text)[1::2]
    return ["--qemu", drive, "--qemu", "-device ide-cd,drive=cd"]


def fat_image(folder, label, name, text):
    image, content = folder / "stick.img", folder / name
    content.write_text(text)
    with open(image, "wb") as f:
        f.truncate(4 << 20)
    subprocess.run([*clients.command("mformat", "image"), "-i", image, "-v", label, "::"], check=True)
    subprocess.run([*clients.command("mcopy", "image"), "-i", image, content, f"::{name}"], check=True)
    return image


def fat(folder, label, name, text):
    image = fat_image(folder, label, name, text)
    return ["--qemu", f"-drive if=none,id=fat,format=raw,readonly=on,file={image} -device virtio-blk-pci,drive=fat"]
