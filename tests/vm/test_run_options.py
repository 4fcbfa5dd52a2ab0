# SPDX-License-Identifier: Apache-2.0
"""docker run, option by option: what reaches the container, and what is refused by name."""

import json

import pytest

from support import api
from support.node import eventually


def run(node, *args, check=True, **kw):
    return node.docker("run", "--rm", *args, check=check, **kw)


def out(node, *args):
    return run(node, *args).stdout.strip()


@pytest.mark.parametrize(
    "options, command, expected",
    [
        (["--hostname", "box", "--domainname", "example.org"], "hostname; cat /proc/sys/kernel/domainname", "box\nexample.org"),
        (["--hostname", "box.example.org"], "hostname; hostname -s; tail -1 /etc/hosts | cut -f2", "box.example.org\nbox\nbox.example.org box"),
        (["-e", "A=1", "--env", "B=x y"], "echo $A $B", "1 x y"),
        (["-w", "/tmp"], "pwd", "/tmp"),
        (["-w", "/tmp//x/../"], "pwd", "/tmp"),
        (["-u", "1000:1001"], "id -u; id -g", "1000\n1001"),
        (["-u", "1000", "--group-add", "44"], "id -G", "0 44"),
        (["-u", ":1001"], "id -u; id -g; echo $HOME", "0\n1001\n/root"),
        (["--ulimit", "nofile=123:456"], "ulimit -n; ulimit -Hn", "123\n456"),
        (["--sysctl", "net.core.somaxconn=77"], "cat /proc/sys/net/core/somaxconn", "77"),
        (["--shm-size", "2m"], "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "2048"),
        (["--tmpfs", "/t:size=1m,mode=700"], "stat -c %a /t; df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2", "700\n1024"),
        (["--tmpfs", "/t:shared"], "grep ' /t ' /proc/self/mountinfo | grep -c ' shared:'", "1"),
        (["--read-only"], "touch /x 2>&1 | grep -c Read-only", "1"),
        (["--oom-score-adj", "321"], "cat /proc/self/oom_score_adj", "321"),
        (["--cap-drop", "ALL"], "grep CapEff /proc/self/status | cut -f2", "0000000000000000"),
        (["--cap-add", "SYS_TIME"], "grep CapEff /proc/self/status | cut -f2", "00000000aa0425fb"),
        (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status | cut -f2", "1"),
        (["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status | cut -f2", "0"),
        ([], "grep Seccomp: /proc/self/status | cut -f2", "2"),
        (["--privileged"], "grep Seccomp: /proc/self/status | cut -f2; test -b /dev/vda && echo disk", "0\ndisk"),
        (["--cpu-shares", "512"], "cat /sys/fs/cgroup/cpu.weight", "20"),
        (["--memory-reservation", "16m"], "cat /sys/fs/cgroup/memory.low", str(16 << 20)),
        (["-m", "32m"], "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max", f"{32 << 20}\n{32 << 20}"),
        (["-m", "32m", "--memory-swap", "-1"], "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max", f"{32 << 20}\nmax"),
        (["--cpu-period", "50000", "--cpu-quota", "25000"], "cat /sys/fs/cgroup/cpu.max", "25000 50000"),
        (["--cpuset-cpus", "0"], "cat /sys/fs/cgroup/cpuset.cpus", "0"),
        (["--device", "/dev/vda:/dev/xvdz:r"], "test -b /dev/xvdz && head -c 1 /dev/xvdz >/dev/null && echo read", "read"),
        (["--device", "/dev/fuse", "--device", "/dev/net/tun"], "stat -c '%A %t:%T' /dev/fuse /dev/net/tun", "crw-rw-rw- a:e5\ncrw-rw-rw- a:c8"),
        (["--uts", "host"], "hostname | grep -c wherry", "1"),
        (["--network", "host"], "hostname | grep -c wherry", "1"),
        (["--pid", "host"], "head -c 10 /proc/1/cmdline", "/sbin/init"),
        (["--cgroupns", "host"], "grep -c docker /proc/self/cgroup", "1"),
        (["--ipc", "none"], "test -e /dev/shm && echo there || echo none", "none"),
        (["--network", "none"], "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '", "lo"),
        (["--add-host", "far:10.9.8.7"], "grep far /etc/hosts | cut -f1", "10.9.8.7"),
        (["--entrypoint", "echo"], "x", "-c x"),
        (["--security-opt", "systempaths=unconfined"], "test -w /proc/sys/kernel && echo open; mount | grep -c ' /proc/kcore'", "open\n0"),
        (["--security-opt", "writable-cgroups=true"], "mkdir /sys/fs/cgroup/sub && rmdir /sys/fs/cgroup/sub && echo made", "made"),
    ],
    ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else None,
)  # fmt: skip
def test_option(node, options, command, expected):
    entry = [] if "--entrypoint" in options else ["sh"]
    done = run(node, *options, "wherry/hello", *entry, "-c", command, check=False)
    assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize(
    "options, words",
    [
        (["--gpus", "all"], "DeviceRequests"),
        (["--isolation", "hyperv"], "Isolation"),
        (["--storage-opt", "size=1g"], "StorageOpt"),
        (["--runtime", "kata"], "Runtime"),
        (["--security-opt", "apparmor=x"], "AppArmor"),
        (["--security-opt", "label=type:x"], "SELinux"),
        (["--cpu-rt-runtime", "1000"], "CpuRealtimeRuntime"),
        (["--blkio-weight", "5"], "blkio weight"),
        (["--cgroup-parent", "/services/engine"], "the node's own"),
        (["--log-driver", "syslog"], "no log driver named 'syslog' is registered: this engine keeps logs in files of its own"),
        (["--log-opt", "compress=maybe"], "log option"),
        (["--log-opt", "max-buffer-size=4m"], "needs mode=non-blocking"),
        (["--sysctl", "kernel.panic=1"], "sysctl"),
        (["--cpus", "999"], "CPUs available"),
        (["--uts", "host", "--hostname", "x"], "hostname and the UTS mode"),
        (["--cpuset-cpus", "99"], "Requested CPUs are not available"),
        (["--workdir", "here"], "absolute path"),
        (["--user", "2147483648"], "uids and gids must be in range 0-2147483647"),
        (["--user", "-1"], "uids and gids must be in range 0-2147483647"),
        (["--network", "nowhere"], "network nowhere not found"),
        (["--network", "container:nobody"], "No such container: nobody"),
        (["--device", "/dev/nonexistent"], "/dev/nonexistent"),
        (["--pid", "container:nobody"], "nobody"),
        (["--restart", "always", "--rm"], "restart"),
    ],
    ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else None,
)  # fmt: skip
def test_refused_by_name(node, options, words):
    done = node.docker("run", *([] if "--rm" in options else ["--rm"]), *options, "wherry/hello", "true", check=False)
    assert done.returncode in (125, 127) and words in done.stderr, done.stderr
    assert "Unable to find image" not in done.stderr, "the client looked for what is there"


@pytest.mark.parametrize(
    "options, command, code, state, words",
    [
        (["-w", "/etc/passwd"], "true", 125, 127, "/etc/passwd: not a directory"),
        ([], "/etc", 126, 126, "is a directory"),
        ([], "/etc/passwd", 126, 126, "permission denied"),
        ([], "/no/such", 127, 127, "no such file or directory"),
    ],
    ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else None,
)  # fmt: skip
def test_codes_of_what_cannot_start(node, options, command, code, state, words):
    """The client's by the words of the sentence, the engine's own in the container's state."""
    done = node.docker("run", "--name", "stillborn", *options, "wherry/hello", command, check=False)
    seen = node.docker("inspect", "-f", "{{.State.ExitCode}}", "stillborn").stdout.strip()
    node.docker("rm", "stillborn")
    assert (done.returncode, seen) == (code, str(state)) and words in done.stderr, done


def test_discarded_with_a_warning(node):
    """What cgroup v2 has not and files of older machines ask for, as Docker does it: the container is there, and a word."""
    done = node.docker("run", "--rm", "--oom-kill-disable", "--memory-swappiness", "50", "wherry/hello", "echo", "runs")
    assert done.stdout == "runs\n" and "OomKillDisable discarded" in done.stderr and "Memory swappiness discarded" in done.stderr
    assert node.docker("run", "--rm", "--memory-swappiness=-1", "wherry/hello", "true").stderr == ""


@pytest.mark.parametrize("rules, expected", [([], ""), (["c 1:11 w"], "written"), (["c 1:* r"], "read"), (["c *:11 rw"], "written read")])
def test_device_cgroup_rule(node, rules, expected):
    """What may be done with a node that the container makes for itself: nothing, without a rule; here the kernel's log."""
    script = "mknod /dev/own c 1 11; true >>/dev/own && echo written; head -c 0 /dev/own && echo read"
    options = [word for rule in rules for word in ("--device-cgroup-rule", rule)]
    done = run(node, "--cap-add", "SYSLOG", *options, "wherry/hello", "sh", "-c", script, check=False)
    assert done.stdout.split() == expected.split() and done.stderr.count("Operation not permitted") == 2 - len(expected.split()), done


def test_annotations(node):
    """Kept in the record, and handed to the runtime for its hooks and its own users."""
    cid = node.docker("create", "--annotation", "org.example=one two", "--annotation", "other=", "wherry/hello", "sleep", "1000").stdout.strip()
    want = {"org.example": "one two", "other": ""}
    assert json.loads(node.docker("inspect", "-f", "{{json .HostConfig.Annotations}}", cid).stdout) == want
    for version, shown in [("1.46", want), ("1.45", None)]:
        listed = api.call(node, "GET", "/containers/json?all=1", version=version)[1]
        assert [one["HostConfig"].get("Annotations") for one in listed if one["Id"] == cid] == [shown], version
    node.docker("start", cid)
    assert json.loads(node.ssh(f"runtime state {cid}"))["annotations"] == want
    node.docker("rm", "-f", cid)


def test_env_file(node, tmp_path):
    (tmp_path / "env").write_text("# a comment\n\nA=1\nB= two words \nC=#x\nINHERITED\nABSENT\nA=later\n")
    done = run(node, "--env-file", tmp_path / "env", "-e", "B2=own", "wherry/hello", "env", env={"INHERITED": "from here"})
    assert {"A=later", "B= two words ", "C=#x", "INHERITED=from here", "B2=own"} <= set(done.stdout.split("\n"))
    assert "ABSENT" not in done.stdout and "comment" not in done.stdout


def test_a_variable_without_a_value_is_taken_away(node):
    """What the client has not either, it sends by name alone: then there is none, not the engine's own. HOME is the user's."""
    def names(text):
        return {line.partition("=")[0] for line in text.split()}

    body = {"Image": "wherry/hello", "Cmd": ["sleep", "1000"], "Env": ["A=1", "HOSTNAME"]}
    status, made = api.call(node, "POST", "/containers/create?name=nameless", body)
    assert status == 201, made
    node.docker("start", "nameless")
    assert names(node.docker("exec", "nameless", "env").stdout) == {"PATH", "HOME", "A"}
    asked = {"Cmd": ["/bin/env"], "AttachStdout": True, "Tty": True, "Env": ["A", "PATH"]}
    status, made = api.call(node, "POST", "/containers/nameless/exec", asked)
    assert status == 201, made
    status, said = api.call(node, "POST", f"/exec/{made['Id']}/start", {"Tty": True})
    node.docker("rm", "-f", "nameless")
    assert status == 200 and names(said.decode()) == {"TERM", "HOME"}, said


def test_out_of_memory_is_said(node):
    """The kernel kills it: 137, a flag in its state, an event. One that is merely killed has the same code and no flag."""
    grow = "x=0123456789abcdef; while :; do x=$x$x; done"
    done = node.docker("run", "--name", "grown", "-m", "16m", "--memory-swap", "16m", "wherry/hello", "sh", "-c", grow, check=False)
    assert done.returncode == 137, done
    state = "{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}}"
    assert node.docker("inspect", "-f", state, "grown").stdout == "exited true 137\n"
    grown = node.docker("inspect", "-f", "{{.Id}}", "grown").stdout.strip()  # others have had the name before
    assert node.events("300s", f"container={grown}") == ["create", "attach", "start", "oom", "die"]
    node.docker("run", "-d", "--name", "killed", "-m", "16m", "wherry/hello", "sleep", "1000")
    node.docker("kill", "killed")
    assert node.docker("wait", "killed").stdout == "137\n"
    assert node.docker("inspect", "-f", state, "killed").stdout == "exited false 137\n"
    node.docker("rm", "grown", "killed")


def test_an_unknown_member_is_refused(node):
    status, reply = api.call(node, "POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": {"Invented": 1}})
    assert status == 400 and "HostConfig.Invented" in reply["message"]


def test_a_volume_driver_without_volumes(node):
    """It is of volumes that are made for the container; of none it is a word that is kept."""
    cid = node.docker("create", "--volume-driver", "flocker", "-v", "/tmp:/t", "wherry/hello", "ls", "/t").stdout.strip()
    assert node.docker("inspect", "-f", "{{.HostConfig.VolumeDriver}}", cid).stdout == "flocker\n"
    node.docker("start", "-a", cid)
    node.docker("rm", cid)


def test_block_io(node):
    """By hand: Debian 13's client leaves out what --device-read-bps says."""
    disk, null = {"Path": "/dev/vda"}, {"Path": "/dev/null"}
    host = {"BlkioDeviceReadBps": [disk | {"Rate": 1 << 20}], "BlkioDeviceWriteIOps": [disk | {"Rate": 99}]}
    made = api.call(node, "POST", "/containers/create", {"Image": "wherry/hello", "Cmd": ["sleep", "1000"], "HostConfig": host})[1]["Id"]
    node.docker("start", made)
    assert node.ssh(f"cut -d' ' -f2- /sys/fs/cgroup/docker/{made}/io.max").split() == ["rbps=1048576", "wbps=max", "riops=max", "wiops=99"]
    node.docker("rm", "-f", made)
    host = {"BlkioDeviceReadBps": [null | {"Rate": 1}]}
    made = api.call(node, "POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": host})[1]["Id"]
    done = node.docker("start", made, check=False)
    assert done.returncode == 1 and "/dev/null is no block device" in done.stderr
    node.docker("rm", "-f", made)
    status, reply = api.call(node, "POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": {"UsernsMode": "nonsense"}})
    assert status == 400 and "UsernsMode" in reply["message"]


