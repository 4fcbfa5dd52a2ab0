/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions with what they come to, area by area: the language of the specification, then the libraries. */

#include "cluster/cel/cel_testing.h"

static void all_true(const char *const *list, size_t n)
{
	char why[CEL_WHY_MAX];

	for (size_t i = 0; i < n; i++) {
		int answer = ask(list[i], why);

		if (answer != 1)
			fail_msg("%s: %d %s", list[i], answer, answer < 0 ? why : "");
	}
}

#define TRUE(...)                                                                                            \
	do {                                                                                                 \
		static const char *const list[] = {__VA_ARGS__};                                             \
		all_true(list, sizeof(list) / sizeof(*list));                                                \
	} while (0)

static void test_literals(void **state)
{
	TRUE("true", "!false", "1 == 1", "-1 < 0", "0x1F == 31", "1.5e3 == 1500.0", ".5 == 0.5", "7u == 7u",
		"'a' == \"a\"", "'''a'b''' == 'a\\'b'", "r'a\\n' == 'a\\\\n'",
		"'\\x41\\u00e9\\U0001F600' == 'A\xc3\xa9\xf0\x9f\x98\x80'", "b'abc' == bytes('abc')",
		"b'\\xff' != b'\\xfe'", "null == null", "[1, 2,] == [1, 2]", "{'a': 1}['a'] == 1",
		"{1: 'x'}[1] == 'x'", "-9223372036854775808 < 0", "'\\101' == 'A'",
		"true // a comment\n && true", "self.nothing == null", "[1, 'a', null].size() == 3");
}

static void test_operators(void **state)
{
	TRUE("1 + 2 * 3 == 7", "(1 + 2) * 3 == 9", "7 / 2 == 3", "-7 / 2 == -3", "7 % 3 == 1", "-7 % 3 == -1",
		"7.0 / 2.0 == 3.5", "'a' + 'b' == 'ab'", "[1] + [2] == [1, 2]", "1 - 2 - 3 == -4",
		"2 in self.list", "!(5 in self.list)", "'a' in self.map", "1 == 1.0", "1u == 1", "1 < 1.5",
		"2 > 1.5", "'a' < 'b'", "false < true", "true ? 1 == 1 : 1 / 0 == 0",
		"false ? 1 / 0 == 0 : true", "true || 1 / 0 == 0", "1 / 0 == 0 || true",
		"!(false && 1 / 0 == 0)", "!(1 / 0 == 0 && false)", "- - 1 == 1", "!!true", "1 != 2",
		"[1, [2]] == [1, [2]]", "{'a': [1]} == {'a': [1.0]}", "1 != 'a'",
		"9007199254740993 > 9007199254740992.0", "self.d * 2.0 == 5.0", "double(self.n) + 0.5 == 3.5",
		"1 <= 1 && 1 >= 1");
}

static void test_selection(void **state)
{
	TRUE("self.n == 3", "self['n'] == 3", "self.list[0] == 1", "self.list[2.0] == 3", "has(self.n)",
		"!has(self.none)", "has(self.nothing)", "!has(self.map.c)", "self.a__dash__b == 1",
		"self.__in__ == 2", "self.x__underscores__y == 3", "self.p__dot__q == 4", "self.`a-b` == 1",
		"has(self.a__dash__b)", "self.items[1].port == 443", "self.s.size() == 5",
		"size(self.s) == 5", "size(self.map) == 2", "self.?none.orValue(1) == 1",
		"self.?n.orValue(1) == 3", "self.?map.a.value() == 1", "!self.?map.c.hasValue()",
		"self.list[?7].orValue(9) == 9", "self.map[?'b'].value() == 2",
		"optional.none().or(optional.of(1)).value() == 1",
		"optional.ofNonZeroValue('').hasValue() == false", "[?self.?none, 1] == [1]",
		"{?'a': self.?none, ?'b': self.?n} == {'b': 3}", ".self.n == 3");
}

static void test_macros(void **state)
{
	TRUE("self.list.all(x, x > 0)", "!self.list.all(x, x > 1)", "self.list.exists(x, x == 2)",
		"!self.list.exists(x, x == 7)", "self.list.exists_one(x, x > 2)",
		"!self.list.exists_one(x, x > 1)", "self.list.map(x, x * 2) == [2, 4, 6]",
		"self.list.filter(x, x % 2 == 1) == [1, 3]", "self.list.map(x, x > 1, x * 10) == [20, 30]",
		"self.map.all(k, self.map[k] > 0)", "self.map.exists(k, k == 'b')",
		"self.items.all(x, self.items.exists_one(y, y.name == x.name))",
		"self.items.filter(i, has(i.tls) && i.tls).size() == 1", "[].all(x, false)",
		"![].exists(x, true)", "self.map.all(k, v, v > 0 && k != '')",
		"self.list.exists(i, v, i == 2 && v == 3)",
		"self.list.transformList(i, v, i + v) == [1, 3, 5]",
		"self.list.transformList(i, v, i > 0, v) == [2, 3]",
		"self.map.transformMap(k, v, v * 2) == {'a': 2, 'b': 4}", "self.map.existsOne(k, v, v == 2)",
		"self.names.transformMapEntry(i, v, {v: i}) == {'b': 0, 'a': 1, 'c': 2}",
		"self.names.transformMapEntry(i, v, i > 0, {v: i, v + v: i}) == {'a': 1, 'aa': 1, 'c': 2, 'cc': 2}",
		"self.map.transformMapEntry(k, v, {v: k})[2] == 'b' && [].transformMapEntry(i, v, {v: i}) == {}",
		"[1].transformMapEntry(i, v, self.map) == self.map",
		/* an item that fails does not hide one that decides */
		"[0, 1].exists(x, 1 / x == 1)", "!([0, 2].all(x, 1 / x == 1))",
		"[[1, 2], [3]].map(l, l.map(x, x + 1)) == [[2, 3], [4]]",
		/* the inner variable is another */
		"[1].all(x, [2].all(x, x == 2) && x == 1)");
}

