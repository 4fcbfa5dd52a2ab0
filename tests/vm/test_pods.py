# SPDX-License-Identifier: Apache-2.0
"""Pods, by the contract of services/engine/PODS.md: what the agent does, on the engine's own socket."""

import json

import pytest
from support.node import eventually
from support.pods import Engine

UID = "0b6e9e0c-6a0d-4f1b-8f3c-2d5a9c3f4a11"


@pytest.fixture
def engine(node):
    with Engine(node) as e:
        yield e
        for pod in e.expect(200, "GET", "/wherry/v1/pods"):
            e.remove_pod(pod["UID"])


def test_a_pod_has_namespaces_and_no_process(node, engine):
    pod = engine.make_pod(UID, QOS="burstable", Labels={"app": "web"})
    assert pod["State"] == "ready" and pod["Attempt"] == 0 and pod["Containers"] == []
    assert pod["NetworkNamespace"] == f"/run/engine/pods/{UID}/netns"
    said = node.ssh(f"cat /sys/fs/cgroup/pods/burstable/{UID}/cgroup.procs; nsenter --net={pod['NetworkNamespace']} ip -o link; ")
    assert "lo:" in said and "LOOPBACK,UP" in said and len(said.splitlines()) == 1
    assert engine.expect(200, "GET", "/wherry/v1/pods", filters=json.dumps({"label": ["app=web"]}))[0]["UID"] == UID
    assert engine.expect(200, "GET", "/wherry/v1/pods", filters=json.dumps({"label": ["app=db"]})) == []
    engine.expect(409, "POST", "/wherry/v1/pods", {"UID": UID, "Name": "x", "Namespace": "y"})
    engine.remove_pod(UID)
    engine.expect(404, "GET", f"/wherry/v1/pods/{UID}")
    assert node.ssh(f"ls -d /run/engine/pods/* /data/engine/pods/* /sys/fs/cgroup/pods 2>/dev/null; grep -c {UID} /proc/self/mountinfo; true").strip() == "0"


def test_containers_of_a_pod_share_what_the_pod_has(engine):
    engine.make_pod(UID, Hostname="web-0", Hosts="127.0.0.1 localhost\n10.1.0.7 web-0\n", ResolvConf="nameserver 10.96.0.10\n",
                    Sysctls={"net.core.somaxconn": "77", "kernel.shm_rmid_forced": "1"}, ShmSize=1 << 20)
    look = ("for n in net ipc uts; do readlink /proc/self/ns/$n; done; hostname; cat /etc/hosts /etc/resolv.conf;"
            "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced; cat /proc/self/cgroup; echo $$; echo HN=$HOSTNAME;"
            "df -k /dev/shm | tail -1")
    code, one = engine.run(UID, "one", "sh", "-c", "echo from-one >/dev/shm/note; " + look)
    assert code == 0, one
    code, two = engine.run(UID, "two", "sh", "-c", look + "; cat /dev/shm/note")
    assert code == 0, two
    assert one.splitlines()[:3] == two.splitlines()[:3]
    lines = two.splitlines()
    assert lines[3] == "web-0" and "10.1.0.7 web-0" in lines and "nameserver 10.96.0.10" in lines
    assert "77" in lines and "1" in lines and "0::/" in lines and "HN=web-0" in lines and lines[-1] == "from-one"
    assert " 1024 " in two


def test_host_namespaces(node, engine):
    engine.make_pod(UID, HostNetwork=True, HostIPC=True, HostPID=True)
    assert engine.pod(UID)["NetworkNamespace"] == ""
    code, said = engine.run(UID, "c-h", "sh", "-c", "for n in net ipc uts; do readlink /proc/self/ns/$n; done; echo $$")
    lines = said.splitlines()
    assert code == 0 and lines[:3] == node.ssh("for n in net ipc uts; do readlink /proc/1/ns/$n; done").split(), said
    assert int(lines[3]) > 1


