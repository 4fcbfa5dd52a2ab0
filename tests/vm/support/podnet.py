# SPDX-License-Identifier: Apache-2.0
"""The network service's socket as the agent uses it, through SSH."""

import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
from pathlib import Path

from .node import eventually

SOCKET = "/run/network/pods.sock"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class PodNetwork:
    """Use as a context."""

    def __init__(self, node):
        self.dir = tempfile.TemporaryDirectory(prefix="wt-", dir="/tmp")
        self.path = str(Path(self.dir.name) / "s")
        words = node.ssh_words()
        self.peer = subprocess.Popen([*words[:-1], "-N", "-L", f"{self.path}:{SOCKET}", words[-1]])

    def __enter__(self):
        assert eventually(lambda: Path(self.path).exists(), timeout=30), "SSH does not forward the socket"
        return self

    def __exit__(self, *_):
        self.peer.terminate()
        self.peer.wait(timeout=30)
        self.dir.cleanup()

    def request(self, method, path, body=None):
        """(status, the answer); status 0 while nobody serves."""
        conn = _Connection(self.path)
        try:
            conn.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            reply = conn.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            with contextlib.suppress(OSError):
                conn.close()
        return reply.status, json.loads(data) if data else None

    def put(self, pod):
        """The address of an engine's pod, which may take until the node has a range."""
        body = {"Name": pod["Name"], "Namespace": pod["Namespace"], "NetworkNamespace": pod["NetworkNamespace"]}
        last = None

        def done():
            nonlocal last
            last = self.request("PUT", f"/v1/pods/{pod['UID']}", body)
            return last[0] == 200

        assert eventually(done, timeout=60, every=0.5), last
        return last[1]["IPs"][0]
