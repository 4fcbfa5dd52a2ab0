/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/controllers/metric_list.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "lib/text.h"

enum { NAME_MAX_BYTES = 253, QUANTITY_MAX_BYTES = 100 };

static const struct form {
	const char *group, *kind, *window; /* a value's member that says how long it was measured for */
	bool of_objects;
} forms[] = {
	{"custom.metrics.k8s.io", "MetricValueList", "windowSeconds", true},
	{"external.metrics.k8s.io", "ExternalMetricValueList", "window", false},
};

static const struct form *form_of(const char *group)
{
	for (size_t i = 0; i < array_len(forms); i++)
		if (!strcmp(group, forms[i].group))
			return &forms[i];
	return NULL;
}

static bool is_absent(yyjson_val *v)
{
	return !v || yyjson_is_null(v);
}

/* Numbers are read as texts, so that a quantity is what it says. */
static const char *digits(yyjson_val *v)
{
	return yyjson_is_raw(v) ? yyjson_get_raw(v) : NULL;
}

static bool is_window(yyjson_val *v)
{
	const char *text = digits(v);

	return is_absent(v) || (text && strspn(text, "0123456789") == yyjson_get_len(v));
}

static bool is_time(yyjson_val *v)
{
	struct timespec t;

	return is_absent(v) || (yyjson_is_str(v) && !meta_time_parse(&t, yyjson_get_str(v)));
}

static bool read_amount(yyjson_val *v, int64_t *milli)
{
	const char *text = digits(v) ?: yyjson_get_str(v);
	struct quantity q;

	if (!text || yyjson_get_len(v) > QUANTITY_MAX_BYTES || quantity_parse(&q, text, yyjson_get_len(v)))
		return false;
	*milli = quantity_milli(&q);
	return true;
}

static bool read_name(const struct form *form, yyjson_val *item, const char **name)
{
	yyjson_val *object = yyjson_obj_get(item, "describedObject"), *v = yyjson_obj_get(object, "name");

	*name = yyjson_get_str(v) ?: "";
	return !form->of_objects ||
	       (yyjson_is_obj(object) &&
		       (is_absent(v) || (yyjson_is_str(v) && yyjson_get_len(v) <= NAME_MAX_BYTES &&
						strlen(*name) == yyjson_get_len(v))));
}

/* NULL, or what is wrong with it. */
static const char *read_item(const struct form *form, yyjson_val *item, const char **name, int64_t *milli)
{
	if (!yyjson_is_obj(item))
		return " is no object";
	if (!read_name(form, item, name))
		return ".describedObject has no name that can be one";
	if (!is_time(yyjson_obj_get(item, "timestamp")))
		return ".timestamp is no time";
	if (!is_window(yyjson_obj_get(item, form->window)))
		return form->of_objects ? ".windowSeconds is no number of seconds"
					: ".window is no number of seconds";
	if (!read_amount(yyjson_obj_get(item, "value"), milli))
		return ".value is no quantity";
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct metric_value *x = a, *y = b;

	return strcmp(x->name, y->name) ?: (x->at > y->at) - (x->at < y->at);
}

static int read_items(struct metric_list *out, const struct form *form, yyjson_val *list, char *why)
{
	const char *wrong, *name;
	yyjson_val *item;
	size_t i, n;

	out->items = calloc(yyjson_arr_size(list) + 1, sizeof(*out->items));
	if (!out->items)
		return -ENOMEM;
	yyjson_arr_foreach (list, i, n, item) {
		wrong = read_item(form, item, &name, &out->items[i].milli);
		if (wrong) {
			snprintf(why, METRIC_WHY_MAX, "the answer cannot be read: items[%zu]%s", i, wrong);
			return -EINVAL;
		}
		out->items[i].at = i;
		out->items[i].name = strdup(name);
		if (!out->items[i].name)
			return -ENOMEM;
		out->n++;
	}
	qsort(out->items, out->n, sizeof(*out->items), by_name);
	return 0;
}

int metric_list_read(
	struct metric_list *out, const char *group, const char *body, size_t len, char why[METRIC_WHY_MAX])
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(body, len, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_val *root = yyjson_doc_get_root(doc), *items = yyjson_obj_get(root, "items");
	const struct form *form = form_of(group);
	const char *version = json_str(root, "apiVersion") ?: "";
	int err;

	*out = (struct metric_list){0};
	*why = '\0';
	if (!form || !yyjson_equals_str(yyjson_obj_get(root, "kind"), form->kind) ||
		strncmp(version, group, strlen(group)) != 0 || version[strlen(group)] != '/' ||
		(!is_absent(items) && !yyjson_is_arr(items))) {
		snprintf(why, METRIC_WHY_MAX, "the answer is no %s of %s", form ? form->kind : "list", group);
		return -EINVAL;
	}
	err = read_items(out, form, yyjson_is_arr(items) ? items : NULL, why);
	if (err == -ENOMEM)
		snprintf(why, METRIC_WHY_MAX, "out of memory");
	return err;
}

void metric_list_fini(struct metric_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].name);
	free(l->items);
	*l = (struct metric_list){0};
}

bool metric_list_counts(const struct metric_list *l, size_t i)
{
	return i + 1 == l->n || strcmp(l->items[i].name, l->items[i + 1].name) != 0;
}

const struct metric_value *metric_list_find(const struct metric_list *l, const char *name)
{
	size_t low = 0, high = l->n;

	/* the first after all of this name */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(l->items[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && !strcmp(l->items[low - 1].name, name) ? &l->items[low - 1] : NULL;
}

int64_t metric_list_sum(const struct metric_list *l)
{
	__int128 sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->items[i].milli;
	return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

bool metric_list_refusal(const char *body, size_t len, char why[METRIC_WHY_MAX])
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *message = json_text(root, "message");

	if (!message || !yyjson_equals_str(yyjson_obj_get(root, "kind"), "Status"))
		return false;
	snprintf(why, METRIC_WHY_MAX, "%s", message);
	text_end_whole(why);
	for (; *why; why++)
		if ((unsigned char)*why < ' ' || *why == 0x7f)
			*why = ' ';
	return true;
}
