# SPDX-License-Identifier: Apache-2.0
"""The version of what is built, and the one date that all of it carries; both from the file `release`."""

import datetime
import re
import struct

from paths import BUILDER

_TEXT = (BUILDER / "release").read_text()
VERSION = re.search(r"(?m)^VERSION=(\S+)$", _TEXT)[1]
DATE = re.search(r"(?m)^DATE=(\S+)$", _TEXT)[1]
EPOCH = int(datetime.datetime.fromisoformat(DATE).replace(tzinfo=datetime.timezone.utc).timestamp())


def os_release():
    """/etc/os-release, which is also in the EFI file: the boot manager sorts by IMAGE_VERSION."""
    return (f'ID=wherry\nNAME=Wherry\nPRETTY_NAME="Wherry {VERSION}"\n'
            f"VERSION_ID={VERSION}\nIMAGE_ID=wherry\nIMAGE_VERSION={VERSION}\n")


def issue(arch):
    """/etc/issue: one line for the console."""
    return f"Wherry {VERSION} ({arch})\n"


def localtime():
    """/etc/localtime: UTC, as RFC 9636 writes a zone that never changes. Containers are given it by -v."""
    block = b"TZif2" + bytes(15) + struct.pack(">6L", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    return block + block + b"\nUTC0\n"
