/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions with the type of what they make, or what is said against them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/cel/cel_int.h"

static const struct cel_shape number = {CEL_INT}, word = {CEL_STRING}, any = {CEL_DYN};
static const struct cel_shape span = {CEL_DURATION}, spans = {CEL_LIST, &cel_fields, &span};
static const struct cel_shape real = {CEL_DOUBLE}, moment = {CEL_TIMESTAMP}, blob = {CEL_BYTES},
			      blobs = {CEL_LIST, &cel_fields, &blob};
static const struct cel_field item_fields[] = {{"name", {CEL_STRING}}, {"port", {CEL_INT}}, {NULL}};
static const struct cel_shape item = {CEL_STRUCT, &cel_fields, item_fields};
static const struct cel_field self_fields[] = {
	{"n", {CEL_INT}},
	{"d", {CEL_DOUBLE}},
	{"s", {CEL_STRING}},
	{"b", {CEL_BOOL}},
	{"data", {CEL_BYTES}},
	{"at", {CEL_TIMESTAMP}},
	{"span", {CEL_DURATION}},
	{"spans", {CEL_LIST, &cel_fields, &span}},
	{"many", {CEL_MAP, &cel_fields, &spans}},
	{"numbers", {CEL_LIST, &cel_fields, &real}},
	{"big", {CEL_MAP, &cel_fields, &real}},
	{"days", {CEL_LIST, &cel_fields, &moment}},
	{"blobs", {CEL_LIST, &cel_fields, &blob}},
	{"byName", {CEL_MAP, &cel_fields, &blobs}},
	{"any", {CEL_DYN}},
	{"list", {CEL_LIST, &cel_fields, &number}},
	{"names", {CEL_LIST, &cel_fields, &word}},
	{"anys", {CEL_LIST, &cel_fields, &any}},
	{"map", {CEL_MAP, &cel_fields, &number}},
	{"items", {CEL_LIST, &cel_fields, &item}},
	{"item", {CEL_STRUCT, &cel_fields, item_fields}},
	{"a-b", {CEL_INT}},
	{"in", {CEL_STRING}},
	{NULL},
};
static const char *const names[] = {"self", "oldSelf", "object", NULL};
static const struct cel_shape shapes[] = {
	{CEL_STRUCT, &cel_fields, self_fields}, {CEL_STRUCT, &cel_fields, self_fields}, {CEL_DYN}};
static const struct cel_scope plain = {.names = names}, optional = {.names = names, .optional = "oldSelf"},
			      patches = {.names = names, .patches = true},
			      binds = {.names = names, .binds = true};

struct row {
	const char *text, *is; /* a type, or "1:2: why not" */
};

static void look(const struct cel_scope *scope, const struct cel_shape *of, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char is[CEL_WHY_MAX] = "";
		struct cel *c = cel_compile_in(rows[i].text, strlen(rows[i].text), scope, is);

		if (c && cel_check(c, scope, of, is))
			type_write(c->type, is, sizeof(is));
		if (strcmp(is, rows[i].is) != 0)
			fail_msg("%s: '%s', not '%s'", rows[i].text, is, rows[i].is);
		cel_free(c);
	}
}

#define LOOK(scope, ...) LOOK_AT(scope, shapes, __VA_ARGS__)
#define LOOK_AT(scope, of, ...)                                                                              \
	do {                                                                                                 \
		static const struct row rows[] = {__VA_ARGS__};                                              \
		look(scope, of, rows, sizeof(rows) / sizeof(*rows));                                         \
	} while (0)

static void test_literals(void **state)
{
	LOOK(&plain, {"1", "int"}, {"1u", "uint"}, {"-1", "int"}, {"1.5", "double"}, {"'a'", "string"},
		{"b'a'", "bytes"}, {"true", "bool"}, {"null", "null"}, {"int", "type"},
		{"type(1) == int", "bool"}, {"type(self.at) == google.protobuf.Timestamp", "bool"},
		{"google.protobuf.Duration", "type"}, {"net.IP", "type"},
		{"self.at == google.protobuf.Timestamp",
			"1:9: found no matching overload for '_==_' applied to '(timestamp, type)'"},
		{"[]", "list(dyn)"}, {"[1, 2]", "list(int)"}, {"{}", "map(dyn, dyn)"},
		{"{'a': [1]}", "map(string, list(int))"},
		{"[1, 'a']", "1:5: expected type 'int' but found 'string'"},
		{"{'a': 1, 'b': 'c'}", "1:15: expected type 'int' but found 'string'"},
		{"{'a': 1, 2: 3}", "1:10: expected type 'string' but found 'int'"},
		{"[1, self.any]", "list(dyn)"}, {"[self.any, 1, 'a']", "list(dyn)"},
		{"[[], [1]]", "list(list(int))"}, {"[[1], []]", "list(list(int))"},
		{"[self.any, []]", "list(dyn)"}, {"[{}, {'a': 1}]", "list(map(string, int))"},
		{"[[]][0]", "list(dyn)"}, {"[][0].x", "dyn"}, {"[?self.?n, 1]", "list(int)"},
		{"[?1]", "1:3: expected type 'optional_type(int)' but found 'int'"},
		{"{?'a': self.?s}", "map(string, string)"});
}

