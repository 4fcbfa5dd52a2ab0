/* SPDX-License-Identifier: Apache-2.0 */

/* Output of a service in pieces of the first byte's size, and the same bytes as a record of the kernel's log.
 */

#include <assert.h>
#include <string.h>

#include "init/log/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *line, size_t len, void *arg)
{
	size_t *total = arg;

	assert(len > 0 && len <= LINES_MAX);
	for (size_t i = 0; i < len; i++)
		assert((unsigned char)line[i] >= 0x20 || line[i] == '\t');
	*total += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lines l;
	char rec[8192], out[256];
	size_t step = size ? 1 + data[0] : 1, total = 0;
	uint64_t seq;

	l.len = 0;
	for (size_t at = 0; at < size; at += step)
		lines_feed(&l, (const char *)data + at, size - at < step ? size - at : step, check, &total);
	lines_flush(&l, check, &total);
	assert(total <= size);

	if (size >= sizeof(rec))
		size = sizeof(rec) - 1;
	memcpy(rec, data, size);
	rec[size] = '\0';
	ssize_t n = lines_kmsg(rec, &seq, out, sizeof(out));

	assert(n < (ssize_t)sizeof(out));
	return 0;
}
