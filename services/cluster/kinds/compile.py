#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compile.py OUT FILE...: the kinds' text files become one C file of constant tables. README.md is the manual.

What a line may say is decided here and nowhere else; a mistake is one sentence with file and line.
"""

import json
import os
import shlex
import sys

BASES = {
    "string": "STRING", "bool": "BOOL", "int32": "INT32", "int64": "INT64", "double": "DOUBLE", "bytes": "BYTES",
    "quantity": "QUANTITY", "time": "TIME", "microtime": "MICROTIME", "duration": "DURATION",
    "intorstring": "INT_OR_STRING", "any": "ANY",
}
FIELD_FLAGS = {
    "required": "REQUIRED", "immutable": "IMMUTABLE", "retainkeys": "RETAIN_KEYS", "nullable": "NULLABLE",
    "writeonly": "WRITE_ONLY", "mayempty": "MAY_BE_EMPTY", "unique": "UNIQUE",
}
FORMATS = {
    "dns-label": "DNS_LABEL", "dns-label-1035": "DNS_LABEL_1035", "dns-subdomain": "DNS_SUBDOMAIN",
    "label-key": "LABEL_KEY", "label-value": "LABEL_VALUE", "path-segment": "PATH_SEGMENT",
    "config-key": "CONFIG_KEY", "port": "PORT", "port-name": "PORT_NAME", "port-or-name": "PORT_OR_NAME",
    "env-name": "ENV_NAME", "ip": "IP", "cidr": "CIDR", "absolute-path": "ABSOLUTE_PATH",
    "local-path": "LOCAL_PATH", "non-negative": "NON_NEGATIVE", "positive": "POSITIVE",
    "quantity-non-negative": "QUANTITY_NON_NEGATIVE", "percent-or-int": "PERCENT_OR_INT", "labels": "LABELS",
    "not-empty": "NOT_EMPTY",
}
KIND_FLAGS = {
    "cluster": None, "status": "STATUS", "generation": "GENERATION", "review": "REVIEW", "lazy": "LAZY",
    "create-on-update": "CREATE_ON_UPDATE", "unconditional": "UNCONDITIONAL", "metrics": "METRICS",
}
VERBS = {
    "get": "GET", "list": "LISTS", "watch": "WATCH", "create": "CREATE", "update": "UPDATE", "patch": "PATCH",
    "delete": "DELETE", "deletecollection": "DELETE_COLLECTION",
}
# `document`: sent or answered although no resource is one; schema_named_type() finds it.
TYPE_FLAGS = {"document": None, "alias": "ALIAS", "open": "OPEN", "atomic": "ONE_OWNER", "embedded": "EMBEDDED"}


class Mistake(Exception):
    pass


class Type:
    def __init__(self, where, package, name):
        self.where, self.package, self.name = where, package, name
        self.fields, self.doc, self.flags, self.check, self.default = [], "", set(), None, None


class Kind:
    def __init__(self, where, package, group, version, name):
        self.where, self.package, self.group, self.version, self.name = where, package, group, version, name
        self.plural = self.singular = None
        self.short, self.categories, self.flags, self.select = [], [], set(), []
        self.columns, self.subresources = [], []
        self.verbs, self.name_format, self.stored, self.list_kind = list(VERBS), "dns-subdomain", None, None
        self.warning = None


def number(text):
    float(text)
    return text


def split_doc(line):
    """The words of a line, and what follows its `--`."""
    head, _, doc = line.partition(" -- ")
    lexer = shlex.shlex(head, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes = True, "", "'"
    lexer.escape = ""
    return list(lexer), doc.strip()


class Reader:
    def __init__(self):
        self.types, self.kinds = [], []

    def read(self, path):
        package = group = version = kind = typ = None
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        for n, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            where = f"{path}:{n}"
            try:
                words, doc = split_doc(line.strip())
                if line[0] == "\t":
                    if typ is not None:
                        typ.fields.append(self.field(where, words, doc))
                    elif kind is not None:
                        self.kind_line(kind, words, doc)
                    else:
                        raise Mistake("a line with a tab belongs to a type or a kind, and there is none before it")
                elif words[0] == "package":
                    package, = words[1:]
                elif words[0] == "group":
                    group, version = words[1].split("/")
                    group = "" if group == "core" else group
                elif words[0] == "kind":
                    kind, typ = Kind(where, package, group, version, words[1]), None
                    self.kinds.append(kind)
                elif words[0] == "type":
                    typ, kind = self.type(where, package, words, doc), None
                    self.types.append(typ)
                else:
                    raise Mistake(f"'{words[0]}' is not package, group, kind or type")
            except (Mistake, ValueError, IndexError) as e:
                sys.exit(f"{where}: {e}")

    @staticmethod
    def type(where, package, words, doc):
        t = Type(where, package, words[1])
        t.doc = doc
        for w in words[2:]:
            key, _, value = w.partition("=")
            if w in TYPE_FLAGS:
                t.flags.add(w)
            elif key == "check":
                t.check = value
            elif key == "default":
                t.default = value
            else:
                raise Mistake(f"'{w}': a type has {', '.join(TYPE_FLAGS)}, check=, default=")
        return t

    @staticmethod
    def kind_line(k, words, doc):
        word, rest = words[0], words[1:]
        if word == "names":
            k.plural, k.singular, *k.short = rest
        elif word in ("categories", "select", "verbs"):
            setattr(k, word, rest)
            for v in k.verbs:
                if v not in VERBS:
                    raise Mistake(f"'{v}' is not a verb")
        elif word == "flags":
            for f in rest:
                if f not in KIND_FLAGS:
                    raise Mistake(f"'{f}' is not a flag: {', '.join(KIND_FLAGS)}")
                k.flags.add(f)
        elif word == "name":
            k.name_format, = rest
        elif word == "stored":
            k.stored, = rest
        elif word == "list":
            k.list_kind, = rest
        elif word == "warning":
            k.warning = doc
        elif word == "column":
            k.columns.append(Reader.column(rest, doc))
        elif word == "subresource":
            k.subresources.append(rest)
        else:
            raise Mistake(f"'{word}' says nothing of a kind")

    @staticmethod
    def column(words, doc):
        name, typ, source, *more = words
        c = {"name": name, "type": typ, "doc": doc, "format": "", "priority": 0, "path": None, "cell": None}
        if source.startswith("."):
            c["path"] = source
        elif source.startswith("cell="):
            c["cell"] = source[5:]
        else:
            raise Mistake(f"'{source}': a column has a .path or cell=NAME")
        for w in more:
            if w == "wide":
                c["priority"] = 1
            elif w == "name":
                c["format"] = "name"
            else:
                raise Mistake(f"'{w}': a column is wide, or the name")
        return c

    @staticmethod
    def tag(text):
        """In the low byte the field's own, in the high one where it is: 2 of 2.1, and 2 and 2 in four bits each of 2.2.1."""
        *outer, inner = map(int, text.split("."))
        if len(outer) > 2 or any(not 0 < n < 16 for n in outer) or not 0 <= inner < 256:
            raise Mistake(f"'{text}' is not a tag")
        return sum(n << 4 * i for i, n in enumerate(reversed(outer))) << 8 | inner

    @staticmethod
    def field(where, words, doc):
        name, tag, typ, *more = words
        f = {"where": where, "name": name, "doc": doc, "tag": Reader.tag(tag), "shape": "ONE",
             "flags": set(), "list": "ATOMIC", "rules": {}, "default": None}
        if typ.endswith("?"):
            f["flags"].add("POINTER")
            typ = typ[:-1]
        if typ[0] in "[{":
            f["shape"] = "LIST" if typ[0] == "[" else "MAP"
            typ = typ[1:-1]
        f["type"] = typ
        rules = f["rules"]
        for w in more:
            key, eq, value = w.partition("=")
            if w in FIELD_FLAGS:
                f["flags"].add(FIELD_FLAGS[w])
            elif w == "atomic" and f["shape"] != "LIST":
                f["flags"].add("MAP_ATOMIC")
            elif w == "atomic":
                f["list"] = "ATOMIC"
            elif w == "set":
                f["list"] = "SET"
            elif key == "key":
                f["list"], rules["keys"] = "LIST_MAP", tuple(value.split(","))
            elif key == "merge":
                f["flags"].add("MERGE")
                if eq:
                    rules["merge_key"] = value
            elif key == "default":
                json.loads(value)
                rules["def"] = value
            elif key == "enum":
                rules["enums"] = tuple(value.split("|"))
            elif key in ("min", "max"):
                rules[key] = number(value)
            elif key in ("minlen", "maxlen"):
                rules[key] = int(value)
            elif key in ("format", "keyformat"):
                if value not in FORMATS:
                    raise Mistake(f"'{value}' is not a format: {', '.join(FORMATS)}")
                rules[key] = value
            elif key == "check":
                rules["check"] = value
            elif key == "as" and typ == "any":
                rules["message"] = value
            else:
                raise Mistake(f"'{w}' says nothing of a field")
        return f