static void test_operators(void **state)
{
	LOOK(&plain, {"self.n + 1", "int"},
		{"self.n + 'x'", "1:8: found no matching overload for '_+_' applied to '(int, string)'"},
		{"1 + 1.0", "1:3: found no matching overload for '_+_' applied to '(int, double)'"},
		{"self.s + 'x'", "string"}, {"self.list + [1]", "list(int)"},
		{"self.list + ['a']",
			"1:11: found no matching overload for '_+_' applied to '(list(int), list(string))'"},
		{"self.list + []", "list(int)"}, {"[] + self.list", "list(int)"},
		{"[].map(x, x + 1)", "list(int)"}, {"[].map(x, x)", "list(dyn)"},
		{"self.b ? [] : self.list", "list(int)"}, {"self.any + 1", "int"},
		{"self.any + self.any", "dyn"}, {"self.at + self.span", "timestamp"},
		{"self.at - self.at", "duration"}, {"self.at - duration('1h')", "timestamp"},
		{"self.at + self.at",
			"1:9: found no matching overload for '_+_' applied to '(timestamp, timestamp)'"},
		{"self.d * 2.0", "double"}, {"7 % 2", "int"},
		{"7.0 % 2.0", "1:5: found no matching overload for '_%_' applied to '(double, double)'"},
		{"self.n == 1", "bool"},
		{"self.n == 1.0", "1:8: found no matching overload for '_==_' applied to '(int, double)'"},
		{"self.n < 1.5", "bool"},
		{"self.n > '1'", "1:8: found no matching overload for '_>_' applied to '(int, string)'"},
		{"self.any == 1", "bool"}, {"self == oldSelf", "bool"}, {"self.item == null", "bool"},
		{"null != self.item", "bool"}, {"self.at == null", "bool"},
		{"self.s == null", "1:8: found no matching overload for '_==_' applied to '(string, null)'"},
		{"self.at == timestamp('2026-01-02T03:04:05Z')", "bool"},
		{"self.at == '2026'",
			"1:9: found no matching overload for '_==_' applied to '(timestamp, string)'"},
		{"1 in self.list", "bool"}, {"'a' in self.map", "bool"},
		{"'a' in self.list",
			"1:5: found no matching overload for '@in' applied to '(string, list(int))'"},
		{"1 in self.n", "1:3: found no matching overload for '@in' applied to '(int, int)'"},
		{"!self.b", "bool"},
		{"!self.n", "1:1: found no matching overload for '!_' applied to '(int)'"},
		{"-self.s", "1:1: found no matching overload for '-_' applied to '(string)'"},
		{"self.b && self.n", "1:8: found no matching overload for '_&&_' applied to '(bool, int)'"},
		{"self.s || true", "1:8: found no matching overload for '_||_' applied to '(string, bool)'"},
		{"self.any || self.b", "bool"}, {"self.b ? 1 : 2", "int"}, {"self.b ? 1 : self.any", "dyn"},
		{"self.b ? 1 : 'a'",
			"1:8: found no matching overload for '_?_:_' applied to '(bool, int, string)'"},
		{"self.n ? 1 : 2",
			"1:8: found no matching overload for '_?_:_' applied to '(int, int, int)'"},
		{"self.b ? self.item : null", "object"},
		{"true &&\n self.n", "1:6: found no matching overload for '_&&_' applied to '(bool, int)'"},
		{"true &&\n 1 + 'a' == 2",
			"2:4: found no matching overload for '_+_' applied to '(int, string)'"},
		{"'\xc3\xa9' + 1", "1:5: found no matching overload for '_+_' applied to '(string, int)'"});
}

