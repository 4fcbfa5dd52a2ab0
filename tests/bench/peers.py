# SPDX-License-Identifier: Apache-2.0
"""Container create-start-exit-delete: our runtime, crun and runc inside one VM, in one run.

A guest of its own, with our kernel and nothing of our userland but the runtime: a RAM root (tmpfs, so that every
runtime may pivot_root) holding the three programs, the peers with Debian 13's libraries. The rounds are interleaved, so
that whatever disturbs the host disturbs all alike. What is compared is the ratio.
"""

import json
import os
import re
import subprocess
from pathlib import Path

from common import ARCH, OFF, TOP, Row, component, guest, run_to_end, write_initrd
from support import clients

BUDGET = 0.8
PEERS = ["crun", "runc"]
ROUNDS, RUNS = 5, 20

INIT = """#!/bin/busybox sh
export PATH=/usr/bin:/bin
busybox mount -t tmpfs -o size=80% tmpfs /new
busybox cp -a /bin /usr /lib64 /lib /bundle /work.sh /new/
exec busybox switch_root /new /bin/busybox sh /work.sh
"""

WORK = """
for d in proc sys dev tmp run etc; do busybox mkdir -p /$d; done
busybox mount -t proc proc /proc; busybox mount -t sysfs sys /sys; busybox mount -t devtmpfs dev /dev
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup; busybox mkdir /dev/pts; busybox mount -t devpts devpts /dev/pts
echo '+cpu +io +memory +pids +cpuset' >/sys/fs/cgroup/cgroup.subtree_control
echo 0 >/proc/sys/kernel/printk
cd /bundle
now() { read up _ </proc/uptime; echo ${up%.*}${up#*.}; }
for rt in RUNTIMES; do $rt run warm$$ >/dev/null || echo "BENCH-ERROR $rt"; done
round=0
while [ $round -lt ROUNDS ]; do
  for rt in RUNTIMES; do
    a=$(now); i=0
    while [ $i -lt RUNS ]; do $rt run c$i || echo "BENCH-ERROR $rt"; i=$((i+1)); done
    b=$(now); echo "BENCH $rt $((b-a))"
  done
  round=$((round+1))
done
""" + OFF


def _libraries(root, loader, program):
    """The libraries that @program needs, as its own loader finds them."""
    said = subprocess.run([root / loader, "--library-path", root / "usr/lib/x86_64-linux-gnu", "--list", root / program],
                          capture_output=True, text=True, check=True).stdout
    return re.findall(r"=> (\S+) \(", said)


def guest_files():
    """{path: content} of the guest: the three runtimes, the peers' libraries, busybox, a bundle."""
    root = clients.packages("clients")
    loader = "usr/lib64/ld-linux-x86-64.so.2"
    busybox = (component("busybox") / "bin/busybox").read_bytes()
    files = {"lib": "usr/lib", "lib64": "usr/lib64", loader: (root / loader).read_bytes(), "new": None}
    for peer in PEERS:
        where = next(p for p in (f"usr/bin/{peer}", f"usr/sbin/{peer}") if (root / p).exists())
        files["usr/bin/" + peer] = (root / where).read_bytes()
        for path in _libraries(root, loader, where):
            files["usr/lib/x86_64-linux-gnu/" + os.path.basename(path)] = Path(path).read_bytes()
    script = WORK.replace("RUNTIMES", " ".join(["runtime", *PEERS])).replace("ROUNDS", str(ROUNDS)).replace("RUNS", str(RUNS))
    return {
        **files, "usr/bin/runtime": (TOP / "out" / ARCH / "bin" / "runtime").read_bytes(), "bin/busybox": busybox,
        "bundle/rootfs/bin/true": busybox, "bundle/config.json": json.dumps(bundle()).encode(),
        "init": INIT.encode(), "work.sh": script.encode(),
    }  # fmt: skip


def bundle():
    """What the peers' own `spec` writes, in short: five namespaces, /proc, /dev, the usual masks."""
    return {
        "ociVersion": "1.0.2", "hostname": "bench", "root": {"path": "rootfs", "readonly": True},
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/",
                    "noNewPrivileges": True,
                    "capabilities": {k: ["CAP_KILL"] for k in ("bounding", "effective", "permitted")}},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "size=65536k"]},
        ],
        "linux": {"namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
                  "maskedPaths": ["/proc/kcore", "/proc/keys"], "readonlyPaths": ["/proc/sys", "/proc/bus"],
                  "resources": {"memory": {"limit": 67108864}, "pids": {"limit": 100}}},
    }  # fmt: skip


def measure(folder):
    """{runtime: milliseconds of one run}, the median of the rounds."""
    write_initrd(folder / "peers.initrd", guest_files())
    said = run_to_end(
        [*guest(1024, 1, folder / "peers.initrd"), "-append", "console=ttyS0 panic=-1 rootfstype=ramfs"], 900)  # fmt: skip
    times = {}
    for rt, centiseconds in re.findall(r"BENCH (\S+) (\d+)", said):
        times.setdefault(rt, []).append(int(centiseconds) * 10 / RUNS)
    if "BENCH-ERROR" in said or any(len(times.get(rt, [])) != ROUNDS for rt in ("runtime", *PEERS)):
        raise RuntimeError(f"a runtime failed in the guest:\n{said[-3000:]}")
    return {rt: sorted(values)[len(values) // 2] for rt, values in times.items()}


def rows(folder):
    took = measure(folder)
    note = f"{took['runtime']:.1f} ms; crun {took['crun']:.1f}, runc {took['runc']:.1f}; {ROUNDS} rounds of {RUNS} runs, one VM"
    yield Row("container create-start-exit-delete, against crun", f"{took['runtime'] / took['crun']:.2f} x", f"< {BUDGET} x", note)
    yield Row("the same, against runc", f"{took['runtime'] / took['runc']:.2f} x", note="the same run")
