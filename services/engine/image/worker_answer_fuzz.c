/* SPDX-License-Identifier: Apache-2.0 */

/* What an unpacker says, as if the layer had taken it over. */

#include <stdlib.h>
#include <string.h>

#include "engine/image/image_int.h"
#include "engine/image/unpack_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpack_result out;
	int r = unpack_answer_parse((const char *)data, size, &out);

	if (r > 0 || (r == 0 && !image_digest_valid(out.diff_id)))
		abort();
	for (const char *p = out.error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			abort();
	unpack_result_fini(&out);
	return 0;
}
