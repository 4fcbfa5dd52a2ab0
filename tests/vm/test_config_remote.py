# SPDX-License-Identifier: Apache-2.0
"""A machine configuration by a URL: the kernel's command line names it, or a DHCP server does on a machine's first boot."""

import contextlib
import hashlib
import http.server
import re
import threading
import time

import pytest

from support.dhcp import DhcpServer
from support.node import eventually, qemu_node
from support.volumes import iso, write_config

NAME = "from-the-network"
HOST = "10.0.2.100:80"  # where the node finds the test's server
OPTION_MTU, OPTION_CONFIG_URL = 26, 239


class Server:
    """HTTP: {path: text, or (status, Location)}; `asked` is what was asked for."""

    def __init__(self, pages):
        self.pages, self.asked = pages, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                page = server.pages.get(self.path.partition("?")[0], (404, None))
                status, location = (200, None) if isinstance(page, str) else page
                body = page.encode() if isinstance(page, str) else b""
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def words(self, url=None):
        """For qemu/run: no configuration but what this server has; @url on the command line."""
        forward = ["--config", "none", "--guest-forward", f"{HOST}=127.0.0.1:{self.server.server_address[1]}"]
        return [*forward, *(["--append", f"wherry.config={url}"] if url else [])]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(pages):
            server = Server(pages)
            stack.callback(server.stop)
            return server

        yield start


@contextlib.contextmanager
def booting(node):
    """A node that qemu/run waits for in vain, since it lets nobody in."""
    boot = threading.Thread(target=node.boot, kwargs={"check": False, "timeout": 400})
    boot.start()
    try:
        assert eventually(lambda: node.running() and (node.state / "console.log").exists(), 60)
        yield
    finally:
        node.cut_power()
        boot.join()


def status(node):
    return node.ssh("wherryctl status", check=False).stdout


def test_url_on_the_command_line(make_node, serve):
    """It is taken, through a redirect, and kept: without its server the next boot has it still, and says what it lacked. When it
    changes, the node does."""
    node = make_node()
    server = serve({"/node": (302, f"http://{HOST}/machine.yaml"), "/machine.yaml": write_config(node, NAME)})
    node.extra = server.words(f"http://{HOST}/node?token=secret")
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert server.asked == ["/node?token=secret", "/machine.yaml"]
    assert node.ssh("cat /run/config/source").strip() == f"http://{HOST}/node"
    assert "secret" not in status(node)
    addresses = node.ssh("ip -4 -o addr show dev eth0")
    assert len(addresses.splitlines()) == 1, addresses  # of the two times that it asked for one, one is left
    assert node.docker("run", "--rm", "wherry/hello", "true").returncode == 0
    node.stop()

    server.pages = {"/node": write_config(node, "another-name")}
    node.boot()
    assert node.ssh("hostname").strip() == "another-name"
    node.stop()

    server.pages = {}
    node.boot()
    assert node.ssh("hostname").strip() == "another-name"
    assert node.ssh("cat /run/config/source").strip() == "saved"
    told = status(node)
    assert re.search(rf"http://{re.escape(HOST)}/node: .*404", told) and "secret" not in told, told


def test_only_the_text_whose_digest_is_asked_for(make_node, serve):
    """What the command line pins: another text is refused, whoever sends it, and the node boots without."""
    node = make_node()
    text = write_config(node, NAME)
    digest = hashlib.sha256(text.encode()).hexdigest()
    server = serve({"/machine.yaml": text.replace(NAME, "forged")})
    url = f"http://{HOST}/machine.yaml#sha256={digest}"
    node.extra = server.words(url)
    with booting(node):
        assert eventually(lambda: "its SHA-256 is not the one that the URL asks for" in node.console(), 120), node.console()
        assert eventually(lambda: "ssh      off" in node.console(), 120) and "forged" not in node.console(), node.console()
    (node.state / "disk.img").unlink()

    server.pages = {"/machine.yaml": text}
    node.boot()
    assert node.ssh("hostname").strip() == NAME


def test_wrong_configurations_are_named(make_node, serve):
    """A mistake has its line, a text that is too large its size, an address that is none its reason; each time the one that was
    kept holds."""
    node = make_node()
    node.boot()
    name = node.ssh("hostname").strip()
    server = serve({"/mistake": "version: 1\nhostnam: x\n", "/large": "#" * (512 * 1024 + 1)})
    for url, why in (
        (f"http://{HOST}/mistake", rf"http://{re.escape(HOST)}/mistake:2:1: .*hostnam"),
        (f"http://{HOST}/large", rf"http://{re.escape(HOST)}/large: larger than 512 KiB"),
        (f"ftp://me:secret@{HOST}/x", r"wherry\.config of the command line: neither a URL of http:// or https://"),
    ):
        node.stop()
        node.extra = server.words(url)
        node.boot()
        assert node.ssh("hostname").strip() == name
        told = status(node)
        assert re.search(why, told), (why, told)


