/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Server-side apply against a model: thousands of random applies of labels and of containers with and without an image, by several
 * managers; the model keeps one owner's bit for each field.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/apply_testing.h"
#include "cluster/schema/meta.h"

enum { LABELS = 6, ITEMS = 4, MANAGERS = 3 };
enum { ITEM = LABELS, IMAGE = ITEM + ITEMS, FIELDS = IMAGE + ITEMS };

/*
 * A field is a label, a container by its name, or the image of that container; its value and who owns it. A container is there or
 * not, so that nobody can disagree; and who wants its image wants it, too, so that whoever owns the image owns the container.
 */
struct model {
	int value[FIELDS]; /* 0: absent */
	bool owns[MANAGERS][FIELDS];
	int order[ITEMS]; /* of the containers that are there */
	int n;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* The @i-th container in the order with this number. */
static int in_order(int number, int i)
{
	return (number + i * (number < ITEMS ? 1 : ITEMS - 1)) % ITEMS;
}

/* @order: in which containers are named; no list where there is none. Owned. */
static char *config_of(const int *values, int order)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int n = 0;

	fputs("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\",\"labels\":{",
		f);
	for (int i = 0; i < LABELS; i++)
		if (values[i])
			fprintf(f, "%s\"l%d\":\"%d\"", n++ ? "," : "", i, values[i]);
	fputs("}}", f);
	n = 0;
	for (int i = 0; i < ITEMS; i++) {
		int c = in_order(order, i);

		if (!values[ITEM + c])
			continue;
		fprintf(f, "%s{\"name\":\"c%d\"",
			n++ ? "," : ",\"spec\":{\"template\":{\"spec\":{\"containers\":[", c);
		if (values[IMAGE + c])
			fprintf(f, ",\"image\":\"%d\"", values[IMAGE + c]);
		fputc('}', f);
	}
	fputs(n ? "]}}}}" : "}", f);
	fclose(f);
	return text;
}

static bool model_apply(struct model *m, int who, const int *want, bool force)
{
	for (int i = 0; i < FIELDS && !force; i++)
		for (int o = 0; o < MANAGERS; o++)
			if (o != who && want[i] && m->owns[o][i] && m->value[i] != want[i])
				return false;
	for (int i = 0; i < FIELDS; i++) {
		bool others = false;

		for (int o = 0; o < MANAGERS; o++) {
			if (o == who)
				continue;
			if (want[i] && m->owns[o][i] && m->value[i] != want[i])
				m->owns[o][i] = false;
			others |= m->owns[o][i];
		}
		if (want[i])
			m->value[i] = want[i];
		else if (m->owns[who][i] && !others)
			m->value[i] = 0;
		m->owns[who][i] = want[i];
	}
	return true;
}

/*
 * Who is wanted has a place in the old list: where he was, if that is behind the place of whoever is wanted before him, or else its end;
 * a new one that of the next old one. Who is not wanted has his own.
 */
static void model_order(struct model *m, const int *want, int order)
{
	int was[ITEMS], place[ITEMS] = {0}, made[ITEMS] = {0}, last = -1, n = 0;

	for (int c = 0; c < ITEMS; c++) {
		was[c] = -1;
		for (int i = 0; i < m->n; i++)
			if (m->order[i] == c)
				was[c] = i;
	}
	for (int i = 0; i < ITEMS; i++) {
		int c = in_order(order, i);

		if (want[ITEM + c] && was[c] >= 0) {
			last = was[c] > last ? was[c] : m->n;
			place[c] = last;
		}
	}
	last = m->n;
	for (int i = ITEMS - 1; i >= 0; i--) {
		int c = in_order(order, i);

		if (want[ITEM + c] && was[c] < 0)
			place[c] = last;
		else if (want[ITEM + c])
			last = place[c];
	}
	for (int at = 0; at <= m->n; at++) {
		if (at < m->n && !want[ITEM + m->order[at]] && m->value[ITEM + m->order[at]])
			made[n++] = m->order[at];
		for (int i = 0; i < ITEMS; i++)
			if (want[ITEM + in_order(order, i)] && place[in_order(order, i)] == at)
				made[n++] = in_order(order, i);
	}
	memcpy(m->order, made, sizeof(made));
	m->n = n;
}

