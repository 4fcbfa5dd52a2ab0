/* SPDX-License-Identifier: Apache-2.0 */

/* Any beginning of a device: at most a type and a printable label come out. */

#include <stdlib.h>
#include <string.h>

#include "init/config/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t head[VOLUME_PROBE_BYTES];
	struct volume v;

	memset(head, 0, sizeof(head));
	memcpy(head, data, size < sizeof(head) ? size : sizeof(head));
	if (!volume_probe(&v, head))
		return 0;
	for (const char *c = v.label; *c; c++)
		if (*c <= ' ' || *c > '~')
			abort();
	if (volume_is_ours(&v) && !*v.label)
		abort();
	return 0;
}
