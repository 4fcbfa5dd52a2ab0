/* SPDX-License-Identifier: Apache-2.0 */

/* The schema as a table for people. A test compares it with README.md, so that neither can drift. */

#include <stdio.h>

#include "init/config/reference.h"
#include "init/config/schema.h"

static const char *type_name(const struct schema_field *f)
{
	static const char *const names[] = {
		[T_STRING] = "text",
		[T_INT] = "number",
		[T_BOOL] = "true or false",
		[T_MAP] = "mapping",
		[T_STRINGS] = "list",
		[T_MAPS] = "list of mappings",
	};

	return names[f->type];
}

static void row(FILE *out, const struct schema_field *f, const char *path)
{
	fprintf(out, "| `%s` | %s", path, type_name(f));
	if (f->type == T_INT && f->min == f->max)
		fprintf(out, ", %ld", f->min);
	else if (f->type == T_INT)
		fprintf(out, ", %ld to %ld", f->min, f->max);
	else if (f->max)
		fprintf(out, ", at most %ld", f->max);
	if (f->expects)
		fprintf(out, ": %s", f->expects);
	fprintf(out, " | %s%s%s | %s |\n", f->dflt ? "`" : "",
		f->required ? "required"
		: f->dflt   ? f->dflt
			    : "",
		f->dflt ? "`" : "", f->doc);
}

static void rows(FILE *out, const struct schema_field *fields, const char *prefix)
{
	for (const struct schema_field *f = fields; f->key; f++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s%s", prefix, f->key,
			f->type == T_STRINGS || f->type == T_MAPS ? "[]" : "");
		row(out, f, path);
		if (f->fields) {
			snprintf(path, sizeof(path), "%s%s%s", prefix, f->key,
				f->type == T_MAPS ? "[]." : ".");
			rows(out, f->fields, path);
		}
	}
}

char *config_reference(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	fputs("| key | type | default | what it is |\n|---|---|---|---|\n", out);
	rows(out, config_schema.fields, "");
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
