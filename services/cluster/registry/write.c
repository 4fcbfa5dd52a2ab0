/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Create, update and modify. Each try works on a document of its own, against the view of that moment: metadata and parts,
 * defaults, owners of fields, the rules that change, validation, the rules that check, bytes.
 */

#include <errno.h>
#include <string.h>

#include "cluster/registry/doc_memory.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/apply.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/default.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/validate.h"
#include "lib/json.h"

enum { NAME_TRIES_MAX = 8, NAME_MAX_BYTES = 320 };

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "write");
}

/* ---- what creating and changing share */

static struct status *validate(struct attempt *a, yyjson_mut_val *old)
{
	static const struct {
		const char *subresource;
		enum validate_scope scope;
	} scopes[] = {{"", VALIDATE_MAIN}, {"status", VALIDATE_STATUS}, {"resize", VALIDATE_RESIZE},
		{"ephemeralcontainers", VALIDATE_EPHEMERAL}};
	struct field_errors errors = {0};
	struct status *err;
	size_t i = 0;

	while (i < array_len(scopes) && strcmp(a->subresource, scopes[i].subresource) != 0)
		i++;
	/* Binding, approving and finalizing change what a PUT of the object may not. */
	if (i == array_len(scopes))
		return NULL;
	validate_object(a->kind, a->root, old, scopes[i].scope, &errors);
	err = field_errors_status(&errors, a->kind, a->name);
	field_errors_fini(&errors);
	return err;
}

static const char *manager_of(const struct op *op)
{
	const char *colon;

	if (op->manager && *op->manager)
		return op->manager;
	colon = strrchr(op->who->user, ':');
	return colon ? colon + 1 : op->who->user;
}

/* In the version that is stored, or in its own when a webhook makes that of it. */
static struct status *encode(struct op *op)
{
	const struct schema_kind *kind = op->attempt.kind, *stored = op->view->kind;

	op->into = convert_webhook(kind, stored) ? kind : stored;
	op->json = object_encode(op->attempt.doc, op->into, &op->json_len);
	op->key = registry_key(op->view, op->ns, op->name);
	return op->json && op->key ? NULL : no_memory();
}

/*
 * A try once its metadata is right: defaults, who owns what of it, the rules that change, the policies and webhooks that do, what is
 * assigned, validation, the policies and webhooks that judge, the rules that check, bytes. Webhooks are waited for, so each step ends
 * in the next one or in an answer.
 */
static void try_create(struct op *op);

static bool defaults(struct op *op)
{
	struct attempt *a = &op->attempt;

	a->root = yyjson_mut_doc_get_root(a->doc);
	return default_object(a->doc, a->kind);
}

static yyjson_mut_val *before(const struct op *op)
{
	return yyjson_mut_doc_get_root(op->before);
}

static void give_up(struct op *op, struct status *err)
{
	op_answer(op, err, NULL, false);
}

static struct status *become_bytes(struct op *op)
{
	struct status *err = encode(op);

	if (!err && op->attempt_fn == try_create && index_get(&op->view->objects, op->key))
		err = status_already_exists(op->view->kind, op->name);
	return err;
}

static void write_made(struct op *op)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = object_mut_doc(op->made);

	free(op->json);
	op->into = op->made->kind;
	op->json = doc ? object_encode(doc, op->into, &op->json_len) : NULL;
	if (op->json)
		op_write(op, op->old ? op->old->revision : 0);
	else
		give_up(op, no_memory());
}

/* The bytes are of the version that was asked for: its webhook makes the stored one of it. */
static void make_stored(struct op *op)
{
	struct object *o;
	int err = object_new(&o, op->into, op->key, op->json, op->json_len, op->old ? op->old->revision : 0);

	if (err) {
		give_up(op, status_errno(err, "write"));
		return;
	}
	op_convert(op, o, op->view->kind, &op->made, write_made);
	object_unref(o);
}

static void conclude(struct op *op)
{
	struct attempt *a = &op->attempt;
	struct status *err = admission_check(a, &op->checked);
	bool nothing;

	if (!err && op->old)
		err = meta_generation(a, before(op));
	nothing = !err && op->old && !op->stale && meta_unchanged(a->root, before(op)) && !meta_finished(a);
	if (!err && !nothing)
		err = become_bytes(op);
	if (err) {
		give_up(op, err);
	} else if (nothing) {
		op_answer(op, NULL, object_ref(op->old), false);
	} else if (op->old && meta_finished(a)) {
		free(op->json);
		op->json = NULL;
		op_write(op, op->old->revision);
	} else if (convert_webhook(op->into, op->view->kind)) {
		make_stored(op);
	} else {
		op_write(op, op->old ? op->old->revision : 0);
	}
}

/*
 * What policies and webhooks have made of it is no more than a client may say, and the rules that change have their part in it, too. As
 * others were shown it, it may have been more. What that changes is one more reason to ask some of them again.
 */