static void test_conversions(void **state)
{
	TRUE("int('12') == 12", "int(3.9) == 3", "int(-3.9) == -3", "int(7u) == 7", "uint(7) == 7u",
		"double('2.5') == 2.5", "string(12) == '12'", "string(1.5) == '1.5'",
		"string(true) == 'true'", "string(0.1) == '0.1'", "bool('true')", "!bool('f')",
		"type(1) == int", "type('') == string", "type([]) == list", "type(self) == map",
		"type(1u) != int", "type(type(1)) == type", "dyn(1) == 1", "bytes('\xc3\xa9').size() == 2",
		"int('+12') == 12 && double('+1.5') == 1.5", "string(b'h\xc3\xa9') == 'h\xc3\xa9'",
		"string(b'abc') == 'abc'", "type(null) == null_type",
		"type(timestamp(self.at)) == google.protobuf.Timestamp",
		"type(duration('1h')) == .google.protobuf.Duration",
		"type(self.at) != google.protobuf.Timestamp",
		"google.protobuf.Timestamp != google . protobuf . Duration",
		"type(google.protobuf.Duration) == type", "type(ip('::1')) == net.IP",
		"type(cidr('::/0')) == net.CIDR && type(cidr('::/0').ip()) != net.CIDR",
		/* a variable comes first */
		"[{'protobuf': {'Timestamp': 1}}].all(google, google.protobuf.Timestamp == 1)");
}

static void test_texts(void **state)
{
	TRUE("self.s.startsWith('h')", "self.s.endsWith('llo')", "self.s.contains('\xc3\xa9')",
		"''.contains('')", "'abc'.matches('^a.c$')", "!'abc'.matches('^b')",
		"matches('a1', '[a-z]\\\\d')", "self.s.charAt(1) == '\xc3\xa9'", "'abc'.charAt(3) == ''",
		"'hello mellow'.indexOf('ello') == 1", "'hello mellow'.indexOf('ello', 2) == 7",
		"'hello mellow'.lastIndexOf('ello') == 7", "'hello mellow'.lastIndexOf('ello', 6) == 1",
		"'abc'.indexOf('') == 0", "'abc'.indexOf('x') == -1", "self.s.indexOf('l') == 2",
		"'tacocat'.substring(4) == 'cat'", "'tacocat'.substring(0, 4) == 'taco'",
		"'TacoCat'.lowerAscii() == 'tacocat'", "'TacoCat'.upperAscii() == 'TACOCAT'",
		"'  a b\\n'.trim() == 'a b'", "'hello hello'.replace('he', 'we') == 'wello wello'",
		"'hello hello'.replace('he', 'we', 1) == 'wello hello'",
		"'hello hello'.replace('he', 'we', 0) == 'hello hello'", "'ab'.replace('', '_') == '_a_b_'",
		"'a,b,c'.split(',') == ['a', 'b', 'c']", "'a,b,c'.split(',', 2) == ['a', 'b,c']",
		"'abc'.split('') == ['a', 'b', 'c']", "'a'.split(',', 0) == []", "''.split('') == []",
		"''.split(',') == ['']", "['a', 'b'].join() == 'ab'", "['a', 'b'].join('-') == 'a-b'",
		"strings.quote('a\"\\n') == '\"a\\\\\"\\\\n\"'",
		"'%s is %d of %.2f, %x %b %%'.format(['a', 7, 1.5, 255, 5]) == 'a is 7 of 1.50, ff 101 %'",
		"'%s'.format([[1, 'a', {'k': true}]]) == '[1, a, {k: true}]'",
		"'%s'.format([{'b': null, 'a': [{2: 'y', 10: 'x'}]}]) == '{a: [{10: x, 2: y}], b: null}'",
		"'%x %X %x %b%b'.format(['h\xc3\xa9', b'\\xff', '', true, false]) == '68c3a9 FF  10'",
		"'abc 123'.find('[0-9]+') == '123'", "'abc'.find('[0-9]') == ''",
		"'1 22 333'.findAll('[0-9]+') == ['1', '22', '333']",
		"'1 22 333'.findAll('[0-9]+', 2) == ['1', '22']");
}

static void test_lists(void **state)
{
	TRUE("self.list.isSorted()", "!self.names.isSorted()", "self.list.sum() == 6", "self.list.min() == 1",
		"self.list.max() == 3", "self.empty.sum() == 0", "self.names.indexOf('a') == 1",
		"[1, 2, 1].lastIndexOf(1) == 2", "self.names.indexOf('z') == -1",
		"sets.contains([1, 2, 3], [2, 3])", "!sets.contains([1], [2])",
		"sets.equivalent([1, 2], [2, 1, 1])", "sets.intersects([1, 2], [2, 3])",
		"!sets.intersects([1], [])", "[1.5, 2.0].sum() == 3.5");
}

