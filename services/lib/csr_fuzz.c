/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a certificate signing request: refused with a reason, or read into names that may stand in a certificate. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pki_csr *c = NULL;
	const char *why = NULL;
	int err = pki_csr_read(&c, (const char *)data, size, &why);

	if (err) {
		assert(why);
		return 0;
	}
	assert(pki_name_ok(c->common_name));
	for (size_t i = 0; i < c->n_names; i++)
		assert(pki_alt_name_ok(c->names[i]));
	pki_csr_free(c);
	return 0;
}