static struct status *look_again(void *arg)
{
	struct op *op = arg;
	struct attempt *a = &op->attempt;
	cleanup(json_mut_docp) yyjson_mut_doc *made = yyjson_mut_doc_mut_copy(a->doc, doc_alc());
	struct status *err = made ? meta_restrict(a, before(op)) : no_memory();

	if (!err)
		err = defaults(op) ? admission_change(a) : no_memory();
	a->root = yyjson_mut_doc_get_root(a->doc);
	forms_drop(a);
	if (!err && !meta_equal(a->root, yyjson_mut_doc_get_root(made)))
		a->changes++;
	op->looked = a->changes;
	return err;
}

static void examine(struct op *op)
{
	struct attempt *a = &op->attempt;
	struct status *err = NULL;

	a->root = yyjson_mut_doc_get_root(a->doc);
	/* the second round has the last word but for this */
	if (a->changes != op->looked)
		err = look_again(op);
	if (!err)
		err = admission_assign(a);
	if (!err && !defaults(op))
		err = no_memory();
	if (!err)
		err = validate(a, before(op));
	if (err)
		give_up(op, err);
	else
		op_ask(op, WEBHOOK_VALIDATING, NULL, conclude);
}

static void prepare(struct op *op)
{
	struct attempt *a = &op->attempt;
	struct status *err;

	a->early = false;
	err = admission_change(a);
	a->root = yyjson_mut_doc_get_root(a->doc);
	if (err && a->early && op_wait(op, prepare))
		status_free(err);
	else if (err)
		give_up(op, err);
	else
		op_ask(op, WEBHOOK_MUTATING, look_again, examine);
}

/*
 * Whoever asks for it owns what was asked for, and its defaults. What the server, policies and webhooks make of that is nobody's, as
 * upstream: the address of a Service can be applied by anybody. Who changes nothing owns nothing more, unless it is by apply, which
 * owns what it says.
 */
static struct status *own(struct op *op)
{
	struct attempt *a = &op->attempt;
	char now[META_TIME_MAX];
	struct apply_manager m = {.name = manager_of(op), .subresource = op->subresource, .time = now};

	if (op->applied || (op->old && meta_unchanged(a->root, before(op))))
		return NULL;
	meta_time(now, time(NULL));
	return apply_update(a->doc, before(op), a->kind, &m);
}

static void begin(struct op *op)
{
	struct status *err = defaults(op) ? own(op) : no_memory();

	if (err)
		give_up(op, err);
	else
		prepare(op);
}

/* ---- create */

/* The name that is given, or one made from generateName. */
static struct status *choose_name(struct op *op, yyjson_mut_val *root)
{
	const char *said = meta_mut_text(root, "name"), *prefix = meta_mut_text(root, "generateName");
	char name[NAME_MAX_BYTES];

	if (op->name)
		return NULL; /* by the URL: a PUT or an apply that creates */
	if (said && *said) {
		op->name = strdup(said);
		op->conditional = true;
	} else if (prefix && *prefix) {
		if (meta_generate_name(name, sizeof(name), prefix))
			return status_internal("no random numbers");
		op->name = strdup(name);
	} else {
		struct status *s;
		struct field_errors e = {0};

		field_error(&e, FIELD_REQUIRED, "metadata.name", NULL, "name or generateName is required");
		s = field_errors_status(&e, op->view->kind, "");
		field_errors_fini(&e);
		return s;
	}
	return op->name ? NULL : no_memory();
}

static void create(struct op *op)
{
	struct attempt *a = &op->attempt;
	struct status *err;

	a->verb = ADMIT_CREATE;
	a->root = yyjson_mut_doc_get_root(a->doc);
	if (!yyjson_mut_is_obj(a->root)) {
		give_up(op, status_bad_request("the object is not a JSON object"));
		return;
	}
	err = choose_name(op, a->root);
	a->name = op->name;
	if (!err)
		err = meta_for_create(a);
	if (err)
		give_up(op, err);
	else
		begin(op);
}

static void try_create(struct op *op)
{
	const char *said;
	bool generated = !op->name || !op->conditional;

	if (op->tries > NAME_TRIES_MAX) {
		give_up(op, status_already_exists(op->view->kind, op->name));
		return;
	}
	if (generated && op->tries > 1) {
		free(op->name);
		op->name = NULL;
	}
	/* with a name of its own it is tried once */
	said = meta_mut_text(yyjson_mut_doc_get_root(op->given), "name");
	op->attempt.doc = said && *said ? take(op->given) : yyjson_mut_doc_mut_copy(op->given, doc_alc());
	if (op->attempt.doc)
		create(op);
	else
		give_up(op, no_memory());
}

/* An op that could not be made for lack of memory: there is nobody who could be answered later. */
static void refuse_now(registry_done *done, void *arg)
{
	struct status *err = no_memory();

	done(err, NULL, arg);
	status_free(err);
}

