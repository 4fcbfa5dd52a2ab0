# SPDX-License-Identifier: Apache-2.0
"""`make update-sources`: ask apt what Debian 13 has today and write sources.lock. `build lock-missing` adds what is new.

apt runs with a configuration of its own: own state, own cache, an empty status file, trixie only. Indexes
sometimes name a version whose file is gone; then the next older version is locked, and that is said.
"""

import configparser
import functools
import pathlib
import re
import subprocess

import fetch
import lock
import mirror
import recipe
from paths import BUILDER, CACHE, BuildError
from progress import say

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Apt:
    """apt with its own configuration, below the cache."""

    def __init__(self):
        self.dir = CACHE / "apt"
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").write_text("")
        self.refused = []
        self._pin()
        uri = mirror.archives()
        lines = []
        for archive, suite in (("main", "trixie"), ("security", "trixie-security")):
            for kind in ("deb", "deb-src"):
                lines.append(f"{kind} [signed-by={KEYRING}] {uri[archive]} {suite} main\n")
        (self.dir / "sources.list").write_text("".join(lines))
        (self.dir / "conf").write_text(
            f'Dir::State "{self.dir}/state"; Dir::State::status "{self.dir}/status";\n'
            f'Dir::Cache "{self.dir}/cache"; Dir::Etc::SourceList "{self.dir}/sources.list";\n'
            f'Dir::Etc::SourceParts "-"; Dir::Etc::Preferences "{self.dir}/preferences";\n'
            'Dir::Etc::PreferencesParts "-"; APT::Sandbox::User "root"; Acquire::Languages "none";\n'
            'APT::Architecture "amd64"; APT::Architectures { "amd64"; "arm64"; };\n'
            'Acquire::Check-Valid-Until "false"; APT::Install-Recommends "false";\n')
        self.run("apt-get", "-qq", "update")

    def run(self, *words):
        done = subprocess.run(words, capture_output=True, text=True,
                              env={"APT_CONFIG": str(self.dir / "conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                   "LC_ALL": "C.UTF-8"})
        if done.returncode:
            raise BuildError(f"{' '.join(words[:3])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _pin(self):
        """Versions whose files are gone are made uninstallable."""
        (self.dir / "preferences").write_text("".join(
            f"Package: {name}\nPin: version {version}\nPin-Priority: -1\n\n" for name, version in self.refused))

    def refuse(self, name, version):
        say(f"{name} {version} is in the index but not on the mirror: trying the version before it")
        if (name, version) in self.refused:
            raise BuildError(f"{name} {version}: not on the mirror, and there is no other version")
        self.refused.append((name, version))
        self._pin()

    def resolve(self, section, packages, architecture):
        """The binary packages, with all their dependencies, as lock entries."""
        names = [f"{p}:{architecture}" for p in packages]
        plan = self.run("apt-get", "-s", "-o", f"APT::Architecture={architecture}",
                        "-o", f"APT::Architectures::={architecture}", "install", *names)
        chosen = re.findall(r"(?m)^Inst (\S+?)(?::\S+)? \((\S+) .*\[(\w+)\]\)", plan)
        shown = self.run("apt-cache", "-o", f"APT::Architecture={architecture}", "show", "--no-all-versions",
                         *[f"{n}:{architecture if a == 'all' else a}={v}" for n, v, a in chosen])
        entries = []
        for block in shown.strip().split("\n\n"):
            f = dict(re.findall(r"(?m)^([A-Za-z0-9-]+): (.*)$", block))
            entries.append(lock.Entry(section, f["Package"], f["Version"], f["SHA256"], int(f["Size"]),
                                      f["Filename"]))
        if len(set(entries)) != len(set(chosen)):
            raise BuildError(f"[{section}]: apt chose {len(set(chosen))} packages but showed {len(set(entries))}")
        return entries

    def versions(self, name):
        """The source package's versions, newest first, as (version, lock entries)."""
        found = []
        for block in self.run("apt-cache", "showsrc", "--only-source", name).strip().split("\n\n"):
            version = re.search(r"(?m)^Version: (.*)$", block)[1]
            directory = re.search(r"(?m)^Directory: (.*)$", block)[1]
            sums = re.search(r"(?m)^Checksums-Sha256:\s*\n((?: .*\n?)+)", block)[1]
            files = [l.split() for l in sums.splitlines()]
            found.append((version, [lock.Entry("source", name, version, sha, int(size), f"{directory}/{file}")
                                    for sha, size, file in files if re.search(r"\.tar\.\w+$", file)]))
        return sorted(found, key=functools.cmp_to_key(lambda a, b: _compare(b[0], a[0])))


def _compare(a, b):
    """dpkg's order of two versions, as -1, 0 or 1."""
    for result, relation in ((-1, "lt"), (1, "gt")):
        if subprocess.run(["dpkg", "--compare-versions", a, relation, b], check=False).returncode == 0:
            return result
    return 0


def _there(entries):
    try:
        fetch.fetch(entries)
        return True
    except fetch.Vanished:
        return False


def _source(apt, name):
    """Lock the newest version the mirror has whole, else the newest of which it has upstream's tarball."""
    versions = apt.versions(name)
    for version, entries in versions:
        if _there(entries):
            if version != versions[0][0]:
                say(f"{name} {versions[0][0]} is in the index but not on the mirror: {version} is locked")
            return entries
    for version, entries in versions:
        upstream = [e for e in entries if ".debian.tar." not in e.file]
        if _there(upstream):
            say(f"{name} {version}: the mirror lacks Debian's changes; upstream's tarball is locked alone")
            return upstream
    raise BuildError(f"source {name}: no version of it is on the mirror")


def _binaries(apt, section, packages, architecture):
    """Lock binary packages; a version whose file is gone is passed over."""
    while True:
        entries = apt.resolve(section, packages, architecture)
        try:
            fetch.fetch(entries)
            return entries
        except fetch.Vanished as gone:
            apt.refuse(gone.entry.name, gone.entry.version)


def _kept(old, name):
    """The lines of a source that is locked already."""
    return [e for e in old if e.section == "source" and e.name == name]


def _below(entries, base):
    """{name: entry} of what a folder finds in those it is laid over, which come before it."""
    found = {}
    while base:
        found.update({e.name: e for e in entries if e.section == base})
        base = next(b for s, _, _, b in roots() if s == base)
    return found


def _folder(apt, old, entries, section, packages, architecture, base):
    """A folder's lines: those it has, and those of packages that neither it nor what is below it has."""
    kept = [e for e in old if e.section == section]
    there = {**_below(entries, base), **{e.name: e for e in kept}}
    missing = [p for p in packages if p not in there]
    if not missing:
        return kept
    say(f"folder {section}")
    for e in _binaries(apt, section, missing, architecture):
        if e.name not in there:
            kept.append(e)
        elif e.version != there[e.name].version:
            say(f"{e.name} stays at {there[e.name].version}, although there is {e.version}")
    return kept


def update(only_missing=False):
    """Lock everything anew, or with @only_missing what recipes and folders name and the lock has not."""
    apt = Apt()
    old = lock.read() if only_missing else []
    entries = []
    for r in recipe.all_recipes():
        for name in r.sources:
            kept = _kept(old, name)
            if kept:
                entries += kept
                continue
            say(f"source {name}")
            entries += _source(apt, name)
        for word in r.packages:
            kept = _kept(old, word)
            if kept:
                entries += kept
                continue
            say(f"package {word}")
            name, _, architecture = word.partition(":")
            found = _binaries(apt, "source", [name], architecture or "amd64")
            entries += [lock.Entry("source", word, e.version, e.sha256, e.size, e.path) for e in found if e.name == name]
    for section, packages, architecture, base in roots():
        entries += _folder(apt, old, entries, section, packages, architecture, base)
    lock.write(entries)
    say(f"{len(set(entries))} files locked")


def roots(path: pathlib.Path = BUILDER / "roots.ini"):
    """(section, packages, Debian architecture, base section or None) of each folder."""
    config = configparser.ConfigParser()
    config.read(path)
    for section in config.sections():
        c = config[section]
        yield section, c["packages"].split(), c.get("architecture", "amd64"), c.get("base")
