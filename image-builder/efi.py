# SPDX-License-Identifier: Apache-2.0
"""The EFI file: systemd's stub with the kernel, the initramfs and the command line added as PE sections.

objcopy can do this too, but stamps the time of day into the file and cannot make room in the headers.
"""

import struct

from paths import BuildError

SECTION = struct.Struct("<8sIIIIIIHHI")
READ_DATA = 0x40000040  # initialised data, readable


def _align(n, to):
    return -(-n // to) * to


def _headers(image, what):
    """(offset of the COFF header, offset of the optional header, offset of the section table)"""
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    if image[:2] != b"MZ" or image[pe:pe + 4] != b"PE\0\0":
        raise BuildError(f"{what} is not a PE file")
    optional = pe + 24
    return pe + 4, optional, optional + struct.unpack_from("<H", image, pe + 20)[0]


def size_in_memory(image, what):
    """How much memory a PE file takes once it is loaded."""
    _, optional, _ = _headers(image, what)
    return struct.unpack_from("<I", image, optional + 56)[0]


def _make_room(image, first_raw, end):
    """Move all section contents up so that the section table may end at @end; returns how far."""
    optional, table = _headers(image, "the stub")[1:]
    file_align = struct.unpack_from("<I", image, optional + 36)[0]
    shift = _align(max(0, end - first_raw), file_align)
    image[first_raw:first_raw] = b"\0" * shift
    for i in range(_count(image)):
        at = table + i * SECTION.size + 20
        raw = struct.unpack_from("<I", image, at)[0]
        if raw:
            struct.pack_into("<I", image, at, raw + shift)
    return shift


def _count(image):
    coff, _, _ = _headers(image, "the stub")
    return struct.unpack_from("<H", image, coff + 2)[0]


def add_sections(stub, sections):
    """@stub with (name, data, size in memory) added; returns the new file."""
    image = bytearray(stub)
    coff, optional, table = _headers(image, "the stub")
    section_align, file_align = struct.unpack_from("<II", image, optional + 32)
    old = [SECTION.unpack_from(image, table + i * SECTION.size) for i in range(_count(image))]
    first_raw = min(s[4] for s in old if s[4])
    _make_room(image, first_raw, table + (len(old) + len(sections)) * SECTION.size)

    at = table + len(old) * SECTION.size
    address = _align(max(s[2] + s[1] for s in old), section_align)
    added = 0
    for name, data, memory in sections:
        image += b"\0" * (_align(len(image), file_align) - len(image))
        raw_size = _align(len(data), file_align)
        SECTION.pack_into(image, at, name.encode(), max(memory, len(data)), address, raw_size, len(image),
                          0, 0, 0, 0, READ_DATA)
        image += data + b"\0" * (raw_size - len(data))
        address = _align(address + max(memory, len(data)), section_align)
        added += raw_size
        at += SECTION.size

    struct.pack_into("<H", image, coff + 2, len(old) + len(sections))
    struct.pack_into("<I", image, optional + 8, struct.unpack_from("<I", image, optional + 8)[0] + added)
    headers = min(SECTION.unpack_from(image, table + i * SECTION.size)[4] or len(image) for i in range(len(old)))
    if headers > min(s[2] for s in old):
        raise BuildError("the stub has no room for the section table below its first section")
    struct.pack_into("<II", image, optional + 56, address, headers)
    struct.pack_into("<I", image, optional + 64, 0)  # no checksum: firmware does not look at it
    return bytes(image)


def make(stub, osrel, cmdline, linux, initrd):
    """One EFI file; the kernel comes last, with the room in memory that it asks for."""
    return add_sections(stub, [(".osrel", osrel, 0), (".cmdline", cmdline, 0), (".initrd", initrd, 0),
                               (".linux", linux, size_in_memory(linux, "the kernel"))])