static bool owns(yyjson_mut_doc *live, const char *manager, int field)
{
	size_t i, n;
	yyjson_mut_val *v, *fields;
	char key[32];

	if (field < LABELS)
		snprintf(key, sizeof(key), "f:l%d", field);
	else
		snprintf(key, sizeof(key), "k:{\"name\":\"c%d\"}", (field - ITEM) % ITEMS);
	yyjson_mut_arr_foreach(meta_mut_get(live->root, "metadata", "managedFields", NULL), i, n, v)
	{
		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(v, "manager"), manager))
			continue;
		fields = yyjson_mut_obj_get(v, "fieldsV1");
		if (field < LABELS)
			return meta_mut_get(fields, "f:metadata", "f:labels", key, NULL);
		return meta_mut_get(fields, "f:spec", "f:template", "f:spec", "f:containers", key,
			field < IMAGE ? "." : "f:image", NULL);
	}
	return false;
}

static int value_of(yyjson_mut_doc *live, int field)
{
	yyjson_mut_val *v;
	size_t i, n;
	char key[16];

	snprintf(key, sizeof(key), "%c%d", field < LABELS ? 'l' : 'c',
		field < LABELS ? field : (field - ITEM) % ITEMS);
	if (field < LABELS)
		return atoi(
			yyjson_mut_get_str(meta_mut_get(live->root, "metadata", "labels", key, NULL)) ?: "0");
	yyjson_mut_arr_foreach(
		meta_mut_get(live->root, "spec", "template", "spec", "containers", NULL), i, n, v)
	{
		if (!yyjson_mut_equals_str(yyjson_mut_obj_get(v, "name"), key))
			continue;
		return field < IMAGE ? 1 : atoi(yyjson_mut_get_str(yyjson_mut_obj_get(v, "image")) ?: "0");
	}
	return 0;
}

static void assert_order(yyjson_mut_doc *live, const struct model *m)
{
	yyjson_mut_val *list = meta_mut_get(live->root, "spec", "template", "spec", "containers", NULL);
	char name[16];

	assert_int_equal(yyjson_mut_arr_size(list), m->n);
	for (int i = 0; i < m->n; i++) {
		snprintf(name, sizeof(name), "c%d", m->order[i]);
		assert_string_equal(
			yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_arr_get(list, i), "name")), name);
	}
}

static void random_wish(uint32_t *seed, int want[static FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		want[i] = next_random(seed) % 2 ? (int)(1 + next_random(seed) % 2) : 0;
		if (i >= ITEM && i < IMAGE)
			want[i] = want[i] != 0;
		else if (i >= IMAGE && !want[i - ITEMS])
			want[i] = 0;
	}
}

static void test_against_model(void **state)
{
	static const char *const names[MANAGERS] = {"m0", "m1", "m2"};
	uint32_t seed = 7;

	for (int round = 0; round < 300; round++) {
		yyjson_mut_doc *live = doc_of_yaml("{}");
		struct model m = {0};

		for (int step = 0; step < 12; step++) {
			int who = (int)(next_random(&seed) % MANAGERS), order, want[FIELDS];
			bool force = next_random(&seed) % 3 != 0, agreed;
			cleanup(freep) char *config = NULL, *why = NULL;
			cleanup(json_mut_docp) yyjson_mut_doc *try = yyjson_mut_doc_mut_copy(live, NULL);

			random_wish(&seed, want);
			order = (int)(next_random(&seed) % (2 * ITEMS));
			config = config_of(want, order);
			why = apply(try, names[who], force, config);
			agreed = model_apply(&m, who, want, force);
			if (!why != agreed)
				fail_msg("%s applies %s: %s", names[who], config, why ?: "no conflict");
			if (why)
				continue;
			yyjson_mut_doc_free(live);
			live = take(try);
			model_order(&m, want, order);
			assert_order(live, &m);
			for (int i = 0; i < FIELDS; i++) {
				assert_int_equal(value_of(live, i), m.value[i]);
				for (int o = 0; o < MANAGERS; o++)
					assert_int_equal(owns(live, names[o], i), m.owns[o][i]);
			}
		}
		yyjson_mut_doc_free(live);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