@pytest.mark.parametrize("host_users", [True, False])
def test_processes_in_common(node, host_users):
    """SharePID: containers see each other's processes, start again in the same namespace, and learn nothing from its first process."""
    with Engine(node) as engine:
        engine.make_pod(UID, SharePID=True, HostUsers=host_users)
        group = f"/sys/fs/cgroup/pods/besteffort/{UID}"
        first = node.ssh(f"cat {group}/first/cgroup.procs").strip()
        assert node.ssh(f"cat /proc/{first}/cmdline").split("\0")[0] == "/pause"
        assert node.ssh(f"ls -A /proc/{first}/root/; ls -A /proc/{first}/fd; cat /proc/{first}/mounts | wc -l").split() == ["1"]
        status = dict(line.split(":", 1) for line in node.ssh(f"cat /proc/{first}/status").splitlines())
        assert {status[k].strip() for k in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0000000000000000"} and status["NoNewPrivs"].strip() == "1"
        assert node.ssh(f"cat /proc/{first}/oom_score_adj").strip() == "-998"

        one = engine.make_container(UID, "one", "sleep", "1111")
        engine.start(one)
        look = ("readlink /proc/self/ns/pid; ps -o pid,stat,args; cat /proc/1/environ; ls /proc/1/root/; kill -9 1; "
                "(sleep 0.1 &); (sleep 3333 &); sleep 0.6; ps -o stat,args | grep -c '^Z'")  # fmt: skip
        code, said = engine.run(UID, "two", "sh", "-c", look + " 2>&1")
        lines = said.splitlines()
        assert code == 1 and lines[-1] == "0", said  # no corpse is left: grep finds none
        assert any(line.split()[0] == "1" and line.endswith("/pause") for line in lines) and "sleep 1111" in said, said
        assert said.count("denied") >= 2, said
        # Again, after its end and after an engine's: the namespace stays, and who is in it.
        node.ssh(f"kill -9 $(cat {group}/{one}/cgroup.procs)")
        assert eventually(lambda: engine.expect(200, "GET", f"/containers/{one}/json")["State"]["ExitCode"] == 137)
        engine.start(one)
    node.kill_engine()
    with Engine(node) as again:
        assert again.pod(UID)["State"] == "ready" and node.ssh(f"cat {group}/first/cgroup.procs").strip() == first
        code, said = again.run(UID, "three", "sh", "-c", "readlink /proc/self/ns/pid; ps")
        assert code == 0 and said.splitlines()[0] == lines[0] and "sleep 1111" in said, said
        assert "sleep 3333" not in said, said  # what a container left has ended with it
        # Its end is theirs; the pod is made anew by who wants it.
        node.ssh(f"kill -9 {first}")
        assert eventually(lambda: again.pod(UID)["State"] == "notready")
        assert again.expect(200, "GET", f"/containers/{one}/json")["State"]["ExitCode"] == 137
        again.expect(204, "POST", f"/wherry/v1/pods/{UID}/start")
        again.start(one)
        code, said = again.run(UID, "four", "ps")
        assert code == 0 and "sleep 1111" in said and "/pause" in said, said
        again.remove_pod(UID)
    assert node.ssh(f"ls -d {group} /run/engine/pods/* 2>/dev/null; true") == ""


def test_users_of_its_own(node, engine):
    """hostUsers: false: the containers of a pod share one range of ids, which nobody else has; the disk does not notice."""
    node.ssh("mkdir -p /data/podtest && echo data >/data/podtest/f")
    try:
        engine.make_pod(UID, HostUsers=False, Hostname="own", Sysctls={"net.core.somaxconn": "77", "kernel.shm_rmid_forced": "1"})
        look = ("cat /proc/self/uid_map; readlink /proc/self/ns/user; hostname; cat /proc/sys/net/core/somaxconn; ls -d /sys/class/net/lo;"
                "stat -c '%u %a' /dev/shm /v/f /etc/hosts; touch /v/by-root; echo up >/dev/stderr")
        host = {"Mounts": [{"Type": "bind", "Source": "/data/podtest", "Target": "/v"}]}
        code, one = engine.run(UID, "one", "sh", "-c", "echo from-one >/dev/shm/note; " + look, host=host)
        assert code == 0, one
        code, two = engine.run(UID, "two", "sh", "-c", look + "; cat /dev/shm/note", host=host)
        assert code == 0, two
        lines = two.splitlines()
        inside, outside, count = lines[0].split()
        assert inside == "0" and int(outside) >= 1 << 20 and count == "65536"
        assert lines[:5] == one.splitlines()[:5] == [lines[0], lines[1], "own", "77", "/sys/class/net/lo"]
        assert lines[1] != node.ssh("readlink /proc/1/ns/user").strip() and lines[5:8] == ["0 1777", "0 644", "0 644"]
        assert lines[-1] == "from-one" and node.ssh("stat -c %u /data/podtest/by-root").strip() == "0"
        status, said = engine.request("POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": {"UsernsMode": "host"}}, pod=UID, name="c-u")
        assert status == 400 and "the pod decides" in said["message"]
    finally:
        node.ssh("rm -r /data/podtest")


