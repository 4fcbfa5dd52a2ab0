# SPDX-License-Identifier: Apache-2.0
"""Pull and unpack: our puller and Debian 13's Podman inside one VM, in one run, from a registry in the same VM.

The image is nginx from Debian's packages, its layers once in gzip and once in zstd. A guest of its own: our kernel, a disk
with Podman and Debian's docker-registry, which serves the image over plain HTTP on loopback; both keep what they pull on that
disk. The rounds are interleaved and end with a sync, which counts. What is compared is the ratio.
"""

import json
import re
import shutil
import subprocess

from common import ARCH, DISK_WORK, OFF, TOP, Row, component, run_disk
from support import clients, webimage
from support.registry import Registry

BUDGET = 0.5
ROUNDS = 5
HOWS = ["gzip", "zstd"]

WORK = DISK_WORK + """\
echo '127.0.0.1 localhost' >/etc/hosts
docker-registry serve /registry.yml >/tmp/registry.log 2>&1 &
for _ in $(busybox seq 300); do busybox wget -q -O /dev/null http://127.0.0.1:5000/v2/ && break; busybox sleep 0.2; done
now() { read -r up _ </proc/uptime; echo $((10#${up/./})); }
ours() {
	echo '{"verb":"pull","dir":"/data","name":"127.0.0.1:5000/nginx:'$1'","config":"/config.json"}' |
		wherry engine_pull 2>/tmp/ours.log | busybox grep -q '^!0' && return
	cat /tmp/ours.log; echo BENCH-ERROR ours
}
podmans() { podman pull -q --tls-verify=false 127.0.0.1:5000/nginx:$1 >/tmp/podman.log 2>&1 || { cat /tmp/podman.log; echo BENCH-ERROR podman; }; }
clear() { rm -rf /data; mkdir /data; podman rmi -af >/dev/null 2>&1; sync; }
clear; ours gzip; podmans gzip # the registry's files are in memory now, as are the programs
for how in HOWS; do
	for _ in $(busybox seq ROUNDS); do
		for who in ours podmans; do
			clear
			a=$(now); $who $how; sync; b=$(now)
			echo "BENCH $how $who $((b - a))"
		done
	done
done
""" + OFF

REGISTRY = """version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: /registry}}
http: {addr: 127.0.0.1:5000}
"""


def _disk(folder):
    """Podman and its libraries, the registry and what it serves."""
    registry = Registry(folder / "registry")
    try:
        for how in HOWS:
            registry.push("nginx", how, webimage.nginx(how=how))
    finally:
        registry.stop()
    root = folder / "root"
    subprocess.run(["cp", "-a", clients.packages("engines"), root], check=True)
    shutil.copytree(folder / "registry" / "data", root / "registry")
    shutil.copy(clients.packages("clients") / "usr/bin/docker-registry", root / "usr/bin")
    mke2fs = component("e2fsprogs") / "bin/mke2fs"
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-d", root, folder / "disk", "2500M"], check=True)


def _guest():
    busybox = (component("busybox") / "bin/busybox").read_bytes()
    config = {"engine": {"registries": [{"host": "127.0.0.1:5000", "insecure": True}]}}
    work = WORK.replace("HOWS", " ".join(HOWS)).replace("ROUNDS", str(ROUNDS))
    return {"bin/busybox": busybox, "own/work.sh": work.encode(),
            "own/registry.yml": REGISTRY.encode(), "own/config.json": json.dumps(config).encode(),
            "own/usr/bin/wherry": (TOP / "out" / ARCH / "bin/wherry").read_bytes()}  # fmt: skip


def rows(folder):
    folder = folder / "pull"
    folder.mkdir()
    _disk(folder)
    out = run_disk(folder, _guest(), 1536, "unsafe", 1800)
    took = {}
    for compression, who, hundredths in re.findall(r"BENCH (\w+) (\w+) (\d+)", out):
        took.setdefault((compression, who), []).append(int(hundredths))
    if "BENCH-ERROR" in out or any(len(took.get((h, w), [])) != ROUNDS for h in HOWS for w in ("ours", "podmans")):
        raise RuntimeError(f"the guest said:\n{out[-3000:]}")
    for h in HOWS:
        ours, theirs = sorted(took[h, "ours"]), sorted(took[h, "podmans"])
        a, b = ours[ROUNDS // 2], theirs[ROUNDS // 2]
        yield Row(f"pull and unpack against Podman, {h}", f"{a / b:.2f}x", f"< {BUDGET}x",
                  f"nginx, 39 MB in two layers; {a / 100:.1f} s against {b / 100:.1f} s, median of {ROUNDS}")  # fmt: skip
