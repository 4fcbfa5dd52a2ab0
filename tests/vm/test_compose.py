# SPDX-License-Identifier: Apache-2.0
"""docker compose v2, Debian's, unmodified: an application from its file, through the life of it."""

import json
import urllib.request
from pathlib import Path

import pytest

from support import leaks, stack
from support.compose import Compose
from support.node import eventually

FILE = """
name: boat
services:
  db:
    image: {ref}
    command: sh -c 'sleep 2; echo up >/data/ready; exec sleep 1000'
    healthcheck: {{test: ["CMD", "cat", "/data/ready"], interval: 1s, timeout: 5s, retries: 60}}
    volumes: [data:/data]
    networks: {{back: {{aliases: [database]}}}}
  web:
    image: {ref}
    command: httpd -f -p 80 -h /www
    depends_on: {{db: {{condition: service_healthy}}}}
    ports: ["8090:80"]
    environment: {{GREETING: "from ${{WHO:-nobody}}"}}
    configs: [{{source: page, target: /www/index.html}}]
    secrets: [token]
    links: ["db:store"]
    networks: [front, back]
  worker:
    image: {ref}
    command: sh -c 'echo working; exec sleep 1000'
    networks: [back]
    init: false
  tool:
    image: {ref}
    command: echo tool ran
    profiles: [tools]
networks:
  front: {{driver_opts: {{com.docker.network.driver.mtu: "1400"}}}}
  back: {{internal: true, ipam: {{config: [{{subnet: 10.77.0.0/24}}]}}}}
volumes:
  data: {{labels: {{what: ready}}}}
configs:
  page: {{file: /data/boat/page.html}}
secrets:
  token: {{file: /data/boat/token}}
"""

# A folder of the client's; what it mounts is of the same path on the node.
AT_HOME = """
name: home
services:
  web:
    image: {ref}
    command: sh -c 'cat /page /run/secrets/token /html/index.html; busybox date +%Z'
    volumes: ["./html:/html", "/etc/localtime:/etc/localtime:ro"]
    configs: [{{source: page, target: /page}}]
    secrets: [token]
configs:
  page: {{file: ./page.html}}
secrets:
  token: {{file: ./token}}
"""


@pytest.fixture(scope="module")
def host(session_dir, tmp_path_factory):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    node, registry = stack.boot(nodes, tmp_path_factory.mktemp("compose"), forward=(8090,))
    node.ref = registry.push("app/base", "1", stack.busybox())
    # The engine mounts files of its own node: compose only names them.
    node.ssh("mkdir -p /data/boat && echo '<p>a page</p>' >/data/boat/page.html && echo s3cret >/data/boat/token")
    yield node
    registry.stop()
    nodes.end()


@pytest.fixture
def compose(host, tmp_path):
    """A project in a folder of its own, and a look at what it leaves on the node. Images stay."""
    (tmp_path / "compose.yaml").write_text(FILE.format(ref=host.ref))
    made = Compose(host, tmp_path)
    made("pull", "-q")
    with leaks.checked(host):
        yield made
        made("--profile", "tools", "down", "-v", "--remove-orphans", "-t", "1")
    assert "boat" not in host.docker("network", "ls", "--format", "{{.Name}}").stdout + host.docker("volume", "ls", "-q").stdout


def page(node):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.env['WHERRY_TCP_8090']}/", timeout=5) as reply:
            return reply.read().decode()
    except OSError:
        return None


def names(compose, *more):
    return sorted(json.loads(line)["Name"] for line in compose("ps", "--format", "json", *more).stdout.splitlines())


def test_config(compose):
    shown = json.loads(compose("config", "--format", "json").stdout)
    assert sorted(shown["services"]) == ["db", "web", "worker"]
    assert compose("config", "--services", "--profiles").stdout
    broken = compose("-f", "nowhere.yaml", "config", check=False)
    assert broken.returncode != 0


