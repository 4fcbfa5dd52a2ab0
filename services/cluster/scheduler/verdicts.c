/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/registry/doc_memory.h"
#include "cluster/scheduler/verdicts.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

struct key {
	char text[VERDICT_KEY_MAX];
	size_t len;
};

/* The member's text and its end; what is absent is the end alone. */
static bool add(struct key *k, yyjson_val *v)
{
	size_t len = 0;
	char *text = v ? yyjson_val_write_opts(v, YYJSON_WRITE_NOFLAG, doc_alc(), &len, NULL) : NULL;
	bool fits = (text || !v) && len < sizeof(k->text) - k->len;

	if (fits) {
		if (text)
			memcpy(k->text + k->len, text, len);
		k->text[k->len + len] = '\0';
		k->len += len + 1;
	}
	if (text)
		doc_alc()->free(doc_alc()->ctx, text);
	return fits;
}

/* Each pod of a DaemonSet names its own node: to remember what it was told would only take others' places. */
static bool names_nodes(yyjson_val *terms)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (terms, i, n, each)
		if (yyjson_arr_size(json_arr(each, "matchFields")))
			return true;
	return false;
}

static bool key_of(struct key *k, yyjson_val *spec)
{
	yyjson_val *terms = meta_get(spec, "affinity", "nodeAffinity",
		"requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);

	k->len = 0;
	return !names_nodes(terms) && add(k, json_obj(spec, "nodeSelector")) && add(k, terms) &&
	       add(k, json_arr(spec, "tolerations"));
}

static void clear(struct verdict_kind *kind)
{
	free(kind->key);
	free(kind->of_place);
	*kind = (struct verdict_kind){0};
}

/* The one with this key, made in the place of the one that was not asked for the longest time. NULL: no memory. */
static struct verdict_kind *find(struct verdicts *v, const struct key *k)
{
	struct verdict_kind *oldest = v->kinds;

	for (size_t i = 0; i < VERDICT_KINDS; i++) {
		struct verdict_kind *kind = &v->kinds[i];

		if (kind->key && kind->len == k->len && !memcmp(kind->key, k->text, k->len))
			return kind;
		if (kind->asked < oldest->asked)
			oldest = kind;
	}
	clear(oldest);
	oldest->key = malloc(k->len);
	if (!oldest->key)
		return NULL;
	memcpy(oldest->key, k->text, k->len);
	oldest->len = k->len;
	return oldest;
}

/* Grows with the nodes, a few more at a time than there are. */
static bool reach(struct verdict_kind *kind, size_t n)
{
	size_t room = n + n / 4 + 16;
	uint8_t *more;

	if (n <= kind->n)
		return true;
	more = realloc(kind->of_place, room);
	if (!more)
		return false;
	memset(more + kind->n, VERDICT_UNKNOWN, room - kind->n);
	kind->of_place = more;
	kind->n = room;
	return true;
}

uint8_t *verdicts_of(struct verdicts *v, yyjson_val *spec, size_t n)
{
	struct key k;
	struct verdict_kind *kind = key_of(&k, spec) ? find(v, &k) : NULL;

	if (!kind)
		return NULL;
	kind->asked = ++v->clock;
	return reach(kind, n) ? kind->of_place : NULL;
}

void verdicts_forget(struct verdicts *v, size_t place)
{
	for (size_t i = 0; i < VERDICT_KINDS; i++)
		if (place < v->kinds[i].n)
			v->kinds[i].of_place[place] = VERDICT_UNKNOWN;
}

void verdicts_fini(struct verdicts *v)
{
	for (size_t i = 0; i < VERDICT_KINDS; i++)
		clear(&v->kinds[i]);
}
