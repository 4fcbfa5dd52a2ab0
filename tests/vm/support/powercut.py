# SPDX-License-Identifier: Apache-2.0
"""A pulled plug, at every moment one cares for: QEMU records each write and flush that reaches a disk, and a disk is
rebuilt as it may have been at any point of that record.

What was flushed before the cut is there. Of what was written after the last flush, a disk may have kept any part: the
dice say which. The record is that of QEMU's `blklogwrites` (the format of Linux's dm-log-writes).
"""

import mmap
import shutil
import struct
import subprocess

SECTOR = 512
FLUSH, DISCARD = 1, 4


class RecordedDisk:
    """A disk image @disk, and the record of a node that runs on it."""

    def __init__(self, disk):
        self.disk, self.base, self.log = disk, disk.with_suffix(".base"), disk.with_suffix(".log")
        subprocess.run(["cp", "--sparse=always", disk, self.base], check=True)
        with open(self.log, "wb") as f:
            f.truncate(16 << 30)  # sparse
        self.entries, self.position = [], 1

    def options(self):
        """For qemu/run: the disk as the one it would have made, with every write recorded."""
        return ["--disk", "none", "--qemu",
                f"-blockdev driver=file,filename={self.disk},node-name=file0,discard=unmap "
                f"-blockdev driver=file,filename={self.log},node-name=log0 "
                "-blockdev driver=raw,file=file0,node-name=raw0,discard=unmap "
                f"-blockdev driver=blklogwrites,file=raw0,log=log0,node-name=disk0,log-sector-size={SECTOR} "
                "-device virtio-blk-pci,drive=disk0,serial=wherry-data"]  # fmt: skip

    def read(self):
        """Take up what has been recorded since; returns how many entries there are now."""
        with open(self.log, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as log:
            while True:
                at = self.position * SECTOR
                sector, count, flags, _ = struct.unpack_from("<4Q", log, at)
                if not count and not flags & FLUSH:
                    return len(self.entries)
                self.entries.append((sector, count, flags, at + SECTOR))
                self.position += 1 + (0 if flags & DISCARD else count)

    def writes(self, begin=0, end=None):
        """The numbers of those entries that write."""
        return [i for i, (_, count, flags, _) in enumerate(self.entries[begin:end], begin) if count and not flags & DISCARD]

    def cut(self, target, moment, dice):
        """@target becomes the disk as a plug pulled after entry @moment may leave it."""
        subprocess.run(["cp", "--sparse=always", self.base, target], check=True)
        upto = self.entries[: moment + 1]
        safe = max((i for i, entry in enumerate(upto) if entry[2] & FLUSH), default=-1)
        with open(self.log, "rb") as log, open(target, "r+b") as disk:
            for i, (sector, count, flags, at) in enumerate(upto):
                # A discard may be done or not; here it never is.
                if not count or flags & DISCARD or (i > safe and dice.random() < 0.3):
                    continue
                if i > safe and dice.random() < 0.3:
                    count = dice.randint(1, count)  # torn
                log.seek(at)
                disk.seek(sector * SECTOR)
                shutil.copyfileobj(_Part(log, count * SECTOR), disk, 1 << 20)

    def remove(self):
        self.base.unlink()
        self.log.unlink()


class _Part:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, n):
        data = self.file.read(min(n, self.left))
        self.left -= len(data)
        return data
