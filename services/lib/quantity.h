/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_QUANTITY_H
#define LIB_QUANTITY_H

/*
 * resource.Quantity: "100m", "1.5Gi", "2e3". Kept as a 128-bit count of nano-units, so addition and
 * comparison are exact; upstream's limits (nothing finer than nano, rounded up; nothing beyond 2^63-1) hold.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

enum quantity_format { QUANTITY_DECIMAL, QUANTITY_BINARY, QUANTITY_EXPONENT };

struct quantity {
	__int128 nano;
	enum quantity_format format; /* how it is written again */
};

enum { QUANTITY_TEXT_MAX = 64 };

/*
 * 0 or -EINVAL: `quantities must match the regular expression ...` is upstream's sentence, QUANTITY_REFUSED.
 */
must_check int quantity_parse(struct quantity *q, const char *text, size_t len);
#define QUANTITY_REFUSED                                                                                     \
	"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

/* The canonical text, as the API writes it back. Returns @buf. */
const char *quantity_text(const struct quantity *q, char buf[static QUANTITY_TEXT_MAX]);

static inline int quantity_compare(const struct quantity *a, const struct quantity *b)
{
	return a->nano < b->nano ? -1 : a->nano > b->nano;
}
/* Whole units, and thousandths, rounded up, saturated. */
int64_t quantity_value(const struct quantity *q);
int64_t quantity_milli(const struct quantity *q);

#endif
