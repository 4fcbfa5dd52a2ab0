# SPDX-License-Identifier: Apache-2.0
"""The root file system: rootfs/manifest becomes an EROFS image, and that an initramfs.

rootfs/README.md says what the words of the manifest mean. Everything carries one date and stands in the order of
the manifest, so the same input gives the same bytes.
"""

import io
import posixpath
import re
import shutil
import stat
import tarfile

import enter
import release
import root
from paths import OUT, TREE, BuildError
from progress import say

MANIFEST = TREE / "rootfs" / "manifest"
# any constant will do: the image is found by its path, never by this
UUID = "5e6f7765-6872-4d79-8000-000000000001"
TYPES = ("dir", "file", "link", "hard", "tree", "applets", "busybox")


class Sources:
    """Resolves the source word of an entry."""

    def __init__(self, arch, components):
        self.arch = arch
        self.components = components
        self.release = {"os-release": release.os_release().encode(), "issue": release.issue(arch).encode(),
                        "localtime": release.localtime()}

    def read(self, word):
        kind, colon, rest = word.partition(":")
        if not colon:
            return (TREE / word).read_bytes()
        if kind == "component":
            name, _, path = rest.partition("/")
            return (self.components[name] / path).read_bytes()
        if kind == "program":
            return (OUT / self.arch / "bin" / rest).read_bytes()
        if kind == "release":
            return self.release[rest]
        raise BuildError(f"unknown kind of source {word}")

    def absent(self, word):
        """A program that has no source yet: compile.mk leaves it out, and so does the image."""
        kind, _, rest = word.partition(":")
        return kind == "program" and not (OUT / self.arch / "bin" / rest).exists()


def entries(path=MANIFEST):
    """(line number, type, path, mode, owner, source) of each entry."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] not in TYPES or not 4 <= len(words) <= 5:
            raise BuildError(f"{path.relative_to(TREE)}:{number}: want `type path mode owner source`, "
                             f"the type one of {', '.join(TYPES)}")
        yield (number, *words, *[""] * (5 - len(words)))


def component_names(path=MANIFEST):
    """The components that the manifest names."""
    return sorted({e[5].removeprefix("component:").partition("/")[0]
                   for e in entries(path) if e[5].startswith("component:")})


class Archive:
    """The tar that becomes the image; knows which folders there are."""

    def __init__(self, stream):
        self.tar = tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT)
        self.kinds = {"": "dir"}

    def add(self, path, kind, type_, mode=0o777, owner=(0, 0), data=b"", target=""):
        name = posixpath.normpath(path).lstrip("/")
        if name in self.kinds:
            raise BuildError(f"{path} is there already")
        if self.kinds.get(posixpath.dirname(name)) != "dir":
            raise BuildError(f"{posixpath.dirname(path)} is not declared as a folder before {path}")
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime, info.linkname = type_, mode, release.EPOCH, target
        info.uid, info.gid = owner
        info.size = len(data)
        self.kinds[name] = kind
        self.tar.addfile(info, io.BytesIO(data))

    def add_root(self, mode, owner):
        """The root folder itself: without an entry of its own it would be writable by everybody."""
        info = tarfile.TarInfo("./")
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, release.EPOCH
        info.uid, info.gid = owner
        self.tar.addfile(info)


def _owner(word):
    uid, _, gid = word.partition(":")
    return int(uid), int(gid)


def _applets():
    """The names of services/applets.h, as links call them."""
    text = (TREE / "services" / "applets.h").read_text()
    return [name for name in re.findall(r"(?m)^\s*X\((\w+),", text)]


def _links(archive, listed, folder, names, target):
    """In @folder, a link to @target for each name whose path is not listed itself."""
    for name in sorted(set(names)):
        path = posixpath.join(folder, name)
        if path not in listed:
            archive.add(path, "link", tarfile.SYMTYPE, target=target)


def _entry(archive, sources, listed, entry):
    number, kind, path, mode, owner, source = entry
    if kind == "dir" and path == "/":
        archive.add_root(int(mode, 8), _owner(owner))
    elif kind == "dir":
        archive.add(path, kind, tarfile.DIRTYPE, int(mode, 8), _owner(owner))
    elif kind == "file" and sources.absent(source):
        say(f"rootfs/manifest:{number}: {path} is left out: {source} has no source in the tree")
    elif kind == "file":
        archive.add(path, kind, tarfile.REGTYPE, int(mode, 8), _owner(owner), sources.read(source))
    elif kind == "link":
        archive.add(path, kind, tarfile.SYMTYPE, target=source)
    elif kind == "hard":
        archive.add(path, kind, tarfile.LNKTYPE, target=source.lstrip("/"))
    elif kind == "tree":
        archive.add(path, "dir", tarfile.DIRTYPE, 0o755, _owner(owner))
        for f in sorted((TREE / source).iterdir()):
            archive.add(posixpath.join(path, f.name), "file", tarfile.REGTYPE, int(mode, 8), _owner(owner),
                        f.read_bytes())
    elif kind == "applets":
        _links(archive, listed, path, _applets(), source)
    elif kind == "busybox":
        names = [posixpath.basename(n) for n in sources.read(source).decode().split()]
        _links(archive, listed, path, names, "busybox")


def write_tar(stream, sources, path=MANIFEST):
    archive = Archive(stream)
    whole = list(entries(path))
    # a tool that a listed path has, by whatever folder, is not busybox's
    listed = {e[2] for e in whole}
    for entry in whole:
        try:
            _entry(archive, sources, listed, entry)
        except (BuildError, OSError, KeyError, ValueError) as e:
            raise BuildError(f"{path.relative_to(TREE)}:{entry[0]}: {e}") from None
    archive.tar.close()


def erofs(arch, components, work):
    """Make work/root.erofs; returns its path."""
    with open(work / "root.tar", "wb") as f:
        write_tar(f, Sources(arch, components))
    # level 19 saves a twentieth and takes twenty times as long
    words = ["mkfs.erofs", "--quiet", "--tar=f", "-zzstd,level=9", "-C65536", "-Eztailpacking,fragments",
             f"-T{release.EPOCH}", f"-U{UUID}", "/out/root.erofs", "/out/root.tar"]
    if enter.run(root.make("image"), words, binds=[(work, "/out")]):
        raise BuildError("mkfs.erofs failed")
    return work / "root.erofs"


def _cpio(stream, entries_):
    """A newc archive of (name, mode, data, device), with nothing in it that changes from run to run."""
    for inode, (name, mode, data, device) in enumerate([*entries_, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        raw = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, release.EPOCH, len(data), 0, 0, *device, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        stream.write(head + b"\0" * (-len(head) % 4))
        stream.write(data + b"\0" * (-len(data) % 4))


def initrd(image, stage1, path):
    """The initramfs: the first program, the root image, and the console that the kernel opens for it.

    Not compressed: the image is, and unpacking needs no further memory this way.
    """
    none = (0, 0)
    with open(path, "wb") as f:
        _cpio(f, [("dev", stat.S_IFDIR | 0o755, b"", none),
                  ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
                  ("init", stat.S_IFREG | 0o755, stage1.read_bytes(), none),
                  ("root.erofs", stat.S_IFREG | 0o644, image.read_bytes(), none)])



def workdir(arch):
    work = OUT / arch / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work