def test_group_limits_and_stats(node, engine):
    engine.make_pod(UID, QOS="guaranteed", Resources={"CpuShares": 1024, "CpuQuota": 50000, "CpuPeriod": 100000, "Memory": 64 << 20,
                                                      "MemoryMin": 8 << 20, "PidsLimit": 100})
    group = f"/sys/fs/cgroup/pods/guaranteed/{UID}"
    files = f"cat {group}/memory.max {group}/memory.min {group}/cpu.max {group}/pids.max {group}/cpu.weight"
    assert node.ssh(files).split("\n")[:5] == [str(64 << 20), str(8 << 20), "50000 100000", "100", "39"]
    cid = engine.make_container(UID, "busy", "sleep", "1000",
                                host={"Memory": 32 << 20, "MemorySwap": 32 << 20, "CpuShares": 512, "PidsLimit": 10, "OomScoreAdj": 500,
                                      "Pod": {"MemoryMin": 4 << 20, "MemoryHigh": 30 << 20}})  # fmt: skip
    engine.start(cid)
    said = node.ssh(f"cat {group}/{cid}/memory.max {group}/{cid}/memory.min {group}/{cid}/memory.high {group}/{cid}/pids.max")
    assert said.split() == [str(32 << 20), str(4 << 20), str(30 << 20), "10"]
    stats = engine.expect(200, "GET", f"/wherry/v1/pods/{UID}/stats")
    assert stats["Memory"]["LimitBytes"] == 64 << 20 and stats["Pids"] == 1 and stats["Cpu"]["UsageNs"] > 0
    assert stats["Containers"][0]["Name"] == "busy" and stats["Containers"][0]["Pids"] == 1 and stats["Network"] == []
    assert engine.expect(200, "GET", "/wherry/v1/stats")[0]["UID"] == UID
    engine.expect(200, "POST", f"/wherry/v1/pods/{UID}/update", {"Resources": {"Memory": 48 << 20}})
    assert node.ssh(f"cat {group}/memory.max {group}/cpu.max").split("\n")[:2] == [str(48 << 20), "max 100000"]


def test_files_change_in_place(engine):
    engine.make_pod(UID)
    cid = engine.make_container(UID, "c-f", "sh", "-c", "while ! grep -q later /etc/hosts; do sleep 0.1; done; cat /etc/hosts")
    engine.start(cid)
    engine.expect(200, "POST", f"/wherry/v1/pods/{UID}/update", {"Hosts": "10.9.9.9 later\n", "Labels": {"a": "b"}})
    assert engine.expect(200, "POST", f"/containers/{cid}/wait")["StatusCode"] == 0
    assert engine.pod(UID)["Labels"] == {"a": "b"}


