#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""zones.py OUT FOLDER: the time zones of the tz database, as C.

A compiled zone ends with a line that says what it is from its last change on, as a value of TZ (RFC 9636, 3.3): that is
what is taken. Of some six hundred zones that makes twenty kilobytes.
"""

import sys
from pathlib import Path


def rule(path):
    """The last line of a compiled zone; None for what is none."""
    data = path.read_bytes()
    if data[:4] != b"TZif" or not data.endswith(b"\n"):
        return None
    return data[data.rindex(b"\n", 0, -1) + 1:-1].decode("ascii") or None


def main(out, folder):
    folder = Path(folder)
    zones = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # the same again without and with leap seconds, and names that mean no place
        if not path.is_file() or name.split("/")[0] in ("posix", "right", "localtime", "posixrules", "Factory"):
            continue
        found = rule(path)
        if found:
            zones[name] = found
    if "Europe/Berlin" not in zones:
        sys.exit(f"zones.py: {folder} has no time zones")
    lines = [f'\t"{name}\\0" "{text}\\0"\n' for name, text in sorted(zones.items())]
    Path(out).write_text("/* Made by zones.py. */\nextern const char zone_table[];\nconst char zone_table[] =\n"
                         + "".join(lines) + "\t;\n", encoding="ascii")


main(*sys.argv[1:])
