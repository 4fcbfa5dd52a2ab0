# SPDX-License-Identifier: Apache-2.0
"""What nftables has on a node: a line a rule and an element of a set, asked of the kernel from a container in the node's network."""

# Run there: it has Python and nothing of the project. The numbers are linux/netfilter/nf_tables.h's.
SCRIPT = r"""
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
def attrs(b):
    at = 0
    while at + 4 <= len(b):
        size, kind = struct.unpack_from("HH", b, at)
        yield kind & 0x3fff, b[at + 4:at + size]
        at += size + 3 & ~3
def attr(kind, text):
    b = struct.pack("HH", 5 + len(text), kind) + text.encode() + b"\0"
    return b + bytes(-len(b) % 4)
def dump(message, family=0, more=b""):
    s.send(struct.pack("IHHIIBBH", 20 + len(more), 10 << 8 | message, 0x301, 1, 0, family, 0, 0) + more)
    while True:
        b = s.recv(1 << 20)
        while b:
            size, kind = struct.unpack_from("IH", b)
            if kind == 3:
                return
            if kind == 2:
                raise OSError(-struct.unpack_from("i", b, 16)[0], "nftables")
            yield b[16], dict(attrs(b[20:size]))
            b = b[size + 3 & ~3:]
text = lambda b: b.rstrip(b"\0").decode()
for family, rule in dump(7):
    print(family, text(rule[1]), text(rule[2]), "rule")
for family, found in list(dump(10)):
    print(family, text(found[1]), text(found[2]), "set")
    for _, part in list(dump(13, family, attr(1, text(found[1])) + attr(2, text(found[2])))):
        for _ in attrs(part.get(3, b"")):
            print(family, text(found[1]), text(found[2]), "element")
"""


def lines(node, image):
    """@image: one with Python, on the node."""
    return node.docker("run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", image, "python3", "-c", SCRIPT).stdout.splitlines()