def test_what_kubernetes_says_of_a_container(node, engine):
    node.ssh("mkdir -p /run/podtest/vol/sub && echo data >/run/podtest/vol/f && echo one >/run/podtest/one && : >/run/podtest/term && chmod 666 /run/podtest/term")
    engine.make_pod(UID)
    host = {
        "GroupAdd": ["2000"], "CapDrop": ["ALL"], "CapAdd": ["NET_BIND_SERVICE"], "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges"], "OomScoreAdj": 900,
        "Mounts": [
            {"Type": "bind", "Source": "/run/podtest/vol", "Target": "/vol", "ReadOnly": True, "BindOptions": {"ReadOnlyForceRecursive": True}},
            {"Type": "bind", "Source": "/run/podtest/one", "Target": "/etc/one"},
            {"Type": "bind", "Source": "/run/podtest/term", "Target": "/dev/termination-log", "BindOptions": {"Propagation": "rslave"}},
        ],
    }  # fmt: skip
    script = ("id -u; id -g; id -G; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; cat /vol/f /etc/one; echo bye >/dev/termination-log;"
              "touch /x 2>&1; touch /vol/x 2>&1; cat /proc/self/oom_score_adj")
    code, said = engine.run(UID, "c-k", "sh", "-c", script, host=host, User="1000:3000")
    lines = said.splitlines()
    assert code == 0, said
    assert lines[:2] == ["1000", "3000"] and set(lines[2].split()) == {"3000", "2000"}
    assert "CapBnd:\t0000000000000400" in said and "NoNewPrivs:\t1" in said and "Seccomp:\t2" in said
    assert "data" in lines and "one" in lines and said.count("Read-only file system") == 2 and "900" in lines
    assert node.ssh("cat /run/podtest/term; rm -r /run/podtest") == "bye\n"


