/* SPDX-License-Identifier: Apache-2.0 */

/* What a webhook answers is anything: it is read, or refused with a reason. */

#include <stdlib.h>
#include <string.h>

#include "cluster/webhooks/webhooks_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct review_answer answer;
	char *body = malloc(size + 1), *why;

	if (!body)
		return 0;
	memcpy(body, data, size);
	body[size] = '\0';
	why = review_read(&answer, "u", body, size);
	if (!why && !answer.allowed && (answer.code < 400 || answer.patch))
		abort();
	review_answer_fini(&answer);
	free(why);
	free(body);
	return 0;
}