static void test_orders(void **state)
{
	TRUE("[1, 2, 3, 4].slice(1, 3) == [2, 3]",
		"self.list.slice(3, 3) == [] && self.list.slice(0, 3) == self.list",
		"[[1], [2, 3], []].flatten() == [1, 2, 3]", "[1, [2, [3]]].flatten() == [1, 2, [3]]",
		"[1, [2, [3, [4]]]].flatten(2) == [1, 2, 3, [4]]", "[1, [2]].flatten(0) == [1, [2]]",
		"[1, [2, [3, [4]]]].flatten(9223372036854775807) == [1, 2, 3, 4]",
		"self.items.map(i, [i.name, 'z']).flatten() == ['x', 'z', 'y', 'z']",
		"self.names.sort() == ['a', 'b', 'c']", "[3, 1, 2].sort() == [1, 2, 3]",
		"self.empty.sort() == []", "[true, false].sort() == [false, true]",
		"[b'b', b'a'].sort()[0] == b'a'",
		"[duration('1h'), duration('1s')].sort()[0] == duration('1s')",
		"[2.5, -1.0].sort() == [-1.0, 2.5]",
		"self.items.sortBy(i, -i.port).map(i, i.name) == ['y', 'x']",
		"self.items.sortBy(i, i.name) == self.items", "[].sortBy(x, x) == []",
		/* those that are alike stay in their order */
		"lists.range(100).sortBy(i, i % 2).slice(0, 3) == [0, 2, 4]",
		"[1, 2, 2, 3, 1].distinct() == [1, 2, 3]", "[1, 'b', 1.0, 'b'].distinct() == [1, 'b']",
		"lists.range(4) == [0, 1, 2, 3]", "lists.range(0) == []", "self.list.reverse() == [3, 2, 1]",
		"[].reverse() == []", "self.names.first().value() == 'b'",
		"self.names.last().orValue('') == 'c'",
		"!self.empty.first().hasValue() && self.empty.last() == optional.none()",
		"optional.unwrap([optional.of(1), optional.none(), optional.of(3)]) == [1, 3]",
		"[self.?n, self.?none].unwrapOpt() == [3]");
	fails("[1].slice(-1, 1) == []", -1, "cannot slice(-1, 1), negative indexes not supported");
	fails("[1].slice(1, 0) == []", -1, "start index must be less than or equal to end index");
	fails("[1].slice(0, 2) == []", -1, "cannot slice(0, 2), list is length 1");
	fails("[1].flatten(-1) == []", -1, "level must be non-negative");
	fails("[1, 'b'].sort() == []", -1, "list elements must have the same type");
	fails("[[1]].sort() == []", -1, "list elements must be comparable");
	fails("self.map.sortBy(k, k) == []", -1, "no such overload");
	fails("self.items.sortBy(i, i.none) == []", -1, "no such key: none");
	fails("lists.range(-1) == []", -1, "must be non-negative, got -1");
	fails("lists.range(10000001) == []", -1, "exceeds maximum allowed");
	fails("lists.range(10000000) == []", -1, "cost limit");
	fails("lists.range(100000).map(x, [x, x]).flatten().map(x, [x, x]).flatten().map(x, [x, x]).flatten() == []",
		-1, "cost limit");
	fails("lists.range(5000).distinct() == []", -1, "cost limit");
	fails("self.items.sortBy(i) == []", -2, "stands where , should be");
	fails("'ab'.reverse() == 'ba'", -1, "no such overload");
	fails("lists.none(1)", -2, "undeclared reference to 'lists.none'");
}

static void test_names_for_values(void **state)
{
	static const struct cel_scope binds = {.names = names, .binds = true};
	static const char text[] =
		"cel.bind(x, self.list, cel.bind(y, x.map(x, x * 2), x.size() == 3 && y == [2, 4, 6] && "
		"x.all(i, cel.bind(x, i, x in self.list)))) && cel.bind(z, 1, z + 1) == 2";
	char why[CEL_WHY_MAX] = "";
	yyjson_mut_doc *doc;
	yyjson_mut_val *values[2] = {self(&doc), NULL};
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile_in(text, sizeof(text) - 1, &binds, why);

	if (!c || cel_test(c, values, &budget, why) != 1)
		fail_msg("%s", why);
	cel_free(c);
	yyjson_mut_doc_free(doc);
}

static void test_optionals(void **state)
{
	TRUE("self.?n.optMap(x, x + 1).value() == 4", "!self.?none.optMap(x, x + 1).hasValue()",
		"self.?n.optMap(x, x > 2).orValue(false)", "self.?map.optFlatMap(m, m.?b).value() == 2",
		"!self.?map.optFlatMap(m, m.?c).hasValue()", "!self.?none.optFlatMap(m, m.?b).hasValue()",
		"self.?none.optMap(x, 1 / 0) == optional.none()",
		"[1, 2].all(x, optional.of(x).optMap(y, y * 2).value() == 2 * x)",
		"self.?items.optMap(items, items.map(x, x.name)).orValue([]) == ['x', 'y']",
		"type(self.?n) == optional_type");
	fails("self.n.optMap(x, x) == 1", -1, "no such overload");
	fails("self.?n.optFlatMap(x, x) == 1", -1, "no such overload");
	fails("self.?n.optMap(x, 1 / 0) == optional.none()", -1, "division by zero");
	fails("self.?n.optMap(x, y, 1)", -2, "undeclared reference to 'y'");
}

static void test_times(void **state)
{
	TRUE("timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026",
		"self.at == timestamp('2026-01-02T03:04:05Z')",
		"timestamp(self.at) + duration('1h') == timestamp('2026-01-02T04:04:05Z')",
		"self.at < timestamp('2027-01-01T00:00:00Z')",
		"timestamp(self.at) - timestamp('2026-01-02T03:04:04.5Z') == duration('500ms')",
		"timestamp(self.at).getMonth() == 0", "timestamp(self.at).getDate() == 2",
		"timestamp(self.at).getDayOfMonth() == 1", "timestamp(self.at).getDayOfWeek() == 5",
		"timestamp(self.at).getHours() == 3", "timestamp(self.at).getHours('+02:30') == 5",
		"timestamp(self.at).getMinutes('+02:30') == 34",
		"timestamp(self.at).getHours('Europe/Berlin') == 4",
		"timestamp('2026-07-02T03:04:05Z').getHours('Europe/Berlin') == 5",
		"timestamp('1985-07-02T03:04:05Z').getHours('Asia/Kathmandu') == 8",
		"timestamp('2025-03-10T12:00:00Z').getHours('Africa/Casablanca') == 12",
		"timestamp('2025-07-10T12:00:00Z').getHours('Africa/Casablanca') == 13",
		"timestamp(self.at).getDate('America/Los_Angeles') == 1",
		"timestamp('1969-12-31T23:59:59Z').getHours('UTC') == 23",
		"timestamp(self.at).getHours('Local') == 3", "timestamp(self.at).getHours('') == 3",
		"duration('1h30m').getMinutes() == 90",
		"duration('-1.5s') + duration('1500ms') == duration('0')",
		"string(duration('90m')) == '5400s'", "string(duration('-1.5s')) == '-1.5s'",
		"duration('1m') < duration('1h')", "string(timestamp(self.at)) == '2026-01-02T03:04:05Z'",
		"int(timestamp('1970-01-01T00:01:00Z')) == 60", "int(duration('1.5s')) == 1500000000",
		"int(duration('-1.5s')) == -1500000000", "duration('250ms').getMilliseconds() == 250",
		"'2026-01-02T03:04:05.25Z'.getMilliseconds() == 250",
		"duration('1.5s').getMilliseconds() == 1500", "'1.5s'.getMilliseconds() == 1500",
		"duration('-1.5s').getMilliseconds() == -1500", "'90m'.getHours() == 1",
		"'1m1s'.getSeconds() == 61", "timestamp('2026-01-02T03:04:05.25Z').getMilliseconds() == 250");
}

