# SPDX-License-Identifier: Apache-2.0
"""A WebSocket of the API, as browsers and client libraries open one: messages come in until the server closes."""

import base64
import hashlib
import os

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE, PING, PONG = 8, 9, 10


class WebSocket:
    """.status is 101, or what was answered instead, with .said; .protocol is the one agreed to."""

    def __init__(self, cluster, path, *protocols, client=True, accept="*/*"):
        self._conn = cluster.connect(client)
        key = base64.b64encode(os.urandom(16))
        offered = {"Sec-WebSocket-Protocol": ", ".join(protocols)} if protocols else {}
        self._conn.request("GET", path, headers={"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "http://localhost",
                                                 "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key.decode(), "Accept": accept,
                                                 **offered})  # fmt: skip
        reply = self._conn.getresponse()
        self.status, self.protocol, self._from = reply.status, reply.headers["Sec-WebSocket-Protocol"], reply.fp
        self.said = reply.read().decode() if self.status != 101 else ""
        if self.status == 101:
            assert reply.headers["Sec-WebSocket-Accept"] == base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()

    def frame(self):
        """(operation, payload) of the next frame."""
        head = self._from.read(2)
        assert len(head) == 2, "the connection ended without a close"
        assert head[0] & 0xF0 == 0x80 and not head[1] & 0x80, head
        length = head[1]
        if length > 125:
            length = int.from_bytes(self._from.read(2 if length == 126 else 8), "big")
        return head[0] & 15, self._from.read(length)

    def message(self):
        """The next message; None: the server has closed."""
        operation, payload = self.frame()
        return None if operation == CLOSE else payload

    def messages(self):
        return list(iter(self.message, None))

    def send(self, operation, payload=b""):
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self._conn.sock.sendall(bytes([0x80 | operation, 0x80 | len(payload)]) + mask + masked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._conn.close()
