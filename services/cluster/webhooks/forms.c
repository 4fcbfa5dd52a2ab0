/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <string.h>

#include "cluster/schema/convert.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "cluster/webhooks/conversion.h"
#include "cluster/webhooks/forms.h"

struct form_making {
	struct attempt *a;
	struct attempt_form *form; /* owned */
	bool has_now;
	struct conversion *conversion;
	form_done *done;
	void *arg;
};

static void form_free(struct attempt_form *f)
{
	if (!f)
		return;
	object_unref(f->now);
	object_unref(f->old);
	free(f);
}

const struct attempt_form *form_find(const struct attempt *a, const struct schema_kind *as)
{
	const struct attempt_form *f = a->forms;

	while (f && f->as != as)
		f = f->next;
	return f;
}

bool form_missing(const struct attempt *a, const struct schema_kind *as)
{
	return !a->foreign &&
	       (convert_webhook(a->kind, as) || (a->old && convert_webhook(a->old->kind, as))) &&
	       !form_find(a, as);
}

void forms_drop(struct attempt *a)
{
	while (a->forms) {
		struct attempt_form *f = a->forms;

		a->forms = f->next;
		form_free(f);
	}
}

void form_cancel(struct form_making *m)
{
	if (!m)
		return;
	conversion_cancel(m->conversion);
	form_free(m->form);
	free(m);
}

static void on_converted(struct status *error, struct object *const *objects, size_t n, void *arg)
{
	struct form_making *m = arg;
	form_done *done = m->done;

	m->conversion = NULL;
	arg = m->arg;
	if (!error) {
		struct attempt_form *f = take(m->form);

		f->now = m->has_now ? object_ref(objects[0]) : NULL;
		f->old = n > m->has_now ? object_ref(objects[n - 1]) : NULL;
		f->next = m->a->forms;
		m->a->forms = f;
	}
	form_cancel(m);
	done(error, arg);
}

struct form_making *form_make(
	struct webhooks *w, struct attempt *a, const struct schema_kind *as, form_done *done, void *arg)
{
	struct form_making *m = calloc(1, sizeof(*m));
	struct attempt_form *f = calloc(1, sizeof(*f));
	struct object *objects[2] = {NULL}, *now = NULL;
	int64_t revision = a->old ? a->old->revision : 0;
	size_t n = 0;

	if (!m || !f || (a->doc && object_of(&now, a->doc, a->kind, a->name, revision))) {
		free(m);
		free(f);
		return NULL;
	}
	if (now)
		objects[n++] = now;
	if (a->old)
		objects[n++] = (struct object *)(uintptr_t)a->old;
	f->as = as;
	*m = (struct form_making){.a = a, .form = f, .has_now = now, .done = done, .arg = arg};
	m->conversion = conversion_start(w, as, objects, n, on_converted, m);
	object_unref(now);
	if (m->conversion)
		return m;
	form_cancel(m);
	return NULL;
}