def test_an_application_lives(compose, host):
    compose("up", "-d", "--wait", WHO="us")
    assert names(compose) == ["boat-db-1", "boat-web-1", "boat-worker-1"]
    assert eventually(lambda: page(host) == "<p>a page</p>\n")
    # It waited for the health of what it depends on.
    started = json.loads(host.docker("inspect", "boat-web-1").stdout)[0]["State"]["StartedAt"]
    healthy = json.loads(host.docker("inspect", "boat-db-1").stdout)[0]["State"]
    assert healthy["Health"]["Status"] == "healthy" and healthy["StartedAt"] < started

    assert compose("exec", "-T", "web", "sh", "-c", "echo $GREETING; cat /run/secrets/token").stdout == "from us\ns3cret\n"
    assert "10.77.0." in compose("exec", "-T", "web", "nslookup", "store").stdout  # the link
    found = compose("exec", "-T", "web", "nslookup", "database").stdout
    assert "10.77.0." in found
    assert compose("exec", "-T", "web", "sh", "-c", "exit 7", check=False).returncode == 7
    assert compose("run", "--rm", "-T", "worker", "echo", "once").stdout == "once\n"
    assert "working" in compose("logs", "worker").stdout
    assert compose("port", "web", "80").stdout.strip().endswith(":8090")

    # Nothing changed: nothing is made anew.
    ids = host.docker("ps", "-q", "--no-trunc").stdout.split()
    compose("up", "-d", WHO="us")
    assert sorted(host.docker("ps", "-q", "--no-trunc").stdout.split()) == sorted(ids)
    # One changes: that one alone.
    compose("up", "-d", WHO="them")
    assert compose("exec", "-T", "web", "sh", "-c", "echo $GREETING").stdout == "from them\n"
    assert host.docker("inspect", "-f", "{{.Id}}", "boat-db-1").stdout.strip() in ids

    compose("up", "-d", "--scale", "worker=3", "--no-recreate", WHO="them")
    assert len([n for n in names(compose) if "worker" in n]) == 3
    # Every one of them is behind the name.
    answers = compose("exec", "-T", "web", "nslookup", "worker").stdout
    assert answers.count("10.77.0.") >= 3
    compose("scale", "worker=1")
    assert len([n for n in names(compose) if "worker" in n]) == 1

    compose("restart", "-t", "1", "web")
    assert eventually(lambda: page(host))
    compose("stop", "-t", "1", "worker")
    assert names(compose) == ["boat-db-1", "boat-web-1"]
    compose("start", "worker")
    compose("pause", "worker")
    compose("unpause", "worker")
    compose("kill", "worker")
    compose("rm", "-f", "worker")
    assert names(compose, "-a") == ["boat-db-1", "boat-web-1"]

    # The volume stays with a plain down.
    compose("down", "-t", "1")
    assert host.docker("volume", "ls", "-q", "--filter", "label=what=ready").stdout.strip() == "boat_data"


def test_profiles(compose):
    assert "tool" not in compose("config", "--services").stdout
    done = compose("--profile", "tools", "run", "--rm", "-T", "tool")
    assert done.stdout == "tool ran\n"


def test_up_attached_shows_output_and_ends_with_its_container(compose):
    done = compose("--profile", "tools", "up", "--abort-on-container-exit", "--exit-code-from", "tool", "tool")
    assert "tool ran" in done.stdout


BUILT = """
name: hull
services:
  hull: {{build: ., image: "{ref}", command: cat /built}}
"""


def test_push_and_pull(host, tmp_path):
    """What compose has built goes to the registry, and comes back from there."""
    ref = host.ref.replace("app/base", "app/hull")
    (tmp_path / "compose.yaml").write_text(BUILT.format(ref=ref))
    (tmp_path / "Dockerfile").write_text(f"FROM {host.ref}\nRUN echo by compose >/built\n")
    hull = Compose(host, tmp_path)
    try:
        hull("build")
        made = host.docker("inspect", "-f", "{{.Id}}", ref).stdout
        hull("push")
        host.docker("rmi", "-f", ref)
        hull("pull")
        assert host.docker("inspect", "-f", "{{.Id}}", ref).stdout == made
        assert hull("run", "--rm", "-T", "--no-deps", "hull").stdout == "by compose\n"
    finally:
        hull("down", "-t", "1", check=False)
        host.docker("rmi", "-f", ref, check=False)


