# SPDX-License-Identifier: Apache-2.0
"""Runs a command inside a folder of packages, in a mount namespace of its own that ends with the command.

As root this is chroot; otherwise a user namespace makes the caller root inside. The tree is at /src, so that
nothing depends on where the clone lies; a build has no network at all.
"""

import os
import subprocess

from paths import TREE

# mounts, then becomes the command; the pairs before -- are what is bound where
INSIDE = r"""
set -eu
root=$1; shift
mount --bind "$root" "$root"
for d in dev proc; do mount --rbind /$d "$root/$d"; done
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
while [ "$1" != -- ]; do
	[ -d "$root$2" ] || mkdir -p "$root$2"
	mount --rbind "$1" "$root$2"
	shift 2
done
shift
cd "$root"
exec chroot "$root" /usr/bin/env -i "$@"
"""

PATH = "/sysroot/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command(root, words, binds=(), env=None, network=False, cwd="/src"):
    """The words that run @words inside @root; @binds are (outside, inside) pairs beside the tree."""
    inside = {"PATH": PATH, "HOME": "/tmp", "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    if not network:
        unshare += ["--net"]
    pairs = [w for outside, at in ((TREE, "/src"), *binds) for w in (str(outside), at)]
    return [*unshare, "sh", "-c", INSIDE, "enter", str(root), *pairs, "--",
            *[f"{k}={v}" for k, v in inside.items()],
            "sh", "-c", 'umask 022; cd "$1"; shift; exec "$@"', "sh", cwd, *[str(w) for w in words]]


def run(root, words, **options):
    """Run it with this terminal; returns the exit status."""
    return subprocess.run(command(root, words, **options), check=False).returncode
