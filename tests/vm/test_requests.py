# SPDX-License-Identifier: Apache-2.0
"""Requests by hand: what Docker's API has and this engine has not is refused by name, and nothing is ignored.

Clients refuse some of it by themselves, so these are the engine's own words.
"""

import io
import tarfile
import urllib.parse
import uuid

import pytest

from support import api

HELLO = "wherry/hello"


def query(path, **parameters):
    return f"{path}?" + urllib.parse.urlencode(parameters, doseq=True)


def created(**host):
    return "POST", "/containers/create", {"Image": HELLO, "HostConfig": host}


def context():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("Dockerfile")
        text = f"FROM {HELLO}\n".encode()
        info.size = len(text)
        t.addfile(info, io.BytesIO(text))
    return out.getvalue()


def build(**parameters):
    return "POST", query("/build", **parameters), context()


BIND = {"Type": "bind", "Source": "/run", "Target": "/r"}
REFUSED = [
    (build(squash="1"), 501, "--squash is not supported"),
    (build(outputs='[{"Type":"local"}]'), 501, "--output needs BuildKit"),
    (build(session="x"), 501, "BuildKit session"),
    (build(securityopt='["seccomp=unconfined"]'), 501, "--security-opt is not supported"),
    (build(version="2"), 501, "BuildKit is not supported"),
    (build(version="3"), 400, "invalid version 3"),
    (build(isolation="hyperv"), 400, "invalid isolation hyperv"),
    (build(ulimits="{"), 400, "ulimits is malformed"),
    (build(buildargs="[]"), 400, "buildargs is malformed"),
    (build(t=[f"t{i}" for i in range(64)]), 400, "t is there more than 63 times"),
    (created(Mounts=[{**BIND, "VolumeOptions": {"NoCopy": True}}]), 400, "field VolumeOptions must not be specified"),
    (created(Mounts=[{**BIND, "BindOptions": {"Propagation": "shred"}}]), 400, 'invalid propagation "shred"'),
    (created(Mounts=[{**BIND, "ReadOnly": "true"}]), 400, "HostConfig.Mounts.ReadOnly must be true or false"),
    (created(Mounts=[{**BIND, "VolumeOptions": {}}]), 400, "field VolumeOptions must not be specified"),
    (created(Mounts=[{"Type": "cluster", "Source": "x", "Target": "/r"}]), 400, 'invalid mount config for type "cluster": mount type unknown'),
    (created(Mounts=[{"Type": "bind", "Source": "/run"}]), 400, "field Target must not be empty"),
    (created(Mounts=[{"Type": "bind", "Target": "/r"}]), 400, "field Source must not be empty"),
    (created(Binds=["vol:/r:shared"]), 400,
     "invalid volume specification: 'vol:/r:shared': invalid mount config for type \"volume\": field BindOptions must not be specified"),
    (created(Binds=["/run:/r:nocopy"]), 400, 'invalid mount config for type "bind": field VolumeOptions must not be specified'),
    (created(Binds=["/run:/proc/sys"]), 400, '"/proc/sys" cannot be mounted because it is inside /proc'),
    (("POST", "/containers/create", {"Image": HELLO, "Volumes": {"/proc//sys": {}}}), 400, '"/proc/sys" cannot be mounted'),
    (created(Binds=["/run:/r"], Tmpfs={"/r": ""}), 400, "Duplicate mount point: /r"),
    (created(Tmpfs={"r": ""}), 400, "invalid mount path: 'r' mount path must be absolute"),
    (created(Tmpfs={"//": ""}), 400, "invalid specification: destination can't be '/'"),
    (("POST", "/containers/create", {"Image": HELLO, "Env": ["=foo"]}), 400, "invalid environment variable: =foo"),
    (("POST", "/containers/create", {"Hostname": ""}), 400, "no command specified"),
    (created(Annotations={"": "a"}), 400, "invalid Annotations: the empty string is not permitted as an annotation key"),
    (created(CpuShares=-1), 400, "invalid CPU shares (-1): value must be a positive integer"),
    (created(CpuPeriod=10), 400, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
    (created(CpuQuota=10), 400, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    (created(CpusetCpus="1-42,,"), 400, "Invalid value 1-42,, for cpuset cpus"),
    (created(CpusetMems="42-3,1--"), 400, "Invalid value 42-3,1-- for cpuset mems"),
    (created(CpusetMems="5"), 400, "Requested memory nodes are not available - requested 5, available: 0"),
    (created(MemoryReservation=1 << 20), 400, "Minimum memory reservation allowed is 6MB"),
    (created(IpcMode="invalid"), 400, "invalid IPC mode: invalid"),
    (created(PidMode="container:nobody"), 400, "No such container: nobody"),
    (created(IpcMode="container:nobody"), 400, "No such container: nobody"),
    (created(RestartPolicy={"Name": "always", "MaximumRetryCount": 2}), 400,
     "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    (created(SecurityOpt=["unknown=yes"]), 400, 'invalid --security-opt 2: "unknown=yes"'),
    (created(PortBindings={"80/tcp": [{"HostPort": 8080}]}), 400, "PortBindings.HostPort must be a string"),
    (created(Dns=["1.1.1.1"] * 65), 400, "HostConfig.Dns has more than 64 members"),
    (("POST", "/containers/create", {"Image": HELLO, "HostConfig": "x"}), 400, "HostConfig must be an object"),
    (("POST", "/containers/create", {"Image": HELLO, "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Links": ["a:b"]}}}}), 400,
     "links (--link) need a network of your own"),
    (created(Links=["a:b"]), 400, "could not get container for a: No such container: a"),
    (created(Links=["a:b:c"]), 400, 'invalid link "a:b:c"'),
    (created(Links=["a:b"], NetworkMode="none"), 400, "links (--link) need a network of your own"),
    (created(Links=["a:b"], NetworkMode="host"), 400, "host type networking can't be used with links"),
    (("DELETE", "/containers/a/b?link=1", None), 404, "No such container: a/b"),
    (("GET", "/containers/a/nonsense", None), 404, "page not found"),
    (("POST", "/networks/create", {"Name": "n", "EnableIPv6": "true"}), 400, "EnableIPv6 must be true or false"),
    (("POST", "/networks/create", {"Name": "n", "Ingress": True}), 400, "Ingress is for networks of a swarm"),
    (("POST", "/networks/create", {"Name": "n", "Scope": "global"}), 400, "Scope can only be local"),
    (("POST", "/networks/create", {"Name": "n", "IPAM": {"Config": [{"Subnett": "10.1.0.0/24"}]}}), 400, "IPAM.Config.Subnett is no option"),
    (("POST", "/containers/create", {"Image": HELLO, "NetworkingConfig": {"EndpointsConfig": {"bridge": {"IPAMConfig": {
        "LinkLocalIPs": ["10.0.0.9"]}}}}}), 400, 'invalid link-local IP address "10.0.0.9"'),
    (("GET", "/networks/bridge?scope=swarm", None), 404, "its scope is local"),
    (("POST", "/volumes/create", {"Name": "v", "Labels": {"a": 1}}), 400, "Labels must be an object of strings"),
    (("POST", "/volumes/create", {"Name": "v", "Driver": "flocker"}), 404,
     'create v: error looking up volume plugin flocker: plugin "flocker" not found'),
    (created(LogConfig={"Type": "asdf"}), 400, "logger: no log driver named 'asdf' is registered"),
    (created(VolumeDriver="flocker", Binds=["vol:/a"]), 400, 'create vol: error looking up volume plugin flocker: plugin "flocker" not found'),
    (("POST", "/volumes/create", {"Name": "v", "ClusterVolumeSpec": {"Group": "g"}}), 400, "ClusterVolumeSpec is for volumes of a swarm"),
    (("PUT", "/volumes/v?version=1", {}), 501, "only volumes of a swarm can be updated"),
    (("GET", "/system/df?type=nonsense", None), 400, "unknown object type: nonsense"),
    (("DELETE", query(f"/images/{HELLO}", platforms='{"os":"linux","architecture":"s390x"}'), None), 404,
     "does not match the specified platform (linux/s390x)"),
    (("GET", query("/images/json", filters='{"until":["nonsense"]}'), None), 400, "invalid until"),
    (("GET", query("/images/json", filters='{"nonsense":["x"]}'), None), 400, "nonsense"),
    (("POST", query("/images/prune", filters='{"dangling":["nonsense"]}'), None), 400, "invalid filter 'dangling=nonsense'"),
    (("GET", query("/containers/json", filters='{"status":["ran"]}'), None), 400, "invalid filter 'status=ran'"),
    (("GET", query("/images/get", names=[HELLO] * 128), None), 400, "names is there more than 127 times"),
    (("GET", "/images/a/nonsense", None), 404, "page not found"),
    (("GET", "/events?since=1200&until=1100", None), 400, "`since` time (1200) cannot be after `until` time (1100)"),
    (("PUT", "/containers/json", None), 404, "page not found"),
    (("POST", f"/images/{HELLO}/tag?repo=sha256&tag=some", None), 400,
     "refusing to create an ambiguous tag using digest algorithm as name"),
    (("POST", f"/images/{HELLO}/tag?repo=a@sha256:{'0' * 64}", None), 400, "refusing to create a tag with a digest reference"),
    (build(t="sha256:some"), 400, "refusing to create an ambiguous tag using digest algorithm as name"),
    (build(platform="foobar"), 400, '"foobar": unknown operating system or architecture'),
    (("POST", "/images/create?fromImage=a&platform=foobar", None), 400, '"foobar": unknown operating system or architecture'),
    (("POST", "/images/create?fromSrc=-&platform=nintendo64", b""), 400, '"nintendo64": unknown operating system or architecture'),
    (("POST", "/images/create?fromSrc=-&platform=%2F", b""), 400, '"" is an invalid OS component of "/"'),
    (("POST", "/images/create?fromSrc=-&platform=macos", b""), 400, "operating system is not supported"),
    (("POST", "/images/create?fromSrc=-&platform=macos%2Farm64", b""), 400, "operating system is not supported"),
    (("POST", "/images/create?fromSrc=-&repo=sha256&tag=some", b""), 400,
     "refusing to create an ambiguous tag using digest algorithm as name"),
    (("GET", "/images/search?term=x", None), 501, "searching registries is not supported"),
    (("POST", "/plugins/pull?remote=x", None), 404, "Wherry has no plugins"),
    (("POST", "/swarm/init", {}), 503, "Wherry has no swarm mode"),
    (("GET", "/tasks", None), 503, "Wherry has no swarm mode"),
    (("POST", "/session", None), 501, "BuildKit sessions are not supported"),
]  # fmt: skip