static void test_kube(void **state)
{
	TRUE("isQuantity('1.5Gi')", "!isQuantity('x')", "quantity('1Gi').isGreaterThan(quantity('1000Mi'))",
		"quantity('1k') == quantity('1000')",
		"quantity('50m').add(quantity('50m')) == quantity('100m')",
		"quantity('5').sub(1).asInteger() == 4", "quantity('-1').sign() == -1",
		"!quantity('50m').isInteger()", "quantity('1').compareTo(quantity('2')) == -1",
		"quantity('500m').asApproximateFloat() == 0.5", "isIP('10.0.0.1')", "isIP('::1')",
		"!isIP('10.0.0.256')", "ip('10.0.0.1').family() == 4", "ip('fe80::1').isLinkLocalUnicast()",
		"ip('127.0.0.1').isLoopback()", "ip('8.8.8.8').isGlobalUnicast()",
		"!ip('224.0.0.1').isGlobalUnicast()", "string(ip('::1')) == '::1'", "ip.isCanonical('::1')",
		"!ip.isCanonical('::0001')", "isCIDR('10.0.0.0/8')", "!isCIDR('10.0.0.0/33')",
		"cidr('10.0.0.0/8').containsIP('10.1.2.3')", "!cidr('10.0.0.0/8').containsIP(ip('11.1.2.3'))",
		"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
		"!cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
		"cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", "cidr('10.1.2.3/8').prefixLength() == 8",
		"string(cidr('10.1.2.3/8').ip()) == '10.1.2.3'", "isURL('https://a.example:8443/x?y=1')",
		"isURL('/absolute')", "!isURL('a b')", "!isURL('relative')",
		"url('https://a.example:8443/x?y=1').getHost() == 'a.example:8443'",
		"url('https://[::1]:80/x').getHostname() == '::1'",
		"url('https://a.example:8443/x').getPort() == '8443'",
		"url('https://a/x/y?z').getEscapedPath() == '/x/y'",
		"url('https://a').getScheme() == 'https'");
}

static void test_urls(void **state)
{
	TRUE("url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
		"url('https://a/b%2fc%20d').getEscapedPath() == '/b%2fc%20d'",
		"url('https://a/\xc3\xa9[%2f]?x').getEscapedPath() == '/%C3%A9%5B/%5D'",
		"!isURL('https://a#b/c')", "url('/a#b').getEscapedPath() == '/a'", "isURL('mailto:a@b')",
		"url('HTTPS://A').getScheme() + url('HTTPS://A').getHost() == 'httpsA'",
		"url('mailto:a@b').getHost() == ''", "url('mailto:a@b').getEscapedPath() == ''",
		"isURL('https://user:pw@a.example:80/p?q#f')",
		"url('https://user:p%40w@a:80/').getHost() == 'a:80'", "!isURL('https://us er@a/')",
		"!isURL('https://a b/')", "!isURL('https://a:b:c/')", "!isURL('https://a/%zz')",
		"!isURL('https://a^b/')", "!isURL('1a:/b')", "!isURL('')", "!isURL('/a\\n')", "isURL('/a b')",
		"url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
		"url('https://a/?key with spaces=value with spaces').getQuery() == {'key with spaces': ['value with spaces']}",
		"url('https://a/p?').getQuery() == {}", "url('https://a/p').getQuery() == {}",
		"url('/p?a=1+2&b%26=%3d&c&=d&&e=f=g#h=i').getQuery() == {'a': ['1 2'], 'b&': ['='], 'c': [''], '': ['d'], 'e': ['f=g']}",
		"url('/p?a;b=1&c=%zz&d=2&e=%ff').getQuery() == {'d': ['2']}",
		"url('/p?a=1').getQuery().a[0] == '1' && url('/p?a=1&a=2').getQuery()['a'].size() == 2");
	fails("url('a b').getQuery() == {}", -1, "URL parse error");
}

