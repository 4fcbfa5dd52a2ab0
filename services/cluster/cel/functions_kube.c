/* SPDX-License-Identifier: Apache-2.0 */

/* What the Kubernetes API adds: amounts, addresses and networks. Their kinds of value are made from texts. */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel_int.h"

/* ---- amounts */

static struct value made_quantity(struct eval *e, const struct quantity *q)
{
	struct quantity *own = arena_get(&e->arena, sizeof(*own));

	if (!own)
		return value_no_room;
	*own = *q;
	return (struct value){.type = VALUE_QUANTITY, .quantity = own};
}

static struct value is_quantity(struct eval *e, const struct value *args, size_t n)
{
	struct quantity q;

	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	return value_bool(!quantity_parse(&q, args[0].text.s, args[0].text.n));
}

static struct value quantity(struct eval *e, const struct value *args, size_t n)
{
	struct quantity q;

	if (args[0].type == VALUE_QUANTITY)
		return args[0];
	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (quantity_parse(&q, args[0].text.s, args[0].text.n))
		return value_error(e, "%s", QUANTITY_REFUSED);
	return made_quantity(e, &q);
}

static bool quantities(const struct value *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (args[i].type != VALUE_QUANTITY)
			return false;
	return true;
}

static bool is_whole(const struct quantity *q)
{
	return q->nano % NANO == 0 && q->nano / NANO <= INT64_MAX && q->nano / NANO >= INT64_MIN;
}

static struct value sign(struct eval *e, const struct value *args, size_t n)
{
	if (!quantities(args, 1))
		return value_overload();
	return value_int(args[0].quantity->nano > 0 ? 1 : args[0].quantity->nano < 0 ? -1 : 0);
}

static struct value is_integer(struct eval *e, const struct value *args, size_t n)
{
	return quantities(args, 1) ? value_bool(is_whole(args[0].quantity)) : value_overload();
}

static struct value as_integer(struct eval *e, const struct value *args, size_t n)
{
	if (!quantities(args, 1))
		return value_overload();
	if (!is_whole(args[0].quantity))
		return value_error(e, "cannot convert value to integer");
	return value_int((int64_t)(args[0].quantity->nano / NANO));
}

static struct value as_float(struct eval *e, const struct value *args, size_t n)
{
	if (!quantities(args, 1))
		return value_overload();
	return (struct value){.type = VALUE_DOUBLE, .d = (double)args[0].quantity->nano / NANO};
}

/* A quantity or a whole number beside one. */
static struct value moved(struct eval *e, const struct value *args, int by)
{
	struct quantity q;
	__int128 other;

	if (!quantities(args, 1) || (args[1].type != VALUE_QUANTITY && args[1].type != VALUE_INT))
		return value_overload();
	other = args[1].type == VALUE_INT ? (__int128)args[1].i * NANO : args[1].quantity->nano;
	q = *args[0].quantity;
	q.nano += by * other;
	return made_quantity(e, &q);
}

static struct value add(struct eval *e, const struct value *args, size_t n)
{
	return moved(e, args, 1);
}

static struct value sub(struct eval *e, const struct value *args, size_t n)
{
	return moved(e, args, -1);
}

/* Of two amounts, or of two versions. */
static bool compared(struct eval *e, const struct value *args, int *order)
{
	if (args[0].type == VALUE_SEMVER && args[1].type == VALUE_SEMVER)
		*order = semver_compare(e, args[0].semver, args[1].semver);
	else if (quantities(args, 2))
		*order = quantity_compare(args[0].quantity, args[1].quantity);
	else
		return false;
	return true;
}

static struct value compare_to(struct eval *e, const struct value *args, size_t n)
{
	int order;

	return compared(e, args, &order) ? value_int(order) : value_overload();
}

static struct value is_less(struct eval *e, const struct value *args, size_t n)
{
	int order;

	return compared(e, args, &order) ? value_bool(order < 0) : value_overload();
}

static struct value is_greater(struct eval *e, const struct value *args, size_t n)
{
	int order;

	return compared(e, args, &order) ? value_bool(order > 0) : value_overload();
}

/* ---- addresses */

