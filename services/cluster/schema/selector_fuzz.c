/* SPDX-License-Identifier: Apache-2.0 */

/* Small texts: selectors, quantities, times, formats, paths, patterns. The first byte chooses. */

#include <string.h>

#include "cluster/schema/jsonpath_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/pattern.h"
#include "lib/quantity.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/status.h"
#include "cluster/schema/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a selector is written as selects the same. */
static void labels(const char *text)
{
	struct selector *s = NULL, *again = NULL;
	struct status *err = selector_parse_labels(&s, text);
	char *written = err ? NULL : selector_text(s);

	if (written) {
		struct status *second = selector_parse_labels(&again, written);

		if (second || s->n != again->n)
			__builtin_trap();
	}
	free(written);
	selector_free(s);
	selector_free(again);
	status_free(err);
}

static void fields(const char *text)
{
	struct selector *s = NULL;

	status_free(selector_parse_fields(&s, text, schema_find("", "v1", "pods")));
	selector_free(s);
}

/* The canonical text is canonical, and the same amount. */
static void amount(const char *text)
{
	char buf[QUANTITY_TEXT_MAX], twice[QUANTITY_TEXT_MAX];
	struct quantity q, r;

	if (quantity_parse(&q, text, strlen(text)))
		return;
	quantity_text(&q, buf);
	if (quantity_parse(&r, buf, strlen(buf)) || quantity_compare(&q, &r) ||
		strcmp(buf, quantity_text(&r, twice)) != 0)
		__builtin_trap();
	(void)quantity_value(&q);
	(void)quantity_milli(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct timespec t;
	char *text;

	if (!size)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	switch (data[0] % 6) {
	case 0:
		labels(text);
		break;
	case 1:
		fields(text);
		break;
	case 2:
		amount(text);
		break;
	case 3:
		(void)!meta_time_parse(&t, text);
		for (int f = SCHEMA_DNS_LABEL; f <= SCHEMA_NOT_EMPTY; f++)
			(void)validate_format(f, text, strlen(text));
		break;
	case 4:
		(void)jsonpath_valid(text);
		(void)jsonpath_get(NULL, text);
		break;
	default:
		(void)pattern_matches(text, "abc");
		break;
	}
	free(text);
	return 0;
}