void registry_create(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, yyjson_mut_doc *doc, const struct write_options *opts, registry_done *done, void *arg)
{
	struct op *op = op_new(r, who, kind, ns, NULL, opts);

	if (!op) {
		yyjson_mut_doc_free(doc);
		refuse_now(done, arg);
		return;
	}
	op->given = doc;
	op->done = done;
	op->arg = arg;
	op->attempt_fn = try_create;
	op_start(op);
}

/* ---- change */

/* The object as it was, in a document to work with. */
static yyjson_mut_doc *old_copy(struct op *op)
{
	if (!op->old_doc)
		op->old_doc = object_doc(op->old);
	return op->old_doc ? json_mut_copy_in(op->old_doc, doc_alc()) : NULL;
}

static void change(struct op *op)
{
	struct attempt *a = &op->attempt;
	struct status *err;

	a->verb = ADMIT_UPDATE;
	a->old = op->old;
	a->root = yyjson_mut_doc_get_root(a->doc);
	op->before = old_copy(op);
	if (!op->before) {
		give_up(op, no_memory());
		return;
	}
	if (!yyjson_mut_is_obj(a->root)) {
		give_up(op, status_bad_request("the object is not a JSON object"));
		return;
	}
	err = meta_for_update(a, before(op), op->expect, &op->conditional);
	if (!err)
		err = meta_restrict(a, before(op));
	/* A modifier is shown the newer object and decides again. */
	if (op->fn)
		op->conditional = false;
	if (err)
		give_up(op, err);
	else
		begin(op);
}

/* What there is, in the version of the write; then @step. */
static void look_up(struct op *op, void (*step)(struct op *op))
{
	const struct object *o = registry_get(op->r, op->view->kind, op->ns, op->name);

	op->old = o ? object_ref(o) : NULL;
	op->stale = o && strcmp(o->kind->version, op->view->kind->version) != 0;
	if (o && convert_webhook(o->kind, op->attempt.kind))
		op_convert(op, op->old, op->attempt.kind, &op->old, step);
	else
		step(op);
}

static void replace(struct op *op)
{
	const struct schema_kind *k = op->view->kind;

	op->attempt.doc = yyjson_mut_doc_mut_copy(op->given, doc_alc());
	if (!op->attempt.doc)
		op_answer(op, no_memory(), NULL, false);
	else if (op->old)
		change(op);
	else if (k->flags & SCHEMA_CREATE_ON_UPDATE && !*op->subresource)
		create(op);
	else
		op_answer(op, status_not_found(k, op->name), NULL, false);
}

static void try_update(struct op *op)
{
	look_up(op, replace);
}

static struct status *needs_revision(const struct op *op)
{
	const char *said = meta_mut_text(yyjson_mut_doc_get_root(op->given), "resourceVersion");
	const struct schema_kind *k = op->view->kind;
	struct field_errors e = {0};
	struct status *err;

	if (k->flags & (SCHEMA_UNCONDITIONAL | SCHEMA_CREATE_ON_UPDATE) || op->expect || (said && *said))
		return NULL;
	field_error(&e, FIELD_INVALID, "metadata.resourceVersion", NULL, "must be specified for an update");
	err = field_errors_status(&e, k, op->name);
	field_errors_fini(&e);
	return err;
}

void registry_update(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, yyjson_mut_doc *doc, const struct write_options *opts,
	registry_done *done, void *arg)
{
	struct op *op = op_new(r, who, kind, ns, name, opts);

	if (!op) {
		yyjson_mut_doc_free(doc);
		refuse_now(done, arg);
		return;
	}
	op->given = doc;
	op->done = done;
	op->arg = arg;
	op->attempt_fn = try_update;
	if (!op->error)
		op->error = needs_revision(op);
	op_start(op);
}

static void modify(struct op *op)
{
	struct status *err = NULL;
	enum modify result;

	if (!op->old && !op->may_create) {
		op_answer(op, status_not_found(op->view->kind, op->name), NULL, false);
		return;
	}
	op->attempt.doc = op->old ? old_copy(op) : yyjson_mut_doc_new(doc_alc());
	if (!op->attempt.doc) {
		op_answer(op, no_memory(), NULL, false);
		return;
	}
	result = op->fn(op->old, &op->attempt.doc, &err, op->arg);
	if (result == MODIFY_FAIL)
		op_answer(op, err ? err : no_memory(), NULL, false);
	else if (result == MODIFY_NOTHING)
		op_answer(op, NULL, op->old ? object_ref(op->old) : NULL, false);
	else if (op->old)
		change(op);
	else
		create(op);
}

static void try_modify(struct op *op)
{
	look_up(op, modify);
}

void registry_modify(struct registry *r, const struct caller *who, const struct schema_kind *kind,
	const char *ns, const char *name, bool may_create, registry_modifier *fn,
	const struct write_options *opts, registry_done *done, void *arg)
{
	struct op *op = op_new(r, who, kind, ns, name, opts);

	if (!op) {
		refuse_now(done, arg);
		return;
	}
	op->may_create = may_create;
	op->fn = fn;
	op->done = done;
	op->arg = arg;
	op->attempt_fn = try_modify;
	op_start(op);
}