def test_what_is_not_done_is_refused_by_name(node):
    wrong = []
    for (method, path, body), status, words in REFUSED:
        got, reply = api.call(node, method, path, body)
        if got != status or not isinstance(reply, dict) or words not in reply.get("message", ""):
            wrong.append(f"{method} {path[:100]}: {got} {reply}")
    assert not wrong, "\n".join(wrong)
    assert node.docker("ps", "-aq").stdout == ""


@pytest.mark.parametrize("version", ["1.51", "1.24", ""])
def test_what_no_page_answers(node, version):
    """A method that a page has not is no page either; what methods there are may be asked of every path."""
    for method, path in (("GET", "/nothing"), ("GET", "/containers/a/nonsense"), ("PUT", "/containers/json"), ("DELETE", "/info")):
        assert api.call(node, method, path, version=version) == (404, {"message": "page not found"}), (method, path)
    for path in ("/", "/containers/json", "/nothing"):
        assert api.call(node, "OPTIONS", path, version=version)[0] == 200, path


@pytest.mark.parametrize("version", ["1.24", "1.40", ""])
def test_a_life_in_the_words_of_older_clients(node, version):
    """The paths, bodies and answers that every version has; without one it is the newest."""
    def ask(method, path, body=None, want=200):
        status, reply = api.call(node, method, path, body, version=version)
        assert status == want, (method, path, status, reply)
        return reply

    assert ask("GET", "/_ping") == b"OK"
    said = ask("GET", "/version")
    assert (said["ApiVersion"], said["MinAPIVersion"]) == ("1.51", "1.24")
    made = ask("POST", "/containers/create?name=elder", {
        "Image": HELLO, "Cmd": ["sh", "-c", "echo out; echo err >&2; read x; exit 3"], "OpenStdin": True, "Labels": {"by": "hand"},
        "HostConfig": {"Memory": 64 << 20, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}}, 201)  # fmt: skip
    cid = made["Id"]
    try:
        ask("POST", f"/containers/{cid}/start", want=204)
        ask("POST", "/containers/elder/start", want=304)
        shown = ask("GET", "/containers/elder/json")
        assert shown["State"]["Running"] and shown["Name"] == "/elder" and shown["HostConfig"]["Memory"] == 64 << 20
        listed = ask("GET", "/containers/json?" + urllib.parse.urlencode({"filters": '{"label":["by=hand"]}'}))
        assert [one["Id"] for one in listed] == [cid] and listed[0]["State"] == "running"
        asked = ask("POST", "/containers/elder/exec", {"Cmd": ["sh", "-c", "echo exec; exit 5"], "AttachStdout": True}, 201)["Id"]
        assert ask("POST", f"/exec/{asked}/start", {"Detach": False, "Tty": False}) == b"\1\0\0\0\0\0\0\5exec\n"
        assert ask("GET", f"/exec/{asked}/json")["ExitCode"] == 5
        assert ask("GET", "/containers/elder/top")["Processes"]
        assert ask("GET", "/containers/elder/stats?stream=false")["memory_stats"]["limit"] == 64 << 20
        ask("POST", "/containers/elder/pause", want=204)
        ask("POST", "/containers/elder/unpause", want=204)
        ask("POST", "/containers/elder/kill?signal=KILL", want=204)
        assert ask("POST", "/containers/elder/wait")["StatusCode"] == 137
        lines = ask("GET", "/containers/elder/logs?stdout=1&stderr=1")
        assert b"\1\0\0\0\0\0\0\4out\n" in lines and b"\2\0\0\0\0\0\0\4err\n" in lines
    finally:
        ask("DELETE", f"/containers/{cid}?force=1&v=1", want=204)
    ask("GET", "/containers/elder/json", want=404)


