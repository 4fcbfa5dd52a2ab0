/* SPDX-License-Identifier: Apache-2.0 */

/* config.json, process.json and resources: whatever the bytes, they are parsed or refused. */

#include <string.h>

#include "runtime/mountopts.h"
#include "runtime/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + YYJSON_PADDING_SIZE);
	struct oci_spec s;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (oci_spec_parse(&s, text, size) == 0) {
		for (size_t i = 0; i < s.n_mounts; i++) {
			struct rt_mountopts o;

			if (rt_mountopts_parse(&o, &s.mounts[i]) < 0)
				break;
		}
	}
	/* The same bytes as exec's process and update's resources. */
	if (s.doc && yyjson_is_obj(yyjson_doc_get_root(s.doc))) {
		struct oci_process p = {0};
		struct oci_resources r = {0};
		struct js o = {yyjson_doc_get_root(s.doc), "fuzz"};

		if (oci_process_parse(&p, &s.mem, o) == 0 && oci_resources_parse(&r, &s.mem, o) == 0 &&
			p.n_args > SIZE_MAX / 2)
			__builtin_trap();
	}
	oci_spec_fini(&s);
	return 0;
}
