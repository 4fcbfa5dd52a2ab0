# SPDX-License-Identifier: Apache-2.0
"""Container create-start-exit-delete: our runtime, crun and runc inside one VM, in one run.

A guest of its own, with our kernel and nothing of our userland but the runtime: a RAM root (tmpfs, so that every
runtime may pivot_root) holding the three programs, the peers with Debian 13's libraries. The rounds are interleaved, so
that whatever disturbs the host disturbs all alike. What is compared is the ratio.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

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
busybox poweroff -f
"""


def _library_closure(root, program):
    """@program and the libraries it needs, as paths relative to @root."""
    found, todo = set(), [program]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        said = subprocess.run(["readelf", "-d", root / path], capture_output=True, text=True, check=True).stdout
        for name in re.findall(r"NEEDED.*\[(.+)\]", said):
            for folder in ("usr/lib/x86_64-linux-gnu", "usr/lib64"):
                if (root / folder / name).exists():
                    todo.append(f"{folder}/{name}")
                    break
            else:
                raise FileNotFoundError(f"{name}, which {path} needs, is not in {root}")
    return found


def build_root(folder, clients, runtime, busybox):
    """The guest's files, under @folder."""
    for name in ("usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "bin", "new", "bundle/rootfs/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "lib").symlink_to("usr/lib")
    (folder / "lib64").symlink_to("usr/lib64")
    for peer in PEERS:
        where = next(p for p in (f"usr/bin/{peer}", f"usr/sbin/{peer}") if (clients / p).exists())
        for path in _library_closure(clients, where):
            target = folder / ("usr/bin/" + peer if path == where else path)
            if not target.exists():
                shutil.copy(clients / path, target)
    loader = "usr/lib64/ld-linux-x86-64.so.2"
    shutil.copy(clients / loader, folder / loader)
    shutil.copy(runtime, folder / "usr/bin/runtime")
    shutil.copy(busybox, folder / "bin/busybox")
    shutil.copy(busybox, folder / "bundle/rootfs/bin/true")
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    script = WORK.replace("RUNTIMES", " ".join(["runtime", *PEERS])).replace("ROUNDS", str(ROUNDS)).replace("RUNS", str(RUNS))
    (folder / "work.sh").write_text(script)
    (folder / "bundle/config.json").write_text(json.dumps(bundle()))


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


def measure(folder, kernel, clients, runtime, busybox, qemu, accel):
    """{runtime: milliseconds of one run} as the median of the rounds."""
    root = folder / "root"
    build_root(root, clients, runtime, busybox)
    initrd = folder / "initrd"
    subprocess.run(f"cd {root} && find . | cpio -o -H newc --quiet -R 0:0 > {initrd}", shell=True, check=True)
    done = subprocess.run(
        [qemu, "-machine", "q35", "-accel", accel, "-cpu", "host" if accel == "kvm" else "max", "-m", "1024", "-smp", "1",
         "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none", "-kernel", str(kernel),
         "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 rootfstype=ramfs"],
        capture_output=True, text=True, timeout=900, check=True, stdin=subprocess.DEVNULL)  # fmt: skip
    if "BENCH-ERROR" in done.stdout or "BENCH " not in done.stdout:
        raise RuntimeError(f"a runtime failed in the guest:\n{done.stdout[-3000:]}")
    times = {}
    for rt, centiseconds in re.findall(r"BENCH (\S+) (\d+)", done.stdout):
        times.setdefault(rt, []).append(int(centiseconds) * 10 / RUNS)
    return {rt: sorted(values)[len(values) // 2] for rt, values in times.items()}
