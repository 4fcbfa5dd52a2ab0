# SPDX-License-Identifier: Apache-2.0
"""The engine under load, beside Docker and Podman: one program drives each through the Docker API on its Unix socket.

Ours on a node, where the program is a container of its own with the host's network; Debian 13's Docker and Podman one after the
other in a guest of the same kernel, memory and processors, where it is a process. The guests do not run at the same time. Podman's
containers have no network there, and nobody publishes ports for it (its network program wants an `nft` that Debian only
recommends); Docker's published ports are its proxy's, for the kernel has no iptables.
"""

import re
import subprocess

from common import CPUS, DISK_WORK, LOAD, OFF, Row, component, run_disk
from support import clients, oci, programs, stack
from support.node import Node

MEMORY = 2560
COUNT, LISTED = 100, 500
PEERS_COUNT = 25  # what they take for one is known then, and a hundred would take Docker minutes under emulation
BUDGET_MEMORY = 0.25
PROGRAM = LOAD / "docker_api.py"

WORK = DISK_WORK + """\
mkdir /sys/fs/cgroup/guest; echo $$ >/sys/fs/cgroup/guest/cgroup.procs
echo '+cpu +cpuset +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
busybox ip addr add 192.0.2.1/32 dev lo
await() { for _ in $(busybox seq 300); do "$@" >/dev/null 2>&1 && return; busybox sleep 0.2; done; echo "BENCH-ERROR $*"; }
busybox tar -C /image -c . >/tmp/box.tar

podman --cgroup-manager cgroupfs --events-backend file import -q /tmp/box.tar localhost/box >/dev/null
echo 'BENCH-WHO podman'
podman --cgroup-manager cgroupfs --events-backend file --log-level error system service -t 0 unix:///run/podman.sock >/tmp/podman.log 2>&1 &
service=$!
await test -S /run/podman.sock
python3 /load.py /run/podman.sock localhost/box --network none --count COUNT --listed 0 2>&1
kill $service; wait $service
for g in /sys/fs/cgroup/libpod_parent/*/; do echo 1 >$g/cgroup.kill; done 2>/dev/null
busybox sleep 3

echo 'BENCH-WHO docker'
export DOCKER_HOST=unix:///run/docker.sock
# by itself dockerd waits fifteen seconds for it, which an emulated machine may not keep
containerd >/tmp/containerd.log 2>&1 &
await test -S /run/containerd/containerd.sock
dockerd -H $DOCKER_HOST --containerd /run/containerd/containerd.sock --iptables=false --ip6tables=false \\
	--exec-opt native.cgroupdriver=cgroupfs >/tmp/dockerd.log 2>&1 &
await docker version
docker import /tmp/box.tar localhost/box >/dev/null
rm /tmp/box.tar
python3 /load.py /run/docker.sock localhost/box --address 192.0.2.1 --count COUNT --listed 0 2>&1
busybox tail -n 5 /tmp/podman.log /tmp/containerd.log /tmp/dockerd.log
""" + OFF


def figures(text):
    """{name: value} of one run of the program, which has come to its end."""
    found = {name: float(value) for name, value in re.findall(r"^BENCH ([\w-]+) ([\d.-]+)\s*$", text, re.M)}
    if "BENCH-END" not in text or "BENCH-ERROR" in text:
        raise RuntimeError(f"the load did not come to its end:\n{text[-3000:]}")
    return found


def ours(folder):
    folder.mkdir()

    def node(**options):
        made = Node(folder / "node", cpus=CPUS, **options)
        made.state.mkdir()
        return made

    box, registry = stack.boot(node, folder, memory=MEMORY, config="cluster:\n  enabled: false\n")
    try:
        program = registry.push("bench/load", "1", programs.image("pythonweb", oci.Member("load.py", PROGRAM.read_bytes())))
        image = registry.push("bench/box", "1", stack.busybox())
        for ref in (program, image):
            box.docker("pull", "-q", ref, timeout=600)
        done = box.docker("run", "--rm", "--network", "host", "-v", "/run/docker.sock:/run/docker.sock", program, "/usr/bin/python3", "/load.py",
                          "/run/docker.sock", image, "--address", "10.0.2.15", "--count", COUNT, "--listed", LISTED,
                          check=False, timeout=900)  # fmt: skip
        return figures(done.stdout.replace("\r", "") + done.stderr)
    finally:
        box.cut_power()
        registry.stop()


def _guest():
    busybox = (component("busybox") / "bin/busybox").read_bytes()
    work = WORK.replace("COUNT", str(PEERS_COUNT))
    return {"bin/busybox": busybox, "own/work.sh": work.encode(), "own/load.py": PROGRAM.read_bytes(),
            "own/image/bin/busybox": busybox, "own/image/tmp": None}  # fmt: skip


def theirs(folder):
    """{"podman": figures, "docker": figures}"""
    folder.mkdir()
    mke2fs = component("e2fsprogs") / "bin/mke2fs"
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-d", clients.packages("engines"), folder / "disk", "3000M"], check=True)
    out = run_disk(folder, _guest(), MEMORY, "writeback", 2400)
    podman, mark, docker = out.partition("BENCH-WHO docker")
    if not mark:
        raise RuntimeError(f"the guest said:\n{out[-3000:]}")
    return {"podman": figures(podman), "docker": figures(docker)}


# name, what it is called, its unit, and how it is come by
ROWS = [
    ("life", "container life", "ms", "create, start, wait, delete; median of 5"),
    ("parallel", f"{COUNT} containers in parallel", "s", "created and started, 8 at a time, until the last has started"),
    ("each", "each of the containers in parallel", "ms", f"of {COUNT} of ours, of {PEERS_COUNT} of the others'"),
    ("memory", "memory of a running container", "KiB", f"MemAvailable before and after {COUNT} of `sleep`, monitors and kernel memory with it"),
    ("overhead", "memory overhead of a running container", "KiB", f"the same, less what {COUNT} of `sleep` cost without a container"),
    ("exec", "exec", "ms", "create, start, read to the end, inspect; median of 10"),
    ("log-write", "log, written", "MB/s", "a container writes 8 MB of lines of 64 bytes, from its start to its exit"),
    ("log-read", "log, read", "MB/s", "the same 8 MB through the API"),
    ("port", "published port", "MB/s", "64 MiB by HTTP, one connection, from the machine to its own address; median of 9"),
    ("list", f"docker ps -a with {LISTED} containers", "ms", f"/containers/json, {COUNT + 1} of them running; median of 10"),
]


def rows(folder):
    mine = ours(folder / "engine")
    mine["each"] = mine["parallel"] * 1000 / COUNT
    for name, what, unit, note in ROWS:
        digits = 0 if mine[name] >= 100 else 1
        yield Row(f"engine: {what}", f"{mine[name]:.{digits}f} {unit}", note=note)
    for who, said in theirs(folder / "engines").items():
        said["each"] = said["parallel"] * 1000 / PEERS_COUNT
        for name, what, unit, _ in ROWS:
            # throughput is better when it is more; what costs nothing that can be measured has no ratio
            if name != "parallel" and name in said and said[name] > 0 and mine[name] > 0:
                budget = f"< {BUDGET_MEMORY}x" if (name, who) == ("overhead", "docker") else ""
                yield Row(f"engine: {what}, against {who}", f"{mine[name] / said[name]:.2f}x", budget, f"{mine[name]:.1f} against {said[name]:.1f} {unit}")
