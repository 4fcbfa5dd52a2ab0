#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""zones.py OUT FOLDER: the time zones of a compiled tz database, as constant C tables (zone_int.h).

A compiled zone is a list of changes and a rule for the time after them (RFC 9636). The list goes up to 2037 by habit, whatever
the rule says: kept of it are the changes since 1970 up to the one from which the rule alone is right. Zones that are the same
since then are one. OUT is written only when it is to be another, so that nothing is compiled for nothing.
"""

import bisect
import datetime
import re
import struct
import sys
from pathlib import Path

YEARS = range(1901, 2107)  # of which changes by rule are compared with those in the list
CHANGE_MAX = 2**32
# the same zones again without and with leap seconds, and names that mean another file
NOT_ZONES = ("posix", "right", "localtime", "posixrules")

NAME, SPAN = r"(?:<[^>]+>|[A-Za-z]{3,})", r"[-+]?\d+(?::\d+){0,2}"
DAY = rf"M(\d+)\.(\d)\.(\d)(?:/({SPAN}))?"
RULE = re.compile(f"{NAME}({SPAN})(?:{NAME}({SPAN})?,{DAY},{DAY})?")


def seconds(span):
    """[+-]h[:mm[:ss]]"""
    parts = [int(p) for p in span.lstrip("+-").split(":")] + [0, 0]
    return (-1 if span[0] == "-" else 1) * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def read_rule(text):
    """A value of TZ as (east, summer's east, its first day, its last day); a day: (month, week, weekday, seconds)."""
    found = RULE.fullmatch(text)
    if not found:
        sys.exit(f"zones.py: no reading of the rule {text}")
    west, summer_west, *days = found.groups()
    east = -seconds(west)
    if days[0] is None:
        return east, east, (0, 0, 0, 0), (0, 0, 0, 0)
    begins, ends = ((*(int(n) for n in d[:3]), seconds(d[3] or "2")) for d in (days[:4], days[4:]))
    return east, -seconds(summer_west) if summer_west else east + 3600, begins, ends


def moment(day, year):
    """Seconds from the epoch, by the zone's own clock as if it were UTC."""
    month, week, weekday, of_day = day
    first = datetime.date(year, month, 1)
    at = first + datetime.timedelta((weekday - first.isoweekday()) % 7 + (week - 1) * 7)
    while at.month != month:
        at -= datetime.timedelta(7)
    return (at - datetime.date(1970, 1, 1)).days * 86400 + of_day


def changes_of(rule):
    """When the rule changes the clock: [(time, east)], in order."""
    east, summer, begins, ends = rule
    if not begins[0]:
        return []
    return sorted(change for year in YEARS
                  for change in ((moment(begins, year) - east, summer), (moment(ends, year) - summer, east)))


def read_zone(data):
    """The changes [(time, east)] of a compiled zone, the east before them, and its rule; None for what is no zone."""
    if data[:4] != b"TZif" or data[4:5] < b"2":
        return None

    def counts(at):
        return struct.unpack(">6I", data[at + 20:at + 44])

    # the first part has 32 bits and is passed over
    ut, std, leap, n, types, chars = counts(0)
    at = 44 + n * 5 + types * 6 + chars + leap * 8 + std + ut
    ut, std, leap, n, types, chars = counts(at)
    at += 44
    times = struct.unpack(f">{n}q", data[at:at + 8 * n])
    which = data[at + 8 * n:at + 9 * n]
    at += 9 * n
    easts = [struct.unpack(">i", data[at + 6 * i:at + 6 * i + 4])[0] for i in range(types)]
    rule = data[at + types * 6 + chars + leap * 12 + std + ut:].strip(b"\n").decode("ascii")
    changes, east = [], easts[0]
    for time, i in zip(times, which):
        if easts[i] != east:
            east = easts[i]
            changes.append((time, east))
    return changes, easts[0], read_rule(rule)


def until_rule(name, changes, rule):
    """The changes without those that the rule makes by itself: from the last one on, the rule is right."""
    by_rule = changes_of(rule)

    def east(time):
        i = bisect.bisect(by_rule, (time, CHANGE_MAX))
        return by_rule[i - 1][1] if i else rule[0]

    def next_change(time):
        i = bisect.bisect(by_rule, (time, CHANGE_MAX))
        return by_rule[i][0] if i < len(by_rule) else None

    if changes and east(changes[-1][0]) != changes[-1][1]:
        sys.exit(f"zones.py: {name}: the last change and the rule are not of one mind")
    while len(changes) > 1:
        (time, before), (then, _) = changes[-2:]
        if east(time) != before or next_change(time) != then:
            break
        changes.pop()
    return changes


def since_1970(changes, east):
    for time, now in changes:
        if time < 0:
            east = now
    return [c for c in changes if c[0] >= 0], east


def rows(values, form):
    return "".join(f"\t{form(v)},\n" for v in values)


def day(d):
    return "{%d, %d, %d, %d}" % d


def table(zones):
    """{name: (changes, east before them, rule)} as C."""
    kinds = list(dict.fromkeys((tuple(c), e, r) for c, e, r in zones.values()))
    rules = sorted({r for _, _, r in kinds})
    easts = sorted({e for changes, before, _ in kinds for e in (before, *(c[1] for c in changes))})
    changes = [c for k in kinds for c in k[0]]
    if max(len(easts), len(rules)) > 256 or len(changes) > 65535 or any(not 0 <= t < CHANGE_MAX for t, _ in changes):
        sys.exit("zones.py: the numbers of zone_int.h are too small for this database")
    first, entries = 0, []
    for c, before, rule in kinds:
        entries.append((first, len(c), rules.index(rule), easts.index(before)))
        first += len(c)
    text, names = 0, []
    for name, (c, before, rule) in sorted(zones.items()):
        names.append((text, kinds.index((tuple(c), before, rule))))
        text += len(name) + 1
    return f"""\
/* Made by zones.py. */
#include "cluster/schema/zone_int.h"

const char zone_text[] =
{"".join(f'	"{n}{chr(92)}0"{chr(10)}' for n in sorted(zones))}	;
const struct zone_name zone_names[] = {{
{rows(names, lambda n: "{%d, %d}" % n)}}};
const size_t zone_names_len = {len(names)};
const struct zone zones[] = {{
{rows(entries, lambda e: "{%d, %d, %d, %d}" % e)}}};
const struct zone_rule zone_rules[] = {{
{rows(rules, lambda r: f"{{{r[0]}, {r[1]}, {day(r[2])}, {day(r[3])}}}")}}};
const int32_t zone_easts[] = {{
{rows(easts, str)}}};
const uint32_t zone_change_times[] = {{
{rows(changes, lambda c: f"{c[0]}U")}}};
const uint8_t zone_change_easts[] = {{
{rows(changes, lambda c: easts.index(c[1]))}}};
"""


def main(out, folder):
    folder, out = Path(folder), Path(out)
    zones = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] in NOT_ZONES or not path.is_file():
            continue
        found = read_zone(path.read_bytes())
        if found:
            changes, east, rule = found
            zones[name] = (*since_1970(until_rule(name, changes, rule), east), rule)
    if "UTC" not in zones or "Europe/Berlin" not in zones:
        sys.exit(f"zones.py: {folder} has no time zones")
    made = table(zones)
    if not out.exists() or out.read_text(encoding="ascii") != made:
        out.write_text(made, encoding="ascii")


main(*sys.argv[1:])
