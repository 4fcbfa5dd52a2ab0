# SPDX-License-Identifier: Apache-2.0
"""What a scenario must not leave behind: compared before and after, on the node itself.

One shell line a kind of thing; each prints lines that are stable while nothing leaks, in any order. Started programs cost more than
anything else on an emulated node, so they are few.
"""

import contextlib

from .node import eventually

KINDS = {
    "cgroups": "find /sys/fs/cgroup/docker /sys/fs/cgroup/pods -mindepth 1 -maxdepth 1 -type d 2>/dev/null",
    "mounts": "cut -d' ' -f5 /proc/self/mountinfo",
    "links": "ls /sys/class/net",
    "processes": "ps -o args | cut -d' ' -f1 | grep -v -e dropbear -e '^-\\?sh$' -e '^\\[' -e ash -e '^ps$' -e '^cut$' -e '^grep$' -e COMMAND",
    "runtime state": "ls /run/runtime 2>/dev/null",
    "container directories": "ls /data/engine/containers 2>/dev/null",
    "stored descriptors": "wherryctl store | grep . || echo 'wherryctl store says nothing'",
    "engine descriptors": r"ls -l /proc/$(pidof -s engine)/fd 2>/dev/null | sed -n '/ -> /{s/.* -> //;s/\[[0-9]*\]//;p}'",
}

# What a service that is still starting opens would be taken for a leak. Once a boot: each program that is started costs.
SETTLED = """[ -e /run/settled ] || for i in $(seq 300); do wherryctl status | grep -q '^state *starting' || break; sleep 0.2; done
: >/run/settled"""


def snapshot(node, more=None):
    """@more: further kinds, as KINDS has them."""
    script = SETTLED + "\n" + "\n".join(f"echo '@@ {kind}'; {line}" for kind, line in {**KINDS, **(more or {})}.items())
    found, kind = {}, None
    for line in node.ssh(script, kept=True).splitlines():
        if line.startswith("@@ "):
            kind = line[3:]
            found[kind] = []
        else:
            found[kind].append(line)
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
    yield
    assert eventually(lambda: not difference(before, snapshot(node))), f"left behind: {difference(before, snapshot(node))}"
