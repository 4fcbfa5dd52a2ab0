/* SPDX-License-Identifier: Apache-2.0 */

/* The machine configuration, version 1. Adding a key is adding a row; README.md is tested against these. */

#include "init/config/check.h"
#include "init/config/schema.h"

#define END {.key = NULL}

#define CERTS "PEM text with one or more certificates"

static const struct schema_field vlan[] = {
	{.key = "id", .type = T_INT, .required = true, .min = 1, .max = 4094, .doc = "the 802.1Q tag"},
	{.key = "parent",
		.type = T_STRING,
		.required = true,
		.ok = check_ifname,
		.expects = "an interface name",
		.doc = "the interface that carries it"},
	END,
};

static const struct schema_field bond[] = {
	{.key = "mode",
		.type = T_STRING,
		.dflt = "active-backup",
		.ok = check_bond_mode,
		.expects =
			"active-backup, 802.3ad, balance-rr, balance-xor, broadcast, balance-tlb or balance-alb",
		.doc = "how traffic is shared between the members"},
	{.key = "members",
		.type = T_STRINGS,
		.required = true,
		.max = 16,
		.ok = check_ifname,
		.expects = "an interface name",
		.doc = "the interfaces that are joined"},
	END,
};

static const struct schema_field interface[] = {
	{.key = "name",
		.type = T_STRING,
		.ok = check_ifname,
		.expects = "an interface name of up to 15 characters",
		.doc = "which interface; names a VLAN or bond to be made; with `mac`, the name it is given"},
	{.key = "mac",
		.type = T_STRING,
		.ok = check_mac,
		.expects = "a unicast MAC address such as 52:54:00:12:34:56",
		.doc = "which interface, by its hardware address"},
	{.key = "dhcp",
		.type = T_BOOL,
		.doc = "ask for an IPv4 address; when not given, true unless `addresses` has an IPv4 address"},
	{.key = "addresses",
		.type = T_STRINGS,
		.max = 64,
		.ok = check_cidr,
		.expects = "an address with its prefix length, such as 192.0.2.10/24",
		.doc = "fixed addresses"},
	{.key = "gateway",
		.type = T_STRING,
		.ok = check_ipv4,
		.expects = "an IPv4 address",
		.doc = "IPv4 default route"},
	{.key = "gateway6",
		.type = T_STRING,
		.ok = check_ipv6,
		.expects = "an IPv6 address",
		.doc = "IPv6 default route"},
	{.key = "ipv6",
		.type = T_STRING,
		.dflt = "auto",
		.ok = check_ipv6_mode,
		.expects = "auto or off",
		.doc = "`auto`: by router advertisements; `off`: no IPv6 here, fixed IPv6 addresses refused"},
	{.key = "mtu",
		.type = T_INT,
		.min = 1280,
		.max = 65535,
		.doc = "largest packet; when not given, the device's own"},
	{.key = "vlan", .type = T_MAP, .optional_map = true, .fields = vlan, .doc = "makes `name` a VLAN"},
	{.key = "bond", .type = T_MAP, .optional_map = true, .fields = bond, .doc = "makes `name` a bond"},
	END,
};

static const struct schema_field network[] = {
	{.key = "interfaces",
		.type = T_MAPS,
		.max = 64,
		.fields = interface,
		.doc = "without any, every Ethernet device asks by DHCP and listens to IPv6 routers"},
	{.key = "nameservers",
		.type = T_STRINGS,
		.max = 8,
		.ok = check_address,
		.expects = "an IPv4 or IPv6 address",
		.doc = "asked before those that DHCP names"},
	{.key = "search",
		.type = T_STRINGS,
		.max = 16,
		.ok = check_host,
		.expects = "a DNS name",
		.doc = "domains tried for short names"},
	END,
};

static const struct schema_field time[] = {
	{.key = "servers",
		.type = T_STRINGS,
		.max = 16,
		.dflt = "0.pool.ntp.org 1.pool.ntp.org 2.pool.ntp.org",
		.ok = check_host,
		.expects = "a DNS name or an address",
		.doc = "NTP servers; an empty list: none is asked"},
	END,
};

