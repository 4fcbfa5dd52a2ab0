# SPDX-License-Identifier: Apache-2.0
"""Links on the default bridge (docker run --link), where nobody serves names: lines of /etc/hosts, variables, and names of containers."""

import json

import pytest

from support.node import eventually

HELLO = "wherry/hello"


@pytest.fixture
def docker(node):
    """The client; the containers of these scenarios are gone afterwards."""
    yield node.docker
    node.docker("rm", "-f", *node.docker("ps", "-aq").stdout.split(), "none", check=False)


def sleeper(docker, name, *options):
    return docker("run", "-d", "--name", name, *options, HELLO, "sleep", "1000").stdout.strip()


def inspect(docker, name, what):
    return json.loads(docker("inspect", "-f", "{{json ." + what + "}}", name).stdout)


def address(docker, name):
    return inspect(docker, name, "NetworkSettings.Networks.bridge.IPAddress")


def hosts(docker, name):
    return docker("exec", name, "cat", "/etc/hosts").stdout.splitlines()


@pytest.mark.parametrize("network", [(), ("--network", "default")], ids=["unsaid", "default"])
def test_what_is_linked_is_found_by_name(docker, network):
    sleeper(docker, "db", "--hostname", "fred", *network)
    sleeper(docker, "cache", *network)
    sleeper(docker, "web", "--link", "db:store", "--link", "cache", *network)
    ip, cache = address(docker, "db"), address(docker, "cache")
    short = inspect(docker, "cache", "Config.Hostname")
    assert {f"{ip}\tstore fred db", f"{cache}\tcache {short}"} <= set(hosts(docker, "web"))
    for name in ("store", "fred", "db", "cache"):
        docker("exec", "web", "ping", "-c1", "-W5", name)
    # who links nothing knows none of them
    assert docker("run", "--rm", *network, HELLO, "ping", "-c1", "-W1", "store", check=False).returncode == 1


def test_the_bridge_by_its_name(node, docker):
    """Which other clients than docker link on."""
    sleeper(docker, "db")
    host = {"NetworkMode": "bridge", "Links": ["db:store"]}
    body = {"Image": HELLO, "Cmd": ["ping", "-c1", "-W5", "store"], "HostConfig": host,
            "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Links": ["db:store"]}}}}  # fmt: skip
    status, said = node.api("POST", "/containers/create?name=web", body)
    assert status == 201 and said["Warnings"] == [], said
    assert address(docker, "db") in docker("start", "-a", "web").stdout
    assert inspect(docker, "web", "HostConfig.Links") == ["/db:/web/store"]
    # which nobody would make of an endpoint alone
    done = docker("network", "connect", "--link", "db:store", "bridge", "db", check=False)
    assert done.returncode == 1 and "bridge has no names for containers" in done.stderr, done


def test_variables(docker):
    sleeper(docker, "db", "--expose", "80-81", "--expose", "53/udp", "-e", "A=b=c", "-e", "EMPTY=")
    ip = address(docker, "db")
    said = docker("run", "--rm", "--name", "web", "--link", "db:my-store", "-e", "MY_STORE_PORT_81_TCP=mine", HELLO, "env").stdout.splitlines()
    assert {f"MY_STORE_PORT=tcp://{ip}:80", f"MY_STORE_PORT_80_TCP=tcp://{ip}:80", f"MY_STORE_PORT_80_TCP_ADDR={ip}", "MY_STORE_PORT_80_TCP_PORT=80",
            "MY_STORE_PORT_80_TCP_PROTO=tcp", "MY_STORE_PORT_80_TCP_PORT_END=81", f"MY_STORE_PORT_53_UDP=udp://{ip}:53",
            "MY_STORE_NAME=/web/my-store", "MY_STORE_ENV_A=b=c", "MY_STORE_ENV_EMPTY=", "MY_STORE_PORT_81_TCP=mine"} <= set(said), said  # fmt: skip
    assert f"MY_STORE_PORT_81_TCP=tcp://{ip}:81" not in said and not [line for line in said if line.startswith("MY_STORE_ENV_PATH")]
    # what is run in it later knows them, too, and a link whose container is gone holds nothing up
    sleeper(docker, "site", "--link", "db:store")
    assert "STORE_NAME=/site/store" in docker("exec", "site", "env").stdout.splitlines()
    docker("rm", "-f", "db")
    assert "STORE_NAME" not in docker("exec", "site", "env").stdout


def test_a_link_is_a_name(docker):
    db = sleeper(docker, "db")
    sleeper(docker, "web", "--link", "db:/store", "--link", "db")
    assert inspect(docker, "web", "HostConfig.Links") == ["/db:/web/store", "/db:/web/db"]
    assert inspect(docker, "db", "HostConfig.Links") is None
    shown = ("ps", "--no-trunc", "--format", "{{.Names}}")
    assert docker(*shown).stdout.splitlines() == ["web", "db,web/db,web/store"]
    assert docker(*shown, "--filter", "name=web/store").stdout.splitlines() == ["db,web/db,web/store"]
    assert docker("inspect", "-f", "{{.Id}}", "web/store").stdout.strip() == db
    docker("exec", "web/db", "true")
    # both ends may be called otherwise later
    docker("rename", "web", "site")
    docker("rename", "db", "base")
    assert inspect(docker, "site", "HostConfig.Links") == ["/base:/site/store", "/base:/site/db"]
    assert docker("inspect", "-f", "{{.Id}}", "site/store").stdout.strip() == db
    assert docker("inspect", "web/store", check=False).returncode != 0
    docker("exec", "site", "ping", "-c1", "-W5", "base")


