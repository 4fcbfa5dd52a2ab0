# SPDX-License-Identifier: Apache-2.0
"""
One row a case: name, configuration, exit status, and what the output must hold. Each item is an extended regular
expression that some line has to match; with a leading "!" no line may. The guest runs each with `runtime run`.
"""

from bundles import CAPS, NAMESPACES, also, base, bind, filtered, mounted, sh

FULL = ["CAP_" + c for c in "SYS_ADMIN SYS_RESOURCE NET_ADMIN SYS_PTRACE SYS_TIME".split()] + CAPS


def without(*kinds):
    return [{"type": t} for t in NAMESPACES if t not in kinds]


def caps(names, **process):
    return dict(capabilities={k: names for k in ("bounding", "effective", "permitted")}, **process)


IDS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def userns(config):
    c = also(config, uidMappings=IDS, gidMappings=IDS)
    c["linux"]["namespaces"] = c["linux"]["namespaces"] + [{"type": "user"}]
    c["root"]["path"] = "/rootfs100000"
    return c


OTHER = [{"containerID": 0, "hostID": 4000, "size": 1000}]


def joined(config):
    """In the user namespace that the guest keeps for this."""
    c = also(config, namespaces=without() + [{"type": "user", "path": "/run/userns"}])
    c["root"]["path"] = "/rootfs100000"
    return c


def with_dev(config, root):
    """With the image's own /dev."""
    c = dict(config, root={"path": root})
    c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev"]
    return c


def faked_proc(config):
    """Something else lies at /proc, and a real one beside it."""
    c = dict(config)
    c["mounts"] = [bind("/vol", "/proc"), {"destination": "/p2", "type": "proc", "source": "proc"},
                   *(m for m in c["mounts"] if m["destination"] != "/proc")]
    c["linux"] = {**c["linux"], "maskedPaths": [], "readonlyPaths": []}
    return c


