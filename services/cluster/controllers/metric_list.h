/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_METRIC_LIST_H
#define CLUSTER_METRIC_LIST_H

/*
 * What adapters answer: a MetricValueList of custom.metrics.k8s.io (v1beta1 and v1beta2, which differ in how they say the metric's own
 * name), an ExternalMetricValueList of external.metrics.k8s.io (v1beta1). They are somebody else's bytes: nothing is read of one that
 * is not as it should be.
 */

#include <stdint.h>

#include "lib/util.h"

enum { METRIC_WHY_MAX = 400 };

struct metric_value {
	char *name; /* owned: of the object that it is of; "" of one from outside */
	int64_t milli;
	size_t at; /* its place in the answer */
};

struct metric_list {
	struct metric_value *items; /* owned; in order of names, those of one name in order of the answer */
	size_t n;
};

/**
 * metric_list_read()
 * @out:	metric_list_fini(), also on failure
 * @group:	whose list it is
 *
 * Return: 0, or -EINVAL or -ENOMEM: @why.
 */
must_check int metric_list_read(
	struct metric_list *out, const char *group, const char *body, size_t len, char why[METRIC_WHY_MAX]);
void metric_list_fini(struct metric_list *l);

/* Is no other one of its name after it? Of several the last counts. */
bool metric_list_counts(const struct metric_list *l, size_t i);
/* The one of this name that counts, or NULL. */
const struct metric_value *metric_list_find(const struct metric_list *l, const char *name);
/* All of them together, saturated. */
int64_t metric_list_sum(const struct metric_list *l);

/* Why an adapter refuses, as its Status says: into @why, in one line; false: it does not say. */
must_check bool metric_list_refusal(const char *body, size_t len, char why[METRIC_WHY_MAX]);

#endif