def test_what_older_versions_make_of_a_container(node):
    """Until 1.40 others may join its IPC, and until 1.44 it is made in one network."""
    def make(version, **more):
        return api.call(node, "POST", "/containers/create?name=elder", {"Image": HELLO, "Cmd": ["true"], **more}, version=version)

    try:
        for version, mode in (("1.39", "shareable"), ("1.40", "private")):
            status, reply = make(version)
            assert status == 201, reply
            assert api.call(node, "GET", "/containers/elder/json")[1]["HostConfig"]["IpcMode"] == mode
            node.docker("rm", "elder")
        networks = {"EndpointsConfig": {"side1": {}, "side2": {}}}
        status, reply = make("1.43", NetworkingConfig=networks)
        assert status == 400 and reply["message"] == "Container cannot be created with multiple network endpoints: side1, side2", reply
        # they may come later, but for the start they are to be there
        status, reply = make("1.44", NetworkingConfig=networks)
        assert status == 201, reply
        status, reply = api.call(node, "POST", "/containers/elder/start")
        assert status == 500 and "network side1 not found" in reply["message"], reply
        node.docker("network", "create", "side1")
        node.docker("network", "create", "side2")
        assert node.docker("start", "-a", "elder", check=False).returncode == 0
        assert set(api.call(node, "GET", "/containers/elder/json")[1]["NetworkSettings"]["Networks"]) == {"side1", "side2"}
    finally:
        node.docker("rm", "-f", "elder", check=False)
        node.docker("network", "rm", "side1", "side2", check=False)


