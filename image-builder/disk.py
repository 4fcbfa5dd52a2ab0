# SPDX-License-Identifier: Apache-2.0
"""The disk image: a GPT with one EFI system partition; STATE and DATA are made by the first boot.

Everything in it is fixed, the GUIDs too: the first boot replaces those.
"""

import struct
import uuid
import zlib

import enter
import release
import root
from paths import BuildError

SECTOR = 512
ESP_SIZE = 128 << 20
FIRST = 2048  # the partition begins at 1 MiB
ENTRIES, ENTRY_SIZE = 128, 128
TAIL = 33  # sectors: the second table and header
DISK_GUID = uuid.UUID("5e6f7765-6872-4d79-8000-000000000002")
ESP_GUID = uuid.UUID("5e6f7765-6872-4d79-8000-000000000003")
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
BOOT = {"x86_64": "BOOTX64.EFI", "aarch64": "BOOTAA64.EFI"}
LOADER = "timeout 0\neditor no\n"


def _header(this, other, table, last, entries):
    fields = (b"EFI PART", 0x10000, 92, 0, 0, this, other, FIRST, last, DISK_GUID.bytes_le, table, ENTRIES,
              ENTRY_SIZE, zlib.crc32(entries))
    packed = struct.pack("<8sIIIIQQQQ16sQIII", *fields)
    crc = struct.pack("<I", zlib.crc32(packed))
    return (packed[:16] + crc + packed[20:]).ljust(SECTOR, b"\0")


def tables():
    """(the first sectors, the last sectors, total sectors) of the disk."""
    esp_sectors = ESP_SIZE // SECTOR
    total = _total()
    last = total - TAIL - 1
    entry = struct.pack("<16s16sQQQ72s", ESP_TYPE.bytes_le, ESP_GUID.bytes_le, FIRST, FIRST + esp_sectors - 1, 0,
                        "ESP".encode("utf-16le"))
    entries = entry.ljust(ENTRIES * ENTRY_SIZE, b"\0")
    protective = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, total - 1)
    mbr = (b"\0" * 446 + protective).ljust(510, b"\0") + b"\x55\xaa"
    head = mbr + _header(1, total - 1, 2, last, entries) + entries
    tail = entries + _header(total - 1, 1, total - TAIL, last, entries)
    return head, tail, total


def _total():
    return FIRST + ESP_SIZE // SECTOR + FIRST  # a whole MiB at the end, too


SCRIPT = r"""
set -eu
cd /out
export MTOOLS_SKIP_CHECK=1
mkfs.vfat -F 32 -n ESP --invariant esp.img >/dev/null
mmd -i esp.img ::EFI ::EFI/BOOT ::EFI/Linux ::loader
find esp -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
(cd esp && find . -type f | sort) | while read -r f; do
	mcopy -i esp.img -m "esp/$f" "::${f#./}"
done
"""


def make(arch, boot_manager, efi_file, work, path):
    """Write the disk image; @work is a folder for the parts."""
    files = {f"EFI/BOOT/{BOOT[arch]}": boot_manager, "loader/loader.conf": LOADER.encode(),
             f"EFI/Linux/wherry_{release.VERSION}.efi": efi_file}
    for name, data in files.items():
        (work / "esp" / name).parent.mkdir(parents=True, exist_ok=True)
        (work / "esp" / name).write_bytes(data)
    with open(work / "esp.img", "wb") as f:
        f.truncate(ESP_SIZE)
    if enter.run(root.make("image"), ["sh", "-c", SCRIPT], binds=[(work, "/out")],
                 env={"SOURCE_DATE_EPOCH": str(release.EPOCH)}):
        raise BuildError("cannot make the EFI system partition")
    head, tail, total = tables()
    with open(path, "wb") as out, open(work / "esp.img", "rb") as esp:
        out.truncate(total * SECTOR)
        out.write(head)
        # only what is not zero is written: the file stays sparse
        for offset in range(0, ESP_SIZE, 1 << 16):
            block = esp.read(1 << 16)
            if block.strip(b"\0"):
                out.seek(FIRST * SECTOR + offset)
                out.write(block)
        out.seek((total - TAIL) * SECTOR)
        out.write(tail)
