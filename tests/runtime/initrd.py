# SPDX-License-Identifier: Apache-2.0
"""A folder as an initramfs (newc cpio), everything owned by root."""

import os
import stat


def write(root, image):
    with open(image, "wb") as out:
        number = 0

        def entry(name, mode, size, data=(), rdev=0):
            nonlocal number
            number += 1
            raw = name.encode() + b"\0"
            fields = [number, mode, 0, 0, 1, 0, size, 0, 0, os.major(rdev), os.minor(rdev), len(raw), 0]
            head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
            out.write(head + b"\0" * (-len(head) % 4))
            for piece in data:
                out.write(piece)
            out.write(b"\0" * (-size % 4))

        for folder, dirs, files in os.walk(root):
            dirs.sort()
            for name in sorted(dirs + files):
                path = os.path.join(folder, name)
                inside, st = os.path.relpath(path, root), os.lstat(path)
                if stat.S_ISLNK(st.st_mode):
                    target = os.readlink(path).encode()
                    entry(inside, st.st_mode, len(target), [target])
                elif stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        entry(inside, st.st_mode, st.st_size, iter(lambda f=f: f.read(1 << 20), b""))
                else:
                    entry(inside, st.st_mode, 0, rdev=st.st_rdev)
        entry("TRAILER!!!", 0, 0)