def test_seccomp_profile(node, tmp_path):
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["chown", "fchownat"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["rmdir", "unlinkat"], "action": "SCMP_ACT_ERRNO", "excludes": {"arches": ["amd64"]}},
        ],
    }
    (tmp_path / "p.json").write_text(json.dumps(profile))
    script = "mkdir /tmp/d 2>&1; touch /tmp/f && chown 1 /tmp/f && rm /tmp/f && echo fine"
    seen = out(node, "--security-opt", f"seccomp={tmp_path}/p.json", "wherry/hello", "sh", "-c", script)
    assert "No space left on device" in seen and seen.endswith("fine")


def test_no_way_to_more_rights(node):
    """CVE-2022-0492: without CAP_SYS_ADMIN the filter lets nobody make a user namespace, in which there would be rights to mount."""
    for words in (["unshare", "-U", "true"], ["unshare", "-m", "true"], ["mount", "-t", "cgroup2", "x", "/mnt"]):
        done = node.docker("run", "--rm", "wherry/hello", *words, check=False)
        assert done.returncode != 0 and ("not permitted" in done.stderr or "denied" in done.stderr), (words, done)
    assert node.docker("run", "--rm", "--security-opt", "seccomp=unconfined", "wherry/hello", "unshare", "-U", "echo", "made").stdout == "made\n"