static void test_versions(void **state)
{
	TRUE("isSemver('1.0.0')", "isSemver('0.1.0-alpha.1')", "isSemver('1.2.3-x-y.0+001.b-')",
		"isSemver('18446744073709551615.0.0')", "!isSemver('18446744073709551616.0.0')",
		"!isSemver('')", "!isSemver('1')", "!isSemver('1.0')", "!isSemver('1.0.0.0')",
		"!isSemver('v1.0.0')", "!isSemver('01.0.0')", "!isSemver('1.0.0-')", "!isSemver('1.0.0+')",
		"!isSemver('1.0.0-01')", "isSemver('1.0.0-0a')", "!isSemver('1.0.0-a..b')",
		"!isSemver('1.0.0-a_b')", "!isSemver('1..0')", "!isSemver('-1.0.0')", "!isSemver('1.0.0 ')",
		"isSemver('1.0.0+a-b')", "!isSemver('1.0.0+a+b')", "!isSemver('1.0', false)",
		"isSemver('v1.0', true)", "isSemver('1', true)", "!isSemver('v', true)",
		"!isSemver('', true)", "!isSemver('1.0-alpha', true)", "!isSemver('vv1.0.0', true)",
		"semver('01.01.01', true) == semver('1.1.1')", "semver('v1.0', true) == semver('1.0.0')",
		"semver('v00.0', true) == semver('0.0.0')", "!isSemver('1.0.0-01.x', true)",
		"semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3-4').patch() == 3",
		"semver('1.2.3').compareTo(semver('1.2.3')) == 0",
		"semver('1.2.3').compareTo(semver('2.0.0')) == -1",
		"semver('1.10.0').isGreaterThan(semver('1.9.9'))",
		"semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
		"['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', "
		"'1.0.0-rc.1', '1.0.0', '1.0.1'].all(i, v, i == 0 || semver(v).compareTo(semver(['1.0.0-alpha', "
		"'1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', "
		"'1.0.0'][i - 1])) == 1)",
		"semver('1.0.0+a') == semver('1.0.0+b')", "semver('1.0.0') != semver('1.0.0-a')");
	fails("semver('200K').major() == 1", -1, "'200K' is not a semantic version");
	fails("semver(1).major() == 1", -1, "no such overload");
	fails("semver('1.0.0').isLessThan(quantity('1'))", -1, "no such overload");
	fails("string(semver('1.0.0')) == ''", -1, "no such overload");
}

static void test_formats(void **state)
{
	static const char *const rows[][3] = {
		/* name, one, none */
		{"dns1123Label", "a-1", "a."},
		{"dns1123Subdomain", "a.b-c", "A"},
		{"dns1035Label", "a-1", "1a"},
		{"qualifiedName", "example.com/a_b", "a/b/c"},
		{"dns1123LabelPrefix", "a-", "-"},
		{"dns1123SubdomainPrefix", "a.b-", "a..b-"},
		{"dns1035LabelPrefix", "a-", "1-"},
		{"labelValue", "", "-"},
		{"uri", "https://a/b", "a b"},
		{"uuid", "01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdeg"},
		{"uuid", "0123456789abcdef0123456789ABCDEF", "0123456789abcdef0123456789ABCDE-"},
		{"uuid", "01234567-89ab-cdef-0123456789abcdef", "01234567--89abcdef0123456789abcdef"},
		{"uuid", "0123456789ab-cdef0123-456789abcdef", "0123456-789abcdef0123456789abcdef"},
		{"uuid", "01234567-89abcdef0123456789abcdef", "-0123456789abcdef0123456789abcdef"},
		{"uuid", "0123456789abcdef0123-456789abcdef", "01234567-89abcdef0123456789abcde"},
		{"byte", "YWI=", "YWI"},
		{"date", "2026-01-02", "2026-13-02"},
		{"datetime", "2026-01-02T03:04:05+01:00", "2026-01-02"},
	};
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *one = text;

		snprintf(
			text, sizeof(text), "!format.%s().validate('%s').hasValue()", rows[i][0], rows[i][1]);
		all_true(&one, 1);
		snprintf(text, sizeof(text), "format.named('%s').value().validate('%s').value().size() == 1",
			rows[i][0], rows[i][2]);
		all_true(&one, 1);
	}
	TRUE("!format.named('none').hasValue()", "format.named('uuid').value() == format.uuid()",
		"format.uuid() != format.uri()",
		"format.dns1123Label().validate('A').value()[0].startsWith('a lowercase RFC 1123 label must consist of')",
		"format.dns1035Label().validate(self.names[0]).orValue([]).join() == ''",
		"['a', 'B'].filter(n, format.dns1123Label().validate(n).hasValue()) == ['B']");
	fails("format.none()", -2, "undeclared reference to 'format.none'");
	fails("format.uuid().validate(1).hasValue()", -1, "no such overload");
}

static void test_refused(void **state)
{
	fails("", -2, "1:1: the expression ends");
	fails("self.", -2, "1:6:");
	fails("sef.n == 1", -2, "1:1: undeclared reference to 'sef'");
	fails("self.n ==\n sef", -2, "2:2: undeclared reference to 'sef'");
	fails("nope(1)", -2, "undeclared reference to 'nope'");
	fails("self.nope()", -2, "undeclared reference to 'nope'");
	fails("size()", -2, "found no matching overload for 'size'");
	fails("has(self)", -2, "invalid argument to has() macro");
	fails("self.list.all(1, true)", -2, "argument must be a simple name");
	fails("self.list.all(x)", -2, "stands where , should be");
	fails("self.list.map(x, y, z)", -2, "undeclared reference to 'y'");
	fails("self.list.filter(x, true, true)", -2, "overload for 'filter'");
	fails("self.map.transformMap(k, 1)", -2, "overload for 'transformMap'");
	fails("self.list.all(x, x > 0, 1)", -2, "overload for 'all'");
	fails("'a", -2, "a text that does not end");
	fails("'\\q'", -2, "an escape that is none");
	fails("9223372036854775808", -2, "too large");
	fails("1 2", -2, "'2' stands where the end should be");
	fails("x.y", -2, "undeclared reference to 'x'");
	fails("type(1) == google.protobuf.Timestam", -2, "1:12: undeclared reference to 'google'");
	fails("google.protobuf", -2, "undeclared reference to 'google'");
	fails("google", -2, "undeclared reference to 'google'");
	fails("net.", -2, "undeclared reference to 'net'");
	fails("net.IP.x == 1", -1, "type 'type' does not support field selection");
	fails("package == 1", -2, "undeclared reference to 'package'");
	fails("1 = 2", -2, "means nothing here");
	fails("- bad -", -2, "undeclared reference to 'bad'");
}

