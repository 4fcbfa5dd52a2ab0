/* SPDX-License-Identifier: Apache-2.0 */

/* The first byte says what the rest is taken for. Whatever is accepted must hold to its bounds. */

#include <stdlib.h>
#include <string.h>

#include "engine/image/image_int.h"
#include "engine/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void index_or_config(const char *text, size_t len, bool config)
{
	struct image_platform here = {"linux", "amd64", ""};
	struct image_descriptor chosen;
	char(*ids)[IMAGE_DIGEST_LEN + 1];
	struct image_reason why = {""};
	ssize_t n;

	if (!config) {
		if (image_index_select(text, len, &here, &chosen, &why) == 0 &&
			!image_digest_valid(chosen.digest))
			abort();
		return;
	}
	n = image_config_diff_ids(text, len, &ids, &why);
	if (n > IMAGE_LAYERS_MAX)
		abort();
	for (ssize_t i = 0; i < n; i++)
		if (!image_digest_valid(ids[i]))
			abort();
	if (n >= 0)
		free(ids);
	else if (!*why.text)
		abort(); /* a refusal has a reason */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_reason why = {""};
	struct image_manifest m;
	struct image_platform p;
	char *text;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	switch (data[0] % 6) {
	case 0:
		if (image_document_kind((const char *)data + 1, size - 1, &why) < 0 && !*why.text)
			abort();
		break;
	case 1:
		index_or_config((const char *)data + 1, size - 1, false);
		break;
	case 2:
		index_or_config((const char *)data + 1, size - 1, true);
		break;
	case 3:
		if (image_manifest_parse((const char *)data + 1, size - 1, &m, &why) < 0) {
			if (!*why.text)
				abort();
			break;
		}
		if (m.n_layers == 0 || m.n_layers > IMAGE_LAYERS_MAX || !image_digest_valid(m.config.digest))
			abort();
		for (size_t i = 0; i < m.n_layers; i++)
			if (!image_digest_valid(m.layers[i].digest))
				abort();
		image_manifest_fini(&m);
		break;
	case 4:
		if (text && *text && image_platform_parse(&p, text, NULL) == 0 &&
			(!*p.os || !*p.architecture))
			abort();
		break;
	default:
		(void)image_time(text);
	}
	free(text);
	return 0;
}
