# SPDX-License-Identifier: Apache-2.0
"""Which Debian mirror to ask: WHERRY_MIRROR, or the one this machine's apt is set up with.

A path below pool/updates/ lives in the security archive, every other in the main one. The tree names no host.
"""

import os
import pathlib
import re

from paths import BuildError

APT = pathlib.Path("/etc/apt")
RELEASES = "bookworm|trixie|forky|sid|stable|oldstable|testing|unstable"


def _stanzas():
    """(uris, suites) of each source configured on this machine, both of apt's formats."""
    for path in sorted([APT / "sources.list", *APT.glob("sources.list.d/*")]):
        if path.suffix == ".sources":
            for block in re.split(r"\n\s*\n", path.read_text()):
                lines = [l for l in block.splitlines() if not l.startswith("#")]
                fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", "\n".join(lines)))
                if fields.get("Enabled", "yes").strip() != "no":
                    yield fields.get("URIs", "").split(), fields.get("Suites", "").split()
        elif path.suffix == ".list" and path.exists():
            for m in re.finditer(r"(?m)^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", path.read_text()):
                yield [m[1]], [m[2]]


def _first(uri):
    """The first address of a mirror list in a file, else the address itself."""
    if uri.startswith("mirror+file:"):
        listed = pathlib.Path(uri.removeprefix("mirror+file:")).read_text().split()
        return next((u for u in listed if "://" in u), uri)
    return uri


def archives():
    """{"main": uri, "security": uri}, neither ending in a slash."""
    named = os.environ.get("WHERRY_MIRROR", "").rstrip("/")
    if named:
        return {"main": named, "security": re.sub(r"/debian(?=/|$)", "/debian-security", named)}
    found = {}
    for uris, suites in _stanzas():
        for suite in suites:
            m = re.fullmatch(rf"(?:{RELEASES})(-security(?:/updates)?)?", suite)
            if m and uris:
                found.setdefault("security" if m[1] else "main", _first(uris[0]).rstrip("/"))
    if "main" not in found:
        raise BuildError("this machine's apt names no Debian mirror; set WHERRY_MIRROR to one, "
                         "or to a dated snapshot of one")
    found.setdefault("security", re.sub(r"/debian(?=/|$)", "/debian-security", found["main"]))
    return found


def address(path):
    """The full address of a file of the lock."""
    return archives()["security" if path.startswith("pool/updates/") else "main"] + "/" + path
