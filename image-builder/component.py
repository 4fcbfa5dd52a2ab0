# SPDX-License-Identifier: Apache-2.0
"""Components: a recipe's result for one architecture, kept under the hash of everything it was made from."""

import collections
import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import time

import enter
import fetch
import lock
import recipe
import root
from cache import exclusive, sweep
from paths import BUILDER, CACHE, TREE, BuildError
from progress import say

SCRIPT = BUILDER / "component.sh"
# 2026-11-01T00:00:00Z: every time stamp in a component
EPOCH = "1793491200"
AT_ONCE = 2


def environment(arch):
    return {
        "ARCH": arch, "JOBS": str(os.cpu_count() or 1), "SOURCE_DATE_EPOCH": EPOCH,
        "KBUILD_BUILD_TIMESTAMP": f"@{EPOCH}", "KBUILD_BUILD_USER": "wherry", "KBUILD_BUILD_HOST": "wherry",
        "KBUILD_BUILD_VERSION": "1",
    }


def _inputs(r, arch):
    """The files of the tree that a recipe reads, in a fixed order."""
    for word in r.inputs:
        path = TREE / word.replace("ARCH", arch)
        if not path.exists():
            raise BuildError(f"recipe {r.name}: input {word} is missing")
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def entries(r):
    """The locked files a recipe is made from."""
    return [e for name in (*r.sources, *r.packages) for e in lock.source(name)]


def key(r, arch, keys):
    """A hash of everything that goes in; @keys has those of the dependencies."""
    digest = hashlib.sha256()
    for part in (arch, EPOCH, root.key(r.root[0]), SCRIPT.read_text(), r.text, *(keys[d] for d in r.deps),
                 *(e.sha256 for e in entries(r))):
        digest.update(part.encode() + b"\0")
    for path in _inputs(r, arch):
        digest.update(str(path.relative_to(TREE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def place(name, arch, k):
    return CACHE / "components" / f"{name}-{arch}-{k}"


def sysroot(results, into):
    """Lay the sysroot parts of @results over each other in the folder @into."""
    into.mkdir(parents=True, exist_ok=True)
    for path in results:
        if (path / "sysroot").is_dir():
            shutil.copytree(path / "sysroot", into, dirs_exist_ok=True, symlinks=True)


def _build(r, arch, into, below):
    """Run the recipe in the build root; its result is in @into."""
    build_root = root.make(r.root[0])
    files = fetch.fetch(entries(r))
    work = CACHE / "work" / f"{r.name}-{arch}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    for sub in ("work", "files", "sysroot"):
        (work / sub).mkdir(parents=True)
    sysroot(below, work / "sysroot")
    for e, path in zip(entries(r), files):
        os.link(path, work / "files" / e.file)
    log = CACHE / "logs" / f"{r.name}-{arch}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    binds = [(work / "work", "/work"), (work / "files", "/files"), (work / "sysroot", "/sysroot"), (into, "/out")]
    words = ["sh", "/src/image-builder/component.sh", f"/src/image-builder/recipes/{r.name}"]
    with open(log, "w", encoding="utf-8") as f:
        done = subprocess.run(enter.command(build_root, words, binds=binds, env=environment(arch), cwd="/work"),
                              stdin=subprocess.DEVNULL, stdout=f, stderr=f, check=False)
    if done.returncode:
        with open(log, encoding="utf-8", errors="replace") as f:
            tail = "\n".join(line.rstrip()[:200] for line in collections.deque(f, 25))
        raise BuildError(f"component {r.name} for {arch} failed; the end of {log}:\n{tail}")
    shutil.rmtree(work)


def _make_one(r, arch, path, below, title):
    with exclusive(f"component-{r.name}-{arch}"):
        if path.is_dir():
            return
        say(title)
        began = time.monotonic()
        fresh = path.with_name(path.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        _build(r, arch, fresh, below)
        fresh.rename(path)
        sweep(path.parent, f"{r.name}-{arch}")
        say(f"component {r.name} for {arch}: {time.monotonic() - began:.0f} s")


def _make_all(missing, arch, paths):
    """Two at a time: while one configures or links, which is one process, the other compiles."""
    for name in {r.root[0] for r in missing}:
        root.make(name)
    fetch.fetch([e for r in missing for e in entries(r)])
    begun = {}

    def work(r, title):
        # those below were begun before: in this order nobody waits for what has no thread
        for below in recipe.closure(r.deps):
            if below.name in begun:
                begun[below.name].result()
        _make_one(r, arch, paths[r.name], [paths[d.name] for d in recipe.closure(r.deps)], title)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number, r in enumerate(missing, 1):
            begun[r.name] = pool.submit(work, r, f"component {r.name} for {arch} ({number} of {len(missing)})")
        concurrent.futures.wait(begun.values(), return_when=concurrent.futures.FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    for one in begun.values():
        if not one.cancelled():
            one.result()


def make(names, arch):
    """Have these components and all below them; returns {name: path}."""
    keys, paths = {}, {}
    order = recipe.closure(names)
    for r in order:
        keys[r.name] = key(r, arch, keys)
        paths[r.name] = place(r.name, arch, keys[r.name])
    _make_all([r for r in order if not paths[r.name].is_dir()], arch, paths)
    for path in paths.values():
        os.utime(path)
    return paths
