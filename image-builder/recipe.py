# SPDX-License-Identifier: Apache-2.0
"""Recipes: what a component is made from. The steps themselves are shell and stay in the recipe.

A recipe's first part is plain NAME="words" lines, read here without running anything:

    sources     Debian source packages
    packages    Debian binary packages, NAME or NAME:ARCHITECTURE, as they are
    deps        components whose result is in the sysroot while this one builds
    inputs      files of the tree that the steps read; ARCH stands for the architecture
    root        the folder of packages that the steps run in; default image
    sysroot     "yes" if the result belongs into the sysroot our own programs are linked with
"""

import dataclasses
import re

from paths import BUILDER, BuildError

RECIPES = BUILDER / "recipes"
KEYS = ("sources", "packages", "deps", "inputs", "root", "sysroot")


@dataclasses.dataclass(frozen=True)
class Recipe:
    name: str
    text: str
    sources: tuple = ()
    packages: tuple = ()
    deps: tuple = ()
    inputs: tuple = ()
    root: tuple = ("image",)
    sysroot: tuple = ()


def load(name):
    path = RECIPES / name
    if not path.is_file():
        raise BuildError(f"there is no recipe {name}")
    text = path.read_text()
    head = text.split("\nbuild()", 1)[0]
    fields = {k: tuple(v.split()) for k, v in re.findall(r'(?m)^(\w+)="([^"]*)"', head) if k in KEYS}
    return Recipe(name, text, **fields)


def all_recipes():
    return [load(p.name) for p in sorted(RECIPES.iterdir()) if p.is_file() and not p.name.startswith(".")]


def closure(names):
    """The recipes of @names and of all they depend on, each after its dependencies."""
    order = {}

    def add(name, above):
        if name in above:
            raise BuildError(f"recipes depend on each other: {' -> '.join((*above, name))}")
        if name not in order:
            r = load(name)
            for d in r.deps:
                add(d, (*above, name))
            order[name] = r

    for name in names:
        add(name, ())
    return list(order.values())
