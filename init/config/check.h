/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

/*
 * What a single value may look like. Each returns true when @s is acceptable; what was expected instead is
 * said by the schema, beside the check's name.
 */

#include "lib/util.h"

bool check_threshold(const char *s); /* "5%", "100Mi" */
bool check_hostname(const char *s);  /* RFC 1123, up to 63 bytes, dots allowed */
bool check_ifname(const char *s);
bool check_mac(const char *s);	   /* aa:bb:cc:dd:ee:ff, a unicast address */
bool check_address(const char *s); /* IPv4 or IPv6, no prefix */
bool check_ipv4(const char *s);
bool check_ipv6(const char *s);
bool check_cidr(const char *s);		 /* address/prefix, the prefix required */
bool check_service_range(const char *s); /* IPv4, a prefix of 12 to 24, no bits beside it */
bool check_pod_range(const char *s);	 /* the same, 8 to 24 */
bool check_domain(const char *s);	 /* a DNS name in lower case */
bool check_host(const char *s);		 /* address or DNS name */
bool check_userns(const char *s);	 /* host, private */
bool check_listen(const char *s);	 /* 1.2.3.4:2376 or [::]:2376 */
bool check_host_port(const char *s);	 /* name, 1.2.3.4 or [::1], then maybe :port */
bool check_proxy(const char *s);	 /* http(s)://host[:port] */
bool check_username(const char *s);	 /* RFC 7617: no colon, no control characters */
bool check_password(const char *s);	 /* no control characters */
bool check_no_proxy(const char *s);	 /* name, address or prefix, without commas and blanks */
bool check_mirror(const char *s);	 /* check_host_port(), or http(s)://host[:port] */
bool check_ipv6_mode(const char *s);
bool check_bond_mode(const char *s);
bool check_disk(const char *s);	     /* /dev/NAME or serial:TEXT */
bool check_data_size(const char *s); /* rest, or check_size() */
bool check_ssh_key(const char *s);   /* one public key line without options */
bool check_pem_certs(const char *s); /* one or more X.509 certificates */
bool check_pem_key(const char *s);   /* one private key without a passphrase */

/* "4GiB", "512 MiB", "1000000000": binary units KiB MiB GiB TiB, or bytes. 0 or -EINVAL. */
must_check int parse_size(const char *s, uint64_t *out);

/* Whether @key signs for the first certificate in @certs; both passed their checks before. */
bool pem_key_matches(const char *certs, const char *key);

#endif
