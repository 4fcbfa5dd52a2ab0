# SPDX-License-Identifier: Apache-2.0
"""The real clients and servers the tests use: Debian 13's, unpacked by the image builder, not the host's."""

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def packages(name):
    """The folder into which the locked package set @name was unpacked; WHERRY_<NAME> overrides it."""
    override = os.environ.get("WHERRY_" + name.upper().replace("-", "_"))
    if override:
        return Path(override)
    done = subprocess.run([TOP / "image-builder" / "packages", name], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def command(program, name="clients"):
    """The words that run @program of the package set @name with its own libraries on any host."""
    root = packages(name)
    for folder in ("usr/bin", "usr/sbin"):
        path = root / folder / program
        if path.exists():
            loader = root / "usr/lib64/ld-linux-x86-64.so.2"
            return [str(loader), "--library-path", f"{root}/usr/lib/x86_64-linux-gnu", str(path)]
    raise FileNotFoundError(f"{program} is not in {root}: is its package in the {name} set of the lock file?")