static const struct schema_field storage[] = {
	{.key = "disk",
		.type = T_STRING,
		.ok = check_disk,
		.expects = "/dev/NAME or serial:TEXT",
		.doc = "the disk that holds STATE and DATA; when not given, the one booted from"},
	{.key = "data_size",
		.type = T_STRING,
		.dflt = "rest",
		.ok = check_data_size,
		.expects = "rest, or a size of at least 64MiB such as 200GiB",
		.doc = "size of DATA; `rest`: all that is free, and more when the disk grows"},
	{.key = "wipe",
		.type = T_BOOL,
		.dflt = "false",
		.doc = "`disk` may be formatted although it holds something else; all of that is lost"},
	END,
};

static const struct schema_field ssh[] = {
	{.key = "authorized_keys",
		.type = T_STRINGS,
		.max = 256,
		.ok = check_ssh_key,
		.expects = "an OpenSSH public key line: type, key, comment",
		.doc = "who may log in as root; without any, no SSH server runs"},
	END,
};

static const struct schema_field tls[] = {
	{.key = "ca",
		.type = T_STRING,
		.required = true,
		.ok = check_pem_certs,
		.expects = CERTS,
		.doc = "clients must have a certificate signed by one of these"},
	{.key = "cert",
		.type = T_STRING,
		.required = true,
		.ok = check_pem_certs,
		.expects = CERTS,
		.doc = "the engine's certificate, then those up to the CA"},
	{.key = "key",
		.type = T_STRING,
		.required = true,
		.secret = true,
		.ok = check_pem_key,
		.expects = "PEM text with a private key that has no passphrase",
		.doc = "the key of `cert`"},
	END,
};

static const struct schema_field registry[] = {
	{.key = "host",
		.type = T_STRING,
		.required = true,
		.ok = check_host_port,
		.expects = "host or host:port",
		.doc = "as image names begin with it"},
	{.key = "ca",
		.type = T_STRING,
		.ok = check_pem_certs,
		.expects = CERTS,
		.doc = "trusted for this registry, besides the public authorities"},
	{.key = "insecure",
		.type = T_BOOL,
		.dflt = "false",
		.doc = "plain HTTP, or TLS with a certificate nobody vouches for"},
	{.key = "mirrors",
		.type = T_STRINGS,
		.max = 16,
		.ok = check_mirror,
		.expects = "host[:port] or https://host[:port]",
		.doc = "tried in order before the registry itself"},
	END,
};

static const struct schema_field engine[] = {
	{.key = "listen",
		.type = T_STRINGS,
		.max = 16,
		.ok = check_listen,
		.expects = "address:port, such as 0.0.0.0:2376",
		.doc = "where the Docker API is served over TLS; with `tls`, 0.0.0.0:2376 when not given; without, nowhere"},
	{.key = "tls",
		.type = T_MAP,
		.optional_map = true,
		.fields = tls,
		.doc = "without it, no TCP port is opened"},
	{.key = "registries",
		.type = T_MAPS,
		.max = 64,
		.fields = registry,
		.doc = "what is special about a registry"},
	END,
};

static const struct schema_field root[] = {
	{.key = "version", .type = T_INT, .required = true, .min = 1, .max = 1, .doc = "of this format"},
	{.key = "hostname",
		.type = T_STRING,
		.ok = check_hostname,
		.expects = "letters, digits, hyphens and dots, up to 63",
		.doc = "when not given, `wherry-` and the end of the first Ethernet device's MAC address"},
	{.key = "network", .type = T_MAP, .fields = network, .doc = "interfaces and name resolution"},
	{.key = "time", .type = T_MAP, .fields = time, .doc = "where the time comes from"},
	{.key = "storage", .type = T_MAP, .fields = storage, .doc = "which disk, and how it is divided"},
	{.key = "ssh", .type = T_MAP, .fields = ssh, .doc = "rescue access"},
	{.key = "engine", .type = T_MAP, .fields = engine, .doc = "the Docker API"},
	END,
};

const struct schema_field config_schema = {.key = "", .type = T_MAP, .fields = root};
