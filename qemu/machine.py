# SPDX-License-Identifier: Apache-2.0
"""The QEMU command line of one node: machine, firmware, disk, network, console.

Everything here is a pure function of the options, except the KVM probe and the making of the disk.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
DISK_BYTES = 8 << 30  # sparse: costs what the node writes

ARCHES = {
    "x86_64": {
        "binary": "qemu-system-x86_64",
        "machine": "q35",
        "console": "ttyS0",
        "firmware": [
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ],
        "cpu": {"kvm": "host", "tcg": "max"},
        # The kernel tries its timer for ten ticks and panics without them; an emulated processor may get no time for so many.
        "append": {"kvm": "", "tcg": "no_timer_check"},
    },
    "aarch64": {
        "binary": "qemu-system-aarch64",
        "machine": "virt",
        "console": "ttyAMA0",
        "firmware": [("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd")],
        # The architected pointer-authentication algorithm costs half the speed under emulation.
        "cpu": {"kvm": "host", "tcg": "max,pauth-impdef=on"},
        "append": {"kvm": "", "tcg": ""},
    },
}


# What a disk and a network card may be: QEMU's devices; {drive} and {boot} are filled in
HARDWARE = {
    "virtio": (["virtio-blk-pci,drive={drive}{boot}"], "virtio-net-pci"),
    "nvme": (["nvme,drive={drive},serial=wherry-data{bootindex}"], "e1000e"),
    "ahci": (["ich9-ahci,id=sata0", "ide-hd,bus=sata0.0,drive={drive}{boot}"], "e1000e"),
    "usb": (["qemu-xhci,id=usb0", "usb-storage,bus=usb0.0,drive={drive}{bootindex}", "usb-kbd,bus=usb0.0"], "e1000"),
}


class MachineError(Exception):
    """The node cannot be started; the message says why and what to do."""


def host_arch():
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())


def image_part(arch, name):
    path = TOP / "out" / arch / name
    if not path.exists():
        raise MachineError(f"{path.relative_to(TOP)} is missing: run `make image ARCH={arch}` first")
    return path


def _probe_key():
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    cache = Path(os.environ.get("WHERRY_CACHE", Path.home() / ".cache" / "wherry"))
    return cache / "kvm" / boot


def kvm_works(arch):
    """Whether a guest really runs under KVM here.

    /dev/kvm may open and its guests hang all the same, so the only proof is a guest: our own kernel without an
    init panics and, told so, ends QEMU within a second or two. The answer is kept for this boot of the host.
    """
    if arch != host_arch() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    key = _probe_key()
    if key.exists():
        return key.read_text() == "yes"
    spec = ARCHES[arch]
    argv = [
        spec["binary"], "-machine", spec["machine"], "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults",
        "-display", "none", "-no-reboot", "-kernel", str(image_part(arch, "linux")),
        "-append", "panic=-1 rdinit=/none root=/dev/none",
    ]  # fmt: skip
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=8, check=False)
        works = done.returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("yes" if works else "no")
    return works


def _emulator_version(binary):
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"version (\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def accel_words(arch, accel, cpus):
    """What QEMU is told of the processors.

    Before 8.1 an emulated processor may run code that another of the guest has just patched, and its kernel dies where
    it flips a branch ("accel/tcg: Always lock pages before translation" mended it). Processors that have turns cannot.
    """
    turns = accel == "tcg" and cpus > 1 and _emulator_version(ARCHES[arch]["binary"]) < (8, 1)
    return ["-accel", accel + (",thread=single" if turns else ""), "-cpu", ARCHES[arch]["cpu"][accel], "-smp", str(cpus)]


def _sparse_copy(src, dst, size):
    tmp = dst.with_suffix(".new")
    subprocess.run(["cp", "--sparse=always", str(src), str(tmp)], check=True)
    os.truncate(tmp, size)
    tmp.rename(dst)


def make_disk(opts):
    """The node's disk: the one given, else DIR/disk.img, made on first use."""
    if opts.disk:
        disk = Path(opts.disk.removesuffix(":ro"))
        if not disk.exists():
            raise MachineError(f"--disk {disk}: no such file; leave the option out to get a fresh disk")
        return disk
    disk = opts.state / "disk.img"
    if not disk.exists():
        if opts.boot == "efi":
            _sparse_copy(image_part(opts.arch, "wherry.img"), disk, DISK_BYTES)
        else:
            with open(disk, "wb") as f:
                f.truncate(DISK_BYTES)
    return disk


def _firmware(opts):
    for code, template in ARCHES[opts.arch]["firmware"]:
        if Path(code).exists() and Path(template).exists():
            own = opts.state / "firmware-vars.fd"
            if not own.exists():
                shutil.copyfile(template, own)
            return [
                "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,unit=1,format=raw,file={own}",
            ]  # fmt: skip
    raise MachineError(f"no UEFI firmware for {opts.arch}: run `make setup`, or use --boot kernel")


def _network(opts, forwards):
    net = "user,id=net0"
    if opts.offline:
        net += ",restrict=on"
    for proto, host, guest in forwards:
        net += f",hostfwd={proto}:127.0.0.1:{host}-:{guest}"
    relay = Path(__file__).resolve().parent / "relay"
    for (guest_addr, guest_port), (host_addr, host_port) in opts.guest_forward:
        # A command a connection; QEMU's own tcp: target would serve one connection in all.
        net += f",guestfwd=tcp:{guest_addr}:{guest_port}-cmd:{sys.executable} -SE {relay} {host_addr} {host_port}"
    return ["-netdev", net, "-device", f"{HARDWARE[opts.hardware][1]},netdev=net0,romfile="]


def command(opts, forwards, accel):
    """The argument list of QEMU, without the console."""
    spec = ARCHES[opts.arch]
    # A file format guessed from a guest's bytes would let the guest choose it.
    argv = [
        spec["binary"], "-name", f"wherry-{opts.state.name}", "-machine", spec["machine"],
        *accel_words(opts.arch, accel, opts.cpus), "-m", str(opts.memory), "-nodefaults", "-display", "none", "-no-user-config", "-device", "virtio-rng-pci",
        "-qmp", f"unix:{opts.state}/monitor.sock,server=on,wait=off",
    ]  # fmt: skip
    if opts.disk != "none":
        access = "readonly=on" if opts.disk and opts.disk.endswith(":ro") else "discard=unmap"
        argv += ["-drive", f"if=none,id=disk0,format=raw,cache=writeback,{access},file={make_disk(opts)}"]
        index = ",bootindex=0" if opts.boot == "efi" else ""
        for device in HARDWARE[opts.hardware][0]:
            argv += ["-device", device.format(drive="disk0", bootindex=index, boot=index or ",serial=wherry-data")]
    if opts.boot == "efi":
        argv += _firmware(opts)
    else:
        cmdline = image_part(opts.arch, "cmdline").read_text().strip()
        argv += ["-kernel", str(image_part(opts.arch, "linux")), "-initrd", str(image_part(opts.arch, "initrd"))]
        argv += ["-append", f"{cmdline} console={spec['console']} {spec['append'][accel]} {opts.append}".strip()]
    # Without a configuration the node has to find one elsewhere: on its boot partition, or on a volume.
    if opts.config != Path("none"):
        argv += ["-fw_cfg", f"name=opt/wherry/config,file={opts.state}/machine.yaml"]
    # A node whose init has stopped is reset, as a machine in a rack would be.
    argv += ["-device", "i6300esb", "-action", "watchdog=reset"]
    return argv + _network(opts, forwards) + [word for words in opts.qemu for word in shlex.split(words)]
