# SPDX-License-Identifier: Apache-2.0
"""The image builder's own promises: what is fetched is what was locked, what the kernel was asked for is in it, the mirror is
the one that was named, and the lock reads as it was written. Without a network: a mirror on loopback, an apt that is made up."""

import hashlib
import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest

BUILDER = Path(__file__).resolve().parents[2] / "image-builder"
sys.path.insert(0, str(BUILDER))
import cache  # noqa: E402
import fetch  # noqa: E402
import lock  # noqa: E402
import mirror  # noqa: E402
import recipe  # noqa: E402
import update  # noqa: E402
from paths import BuildError  # noqa: E402

# ---- fetching


class Mirror:
    """An archive on loopback: {path below it: bytes}."""

    def __init__(self):
        self.files, self.asked = {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                data = mirror.files.get(self.path.removeprefix("/debian/"))
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/debian"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A mirror, and a cache with nothing in it."""
    made = Mirror()
    for module in (cache, fetch):
        monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setenv("WHERRY_MIRROR", made.address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield made
    made.stop()


def entry(name, data, path=None):
    path = path or f"pool/main/{name[0]}/{name}/{name}_1.orig.tar.xz"
    return lock.Entry("source", name, "1", hashlib.sha256(data).hexdigest(), len(data), path)


def test_what_is_locked_is_fetched_once(archive):
    one = entry("boat", b"planks")
    archive.files[one.path] = b"planks"
    (path,) = fetch.fetch([one])
    assert path.read_bytes() == b"planks"
    assert fetch.fetch([one, one]) == [path, path] and len(archive.asked) == 1


@pytest.mark.parametrize("served", [b"plaNks", b"planks and more", b""], ids=["other bytes", "longer", "empty"])
def test_a_wrong_hash_stops_and_names_the_file(archive, tmp_path, served):
    good, bad = entry("anchor", b"iron"), entry("boat", b"planks")
    archive.files.update({good.path: b"iron", bad.path: served})
    with pytest.raises(BuildError) as refused:
        fetch.fetch([good, bad])
    assert bad.path in str(refused.value) and good.path not in str(refused.value)
    assert f"wrong hash: locked {bad.sha256}, got {hashlib.sha256(served).hexdigest()}" in str(refused.value)
    assert not fetch.place(bad).exists() and not [p for p in (tmp_path / "files").iterdir() if "boat" in p.name]


def test_what_the_helper_lets_pass_is_looked_at_again(archive, monkeypatch, tmp_path):
    """The hash is ours to check, not only that of apt's helper: here one that takes whatever it gets."""
    helper = tmp_path / "helper"
    helper.write_text('#!/bin/sh\nwhile [ "$1" != download-file ]; do shift; done; printf "%s" pirates >"$3"\n')
    helper.chmod(0o755)
    monkeypatch.setattr(fetch, "HELPER", str(helper))
    one = entry("boat", b"planks")
    with pytest.raises(BuildError, match=f"{one.path}: wrong hash"):
        fetch.fetch([one])
    assert not fetch.place(one).exists()


def test_a_file_that_is_gone_is_named(archive):
    one = entry("boat", b"planks")
    with pytest.raises(fetch.Vanished) as gone:
        fetch.fetch([one])
    assert one.path in str(gone.value) and "WHERRY_MIRROR" in str(gone.value) and gone.value.entry == one


# ---- the kernel's options


def kept(tmp_path, config, *fragments):
    (tmp_path / "config").write_text(config)
    names = []
    for i, text in enumerate(fragments):
        (tmp_path / f"fragment{i}").write_text(text)
        names.append(tmp_path / f"fragment{i}")
    return subprocess.run(["sh", BUILDER / "inputs/options-kept", tmp_path / "config", *names], capture_output=True, text=True)


CONFIG = 'CONFIG_NET=y\n# CONFIG_MODULES is not set\nCONFIG_CMDLINE="a=b c"\nCONFIG_HZ=100\n'


def test_options_that_were_kept_pass(tmp_path):
    asked = '# a reason\nCONFIG_NET=y\n# CONFIG_MODULES is not set\nCONFIG_CMDLINE="a=b c"\n# CONFIG_NEVER_HEARD_OF is not set\n'
    done = kept(tmp_path, CONFIG, asked, "CONFIG_HZ=100\n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("asked, says", [
    ("CONFIG_WIREGUARD=y\n", "CONFIG_WIREGUARD: asked y, got n"),
    ("CONFIG_MODULES=y\n", "CONFIG_MODULES: asked y, got n"),
    ("# CONFIG_NET is not set\n", "CONFIG_NET: asked n, got y"),
    ("CONFIG_HZ=1000\n", "CONFIG_HZ: asked 1000, got 100"),
    ('CONFIG_CMDLINE="a=b"\n', 'CONFIG_CMDLINE: asked "a=b", got "a=b c"'),
])  # fmt: skip
def test_an_option_that_did_not_survive_is_named(tmp_path, asked, says):
    done = kept(tmp_path, CONFIG, "CONFIG_NET=y\n" if "NET is" not in asked else "", asked)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == says and "does not hold what was asked for" in done.stderr


def test_a_later_fragment_overrides(tmp_path):
    assert kept(tmp_path, CONFIG, "CONFIG_HZ=1000\nCONFIG_NET=y\n", "CONFIG_HZ=100\n").returncode == 0
    assert kept(tmp_path, CONFIG, "CONFIG_HZ=100\n", "CONFIG_HZ=1000\n").returncode == 1


def test_without_a_configuration_nothing_was_kept(tmp_path):
    (tmp_path / "asked").write_text("CONFIG_NET=y\n")
    done = subprocess.run(["sh", BUILDER / "inputs/options-kept", tmp_path / "none", tmp_path / "asked"], capture_output=True, text=True)
    assert done.returncode == 1 and "CONFIG_NET: asked y, got n" in done.stderr


# ---- the mirror


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """What this machine's apt is set up with: {file name: text}."""
    monkeypatch.delenv("WHERRY_MIRROR", raising=False)
    monkeypatch.setattr(mirror, "APT", tmp_path)
    (tmp_path / "sources.list.d").mkdir()

    def write(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return mirror.archives()

    return write


@pytest.mark.parametrize("named, main, security", [
    ("http://host/debian", "http://host/debian", "http://host/debian-security"),
    ("http://host/debian/", "http://host/debian", "http://host/debian-security"),
    ("http://host/archive/debian/20260101T000000Z", "http://host/archive/debian/20260101T000000Z",
     "http://host/archive/debian-security/20260101T000000Z"),
])  # fmt: skip
def test_the_mirror_that_is_named_wins(sources, monkeypatch, named, main, security):
    sources({"sources.list": "deb http://other/debian trixie main\n"})
    monkeypatch.setenv("WHERRY_MIRROR", named)
    assert mirror.archives() == {"main": main, "security": security}
    assert mirror.address("pool/main/b/boat/boat_1.dsc") == f"{main}/pool/main/b/boat/boat_1.dsc"
    assert mirror.address("pool/updates/main/b/boat/boat_1.dsc") == f"{security}/pool/updates/main/b/boat/boat_1.dsc"


def test_the_machines_own_mirror(sources, monkeypatch):
    assert sources({"sources.list": "# deb http://old/debian trixie main\ndeb [arch=amd64] http://one/debian/ bookworm main\n"
                                    "deb http://two/debian-security bookworm-security main\n"}) == {
        "main": "http://one/debian", "security": "http://two/debian-security"}  # fmt: skip
    monkeypatch.setenv("WHERRY_MIRROR", "")
    assert mirror.archives()["main"] == "http://one/debian", "an empty name is none"


def test_a_mirror_in_the_other_format(sources, tmp_path):
    (tmp_path / "list").write_text("http://listed/debian\tpriority:1\nhttp://next/debian\n")
    found = sources({
        "sources.list.d/a.sources": "Types: deb\nURIs: http://off/debian\nSuites: trixie\nEnabled: no\n\n"
                                    f"# the usual\nTypes: deb\nURIs: mirror+file:{tmp_path}/list\nSuites: trixie trixie-updates\n",
        "sources.list.d/b.sources": "Types: deb\nURIs: http://else/thing\nSuites: focal\n"})  # fmt: skip
    assert found == {"main": "http://listed/debian", "security": "http://listed/debian-security"}


def test_without_a_mirror_it_is_said_what_to_do(sources):
    with pytest.raises(BuildError, match="set WHERRY_MIRROR"):
        sources({"sources.list": "deb http://else/thing focal main\n"})


# ---- the lock


def test_the_lock_reads_as_it_was_written(tmp_path):
    entries = [entry("boat", b"planks"), entry("anchor", b"iron"), entry("boat", b"planks")]
    lock.write(entries, tmp_path / "sources.lock")
    assert lock.read(tmp_path / "sources.lock") == sorted(set(entries))
    assert not (tmp_path / "sources.new").exists()


SHA = "0" * 64


@pytest.mark.parametrize("line", ["source boat 1 " + SHA + " 5", "source boat 1 " + SHA[1:] + " 5 pool/x", "source boat 1 " + SHA + " five pool/x",
                                  "source boat 1 " + SHA + " 5 pool/x and more", "source boat 1 " + SHA + " -5 pool/x"])  # fmt: skip
def test_a_line_that_is_none_is_named(tmp_path, line):
    path = tmp_path / "sources.lock"
    path.write_text(f"# a comment\n\n{entry('boat', b'planks').line()}\n{line}\n")
    with pytest.raises(BuildError, match=f"^{path}:4: want"):
        lock.read(path)


def test_what_the_lock_has_not_is_named(tmp_path):
    with pytest.raises(BuildError, match="missing; `make update-sources` writes it"):
        lock.read(tmp_path / "sources.lock")
    entries = [entry("boat", b"planks")]
    with pytest.raises(BuildError, match="no section harbour"):
        lock.section("harbour", entries)
    with pytest.raises(BuildError, match="no source anchor"):
        lock.source("anchor", entries)


def test_the_trees_own_lock_is_whole():
    """It is as it would be written, and holds what every recipe and every folder of packages asks for."""
    text = lock.LOCK.read_text()
    entries = lock.read()
    assert text == lock.HEAD + "".join(e.line() + "\n" for e in sorted(set(entries)))
    for r in recipe.all_recipes():
        for name in (*r.sources, *r.packages):
            assert lock.source(name, entries)
    for section, *_ in update.roots():
        assert lock.section(section, entries)


def test_what_is_missing_is_locked_and_the_rest_left(monkeypatch):
    """apt has newer versions of everything; only that of the source that the lock lacks is taken."""
    whole, written = lock.read(), []
    lacking = [e for e in whole if not (e.section == "source" and e.name == "zlib")]
    fresh = entry("zlib", b"newer")

    class Apt:
        @staticmethod
        def versions(name):
            assert name == "zlib"
            return [("1", [fresh])]

    monkeypatch.setattr(update, "Apt", Apt)
    monkeypatch.setattr(update.fetch, "fetch", lambda entries: None)
    monkeypatch.setattr(update.lock, "read", lambda: lacking)
    monkeypatch.setattr(update.lock, "write", written.extend)
    update.update(only_missing=True)
    assert set(written) == {*lacking, fresh}


def test_a_package_more_leaves_its_folder_and_those_below_as_they_are(monkeypatch):
    """Of what apt would install with it, only what no line has is new; a second version of what is there would be laid over it."""
    whole, written, asked = lock.read(), [], []
    lacking = [e for e in whole if (e.section, e.name) != ("check", "shellcheck")]

    def newer(name):
        return lock.Entry("check", name, "99", SHA, 1, f"pool/main/{name}_99_all.deb")

    class Apt:
        @staticmethod
        def resolve(section, packages, architecture):
            asked.append((section, packages, architecture))
            # of the folder below, of this one, and two that are new
            return [newer("libzstd1"), newer("clang"), newer("shellcheck"), newer("sundial")]

    assert {("image", "libzstd1"), ("check", "clang")} <= {(e.section, e.name) for e in lacking}
    monkeypatch.setattr(update, "Apt", Apt)
    monkeypatch.setattr(update.fetch, "fetch", lambda entries: None)
    monkeypatch.setattr(update.lock, "read", lambda: lacking)
    monkeypatch.setattr(update.lock, "write", written.extend)
    update.update(only_missing=True)
    assert asked == [("check", ["shellcheck"], "amd64")]
    assert set(written) == {*lacking, newer("shellcheck"), newer("sundial")}
