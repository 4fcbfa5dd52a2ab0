# SPDX-License-Identifier: Apache-2.0
"""Images made by the tests: layers from members or folders, manifests, indexes, and their push to a registry.

Content is made here, not by a tool, so that a test can also make what no tool would: wrong digests, hostile
names, truncated streams.
"""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import subprocess
import tarfile
import zlib
from dataclasses import dataclass, field

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution."


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Member:
    """One entry of a layer. @type as tarfile has it."""

    name: str
    data: bytes = b""
    mode: int = 0o644
    type: bytes = tarfile.REGTYPE
    link: str = ""
    uid: int = 0
    gid: int = 0
    device: tuple = (0, 0)
    pax: dict = field(default_factory=dict)


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for m in members:
            info = tarfile.TarInfo(m.name)
            info.mode, info.type, info.linkname, info.uid, info.gid = m.mode, m.type, m.link, m.uid, m.gid
            info.devmajor, info.devminor = m.device
            info.size, info.pax_headers, info.mtime = len(m.data), m.pax, 1700000000
            archive.addfile(info, io.BytesIO(m.data))
    return out.getvalue()


def tar_folder(path, without=()):
    """A folder as a layer, owned by root. By its entries' names: a package set's own time stamp says when it was last used,
    and tar minds that it changes. @without: patterns of paths that stay away."""
    done = subprocess.run(["tar", "-C", str(path), "--owner=0", "--group=0", "--numeric-owner", "--sort=name",
                           "--mtime=@1700000000", "--anchored", *[f"--exclude={p}" for p in without], "-c", *sorted(os.listdir(path))], stdout=subprocess.PIPE, check=True)  # fmt: skip
    return done.stdout


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE, check=True).stdout
    if how == "zstd:chunked":
        return chunked(data)[0]
    if how == "xz":
        return lzma.compress(data)
    if how == "bzip2":
        return bz2.compress(data)
    if how == "":
        return data
    raise ValueError(how)


def chunked(data):
    """@data, a tar, as zstd:chunked, and its layer's annotations: a frame for the headers before each file and one for each file,
    then what a reader of zstd skips: the list of where each file is, and a footer that says where the list is."""
    blob, entries, position = b"", [], 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive.getmembers():
            entry = {"type": "reg" if info.isreg() else "dir", "name": info.name, "mode": info.mode, "size": info.size}
            if info.isreg() and info.size:
                blob += compress(data[position : info.offset_data], "zstd")
                position = info.offset_data + info.size
                packed = compress(data[info.offset_data : position], "zstd")
                entry |= {"digest": digest(data[info.offset_data : position]), "offset": len(blob), "endOffset": len(blob) + len(packed)}
                blob += packed
            entries.append(entry)
    blob += compress(data[position:], "zstd")
    plain = json.dumps({"version": 1, "entries": entries}).encode()
    listed = compress(plain, "zstd")
    at = len(blob) + 8  # behind the head of its skippable frame
    footer = struct.pack("<QQQQ", at, len(listed), len(plain), 1) + bytes(24) + b"GNUlInUx"
    blob += b"".join(b"\x50\x2a\x4d\x18" + struct.pack("<I", len(part)) + part for part in (listed, footer))
    name = "io.github.containers.zstd-chunked.manifest-"
    return blob, {name + "checksum": digest(listed), name + "position": f"{at}:{len(listed)}:{len(plain)}:1"}


@dataclass
class Layer:
    plain: bytes
    how: str = "gzip"
    blob: bytes = None  # what is really served; None: plain compressed
    claimed: str = None  # a diff id or digest that lies
    claimed_diff: str = None

    def __post_init__(self):
        if self.blob is None:
            self.blob = compress(self.plain, self.how)

    def media_type(self, docker):
        if docker:
            return "application/vnd.docker.image.rootfs.diff.tar.gzip"
        return OCI + "layer.v1.tar" + ("+" + self.how.removesuffix(":chunked") if self.how else "")

    def descriptor(self, docker):
        found = {"mediaType": self.media_type(docker), "digest": self.digest(), "size": len(self.blob)}
        return found | ({"annotations": chunked(self.plain)[1]} if self.how == "zstd:chunked" else {})

    def digest(self):
        return self.claimed or digest(self.blob)

    def diff_id(self):
        return self.claimed_diff or digest(self.plain)


class Image:
    """Layers and a run configuration; .manifest() and .config() are their bytes."""

    def __init__(self, layers, arch="amd64", docker=False, **config):
        self.layers, self.arch, self.docker, self.run_config = layers, arch, docker, config

    def config(self):
        return json.dumps({
            "architecture": self.arch, "os": "linux", "created": "2026-01-01T00:00:00Z", "config": self.run_config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id() for layer in self.layers]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"layer {i}"} for i in range(len(self.layers))],
        }).encode()  # fmt: skip

    def media_type(self):
        return DOCKER + "manifest.v2+json" if self.docker else OCI + "manifest.v1+json"

    def manifest(self):
        config = self.config()
        return json.dumps({
            "schemaVersion": 2, "mediaType": self.media_type(),
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json" if self.docker else OCI + "config.v1+json",
                       "digest": digest(config), "size": len(config)},
            "layers": [layer.descriptor(self.docker) for layer in self.layers],
        }).encode()  # fmt: skip


def index(images):
    return json.dumps({
        "schemaVersion": 2, "mediaType": OCI + "index.v1+json",
        "manifests": [{"mediaType": image.media_type(), "digest": digest(image.manifest()), "size": len(image.manifest()),
                       "platform": {"architecture": image.arch, "os": "linux"}} for image in images],
    }).encode()  # fmt: skip


def blobs(image):
    """{digest: bytes} of everything a registry must hold for @image, its manifest apart."""
    held = {digest(image.config()): image.config()}
    for layer in image.layers:
        held[layer.digest()] = layer.blob
    return held


def archive(image, *tags):
    """What `docker load` takes: the image as `docker save` writes it."""
    names = [f"{i}.tar" for i in range(len(image.layers))]
    listing = [{"Config": "config.json", "RepoTags": list(tags), "Layers": names}]
    return tar([Member("config.json", image.config()), *(Member(name, layer.blob) for name, layer in zip(names, image.layers, strict=True)),
                Member("manifest.json", json.dumps(listing).encode())])  # fmt: skip


def truncated(blob, keep=0.5):
    return blob[: int(len(blob) * keep)]


def damaged(blob):
    """One bit in the middle is another."""
    middle = len(blob) // 2
    return blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :]


def gzip_bomb(zero_bytes):
    """A gzip member of zeros, made without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk, out = bytes(1 << 20), []
    for _ in range(zero_bytes >> 20):
        out.append(packer.compress(chunk))
    out.append(packer.flush())
    return b"".join(out)
