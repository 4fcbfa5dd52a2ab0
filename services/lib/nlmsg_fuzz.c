/* SPDX-License-Identifier: Apache-2.0 */

/* Anything a netlink socket could deliver, through every reader there is. */

#include <string.h>

#include "lib/ipconf.h"
#include "lib/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nla_cursor c = {data, size};
	struct nlmsg_view v;
	char text[64];
	uint32_t offset;

	while (nlmsg_next(&c, &v) > 0) {
		struct link l;
		struct link_addr a;
		struct route r;

		(void)nlmsg_error(&v, text, sizeof(text), &offset);
		if (link_parse(&v, &l) == 0 && strlen(l.name) >= sizeof(l.name))
			__builtin_trap();
		if (addr_parse(&v, &a) == 0 && a.addr.prefix > ipaddr_len(&a.addr) * 8)
			__builtin_trap();
		if (route_parse(&v, &r) == 0 && r.dst.prefix > ipaddr_len(&r.dst) * 8)
			__builtin_trap();
	}
	return 0;
}
