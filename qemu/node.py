# SPDX-License-Identifier: Apache-2.0
"""A node's state directory, and what can be asked of a running node from outside.

    console.log   everything the console said       monitor.sock  QMP
    pid           of QEMU while it runs             docker/       client CA, certificate, key
    env           what to source                    machine.yaml  the machine configuration it booted with
    disk.img      its disk                          ssh/          key for root, where ssh-keygen exists
"""

import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import time
from pathlib import Path

STEP_S = 5.0  # an answer's patience, for a connection and for each read of it
SILENCE_S = 10.0  # of the console, until somebody is asked all the same


def running_pid(state):
    """The pid of the QEMU that runs this node, or None. A pid file whose process is gone is stale."""
    try:
        pid = int((state / "pid").read_text())
        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(state / "monitor.sock").encode() in argv else None


def read_env(state):
    """The variables of DIR/env as a dict."""
    env = {}
    for line in (state / "env").read_text().splitlines():
        if line.startswith("export "):
            key, _, value = line[len("export ") :].partition("=")
            env[key] = value.strip("'")
    return env


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def engine_answers(state, port):
    """One /_ping over mutual TLS. None when it answers, else the reason it does not."""
    docker = state / "docker"
    try:
        context = ssl.create_default_context(cafile=docker / "ca.pem")
        context.load_cert_chain(docker / "cert.pem", docker / "key.pem")
        conn = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=STEP_S)
        conn.request("GET", "/_ping")
        reply = conn.getresponse()
        body = reply.read()
        conn.close()
        return None if reply.status == 200 and body == b"OK" else f"/_ping answered {reply.status}"
    except (OSError, http.client.HTTPException) as e:
        return str(e)


def node_ready(state, port):
    """The Node object, asked for with the administrator's kubeconfig. None when it is Ready, else the reason it is not."""
    pem = state / "kubeconfig.pem"
    try:
        text = (state / "kubeconfig").read_text()
        data = {k: base64.b64decode(v) for k, v in re.findall(r"(?m)^\s*([a-z-]+)-data: (\S+)$", text)}
        context = ssl.create_default_context(cadata=data["certificate-authority"].decode())
        pem.touch(mode=0o600)
        pem.write_bytes(data["client-certificate"] + data["client-key"])
        context.load_cert_chain(pem)
        conn = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=STEP_S)
        conn.request("GET", "/api/v1/nodes")
        reply = conn.getresponse()
        body = reply.read()
        conn.close()
    except (OSError, http.client.HTTPException, KeyError, ValueError) as e:
        return f"the cluster's API does not answer: {e}"
    finally:
        pem.unlink(missing_ok=True)
    if reply.status != 200:
        return f"/api/v1/nodes answered {reply.status}"
    for item in json.loads(body)["items"]:
        for condition in item.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                return None if condition["status"] == "True" else f"the node is not Ready: {condition.get('message', '')}"
    return "the node has not registered itself in the cluster"


def says_up(state, service):
    """Whether the console says of this boot that the service is up."""
    try:
        return re.search(rf"(?m)^{service}: up\b".encode(), (state / "console.log").read_bytes()) is not None
    except OSError:
        return False


def monitor_answers(state):
    """None when QEMU runs the machine, else the reason why that is not known."""
    try:
        Qmp(state).close()
        return None
    except (OSError, ValueError) as e:
        return f"{state}/monitor.sock: {e}"


def wait_for(ask, timeout, alive, told=lambda: True):
    """Until ask() returns None. Return None, or why not.

    An emulated guest pays for a question with a handshake, a good part of a second amid its boot, and QEMU takes a connection before
    the guest has an address. So none is put before told(), or but now and then, for the console may be elsewhere.
    """
    deadline = time.monotonic() + timeout
    anyway = time.monotonic() + SILENCE_S
    why = "not asked yet"
    while time.monotonic() < deadline:
        if not alive():
            return "QEMU ended"
        if told() or time.monotonic() >= anyway:
            why = ask()
            if why is None:
                return None
            anyway = time.monotonic() + SILENCE_S
        time.sleep(0.1)
    return f"no answer within {timeout} s: {why}"


def wait_for_engine(state, port, timeout, alive):
    """Until the engine answers. Return None, or why not."""
    return wait_for(lambda: engine_answers(state, port), timeout, alive, lambda: says_up(state, "engine"))


def wait_for_node(state, port, timeout, alive):
    """Until its cluster, whose API is at @port, says that the node is Ready. Return None, or why not."""
    return wait_for(lambda: node_ready(state, port), timeout, alive, lambda: says_up(state, "agent"))


def console_tail(state, lines=25):
    try:
        text = (state / "console.log").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.replace("\r", "").splitlines()[-lines:])


class Qmp:
    """One QMP conversation."""

    def __init__(self, state):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(state / "monitor.sock"))
        self.lines = self.sock.makefile("r")
        self.lines.readline()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name, /, **arguments):
        self.sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError("QEMU closed its monitor")
            reply = json.loads(line)
            if "error" in reply:
                raise RuntimeError(f"QEMU: {name}: {reply['error'].get('desc')}")
            if "return" in reply:
                return reply["return"]

    def close(self):
        self.lines.close()
        self.sock.close()


def _wait_gone(state, seconds):
    deadline = time.monotonic() + seconds
    while running_pid(state) is not None and time.monotonic() < deadline:
        time.sleep(0.05)


def power_off(state, timeout):
    """Press the power button and wait. True when the node went down by itself.

    It is pressed again every ten seconds: a guest that only starts does not feel it, and one that goes down does not mind.
    """
    deadline = time.monotonic() + timeout
    while running_pid(state) is not None:
        if time.monotonic() >= deadline:
            return False
        try:
            monitor = Qmp(state)
            monitor.command("system_powerdown")
            monitor.close()
        except (ConnectionError, FileNotFoundError):
            pass  # it went down just now
        _wait_gone(state, min(10, deadline - time.monotonic()))
    return True


def cut_power(state):
    """What a pulled plug does: QEMU dies at once. What the guest had flushed is on its disk, nothing else."""
    pid = running_pid(state)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        _wait_gone(state, 10)
