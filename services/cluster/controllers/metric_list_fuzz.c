/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as the answer of a metrics adapter: it is read in order, or refused with a reason. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/metric_list.h"
#include "cluster/schema/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void read_as(const char *group, const char *body, size_t size)
{
	struct metric_list l;
	char why[METRIC_WHY_MAX];
	int err = metric_list_read(&l, group, body, size, why);

	check(!err == !*why && decode_utf8_valid(why, strlen(why)));
	for (size_t i = 0; !err && i < l.n; i++) {
		const struct metric_value *v = metric_list_find(&l, l.items[i].name);

		check(v && !strcmp(v->name, l.items[i].name) &&
			metric_list_counts(&l, (size_t)(v - l.items)));
		check(!i || strcmp(l.items[i - 1].name, l.items[i].name) <= 0);
	}
	(void)metric_list_sum(&l);
	metric_list_fini(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[METRIC_WHY_MAX], *body = malloc(size + 1);

	if (!body)
		return 0;
	memcpy(body, data, size);
	body[size] = '\0';
	read_as("custom.metrics.k8s.io", body, size);
	read_as("external.metrics.k8s.io", body, size);
	check(!metric_list_refusal(body, size, why) || decode_utf8_valid(why, strlen(why)));
	free(body);
	return 0;
}
