# SPDX-License-Identifier: Apache-2.0
"""Locked files, fetched with apt's own helper, checked, and kept in the cache under their SHA-256.

A file is in the cache only once its hash is right, so what is there needs no second look.
"""

import hashlib
import os
import subprocess

import mirror
from cache import exclusive
from paths import CACHE, BuildError
from progress import say

HELPER = "/usr/lib/apt/apt-helper"
BATCH = 40


class Vanished(BuildError):
    """The mirror no longer serves this entry."""

    def __init__(self, entry):
        super().__init__(f"{entry.path} ({entry.name} {entry.version}) is not on the mirror any more; "
                         "`make update-sources` locks what is there now, "
                         "and WHERRY_MIRROR may name a dated snapshot that still has it")
        self.entry = entry


def place(entry):
    """Where an entry is, or will be, in the cache."""
    return CACHE / "files" / f"{entry.sha256[:16]}-{entry.file}"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(batch):
    """One run of apt's helper; what could not be had is simply not there afterwards."""
    words = []
    for e in batch:
        words += [mirror.address(e.path), str(place(e)) + f".{os.getpid()}", f"SHA256:{e.sha256}"]
    done = subprocess.run([HELPER, "-o", "APT::Sandbox::User=root", "-qq", "download-file", *words],
                          capture_output=True, text=True)
    return done.stderr.strip()


def _accept(entry):
    """Move a download to its place if it is what was locked."""
    fresh = place(entry).with_name(place(entry).name + f".{os.getpid()}")
    # apt keeps a file of the wrong hash beside it, under this name
    failed = fresh.with_name(fresh.name + ".FAILED")
    if failed.exists():
        got = sha256(failed)
        failed.unlink()
        raise BuildError(f"{entry.path}: wrong hash: locked {entry.sha256}, got {got}")
    if not fresh.exists():
        return False
    if (got := sha256(fresh)) != entry.sha256:
        fresh.unlink()
        raise BuildError(f"{entry.path}: wrong hash: locked {entry.sha256}, got {got}")
    fresh.rename(place(entry))
    return True


def _fetch(missing):
    place(missing[0]).parent.mkdir(parents=True, exist_ok=True)
    total = sum(e.size for e in missing) / 1e6
    say(f"fetching {len(missing)} files, {total:.0f} MB")
    for i in range(0, len(missing), BATCH):
        # a second try, because mirrors stumble; what is then still absent has vanished
        error = ""
        batch = missing[i:i + BATCH]
        for _ in range(2):
            if batch:
                error = _download(batch)
                batch = [e for e in batch if not _accept(e)]
        if batch and ("404" in error or "Not Found" in error):
            raise Vanished(batch[0])
        if batch:
            raise BuildError(f"{batch[0].path}: cannot fetch: {error or 'no reason given'}")


def fetch(entries):
    """Have every entry in the cache; returns their paths in the same order."""
    if any(not place(e).exists() for e in entries):
        # whoever waited here may find that another has fetched them
        with exclusive("fetch"):
            missing = [e for e in dict.fromkeys(entries) if not place(e).exists()]
            if missing:
                _fetch(missing)
    return [place(e) for e in entries]
