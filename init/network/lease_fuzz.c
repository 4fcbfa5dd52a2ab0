/* SPDX-License-Identifier: Apache-2.0 */

/* What a DHCP server could make udhcpc say. */

#include <string.h>

#include "init/network/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lease l;
	const char *env[] = {NULL, NULL};
	char msg[LEASE_MESSAGE_MAX], *value;
	ssize_t n;

	if (lease_parse(&l, (const char *)data, size) == 0) {
		if (l.address.family && (l.address.prefix > 32 || l.n_routes > LEASE_ROUTES_MAX))
			__builtin_trap();
		for (size_t i = 0; i < l.n_search; i++)
			if (strpbrk(l.search[i], " \n;") || !l.search[i][0])
				__builtin_trap();
	}
	/* and the whole input as one value from the environment */
	value = malloc(size + 5);
	if (!value)
		return 0;
	memcpy(value, "dns=", 4);
	memcpy(value + 4, data, size);
	value[size + 4] = '\0';
	env[0] = value;
	n = lease_message("bound", env, msg);
	if (n > 0 && lease_parse(&l, msg, (size_t)n) == 0)
		__builtin_trap(); /* no address was given */
	free(value);
	return 0;
}
