# SPDX-License-Identifier: Apache-2.0
"""Which of the upstream conformance tests, by name, this project's own scenarios prove.

A test that checks what an upstream one checks says so: `@pytest.mark.conformance("[sig-apps] Job should delete a job")`.
A run leaves the outcomes in out/conformance.json, and

    python3 -m support.conformance NAMES README        (in tests/vm)

writes the table of README's section "Conformance" from them: NAMES has upstream's names, a line each, README is
services/cluster/README.md. A name that upstream does not have is an error, so that nothing is counted that does not exist.
"""

import argparse
import collections
import json
import sys
from pathlib import Path

import pytest

OUTCOMES = Path(__file__).parents[3] / "out/conformance.json"
BEGIN, END = "<!-- conformance: written by tests/vm/support/conformance.py -->", "<!-- /conformance -->"


def named(area, *names):
    """Marks a test that checks what several upstream ones do, whose names begin alike."""

    def marked(test):
        for name in names:
            test = pytest.mark.conformance(area + name)(test)
        return test

    return marked


class Recorder:
    """A pytest plugin: the worst outcome of the tests that carry a name."""

    def __init__(self, config):
        self.worker = hasattr(config, "workerinput")
        self.outcomes = {}

    def pytest_runtest_setup(self, item):
        for mark in item.iter_markers("conformance"):
            item.user_properties.append(("conformance", mark.args[0]))

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        for key, name in report.user_properties:
            if key == "conformance" and self.outcomes.get(name) != "failed":
                self.outcomes[name] = report.outcome

    def pytest_sessionfinish(self):
        if self.worker or not self.outcomes:
            return
        known = json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {}
        OUTCOMES.parent.mkdir(exist_ok=True)
        OUTCOMES.write_text(json.dumps({**known, **self.outcomes}, indent=1, sort_keys=True) + "\n")


def plain(name):
    """A name without the tags that say how upstream runs it."""
    return name.removesuffix("[Conformance]").strip()


def table(names, outcomes):
    areas = collections.defaultdict(collections.Counter)
    for name in names:
        area = name.split("]")[0].removeprefix("[sig-")
        areas[area][outcomes.get(name, "not yet")] += 1
    yield "| area | upstream's names | passed | failed | not yet |"
    yield "|---|---|---|---|---|"
    total = collections.Counter()
    for area, count in sorted(areas.items()):
        total.update(count)
        yield f"| {area} | {count.total()} | {count['passed']} | {count['failed']} | {count['not yet'] + count['skipped']} |"
    yield f"| all | {total.total()} | {total['passed']} | {total['failed']} | {total['not yet'] + total['skipped']} |"


def main():
    words = argparse.ArgumentParser(description="Writes the table of conformance into a README.")
    words.add_argument("names", type=Path)
    words.add_argument("readme", type=Path)
    args = words.parse_args()
    names = [plain(line) for line in args.names.read_text().splitlines() if line]
    outcomes = {plain(k): v for k, v in json.loads(OUTCOMES.read_text()).items()}
    strangers = sorted(set(outcomes) - set(names))
    if strangers:
        sys.exit("upstream has no test of this name: " + "; ".join(strangers))
    text = args.readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{args.readme}: the marks of the table are missing: {BEGIN} and {END}")
    before, rest = text.split(BEGIN)
    args.readme.write_text("\n".join([before + BEGIN, *table(names, outcomes), END]) + rest.split(END)[1])


if __name__ == "__main__":
    main()
