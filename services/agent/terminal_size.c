/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/terminal_size.h"
#include "lib/json.h"

bool terminal_size_feed(
	struct terminal_size *s, const void *buf, size_t len, unsigned *width, unsigned *height)
{
	const char *p = buf;
	bool new = false;

	for (size_t i = 0; i < len; i++) {
		cleanup(json_docp) yyjson_doc *doc = NULL;
		yyjson_val *root;
		int64_t w, h;

		if (s->len == sizeof(s->text))
			s->len = 0; /* no size is as long as that */
		s->text[s->len++] = p[i];
		if (p[i] != '}')
			continue;
		doc = yyjson_read(s->text, s->len, 0);
		s->len = 0;
		root = yyjson_doc_get_root(doc);
		w = json_int(root, "Width", -1);
		h = json_int(root, "Height", -1);
		if (w < 0 || w > 65535 || h < 0 || h > 65535)
			continue;
		*width = (unsigned)w;
		*height = (unsigned)h;
		new = true;
	}
	return new;
}
