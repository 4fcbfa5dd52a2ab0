# SPDX-License-Identifier: Apache-2.0
"""How large what is shipped is: the EFI file of each architecture that is built, and the compressed disk image."""

from common import TOP, Row

BUDGET_MIB = 16


def rows(folder):
    for arch in ("x86_64", "aarch64"):
        efi = TOP / "out" / arch / "wherry.efi"
        if not efi.exists():
            yield Row(f"EFI file, {arch}", "not built", f"{BUDGET_MIB} MiB", f"make image ARCH={arch}")
            continue
        yield Row(f"EFI file, {arch}", f"{efi.stat().st_size / 2**20:.1f} MiB", f"{BUDGET_MIB} MiB",
                  f"disk image, compressed: {(efi.parent / 'wherry.img.zst').stat().st_size / 2**20:.1f} MiB")
