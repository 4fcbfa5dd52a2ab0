# SPDX-License-Identifier: Apache-2.0
"""Protobuf as the API answers it, read without any tables: a message is what its tags have."""

PROTOBUF = "application/vnd.kubernetes.protobuf"


def _varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return number, at


class Message:
    """.all(1, 2) is every field 2 of the first field 1, numbers and bytes; .one(), .text() and .number() are the first one, or what
    stands for none."""

    def __init__(self, data):
        self.fields, at = {}, 0
        while at < len(data):
            key, at = _varint(data, at)
            if key & 7 == 0:
                value, at = _varint(data, at)
            else:
                assert key & 7 in (1, 2, 5), f"wire type {key & 7} at {at}"
                size, at = _varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
                value, at = bytes(data[at : at + size]), at + size
            self.fields.setdefault(key >> 3, []).append(value)
        assert at == len(data), "the message is cut off"

    def all(self, tag, *inner):
        found = self.fields.get(tag, [])
        return Message(found[0]).all(*inner) if inner and found else [] if inner else found

    def one(self, *tags):
        return Message(next(iter(self.all(*tags)), b""))

    def text(self, *tags):
        return next(iter(self.all(*tags)), b"").decode()

    def number(self, *tags):
        return next(iter(self.all(*tags)), 0)

    def map(self, *tags):
        """Of texts."""
        return {entry.text(1): entry.text(2) for entry in map(Message, self.all(*tags))}


def opened(data):
    """What the envelope says it is, and what is in it."""
    assert data[:4] == b"k8s\0", data[:20]
    unknown = Message(data[4:])
    return (unknown.text(1, 1), unknown.text(1, 2)), unknown.one(2)


def event(data):
    """The type of a watch's event, and its object."""
    message = Message(data)
    return message.text(1), *opened(message.all(2, 1)[0])


def events(reply):
    """Those of a watch, until it ends."""
    while head := reply.read(4):
        size = int.from_bytes(head, "big")
        frame = reply.read(size)
        assert len(frame) == size, "the watch ends inside of a frame"
        yield event(frame)
