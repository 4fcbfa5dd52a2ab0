# SPDX-License-Identifier: Apache-2.0
"""qemu/run and qemu/stop, option by option: what each does, and the sentence for a wrong value.

--arch and --boot are test_everywhere's; disks that are missing, small or write-protected test_boot's.
"""

import os
import pty
import re
import socket
import subprocess
import sys
import urllib.request

import pytest

from support.node import TOP, eventually, qemu_node

RUN, STOP = TOP / "qemu" / "run", TOP / "qemu" / "stop"


def run(*words, timeout=120):
    return subprocess.run([str(w) for w in (RUN, *words)], capture_output=True, text=True, timeout=timeout, check=False)


WRONG = {
    "a machine nobody makes": (["--arch", "mips"], "invalid choice: 'mips'"),
    "memory without a number": (["--memory", "much"], "--memory: invalid int value: 'much'"),
    "memory for nothing": (["--memory", "8"], "--memory wants MiB, at least 16"),
    "no processor": (["--cpus", "0"], "--cpus at least 1"),
    "a firmware of another time": (["--boot", "bios"], "invalid choice: 'bios'"),
    "a port alone": (["--forward", "80"], "'80' is not [udp:]HOST:GUEST"),
    "a port that cannot be": (["--forward", "0:70000"], "'0:70000' is not [udp:]HOST:GUEST"),
    "another protocol": (["--forward", "sctp:1:2"], "'sctp:1:2' is not [udp:]HOST:GUEST"),
    "an address alone": (["--guest-forward", "10.0.2.9"], "'10.0.2.9' is not ADDR:PORT=HOST:PORT"),
    "an address outside": (["--guest-forward", "192.0.2.9:1=127.0.0.1:1", "--detach"], "guest forwarding rule"),
    "a wait without end": (["--timeout", "-1"], "--timeout wants seconds, 0 or more"),
    "a configuration that is not there": (["--config", "/nowhere/machine.yaml"], "/nowhere/machine.yaml: no such file"),
    "a disk that is not there": (["--disk", "/nowhere/disk.img"], "/nowhere/disk.img: no such file"),
    "no disk for firmware": (["--disk", "none", "--boot", "efi"], "--disk none leaves none"),
    "hardware for firmware": (["--hardware", "nvme"], "--hardware nvme needs --boot efi"),
    "words nobody reads": (["--append", "x", "--boot", "efi"], "--append needs --boot kernel"),
    "a terminal that waits for nothing": (["--wait", "none"], "--wait none needs --detach"),
    "an option nobody knows": (["--color"], "unrecognized arguments: --color"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_gets_a_sentence(session_dir, what):
    words, sentence = WRONG[what]
    done = run("--state", session_dir / "wrong", *words)
    assert done.returncode != 0 and sentence in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert qemu_node.running_pid(session_dir / "wrong") is None


def test_a_path_too_long_for_a_socket(tmp_path):
    done = run("--state", tmp_path / ("x" * 120))
    assert done.returncode != 0 and "choose a shorter --state" in done.stderr


def test_stop_of_what_does_not_run(tmp_path):
    done = subprocess.run([STOP, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "is not running" in done.stdout
    done = subprocess.run([STOP, tmp_path / "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "nowhere: no such directory" in done.stderr


def test_started_and_not_waited_for(make_node):
    """It is there to be stopped, by a button that it does not feel at first."""
    node = make_node()
    done = node.boot("--wait", "none")
    assert "the node starts" in done.stdout and node.running()
    assert "engine: up" not in node.console()
    node.stop()
    assert "shutdown: power off now" in node.console()


def test_detach_that_fails_shows_the_console(make_node):
    """No time to come up: non-zero, with what the console said last, and nothing runs on."""
    node = make_node(extra=["--append", "rdinit=/nothing root=/dev/nothing panic=0"])
    done = node.boot(check=False, timeout=60)
    assert done.returncode == 1
    assert "no answer within 60" in done.stderr
    assert "Kernel panic" in done.stderr, done.stderr
    assert not node.running()


def datagrams(node, container):
    """How many datagrams have come to the container for which nobody listens there."""
    head, values = (line.split() for line in node.docker("exec", container, "grep", "^Udp:", "/proc/net/snmp").stdout.splitlines())
    return int(values[head.index("NoPorts")])


def send_datagram(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"ahoy", ("127.0.0.1", int(port)))


def page(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
            return reply.read().decode()
    except OSError:
        return ""


class Greeter:
    """A server of this machine, which says one line a connection."""

    def __init__(self):
        self.child = subprocess.Popen([sys.executable, "-c", "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
                                       "print(s.getsockname()[1], flush=True)\n"
                                       "while True:\n    c, _ = s.accept()\n    c.sendall(b'ahoy\\n')\n    c.close()"],
                                      stdout=subprocess.PIPE, text=True)  # fmt: skip
        self.port = int(self.child.stdout.readline())

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


def test_memory_cpus_forwards_and_a_directory_used_again(make_node):
    greeter = Greeter()
    fixed = qemu_node.free_port()
    node = make_node(memory=300, cpus=3)
    node.extra = ["--forward", f"{fixed}:8080", "--forward", "tcp:0:8081", "--forward", "udp:0:123",
                  "--guest-forward", f"10.0.2.9:70=127.0.0.1:{greeter.port}"]  # fmt: skip
    try:
        done = node.boot()
        assert f". {node.state}/env" in done.stdout and "qemu/stop" in done.stdout
        assert node.ssh("nproc").strip() == "3"
        total = int(re.search(r"MemTotal: +(\d+)", node.ssh("cat /proc/meminfo"))[1]) >> 10
        assert 200 < total < 300

        assert node.env["WHERRY_TCP_8080"] == str(fixed)
        for port in (8080, 8081):
            node.docker("run", "-d", "-p", f"{port}:80", "wherry/hello", "sh", "-c", f"echo {port} >/index.html; httpd -f -h /")
            where = node.env[f"WHERRY_TCP_{port}"]
            assert eventually(lambda where=where: page(where), 20) == f"{port}\n"
        node.docker("run", "-d", "--name", "udp", "-p", "123:4123/udp", "wherry/hello", "sleep", "1000")
        before = datagrams(node, "udp")
        send_datagram(node.env["WHERRY_UDP_123"])
        assert eventually(lambda: datagrams(node, "udp") == before + 1, 20)

        # Offline: the address that was named, and no other. Twice, for each connection is one.
        for _ in range(2):
            assert node.ssh("nc -w 5 10.0.2.9 70").strip() == "ahoy"
        assert node.ssh(f"nc -w 3 10.0.2.2 {greeter.port}", check=False).returncode != 0

        again = run("--state", node.state, "--detach")
        assert again.returncode != 0 and "runs already" in again.stderr
        busy = run("--state", node.state.parent / "busy", "--forward", f"{fixed}:80", "--detach")
        assert busy.returncode != 0 and f"127.0.0.1:{fixed}" in busy.stderr and "host forwarding" in busy.stderr
        machine_id, certificate = node.ssh("cat /state/machine-id"), (node.state / "docker/cert.pem").read_bytes()
        node.stop()
        assert not (node.state / "pid").exists()
        (node.state / "docker").unlink()  # as if its first start had been ended before the last step
        node.boot()
        assert node.ssh("cat /state/machine-id") == machine_id
        assert (node.state / "docker/cert.pem").read_bytes() == certificate
        assert len(node.docker("ps", "-aq").stdout.split()) == 3
    finally:
        greeter.stop()


def test_in_a_terminal(make_node):
    """As `make run` starts it: the console, what to type next, and Ctrl-A X."""
    node = make_node()
    master, slave = pty.openpty()
    child = subprocess.Popen([RUN, "--state", node.state, "--offline"], stdin=slave, stdout=slave, stderr=slave,
                             start_new_session=True)  # fmt: skip
    os.close(slave)
    os.set_blocking(master, False)
    said = b""

    def says(text):
        nonlocal said
        try:
            while piece := os.read(master, 65536):
                said += piece
        except OSError:
            pass
        return text in said

    try:
        assert eventually(lambda: says(b"docker run --rm wherry/hello"), 180), said[-2000:]
        assert b"The node is up" in said and f". {node.state}/env".encode() in said
        assert eventually(lambda: says(b"kubectl get nodes"), 20), said[-2000:]
        assert b"Wherry" in said
        assert "wherry" in node.docker("run", "--rm", "wherry/hello").stdout.lower()
        os.write(master, b"\x01x")
        assert eventually(lambda: says(b"\0") or child.poll() is not None, 20)
        assert child.returncode == 0
        assert not (node.state / "pid").exists()
    finally:
        child.kill()
        child.wait()
        os.close(master)
