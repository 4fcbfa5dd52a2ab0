# SPDX-License-Identifier: Apache-2.0
"""What is looked at and cleaned up from time to time, and what is changed later: events of long ago, what prunes give back,
disk use, ports of a container that is there, options of logs."""

import json
import re
import time
from urllib.parse import quote

import pytest

from support.node import eventually

HELLO = "wherry/hello"
SERVER = "while :; do nc -l -p 80 -e echo served; done"
MIB = 1 << 20


def test_events_of_long_ago(node):
    """More than Docker's 256 are kept, and they outlive the engine."""
    since = node.moment()
    node.docker("create", "--name", "eventful", HELLO)
    with node.connection() as conn:
        for i in range(300):
            conn.request("POST", "/v1.51/containers/eventful/rename?name=other" if i % 2 == 0 else "/v1.51/containers/other/rename?name=eventful")
            reply = conn.getresponse()
            assert (reply.status, reply.read()) == (204, b"")
    node.ssh("kill -9 $(pidof -s engine)")
    node.wait_engine()
    node.docker("rm", "eventful")
    seen = node.events(since, "type=container")
    assert seen[:301] == ["create", *["rename"] * 300]


def test_prunes_say_what_they_free(node):
    since = node.moment()
    node.docker("run", "--name", "fat", HELLO, "dd", "if=/dev/zero", "of=/fat", "bs=1M", "count=7")
    node.docker("run", "--rm", "-v", "fat:/v", HELLO, "dd", "if=/dev/zero", "of=/v/fat", "bs=1M", "count=5")
    df = {line["Type"]: line for line in map(json.loads, node.docker("system", "df", "--format", "json").stdout.splitlines())}
    assert df["Containers"]["TotalCount"] == "1" and df["Containers"]["Reclaimable"].startswith("7.34MB"), df
    assert df["Local Volumes"]["TotalCount"] == "1" and df["Local Volumes"]["Size"] == "5.243MB", df
    wordy = node.docker("system", "df", "-v").stdout
    assert "5.243MB" in wordy and "7.34MB" in wordy
    done = node.docker("container", "prune", "-f").stdout
    assert "Total reclaimed space: 7.34MB" in done, done
    assert "Total reclaimed space: 0B" in node.docker("volume", "prune", "-f").stdout, "a named volume is kept"
    done = node.docker("volume", "prune", "-af").stdout
    assert "fat" in done and "Total reclaimed space: 5.243MB" in done, done
    assert node.events(since, "event=prune", "type=volume") == ["prune", "prune"]


def test_build_cache_is_pruned(node, tmp_path):
    (tmp_path / "Dockerfile").write_text(f"FROM {HELLO}\nRUN dd if=/dev/zero of=/a bs=1M count=3\nRUN echo b >/b\n")
    env = {"DOCKER_BUILDKIT": "0"}
    node.docker("build", "-t", "cached", tmp_path, env=env)
    assert "Using cache" in node.docker("build", "-t", "cached", tmp_path, env=env).stdout
    status, done = node.api("POST", "/build/prune")
    assert status == 200 and done["SpaceReclaimed"] == 0, "what an image with a name is made of stays"
    df = lambda: node.api("GET", "/system/df")[1]  # noqa: E731
    kept = df()["BuildCache"]
    assert len(kept) == 2 and all(one["InUse"] and one["Shared"] for one in kept) and max(one["Size"] for one in kept) >= 3 * MIB, kept
    node.docker("tag", HELLO, "cached")
    freed = df()
    assert not any(one["InUse"] for one in freed["BuildCache"]) and len(freed["BuildCache"]) == 2
    assert [one["Description"] for one in freed["BuildCache"] if "dd if=/dev/zero" in one["Description"]], freed["BuildCache"]
    assert not {one["ID"] for one in freed["BuildCache"]} & {one["Id"] for one in freed["Images"]}, "counted once"
    shown = {line["Type"]: line for line in map(json.loads, node.docker("system", "df", "--format", "json").stdout.splitlines())}
    assert shown["Build Cache"]["TotalCount"] == "2" and shown["Build Cache"]["Size"] == shown["Build Cache"]["Reclaimable"] != "0B", shown
    status, done = node.api("POST", "/build/prune")
    assert status == 200 and len(done["CachesDeleted"]) == 2 and done["SpaceReclaimed"] >= 3 * MIB, done
    assert done["SpaceReclaimed"] == sum(one["Size"] for one in freed["BuildCache"])
    assert df()["BuildCache"] == []
    assert "Using cache" not in node.docker("build", "-t", "cached", tmp_path, env=env).stdout
    status, done = node.api("POST", "/build/prune?keep-storage=1000")
    assert status == 400 and "keep-storage" in done["message"]
    node.docker("rmi", "cached")
    node.docker("image", "prune", "-f")