def test_seccomp_profiles(engine):
    engine.make_pod(UID)
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
                            {"names": ["rmdir", "unlinkat"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_CHOWN"]}}]}  # fmt: skip
    script = "mkdir /tmp/d 2>&1; rm -r /tmp/no 2>&1; grep Seccomp: /proc/self/status"
    code, said = engine.run(UID, "c-p", "sh", "-c", "mkdir -p /tmp; " + script, host={"SecurityOpt": ["seccomp=" + json.dumps(profile)]})
    assert code == 0 and "Operation not permitted" in said and "No such file" in said and "Seccomp:\t2" in said, said
    code, said = engine.run(UID, "c-u", "sh", "-c", "grep Seccomp: /proc/self/status", host={"SecurityOpt": ["seccomp=unconfined"]})
    assert (code, said) == (0, "Seccomp:\t0\n")
    code, said = engine.run(UID, "c-m", "sh", "-c", "head -c1 /proc/timer_list | wc -c; echo 1 >/proc/sys/net/core/somaxconn && echo rw",
                            host={"MaskedPaths": [], "ReadonlyPaths": [], "CapAdd": ["NET_ADMIN", "SYS_ADMIN"]})
    assert code == 0 and said.split() == ["1", "rw"], said


def test_shared_propagation(node, engine):
    node.ssh("mkdir -p /run/podshare && mount -t tmpfs t /run/podshare && mount --make-rshared /run/podshare")
    try:
        engine.make_pod(UID)
        mount = {"Type": "bind", "Source": "/run/podshare", "Target": "/s", "BindOptions": {"Propagation": "rshared"}}
        cid = engine.make_container(UID, "c-s", "sh", "-c", "mkdir /s/m && mount -t tmpfs inner /s/m && sleep 1000",
                                    host={"Privileged": True, "Mounts": [mount]})
        engine.start(cid)
        assert eventually(lambda: "inner" in node.ssh("grep podshare/m /proc/self/mountinfo; true"))
        assert "podshare" not in node.ssh("cut -d' ' -f5 /proc/1/mountinfo | grep -v '^/run/podshare' | grep podshare; true")
    finally:
        engine.remove_pod(UID)
        node.ssh("umount /run/podshare/m; umount /run/podshare; rmdir /run/podshare")


def test_stop_waits_for_the_grace(node, engine):
    engine.make_pod(UID)
    polite = engine.make_container(UID, "polite", "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done")
    deaf = engine.make_container(UID, "deaf", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")
    for cid in (polite, deaf):
        engine.start(cid)
        assert eventually(lambda cid=cid: b"up" in engine.expect(200, "GET", f"/containers/{cid}/logs", stdout=1)), cid
    engine.expect(204, "POST", f"/wherry/v1/pods/{UID}/stop", t=10)
    pod = engine.pod(UID)
    assert (pod["State"], pod["Reason"], pod["NetworkNamespace"]) == ("notready", "stopped", "")
    assert {c["Name"]: c["ExitCode"] for c in pod["Containers"]} == {"polite": 7, "deaf": 137}
    engine.expect(304, "POST", f"/wherry/v1/pods/{UID}/stop")
    engine.expect(409, "POST", f"/containers/{polite}/start")
    engine.expect(204, "POST", f"/wherry/v1/pods/{UID}/start")
    assert engine.pod(UID)["Attempt"] == 1
    engine.start(polite)
    engine.expect(409, "DELETE", f"/wherry/v1/pods/{UID}")


def test_docker_shows_and_leaves_alone(node, engine):
    engine.make_pod(UID)
    cid = engine.make_container(UID, "kept", "sleep", "1000", Labels={"io.kubernetes.container.name": "kept", "io.kubernetes.pod.name": "forged"})
    idle = engine.make_container(UID, "idle", "true")
    engine.start(cid)
    said = node.docker("ps", "--filter", f"label=io.kubernetes.pod.uid={UID}", "--format",
                       "{{.Names}} {{.Label \"io.kubernetes.pod.name\"}} {{.Label \"io.kubernetes.container.name\"}}").stdout
    assert said == "kept web-0 kept\n"
    assert node.docker("exec", "kept", "hostname").stdout == "web-0\n"
    for words in (("rm", "-f", "kept"), ("rm", "idle"), ("rename", "kept", "other"), ("update", "-m", "50m", "kept"),
                  ("network", "connect", "bridge", "kept")):
        done = node.docker(*words, check=False)
        assert done.returncode == 1 and ("belongs to pod shop/web-0" in done.stderr or "belongs to a pod" in done.stderr), done.stderr
    node.docker("container", "prune", "-f")
    assert {c["Id"] for c in engine.pod(UID)["Containers"]} == {cid, idle}
    assert node.docker("run", "--rm", "--network", "container:kept", "wherry/hello", "hostname", check=False).returncode == 0
    engine.expect(409, "DELETE", f"/containers/{idle}", pod="another")
    engine.expect(204, "DELETE", f"/containers/{idle}", pod=UID)


def test_not_over_tcp(node, engine):
    engine.make_pod(UID)
    script = ("import sys,ssl,http.client,os;d=os.environ['DOCKER_CERT_PATH'];c=ssl.create_default_context(cafile=d+'/ca.pem');"
              "c.check_hostname=False;c.load_cert_chain(d+'/cert.pem',d+'/key.pem');h=os.environ['DOCKER_HOST'].split('//')[1];"
              "k=http.client.HTTPSConnection(h,context=c);k.request('GET',sys.argv[1]);print(k.getresponse().status)")
    import subprocess
    import sys

    for path in ("/wherry/v1/pods", f"/wherry/v1/pods/{UID}", "/wherry/v1/stats"):
        done = subprocess.run([sys.executable, "-c", script, path], env=node.docker_env(), capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout == "403\n", done.stderr


@pytest.mark.parametrize(
    "body, status, words",
    [
        ({"UID": "A", "Name": "a", "Namespace": "b"}, 400, "UID must be"),
        ({"UID": "a/../b", "Name": "a", "Namespace": "b"}, 400, "UID must be"),
        ({"UID": "a", "Namespace": "b"}, 400, "Name is missing"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "Zzz": 1}, 400, "Zzz is no member"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "QOS": "best"}, 400, "QOS must be"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "SharePID": True, "HostPID": True}, 400, "SharePID cannot"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "HostUsers": False, "HostIPC": True}, 400, "HostUsers"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "Sysctls": {"kernel.panic": "1"}}, 400, "kernel.panic"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "Sysctls": {"net.nope": "1"}}, 500, "sysctl net/nope"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "HostNetwork": True, "Hostname": "x"}, 400, "the node's"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "Resources": {"CpuShares": 1}}, 400, "CpuShares must be"),
        ({"UID": "a", "Name": "a", "Namespace": "b", "Resources": {"Cpu": 1}}, 400, "Resources.Cpu"),
    ],
)
def test_refused_pods(engine, body, status, words):
    got, answer = engine.request("POST", "/wherry/v1/pods", body)
    assert got == status and words in answer["message"], answer
    assert engine.expect(200, "GET", "/wherry/v1/pods") == []


