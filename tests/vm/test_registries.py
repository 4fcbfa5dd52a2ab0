# SPDX-License-Identifier: Apache-2.0
"""What the machine configuration says of registries: mirrors, those without TLS or with a certificate nobody vouches for, and the way
through a proxy. And registries that want a token, and busy ones. What breaks off or stalls is in tests/host/test_pull.py."""

import base64
import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from support import leaks, oci
from support.proxy import Proxy
from support.registry import GUEST_ADDRESS, LyingRegistry, Registry, machine_yaml

PROXIED = "registry.test:5000"  # nobody but the proxy knows that name
PROXY = f"{GUEST_ADDRESS}:5003"
STRANGER = f"{GUEST_ADDRESS}:5004"  # the one without TLS again, of which the configuration says nothing
PAGE = "http://files.test/page"

# goes on with the list of registries
MORE = """    - host: "{plain}"
      insecure: true
    - host: "{unvouched}"
      insecure: true
    - host: mirrored.test
      mirrors: ["{plain}", "https://{registry}"]
  proxy:
    http: "http://{proxy}"
    https: "http://{proxy}"
    except: ["{address}"]
    credentials: {{username: node, password: "a: b"}}
"""


class Places:
    def __init__(self, folder):
        self.registry = Registry(folder / "registry")
        self.plain = LyingRegistry(folder / "plain", at=5002, tls=False)
        self.behave = None
        self.unvouched = LyingRegistry(folder / "unvouched", lambda handler, path: self.behave and self.behave(handler, path))
        self.proxy = Proxy({PROXIED: self.registry.port}, {PAGE: b"by the proxy\n"}, user=("node", "a: b"))

    def stop(self):
        for one in (self.registry, self.plain, self.unvouched, self.proxy):
            one.stop()


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    made = Places(tmp_path_factory.mktemp("places"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def machine(places, tmp_path_factory, session_dir):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    given = tmp_path_factory.mktemp("config") / "machine.yaml"
    proxied = SimpleNamespace(machine_config=lambda: {**places.registry.machine_config(), "host": PROXIED})
    given.write_text(machine_yaml(places.registry, proxied) + MORE.format(
        registry=places.registry.address, plain=places.plain.address, unvouched=places.unvouched.address, proxy=PROXY, address=GUEST_ADDRESS))
    forwards = [places.registry.forward, places.plain.forward, places.unvouched.forward, f"{PROXY}=127.0.0.1:{places.proxy.port}",
                f"{STRANGER}=127.0.0.1:{places.plain.port}"]  # fmt: skip
    node = nodes(extra=["--config", str(given), *(word for forward in forwards for word in ("--guest-forward", forward))])
    node.boot()
    yield node
    nodes.end()


@pytest.fixture
def node(machine, places):
    places.proxy.asked.clear()
    places.behave = None
    with leaks.checked(machine):
        yield machine


def image(text):
    return oci.Image([oci.Layer(oci.tar([oci.Member("hello", text)]))])


def content(node, ref):
    """Of the image's one file; the image is gone afterwards."""
    node.docker("create", "--name", "look", ref, "x")
    text = node.docker("cp", "look:/hello", "-").stdout
    node.docker("rm", "look")
    node.docker("rmi", ref)
    return text


def test_mirrors(node, places):
    """In their order, and the next one where the first has not what is wanted; the name is the mirrored one's."""
    places.plain.hold("first", image(b"of the first mirror\n"))
    places.registry.push("lib/tool", "second", image(b"of the second mirror\n"))
    places.registry.push("lib/tool", "first", image(b"not this one\n"))
    for tag in ("first", "second"):
        ref = f"mirrored.test/lib/tool:{tag}"
        assert "Downloaded newer image" in node.docker("pull", ref).stdout
        assert node.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "mirrored.test/lib/tool").stdout.split() == [ref]
        assert f"of the {tag} mirror" in content(node, ref)
    assert ("GET", "/v2/lib/tool/manifests/second") in places.plain.asked or ("HEAD", "/v2/lib/tool/manifests/second") in places.plain.asked
    assert not places.proxy.asked, "they are excepted"
    # in neither: the registry itself is asked, by the proxy, which will not
    done = node.docker("pull", "mirrored.test/lib/tool:none", check=False)
    assert done.returncode == 1 and "mirrored.test" in done.stderr and "403" in done.stderr, done.stderr
    assert ("CONNECT", "mirrored.test:443") in places.proxy.asked


def test_without_tls_or_a_known_authority(node, places):
    for where in (places.plain, places.unvouched):
        where.hold("one", image(b"as it is\n"))
        ref = f"{where.address}/lib/tool:one"
        node.docker("pull", ref)
        assert "as it is" in content(node, ref)
    said = json.loads(node.docker("info", "--format", "{{json .RegistryConfig.IndexConfigs}}").stdout)
    assert [said[where.address]["Secure"] for where in (places.plain, places.unvouched, places.registry)] == [False, False, True]
    # where the configuration does not say so, neither is taken
    before = len(places.plain.asked)
    done = node.docker("pull", f"{STRANGER}/lib/tool:one", check=False)
    assert done.returncode == 1 and STRANGER in done.stderr, done.stderr
    assert len(places.plain.asked) == before


def test_the_proxy(node, places):
    """Pull, push and ADD go through it, plain and as a tunnel."""
    places.registry.push("lib/tool", "far", image(b"from afar\n"))
    ref = f"{PROXIED}/lib/tool"
    node.docker("pull", f"{ref}:far")
    node.docker("tag", f"{ref}:far", f"{ref}:again")
    node.docker("rmi", f"{ref}:far")
    assert "digest: sha256:" in node.docker("push", f"{ref}:again").stdout
    assert b'"again"' in places.registry.request("GET", "/v2/lib/tool/tags/list")[1]
    assert "from afar" in content(node, f"{ref}:again")
    assert {target for method, target in places.proxy.asked if method == "CONNECT"} == {PROXIED}

    node.docker("build", "-q", "-t", "added", "-", input=f"FROM scratch\nADD {PAGE} /hello\n")
    assert "by the proxy" in content(node, "added")
    assert ("GET", PAGE) in places.proxy.asked
    node.docker("builder", "prune", "-af")
    assert node.docker("info", "--format", "{{.HTTPProxy}} {{.HTTPSProxy}} {{.NoProxy}}").stdout.split() == \
        [f"http://{PROXY}", f"http://{PROXY}", GUEST_ADDRESS]  # fmt: skip


class Harbour:
    """Who wants a token of its token server (the distribution project's "token authentication"), for a password or an identity token."""

    def __init__(self, address):
        self.address, self.scopes = address, []

    def wants_login(self, handler):
        handler.answer(401, "application/json", b"{}")
        return True

    def token(self, handler, url):
        if handler.command == "POST":
            form = parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
            known = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == ["identity"]
            answer = {"access_token": "let-in"}
        else:
            form = parse_qs(url.query)
            known = handler.headers.get("Authorization") == "Basic " + base64.b64encode(b"boat:oars").decode()
            answer = {"token": "let-in"}
        assert form["service"] == ["harbour"]
        if not known:
            return self.wants_login(handler)
        self.scopes += form.get("scope", [])
        handler.answer(200, "application/json", json.dumps(answer).encode())
        return True

    def __call__(self, handler, path):
        url = urlsplit(path)
        if url.path == "/token":
            return self.token(handler, url)
        if handler.headers.get("Authorization") == "Bearer let-in":
            return False
        handler.answer(401, "application/json", b"{}",
                       WWW_Authenticate=f'Bearer realm="https://{self.address}/token",service="harbour",scope="repository:lib/tool:pull"')
        return True


@pytest.mark.parametrize("by", ["password", "identity token"])
def test_a_token(node, places, by):
    address = places.unvouched.address
    places.unvouched.hold("one", image(b"in harbour\n"))
    places.behave = harbour = Harbour(address)
    ref = f"{address}/lib/tool:one"
    done = node.docker("pull", ref, check=False)
    assert done.returncode == 1 and "unauthorized" in done.stderr, done.stderr
    if by == "password":
        assert node.docker("login", "-u", "boat", "-p", "holes", address, check=False).returncode == 1
        node.docker("login", "-u", "boat", "-p", "oars", address)
    else:
        config = node.state / "home" / ".docker" / "config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps({"auths": {address: {"identitytoken": "identity"}}}))
    node.docker("pull", ref)
    node.docker("logout", address)
    assert "repository:lib/tool:pull" in harbour.scopes
    assert "in harbour" in content(node, ref)


def test_a_busy_registry_is_asked_again(node, places):
    places.unvouched.hold("one", image(b"at last\n"))
    asked = []

    def behave(handler, path):
        if "/manifests/" not in path:
            return False
        asked.append(path)
        if len(asked) > 2:
            return False
        handler.answer(503, "application/json", b"{}", Retry_After="1")
        return True

    places.behave = behave
    ref = f"{places.unvouched.address}/lib/tool:one"
    node.docker("pull", ref)
    assert len(asked) > 2
    assert "at last" in content(node, ref)
    # and given up when it stays so, with what it answered
    places.behave = lambda handler, path: "/manifests/" in path and (handler.answer(503, "application/json", b"{}") or True)
    done = node.docker("pull", ref, check=False, timeout=200)
    assert done.returncode == 1 and "503" in done.stderr, done.stderr
