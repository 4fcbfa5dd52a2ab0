/* SPDX-License-Identifier: Apache-2.0 */

/* What is wrong with a body that is to be JSON, in the words of Docker, which are those of Go's libraries. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/files.h"

#define JSON_TYPE "application/json"

char *api_type_fault(const char *type, bool has_body)
{
	const char *at;
	size_t len;

	if (!type && !has_body)
		return NULL;
	type = type ? type : "";
	at = type + strspn(type, " \t");
	len = strcspn(at, ";");
	while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	if (len == strlen(JSON_TYPE) && !strncasecmp(at, JSON_TYPE, len))
		return NULL;
	return len ? text_make("unsupported Content-Type header (%s): must be '" JSON_TYPE "'", type)
		   : text_make("malformed Content-Type header (%s): mime: no media type", type);
}

/* The character that does not fit: as it is, or by its number. */
static void quote(char c, char out[8])
{
	if (c == '\'' || c == '\\')
		snprintf(out, 8, "'\\%c'", c);
	else if (c >= ' ' && c < 127)
		snprintf(out, 8, "'%c'", c);
	else
		snprintf(out, 8, "'\\x%02x'", (unsigned char)c);
}

char *api_json_fault(const char *text, size_t len)
{
	/* the parser says what it waited for, Go where it was */
	static const struct {
		const char *awaited, *where;
	} places[] = {
		{"a string for object key", "looking for beginning of object key string"},
		{"a colon after object key", "after object key"},
		{"a comma or a closing brace", "after object key:value pair"},
		{"a comma or a closing bracket", "after array element"},
		{"a valid JSON value", "looking for beginning of value"},
		{"a valid root value", "looking for beginning of value"},
		{"control character in string", "in string literal"},
	};
	yyjson_read_err err;
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, NULL, &err);
	char c[8];

	yyjson_doc_free(doc);
	if (doc)
		return NULL;
	if (err.code == YYJSON_READ_ERROR_UNEXPECTED_CONTENT)
		return text_make("unexpected content after JSON");
	if (err.code == YYJSON_READ_ERROR_UNEXPECTED_END)
		return text_make("invalid JSON: unexpected EOF");
	for (size_t i = 0; i < array_len(places) && err.pos < len; i++) {
		if (!strstr(err.msg, places[i].awaited))
			continue;
		quote(text[err.pos], c);
		return text_make("invalid JSON: invalid character %s %s", c, places[i].where);
	}
	return text_make("invalid JSON: %s", err.msg);
}