static void test_no_answer(void **state)
{
	fails("self.none == 1", -1, "no such key: none");
	fails("self.list[7] == 1", -1, "index out of bounds: 7");
	fails("1 / 0 == 1", -1, "division by zero");
	fails("1 % 0 == 1", -1, "modulus by zero");
	fails("9223372036854775807 + 1 > 0", -1, "integer overflow");
	fails("-9223372036854775808 / -1 > 0", -1, "integer overflow");
	fails("1 + 'a' == 2", -1, "no such overload");
	/* also where nobody knew the types before: JSON's numbers with a point and those without do not mix */
	fails("self.n + 0.5 == 3.5", -1, "no such overload");
	fails("self.d - 1 == 1.5", -1, "no such overload");
	fails("self.d * 2 == 5", -1, "no such overload");
	fails("self.d / 2 == 1.25", -1, "no such overload");
	fails("self.n.startsWith('a')", -1, "no such overload");
	fails("self.n && true", -1, "no such overload");
	fails("1 + 1", -1, "a value of type int, not bool");
	fails("self.n.x == 1", -1, "does not support field selection");
	fails("int('x') == 1", -1, "not an integer");
	fails("int('+-1') == -1", -1, "not an integer");
	fails("uint('+1') == 1u", -1, "not an unsigned integer");
	fails("string(b'\\xff') == ''", -1, "invalid UTF-8 in bytes");
	fails("'%s'.format([b'a\\xc3']) == ''", -1, "invalid UTF-8 in bytes");
	fails("'a'.matches('(')", -1, "the pattern");
	fails("optional.none().value() == 1", -1, "optional.none() dereference");
	fails("{'a': 1, 'a': 2}.size() == 1", -1, "repeated key");
	fails("[1, 1].transformMapEntry(i, v, {v: i}) == {}", -1, "insert failed: key 1 already exists");
	fails("[1].transformMapEntry(i, v, v) == {}", -1, "no such overload");
	fails("timestamp(self.at).getHours('Europe/Entenhausen') == 1", -1, "the time zone is not known");
	fails("timestamp(self.at).getHours('+1:2:3') == 1", -1, "the time zone is not known");
	fails("timestamp('1969-12-31T23:59:59Z').getHours('Europe/Berlin') == 0", -1, "since 1970");
	fails("timestamp(9223372036854775807).getHours('Europe/Berlin') == 0", -1, "the years 1 to 9999");
	fails("duration('1x') > duration('1s')", -1, "not a duration");
	fails("'%d'.format(['a']) == ''", -1, "no such overload");
	fails("'%x'.format([1.5]) == ''", -1, "no such overload");
	fails("'%d'.format([true]) == ''", -1, "no such overload");
	fails("'%s'.format([]) == ''", -1, "asks for more");
	fails("[].max() == 1", -1, "empty list");
}

static void test_text(void **state)
{
	static const char text[] = "'n is ' + string(self.n)";
	char why[CEL_WHY_MAX], *made;
	yyjson_mut_doc *doc;
	yyjson_mut_val *values[2] = {self(&doc), NULL};
	size_t budget = CEL_BUDGET;
	struct cel *c = cel_compile(text, sizeof(text) - 1, names, why);

	assert_non_null(c);
	assert_true(cel_uses(c, "self"));
	assert_false(cel_uses(c, "oldSelf"));
	made = cel_text(c, values, &budget, why);
	assert_string_equal(made, "n is 3");
	free(made);
	cel_free(c);
	c = cel_compile("1", 1, names, why);
	assert_null(cel_text(c, values, &budget, why));
	assert_string_equal(why, "the expression makes a value of type int, not string");
	assert_int_equal(cel_test(c, values, &budget, why), -1);
	assert_string_equal(why, "the expression makes a value of type int, not bool");
	cel_free(c);
	yyjson_mut_doc_free(doc);
}

/* ---- members of a family, and rounds */

static const char *const members[] = {"n", "bad", "twice", "shadowed", "costly"};
static struct cel *programs[5];
static const struct cel_family family = {
	.name = "variables", .n = 5, .members = members, .programs = programs};

static struct cel *one(const char *text, size_t known)
{
	struct cel_family before = family;
	char why[CEL_WHY_MAX];
	struct cel *c;

	before.n = known;
	c = cel_compile_in(text, strlen(text), &(struct cel_scope){.names = names, .family = &before}, why);
	if (!c)
		fail_msg("%s: %s", text, why);
	return c;
}

static void test_family(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: it is true */
	} asked[] = {{"variables.n == 3", NULL}, {"variables.twice == 6", NULL},
		{"[1, 2].map(x, x + variables.shadowed) == [7, 8]", NULL},
		{"false && variables.bad", "is false"}, {"self.n == 3 || variables.bad == 1", NULL},
		{"variables.bad == 1", "no such key: none"}, {"variables.bad == 1 || true", NULL},
		{"[{'variables': {'n': 4}}].all(variables, variables.variables.n == 4)", NULL}};
	static const char *const texts[] = {"self.n", "self.none", "2 * variables.n",
		"self.list.map(y, y).map(x, variables.n - x)[0] + self.list.size() + 1", "self.s + 'x'"};
	yyjson_mut_doc *doc;
	yyjson_mut_val *values[2] = {self(&doc), NULL};
	size_t budget = CEL_BUDGET, before;
	char why[CEL_WHY_MAX], *text;
	struct cel_round *r;
	struct cel *c;

	for (size_t i = 0; i < family.n; i++)
		programs[i] = one(texts[i], i);
	r = cel_round_new(names, values, &family, NULL, &budget);
	assert_non_null(r);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		int answer;

		c = one(asked[i].text, family.n);
		answer = cel_round_test(r, c, why);
		if (answer != (asked[i].why ? strcmp(asked[i].why, "is false") ? -1 : 0 : 1))
			fail_msg("%s: %d %s", asked[i].text, answer, answer < 0 ? why : "");
		if (answer < 0)
			assert_string_equal(why, asked[i].why);
		cel_free(c);
	}
	/* worked out once: the second time costs a step */
	c = one("variables.costly", family.n);
	before = budget;
	assert_int_equal(cel_round_text(r, c, &text, why), 1);
	free(text);
	assert_true(before - budget > 2);
	before = budget;
	assert_int_equal(cel_round_text(r, c, &text, why), 1);
	assert_int_equal(before - budget, 1);
	free(text);
	cel_free(c);
	c = one("oldSelf", 0);
	assert_int_equal(cel_round_text(r, c, &text, why), 0);
	assert_null(text);
	cel_free(c);
	c = one("1", 0);
	assert_int_equal(cel_round_text(r, c, &text, why), -1);
	cel_free(c);
	cel_round_free(r);
	yyjson_mut_doc_free(doc);
	for (size_t i = 0; i < family.n; i++)
		cel_free(programs[i]);
}