def test_filters_of_lists_and_events(node):
    """The names that a reference asks for and no others; containers of an image by whatever name; ports in ranges; events of an
    image without its tag, and none of what is not there."""
    since = node.moment()
    node.docker("tag", HELLO, "afloat/one:1")
    node.docker("tag", HELLO, "ashore:1")
    names = lambda *words: node.docker("images", "--format", "{{.Repository}}:{{.Tag}}", *words).stdout.split()
    assert names("afloat/one") == names("--filter", "reference=afl*/o?e:[0-9]") == ["afloat/one:1"]
    assert names("afloat*") == []
    labels = [w for i in range(40) for w in ("--label", f"l{i}=1")]
    node.docker("create", "--name", "web7", "-p", "8080:80", *labels, "ashore:1")
    listed = lambda *words: node.docker("ps", "-a", "--format", "{{.Names}} {{.Image}}", *(w for f in words for w in ("-f", f))).stdout.split()
    for one in ("name=^/web[0-9]+$", "ancestor=afloat/one:1", "ancestor=" + HELLO, "publish=70-90/tcp"):
        assert listed("name=web", one) == ["web7", "ashore:1"], one
    assert listed("publish=81-90") == listed("name=^web$") == listed("name=web7", "ancestor=none") == []
    node.docker("tag", node.docker("commit", "web7").stdout.strip(), "ashore:1")
    assert listed("name=web7")[1] != "ashore:1", "another image has the name now"
    assert node.docker("network", "ls", "-f", "type=odd", check=False).returncode == 1
    assert "tag" in node.events(since, "image=ashore", "type=image") and "create" in node.events(since, "image=ashore", "type=container")
    assert node.events(since, "daemon=x") == [] and "create" in node.events(since, "label=l39=1")
    node.docker("rm", "web7")
    node.docker("rmi", "afloat/one:1", "ashore:1")


def test_images_say_their_platform(node, tmp_path):
    one = json.loads(node.docker("image", "inspect", HELLO).stdout)[0]
    here, other = (json.dumps({"os": "linux", "architecture": arch}) for arch in (one["Architecture"], "s390x"))
    listed = [i for i in node.api("GET", "/images/json?manifests=1")[1] if i["Id"] == one["Id"]]
    assert listed[0]["Manifests"] == [], "it came from no registry"
    assert "Manifests" not in node.api("GET", "/images/json")[1][0]
    saved = tmp_path / "saved.tar"
    node.docker("tag", HELLO, "afloat:1")
    node.docker("save", "-o", saved, "afloat:1")
    assert node.api("GET", f"/images/get?names=afloat:1&platform={quote(other)}")[0] == 404
    node.docker("tag", HELLO, "10.0.2.100:9/none:1")
    assert node.api("POST", f"/images/10.0.2.100:9/none/push?tag=1&platform={quote('x')}")[0] == 400
    status, done = node.api("POST", f"/images/10.0.2.100:9/none/push?tag=1&platform={quote(other)}")
    assert status == 404 and "s390x" in done["message"], done
    with node.connection() as conn:
        for platform, word in ((here, "Loaded image: afloat:1"), (other, "no image for linux/s390x")):
            conn.request("POST", f"/v1.51/images/load?platform={quote(platform)}", saved.read_bytes())
            assert word in conn.getresponse().read().decode()
    assert node.api("GET", f"/images/afloat:1/json?platform={quote(here)}")[0] == 200
    node.docker("rmi", "afloat:1", "10.0.2.100:9/none:1")


