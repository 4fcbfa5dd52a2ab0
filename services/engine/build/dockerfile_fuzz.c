/* SPDX-License-Identifier: Apache-2.0 */

/* A Dockerfile, its settings carried out; and the same bytes as a .dockerignore. */

#include <stdint.h>
#include <string.h>

#include "engine/build/dockerfile.h"
#include "engine/build/match.h"
#include "engine/build/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_arg(const char *name, size_t len, void *ctx)
{
	return len % 2 ? "value" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings s = {.doc = yyjson_mut_doc_new(NULL), .arg = no_arg};
	struct dockerfile_error e;
	struct settings_error why;
	struct match_list *l;
	struct dockerfile *d;

	s.config = yyjson_mut_obj(s.doc);
	if (dockerfile_parse(&d, (const char *)data, size, &e) == 0) {
		if (dockerfile_check(d, &e) < 0 && !*e.text)
			__builtin_trap();
		for (size_t i = 0; i < d->n_steps; i++) {
			char *out;

			if (settings_op(d->steps[i].op) &&
				settings_apply(&s, &d->steps[i], d->escape, &why) < 0)
				continue;
			for (size_t k = 0; k < d->steps[i].n_words; k++)
				if (settings_expand(&s, d->steps[i].words[k], d->escape, &out, &why) == 0)
					free(out);
		}
		free(yyjson_mut_val_write(s.config, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL));
		dockerfile_free(d);
	} else if (!*e.text) {
		__builtin_trap(); /* a refusal without a reason */
	}
	yyjson_mut_doc_free(s.doc);
	if (match_list_new(&l, (const char *)data, size < 4096 ? size : 4096) == 0) {
		(void)match_list_excludes(l, "some/path/of/a/context.txt");
		match_list_free(l);
	}
	return 0;
}
