# SPDX-License-Identifier: Apache-2.0
"""Where things are: the tree, the output and the cache. Nothing else in the builder knows a path by heart."""

import os
import pathlib

TREE = pathlib.Path(__file__).resolve().parent.parent
BUILDER = TREE / "image-builder"
LOCK = BUILDER / "sources.lock"
OUT = pathlib.Path(os.environ.get("WHERRY_OUT") or TREE / "out")
CACHE = pathlib.Path(os.environ.get("WHERRY_CACHE") or pathlib.Path.home() / ".cache/wherry")

ARCHES = ("x86_64", "aarch64")


class BuildError(Exception):
    """Something the reader can act on: printed as one line, without a traceback."""