static void test_what_is_no_member(void **state)
{
	static const char *const bad[][2] = {{"variables.twice", "1:10: undefined field 'twice'"},
		{"variables == 1", "1:1: 'variables' is followed by a dot and a name"},
		{"has(variables.n)", "invalid argument to has() macro"},
		{"variables['n']", "followed by a dot"}};
	struct cel_family before = {.name = "variables", .n = 1, .members = members};
	const struct cel_scope scope = {.names = names, .family = &before};
	char why[CEL_WHY_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_null(cel_compile_in(bad[i][0], strlen(bad[i][0]), &scope, why));
		if (!strstr(why, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], why);
	}
	assert_null(cel_compile("variables.n", 11, names, why));
	assert_non_null(strstr(why, "undeclared reference to 'variables'"));
	assert_true(cel_is_name("a_1", 3) && cel_is_name("_", 1));
	assert_false(
		cel_is_name("1a", 2) || cel_is_name("", 0) || cel_is_name("a-b", 3) || cel_is_name("in", 2));
}

/* Each refers to the one before: the last would go deeper than there is room for, and has no answer. */
static void test_how_deep_members_go(void **state)
{
	enum { N = 400 };
	static char texts[N][32];
	static const char *chain[N];
	static struct cel *made[N];
	struct cel_family all = {.name = "variables", .members = chain, .programs = made};
	const struct cel_scope scope = {.names = names, .family = &all};
	yyjson_mut_val *values[2] = {NULL, NULL};
	size_t budget = CEL_BUDGET;
	char why[CEL_WHY_MAX], text[64];
	struct cel_round *r;

	for (size_t i = 0; i < N; i++) {
		snprintf(texts[i], sizeof(texts[i]), "v%zu", i);
		snprintf(text, sizeof(text), i ? "variables.v%zu + 1" : "1", i - 1);
		made[i] = cel_compile_in(text, strlen(text), &scope, why);
		assert_non_null(made[i]);
		chain[i] = texts[i];
		all.n++;
	}
	r = cel_round_new(names, values, &all, NULL, &budget);
	assert_int_equal(cel_round_test(r, made[N - 1], why), -1);
	assert_string_equal(why, "nested too deeply");
	cel_round_free(r);
	r = cel_round_new(names, values, &all, NULL, &budget);
	assert_int_equal(cel_round_test(r, made[50], why), -1);
	assert_non_null(strstr(why, "type int, not bool"));
	cel_round_free(r);
	for (size_t i = 0; i < N; i++)
		cel_free(made[i]);
}

/* ---- messages, and what changes an object */

static const struct cel_scope with_patches = {.names = names, .patches = true};

/* What it makes, as JSON, malloc'ed; else NULL and @why, which begins with "refused" when it was refused before it was asked. */
static char *patch(const char *text, enum cel_result type, char why[static CEL_WHY_MAX])
{
	yyjson_mut_doc *doc, *out = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *values[2] = {self(&doc), NULL}, *made = NULL;
	size_t budget = CEL_BUDGET, len;
	struct cel *c = cel_compile_in(text, strlen(text), &with_patches, why);
	struct cel_round *r = c ? cel_round_new(names, values, NULL, NULL, &budget) : NULL;
	char *json;

	if (r)
		made = cel_round_patch(r, c, type, out, why);
	else
		snprintf(why + strlen(why), CEL_WHY_MAX - strlen(why), " (refused)");
	json = made ? yyjson_mut_val_write(made, 0, &len) : NULL;
	cel_round_free(r);
	cel_free(c);
	yyjson_mut_doc_free(out);
	yyjson_mut_doc_free(doc);
	return json;
}

static void makes(const char *text, enum cel_result type, const char *json)
{
	char why[CEL_WHY_MAX] = "", *made = patch(text, type, why);

	if (!made || strcmp(made, json) != 0)
		fail_msg("%s: %s %s, not %s", text, made ? made : "", why, json);
	free(made);
}

static void makes_none(const char *text, enum cel_result type, const char *words)
{
	char why[CEL_WHY_MAX] = "", *made = patch(text, type, why);

	if (made || !strstr(why, words))
		fail_msg("%s: %s '%s', not '%s'", text, made ? made : "", why, words);
	free(made);
}

