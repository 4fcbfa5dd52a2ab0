# SPDX-License-Identifier: Apache-2.0
"""A DHCP server (RFC 2131) for one client at the other end of a wire: each time that somebody looks for it it has another address,
so that one which was left behind is seen; and the options that a test has, when the client asks for them."""

import socket

from support.wire import Wire

SERVER, MASK = (socket.inet_aton(a) for a in ("10.66.0.1", "255.255.255.0"))
MAGIC = bytes.fromhex("63825363")
OPTION_MASK, OPTION_LEASE, OPTION_TYPE, OPTION_SERVER, OPTION_ASKED_FOR, OPTION_VENDOR, OPTION_END = 1, 51, 53, 54, 55, 60, 255
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def options_of(data):
    """{code: value} of a message's options."""
    found, at = {}, 0
    while at < len(data) and data[at] != OPTION_END:
        if data[at]:
            found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += data[at + 1] + 1
        at += 1
    return found


class DhcpServer:
    """@options: {code: bytes}. `clients`: what each message's vendor class was."""

    def __init__(self, path, options):
        self.options, self.clients, self.last = options, [], 1
        self.wire = Wire(path, socket.inet_ntoa(SERVER), self._answer)

    def _answer(self, port, message):
        if port != 67 or message[0] != 1 or message[236:240] != MAGIC:
            return
        asked = options_of(message[240:])
        kind = {bytes([DISCOVER]): OFFER, bytes([REQUEST]): ACK}.get(asked.get(OPTION_TYPE))
        if not kind:
            return
        self.last += kind == OFFER
        self.clients.append(asked.get(OPTION_VENDOR))
        given = {OPTION_TYPE: bytes([kind]), OPTION_SERVER: SERVER, OPTION_LEASE: (3600).to_bytes(4, "big"), OPTION_MASK: MASK}
        given |= {code: value for code, value in self.options.items() if code in asked.get(OPTION_ASKED_FOR, b"")}
        words = b"".join(bytes([code, len(value)]) + value for code, value in given.items())
        head = bytes([2]) + message[1:8] + bytes(8) + socket.inet_aton(f"10.66.0.{self.last}") + SERVER + message[24:236]
        yield head + MAGIC + words + bytes([OPTION_END])