/* Neither IPv4 inside of IPv6 nor zones, as the API's own fields are read. */
static bool read_ip(const char *text, struct address *a)
{
	*a = (struct address){.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	a->prefix = a->family == AF_INET6 ? 128 : 32;
	return inet_pton(a->family, text, a->b) == 1 && !(a->family == AF_INET6 && strchr(text, '.'));
}

static bool read_cidr(char *text, struct address *a)
{
	char *slash = strchr(text, '/'), *end;
	long bits;

	if (!slash || slash[1] < '0' || slash[1] > '9' || (slash[1] == '0' && slash[2]))
		return false;
	*slash = 0;
	bits = strtol(slash + 1, &end, 10);
	if (*end || !read_ip(text, a) || bits > a->prefix)
		return false;
	a->prefix = (int)bits;
	return true;
}

static struct value made_address(struct eval *e, enum value_type type, const struct address *a)
{
	struct address *own = arena_get(&e->arena, sizeof(*own));

	if (!own)
		return value_no_room;
	*own = *a;
	return (struct value){.type = type, .address = own};
}

static struct value is_ip(struct eval *e, const struct value *args, size_t n)
{
	struct address a;
	char buf[64];

	if (args[0].type != VALUE_STRING)
		return value_overload();
	return value_bool(value_plain(args[0], buf, sizeof(buf)) && read_ip(buf, &a));
}

static struct address masked(struct address a)
{
	for (int i = 0; i < 16; i++) {
		int bits = a.prefix - 8 * i;

		a.b[i] = (uint8_t)(bits <= 0 ? 0 : bits >= 8 ? a.b[i] : a.b[i] & (0xff00 >> bits));
	}
	return a;
}

/* ip("..."), and the address of a network. */
static struct value ip(struct eval *e, const struct value *args, size_t n)
{
	struct address a;
	char buf[64];

	if (args[0].type == VALUE_CIDR) {
		a = *args[0].address;
		a.prefix = a.family == AF_INET6 ? 128 : 32;
		return made_address(e, VALUE_IP, &a);
	}
	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (!value_plain(args[0], buf, sizeof(buf)) || !read_ip(buf, &a))
		return value_error(e, "IP Address \"%.*s\" parse error", (int)args[0].text.n, args[0].text.s);
	return made_address(e, VALUE_IP, &a);
}

static struct value is_canonical(struct eval *e, const struct value *args, size_t n)
{
	struct address a;
	char buf[64], again[INET6_ADDRSTRLEN];

	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (!value_plain(args[0], buf, sizeof(buf)) || !read_ip(buf, &a))
		return value_error(e, "IP Address \"%.*s\" parse error", (int)args[0].text.n, args[0].text.s);
	return value_bool(inet_ntop(a.family, a.b, again, sizeof(again)) && !strcmp(buf, again));
}

static struct value is_cidr(struct eval *e, const struct value *args, size_t n)
{
	struct address a;
	char buf[64];

	if (args[0].type != VALUE_STRING)
		return value_overload();
	return value_bool(value_plain(args[0], buf, sizeof(buf)) && read_cidr(buf, &a));
}

static struct value cidr(struct eval *e, const struct value *args, size_t n)
{
	struct address a;
	char buf[64];

	if (args[0].type != VALUE_STRING)
		return value_overload();
	if (!eval_read(e, args[0].text))
		return value_no_room;
	if (!value_plain(args[0], buf, sizeof(buf)) || !read_cidr(buf, &a))
		return value_error(
			e, "network address parse error: \"%.*s\"", (int)args[0].text.n, args[0].text.s);
	return made_address(e, VALUE_CIDR, &a);
}

static struct value family(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_IP ? value_int(args[0].address->family == AF_INET6 ? 6 : 4)
					: value_overload();
}

static struct value prefix_length(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_CIDR ? value_int(args[0].address->prefix) : value_overload();
}

static struct value mask(struct eval *e, const struct value *args, size_t n)
{
	struct address a;

	if (args[0].type != VALUE_CIDR)
		return value_overload();
	a = masked(*args[0].address);
	return made_address(e, VALUE_CIDR, &a);
}

/* Is @b, a network or an address, all inside of @a? */
static struct value contains(const struct address *a, const struct address *b)
{
	struct address inner = *b, outer = masked(*a);

	if (a->family != b->family || b->prefix < a->prefix)
		return value_bool(false);
	inner.prefix = a->prefix;
	inner = masked(inner);
	return value_bool(!memcmp(inner.b, outer.b, sizeof(inner.b)));
}

static struct value contains_ip(struct eval *e, const struct value *args, size_t n)
{
	struct value b = args[1].type == VALUE_STRING ? ip(e, &args[1], 1) : args[1];

	if (args[0].type != VALUE_CIDR || (b.type != VALUE_IP && !is_error(b)))
		return value_overload();
	return is_error(b) ? b : contains(args[0].address, b.address);
}

static struct value contains_cidr(struct eval *e, const struct value *args, size_t n)
{
	struct value b = args[1].type == VALUE_STRING ? cidr(e, &args[1], 1) : args[1];

	if (args[0].type != VALUE_CIDR || (b.type != VALUE_CIDR && !is_error(b)))
		return value_overload();
	return is_error(b) ? b : contains(args[0].address, b.address);
}

/* Ranges with a name, by family. */
static struct value within(struct value v, const char *four, const char *six)
{
	struct address range;
	char text[64];

	if (v.type != VALUE_IP)
		return value_overload();
	snprintf(text, sizeof(text), "%s", v.address->family == AF_INET6 ? six : four);
	return read_cidr(text, &range) ? contains(&range, v.address) : value_overload();
}

static struct value is_unspecified(struct eval *e, const struct value *args, size_t n)
{
	return within(args[0], "0.0.0.0/32", "::/128");
}

static struct value is_loopback(struct eval *e, const struct value *args, size_t n)
{
	return within(args[0], "127.0.0.0/8", "::1/128");
}

static struct value is_link_local_multicast(struct eval *e, const struct value *args, size_t n)
{
	return within(args[0], "224.0.0.0/24", "ff02::/16");
}

static struct value is_link_local_unicast(struct eval *e, const struct value *args, size_t n)
{
	return within(args[0], "169.254.0.0/16", "fe80::/10");
}

/* As Go has it: anything that has none of the other names. */
static struct value is_global_unicast(struct eval *e, const struct value *args, size_t n)
{
	static const char *const others[][2] = {{"0.0.0.0/32", "::/128"}, {"127.0.0.0/8", "::1/128"},
		{"224.0.0.0/4", "ff00::/8"}, {"169.254.0.0/16", "fe80::/10"},
		{"255.255.255.255/32", "::/128"}};

	for (size_t i = 0; i < array_len(others); i++) {
		struct value v = within(args[0], others[i][0], others[i][1]);

		if (is_error(v))
			return v;
		if (v.b)
			return value_bool(false);
	}
	return value_bool(true);
}

const struct function cel_kube[] = {
	{"isQuantity", false, "S>B", is_quantity},
	{"quantity", false, "S>Q Q>Q", quantity},
	{"sign", true, "Q>I", sign},
	{"isInteger", true, "Q>B", is_integer},
	{"asInteger", true, "Q>I", as_integer},
	{"asApproximateFloat", true, "Q>D", as_float},
	{"add", true, "QQ>Q QI>Q", add},
	{"sub", true, "QQ>Q QI>Q", sub},
	{"compareTo", true, "QQ>I VV>I", compare_to},
	{"isLessThan", true, "QQ>B VV>B", is_less},
	{"isGreaterThan", true, "QQ>B VV>B", is_greater},
	{"isIP", false, "S>B", is_ip},
	{"ip", false, "S>A", ip},
	{"ip", true, "C>A", ip},
	{"ip.isCanonical", false, "S>B", is_canonical},
	{"family", true, "A>I", family},
	{"isUnspecified", true, "A>B", is_unspecified},
	{"isLoopback", true, "A>B", is_loopback},
	{"isLinkLocalMulticast", true, "A>B", is_link_local_multicast},
	{"isLinkLocalUnicast", true, "A>B", is_link_local_unicast},
	{"isGlobalUnicast", true, "A>B", is_global_unicast},
	{"isCIDR", false, "S>B", is_cidr},
	{"cidr", false, "S>C", cidr},
	{"prefixLength", true, "C>I", prefix_length},
	{"masked", true, "C>C", mask},
	{"containsIP", true, "CA>B CS>B", contains_ip},
	{"containsCIDR", true, "CC>B CS>B", contains_cidr},
	{NULL},
};
