# SPDX-License-Identifier: Apache-2.0
"""The engine's own socket as the agent uses it: HTTP through `docker system dial-stdio` over SSH."""

import http.client
import io
import json
import subprocess
from urllib.parse import urlencode


class _Pipe(io.RawIOBase):
    """What HTTPResponse takes for a socket; it closes what it read, which is more than one answer's."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def makefile(self, *_args, **_kw):
        return io.BufferedReader(self, buffer_size=1)

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.stream.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self):
        pass


class Engine:
    """One connection. Use as a context."""

    def __init__(self, node):
        self.peer = subprocess.Popen(node.ssh_words("docker", "system", "dial-stdio"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.stdin.close()
        self.peer.wait(timeout=60)

    def request(self, method, path, body=None, **query):
        """(status, the answer: parsed JSON, or bytes)"""
        data = b"" if body is None else json.dumps(body).encode()
        target = path + ("?" + urlencode(query) if query else "")
        head = f"{method} {target} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.peer.stdin.write(head.encode() + data)
        self.peer.stdin.flush()
        answer = http.client.HTTPResponse(_Pipe(self.peer.stdout), method=method)
        answer.begin()
        text = answer.read()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json") and text
        return answer.status, json.loads(text) if is_json else text

    def expect(self, status, method, path, body=None, **query):
        got, answer = self.request(method, path, body, **query)
        assert got == status, f"{method} {path}: {got} {answer}"
        return answer

    # -- what the agent does most

    def make_pod(self, uid, **more):
        return self.expect(201, "POST", "/wherry/v1/pods", {"UID": uid, "Name": "web-0", "Namespace": "shop", **more})

    def pod(self, uid):
        return self.expect(200, "GET", f"/wherry/v1/pods/{uid}")

    def remove_pod(self, uid):
        self.expect(204, "DELETE", f"/wherry/v1/pods/{uid}", force=1)

    def make_container(self, uid, name, *command, host=None, **config):
        body = {"Image": "wherry/hello", "Cmd": list(command), "HostConfig": host or {}, **config}
        return self.expect(201, "POST", "/containers/create", body, name=name, pod=uid)["Id"]

    def start(self, container):
        self.expect(204, "POST", f"/containers/{container}/start")

    def run(self, uid, name, *command, **more):
        """Its exit code and its output."""
        cid = self.make_container(uid, name, *command, **more)
        self.start(cid)
        code = self.expect(200, "POST", f"/containers/{cid}/wait")["StatusCode"]
        said = self.expect(200, "GET", f"/containers/{cid}/logs", stdout=1, stderr=1)
        self.expect(204, "DELETE", f"/containers/{cid}", pod=uid)
        return code, b"".join(_frames(said)).decode()


def _frames(data):
    while data:
        size = int.from_bytes(data[4:8], "big")
        yield data[8 : 8 + size]
        data = data[8 + size :]