static void test_selections(void **state)
{
	LOOK(&plain, {"self.n", "int"}, {"self.item.name", "string"}, {"self.items[0].port", "int"},
		{"self.map.x", "int"}, {"self.map['x']", "int"}, {"self.any.x.y", "dyn"},
		{"self.any['x'][1]", "dyn"}, {"self.a__dash__b", "int"}, {"self.`a-b`", "int"},
		{"self.__in__", "string"}, {"self.none", "1:5: undefined field 'none'"},
		{"self.item.none", "1:10: undefined field 'none'"}, {"has(self.item.name)", "bool"},
		{"has(self.none)", "1:9: undefined field 'none'"}, {"has(self.any.x)", "bool"},
		{"self.n.x", "1:7: type 'int' does not support field selection"},
		{"self.list.x", "1:10: type 'list(int)' does not support field selection"},
		{"has(self.s.x)", "1:11: type 'string' does not support field selection"},
		{"self.list['a']",
			"1:10: found no matching overload for '_[_]' applied to '(list(int), string)'"},
		{"self.map[1]",
			"1:9: found no matching overload for '_[_]' applied to '(map(string, int), int)'"},
		{"self.item['name']",
			"1:10: found no matching overload for '_[_]' applied to '(object, string)'"},
		{"self.list[self.any]", "int"}, {"self.?n", "optional_type(int)"},
		{"self.?item.name", "optional_type(string)"},
		{"self.?item.none", "1:11: undefined field 'none'"}, {"self.list[?0]", "optional_type(int)"},
		{"self.map[?'a'].orValue(1)", "int"},
		{"self.?n.orValue('a')",
			"1:16: found no matching overload for 'orValue' applied to 'optional_type(int).(string)'"},
		{"self.?n.hasValue()", "bool"}, {"self.?n.value() + 1", "int"},
		{"self.n.hasValue()", "1:16: found no matching overload for 'hasValue' applied to 'int.()'"},
		{"optional.none().orValue(1)", "int"}, {"optional.none().or(self.?n)", "optional_type(int)"},
		{"[?optional.none(), 1]", "list(int)"}, {"object.spec.replicas > 1", "bool"},
		{"sef.n", "1:1: undeclared reference to 'sef' (in container '')"});
}

static void test_optional_old(void **state)
{
	LOOK(&optional, {"oldSelf.hasValue()", "bool"}, {"oldSelf.n", "optional_type(int)"},
		{"oldSelf.value().n", "int"}, {"oldSelf.none", "1:8: undefined field 'none'"},
		{"self.n + oldSelf.n",
			"1:8: found no matching overload for '_+_' applied to '(int, optional_type(int))'"},
		{"oldSelf.orValue(self).n", "int"});
}

static void test_macros(void **state)
{
	LOOK(&plain, {"self.list.all(x, x > 0)", "bool"}, {"self.list.map(x, x * 2)", "list(int)"},
		{"self.list.map(x, x > 1, string(x))", "list(string)"},
		{"self.items.filter(i, i.port > 1)", "list(object)"},
		{"self.items.map(i, i.name)", "list(string)"}, {"self.map.all(k, k != '')", "bool"},
		{"self.map.all(k, v, v > 0 && k != '')", "bool"},
		{"self.map.map(k, self.map[k])", "list(int)"}, {"self.any.all(x, x)", "bool"},
		{"self.list.exists_one(i, v, i == v)", "bool"},
		{"self.list.transformMap(i, v, string(v))", "map(int, string)"},
		{"self.map.transformList(k, v, v > 1, k)", "list(string)"},
		{"self.list.transformMapEntry(i, v, {string(v): i})", "map(string, int)"},
		{"self.list.transformMapEntry(i, v, self.any)", "map(dyn, dyn)"},
		{"self.list.transformMapEntry(i, v, [{}][0])", "map(dyn, dyn)"},
		{"self.list.transformMapEntry(i, v, optional.none().orValue({}))", "map(dyn, dyn)"},
		{"self.list.transformMapEntry(i, v, v)",
			"1:28: found no matching overload for 'cel.@mapInsert' applied to '(map(dyn, dyn), int)'"},
		{"self.list.all(x, x == 'a')",
			"1:20: found no matching overload for '_==_' applied to '(int, string)'"},
		{"self.items.all(i, i.none)", "1:20: undefined field 'none'"},
		{"self.items.sortBy(i, i.port)", "list(object)"}, {"self.anys.sortBy(x, x)", "list(dyn)"},
		{"self.items.sortBy(i, i)",
			"1:18: found no matching overload for '@sortByAssociatedKeys' applied to 'list(object).(list(object))'"},
		{"self.map.sortBy(k, k)",
			"1:16: found no matching overload for '@sortByAssociatedKeys' applied to 'map(string, int).()'"},
		{"self.?n.optMap(x, string(x))", "optional_type(string)"},
		{"self.?item.optFlatMap(i, i.?port)", "optional_type(int)"},
		{"self.any.optMap(x, 1)", "optional_type(int)"},
		{"self.any.optFlatMap(x, x)", "optional_type(dyn)"},
		{"self.n.optMap(x, x)",
			"1:14: found no matching overload for 'hasValue' applied to 'int.()'"},
		{"self.?n.optFlatMap(x, x)", "1:23: expected type 'optional_type(dyn)' but found 'int'"},
		{"self.list.all(x, x)",
			"1:14: found no matching overload for '_&&_' applied to '(bool, int)'"},
		{"self.list.exists(x, 'a')",
			"1:17: found no matching overload for '_||_' applied to '(bool, string)'"},
		{"self.list.filter(x, x)",
			"1:17: found no matching overload for '_?_:_' applied to '(int, dyn, dyn)'"},
		{"self.s.all(x, true)",
			"1:5: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)"},
		{"self.item.all(x, true)",
			"1:5: expression of type 'object' cannot be range of a comprehension (must be list, map, or dynamic)"},
		/* the place of a variable is another's afterwards */
		{"self.list.all(x, x > 0) && self.names.all(y, y.startsWith('a'))", "bool"});
}