def test_a_link_is_taken_away(docker):
    sleeper(docker, "db")
    sleeper(docker, "web", "--link", "db:store", "--link", "db:other")
    docker("exec", "web", "sh", "-c", "echo 1.2.3.4 written >>/etc/hosts")
    docker("rm", "--link", "web/store")
    assert inspect(docker, "web", "HostConfig.Links") == ["/db:/web/other"]
    said = hosts(docker, "web")
    assert not [line for line in said if "store" in line] and [line for line in said if "\tother " in line] and "1.2.3.4 written" in said, said
    done = docker("rm", "--link", "db", check=False)
    assert done.returncode == 1 and "cannot remove the default link name" in done.stderr, done
    done = docker("rm", "--link", "web/store", check=False)
    assert done.returncode == 1 and "No such container: web/store" in done.stderr, done
    docker("rm", "--link", "/web/other")
    assert inspect(docker, "web", "HostConfig.Links") is None
    assert docker("ps", "--format", "{{.Names}}").stdout.split() == ["web", "db"]


def test_an_address_that_changes(docker):
    """What is linked starts again, and its address is another's by then: who links it reads the new one, what somebody wrote stays."""
    sleeper(docker, "db")
    sleeper(docker, "web", "--link", "db:store", "--link", "db")
    sleeper(docker, "sharer", "--network", "container:web")
    docker("exec", "web", "sh", "-c", "echo 1.2.3.4 written >>/etc/hosts")
    before = address(docker, "db")
    docker("stop", "-t", "0", "db")
    sleeper(docker, "squatter")
    docker("start", "db")
    after = address(docker, "db")
    assert after != before
    for name in ("web", "sharer"):
        said = hosts(docker, name)
        assert [line.split("\t")[0] for line in said if "\tstore " in line or "\tdb " in line] == [after, after], said
        docker("exec", name, "ping", "-c1", "-W5", "store")
    assert "1.2.3.4 written" in hosts(docker, "web")


def test_what_is_linked_must_run(docker):
    docker("create", "--name", "first", HELLO, "sleep", "1000")
    docker("create", "--name", "second", "--link", "first:one", HELLO, "sleep", "1000")
    done = docker("start", "second", check=False)
    assert done.returncode == 1 and "Cannot link to a non running container: /first AS /second/one" in done.stderr, done
    docker("start", "first")
    docker("start", "second")
    docker("exec", "second", "ping", "-c1", "-W5", "one")
    docker("network", "create", "back")
    try:
        sleeper(docker, "apart", "--network", "back")
        done = docker("run", "--rm", "--link", "apart:x", HELLO, "true", check=False)
        assert done.returncode == 125 and "cannot link to /apart, as it does not belong to the default network" in done.stderr, done
    finally:
        docker("rm", "-f", "apart")
        docker("network", "rm", "back")
    # of one that is gone not even the name is left
    docker("rm", "-f", "first")
    docker("stop", "-t", "0", "second")
    assert "Cannot link to a non running container" in docker("start", "second", check=False).stderr


def test_what_cannot_be_linked(node, docker):
    db = sleeper(docker, "db")
    sleeper(docker, "on-node", "--network", "host")
    sleeper(docker, "sharer", "--network", "container:db")
    for link, words in [
        ("bogus:alias", "could not get container for bogus: No such container: bogus"),
        ("on-node:x", "host type networking can't be used with links. This would result in undefined behavior"),
    ]:  # fmt: skip
        done = docker("run", "--rm", "--link", link, HELLO, "true", check=False)
        assert done.returncode == 125 and words in done.stderr, (link, done)
    # what the client itself does not ask for
    for mode, words in [
        ("host", "host type networking can't be used with links. This would result in undefined behavior"),
        (f"container:{db}", "container type network can't be used with links. This would result in undefined behavior"),
        ("none", "none has no names for containers"),
    ]:  # fmt: skip
        status, said = node.api("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"NetworkMode": mode, "Links": ["db:x"]}})
        assert status == 400 and words in said["message"], (mode, status, said)
    # who is in another's network is linked as that other
    sleeper(docker, "web", "--link", "sharer:x")
    assert inspect(docker, "web", "HostConfig.Links") == ["/db:/web/x"]


def test_two_with_one_name(docker):
    """As in Docker the first of them counts; here whoever asks for that is told."""
    sleeper(docker, "one")
    sleeper(docker, "two")
    done = docker("create", "--name", "web", "--link", "one:up", "--link", "two:up", HELLO, "ping", "-c1", "-W5", "up")
    assert "Link two:up discarded" in done.stderr, done
    assert inspect(docker, "web", "HostConfig.Links") == ["/one:/web/up"]
    assert address(docker, "one") in docker("start", "-a", "web").stdout


def test_both_come_back_with_the_machine(make_node):
    """They are started at once when the node boots, and who links must not find that what it links is only about to run."""
    node = make_node()
    node.boot()
    sleeper(node.docker, "db", "--restart", "always")
    sleeper(node.docker, "web", "--restart", "always", "--link", "db:store")
    node.stop()
    node.boot()
    for name in ("db", "web"):
        assert eventually(lambda name=name: inspect(node.docker, name, "State.Running"), 60), inspect(node.docker, name, "State")
    assert [line for line in hosts(node.docker, "web") if line.startswith(address(node.docker, "db") + "\tstore ")]
    # and an engine that dies changes nothing
    node.kill_engine()
    assert inspect(node.docker, "web", "HostConfig.Links") == ["/db:/web/store"]
    node.docker("restart", "-t", "0", "db")
    assert [line for line in hosts(node.docker, "web") if line.startswith(address(node.docker, "db") + "\tstore ")]