def test_refused_containers(engine):
    engine.make_pod(UID)
    for host, words in [({"NetworkMode": "bridge"}, "NetworkMode"), ({"IpcMode": "host"}, "IpcMode"), ({"Dns": ["1.1.1.1"]}, "Dns"),
                        ({"RestartPolicy": {"Name": "always"}}, "RestartPolicy"), ({"AutoRemove": True}, "AutoRemove"),
                        ({"PidMode": "host"}, "PidMode"), ({"Pod": {"Zzz": 1}}, "Pod.Zzz"), ({"ShmSize": 5}, "ShmSize"),
                        ({"Links": ["a:b"]}, "Links")]:  # fmt: skip
        got, answer = engine.request("POST", "/containers/create", {"Image": "wherry/hello", "Cmd": ["true"], "HostConfig": host}, pod=UID)
        assert got == 400 and words in answer["message"], (host, answer)
    got, answer = engine.request("POST", "/containers/create", {"Image": "wherry/hello", "HostConfig": {"Pod": {"MemoryMin": 1}}})
    assert got == 400 and "pod= names none" in answer["message"]
    engine.expect(404, "POST", "/containers/create", {"Image": "wherry/hello"}, pod="nobody")


def test_events(node, engine):
    since, uid = int(float(node.ssh("date +%s"))), "told"  # others' events of the same second are others' pods'
    engine.make_pod(uid)
    engine.run(uid, "c-e", "sh", "-c", "exit 3")
    engine.expect(204, "POST", f"/wherry/v1/pods/{uid}/stop", t=0)
    until = int(float(node.ssh("date +%s"))) + 1
    said = node.docker("events", "--since", str(since), "--until", str(until), "--filter", f"label=io.kubernetes.pod.uid={uid}", "--format", "json").stdout
    seen = [(e["Type"], e["Action"], e["Actor"]["Attributes"].get("exitCode")) for e in map(json.loads, said.splitlines())]
    assert [("pod", "create", None), ("container", "create", None), ("container", "start", None), ("container", "die", "3"),
            ("container", "destroy", None), ("pod", "stop", None)] == [s for s in seen if s != ("pod", "start", None)]  # fmt: skip


def test_survives_the_engine_and_tells_of_a_restart(make_node):
    node = make_node()
    node.boot()
    with Engine(node) as e:
        before = e.make_pod(UID, Hosts="10.0.0.1 here\n")
        cid = e.make_container(UID, "runs", "sleep", "100000")
        e.start(cid)
        e.make_pod("other")
        e.expect(204, "POST", "/wherry/v1/pods/other/stop", t=0)
    net = node.ssh(f"stat -Lc %i {before['NetworkNamespace']}; kill -9 $(pidof -s engine)").strip()
    node.wait_engine()
    with Engine(node) as e:
        pod = e.pod(UID)
        assert pod["State"] == "ready" and pod["Attempt"] == 0 and pod["Containers"][0]["State"] == "running"
        assert node.ssh(f"stat -Lc %i {pod['NetworkNamespace']}").strip() == net
        code, said = e.run(UID, "again", "sh", "-c", "readlink /proc/self/ns/net; cat /etc/hosts")
        assert (code, said) == (0, f"net:[{net}]\n10.0.0.1 here\n")
        assert e.pod("other")["State"] == "notready"
    node.ssh("sync")
    node.cut_power()
    node.boot()
    with Engine(node) as e:
        pod = e.pod(UID)
        assert (pod["State"], pod["Reason"]) == ("notready", "the node was restarted")
        assert e.pod("other")["Reason"] == "stopped"
        assert eventually(lambda: e.pod(UID)["Containers"][0]["State"] == "exited")
        e.expect(204, "POST", f"/wherry/v1/pods/{UID}/start")
        assert e.pod(UID)["Attempt"] == 1
        e.start(cid)
        e.remove_pod(UID)
        e.remove_pod("other")
        assert node.ssh("ls /data/engine/pods /data/engine/containers").split() == ["/data/engine/containers:", "/data/engine/pods:"]
