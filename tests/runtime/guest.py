# SPDX-License-Identifier: Apache-2.0
"""What a guest said, as TAP."""

import re


def results(console):
    """{name: None when it passed, else why not}, and whether the guest came to its end."""
    found = {m[1]: None for m in re.finditer(r"^ok \d+ (\S+)", console, re.M)}
    found.update({m[1]: m[2] for m in re.finditer(r"^not ok \d+ (\S+).*\n((?:# .*\n)*)", console, re.M)})
    plan = re.search(r"^1\.\.(\d+)$", console, re.M)
    return found, bool(plan) and int(plan[1]) == len(found)


def summary(console, what):
    """Prints the failures; 0 when there was none and the guest came to its end."""
    found, complete = results(console)
    failed = {name: why for name, why in found.items() if why is not None}
    for name, why in failed.items():
        print(f"not ok {name}\n{why}")
    if not complete:
        print(console[-3000:])
        print("the guest did not come to its end")
    print(f"{what}: {len(found) - len(failed)} passed, {len(failed)} failed")
    return 0 if complete and not failed else 1