def test_versions_that_are_not_spoken(node):
    for version, words in (("1.23", "client version 1.23 is too old. Minimum supported API version is 1.24"),
                           ("1.52", "client version 1.52 is too new. Maximum supported API version is 1.51")):  # fmt: skip
        status, reply = api.call(node, "GET", "/containers/json", version=version)
        assert status == 400 and words in reply["message"], reply
    assert node.docker("run", "--rm", HELLO, "echo", "as asked", env={"DOCKER_API_VERSION": "1.40"}).stdout == "as asked\n"


@pytest.mark.parametrize("path", ["/commit", "/auth", "/containers/create", "/containers/nobody/exec", "/containers/nobody/update",
                                  "/exec/nobody/start", "/networks/create", "/networks/nothing/connect", "/networks/nothing/disconnect",
                                  "/volumes/create"])  # fmt: skip
def test_bodies_that_are_no_json(node, path):
    """Looked at before anything else is, in Docker's words."""
    json_type = "application/json"
    volumes = node.docker("volume", "ls", "-q").stdout
    for body, kind, words in [
        ("{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        ("{}", "application/jsonx", "unsupported Content-Type header (application/jsonx): must be 'application/json'"),
        ("{}", None, "malformed Content-Type header (): mime: no media type"),
        ("{invalid json", json_type, "invalid JSON: invalid character 'i' looking for beginning of object key string"),
        ("{} trailing content", json_type + "; charset=utf-8", "unexpected content after JSON"),
        ('{"a":', json_type, "invalid JSON: unexpected EOF"),
    ]:
        status, reply = api.call(node, "POST", path, body.encode(), {"Content-Type": kind} if kind else {})
        if path == "/auth" and "Content-Type" in words:  # there Docker does not look at it
            assert "Content-Type" not in reply["message"], reply
        else:
            assert (status, reply["message"]) == (400, words), (body, kind)
    assert node.docker("volume", "ls", "-q").stdout == volumes
    status, reply = api.call(node, "POST", path, b"", {"Content-Type": json_type})
    assert status < 500, reply
    if status == 201:
        node.docker("volume", "rm", reply["Name"])


def test_every_answer_says_whose_it_is(node):
    node.docker("run", "-d", "--name", "asked", HELLO, "sleep", "1000")
    made = api.call(node, "POST", "/containers/asked/exec", {"Cmd": ["true"], "AttachStdout": True})[1]["Id"]
    try:
        for method, path, body, status in [
            ("GET", "/v1.51/_ping", None, 200), ("HEAD", "/_ping", None, 200), ("GET", "/v1.24/containers/json", None, 200),
            ("GET", "/v1.51/containers/nobody/json", None, 404), ("GET", "/v1.99/version", None, 400), ("GET", "/nothing", None, 404),
            ("GET", "/v1.51/containers/asked/export", None, 200), ("POST", f"/v1.51/exec/{made}/start", "{}", 200),
        ]:  # fmt: skip
            with node.connection() as conn:
                conn.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                reply = conn.getresponse()
                told = [reply.headers[name] for name in ("Api-Version", "Ostype", "Docker-Experimental")]
            assert (reply.status, told) == (status, ["1.51", "linux", "false"]), (method, path)
            assert reply.headers["Server"].startswith("Docker/") and reply.headers["Server"].endswith(" (linux)"), (method, path)
    finally:
        node.docker("rm", "-f", "asked")


def test_info(node):
    """The node's id is a UUID, and stays; what clients of before 1.25 read beside it."""
    def info(version):
        status, reply = api.call(node, "GET", "/info", version=version)
        assert status == 200, reply
        return reply

    new, old = info("1.51"), info("1.24")
    assert str(uuid.UUID(new["ID"])) == new["ID"] == old["ID"] == info("1.25")["ID"]
    assert "ExecutionDriver" not in new and "ExecutionDriver" not in info("1.25")
    assert old["ExecutionDriver"] == "<not supported>"
    assert [one.split(",")[0] for one in new["SecurityOptions"]] == [f"name={one}" for one in old["SecurityOptions"]]
    node.kill_engine()
    assert info("1.51")["ID"] == new["ID"]


def test_the_sockets_mode(node):
    """Root's and its group's, nobody else's."""
    assert node.ssh("stat -c '%F %a %u:%g' /run/docker.sock") == "socket 660 0:0\n"


def test_members_of_a_running_containers_requests(node):
    """Exec and commit: their types are checked, too."""
    node.docker("run", "-d", "--name", "asked", HELLO, "sleep", "1000")
    try:
        for method, path, body, words in [
            ("POST", "/containers/asked/exec", {"Cmd": ["true"], "Tty": "yes"}, "Tty must be true or false"),
            ("POST", "/containers/asked/exec", {"Cmd": "true"}, "Cmd must be a list of strings"),
            ("POST", "/commit?container=asked", {"Cmd": 5}, "Cmd must be a string or a list"),
            ("POST", "/containers/asked/update", {"Memory": "64m"}, "Memory must be a whole number"),
            ("POST", "/containers/asked/update", {"Privileged": True}, "cannot be changed"),
        ]:
            status, reply = api.call(node, method, path, body)
            assert status == 400 and words in reply["message"], (path, body, status, reply)
        # as clients send it: members of their own beside Docker's
        status, reply = api.call(node, "POST", "/containers/asked/exec", {"Cmd": ["true"], "Container": "asked", "Detach": True})
        assert status == 201, reply
    finally:
        node.docker("rm", "-f", "asked")


def test_names_of_members_in_any_case(node):
    """As Docker's decoder takes them, in every body; names that are data stay as they are."""
    def ask(path, body, want=201):
        status, reply = api.call(node, "POST", path, body)
        assert status == want, (path, body, status, reply)
        return reply

    cid = ask("/containers/create", {"image": HELLO, "CMD": ["sleep", "1000"], "labels": {"Image": "a", "image": "b"},
                                     "hostconfig": {"memory": 64 << 20, "tmpfs": {"/Cased": ""}}})["Id"]  # fmt: skip
    try:
        shown = api.call(node, "GET", f"/containers/{cid}/json")[1]
        assert shown["Config"]["Cmd"] == ["sleep", "1000"] and {("Image", "a"), ("image", "b")} <= set(shown["Config"]["Labels"].items())
        assert shown["HostConfig"]["Memory"] == 64 << 20 and shown["HostConfig"]["Tmpfs"] == {"/Cased": ""}
        ask(f"/containers/{cid}/start", None, 204)
        ask(f"/containers/{cid}/update", {"pidslimit": 33}, 200)
        assert api.call(node, "GET", f"/containers/{cid}/json")[1]["HostConfig"]["PidsLimit"] == 33
        made = ask(f"/containers/{cid}/exec", {"cmd": ["cat"], "attachStdin": True, "tty": True, "detachKeys": "ctrl-x"})["Id"]
        shown = api.call(node, "GET", f"/exec/{made}/json")[1]
        assert (shown["DetachKeys"], shown["OpenStdin"], shown["ProcessConfig"]["tty"]) == ("ctrl-x", True, True), shown
        ask(f"/exec/{made}/start", {"detach": True}, 200)
        ask("/networks/create", {"name": "cased", "internal": True, "labels": {"name": "a"}})
        shown = api.call(node, "GET", "/networks/cased")[1]
        assert (shown["Internal"], shown["Labels"]) == (True, {"name": "a"}), shown
        ask("/networks/cased/connect", {"container": cid, "endpointconfig": {"aliases": ["Other"]}}, 200)
        assert "Other" in api.call(node, "GET", f"/containers/{cid}/json")[1]["NetworkSettings"]["Networks"]["cased"]["Aliases"]
        ask("/networks/cased/disconnect", {"container": cid, "force": True}, 200)
        assert ask("/volumes/create", {"name": "cased", "labels": {"name": "a"}})["Labels"] == {"name": "a"}
        assert "image is no option" in ask("/containers/create", {"image": "nowhere", "Image": HELLO}, 400)["message"]  # the exact one is taken
    finally:
        node.docker("rm", "-f", cid)
        node.docker("network", "rm", "cased", check=False)
        node.docker("volume", "rm", "cased", check=False)


@pytest.mark.parametrize("parameters, shared", [("", False), ("?shared-size=1", True)])
def test_sizes_that_images_share(node, parameters, shared):
    node.docker("run", "--name", "grown", HELLO, "sh", "-c", "head -c 100000 /dev/zero >/f")
    try:
        node.docker("commit", "grown", "grown:1")
        node.docker("rm", "grown")
        seen = {tag: image for image in api.call(node, "GET", f"/images/json{parameters}")[1] for tag in image["RepoTags"]}
        base, grown = seen[f"{HELLO}:latest"], seen["grown:1"]
        if shared:
            assert base["SharedSize"] == base["Size"] == grown["SharedSize"] < grown["Size"]
            df = api.call(node, "GET", "/system/df?type=image")[1]
            assert df["LayersSize"] == grown["Size"], "each layer is counted once"
        else:
            assert base["SharedSize"] == grown["SharedSize"] == -1
    finally:
        node.docker("rm", "-f", "grown", check=False)
        node.docker("rmi", "-f", "grown:1", check=False)
