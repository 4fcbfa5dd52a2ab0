# SPDX-License-Identifier: Apache-2.0
"""In the guest: a caller of --pidfd-socket. It gets a pidfd of each process that create, run and exec make, with runc's word
for how it was made, and ends the process by it."""

import array
import json
import os
import select
import signal
import socket
import subprocess

PATH, BUNDLE = "/run/pidfd.sock", "/run/pidfd"


def runtime(*words):
    return subprocess.run(["/bin/runtime", *words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)


def status(name):
    return json.loads(subprocess.run(["/bin/runtime", "state", name], check=True, capture_output=True, timeout=60).stdout)["status"]


def received(server, word):
    """The pidfd of who was just made."""
    peer, _ = server.accept()
    text, control, _, _ = peer.recvmsg(64, socket.CMSG_LEN(4))
    assert text.decode() == word, text
    return array.array("i", control[0][2])[0]


def number(pidfd):
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="utf-8") as f:
        return next(line.split()[1] for line in f if line.startswith("Pid:"))


def end(pidfd):
    """Kills by the pidfd, and sees by it that the process has ended."""
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(20000), "it lives on"
    os.close(pidfd)


def main():
    with open("/bundle.json", encoding="utf-8") as f:
        config = json.load(f)
    config["process"]["args"] = ["/bin/sleep", "1000"]
    os.makedirs(BUNDLE, exist_ok=True)
    with open(BUNDLE + "/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(PATH)
    server.listen(1)
    server.settimeout(20)

    runtime("create", "--bundle", BUNDLE, "--pidfd-socket", PATH, "made")
    assert status("made") == "created"
    end(received(server, "standard"))
    assert status("made") == "stopped"
    runtime("delete", "made")

    runtime("run", "--detach", "--bundle", BUNDLE, "--pidfd-socket", PATH, "made")
    first = received(server, "standard")
    runtime("exec", "--detach", "--pid-file", "/run/pidfd.pid", "--pidfd-socket", PATH, "made", "sleep", "1000")
    second = received(server, "setns")
    with open("/run/pidfd.pid", encoding="utf-8") as f:
        assert number(second) == f.read()
    end(second)
    assert status("made") == "running"
    end(first)
    assert status("made") == "stopped"
    runtime("delete", "made")
    print("pidfds of create, run and exec")


main()