static void test_names_for_values(void **state)
{
	LOOK(&binds, {"cel.bind(x, self.n, x + 1)", "int"}, {"cel.bind(x, self.items[0], x.name)", "string"},
		{"cel.bind(x, 1, cel.bind(y, x, x + y))", "int"},
		{"self.list.map(x, cel.bind(y, x, cel.bind(x, 'a', x + string(y))))", "list(string)"},
		{"cel.bind(x, [1].map(y, y + 1), x)", "list(int)"},
		{"cel.bind(x, 'a', x + 1)",
			"1:20: found no matching overload for '_+_' applied to '(string, int)'"},
		{"cel.bind(x, x, x)", "1:13: undeclared reference to 'x' (in container '')"},
		{"cel.bind(x, 1, x) + x", "1:21: undeclared reference to 'x' (in container '')"},
		{"cel.bind(1, 1, 1)", "1:10: argument must be a simple name"},
		{"cel.bind(x, 1)", "1:14: ')' stands where , should be"},
		{"cel.block([1], 1)", "1:1: undeclared reference to 'cel' (in container '')"},
		{"[{'a': 1}].all(cel, cel.a == 1)", "bool"});
	LOOK(&plain, {"cel.bind(x, 1, x)", "1:1: undeclared reference to 'cel' (in container '')"});
}