def test_cgroup_parent(node):
    cid = node.docker("run", "-d", "--cgroup-parent", "/shop/front", "wherry/hello", "sleep", "1000").stdout.strip()
    assert node.ssh(f"cat /sys/fs/cgroup/shop/front/{cid}/cgroup.procs").strip()
    node.docker("pause", cid)
    node.docker("unpause", cid)
    node.docker("update", "-m", "64m", "--memory-swap", "-1", cid)
    assert node.ssh(f"cat /sys/fs/cgroup/shop/front/{cid}/memory.max").strip() == str(64 << 20)
    node.docker("rm", "-f", cid)
    assert node.ssh("ls -d /sys/fs/cgroup/shop", check=False).returncode != 0


def test_namespaces_of_another_container(node):
    first = node.docker("run", "-d", "--ipc", "shareable", "wherry/hello", "sleep", "1000").stdout.strip()
    ns = {k: node.docker("exec", first, "readlink", f"/proc/self/ns/{k}").stdout for k in ("pid", "ipc", "net")}
    seen = run(node, "--pid", f"container:{first}", "--ipc", f"container:{first}", "--network", f"container:{first}", "wherry/hello",
               "sh", "-c", "for k in pid ipc net; do readlink /proc/self/ns/$k; done").stdout  # fmt: skip
    assert seen == "".join(ns[k] for k in ("pid", "ipc", "net"))
    node.docker("rm", "-f", first)


