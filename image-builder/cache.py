# SPDX-License-Identifier: Apache-2.0
"""What is kept between runs: one maker at a time for each thing, and no more old ones than are useful."""

import contextlib
import fcntl
import shutil

from paths import CACHE

KEEP = 4


@contextlib.contextmanager
def exclusive(name):
    """Hold the lock of one thing in the cache, so that two runs do not make it at once."""
    path = CACHE / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def sweep(folder, name):
    """Remove all but the newest few of folder/name-HASH. A name never ends like another with a hash added."""
    kept = [p for p in folder.iterdir() if p.name.rpartition("-")[0] == name and p.suffix != ".new"]
    for old in sorted(kept, key=lambda p: p.stat().st_mtime)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
