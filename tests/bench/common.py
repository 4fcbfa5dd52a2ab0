# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: the form of a result, a small initramfs, and a kernel booted to its end."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LOAD = TOP / "tests" / "bench" / "load"
sys.path[:0] = [str(TOP / "tests" / "vm"), str(TOP / "qemu"), str(LOAD)]
import machine  # noqa: E402

ARCH = "x86_64"
CPUS = 2  # as many as qemu/run gives a node when nothing else is said

# The last line of a guest's script, where /proc is mounted: the image's busybox has no poweroff.
OFF = "echo o >/proc/sysrq-trigger; busybox sleep 60"
# Of a guest whose root is a disk: what is in /own is put over it, and /work.sh goes on, which begins with DISK_WORK.
DISK_INIT = """#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
busybox mount -t ext4 /dev/vda /new
busybox cp -a /own/. /new/
exec busybox switch_root /new /bin/bash /work.sh
"""
DISK_WORK = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
mkdir -p /root /dev/pts /dev/shm /etc/containers; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for d in /run /tmp /var/tmp; do mkdir -p $d; mount -t tmpfs tmpfs $d; done
echo 0 >/proc/sys/kernel/printk
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
busybox ip link set lo up
"""


@dataclass
class Row:
    """One figure: @what was measured, @value with its unit, the @budget of the design ("" for none), and a @note."""

    what: str
    value: str
    budget: str = ""
    note: str = ""


def accel():
    return "kvm" if machine.kvm_works(ARCH) else "tcg"


def median(values):
    return sorted(values)[len(values) // 2]


def write_initrd(path, files):
    """An initramfs of @files, {name: bytes, a target (str) for a link, or None for a folder}; programs may run."""
    def entry(inode, name, mode, data):
        raw = name.encode() + b"\0"
        head = b"070701" + b"".join(b"%08X" % n for n in (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0))
        return head + raw + b"\0" * (-(len(head) + len(raw)) % 4) + data + b"\0" * (-len(data) % 4)

    device = (0, 0)
    folders = {str(p) for name in files for p in Path(name).parents if str(p) != "."} - set(files)
    whole = {**{name: None for name in sorted(folders)}, **files, "dev": None}
    with open(path, "wb") as out:
        for inode, (name, data) in enumerate(whole.items(), 1):
            kind, data = ((stat.S_IFDIR, b"") if data is None else (stat.S_IFLNK, data.encode()) if isinstance(data, str)
                          else (stat.S_IFREG, data))  # fmt: skip
            out.write(entry(inode, name, kind | 0o755, data))
        device = (5, 1)
        out.write(entry(len(whole) + 1, "dev/console", stat.S_IFCHR | 0o600, b""))
        device = (0, 0)
        out.write(entry(0, "TRAILER!!!", 0, b""))


def component(name):
    """The folder of a built component."""
    done = subprocess.run([TOP / "image-builder" / "build", "components", ARCH, name], capture_output=True, text=True, check=True)
    return next(Path(line.split()[1]) for line in done.stdout.splitlines() if line.split()[0] == name)


def run_to_end(argv, timeout):
    """What a guest says on its console until it switches itself off."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def guest(memory, cpus, initrd):
    """The words for QEMU of a guest of @memory MiB without devices or a network: our kernel and @initrd; it speaks on stdout."""
    return ["qemu-system-" + ARCH, "-machine", "q35", *machine.accel_words(ARCH, accel(), cpus), "-m", str(memory), "-nodefaults",
            "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none", "-kernel", str(TOP / "out" / ARCH / "linux"),
            "-initrd", str(initrd)]  # fmt: skip


def run_disk(folder, files, memory, cache, timeout):
    """What a guest with @files over the root in folder/disk says, until it switches itself off. It has no network."""
    write_initrd(folder / "initrd", {**files, "new": None, "init": DISK_INIT.encode()})
    return run_to_end(
        [*guest(memory, CPUS, folder / "initrd"), "-drive", f"file={folder}/disk,format=raw,if=virtio,cache={cache}",
         "-append", "console=ttyS0 panic=-1 quiet rootfstype=ramfs"], timeout).replace("\r", "")  # fmt: skip


def settle(seconds):
    """Wait for the host to calm down: others' work would be measured, too."""
    deadline = time.monotonic() + seconds
    while os.getloadavg()[0] > os.cpu_count() and time.monotonic() < deadline:
        time.sleep(5)


@contextlib.contextmanager
def serve_cluster(folder):
    """
    The cluster's program of the image as a process on this machine, its store below @folder: the process, and what reaches its API.
    Nothing of it needs a node, and where there is no KVM an emulated processor would be most of each figure.
    """
    import kube_access

    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([TOP / "out" / ARCH / "bin" / "wherry", "cluster", "--data", folder / "data", "--run", folder / "run",
                                   "--config", folder / "none", "--port", str(port)], stdout=log, stderr=log)  # fmt: skip
    try:
        end = time.monotonic() + 60
        while "op=ready" not in (said := (folder / "log").read_text()):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the cluster does not get ready:\n{said[-2000:]}")
            time.sleep(0.1)
        yield server, kube_access.Access(folder / "run" / "kubeconfig")
    finally:
        server.kill()
        server.wait()


def processor_seconds(pid):
    """Of all threads of the process, until now."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
