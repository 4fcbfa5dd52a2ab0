/* SPDX-License-Identifier: Apache-2.0 */

/* Checks of single values. They read bounded, NUL-terminated text and keep nothing. */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "init/config/check.h"
#include "lib/ipconf.h"
#include "lib/kube_names.h"
#include "lib/quantity.h"

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Labels of letters, digits and inner hyphens, joined by dots. */
static bool is_dns_name(const char *s, size_t max)
{
	size_t len = strlen(s), label = 0;

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_alnum(s[i]) && !(s[i] == '-' && label > 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && s[len - 1] != '-';
}

bool check_threshold(const char *s)
{
	size_t len = strlen(s), digits = strspn(s, "0123456789");
	struct quantity q;

	if (len && s[len - 1] == '%')
		return digits == len - 1 && digits && digits <= 3 && atoi(s) <= 100;
	return digits && digits <= 15 && !quantity_parse(&q, s, len);
}

bool check_hostname(const char *s)
{
	return is_dns_name(s, 63);
}

bool check_ifname(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= IFNAMSIZ || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(s[i]) && !strchr("._-", s[i]))
			return false;
	return true;
}

bool check_mac(const char *s)
{
	if (strlen(s) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	/* The lowest bit of the first byte marks a group address. */
	return !strchr("13579bBdDfF", s[1]);
}

bool check_ipv4(const char *s)
{
	struct in_addr a;

	return inet_pton(AF_INET, s, &a) == 1;
}

bool check_ipv6(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, s, &a) == 1;
}

bool check_address(const char *s)
{
	return check_ipv4(s) || check_ipv6(s);
}

/* A decimal number without sign or leading zero, min to max. */
static bool is_number(const char *s, unsigned min, unsigned max)
{
	unsigned n = 0;

	if (!*s || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > max)
			return false;
		n = n * 10 + (unsigned)(*s - '0');
	}
	return n >= min && n <= max;
}

bool check_cidr(const char *s)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');

	if (!slash || (size_t)(slash - s) >= sizeof(addr))
		return false;
	memcpy(addr, s, (size_t)(slash - s));
	addr[slash - s] = '\0';
	if (check_ipv4(addr))
		return is_number(slash + 1, 1, 32);
	return check_ipv6(addr) && is_number(slash + 1, 1, 128);
}

/* A network of IPv4 whose prefix has @least to 24 bits. */
static bool is_range(const char *s, unsigned least)
{
	struct ipaddr a, network;

	if (!strchr(s, '/') || ipaddr_parse(s, &a) || a.family != AF_INET || a.prefix < least ||
		a.prefix > 24)
		return false;
	network = ipaddr_network(&a);
	return ipaddr_equal(&a, &network);
}

bool check_service_range(const char *s)
{
	return is_range(s, 12);
}

bool check_pod_range(const char *s)
{
	return is_range(s, 8);
}

bool check_domain(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return false;
	return is_dns_name(s, KUBE_DOMAIN_MAX);
}

bool check_userns(const char *s)
{
	return !strcmp(s, "host") || !strcmp(s, "private");
}

/* All digits and dots is an address mistyped, not a name. */
bool check_host(const char *s)
{
	if (check_address(s))
		return true;
	return is_dns_name(s, 253) && s[strspn(s, "0123456789.")];
}

/* Splits "host", "host:port", "[v6]" or "[v6]:port" and checks both; @port_needed as it says. */
static bool host_port(const char *s, bool addresses_only, bool port_needed)
{
	char host[256];
	const char *end, *from = s;
	bool v6 = *s == '[';

	if (v6)
		from = s + 1;
	end = from + strcspn(from, v6 ? "]" : ":");
	if ((size_t)(end - from) >= sizeof(host) || (v6 && !*end))
		return false;
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	if (v6)
		end++;

	if (v6 ? !check_ipv6(host) : addresses_only ? !check_ipv4(host) : !check_host(host))
		return false;
	if (!*end)
		return !port_needed;
	return *end == ':' && is_number(end + 1, 1, 65535);
}

bool check_listen(const char *s)
{
	return host_port(s, true, true);
}

bool check_host_port(const char *s)
{
	return host_port(s, false, false);
}

bool check_no_proxy(const char *s)
{
	size_t n = strlen(s);

	return n && n <= 255 &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:/[]")] == '\0';
}

bool check_proxy(const char *s)
{
	return (!strncmp(s, "http://", 7) || !strncmp(s, "https://", 8)) && check_mirror(s);
}

bool check_password(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)s[i]))
			return false;
	return n && n <= 255;
}

bool check_username(const char *s)
{
	return check_password(s) && !strchr(s, ':');
}

bool check_mirror(const char *s)
{
	if (!strncmp(s, "https://", 8))
		s += 8;
	else if (!strncmp(s, "http://", 7))
		s += 7;
	return host_port(s, false, false);
}

bool check_ipv6_mode(const char *s)
{
	static const char *const words[] = {"auto", "off"};

	return is_one_of(s, words, array_len(words));
}

bool check_bond_mode(const char *s)
{
	static const char *const words[] = {"active-backup", "802.3ad", "balance-rr", "balance-xor",
		"broadcast", "balance-tlb", "balance-alb"};

	return is_one_of(s, words, array_len(words));
}

bool check_disk(const char *s)
{
	size_t prefix = !strncmp(s, "/dev/", 5) ? 5 : !strncmp(s, "serial:", 7) ? 7 : 0;
	const char *name = s + prefix;

	if (!prefix || !*name || strlen(name) > 64)
		return false;
	for (const char *c = name; *c; c++)
		if (!is_alnum(*c) && !strchr("._-", *c))
			return false;
	return name[0] != '.';
}

int parse_size(const char *s, uint64_t *out)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
	uint64_t n = 0;
	const char *c = s;

	if (*c < '0' || *c > '9')
		return -EINVAL;
	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (unsigned)(*c - '0'), &n))
			return -EINVAL;
	if (*c == ' ')
		c++;
	for (size_t i = 0; i < array_len(units); i++) {
		if (strcmp(c, units[i].name))
			continue;
		if (n > UINT64_MAX >> units[i].shift)
			return -EINVAL;
		*out = n << units[i].shift;
		return 0;
	}
	return -EINVAL;
}

bool check_data_size(const char *s)
{
	uint64_t n;

	return !strcmp(s, "rest") || (parse_size(s, &n) == 0 && n >= 64u << 20);
}
