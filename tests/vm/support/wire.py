# SPDX-License-Identifier: Apache-2.0
"""A wire with one card of a guest at its end and a small host of the test's at the other: it answers ARP, and UDP as the test says.

QEMU's user network forwards no UDP to an address, and this needs neither a device nor rights: the frames go over a Unix socket,
and nothing else is on that wire.
"""

import contextlib
import socket
import struct
import threading

OWN_MAC = bytes.fromhex("525400770001")
BROADCAST = b"\xff" * 4


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """A host at @address. @answer(port, payload) of a UDP packet sent to it, or to everybody: the payloads that go back, from that
    port; to everybody when the asker has no address yet."""

    def __init__(self, path, address, answer):
        self.path, self.address, self.answer = str(path), socket.inet_aton(address), answer
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen(1)
        self.peer = None
        threading.Thread(target=self._serve, daemon=True).start()

    def qemu(self, mac):
        """qemu/run's words for the card at the other end."""
        words = (f"-netdev stream,id=wire,server=off,addr.type=unix,addr.path={self.path} "
                 f"-device virtio-net-pci,netdev=wire,romfile=,mac={mac}")  # fmt: skip
        return ["--qemu", words]

    def stop(self):
        self.server.close()
        if self.peer:
            self.peer.close()

    def _serve(self):
        while self.server.fileno() >= 0:
            # a guest that ends, or the test, ends the connection in the middle of whatever it is
            with contextlib.suppress(OSError, struct.error):
                self.peer, _ = self.server.accept()
                frames = self.peer.makefile("rb")
                while head := frames.read(4):
                    self._frame(frames.read(struct.unpack(">I", head)[0]))

    def _send(self, to, kind, data):
        frame = to + OWN_MAC + struct.pack(">H", kind) + data
        frame = frame.ljust(60, b"\0")
        self.peer.sendall(struct.pack(">I", len(frame)) + frame)

    def _frame(self, frame):
        kind, data = struct.unpack(">H", frame[12:14])[0], frame[14:]
        if kind == 0x0806 and data[6:8] == b"\0\1" and data[24:28] == self.address:
            self._send(data[8:14], 0x0806, data[:6] + b"\0\2" + OWN_MAC + self.address + data[8:18])
        if kind != 0x0800 or data[9] != socket.IPPROTO_UDP or data[16:20] not in (self.address, BROADCAST):
            return
        length, packet = (data[0] & 15) * 4, data[: struct.unpack(">H", data[2:4])[0]]
        source, port, size = struct.unpack(">HHH", packet[length : length + 6])
        for payload in self.answer(port, packet[length + 8 : length + size]):
            udp = struct.pack(">HHHH", port, source, 8 + len(payload), 0) + payload
            to = data[12:16] if any(data[12:16]) else BROADCAST
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + self.address + to
            ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
            self._send(frame[6:12], 0x0800, ip + udp)
