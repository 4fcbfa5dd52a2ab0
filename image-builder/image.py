# SPDX-License-Identifier: Apache-2.0
"""From components and our own programs to what is booted: out/ARCH/{linux,initrd,cmdline,wherry.efi,wherry.img}."""

import concurrent.futures
import hashlib
import os
import shutil
import threading

import component
import disk
import efi
import enter
import recipe
import release
import root
import rootfs
from paths import ARCHES, BUILDER, OUT, TREE, BuildError
from progress import say

EFI_BUDGET = 16 << 20
# linux-debug is the other choice
KERNEL = os.environ.get("KERNEL") or "linux"
# what is generated is the same for every architecture, so one compiles at a time
COMPILING = threading.Lock()


def components(arch):
    """Have every component of the image; returns {name: path}."""
    ours = [r.name for r in recipe.all_recipes() if r.sysroot]
    # the kernel takes longest, so it begins first
    return component.make([KERNEL, *ours, *rootfs.component_names(), "systemd-boot"], arch)


def _sysroot(paths, arch):
    """The sysroot our programs are linked with, beside the objects made with it."""
    names = sorted(r.name for r in recipe.all_recipes() if r.sysroot)
    mark = hashlib.sha256("\n".join(str(paths[n].name) for n in names).encode()
                          + (BUILDER / "compile.mk").read_bytes() + root.key("image").encode()).hexdigest()
    out = OUT / arch
    stamp = out / "sysroot.stamp"
    if not stamp.exists() or stamp.read_text() != mark:
        for stale in ("obj", "bin", "sysroot"):
            shutil.rmtree(out / stale, ignore_errors=True)
        component.sysroot([paths[n] for n in names], out / "sysroot")
        stamp.write_text(mark)
    return out / "sysroot"


def programs(arch, paths=None):
    """Compile our own programs for the image into out/ARCH/bin."""
    if paths is None:
        paths = component.make([r.name for r in recipe.all_recipes() if r.sysroot], arch)
    sysroot = _sysroot(paths, arch)
    env = component.environment(arch)
    words = ["make", "-s", f"-j{env['JOBS']}", "-f", "image-builder/compile.mk", "programs", f"ARCH={arch}", "OUT=out"]
    with COMPILING:
        if enter.run(root.make("image"), words, binds=[(sysroot, "/sysroot")], env=env):
            raise BuildError(f"our programs do not compile for {arch}")


def command_line(arch):
    words = []
    for name in ("cmdline", f"{arch}.cmdline"):
        for line in (TREE / "kernel-config" / name).read_text().splitlines():
            words += line.partition("#")[0].split()
    return " ".join(words)


def image(arch):
    """Everything for one architecture."""
    out = OUT / arch
    out.mkdir(parents=True, exist_ok=True)
    paths = components(arch)
    programs(arch, paths)

    say(f"root file system for {arch}")
    work = rootfs.workdir(arch)
    root_image = rootfs.erofs(arch, paths, work)
    rootfs.initrd(root_image, out / "bin" / "stage1", work / "initrd")
    shutil.copyfile(paths[KERNEL] / "linux", work / "linux")
    (work / "cmdline").write_text(command_line(arch) + "\n")

    say(f"EFI file and disk image for {arch}")
    whole = efi.make((paths["systemd-boot"] / "stub.efi").read_bytes(), release.os_release().encode(),
                     command_line(arch).encode(), (paths[KERNEL] / "linux.efi").read_bytes(),
                     (work / "initrd").read_bytes())
    if len(whole) > EFI_BUDGET and KERNEL == "linux":
        raise BuildError(f"wherry.efi has {len(whole)} bytes, more than its budget of {EFI_BUDGET}")
    (work / "wherry.efi").write_bytes(whole)
    disk.make(arch, (paths["systemd-boot"] / "boot.efi").read_bytes(), whole, work, work / "wherry.img")
    compress = ["zstd", "-q", "-T1", "-f", "/out/wherry.img", "-o", "/out/wherry.img.zst"]
    if enter.run(root.make("image"), compress, binds=[(work, "/out")]):
        raise BuildError("zstd failed")
    parts = ("linux", "initrd", "cmdline", "wherry.efi", "wherry.img", "wherry.img.zst")
    for name in parts:
        (work / name).rename(out / name)
    size = {n: (out / n).stat().st_size for n in parts}
    say(f"out/{arch}: wherry.efi {size['wherry.efi'] / 2**20:.1f} MiB "
        f"(linux {(paths[KERNEL] / 'linux.efi').stat().st_size / 2**20:.1f}, root {root_image.stat().st_size / 2**20:.1f})")
    shutil.rmtree(work)


def images(arches):
    """Everything for each of these: while one is linked or compressed, which is one process, another compiles."""
    for arch in arches:
        if arch not in ARCHES:
            raise BuildError(f"ARCH={arch}: want one of {', '.join(ARCHES)}")
    with concurrent.futures.ThreadPoolExecutor(len(arches)) as pool:
        for done in [pool.submit(image, arch) for arch in arches]:
            done.result()
