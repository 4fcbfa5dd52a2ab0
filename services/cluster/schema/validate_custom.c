/* SPDX-License-Identifier: Apache-2.0 */

/* Custom resources: their values were kept as sent, so here is where their types are asked for. */

#include <stdio.h>
#include <string.h>

#include "cluster/schema/check_int.h"

void check_custom(struct check *c, yyjson_mut_val *v, const struct schema_field *f, bool item)
{
	(void)c;
	(void)v;
	(void)f;
	(void)item;
}
