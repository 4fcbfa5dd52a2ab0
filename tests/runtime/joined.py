# SPDX-License-Identifier: Apache-2.0
"""In the guest: a container in a user namespace that another keeps, with limits above the command's own. Only the command may
raise them, and a slow init holds it up after the container's process was born: that process has to wait."""

import array
import json
import os
import resource
import socket
import struct
import subprocess
import threading
import time

INIT, BUNDLE, USERNS = "/run/init/control", "/run/joined", "/run/joined.user"
ASKED = 4096


def slow_init(server):
    """Answers one request to watch a process (lib/initctl_wire.h), late."""
    peer, _ = server.accept()
    _, control, _, _ = peer.recvmsg(1024, socket.CMSG_LEN(4))
    time.sleep(2)
    peer.send(struct.pack("iIQ", 0, 0, 0))
    for fd in array.array("i", control[0][2]):
        os.close(fd)
    peer.recv(1)


def keep_userns():
    """A user namespace with the ids of ours, kept by a mount."""
    keeper = subprocess.Popen(["unshare", "-U", "sleep", "1000"])
    own = os.readlink("/proc/self/ns/user")
    while os.readlink(f"/proc/{keeper.pid}/ns/user") == own:
        time.sleep(0.05)
    for which in ("uid_map", "gid_map"):
        with open(f"/proc/{keeper.pid}/{which}", "w", encoding="utf-8") as f:
            f.write("0 0 65536")
    with open(USERNS, "w", encoding="utf-8"):
        pass
    subprocess.run(["mount", "--bind", f"/proc/{keeper.pid}/ns/user", USERNS], check=True)
    keeper.kill()
    keeper.wait()


def bundle():
    with open("/bundle.json", encoding="utf-8") as f:
        config = json.load(f)
    config["process"]["args"] = ["/bin/sh", "-c", "ulimit -Hn; cat /proc/self/oom_score_adj"]
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": ASKED, "hard": ASKED}]
    config["process"]["oomScoreAdj"] = -500
    config["linux"]["namespaces"].append({"type": "user", "path": USERNS})
    os.makedirs(BUNDLE, exist_ok=True)
    with open(BUNDLE + "/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)


def main():
    keep_userns()
    bundle()
    os.makedirs(os.path.dirname(INIT), exist_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(INIT)
    server.listen(1)
    threading.Thread(target=slow_init, args=[server], daemon=True).start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    runtime = ["/bin/runtime", "run", "--bundle", BUNDLE, "--supervise", "container/joined", "joined"]
    done = subprocess.run(runtime, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    print("joined:", *done.stdout.decode().split())
    os.remove(INIT)
    subprocess.run(["umount", USERNS], check=True)


main()