def test_options_of_logs(node):
    node.docker("run", "--name", "tagged", "--log-opt", "tag={{.Name}}/{{ .ImageName }}", "--log-opt", "labels=a", "--log-opt", "env=E",
                "--label", "a=1 2", "-e", "E=f", HELLO, "echo", "said")  # fmt: skip
    try:
        assert node.docker("logs", "--details", "tagged").stdout == "a=1%202,E=f,tag=tagged%2Fwherry%2Fhello said\n"
        assert node.docker("logs", "tagged").stdout == "said\n"
        for option, word in (("compress=maybe", "compress"), ("tag={{.Nonsense}}", "{{.FullID}}"), ("labels-regex=a.*", "labels-regex"),
                             ("env-regex=a.*", "env-regex"), ("gelf-address=x", "gelf-address")):  # fmt: skip
            refused = node.docker("create", "--log-opt", option, HELLO, check=False)
            assert refused.returncode != 0 and word in refused.stderr, refused
    finally:
        node.docker("rm", "-f", "tagged")


def test_logs_are_compressed(node):
    """What is full is packed beside the engine, reads as before from any place, also by zcat, and outlives a killed engine."""
    node.docker("run", "-d", "--name", "packed", "--log-opt", "compress=true", "--log-opt", "max-size=64k", "--log-opt", "max-file=5",
                HELLO, "seq", "100000", "200000")  # fmt: skip
    node.docker("wait", "packed")
    cid = node.docker("inspect", "-f", "{{.Id}}", "packed").stdout.strip()
    files = lambda: node.names(f"/data/engine/containers/{cid}/log")  # noqa: E731
    whole = lambda: len([f for f in files() if f.endswith(".out")]) == 1  # noqa: E731
    try:
        assert eventually(whole), files()
        assert len([f for f in files() if f.endswith(".out.gz")]) == 4 and not [f for f in files() if f.endswith(".new")], files()
        read = node.docker("logs", "packed").stdout.splitlines()[1:]  # the oldest segment may begin within a line
        assert read == [str(i) for i in range(200001 - len(read), 200001)] and len(read) > 30000
        assert node.docker("logs", "--tail", "9000", "packed").stdout.splitlines() == read[-9000:]
        stamps = node.docker("logs", "-t", "packed").stdout.splitlines()
        when = stamps[20000].split()[0]
        since, want = node.docker("logs", "-t", "--since", when, "packed").stdout.splitlines(), [s for s in stamps if s.split()[0] >= when]
        assert since[-len(want):] == want and len(since) - len(want) <= 1, "it begins with the rest of a line at most"
        oldest = min(int(f.split(".")[0]) for f in files())
        assert node.ssh(f"zcat /data/engine/containers/{cid}/log/{oldest}.out.gz | sed -n 2p").strip() == read[0]
        node.kill_engine()
        assert node.docker("logs", "packed").stdout.splitlines()[1:] == read
        node.docker("start", "packed")
        node.docker("wait", "packed")
        assert eventually(whole), files()
        assert node.docker("logs", "--tail", "30000", "packed").stdout.splitlines() == read[-30000:]
    finally:
        node.docker("rm", "-f", "packed")


# The disk stands still while it writes; whoever waits for that is ended, and says so once the disk goes on. Until then the shell has
# nothing to say, for it would wait as well.
FROZEN = "exec 2>/dev/null; echo begin; fsfreeze --freeze /d; timeout {} seq 100000 300000; rc=$?; fsfreeze --unfreeze /d; sleep 2; echo; echo rc=$rc"


