# SPDX-License-Identifier: Apache-2.0
"""Folders made of locked Debian packages: the build root, and what tests need.

A folder is named by the hash of what it is made of, made beside its place and moved there when it is whole.
Packages are only extracted: the few links that their scripts would make are made by finish-root.
"""

import hashlib
import os
import shutil
import subprocess

import fetch
import lock
import update
from cache import exclusive, sweep
from paths import BUILDER, CACHE, BuildError
from progress import say

FINISH = BUILDER / "finish-root"


def _base(section):
    return next((base for name, _, _, base in update.roots() if name == section), None)


def key(section):
    """A hash of everything that shapes this folder."""
    digest = hashlib.sha256(FINISH.read_bytes())
    while section:
        digest.update("".join(e.line() + "\n" for e in lock.section(section)).encode())
        section = _base(section)
    return digest.hexdigest()[:16]


def place(section):
    return CACHE / "roots" / f"{section}-{key(section)}"


def _extract(files, into):
    for path in files:
        done = subprocess.run(["dpkg-deb", "-x", path, into], capture_output=True, text=True)
        if done.returncode:
            raise BuildError(f"{path.name}: cannot extract: {done.stderr.strip()}")


def make(section):
    """Have the folder; returns its path."""
    path = place(section)
    if path.is_dir():
        os.utime(path)
        return path
    base = _base(section)
    below = make(base) if base else None
    # base-files first: it brings /bin -> usr/bin and the like
    entries = sorted(lock.section(section), key=lambda e: (e.name != "base-files", e))
    files = fetch.fetch(entries)
    with exclusive(f"root-{section}"):
        if path.is_dir():
            return path
        say(f"making folder {section}: {len(files)} packages")
        fresh = path.with_name(f"{path.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        if below:
            subprocess.run(["cp", "-al", below, fresh], check=True)
        else:
            fresh.mkdir(parents=True)
        _extract(files, fresh)
        subprocess.run(["sh", FINISH, fresh], check=True)
        fresh.rename(path)
        sweep(path.parent, section)
    return path
