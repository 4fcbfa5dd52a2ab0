/* SPDX-License-Identifier: Apache-2.0 */

/* Accept headers. Whatever comes, what is chosen is one of what can be had. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/http/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct negotiated got = {0};
	struct offer offer;
	char *accept;

	if (!size)
		return 0;
	offer.protobuf = data[0] & 1;
	offer.forms = data[0] & 2;
	accept = strndup((const char *)data + 1, size - 1);
	if (negotiate(accept, &offer, &got)) {
		bool form = got.form != FORM_OBJECT, protobuf = got.encoding == ENCODING_PROTOBUF;

		if (form != (got.version != NULL) || (form && !offer.forms) ||
			(protobuf && (got.form == FORM_TABLE || (!form && !offer.protobuf))))
			__builtin_trap();
	}
	free(accept);
	return 0;
}