def test_shared_memory_of_another_container(node):
    """With the namespace goes /dev/shm, also by way of one that has joined; it is gone with whom it belonged to."""
    first = node.docker("run", "-d", "--ipc", "shareable", "--shm-size", "2m", "wherry/hello", "sleep", "1000").stdout.strip()
    second = node.docker("run", "-d", "--ipc", f"container:{first}", "wherry/hello", "sleep", "1000").stdout.strip()
    node.docker("exec", first, "sh", "-c", "echo one >/dev/shm/f")
    size = "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2"
    assert out(node, "--ipc", f"container:{second}", "wherry/hello", "sh", "-c", f"cat /dev/shm/f; {size}; rm /dev/shm/f") == "one\n2048"
    assert node.docker("exec", second, "ls", "/dev/shm").stdout == ""
    mounts = "cat /proc/$(pidof -s engine)/mountinfo"
    assert f"/run/engine/{first}/shm " in node.ssh(mounts)
    node.docker("rm", "-f", first, second)
    assert f"/run/engine/{first}/shm " not in node.ssh(mounts)


def test_a_name_that_was_an_id_leads_to_nobody(node):
    """Names may be 64 digits long, too: one that joins an id that is its own name by now joins nothing."""
    first = node.docker("run", "-d", "--ipc", "shareable", "wherry/hello", "sleep", "1000").stdout.strip()
    second = node.docker("run", "-d", "--ipc", f"container:{first}", "wherry/hello", "sleep", "1000").stdout.strip()
    third = node.docker("create", "--ipc", f"container:{second}", "wherry/hello", "true").stdout.strip()
    try:
        node.docker("rm", "-f", first)
        node.docker("rename", second, first)
        status, reply = api.call(node, "POST", f"/containers/{third}/start")
        assert status == 500 and f"container {second}: non-shareable IPC" in reply["message"], reply
    finally:
        node.docker("rm", "-f", second, third)


