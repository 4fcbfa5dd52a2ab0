/* SPDX-License-Identifier: Apache-2.0 */

/* One packet of a client: the first byte says how many descriptors came with it. */

#include <assert.h>
#include <string.h>

#include "init/control.h"
#include "init/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[WIRE_TEXT_MAX + 1];
	struct wire_request r;

	if (!size || control_parse(data + 1, size - 1, data[0], &r, text))
		return 0;
	assert(r.op >= WIRE_WATCH && r.op < WIRE_OPS);
	assert(strlen(r.name) <= INITCTL_NAME_MAX);
	if (r.op == WIRE_PUT || r.op == WIRE_WATCH)
		assert(data[0] >= 1 && data[0] <= INITCTL_FDS_MAX && stored_name_valid(r.name));
	assert(r.op == WIRE_COMMAND || !*text);
	return 0;
}