def c_string(text):
    return "NULL" if text is None else json.dumps(text, ensure_ascii=False)


class Writer:
    def __init__(self, reader):
        self.types, self.kinds = reader.types, reader.kinds
        self.index, self.rules, self.words = {}, {}, {}
        self.checks, self.defaults, self.cells = set(), set(), []
        for i, t in enumerate(self.types):
            if (t.package, t.name) in self.index:
                sys.exit(f"{t.where}: type {t.name} is there twice in {t.package}")
            self.index[t.package, t.name] = i
        self.by_name = {}
        for t in self.types:
            self.by_name.setdefault(t.name, []).append(t)

    def find(self, where, package, name):
        """The index of a type: of the same package, or the only one of that name, or PACKAGE.NAME."""
        if (package, name) in self.index:
            return self.index[package, name]
        if "." in name:
            there, _, last = name.rpartition(".")
            found = [t for t in self.by_name.get(last, []) if t.package.endswith(there)]
        else:
            found = self.by_name.get(name, [])
        if len(found) != 1:
            sys.exit(f"{where}: {'no' if not found else 'more than one'} type is called {name}")
        return self.index[found[0].package, found[0].name]

    def rule(self, r):
        if not r:
            return "NULL"
        key = tuple(sorted(r.items()))
        return f"&rules[{self.rules.setdefault(key, len(self.rules))}]"

    def strings(self, items):
        """A NULL-terminated array of constant strings."""
        return f"words{self.words.setdefault(tuple(items), len(self.words))}"

    def field(self, t, f):
        base, typ = BASES.get(f["type"]), "NULL"
        if base is None:
            base, typ = "OBJECT", f"&types[{self.find(f['where'], t.package, f['type'])}]"
        if "message" in f["rules"]:
            f["rules"]["message"] = self.find(f["where"], t.package, f["rules"]["message"])
        flags = " | ".join(f"SCHEMA_{x}" for x in sorted(f["flags"])) or "0"
        return (f"\t{{{c_string(f['name'])}, {c_string(f['doc'])}, {typ}, {self.rule(f['rules'])}, {f['tag']}, "
                f"{flags}, SCHEMA_{base}, SCHEMA_{f['shape']}, SCHEMA_{f['list']}}},\n")

    def rule_text(self, r):
        r = dict(r)
        out = []
        if "def" in r:
            out.append(f".def = {c_string(r['def'])}")
        if "enums" in r:
            out.append(f".enums = {self.strings(r['enums'])}")
        if "keys" in r:
            out.append(f".keys = {self.strings(r['keys'])}")
        if "merge_key" in r:
            out.append(f".merge_key = {c_string(r['merge_key'])}")
        if "check" in r:
            self.checks.add(r["check"])
            out.append(f".check = check_{r['check']}")
        if "message" in r:
            out.append(f".message = &types[{r['message']}]")
        if "min" in r or "max" in r:
            out.append(f".min = {r.get('min', '-HUGE_VAL')}, .max = {r.get('max', 'HUGE_VAL')}")
        else:
            out.append(".min = 1")
        for key, member in (("minlen", "min_len"), ("maxlen", "max_len")):
            if key in r:
                out.append(f".{member} = {r[key]}")
        for key, member in (("format", "format"), ("keyformat", "key_format")):
            if key in r:
                out.append(f".{member} = SCHEMA_{FORMATS[r[key]]}")
        return "\t{" + ", ".join(out) + "},\n"

    def subresource(self, k, words):
        name, verbs, *more = words
        out = [f".name = {c_string(name)}"]
        out.append(".verbs = " + " | ".join(f"SCHEMA_{VERBS[v]}" for v in verbs.split(",")))
        for w in more:
            key, _, value = w.partition("=")
            if key == "kind":
                api_version, _, kind = value.rpartition("/")
                group, _, version = api_version.rpartition("/")
                out.append(f".group = {c_string(group)}, .version = {c_string(version)}, .kind = {c_string(kind)}")
            elif key in ("spec_replicas", "status_replicas", "selector"):
                out.append(f".{key} = {c_string(value)}")
            else:
                sys.exit(f"{k.where}: '{w}' says nothing of a subresource")
        return "\t{" + ", ".join(out) + "},\n"

    def text(self):
        out = ["/* Made by compile.py from the kinds' text files. */\n\n#include <math.h>\n#include <stddef.h>\n\n"
               '#include "cluster/schema/schema.h"\n#include "cluster/schema/tables_int.h"\n\n']
        fields, types, starts = [], [], []
        for t in self.types:
            starts.append(len(fields))
            t.fields.sort(key=lambda f: f["name"].encode())
            for a, b in zip(t.fields, t.fields[1:]):
                if a["name"] == b["name"]:
                    sys.exit(f"{b['where']}: {t.name} has {b['name']} twice")
            fields.extend(self.field(t, f) for f in t.fields)
        for t, start in zip(self.types, starts):
            flags = " | ".join(f"SCHEMA_{TYPE_FLAGS[x]}" for x in sorted(t.flags) if TYPE_FLAGS[x]) or "0"
            check = f"check_{t.check}" if t.check else "NULL"
            default = f"default_{t.default}" if t.default else "NULL"
            if t.check:
                self.checks.add(t.check)
            if t.default:
                self.defaults.add(t.default)
            types.append(f"\t{{{c_string(t.name)}, {c_string(t.package)}, {c_string(t.doc)}, &fields[{start}], "
                         f"{check}, {default}, NULL, {len(t.fields)}, {flags}}},\n")
        rules = [self.rule_text(r) for r in self.rules]
        kinds = self.kind_tables()
        for name in sorted(self.checks):
            out.append(f"extern schema_check check_{name};\n")
        for name in sorted(self.defaults):
            out.append(f"extern schema_default default_{name};\n")
        out.append("\n")
        for items, n in self.words.items():
            out.append(f"static const char *const words{n}[] = {{{''.join(c_string(x) + ', ' for x in items)}NULL}};\n")
        out.append(f"\nstatic const struct schema_type types[{len(types)}];\n")
        out += ["\nstatic const struct schema_rules rules[] = {\n", *rules, "};\n"]
        out += ["\nstatic const struct schema_field fields[] = {\n", *fields, "};\n"]
        out += [f"\nstatic const struct schema_type types[{len(types)}] = {{\n", *types, "};\n"]
        out += kinds
        named = sorted((t for t in self.types if "document" in t.flags), key=lambda t: t.name)
        out.append("\nconst struct schema_type *const schema_table_named[] = {\n")
        out += [f"\t&types[{self.index[t.package, t.name]}],\n" for t in named]
        out.append(f"}};\nconst size_t schema_table_n_named = {len(named)};\n")
        return "".join(out)

    def kind_tables(self):
        out, rows = [], []
        self.kinds.sort(key=lambda k: (k.group, k.version, k.plural))
        place = {(k.group, k.version, k.name): i for i, k in enumerate(self.kinds)}
        for i, k in enumerate(self.kinds):
            if k.columns:
                out.append(f"\nstatic const struct schema_column columns{i}[] = {{\n")
                for c in k.columns:
                    cell = f"CELL_{c['cell'].upper().replace('-', '_')}" if c["cell"] else "0"
                    out.append(f"\t{{{c_string(c['name'])}, {c_string(c['type'])}, {c_string(c['format'])}, "
                               f"{c_string(c['doc'])}, {c_string(c['path'])}, {cell}, {c['priority']}}},\n")
                out.append("};\n")
            if k.subresources:
                out.append(f"\nstatic const struct schema_subresource subresources{i}[] = {{\n")
                out += [self.subresource(k, w) for w in k.subresources]
                out.append("};\n")
            flags = ["SCHEMA_" + KIND_FLAGS[f] for f in sorted(k.flags) if KIND_FLAGS[f]]
            if "cluster" not in k.flags:
                flags.insert(0, "SCHEMA_NAMESPACED")
            group_version = f"{k.group}/{k.version}" if k.group else k.version
            stored = i
            if k.stored:
                g, v = k.stored.split("/")
                stored = place.get(("" if g == "core" else g, v, k.name))
                if stored is None:
                    sys.exit(f"{k.where}: {k.name} is not in {k.stored}")
            verbs = "SCHEMA_ALL_VERBS" if len(k.verbs) == len(VERBS) else \
                " | ".join(f"SCHEMA_{VERBS[v]}" for v in k.verbs)
            rows.append("\t{" + ", ".join([
                f".group = {c_string(k.group)}", f".version = {c_string(k.version)}",
                f".api_version = {c_string(group_version)}", f".kind = {c_string(k.name)}",
                f".list_kind = {c_string(k.list_kind or k.name + 'List')}", f".plural = {c_string(k.plural)}",
                f".singular = {c_string(k.singular)}", f".short_names = {self.strings(k.short)}",
                f".categories = {self.strings(k.categories)}", f".selectable = {self.strings(k.select)}",
                f".type = &types[{self.find(k.where, k.package, k.name)}]",
                f".columns = columns{i}, .n_columns = {len(k.columns)}" if k.columns else ".n_columns = 0",
                f".subresources = subresources{i}, .n_subresources = {len(k.subresources)}"
                if k.subresources else ".n_subresources = 0",
                f".stored = &schema_table_kinds[{stored}]", f".name_format = SCHEMA_{FORMATS[k.name_format]}",
                *([f".warning = {c_string(k.warning)}"] if k.warning else []),
                f".verbs = {verbs}", f".flags = {' | '.join(flags) or '0'}"]) + "},\n")
        out += [f"\nconst struct schema_kind schema_table_kinds[{len(rows)}] = {{\n", *rows, "};\n",
                f"const size_t schema_table_n_kinds = {len(rows)};\n"]
        return out


def main(words):
    out, *files = words
    reader = Reader()
    for path in sorted(files):
        reader.read(path)
    text = Writer(reader).text()
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(f"{out}.new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(f"{out}.new", out)


if __name__ == "__main__":
    main(sys.argv[1:])