def test_what_cannot_be_joined(node):
    """It is seen at the start, for until then it may come: as Docker has it, no fault of the request."""
    alone = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    over = node.docker("create", "--ipc", "shareable", "wherry/hello").stdout.strip()
    for option, other, words in [
        ("--ipc", alone, f"failed to join IPC namespace: container {alone}: non-shareable IPC"),
        ("--ipc", over, f"failed to join IPC namespace: container {over} is not running"),
        ("--pid", over, f"failed to join PID namespace: container {over} is not running"),
    ]:
        cid = node.docker("create", option, f"container:{other}", "wherry/hello", "true").stdout.strip()
        status, reply = api.call(node, "POST", f"/containers/{cid}/start")
        node.docker("rm", cid)
        assert status == 500 and words in reply["message"], reply
    node.docker("rm", "-f", alone, over)


def test_a_network_that_is_joined_may_come_later(node):
    """As with Docker it only matters to the start, and is found by its name then."""
    def start(status, words):
        got, reply = api.call(node, "POST", "/containers/guest/start")
        assert got == status and words in (reply or {"message": ""})["message"], reply

    node.docker("create", "--name", "guest", "--network", "container:lender", "wherry/hello", "sleep", "1000")
    node.docker("create", "--name", "alone", "--network", "container:alone", "wherry/hello", "true")
    try:
        done = node.docker("start", "alone", check=False)
        assert done.returncode == 1 and "cannot join own network" in done.stderr, done
        start(500, "joining network namespace of container: No such container: lender")
        node.docker("create", "--name", "lender", "wherry/hello", "sleep", "1000")
        start(500, "cannot join network namespace of a non running container: container lender is created")
        node.docker("start", "lender")
        start(204, "")
        seen = {node.docker("exec", name, "readlink", "/proc/self/ns/net").stdout for name in ("guest", "lender")}
        assert len(seen) == 1, seen
    finally:
        node.docker("rm", "-f", "guest", "alone", "lender", check=False)