WIRE_MAC = "52:54:00:00:66:01"
# of the wire's card no configuration of these tests knows
ONE_CARD = "network: {interfaces: [{name: eth0}]}\n"


@pytest.fixture
def dhcp(tmp_path):
    """On a wire of its own, with an MTU that is not the card's."""
    server = DhcpServer(tmp_path / "wire", {OPTION_MTU: (1400).to_bytes(2, "big"), OPTION_CONFIG_URL: f"http://{HOST}/dhcp.yaml".encode()})
    yield server
    server.wire.stop()


def test_url_from_dhcp(make_node, serve, dhcp):
    """On its first boot a machine without a configuration takes the one that a DHCP server names, and nothing of the server's is
    left on a card that the configuration does not know; on later boots it does not, nor when the command line says none."""
    node = make_node()
    server = serve({"/dhcp.yaml": ONE_CARD + write_config(node, NAME)})
    node.extra = [*server.words(), *dhcp.wire.qemu(WIRE_MAC)]
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert node.ssh("cat /run/config/source").strip() == f"http://{HOST}/dhcp.yaml"
    assert set(dhcp.clients) == {b"wherry"}
    card = node.ssh("ip addr show eth1; ls /run/network; ip route; ip -6 route; cat /run/resolv.conf")
    assert WIRE_MAC in card and "mtu 1500" in card and "inet" not in card and "10.66.0" not in card and "eth1.lease" not in card, card
    node.stop()

    server.pages, server.asked, dhcp.clients = {"/dhcp.yaml": write_config(node, "too-late")}, [], []
    node.boot()
    assert node.ssh("hostname").strip() == NAME and not server.asked and not dhcp.clients
    node.stop()

    (node.state / "disk.img").unlink()
    node.extra += ["--append", "wherry.config=none"]
    with booting(node):
        assert eventually(lambda: "ssh      off" in node.console(), 120), node.console()
    assert not server.asked


def test_a_volume_comes_before_the_network(make_node, serve, dhcp, tmp_path):
    """With a configuration at hand nobody on a wire that it does not know hears of the machine."""
    node = make_node()
    server = serve({"/dhcp.yaml": write_config(node, "wrong")})
    node.extra = [*server.words(), *dhcp.wire.qemu(WIRE_MAC), *iso(tmp_path, "cidata", "user-data", ONE_CARD + write_config(node, NAME))]
    node.boot()
    assert node.ssh("hostname").strip() == NAME
    assert not dhcp.clients and not server.asked


@pytest.mark.parametrize("asked", [False, True])
def test_a_disk_that_comes_late_is_no_new_machine(make_node, serve, dhcp, asked):
    """A USB disk shows that the machine was set up before, three seconds after the start, or when the server that DHCP names has
    been asked in vain: what it has then is not taken."""
    node = make_node()
    text = write_config(node, "wrong")
    server = serve({} if asked else {"/dhcp.yaml": text})
    node.boot()
    name = node.ssh("hostname").strip()
    node.stop()
    node.extra = [*server.words(), *dhcp.wire.qemu(WIRE_MAC), "--disk", "none", "--append", "loglevel=7", "--qemu",
                  f"-S -device qemu-xhci -drive if=none,id=late,format=raw,file={node.state}/disk.img"]  # fmt: skip
    boot = threading.Thread(target=node.boot)
    boot.start()
    assert eventually(lambda: (node.state / "monitor.sock").exists(), 30)
    monitor = qemu_node.Qmp(node.state)
    monitor.command("cont")
    if asked:
        assert eventually(lambda: server.asked, 90)
    else:
        time.sleep(3)
    monitor.command("device_add", driver="usb-storage", drive="late")
    monitor.close()
    if asked:
        # the kernel says so when it has seen the partitions
        assert eventually(lambda: "Attached SCSI disk" in node.console(), 90)
        server.pages = {"/dhcp.yaml": text}
    boot.join()
    assert node.ssh("hostname").strip() == name != "wrong"
    assert node.ssh("cat /run/config/source").strip() == "saved" and bool(server.asked) == asked
