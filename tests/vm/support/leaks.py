# SPDX-License-Identifier: Apache-2.0
"""What a scenario must not leave behind: compared before and after, on the node itself.

One shell line a kind of thing; each prints lines that are stable while nothing leaks, in any order. Started programs cost more than
anything else on an emulated node, so the shell itself does what it can, and what is read is made readable here.
"""

import contextlib
import re

from .node import eventually


def names(*patterns):
    """What is there, by the shell alone."""
    return f"for f in {' '.join(patterns)}; do [ ! -e $f ] || echo $f; done"


KINDS = {
    "cgroups": names("/sys/fs/cgroup/docker/*/", "/sys/fs/cgroup/pods/*/"),
    "mounts": "cut -d' ' -f5 /proc/self/mountinfo",
    "links": names("/sys/class/net/*"),
    # by the name that the kernel has for each (15 bytes) that has a program, which a thread of the kernel has not
    "processes": "for p in /proc/[0-9]*; do [ -e $p/exe ] && read -r name <$p/comm && echo $name; done 2>/dev/null",
    "runtime state": names("/run/runtime/*"),
    "container directories": names("/data/engine/containers/*"),
    "stored descriptors": "wherryctl store",
    "engine descriptors": "while read -r pid; do read -r name </proc/$pid/comm && [ $name = engine ] && stat -c %N /proc/$pid/fd/*; done"
                          " </sys/fs/cgroup/services/engine/cgroup.procs 2>/dev/null; true",
}
OF_THE_CHECK = {"processes": {"dropbear", "sh"}}

# What a service that is still starting opens would be taken for a leak. Once a boot: each program that is started costs.
SETTLED = """[ -e /run/settled ] || for i in $(seq 300); do wherryctl status | grep -q '^state *starting' || break; sleep 0.2; done
: >/run/settled"""

LINK = re.compile(r".* -> |\[\d+\]")  # what stat says before where a link leads, and numbers that are others each time


def snapshot(node, more=None):
    """@more: further kinds, as KINDS has them."""
    script = SETTLED + "\n" + "\n".join(f"echo '@@ {kind}'; {line}" for kind, line in {**KINDS, **(more or {})}.items())
    found, kind = {}, None
    for line in node.ssh(script).splitlines():
        if line.startswith("@@ "):
            kind = line[3:]
            found[kind] = []
        elif line not in OF_THE_CHECK.get(kind, ()):
            found[kind].append(LINK.sub("", line))
    assert found["stored descriptors"], "wherryctl store says nothing"
    return found


def difference(before, after):
    """{kind: what is there now and was not before}; empty when nothing leaked."""
    leaked = {}
    for kind, lines in after.items():
        left = list(lines)
        for line in before.get(kind, []):
            if line in left:
                left.remove(line)
        if left:
            leaked[kind] = left
    return leaked


@contextlib.contextmanager
def checked(node):
    """Around a scenario: what it leaves behind fails it. Last things end by themselves, and get half a minute."""
    before = snapshot(node)
    assert before["engine descriptors"], "there is no engine"
    yield
    assert eventually(lambda: not difference(before, snapshot(node))), f"left behind: {difference(before, snapshot(node))}"