def test_a_working_directory_is_kept_clean(node):
    cid = node.docker("create", "-w", "/tmp//x/../", "wherry/hello", "true").stdout.strip()
    assert node.docker("inspect", "-f", "{{.Config.WorkingDir}}", cid).stdout == "/tmp\n"
    node.docker("rm", cid)


def test_log_drivers(node):
    cid = node.docker("run", "-d", "--log-driver", "none", "wherry/hello", "sh", "-c", "echo unseen; sleep 1000").stdout.strip()
    done = node.docker("logs", cid, check=False)
    assert done.returncode == 1 and "does not support reading" in done.stderr
    node.docker("rm", "-f", cid)
    assert run(node, "--log-driver", "none", "wherry/hello", "echo", "attached").stdout == "attached\n"
    cid = node.docker("run", "-d", "--log-opt", "labels=who", "--log-opt", "env=A", "--label", "who=me & you", "-e", "A=1", "wherry/hello",
                      "sh", "-c", "echo one; echo two").stdout.strip()  # fmt: skip
    node.docker("wait", cid)
    assert node.docker("logs", "--details", cid).stdout == "who=me%20%26%20you,A=1 one\nwho=me%20%26%20you,A=1 two\n"
    node.docker("rm", cid)


def test_attach_over_websocket(node):
    """A handshake and frames by hand: what a browser's terminal would send."""
    cid = node.docker("run", "-di", "wherry/hello", "sh", "-c", "read x; echo got $x; exit 4").stdout.strip()
    connection = api.connect(node)
    connection.putrequest("GET", f"/v1.51/containers/{cid}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1")
    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")):  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    wire = connection.sock
    head = b""
    while b"\r\n\r\n" not in head:
        head += wire.recv(1)
    assert head.startswith(b"HTTP/1.1 101") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    wire.sendall(b"\x82\x86\0\0\0\0hello\n")
    data = b""
    while piece := wire.recv(4096):
        data += piece
    connection.close()
    assert data.startswith(b"\x82\x0agot hello\n") and data.endswith(b"\x88\x02\x03\xe8")
    assert node.docker("wait", cid).stdout.strip() == "4"
    node.docker("rm", cid)
    status, reply = api.call(node, "GET", "/containers/none/attach/ws")
    assert status == 404, reply


