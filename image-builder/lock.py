# SPDX-License-Identifier: Apache-2.0
"""sources.lock: every file that comes from outside, one a line.

    SECTION NAME VERSION SHA256 SIZE PATH

SECTION is `source` or a folder of roots.ini; PATH is the place in a Debian archive, so no host is named here.
Sorted, so that a change of one package is a change of one line.
"""

import dataclasses

from paths import LOCK, BuildError

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Written by `make update-sources`; every file that the build takes from outside.
# section name version sha256 size path
"""


@dataclasses.dataclass(frozen=True, order=True)
class Entry:
    section: str
    name: str
    version: str
    sha256: str
    size: int
    path: str

    @property
    def file(self):
        return self.path.rsplit("/", 1)[1]

    def line(self):
        return f"{self.section} {self.name} {self.version} {self.sha256} {self.size} {self.path}"


def read(path=LOCK):
    """All entries of the lock file."""
    entries = []
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise BuildError(f"{path} is missing; `make update-sources` writes it") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) != 6 or len(fields[3]) != 64 or not fields[4].isdigit():
            raise BuildError(f"{path}:{number}: want `section name version sha256 size path`")
        entries.append(Entry(*fields[:4], int(fields[4]), fields[5]))
    return entries


def write(entries, path=LOCK):
    """Replace the lock file in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(HEAD + "".join(e.line() + "\n" for e in sorted(set(entries))))
    fresh.rename(path)


def section(name, entries=None):
    """The entries of one section, in a fixed order; an absent section is an error."""
    found = sorted(e for e in entries or read() if e.section == name)
    if not found:
        raise BuildError(f"{LOCK.name} has no section {name}; `make update-sources` writes it")
    return found


def source(name, entries=None):
    """The files of one source package, in a fixed order."""
    found = [e for e in section("source", entries) if e.name == name]
    if not found:
        raise BuildError(f"{LOCK.name} has no source {name}; `make update-sources` writes it")
    return found
