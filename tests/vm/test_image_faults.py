# SPDX-License-Identifier: Apache-2.0
"""The engine dies, the power goes, the disk fills up while images are made: the store holds the old or the new."""

import json
import random
import time

import pytest

from support import oci
from support.node import eventually
from support.registry import Registry

BASE = "wherry/hello"

# Every record's layers and blobs are there, every name has a record, and nothing else lies about.
CHECK = r"""
cd /data/engine
for f in images/ids/*; do
	[ -e "$f" ] || continue
	[ -e "images/blobs/${f##*/}" ] || echo "no configuration: $f"
	for l in $(grep -o '"diff_id":"sha256:[0-9a-f]*"' $f | cut -d: -f3 | tr -d '"'); do
		[ -d layers/sha256-$l ] || echo "layer $l of $f is not there"
	done
	for b in $(grep -o '"blob":"sha256:[0-9a-f]*"' $f | cut -d: -f3 | tr -d '"'); do
		[ -f images/blobs/$b ] || echo "blob $b of $f is not there"
		[ "$(sha256sum <images/blobs/$b | cut -d' ' -f1)" = $b ] || echo "blob $b of $f is damaged"
	done
done
for n in images/names/*; do
	[ -e "$n" ] || continue
	i=$(grep -o '"id":"sha256:[0-9a-f]*"' $n | cut -d: -f3 | tr -d '"')
	[ -e images/ids/$i ] || grep -q wherry/hello $n || echo "name $n of no image"
done
ls staging
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    made = Registry(tmp_path_factory.mktemp("registry"))
    yield made
    made.stop()


def trusting(registry):
    """A machine configuration that knows the registry."""
    one = registry.machine_config()
    pem = "".join(f"        {line}\n" for line in one["ca"].splitlines())
    return f"version: 1\nengine:\n  registries:\n    - host: \"{one['host']}\"\n      ca: |\n{pem}"


@pytest.fixture(scope="module")
def machine(registry, tmp_path_factory, session_dir):
    from conftest import _Nodes

    nodes = _Nodes(session_dir)
    config = tmp_path_factory.mktemp("config") / "machine.yaml"
    config.write_text(trusting(registry))
    yield nodes(cpus=2, extra=["--config", str(config), "--guest-forward", registry.forward])
    nodes.end()


@pytest.fixture
def node(machine):
    """Running, and with nothing in its store."""
    if not machine.running():
        machine.boot()
    left = machine.docker("ps", "-aq").stdout.split()
    if left:
        machine.docker("rm", "-f", *left)
    machine.docker("image", "prune", "-af")
    return machine


def large(seed, megabytes=12):
    noise = random.Random(seed)
    layers = [oci.Layer(oci.tar([oci.Member(f"f{i}", noise.randbytes(megabytes << 18))])) for i in range(4)]
    return oci.Image(layers, Cmd=["sh"])


WORKS = ["pull", "build", "commit", "prune"]
BIG, GROWN = 8 << 20, 16 << 20


def work(node, registry, folder, what):
    """The command that is interrupted, when what it needs is there."""
    if what == "pull":
        return ["pull", registry.push("large", "1", large(1))]
    if what == "build":
        folder.mkdir(exist_ok=True)
        (folder / "big").write_bytes(random.Random(3).randbytes(BIG))
        (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY big /big\nRUN cp /big /bigger\nRUN cat /big /bigger > /biggest\n")
        return ["build", "-t", "built", str(folder)]
    if what == "commit":
        node.docker("run", "--name", "grown", BASE, "sh", "-c",
                    f"for i in 1 2 3 4; do dd if=/dev/urandom of=/f$i bs=1M count={GROWN >> 22} 2>/dev/null; done")
        return ["commit", "grown", "committed:1"]
    node.docker("pull", registry.push("large", "1", large(1)), timeout=300)
    return ["image", "prune", "-af"]


def settle(node):
    """What an engine that comes up does with what it finds, and what is left then."""
    node.wait_engine(120)
    node.docker("images")
    left = eventually(lambda: node.ssh(CHECK, timeout=120) == "", 60)
    assert left, node.ssh(CHECK, timeout=120)


@pytest.mark.parametrize("what", WORKS)
def test_power_is_cut(node, registry, tmp_path, what):
    words = work(node, registry, tmp_path / "context", what)
    dice = random.Random(what)
    for turn in range(2):
        if what == "prune" and turn:
            work(node, registry, tmp_path, what)
        client = node.docker_popen(*words)
        time.sleep((0.1 if what == "prune" else 1) + dice.random() * 3)
        node.cut_power()
        client.wait(60)
        node.boot()
        settle(node)
    done = node.docker(*words, timeout=400)
    assert done.returncode == 0
    if what in ("build", "commit"):
        name = {"build": "built", "commit": "committed:1"}[what]
        assert node.docker("run", "--rm", name, "sh", "-c", "cat /big* /f* 2>/dev/null | wc -c").stdout.strip() == str({"build": 4 * BIG, "commit": GROWN}[what])


def test_engine_is_killed_while_it_works(node, registry, tmp_path):
    dice = random.Random(5)
    for what in WORKS:
        words = work(node, registry, tmp_path / "context", what)
        for turn in range(3):
            client = node.docker_popen(*words)
            time.sleep(0.2 + dice.random() * 4)
            node.kill_engine()
            client.wait(60)
            settle(node)
            assert node.ssh("pidof engine_build engine_image engine_pull; true") == ""
    assert eventually(lambda: node.docker("ps", "-aq", "--filter", "label=wherry.build").stdout == "", 30)


def test_what_is_left_of_a_failed_build_outlives_the_engine(node, tmp_path):
    """Only what a build left that was cut short goes with the engine's next start."""
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo made >/made; exit 3\n")
    done = node.docker("build", str(tmp_path), check=False, env={"DOCKER_BUILDKIT": "0"})
    assert done.returncode == 3, done
    left = node.docker("ps", "-aq", "--filter", "label=wherry.build").stdout.split()
    assert len(left) == 1
    node.kill_engine()
    settle(node)
    assert node.docker("ps", "-aq", "--filter", "label=wherry.build").stdout.split() == left
    node.docker("rm", *left)