static void test_functions(void **state)
{
	LOOK(&plain, {"self.s.size()", "int"}, {"size(self.map)", "int"},
		{"self.n.size()", "1:12: found no matching overload for 'size' applied to 'int.()'"},
		{"size(self.item)", "1:5: found no matching overload for 'size' applied to '(object)'"},
		{"self.s.matches('a')", "bool"},
		{"self.s.startsWith(1)",
			"1:18: found no matching overload for 'startsWith' applied to 'string.(int)'"},
		{"self.any.startsWith('a')", "bool"}, {"self.s.split(',')", "list(string)"},
		{"self.s.split(',').map(x, int(x)).sum()", "int"}, {"self.names.join(',')", "string"},
		{"self.list.join()", "1:15: found no matching overload for 'join' applied to 'list(int).()'"},
		{"self.anys.sum()", "dyn"}, {"self.list.max()", "int"},
		{"self.names.sum()",
			"1:15: found no matching overload for 'sum' applied to 'list(string).()'"},
		{"self.items.slice(0, 1)", "list(object)"}, {"self.items.reverse()", "list(object)"},
		{"self.s.reverse()", "1:15: found no matching overload for 'reverse' applied to 'string.()'"},
		{"self.names.sort()", "list(string)"}, {"lists.range(3)", "list(int)"},
		{"self.names.map(n, [n]).flatten()", "list(string)"}, {"self.list.flatten(2)", "list(dyn)"},
		{"self.list.flatten()",
			"1:18: found no matching overload for 'flatten' applied to 'list(int).()'"},
		{"self.items.sort()",
			"1:16: found no matching overload for 'sort' applied to 'list(object).()'"},
		{"self.list.distinct().first()", "optional_type(int)"},
		{"[self.?n, self.?n].unwrapOpt()", "list(int)"},
		{"optional.unwrap([self.?s])", "list(string)"},
		{"self.items.isSorted()",
			"1:20: found no matching overload for 'isSorted' applied to 'list(object).()'"},
		{"'%s %d'.format(['a', 1, [2, 'b']])", "string"},
		{"'%s'.format('a')",
			"1:12: found no matching overload for 'format' applied to 'string.(string)'"},
		{"self.list.indexOf(1)", "int"}, {"self.s.indexOf('a', 1)", "int"}, {"int('1')", "int"},
		{"duration(1)", "duration"},
		{"int(self.b)", "1:4: found no matching overload for 'int' applied to '(bool)'"},
		{"string(self.n)", "string"},
		{"string(self.list)",
			"1:7: found no matching overload for 'string' applied to '(list(int))'"},
		{"dyn(1) == 'a'", "bool"}, {"self.at.getHours('UTC')", "int"},
		{"self.span.getHours()", "int"},
		{"self.s.getHours()",
			"1:16: found no matching overload for 'getHours' applied to 'string.()'"},
		{"quantity('1').add(1).asInteger()", "int"}, {"quantity('1') == quantity('2')", "bool"},
		{"quantity(self.n)", "1:9: found no matching overload for 'quantity' applied to '(int)'"},
		{"quantity('1').isLessThan('2')",
			"1:25: found no matching overload for 'isLessThan' applied to 'kubernetes.Quantity.(string)'"},
		{"cidr('10.0.0.0/8').containsIP('10.0.0.1') && ip('::1').family() == 6", "bool"},
		{"cidr('10.0.0.0/8').ip()", "net.IP"}, {"url('https://a').getHost()", "string"},
		{"url('https://a').getQuery()", "map(string, list(string))"},
		{"semver('1.0.0').isLessThan(semver(self.s, true))", "bool"},
		{"semver('1.0.0')", "kubernetes.Semver"}, {"semver('1.0.0').major() + 1", "int"},
		{"semver('1.0.0').isLessThan(quantity('1'))",
			"1:27: found no matching overload for 'isLessThan' applied to 'kubernetes.Semver.(kubernetes.Quantity)'"},
		{"format.uuid().validate(self.s)", "optional_type(list(string))"},
		{"format.named('uuid').value()", "kubernetes.NamedFormat"},
		{"sets.contains(self.list, ['a'])",
			"1:14: found no matching overload for 'sets.contains' applied to '(list(int), list(string))'"},
		{"sets.contains(self.list, [])", "bool"},
		{"self.s.matches('^(a$')",
			"1:16: invalid matches argument: the pattern '^(a$' is not one, or not supported"},
		{"matches(self.s, 'a++')",
			"1:17: invalid matches argument: the pattern 'a++' is not one, or not supported"},
		{"'('.matches(self.s)", "bool"},
		{"self.span > duration('1x')",
			"1:22: invalid duration argument: this text is not a duration, such as 1h30m"},
		{"self.at > timestamp('2026-01-02')",
			"1:21: invalid timestamp argument: this text is not a time as RFC 3339 writes it"},
		{"duration(self.s)", "duration"},
		{"nope(1)", "1:5: undeclared reference to 'nope' (in container '')"},
		{"self.s.nope()", "1:12: undeclared reference to 'nope' (in container '')"});
}

static void test_messages(void **state)
{
	LOOK(&patches, {"Object{spec: Object.spec{replicas: 1}}", "Object"}, {"Object.spec{}", "Object.spec"},
		{"Object{a: 1 + 'a'}",
			"1:13: found no matching overload for '_+_' applied to '(int, string)'"},
		{"[JSONPatch{op: 'add', path: '/a', value: [1]}]", "list(JSONPatch)"},
		{"[JSONPatch{op: 1}]",
			"1:12: expected type of field 'op' is 'string' but provided type is 'int'"},
		{"JSONPatch{path: object.x}.path", "string"}, {"JSONPatch{?from: object.?x}.value", "dyn"},
		{"JSONPatch{}.none", "1:12: undefined field 'none'"}, {"Object{}.a.b", "dyn"},
		{"[Object{}, JSONPatch{}]", "1:12: expected type 'Object' but found 'JSONPatch'"},
		{"jsonpatch.escapeKey(1)",
			"1:20: found no matching overload for 'jsonpatch.escapeKey' applied to '(int)'"});
}