static void test_objects(void **state)
{
	makes("Object{}", CEL_OBJECT, "{}");
	makes("Object{spec: Object.spec{replicas: self.n + 1, paused: true}}", CEL_OBJECT,
		"{\"spec\":{\"replicas\":4,\"paused\":true}}");
	makes("Object { metadata : Object . metadata { labels: {'a/b': 'c'} // text\n , }, }", CEL_OBJECT,
		"{\"metadata\":{\"labels\":{\"a/b\":\"c\"}}}");
	makes("Object{a: [Object.a{b: 1}, Object.a{b: 2u}], c: {'k': Object.c{d: null}}}", CEL_OBJECT,
		"{\"a\":[{\"b\":1},{\"b\":2}],\"c\":{\"k\":{\"d\":null}}}");
	makes("Object{?a: self.?none, ?b: self.?n, `c-d`: self.items, namespace: self.map}", CEL_OBJECT,
		"{\"b\":3,\"c-d\":[{\"name\":\"x\",\"port\":80},{\"name\":\"y\",\"port\":443,\"tls\":true}],"
		"\"namespace\":{\"a\":1,\"b\":2}}");
	makes("Object{a: 2.0, b: 2.5, c: b'\\x01', d: timestamp(self.at), e: duration('90m')}", CEL_OBJECT,
		"{\"a\":2,\"b\":2.5,\"c\":\"AQ==\",\"d\":\"2026-01-02T03:04:05Z\",\"e\":\"5400s\"}");
	makes("self.b ? Object{a: 1} : Object{}", CEL_OBJECT, "{\"a\":1}");
	makes("Object{a: Object{field: 'x'}.field, b: has(Object{}.field), c: Object{a: 1} == Object{a: 1.0}, "
	      "d: Object{a: 1} == Object{a: 2}, e: Object.x{} == Object.y{}}",
		CEL_OBJECT, "{\"a\":\"x\",\"b\":false,\"c\":true,\"d\":false,\"e\":false}");
}

static void test_operations(void **state)
{
	makes("[]", CEL_JSON_PATCH, "[]");
	makes("[JSONPatch{op: 'test', path: '/spec/replicas', value: 1}] + (self.b ? [JSONPatch{op: 'move', from: '/a', path: '/b'}] : [])",
		CEL_JSON_PATCH,
		"[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":1},{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]");
	makes("self.names.map(n, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey(n + '/~'), value: n})",
		CEL_JSON_PATCH,
		"[{\"op\":\"add\",\"path\":\"/metadata/labels/b~1~0\",\"value\":\"b\"},{\"op\":\"add\",\"path\":"
		"\"/metadata/labels/a~1~0\",\"value\":\"a\"},{\"op\":\"add\",\"path\":\"/metadata/labels/c~1~0\",\"value\":\"c\"}]");
	makes("[JSONPatch{op: 'add', path: '', value: Object.spec.x{y: [Object.spec.x.y{z: 1}]}}]",
		CEL_JSON_PATCH, "[{\"op\":\"add\",\"path\":\"\",\"value\":{\"y\":[{\"z\":1}]}}]");
}

static void test_no_patches(void **state)
{
	char why[CEL_WHY_MAX];

	makes_none("Object{spec: Object.specx{a: 1}}", CEL_OBJECT,
		"type mismatch: unexpected type name \"Object.specx\", expected \"Object.spec\", which matches field name path");
	makes_none("Object{a: [[{'k': Object{}}]]}", CEL_OBJECT, "expected \"Object.a\"");
	makes_none("'teapot'", CEL_OBJECT, "must evaluate to Object but got string");
	makes_none("Object.spec{}", CEL_OBJECT, "must evaluate to Object but got Object.spec");
	makes_none("Object{}", CEL_JSON_PATCH, "must evaluate to a list of JSONPatch but got Object");
	makes_none("[1]", CEL_JSON_PATCH, "must evaluate to a list of JSONPatch but got int");
	makes_none("[JSONPatch{op: 1}]", CEL_JSON_PATCH, "unexpected type int for JSONPatch field 'op'");
	makes_none("[JSONPatch{value: JSONPatch{}}]", CEL_JSON_PATCH, "cannot be part of an object");
	makes_none("Object{a: {1: 2}}", CEL_OBJECT, "a key of type int cannot be part of an object");
	makes_none("Object{a: optional.of(1)}", CEL_OBJECT,
		"a value of type optional_type cannot be part of an object");
	makes_none("Object{a: 1.0 / 0.0}", CEL_OBJECT, "not finite");
	makes_none("Object{a: self.none}", CEL_OBJECT, "no such key: none");
	makes_none("Object{}.a == 1", CEL_OBJECT, "no such key: a");
	makes_none(
		"Object{a: ['0123456789'].map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x).map(x, x+x+x+x+x+x+x+x)"
		".map(x, [x,x,x,x,x,x,x,x]).map(x, [x,x,x,x,x,x,x,x]).map(x, [x,x,x,x,x,x,x,x]).map(x, [x,x,x,x,x,x,x,x])"
		".map(x, [x,x,x,x,x,x,x,x]).map(x, [x,x,x,x,x,x,x,x])}",
		CEL_OBJECT, "cost limit");
	/* these are refused before they are asked */
	makes_none("JSONPatch{opp: 'add'}", CEL_JSON_PATCH, "1:11: undefined field 'opp' (refused)");
	makes_none("Object{a: 1, a: 2}", CEL_OBJECT, "1:14: field 'a' is set twice (refused)");
	makes_none("Object.spec", CEL_OBJECT, "the expression ends where { should be (refused)");
	makes_none("JSONPatch.x{}", CEL_OBJECT,
		"1:1: undeclared reference to 'JSONPatch.x' (in container '') (refused)");
	makes_none("Objects{}", CEL_OBJECT, "undeclared reference to 'Objects' (in container '') (refused)");
	makes_none("Object{1: 2}", CEL_OBJECT, "where a field should be (refused)");
	makes_none("Object{a 2}", CEL_OBJECT, "where : should be (refused)");
	makes_none("Object{a: 1", CEL_OBJECT, "where } should be (refused)");
	/* and these where nothing is to be changed */
	assert_null(cel_compile("Object{}", 8, names, why));
	assert_non_null(strstr(why, "undeclared reference to 'Object'"));
	assert_null(cel_compile("jsonpatch.escapeKey('a')", 24, names, why));
	assert_non_null(strstr(why, "undeclared reference to 'jsonpatch'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_conversions),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_optionals),
		cmocka_unit_test(test_names_for_values),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_kube),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_what_is_no_member),
		cmocka_unit_test(test_how_deep_members_go),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_no_patches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