def test_update(node):
    cid = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    node.docker("update", "--memory", "48m", "--memory-swap", "96m", "--cpus", "0.25", "--pids-limit", "33", "--cpu-shares", "2048",
                "--restart", "on-failure:3", cid)  # fmt: skip
    files = "memory.max memory.swap.max cpu.max pids.max"
    got = node.ssh(f"cd /sys/fs/cgroup/docker/{cid}; cat {files}").split("\n")
    assert got[:4] == [str(48 << 20), str(48 << 20), "25000 100000", "33"]
    seen = json.loads(node.docker("inspect", cid).stdout)[0]["HostConfig"]
    assert seen["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3} and seen["PidsLimit"] == 33
    node.docker("rm", "-f", cid)


def test_update_of_the_number_of_processes(node):
    """Nothing and less is no limit; clients of before 1.40 send one that nobody has asked for."""
    cid = node.docker("run", "-d", "--pids-limit", "44", "wherry/hello", "sleep", "1000").stdout.strip()
    try:
        for version, asked, shown, limit in (
            ("1.51", {}, 44, "44"), ("1.51", {"PidsLimit": None}, 44, "44"), ("1.39", {"PidsLimit": 0}, 44, "44"),
            ("1.39", {"PidsLimit": 30}, 44, "44"), ("1.51", {"PidsLimit": 0}, 0, "max"), ("1.40", {"PidsLimit": 33}, 33, "33"),
            ("1.51", {"PidsLimit": -1}, 0, "max"), ("1.51", {"PidsLimit": 35}, 35, "35"), ("1.51", {"PidsLimit": -2}, 0, "max"),
        ):  # fmt: skip
            assert api.call(node, "POST", f"/containers/{cid}/update", asked, version=version)[0] == 200, asked
            assert api.call(node, "GET", f"/containers/{cid}/json")[1]["HostConfig"]["PidsLimit"] == shown, (version, asked)
            assert node.ssh(f"cat /sys/fs/cgroup/docker/{cid}/pids.max").strip() == limit, (version, asked)
    finally:
        node.docker("rm", "-f", cid)


def test_update_of_what_removes_itself(node):
    cid = node.docker("run", "-d", "--rm", "wherry/hello", "sleep", "1000").stdout.strip()
    try:
        status, reply = api.call(node, "POST", f"/containers/{cid}/update", {"RestartPolicy": {"Name": "always"}})
        words = "Restart policy cannot be updated because AutoRemove is enabled for the container"
        assert (status, reply["message"]) == (409, f"Cannot update container {cid}: {words}")
        assert api.call(node, "POST", f"/containers/{cid}/update", {"RestartPolicy": {"Name": "no"}})[0] == 200
    finally:
        node.docker("rm", "-f", cid)


def test_update_of_memory_and_its_swap(node):
    """Memory alone brings as much swap; later each is changed within what the other one allows, or both at once."""
    cid = node.docker("run", "-d", "-m", "30m", "wherry/hello", "sleep", "1000").stdout.strip()
    mb = 1 << 20
    steps = [  # the words of update, what refuses them, memory and swap (with the memory) afterwards
        ([], None, 30, 60),
        (["-m", "70m"], "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time", 30, 60),
        (["--memory-swap", "20m"], "Minimum memoryswap limit should be larger than memory limit", 30, 60),
        (["--memory-swap", "50m"], None, 30, 50),
        (["-m", "40m"], None, 40, 50),
        (["-m", "70m", "--memory-swap", "80m"], None, 70, 80),
    ]
    try:
        for words, refusal, memory, swap in steps:
            done = node.docker("update", *words, cid, check=False) if words else None
            assert not done or (done.returncode == 1 and refusal in done.stderr if refusal else done.returncode == 0), done
            host = json.loads(node.docker("inspect", cid).stdout)[0]["HostConfig"]
            assert (host["Memory"], host["MemorySwap"]) == (memory * mb, swap * mb), words
            got = node.ssh(f"cd /sys/fs/cgroup/docker/{cid}; cat memory.max memory.swap.max").split()
            assert got == [str(memory * mb), str((swap - memory) * mb)], words
    finally:
        node.docker("rm", "-f", cid)


def test_update_of_processors_in_another_way(node):
    for made, words, refusal in (
        (["--cpus", "0.5"], ["--cpu-quota", "80000"], "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"),
        (["--cpu-quota", "50000"], ["--cpus", "0.8"], "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"),
    ):
        cid = node.docker("create", *made, "wherry/hello", "true").stdout.strip()
        done = node.docker("update", *words, cid, check=False)
        assert done.returncode == 1 and refusal in done.stderr, done
        node.docker("update", *made, cid)
        node.docker("rm", cid)


def test_events_of_a_life(node):
    node.docker("run", "-d", "--name", "life", "--init", "wherry/hello", "sleep", "1000")
    node.docker("restart", "life")
    node.docker("rename", "life", "life2")
    node.docker("stop", "life2")
    node.docker("rm", "life2")
    actions = node.events("300s", "type=container", "container=life", "container=life2")
    assert actions == ["create", "start", "kill", "stop", "die", "start", "restart", "rename", "kill", "stop", "die", "destroy"]


def test_events_of_other_ends(node):
    """Docker tells of a stop as one, and of nothing else: not of a kill, nor of a removal or an end of its own."""
    def told(name):
        return node.events("300s", "type=container", f"container={name}")

    cid = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    node.docker("kill", cid)
    assert told(cid) == ["create", "start", "kill", "die"]
    node.docker("start", cid)
    node.docker("rm", "-f", cid)
    assert told(cid) == ["create", "start", "kill", "die", "start", "kill", "die", "destroy"]
    stubborn = node.docker("run", "-d", "wherry/hello", "sleep", "1000").stdout.strip()
    node.docker("stop", "-t", "1", stubborn)  # a sleep that is process 1 itself ignores the first signal
    assert told(stubborn) == ["create", "start", "kill", "kill", "stop", "die"]
    node.docker("rm", stubborn)
    node.docker("run", "--name", "lasting", "wherry/hello", "sh", "-c", "sleep 2; exit 3", check=False)
    said = node.events("300s", "container=lasting", "event=die", show="{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.execDuration}}")
    node.docker("rm", "lasting")
    code, seconds = said[0].split()
    assert code == "3" and 2 <= int(seconds) < 20, said


@pytest.mark.parametrize("verb, told", [("stop", ["stop"]), ("kill", [])])
def test_an_end_between_two_starts(node, verb, told):
    """There is nothing to signal, and nothing more that ends; it is not begun again. A stop is told of all the same."""
    cid = node.docker("run", "-d", "--restart", "always", "wherry/hello", "sh", "-c", "echo ran; exit 1").stdout.strip()
    try:
        # after the sixth there are some seconds
        assert eventually(lambda: node.docker("logs", cid).stdout == "ran\n" * 6, 60)
        assert eventually(lambda: node.docker("inspect", "-f", "{{.State.Status}}", cid).stdout == "restarting\n")
        node.docker(verb, cid)
        assert node.docker("inspect", "-f", "{{.State.Status}}", cid).stdout == "exited\n"
        actions = node.events("300s", "type=container", f"container={cid}")
        assert actions == ["create"] + ["start", "die"] * 6 + told, actions
    finally:
        node.docker("rm", "-f", cid)