static void test_authorizers(void **state)
{
	static const char *const three[] = {"a", "b", CEL_AUTHORIZER_NAME, NULL};
	static const struct cel_shape authorizer[] = {{CEL_DYN}, {CEL_DYN}, {CEL_AUTHORIZER}};
	static const struct cel_scope scope = {.names = three};

	LOOK_AT(&scope, authorizer, {"authorizer", "kubernetes.authorization.Authorizer"},
		{"authorizer.path('/x')", "kubernetes.authorization.PathCheck"},
		{"authorizer.group('')", "kubernetes.authorization.GroupCheck"},
		{"authorizer.serviceAccount('ns', 'n').group('').resource('pods').subresource('x')",
			"kubernetes.authorization.ResourceCheck"},
		{"authorizer.requestResource.namespace('a').name('b').fieldSelector('c').labelSelector('d').check('get')",
			"kubernetes.authorization.Decision"},
		{"authorizer.path('/x').check('get').allowed() || authorizer.requestResource.check('a').errored()",
			"bool"},
		{"authorizer.path('/x').check('get').reason() + authorizer.path('/x').check('get').error()",
			"string"},
		{"authorizer.path('/x').allowed()",
			"1:30: found no matching overload for 'allowed' applied to 'kubernetes.authorization.PathCheck.()'"},
		{"authorizer.group('').check('get')",
			"1:27: found no matching overload for 'check' applied to 'kubernetes.authorization.GroupCheck.(string)'"},
		{"authorizer.path(1)",
			"1:16: found no matching overload for 'path' applied to 'kubernetes.authorization.Authorizer.(int)'"},
		{"authorizer.none",
			"1:11: type 'kubernetes.authorization.Authorizer' does not support field selection"},
		{"authorizer.?requestResource",
			"1:11: type 'kubernetes.authorization.Authorizer' does not support field selection"},
		{"has(authorizer.requestResource)",
			"1:15: type 'kubernetes.authorization.Authorizer' does not support field selection"},
		{"a.requestResource", "dyn"}, {"authorizer == null", "bool"},
		{"authorizer + 1",
			"1:12: found no matching overload for '_+_' applied to '(kubernetes.authorization.Authorizer, int)'"});
}

static void test_family(void **state)
{
	static const char *const members[] = {"n", "unread"};
	struct cel *programs[2] = {NULL};
	struct cel_family family = {.name = "variables", .members = members, .programs = programs};
	const struct cel_scope scope = {.names = names, .family = &family};
	char why[CEL_WHY_MAX];

	programs[0] = cel_write("self.n", 6, &scope, shapes, CEL_ANYTHING, why);
	assert_non_null(programs[0]);
	family.n = 2;
	LOOK(&scope, {"variables.n + 1", "int"},
		{"variables.n + 'a'",
			"1:13: found no matching overload for '_+_' applied to '(int, string)'"},
		{"variables.unread + 'a'", "string"}, {"variables.none", "1:10: undefined field 'none'"});
	cel_free(programs[0]);
}

/* What is asked for, and what is not known and may be it. */
static void test_results(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: it will do */
		enum cel_result what;
	} rows[] = {
		{"1", NULL, CEL_ANYTHING},
		{"self.b", NULL, CEL_TRUTH},
		{"self.any", "must evaluate to bool but got dyn", CEL_TRUTH},
		{"self.any == true", NULL, CEL_TRUTH},
		{"self.any || self.b", NULL, CEL_TRUTH},
		{"self.b ? self.any : true", "must evaluate to bool but got dyn", CEL_TRUTH},
		{"optional.none().orValue(true)", NULL, CEL_TRUTH},
		{"self.any", NULL, CEL_TRUTH_OR_UNKNOWN},
		{"self.b", NULL, CEL_TRUTH_OR_UNKNOWN},
		{"self.n", "must evaluate to bool or the unknown type, not int", CEL_TRUTH_OR_UNKNOWN},
		{"self.any", "must evaluate to string but got dyn", CEL_TEXT},
		{"string(self.any)", NULL, CEL_TEXT},
		{"self.any", "must evaluate to one of [string null_type] but got dyn", CEL_TEXT_OR_NULL},
		{"self.any", "must evaluate to Object but got dyn", CEL_OBJECT},
		{"self.n", "must evaluate to bool but got int", CEL_TRUTH},
		{"self.?b", "must evaluate to bool but got optional_type(bool)", CEL_TRUTH},
		{"self.s", NULL, CEL_TEXT},
		{"null", "must evaluate to string but got null", CEL_TEXT},
		{"null", NULL, CEL_TEXT_OR_NULL},
		{"1.0", "must evaluate to one of [string null_type] but got double", CEL_TEXT_OR_NULL},
		{"Object{}", NULL, CEL_OBJECT},
		{"Object.a{}", "must evaluate to Object but got Object.a", CEL_OBJECT},
		{"'teapot'", "must evaluate to Object but got string", CEL_OBJECT},
		{"[JSONPatch{}]", NULL, CEL_JSON_PATCH},
		{"[]", "must evaluate to list(JSONPatch) but got list(dyn)", CEL_JSON_PATCH},
		{"self.b ? [] : [JSONPatch{}]", NULL, CEL_JSON_PATCH},
		{"[] + [JSONPatch{}]", NULL, CEL_JSON_PATCH},
		{"[self.any]", "must evaluate to list(JSONPatch) but got list(dyn)", CEL_JSON_PATCH},
		{"[Object{}]", "must evaluate to list(JSONPatch) but got list(Object)", CEL_JSON_PATCH},
		{"self.n + 'a'",
			"compilation failed: ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(int, string)'",
			CEL_TRUTH},
	};
	char why[CEL_WHY_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cel *c =
			cel_write(rows[i].text, strlen(rows[i].text), &patches, shapes, rows[i].what, why);

		if (!c != !!rows[i].why)
			fail_msg("%s: %s", rows[i].text, c ? "it will do" : why);
		if (!c)
			assert_string_equal(why, rows[i].why);
		cel_free(c);
	}
}