def test_disk_is_full(make_node, registry, tmp_path):
    """A pull, a build and a commit that do not fit say so and take nothing; with space again they go."""
    with open(tmp_path / "disk.img", "wb") as f:
        f.truncate(500 << 20)
    (tmp_path / "machine.yaml").write_text(trusting(registry))
    node = make_node(cpus=2, extra=["--disk", str(tmp_path / "disk.img"), "--config", str(tmp_path / "machine.yaml"), "--guest-forward", registry.forward])
    node.boot()
    free = lambda: int(node.ssh("sync; df -k /data | tail -n 1").split()[3])  # noqa: E731
    node.docker("run", "--name", "grown", BASE, "dd", "if=/dev/urandom", "of=/grown", "bs=1M", "count=20")
    node.ssh(f"fallocate -l {free() - 12 * 1024}K /data/filler || dd if=/dev/zero of=/data/filler bs=1M count={free() // 1024 - 12}")
    before = free()
    assert before < 20 << 10, "a small rest"
    ref = registry.push("large", "full", large(2, 40))
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(f"FROM {BASE}\nCOPY big /big\n")
    (tmp_path / "context/big").write_bytes(random.Random(4).randbytes(40 << 20))
    (tmp_path / "Elsewhere").write_text(f"FROM {BASE}\nCOPY big /big\n")
    context = str(tmp_path / "context")
    for words in (["pull", ref], ["build", context], ["build", "-f", str(tmp_path / "Elsewhere"), context], ["commit", "grown", "grown:1"]):
        done = node.docker(*words, check=False, timeout=300, env={"DOCKER_BUILDKIT": "0"})
        assert done.returncode != 0 and "no space left on device" in done.stderr + done.stdout, done
        assert node.docker("images", "-q", "--filter", "reference=*large*").stdout == ""
        assert node.docker("ps", "-aq", "--filter", "label=wherry.build").stdout == ""
        assert eventually(lambda: free() > before - 2048, 60, 1), (words, before, free())
        assert node.ssh("ls /data/engine/staging") == "", words
    node.ssh("rm /data/filler")
    settle(node)
    node.docker("pull", "-q", ref, timeout=300)


def test_a_registry_that_refuses_what_is_pushed(node, registry):
    """The repository is read-only, or forgets: docker says what the registry said."""
    node.docker("pull", registry.push("once", "1", oci.Image([oci.Layer(oci.tar([oci.Member("a", b"b")]))])))
    node.docker("tag", f"{registry.address}/once:1", "10.0.2.100:9/gone:1")
    started = time.monotonic()
    done = node.docker("push", "10.0.2.100:9/gone:1", check=False, timeout=200)
    assert done.returncode == 1 and "10.0.2.100:9" in done.stderr, done.stderr
    assert time.monotonic() - started < 190
    assert json.loads(node.docker("image", "inspect", "10.0.2.100:9/gone:1").stdout)