@pytest.mark.parametrize("options", [[], ["-t"]], ids=["pipes", "terminal"])
def test_a_log_that_holds_nobody_up(node, options):
    run = lambda name, patience, *more: node.docker("run", "-d", "--name", name, "--privileged", "-v", "/data:/d", *options, *more, HELLO,
                                                    "sh", "-c", FROZEN.format(patience), timeout=60)  # fmt: skip
    try:
        run("waits", 10)
        node.docker("wait", "waits", timeout=90)
        assert "rc=143" in node.docker("logs", "waits").stdout.split()
        run("goes-on", 120, "--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=128k")
        node.docker("wait", "goes-on", timeout=180)
        said = node.docker("logs", "goes-on").stdout.replace("\r", "").split("\n")
        assert said[0] == "begin" and said[-2:] == ["rc=0", ""], said[-3:]
        numbers = [int(s) for s in said[1:-2] if s]
        # Whole lines in order; some were dropped, the first of them not, and that was counted.
        assert numbers == sorted(numbers) and len(numbers) < 200001 and set(numbers) <= set(range(100000, 300001))
        assert numbers[:8000] == list(range(100000, 108000))
        cid = node.docker("inspect", "-f", "{{.Id}}", "goes-on").stdout[:12]
        lost = re.findall(rf"container={cid} op=log lost_bytes=(\d+)", node.ssh("wherryctl logs engine"))
        assert sum(map(int, lost)) >= (200001 - len(numbers)) * 7, lost
    finally:
        node.docker("rm", "-f", "waits", "goes-on", check=False)


def test_a_non_blocking_log_outlives_its_engine(node):
    """Each line comes once, over kills of the engine and of the process in between."""
    node.docker("run", "-d", "--name", "flow", "--log-opt", "mode=non-blocking", HELLO, "sh", "-c",
                "i=0; while [ $i -lt 300 ]; do echo $i; echo e$i >&2; i=$((i+1)); sleep 0.05; "
                "[ $i != 150 ] || until [ -e /go ]; do sleep 0.1; done; done")  # fmt: skip
    try:
        time.sleep(2)
        node.kill_engine()
        time.sleep(1)
        node.ssh("kill -9 $(ps -o pid,args | awk '/engine_spil[l]/ {print $1}')")
        node.docker("exec", "flow", "touch", "/go")
        node.docker("wait", "flow")
        done = node.docker("logs", "flow")
        assert done.stdout.split() == [str(i) for i in range(300)] and done.stderr.split() == [f"e{i}" for i in range(300)]
        assert "engine_spill" not in node.ssh("ps -o args | grep -v grep")
    finally:
        node.docker("rm", "-f", "flow")


def served(node, port):
    return node.ssh(f"nc -w 3 127.0.0.1 {port} </dev/null", check=False).stdout == "served\n"


def bound(*ports):
    return {"PortBindings": {"80/tcp": [{"HostPort": str(port)} for port in ports]}}


def test_ports_are_changed_later(node):
    """POST update takes PortBindings, which Docker's own client has no words for."""
    cid = node.docker("run", "-d", "-p", "8123:80", HELLO, "sh", "-c", SERVER).stdout.strip()
    other = node.docker("run", "-d", "-p", "8130:80", HELLO, "sh", "-c", SERVER).stdout.strip()
    change = lambda body: node.api("POST", f"/containers/{cid}/update", body)  # noqa: E731
    try:
        assert eventually(lambda: served(node, 8123))
        assert change(bound(8124, 8125)) == (200, {"Warnings": []})
        assert eventually(lambda: served(node, 8124)) and eventually(lambda: served(node, 8125)) and not served(node, 8123)
        assert node.docker("port", cid, "80/tcp").stdout.splitlines() == ["0.0.0.0:8124", "0.0.0.0:8125"]
        # What cannot be had changes nothing.
        status, done = change(bound(8130))
        assert status >= 400 and "port is already allocated" in done["message"], done
        assert served(node, 8124) and served(node, 8130)
        assert change({"PortBindings": {"80/xtp": [{}]}})[0] == 400
        # It is the container's from now on.
        node.docker("restart", "-t", "0", cid)
        assert eventually(lambda: served(node, 8124))
        assert change({"PortBindings": {}})[0] == 200
        assert not served(node, 8124) and node.docker("port", cid).stdout == ""
        # Other updates leave the ports alone.
        assert change(bound(8126))[0] == 200
        node.docker("update", "--memory", "64m", "--memory-swap", "-1", cid)
        assert eventually(lambda: served(node, 8126))
    finally:
        node.docker("rm", "-f", cid, other)