/* Types that are parts of themselves many times over, chains of many operators: the work is bounded, and nothing is refused for it. */
static void test_bounds(void **state)
{
	static char text[CEL_TEXT_MAX];
	char why[CEL_WHY_MAX];
	struct cel *c;
	size_t half;

	strcpy(text, "[1]");
	for (size_t i = 0; i < 60; i++)
		strcat(text, ".map(x, {x: x})");
	strcat(text, ".size() == 1");
	c = cel_write(text, strlen(text), &plain, shapes, CEL_TRUTH, why);
	assert_non_null(c);
	cel_free(c);
	strcpy(text, "[1]");
	for (size_t i = 0; i < 28; i++)
		strcat(text, ".map(x, {x: x})");
	half = strlen(text);
	strcat(text, " + ");
	memcpy(text + half + 3, text, half);
	strcpy(text + 2 * half + 3, " == 'a' + 1");
	assert_null(cel_write(text, strlen(text), &plain, shapes, CEL_TRUTH, why));
	strcpy(text, "1");
	for (size_t i = 0; i < 1990; i++)
		strcat(text, "+1");
	strcat(text, "+'a'");
	assert_null(cel_write(text, strlen(text), &plain, shapes, CEL_TRUTH, why));
	assert_non_null(strstr(why, "'_+_' applied to '(int, string)'"));
}

/* Every function says what it takes, in letters that are known. */
static void test_overloads(void **state)
{
	static const struct function *const tables[] = {cel_operators, cel_standard, cel_times, cel_strings,
		cel_printf, cel_lists, cel_orders, cel_kube, cel_urls, cel_semver, cel_formats, cel_patches,
		cel_authorizers};
	struct arena arena = {.left = 1 << 20};
	struct typing typing = {.arena = &arena};
	const struct type *dyns[5];

	for (size_t i = 0; i < 5; i++)
		dyns[i] = type_of_kind(CEL_DYN);
	for (size_t t = 0; t < array_len(tables); t++)
		for (const struct function *f = tables[t]; f->name; f++) {
			size_t taken = 0;

			assert_int_equal(strspn(f->overloads, "BIUDSYNTPtQACLFVZpgrd[]{}?ab*> "),
				strlen(f->overloads));
			for (size_t n = 0; n < 5; n++) {
				bool takes = overloads_take(f->overloads, n);

				assert_int_equal(
					takes, overloads_find(&typing, f->overloads, dyns, n) != NULL);
				taken += takes;
			}
			assert_true(taken > 0 && !overloads_take(f->overloads, 5));
			assert_true(!f->member || !overloads_take(f->overloads, 0));
		}
	arena_free(&arena);
}

/* All of them are true of an object with the types of self. */
static void all_hold(const char *json, const char *const *texts, size_t n)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
	yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(mut), *values[] = {root, root, NULL};
	char why[CEL_WHY_MAX] = "";
	size_t budget = CEL_BUDGET;

	for (size_t i = 0; i < n; i++) {
		struct cel *c = cel_write(texts[i], strlen(texts[i]), &plain, shapes, CEL_TRUTH, why);
		int answer = c ? cel_test(c, values, &budget, why) : -2;

		if (answer != 1)
			fail_msg("%s: %d %s", texts[i], answer, answer < 0 ? why : "");
		cel_free(c);
	}
	yyjson_mut_doc_free(mut);
	yyjson_doc_free(doc);
}