CASES = [
    # the process
    ("true", base(["true"]), 0, []),
    ("status", sh("exit 7"), 7, []),
    ("signal", also(sh("kill -9 $$"), namespaces=without("pid")), 137, []),
    ("path-lookup", base(["echo", "found"]), 0, ["^found$"]),
    ("not-found", base(["nosuch"]), 1, ['exec: "nosuch": executable file not found in \\$PATH']),
    ("not-found-path", base(["/bin/nosuch"]), 1, ['exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory']),
    ("not-executable", base(["/etc/passwd"]), 1, ['exec: "/etc/passwd": permission denied']),
    ("directory", base(["/etc"]), 1, ['exec: "/etc": is a directory']),
    ("exec-format", base(["/bin/garbage"]), 1, ['exec: "/bin/garbage": exec format error']),
    ("user", sh("id; echo $HOME", user={"uid": 1000, "gid": 1000, "additionalGids": [5, 7]}), 0,
     ["^uid=1000.* gid=1000.* groups=.*5.*7", "^/home/user$"]),
    ("home-unknown", sh("echo home=$HOME", user={"uid": 4242, "gid": 0}), 0, ["^home=/$"]),
    ("umask", sh("umask", user={"uid": 0, "gid": 0, "umask": 0o27}), 0, ["^0027$"]),
    ("cwd", sh("pwd", cwd="/tmp"), 0, ["^/tmp$"]),
    ("cwd-made", sh("pwd", cwd="/made/here"), 0, ["^/made/here$"]),
    ("cwd-user-only", sh("pwd", cwd="/home/user", user={"uid": 1000, "gid": 1000}, **caps([])), 0, ["^/home/user$"]),
    ("caps", sh("grep Cap /proc/self/status"), 0, [
        "^CapInh:.0000000000000000", "^CapPrm:.00000000a80425fb", "^CapBnd:.00000000a80425fb",
        "^CapAmb:.0000000000000000"]),
    ("caps-none", sh("grep Cap /proc/self/status", **caps([])), 0, ["^CapEff:.0000000000000000", "^CapBnd:.0000000000000000"]),
    ("caps-user", sh("grep Cap /proc/self/status", user={"uid": 1000, "gid": 1000}), 0,
     ["^CapEff:.0000000000000000", "^CapPrm:.0000000000000000"]),
    ("caps-ambient", sh("grep Cap /proc/self/status", user={"uid": 1000, "gid": 1000}, capabilities={
        k: ["CAP_NET_RAW"] for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}), 0,
     ["^CapEff:.0000000000002000", "^CapAmb:.0000000000002000"]),
    ("no-new-privs", sh("grep NoNew /proc/self/status", noNewPrivileges=True), 0, ["^NoNewPrivs:.1"]),
    ("rlimits", sh("ulimit -n; ulimit -Hn", rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]), 0,
     ["^100$", "^200$"]),
    ("oom-score", sh("cat /proc/self/oom_score_adj", oomScoreAdj=321), 0, ["^321$"]),
    ("descriptors", sh("ls -l /proc/self/fd"), 0, ["!rootfs", "! -> (socket|anon|/.*runtime|pipe)", "!^.* [4-9] -> "]),
    ("undumpable-gone", sh("ls -l /proc/1/ | grep -c root"), 0, []),

    # namespaces
    ("hostname", sh("hostname"), 0, ["^box$"]),
    ("domainname", also(sh("cat /proc/sys/kernel/domainname"), _domainname="example"), 0, ["^example$"]),
    ("pid-one", sh("echo $$"), 0, ["^1$"]),
    ("host-pid", also(sh("test $$ -gt 1 && echo shared"), namespaces=without("pid")), 0, ["^shared$"]),
    ("host-uts-hostname", also(sh("true"), namespaces=without("uts")), 1, ["hostname needs a UTS namespace"]),
    ("loopback", sh("ip link show lo"), 0, ["UP,LOWER_UP"]),
    ("cgroup-ns", sh("cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max"), 0, ["^0::/$", "^100$"]),
    ("host-cgroup-ns", also(sh("cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max"), namespaces=without("cgroup")), 0,
     ["^0::/docker/box$", "^100$"]),
    ("join-net", also(sh("ip link show marker"), namespaces=without("network") + [
        {"type": "network", "path": "/run/netns"}]), 0, ["marker"]),
    ("join-wrong-kind", also(sh("true"), namespaces=without("network") + [
        {"type": "network", "path": "/proc/self/ns/uts"}]), 1, ["is not a net namespace"]),
    ("join-missing", also(sh("true"), namespaces=without("network") + [
        {"type": "network", "path": "/run/nothing"}]), 1, ["open the net namespace /run/nothing"]),
    ("time-ns", also(sh("cut -d. -f1 /proc/uptime"), timeOffsets={"boottime": {"secs": 1000000}},
                     namespaces=without() + [{"type": "time"}]), 0, ["^1000[0-9]{3}$"]),
    ("time-offsets-alone", also(sh("true"), timeOffsets={"boottime": {"secs": 1}}), 1, ["needs a new time namespace"]),
    ("no-mount-ns", also(sh("true"), namespaces=without("mount")), 1, ["without a mount namespace"]),
    ("sysctl", also(sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"),
                    sysctl={"net.ipv4.ip_unprivileged_port_start": "0"}), 0, ["^0$"]),
    ("sysctl-host", also(sh("true"), sysctl={"kernel.panic": "1"}), 1, ["not in a separate kernel namespace"]),
    ("sysctl-no-ns", also(sh("true"), sysctl={"net.ipv4.ip_forward": "1"}, namespaces=without("network")), 1,
     ["no namespace of its own"]),
    ("userns", userns(sh("id -u; cat /proc/self/uid_map; touch /mine && stat -c %u /mine; ls -ln /dev/null")), 0,
     ["^0$", "^ *0 +100000 +65536$", "^crw"]),
    ("userns-caps", userns(sh("grep CapEff /proc/self/status; hostname other && hostname", **caps(FULL))), 0, ["^other$"]),
    ("userns-rlimits", userns(sh("ulimit -n; ulimit -Hn", rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1048576, "hard": 1048576}])), 0,
     ["^1048576$"]),
    ("userns-oom", userns(sh("cat /proc/self/oom_score_adj", oomScoreAdj=-500)), 0, ["^-500$"]),
    ("userns-join", joined(sh("cat /proc/self/uid_map; id -u; ls -ln /proc/1/stat; touch /mine; stat -c %u /mine; grep Cap /proc/self/status",
                              **caps(FULL))), 0, ["^ *0 +100000 +65536$", "^0$"]),
    ("userns-join-bind", joined(mounted(sh("cat /a/file; stat -c %u /a/file"), bind("/vol", "/a"))), 0, ["^volume$", "^0$"]),
    ("userns-bind-unreachable", userns(mounted(sh("cat /one"), bind("/secret/open", "/one"))), 0, ["^open$"]),
    ("userns-bind-slave", userns(mounted(sh("grep ' /a ' /proc/self/mountinfo"), bind("/shared", "/a"))), 0, ["!shared:"]),
    ("userns-bind-rro", userns(mounted(sh("touch /a/sub/x"), bind("/vol", "/a", "rro"))), 1, ["Read-only"]),
    ("idmap-container", userns(mounted(sh("stat -c %u /a/mine; touch /a/made; ls -n /a"), bind("/owned", "/a", "idmap"))), 0,
     ["^0$", " 0 +0 .*made"]),
    ("idmap-host-owner", mounted(sh("stat -c '%n %u %g' /a/made"), bind("/owned", "/a")), 0, ["^/a/made 0 0$"]),
    ("idmap-own-maps", mounted(sh("stat -c %u /a/mine"), dict(bind("/owned", "/a"), uidMappings=OTHER, gidMappings=OTHER)), 0,
     ["^4000$"]),
    ("idmap-not-recursive", mounted(sh("stat -c %u /a/below/mine"),
                                    dict(bind("/owned", "/a", "idmap"), uidMappings=OTHER, gidMappings=OTHER)), 0, ["^0$"]),
    ("ridmap", mounted(sh("stat -c %u /a/below/mine"),
                       dict(bind("/owned", "/a", "ridmap"), uidMappings=OTHER, gidMappings=OTHER)), 0, ["^4000$"]),
    ("idmap-alone", mounted(sh("true"), bind("/owned", "/a", "idmap")), 1, ["idmap needs uidMappings and gidMappings"]),
    ("idmap-half", mounted(sh("true"), dict(bind("/owned", "/a"), uidMappings=OTHER)), 1, ["go together"]),
    ("idmap-tmpfs", userns(mounted(sh("true"), {"destination": "/a", "type": "tmpfs", "options": ["idmap"]})), 1,
     ["only bind mounts can be id-mapped"]),
    ("userns-no-maps", also(sh("true"), namespaces=without() + [{"type": "user"}]), 1, ["needs linux.uidMappings"]),

    # mounts
    ("read-only-root", dict(sh("touch /x"), root={"path": "rootfs", "readonly": True}), 1, ["Read-only file system"]),
    ("bind", mounted(sh("cat /a/deep/file"), bind("/vol", "/a/deep")), 0, ["^volume$"]),
    ("bind-file", mounted(sh("cat /etc/one"), bind("/vol/file", "/etc/one")), 0, ["^volume$"]),
    ("bind-ro", mounted(sh("touch /a/x"), bind("/vol", "/a", "ro")), 1, ["Read-only"]),
    ("bind-rro", mounted(sh("touch /a/sub/x"), bind("/vol", "/a", "rro")), 1, ["Read-only"]),
    ("bind-ro-not-below", mounted(sh("touch /a/sub/x && echo ok"), bind("/vol", "/a", "ro")), 0, ["^ok$"]),
    ("bind-noexec", mounted(base(["/a/true"]), bind("/vol", "/a", "noexec")), 1, ["permission denied"]),
    ("bind-missing", mounted(sh("true"), bind("/vol/none", "/a")), 1, ["mount /a: bind /vol/none: no such file"]),
    ("remount", mounted(sh("grep ' /a ' /proc/self/mountinfo; touch /a/x"), bind("/vol", "/a"),
                        {"destination": "/a", "options": ["remount", "bind", "ro", "nosuid", "noexec"]}), 1,
     [" ro,nosuid,noexec", "Read-only"]),
    ("remount-back", mounted(sh("touch /a/x && rm /a/x && echo ok"), bind("/vol", "/a", "ro"),
                             {"destination": "/a", "type": "bind", "source": "/nowhere", "options": ["remount", "rw"]}), 0, ["^ok$"]),
    ("remount-below", mounted(sh("touch /a/x && rm /a/x; touch /a/sub/x"), bind("/vol", "/a"),
                              {"destination": "/a/sub", "options": ["remount", "bind", "ro"]}), 1, ["/a/sub/x: Read-only", "!/a/x"]),
    ("remount-no-mount", mounted(sh("true"), {"destination": "/etc", "options": ["remount", "bind", "ro"]}), 1,
     ["mount /etc: set mount attributes: invalid argument"]),
    ("remount-tmpfs", mounted(sh("true"), {"destination": "/dev/shm", "type": "tmpfs", "options": ["remount", "ro"]}), 1,
     ["remount is for bind mounts only"]),
    ("bind-option", mounted(sh("true"), bind("/vol", "/a", "size=1")), 1, ["takes no option size=1"]),
    ("tmpfs", mounted(sh("df -k /t | tail -1"), {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": [
        "size=64k,mode=700"]}), 0, [" 64 "]),
    ("mount-bad-option", mounted(sh("true"), {"destination": "/t", "type": "tmpfs", "source": "x", "options": ["zzz=1"]}), 1,
     ["mount /t: .*zzz"]),
    ("mount-root", mounted(sh("true"), bind("/vol", "/")), 1, ["cannot replace the root"]),
    ("mount-escape", mounted(sh("cat /vol2/file; ls /"), bind("/vol", "/../../../../vol2")), 0, ["^volume$", "^vol2$"]),
    ("mount-symlink", mounted(sh("cat /real/place/file"), bind("/vol", "/link-abs/place")), 0, ["^volume$"]),
    ("mount-dangling", mounted(sh("cat /nowhere/yet/sub/file"), bind("/vol", "/link-dangling/sub")), 0, ["^volume$"]),
    ("mount-loop", mounted(sh("true"), bind("/vol", "/link-loop/x")), 1, ["(symbolic links|Symbolic link loop)"]),
    ("masked", sh("cat /proc/timer_list | wc -c; ls /proc/scsi | wc -l; ls /sys/firmware | wc -l"), 0, ["^0$"]),
    ("readonly-paths", sh("echo 1 > /proc/sys/kernel/panic"), 1, ["Read-only file system"]),
    ("rec-nosuid", mounted(sh("grep ' /a/sub ' /proc/self/mountinfo"), bind("/vol", "/a", "rnosuid", "rnodev", "rnoatime")), 0,
     [" rw,nosuid,nodev,noatime "]),
    ("rec-clear", mounted(sh("touch /a/sub/y && rm /a/sub/y && touch /a/x && rm /a/x && echo ok"),
                          bind("/vol", "/a", "rro", "rrw")), 0, ["^ok$"]),
    ("nosymfollow", mounted(sh("cat /a/link"), bind("/owned", "/a", "nosymfollow")), 1, ["(symbolic links|Symbolic link loop)"]),
    ("propagation-slave", mounted(sh("grep ' /a ' /proc/self/mountinfo"), bind("/shared", "/a", "rslave")), 0, ["master:", "!shared:"]),
    ("propagation-shared", mounted(also(sh("grep ' /a ' /proc/self/mountinfo"), rootfsPropagation="shared"),
                                   bind("/shared", "/a", "rshared")), 0, ["shared:"]),
    ("propagation-private", sh("grep -c shared: /proc/self/mountinfo"), 1, ["^0$"]),
    ("rootfs-shared", also(sh("grep ' / / ' /proc/self/mountinfo; grep -c shared: /proc/self/mountinfo; true"),
                           rootfsPropagation="shared"), 0, []),
    ("tmpcopyup", mounted(sh("ls -ln / | grep ' full$'; cd /full; ls -ln; cat deep/er/f; readlink link; touch new && echo rw"),
                          {"destination": "/full", "type": "tmpfs", "options": ["tmpcopyup", "nodev"]}), 0,
     ["^drwxr-x--- .* full$", "^-rwxr-xr-x .*7 +8 .*prog", "^deep$", "^/etc/shadow$", "^rw$"]),
    ("tmpcopyup-ro", mounted(sh("cat /full/deep/er/f; touch /full/new"),
                             {"destination": "/full", "type": "tmpfs", "options": ["tmpcopyup", "ro"]}), 1, ["^deep$", "Read-only"]),
    ("tmpcopyup-not-there", mounted(sh("ls -d /new-one"), {"destination": "/new-one", "type": "tmpfs", "options": ["tmpcopyup"]}), 0, []),
    ("tmpcopyup-full", mounted(sh("true"), {"destination": "/full", "type": "tmpfs", "options": ["tmpcopyup", "size=4k"]}), 1,
     ["tmpcopyup: .*no space"]),
    ("tmpcopyup-bind", mounted(sh("true"), bind("/vol", "/a", "tmpcopyup")), 1, ["for tmpfs only"]),

    # devices
    ("devices", sh("ls -l /dev; echo x > /dev/null; head -c 4 /dev/zero | wc -c"), 0, ["^4$", "ptmx -> pts/ptmx", "fd -> /proc/self/fd"]),
    ("device-denied", also(sh("head -c 1 /dev/port0", **caps(CAPS)), devices=[
        {"path": "/dev/port0", "type": "c", "major": 1, "minor": 4}]), 1, ["Operation not permitted"]),
    ("device-allowed", also(sh("head -c 1 /dev/kmsg0 > /dev/null; echo status=$?; ls -l /dev/kmsg0", **caps(FULL + ["CAP_SYSLOG"])),
        devices=[{"path": "/dev/kmsg0", "type": "c", "major": 1, "minor": 11, "fileMode": 0o600, "uid": 5, "gid": 6}],
        resources={"devices": [{"allow": False, "access": "rwm"},
                               {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}), 0,
     ["^status=0$", "^crw------- .*5 .*6 .*1, +11"]),
    ("device-write-denied", also(sh("echo x > /dev/kmsg0", **caps(FULL + ["CAP_SYSLOG"])),
        devices=[{"path": "/dev/kmsg0", "type": "c", "major": 1, "minor": 11}],
        resources={"devices": [{"allow": False, "access": "rwm"},
                               {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}), 1,
     ["Operation not permitted"]),
    ("device-all", also(sh("head -c 1 /dev/kmsg0 > /dev/null && echo ok", **caps(FULL + ["CAP_SYSLOG"])),
        devices=[{"path": "/dev/kmsg0", "type": "c", "major": 1, "minor": 11}],
        resources={"devices": [{"allow": True, "access": "rwm"}]}), 0, ["^ok$"]),

    # limits
    ("limits", sh("cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight pids.max"), 0,
     ["^134217728$", "^50000 100000$", "^20$", "^100$"]),
    ("unified", also(sh("cat /sys/fs/cgroup/memory.high"), resources={"unified": {"memory.high": "1048576"}}), 0, ["^1048576$"]),
    ("unified-bad", also(sh("true"), resources={"unified": {"memory.nope": "1"}}), 1, ["linux.resources.unified"]),
    ("unified-escape", also(sh("true"), resources={"unified": {"../memory.high": "1"}}), 1, ["no cgroup v2 file name"]),
    ("swappiness", also(sh("true"), resources={"memory": {"swappiness": 1}}), 1, ["no counterpart"]),
    ("realtime", also(sh("true"), resources={"cpu": {"realtimeRuntime": 1}}), 1, ["no realtime"]),
    ("pids-limit", also(sh("sh -c 'sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait'"), resources={"pids": {"limit": 3}}), 2,
     ["Resource temporarily unavailable"]),
    ("cgroup-escape", also(sh("true"), cgroupsPath="/../x"), 1, ["must not contain"]),

    ("cpu-idle-burst", also(sh("cd /sys/fs/cgroup; cat cpu.idle cpu.max cpu.max.burst"),
                            resources={"cpu": {"idle": 1, "quota": 20000, "period": 100000, "burst": 10000}}), 0,
     ["^1$", "^20000 100000$", "^10000$"]),
    ("cpuset", also(sh("cat /sys/fs/cgroup/cpuset.cpus"), resources={"cpu": {"cpus": "0"}}), 0, ["^0$"]),
    ("swap", also(sh("cat /sys/fs/cgroup/memory.max; cat /sys/fs/cgroup/memory.swap.max || echo 4096"),
                  resources={"memory": {"limit": 67108864, "swap": 67112960}}), 0, ["^67108864$", "^4096$"]),
    ("reservation", also(sh("cat /sys/fs/cgroup/memory.low"), resources={"memory": {"reservation": 1048576}}), 0, ["^1048576$"]),
    ("hugepages", also(sh("cd /sys/fs/cgroup; cat hugetlb.2MB.max hugetlb.2MB.rsvd.max"),
                       resources={"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}), 0, ["^4194304$"]),
    ("io-throttle-no-device", also(sh("true"), resources={"blockIO": {"throttleReadBpsDevice": [
        {"major": 4000, "minor": 1, "rate": 1024}]}}), 1, ["io.max"]),
    ("io-throttle", also(sh("cat /sys/fs/cgroup/io.max"), resources={"blockIO": {
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2097152}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 100}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 200}]}}), 0,
     ["^8:0 rbps=1048576 wbps=2097152 riops=100 wiops=200$"]),
    ("io-weight", also(sh("cat /sys/fs/cgroup/io.weight"), resources={"blockIO": {
        "weight": 500, "weightDevice": [{"major": 8, "minor": 0, "weight": 110}]}}), 0, ["^default 4950$", "^8:0 1011$"]),
    ("io-weight-range", also(sh("true"), resources={"blockIO": {"weight": 9}}), 1, ["weight must be 10 to 1000"]),
    # the controller is not in this kernel, so that its file is not there; cgroup_limits_test.c has what is written to it
    ("rdma", also(sh("true"), resources={"rdma": {"mlx5_0": {"hcaHandles": 3, "hcaObjects": 10000}}}), 1, ["cgroup file rdma.max"]),
    ("personality", also(sh("uname -m"), personality={"domain": "LINUX32"}), 0, ["^i686$"]),
    ("scheduler", sh("cat /proc/self/sched | head -40; awk '{print \"policy\", $41}' /proc/self/stat",
                     scheduler={"policy": "SCHED_BATCH", "nice": 5}), 0, ["^policy 3$"]),
    ("io-priority", sh("ionice", ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0}), 0, ["idle"]),

    # filters
    ("seccomp", filtered(sh("grep Seccomp: /proc/self/status; unshare -m true", **caps(FULL))), 1,
     ["^Seccomp:.2", "Operation not permitted"]),
    ("seccomp-nnp-user", filtered(sh("grep Seccomp: /proc/self/status", noNewPrivileges=True, user={"uid": 1000, "gid": 1000})),
     0, ["^Seccomp:.2"]),
    ("seccomp-user", filtered(sh("grep Seccomp: /proc/self/status", user={"uid": 1000, "gid": 1000})), 0, ["^Seccomp:.2"]),
    ("seccomp-kill", filtered(base(["uname"]), [{"names": ["uname"], "action": "SCMP_ACT_KILL_PROCESS"}]), 159, []),
    ("seccomp-errno", filtered(sh("mkdir /m"), [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]), 1,
     ["[Nn]ot supported"]),
    ("seccomp-notify-alone", filtered(sh("true"), [{"names": ["uname"], "action": "SCMP_ACT_NOTIFY"}]), 1, ["needs listenerPath"]),
    ("seccomp-bad-action", filtered(sh("true"), [{"names": ["uname"], "action": "SCMP_ACT_NONE"}]), 1, ["unknown action"]),

    # refused, each by name
    ("apparmor", sh("true", apparmorProfile="x"), 1, ["no AppArmor"]),
    ("selinux", sh("true", selinuxLabel="x"), 1, ["no SELinux"]),
    ("intel-rdt", also(sh("true"), intelRdt={"closID": "x"}), 1, ["no.* Intel RDT"]),
    ("mount-label", also(sh("true"), mountLabel="x"), 1, ["linux.mountLabel: .*no SELinux"]),
    ("memory-policy", also(sh("true"), memoryPolicy={"mode": "MPOL_BIND"}), 1, ["linux.memoryPolicy"]),
    ("net-devices", also(sh("true"), netDevices={"eth0": {}}), 1, ["linux.netDevices"]),
    ("vm", dict(sh("true"), vm={"kernel": {"path": "/k"}}), 1, ["section vm: .*Linux containers"]),
    ("windows", dict(sh("true"), windows={}), 1, ["section windows"]),
    ("kernel-memory", also(sh("true"), resources={"memory": {"kernel": 1}}), 1, ["no kernel memory limit"]),
    ("oom-killer", also(sh("true"), resources={"memory": {"disableOOMKiller": True}}), 1, ["disableOOMKiller"]),
    ("hierarchy", also(sh("true"), resources={"memory": {"useHierarchy": False}}), 1, ["always counts hierarchically"]),
    ("network-class", also(sh("true"), resources={"network": {"classID": 1}}), 1, ["no network classes"]),
    ("leaf-weight", also(sh("true"), resources={"blockIO": {"leafWeight": 10}}), 1, ["leafWeight"]),
    ("personality-flag", also(sh("true"), personality={"domain": "LINUX", "flags": ["X"]}), 1, ["personality.flags"]),
    ("version", dict(sh("true"), ociVersion="2.0.0"), 1, ["speaks version 1"]),
    ("no-args", base([]), 1, ["process.args must not be empty"]),
    ("wrong-type", sh("true", cwd=7), 1, ["process.cwd must be a string"]),
    ("terminal-detached", sh("true", terminal=True), 0, []),

    # hooks
    ("hooks", dict(sh("true"), hooks={
        k: [{"path": "/hook", "args": ["hook", k]}] for k in ("prestart", "createRuntime", "poststart", "poststop")}
        | {"createContainer": [{"path": "/hook", "args": ["hook", "createContainer"]}],
           "startContainer": [{"path": "/bin/hook", "args": ["hook", "startContainer"]}]}), 0,
     ["^prestart creating box", "^createRuntime creating box", "^createContainer created box", "^startContainer created box",
      "^poststart running box", "^poststop stopped box"]),
    ("hook-fails", dict(sh("echo ran"), hooks={"createRuntime": [{"path": "/bin/false"}]}), 1,
     ["createRuntime hook /bin/false ended with status 1", "!^ran"]),
    ("hook-timeout", dict(sh("echo ran"), hooks={"prestart": [{"path": "/bin/sleep", "args": ["sleep", "9"], "timeout": 1}]}), 1,
     ["did not end within 1 s", "!^ran"]),

    # escapes that other runtimes had; engine folklore by number
    ("CVE-2019-5736", base(["/proc/self/exe", "--version"]), 0, ["^runtime version"]),
    ("CVE-2024-21626", sh("pwd", cwd="/proc/self/fd/7"), 1, ["is outside the container's root"]),
    ("CVE-2025-31133", mounted(sh("head -c 1 /proc/timer_list | wc -c; ls -l /dev/null"), bind("/vol/file", "/dev/null")), 1,
     ["/dev/null exists in the image and is another thing"]),
    ("CVE-2026-41579", dict(sh("true"), root={"path": "/rootfs-devlink"}), 1, ["(dev|too many levels)"]),
    ("CVE-2019-16884", faked_proc(sh("cat /p2/self/oom_score_adj", oomScoreAdj=77)), 0, ["^77$"]),
    ("proc-is-a-link", dict(sh("cat /proc/self/status | head -1"), root={"path": "/rootfs-proclink"}), 0, ["^Name:"]),
    ("CVE-2025-52565", with_dev(sh("test -e /elsewhere/target && echo made; test -c /dev/console && echo console",
                                       terminal=True), "/rootfs-conslink"), 0, ["^console", "!^made"]),
    ("CVE-2025-52881", faked_proc(also(sh("cat /p2/sys/net/ipv4/ip_unprivileged_port_start; ls /proc"),
                                       sysctl={"net.ipv4.ip_unprivileged_port_start": "7"})), 0, ["^7$", "^file$"]),
    ("CVE-2022-0492", sh("mkdir /sys/fs/cgroup/x; echo 1 >/sys/fs/cgroup/cgroup.subtree_control"), 1,
     ["mkdir: .*Read-only", "create .*Read-only"]),
    ("CVE-2022-27650", sh("grep CapInh /proc/self/status"), 0, ["^CapInh:.0000000000000000"]),
]
