/* SPDX-License-Identifier: Apache-2.0 */

/* Paths that users choose for files of volumes, and what a line of mountinfo may hold. */

#include <assert.h>
#include <string.h>

#include "agent/agent_volumes.h"
#include "agent/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *point;
	size_t parts = 1;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	if (payload_path_ok(text)) {
		assert(*text != '/' && !strstr(text, "//") && !strstr(text, "/../"));
		for (const char *p = text; *p; p++)
			parts += *p == '/';
		assert(strncmp(text, "..", 2) != 0 && parts <= PAYLOAD_PATH_MAX);
	}
	point = agent_volumes_mount_point(text);
	assert(!point || strlen(point) < size);
	free(text);
	return 0;
}