/* Texts that are spans, moments or bytes are such also in lists and maps that are taken as a whole. */
static void test_texts_in_lists(void **state)
{
	static const char json[] =
		"{\"spans\":[\"60m\",\"2h\"],\"span\":\"1h\",\"many\":{\"a\":[\"1h\"]},\"at\":\"2026-01-02T00:00:00Z\","
		"\"days\":[\"2026-01-02\",\"2026-01-03T01:00:00+01:00\"],\"data\":\"YWI=\",\"blobs\":[\"YWI=\",\"Yw==\",\"n!\"],"
		"\"byName\":{\"x\":[\"YWI=\"],\"y\":[]}}";
	static const char *const holds[] = {"oldSelf.spans.all(s, s in self.spans)",
		"duration('1h') in self.spans", "[self.span] == self.spans.filter(s, s < duration('2h'))",
		"sets.contains(self.spans, [self.span])", "self.spans.sum() == duration('3h')",
		"self.spans.max() == duration('2h')", "self.spans.isSorted()",
		"self.many == {'a': [duration('1h')]}", "self.?spans.orValue([])[0] == self.span",
		"dyn('2026-01-02') == timestamp('2026-01-02T00:00:00Z')",
		"self.days[0] == self.at && self.days == oldSelf.days && self.at in self.days",
		"self.days.map(d, d - self.at) == [duration('0s'), duration('24h')]",
		"self.days.all(d, type(d) == google.protobuf.Timestamp)",
		"self.days + [self.at] != self.days && ([self.at] + self.days)[2].getDate() == 3",
		"self.blobs[0] == b'ab' && self.blobs[1].size() == 1 && self.data in self.blobs",
		/* what is no base64 stays what it is */
		"self.blobs.map(b, type(b)) == [bytes, bytes, string]",
		"self.blobs.filter(b, type(b) == bytes) == [b'ab', b'c'] && self.blobs.indexOf(b'c') == 1",
		"self.byName == {'x': [b'ab'], 'y': []} && self.byName.x == [self.data]",
		"self.byName.all(k, v, v.all(b, b == self.data)) && self.byName['x'][0].size() == 2",
		"self.byName.transformList(k, v, v.size()) == [1, 0]",
		"self.?byName[?'x'].value()[0] == self.data && !self.byName[?'z'].hasValue()"};

	all_hold(json, holds, array_len(holds));
}

/* What may have a point is a double, also where JSON has none. */
static void test_numbers_without_a_point(void **state)
{
	static const char json[] =
		"{\"n\":3,\"d\":7,\"numbers\":[7,2,0.5],\"list\":[7,2],\"any\":7,\"big\":{\"a\":18446744073709551615,\"b\":2}}";
	static const char *const holds[] = {"self.d / 2.0 == 3.5 && self.d / self.numbers[1] == 3.5",
		"type(self.d) == double && type(self.n) == int && type(self.any) == int",
		"self.numbers.map(x, x / 2.0) == [3.5, 1.0, 0.25] && self.numbers.all(x, type(x) == double)",
		"self.numbers.sum() == 9.5 && self.numbers[0] / self.numbers[1] == 3.5",
		"self.list[0] / self.list[1] == 3", "[self.d, 2.0].min() / self.d < 1.0",
		"self.big.a > 1e19 && self.big.map(k, self.big[k] / 4.0).exists(x, x == 0.5)",
		"self.?d.orValue(1.0) / 2.0 == 3.5 && self.numbers[?1].value() / 4.0 == 0.5",
		"string(self.d) == '7' && self.d == 7.0 && dyn(self.d) == 7 && self.d in self.numbers"};

	all_hold(json, holds, array_len(holds));
}

/* A pattern that an earlier version took: where it is not asked for, the types hold. */
static void test_stored(void **state)
{
	static const char text[] = "self.b ? self.s.matches('(') : self.numbers[0] / self.numbers[1] == 3.5";
	static const char *const asked[] = {
		"{\"b\":false,\"s\":\"x\",\"numbers\":[7,2]}", "{\"b\":true,\"s\":\"x\",\"numbers\":[7,2]}"};
	char why[CEL_WHY_MAX] = "";
	size_t budget = CEL_BUDGET;
	struct cel *c;

	assert_null(cel_write(text, sizeof(text) - 1, &plain, shapes, CEL_TRUTH, why));
	assert_non_null(strstr(why, "invalid matches argument"));
	c = cel_stored(text, sizeof(text) - 1, &plain, shapes, why);
	assert_non_null(c);
	for (size_t i = 0; i < array_len(asked); i++) {
		yyjson_doc *doc = yyjson_read(asked[i], strlen(asked[i]), 0);
		yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
		yyjson_mut_val *root = yyjson_mut_doc_get_root(mut), *values[] = {root, root, NULL};

		assert_int_equal(cel_test(c, values, &budget, why), i ? -1 : 1);
		yyjson_mut_doc_free(mut);
		yyjson_doc_free(doc);
	}
	assert_non_null(strstr(why, "the pattern '('"));
	cel_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_selections),
		cmocka_unit_test(test_optional_old),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_names_for_values),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_authorizers),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_overloads),
		cmocka_unit_test(test_texts_in_lists),
		cmocka_unit_test(test_numbers_without_a_point),
		cmocka_unit_test(test_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