def test_cp(compose, tmp_path):
    (tmp_path / "given").write_text("from here\n")
    compose("up", "-d", "worker")
    compose("cp", "given", "worker:/tmp/given")
    assert compose("exec", "-T", "worker", "cat", "/tmp/given").stdout == "from here\n"
    compose("exec", "-T", "worker", "sh", "-c", "mkdir /tmp/dir; echo from there >/tmp/dir/made")
    compose("cp", "worker:/tmp/dir", "taken")
    assert (tmp_path / "taken" / "made").read_text() == "from there\n"
    missing = compose("cp", "worker:/tmp/nothing", "nothing", check=False)
    assert missing.returncode != 0 and not (tmp_path / "nothing").exists()


def sockets(node):
    return node.ssh("ls -l /proc/$(pidof -s engine)/fd").count("socket:")


def silent(process):
    """Reads and writes nothing, for longer than a busy node takes to answer."""
    counts = Path(f"/proc/{process.pid}/io")
    before = counts.read_text()
    return not eventually(lambda: counts.read_text() != before, 15)


def test_wait(compose, host):
    """It ends when the service does, with its code."""
    compose("up", "-d", "worker")
    before = sockets(host)
    waiting = compose.start("wait", "worker")
    # Its connection stands, and all that it asks there but for the end has been answered: then the service may end.
    assert eventually(lambda: sockets(host) > before and silent(waiting), 120)
    assert waiting.poll() is None
    compose("kill", "worker")
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 137 and "137" in out + err, (out, err)


def test_a_dependency_that_never_gets_well(compose, host):
    text = (compose.folder / "compose.yaml").read_text()
    (compose.folder / "compose.yaml").write_text(text.replace('"/data/ready"', '"/nowhere"').replace("retries: 60", "retries: 2"))
    done = compose("up", "-d", check=False)
    assert done.returncode != 0 and "unhealthy" in done.stderr


def test_it_survives_the_engine(compose, host):
    compose("up", "-d", "--wait")
    ids = sorted(host.docker("ps", "-q").stdout.split())
    host.ssh("kill -9 $(pidof -s engine)")
    assert eventually(lambda: page(host) == "<p>a page</p>\n")
    host.wait_engine()
    assert sorted(host.docker("ps", "-q").stdout.split()) == ids
    assert "10.77.0." in compose("exec", "-T", "web", "nslookup", "database").stdout


def test_files_of_the_clients_folder(host, tmp_path):
    """Configs, secrets and binds from ./ of a folder that was copied to its path on the node; without the copy a sentence."""
    folder = "/home/sailor/app"
    (tmp_path / "compose.yaml").write_text(AT_HOME.format(ref=host.ref))
    compose = Compose(host, tmp_path)
    words = ("-f", str(tmp_path / "compose.yaml"), "--project-directory", folder)
    with leaks.checked(host):
        try:
            alone = compose(*words, "up", check=False)
            assert alone.returncode != 0 and f"bind source path does not exist: {folder}/" in alone.stdout + alone.stderr
            compose(*words, "down", "-t", "1")
            for name, text in (("page.html", "a page\n"), ("token", "s3cret\n"), ("index.html", "<p>hello\n")):
                (tmp_path / name).write_text(text)
            (tmp_path / "html").mkdir()
            (tmp_path / "index.html").rename(tmp_path / "html" / "index.html")
            host.docker("create", "--name", "porter", "-v", f"{folder}:/x", host.ref, "true")
            host.docker("cp", f"{tmp_path}/.", "porter:/x")
            host.docker("rm", "porter")
            said = compose(*words, "up", "--no-log-prefix").stdout.replace("\x1b[2K", "")
            assert "a page\ns3cret\n<p>hello\nUTC\n" in said, said
        finally:
            compose(*words, "down", "-t", "1", check=False)
            host.docker("rm", "-f", "porter", check=False)
            host.ssh("rm -rf /home/sailor")
