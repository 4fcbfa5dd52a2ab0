# SPDX-License-Identifier: Apache-2.0
"""Bundles for the runtime's conformance run: what an engine writes, and small variations of it."""

import copy

CAPS = ["CAP_" + c for c in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("mount", "network", "uts", "pid", "ipc", "cgroup")

# Calls that only ever serve to leave a container, in the way of Docker's default profile.
DENIED = ("kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff mount umount2 "
          "pivot_root setns unshare bpf keyctl add_key request_key userfaultfd ptrace acct iopl ioperm").split()


def base(args, **process):
    """A configuration as Docker's engine writes it."""
    p = {
        "terminal": False, "user": {"uid": 0, "gid": 0, "additionalGids": [0, 10]}, "args": args, "env": [PATH],
        "cwd": "/", "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS}, "oomScoreAdj": 0}
    p.update(process)
    opts = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.2.0", "process": p, "root": {"path": "rootfs"}, "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": opts},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": opts + ["ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] + opts},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": opts},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": opts + ["mode=1777", "size=67108864"]},
        ],
        "linux": {
            "cgroupsPath": "/docker/box",
            "namespaces": [{"type": t} for t in NAMESPACES],
            "resources": {
                "devices": [{"allow": False, "access": "rwm"}],
                "memory": {"limit": 134217728, "swap": 134217728}, "pids": {"limit": 100},
                "cpu": {"shares": 512, "quota": 50000, "period": 100000}},
            "maskedPaths": [
                "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                "/sys/devices/virtual/powercap"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}


def sh(script, **process):
    return base(["/bin/sh", "-c", script], **process)


def filtered(config, rules=()):
    """With a filter that refuses DENIED, after @rules."""
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": list(rules) + [{"names": DENIED, "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
                                   {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    return config


def also(config, **parts):
    """A copy with members of `linux` (or, with a leading underscore, of the top) replaced."""
    c = copy.deepcopy(config)
    for key, value in parts.items():
        if key.startswith("_"):
            c[key[1:]] = value
        else:
            c["linux"][key] = value
    return c


def mounted(config, *mounts):
    c = copy.deepcopy(config)
    c["mounts"] += mounts
    return c


def bind(source, destination, *options):
    return {"source": source, "destination": destination, "type": "bind", "options": ["rbind", *options]}
