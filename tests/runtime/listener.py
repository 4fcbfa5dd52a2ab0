# SPDX-License-Identifier: Apache-2.0
"""In the guest: a seccomp agent (runtime specification, "Seccomp listener") that answers a container's uname()."""

import array
import json
import os
import socket
import struct
import subprocess
import sys
from fcntl import ioctl

PATH, BUNDLE = "/run/listener", "/run/notify"
RECV, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
EPERM = 1


def bundle(config):
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "listenerPath": PATH, "listenerMetadata": "M",
        "syscalls": [{"names": ["uname"], "action": "SCMP_ACT_NOTIFY"}]}  # fmt: skip
    os.makedirs(BUNDLE, exist_ok=True)
    with open(BUNDLE + "/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)


def main():
    with open("/bundle.json", encoding="utf-8") as f:
        bundle(json.load(f))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(PATH)
    server.listen(1)
    run = subprocess.Popen(["/bin/runtime", "run", "--bundle", BUNDLE, "notified"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peer, _ = server.accept()
    text, control, _, _ = peer.recvmsg(1 << 16, socket.CMSG_LEN(4))
    state = json.loads(text)
    listener = array.array("i", control[0][2])[0]
    assert state["fds"] == ["seccompFd"] and state["state"]["status"] in ("created", "creating"), state
    assert state["pid"] == state["state"]["pid"] > 0, state
    request = bytearray(80)
    ioctl(listener, RECV, request)
    ident, _pid, _flags, number = struct.unpack_from("QIIi", request)
    assert number == 63, number
    ioctl(listener, SEND, bytearray(struct.pack("QqiI", ident, 0, -EPERM, 0)))
    out = run.communicate(timeout=60)[0].decode()
    if "Linux" in out:
        sys.exit(f"the container was not told what the agent said: {out}")
    print(f"answered uname metadata={state['metadata']} container={state['state']['id']}")


main()
