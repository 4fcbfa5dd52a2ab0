/* SPDX-License-Identifier: Apache-2.0 */

/* Policies of admission and their bindings: expressions are read when they are written, and refused with their place and the reason. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cel/cel.h"
#include "cluster/match/conditions.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_validating_policy, check_mutating_policy, check_mutation, check_validating_binding,
	check_mutating_binding, check_policy_param;

enum { NOTES_MAX = 20, NOTE_TEXT_MAX = 5 * 1024 };

static bool is_blank(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return !*text;
}

/* Where an expression stands in a policy, and what it is to make. */
struct place {
	const char *list, *in, *key; /* in NULL: in the item itself */
	enum cel_result makes;
};

static const struct place variable = {"variables", NULL, "expression", CEL_ANYTHING},
			  validation = {"validations", NULL, "expression", CEL_TRUTH},
			  message = {"validations", NULL, "messageExpression", CEL_TEXT},
			  note = {"auditAnnotations", NULL, "valueExpression", CEL_TEXT_OR_NULL},
			  patches[] = {{"mutations", "applyConfiguration", "expression", CEL_OBJECT},
				  {"mutations", "jsonPatch", "expression", CEL_JSON_PATCH}};

/* A policy as it is written, or as it was before. */
struct side {
	yyjson_mut_val *spec;	  /* NULL: there was none */
	struct cel_family family; /* owned: its variables */
};

struct writing {
	struct check *check;
	struct side now, before;
};

static yyjson_mut_val *text_at(const struct place *p, yyjson_mut_val *item)
{
	return yyjson_mut_obj_get(p->in ? yyjson_mut_obj_get(item, p->in) : item, p->key);
}

static struct cel_scope scope_of(const struct side *s, const struct place *p)
{
	return (struct cel_scope){
		.names = policy_names(yyjson_mut_obj_get(s->spec, "paramKind"), p != &message),
		.family = &s->family,
		.patches = p->in};
}

static struct cel *write_at(
	const struct side *s, const struct place *p, yyjson_mut_val *text, char why[static CEL_WHY_MAX])
{
	const struct cel_scope scope = scope_of(s, p);

	return cel_write(
		yyjson_mut_get_str(text), yyjson_mut_get_len(text), &scope, policy_shapes, p->makes, why);
}

/* As one that is not looked at again. */
static struct cel *stored_at(
	const struct side *s, const struct place *p, yyjson_mut_val *text, char why[static CEL_WHY_MAX])
{
	const struct cel_scope scope = scope_of(s, p);

	return cel_stored(yyjson_mut_get_str(text), yyjson_mut_get_len(text), &scope, policy_shapes, why);
}

/* Did the same stand there, with something wrong with it? Another version accepted it then. */
static bool was_wrong(const struct side *before, const struct place *p, yyjson_mut_val *text)
{
	char why[CEL_WHY_MAX];
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(before->spec, p->list), i, n, v)
	{
		struct cel *read;

		if (!meta_equal(text_at(p, v), text))
			continue;
		read = write_at(before, p, text, why);
		cel_free(read);
		return !read;
	}
	return false;
}

/* The expression, if it is one. NULL: it is none, which is said. What was wrong with it before does not stop a change elsewhere. */
static struct cel *check_expression(
	const struct writing *w, const struct place *p, yyjson_mut_val *item, size_t i)
{
	yyjson_mut_val *text = text_at(p, item);
	const char *where = REL(".%s[%zu]%s%s.%s", p->list, i, p->in ? "." : "", p->in ? p->in : "", p->key);
	char why[CEL_WHY_MAX], again[CEL_WHY_MAX];
	struct cel *read;

	if (!yyjson_mut_get_len(text))
		return NULL; /* that it is required is said elsewhere */
	if (is_blank(yyjson_mut_get_str(text))) {
		check_error(w->check, FIELD_REQUIRED, NULL, where, "the expression is not specified");
		return NULL;
	}
	read = write_at(&w->now, p, text, why);
	if (!read && was_wrong(&w->before, p, text))
		read = stored_at(&w->now, p, text, again);
	if (!read)
		check_error(w->check, FIELD_INVALID, text, where, "%s", why);
	return read;
}

/* Those that are read are the family's. */
static void check_variables(struct writing *w)
{
	struct check *c = w->check;
	yyjson_mut_val *list = yyjson_mut_obj_get(w->now.spec, "variables"), *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(v, "name");

		if (yyjson_mut_get_len(name) &&
			!cel_is_name(yyjson_mut_get_str(name), yyjson_mut_get_len(name)))
			check_error(c, FIELD_INVALID, name, REL(".variables[%zu].name", i),
				"name is not a valid CEL identifier");
		cel_family_add(&w->now.family, text_of(v, "name"), check_expression(w, &variable, v, i));
	}
	check_names_once(c, list, ".variables");
}

/* What its expressions could refer to then. */
static void read_variables(struct side *before)
{
	char why[CEL_WHY_MAX];
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(before->spec, "variables"), i, n, v)
	{
		yyjson_mut_val *text = text_at(&variable, v);

		cel_family_add(&before->family, text_of(v, "name"),
			text ? stored_at(before, &variable, text, why) : NULL);
	}
}

static void check_message(struct check *c, yyjson_mut_val *v, size_t i)
{
	yyjson_mut_val *said = yyjson_mut_obj_get(v, "message");
	const char *text = yyjson_mut_get_str(said) ?: "";
	size_t end = strlen(text);

	if (*text && is_blank(text))
		check_error(c, FIELD_INVALID, said, REL(".validations[%zu].message", i),
			"message must be non-empty if specified");
	while (end && isspace((unsigned char)text[end - 1]))
		end--;
	if (memchr(text, '\n', end) || memchr(text, '\r', end))
		check_error(c, FIELD_INVALID, said, REL(".validations[%zu].message", i),
			"message must not contain line breaks");
}

static void check_validations(struct writing *w, yyjson_mut_val *list)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		cel_free(check_expression(w, &validation, v, i));
		cel_free(check_expression(w, &message, v, i));
		check_message(w->check, v, i);
	}
}

static void check_notes(struct writing *w, yyjson_mut_val *list)
{
	struct check *c = w->check;
	const struct check_once once = {CHECK_KEYS("key"), .type = FIELD_DUPLICATE, .member = "key"};
	const char *policy = yyjson_mut_get_str(meta_mut_get(c->object, "metadata", "name", NULL)) ?: "";
	yyjson_mut_val *v;
	size_t i, n;

	if (yyjson_mut_arr_size(list) > NOTES_MAX)
		check_error(c, FIELD_INVALID, list, ".auditAnnotations",
			"must not have more than %d auditAnnotations", NOTES_MAX);
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		yyjson_mut_val *key = yyjson_mut_obj_get(v, "key"),
			       *text = yyjson_mut_obj_get(v, "valueExpression");
		char whole[512];
		const char *why;

		snprintf(whole, sizeof(whole), "%s/%s", policy, yyjson_mut_get_str(key) ?: "");
		why = yyjson_mut_get_len(key) ? validate_format(SCHEMA_LABEL_KEY, whole, strlen(whole))
					      : NULL;
		if (why)
			check_error(c, FIELD_INVALID, key, REL(".auditAnnotations[%zu].key", i), "%s", why);
		if (yyjson_mut_get_len(text) > NOTE_TEXT_MAX)
			check_error(c, FIELD_REQUIRED, NULL, REL(".auditAnnotations[%zu].valueExpression", i),
				"must not exceed %d bytes in length", NOTE_TEXT_MAX);
		else
			cel_free(check_expression(w, &note, v, i));
	}
	check_once(c, &(struct check_list){list, ".auditAnnotations"}, 1, &once);
}

static void check_param_kind(struct check *c, yyjson_mut_val *kind)
{
	yyjson_mut_val *api = yyjson_mut_obj_get(kind, "apiVersion");
	const char *text = yyjson_mut_get_str(api) ?: "", *slash = strchr(text, '/'),
		   *version = slash ? slash + 1 : text, *why = NULL;

	if (!*text)
		return; /* required, as the table says */
	if (slash && slash != text)
		why = validate_format(SCHEMA_DNS_SUBDOMAIN, text, (size_t)(slash - text));
	if (!why)
		why = validate_format(SCHEMA_DNS_LABEL_1035, version, strlen(version));
	if (why)
		check_error(c, FIELD_INVALID, api, ".paramKind.apiVersion", "%s", why);
}

/* What both kinds of policies say, and what only one does, with the variables that it may refer to. */
static void check_policy(
	struct check *c, yyjson_mut_val *o, yyjson_mut_val *old, void (*terms)(struct writing *w))
{
	struct writing w = {.check = c, .now.spec = o, .before.spec = old};
	yyjson_mut_val *constraints = yyjson_mut_obj_get(o, "matchConstraints");
	bool room;

	/* what has not changed was looked at when it was written */
	if (old && meta_equal(o, old))
		return;
	room = cel_family_init(
		&w.now.family, "variables", yyjson_mut_arr_size(yyjson_mut_obj_get(o, "variables")));
	room = cel_family_init(&w.before.family, "variables",
		       yyjson_mut_arr_size(yyjson_mut_obj_get(old, "variables"))) &&
	       room;
	if (room) {
		check_param_kind(c, yyjson_mut_obj_get(o, "paramKind"));
		if (constraints && !yyjson_mut_arr_size(yyjson_mut_obj_get(constraints, "resourceRules")))
			check_error(c, FIELD_REQUIRED, NULL, ".matchConstraints.resourceRules", "%s", "");
		check_conditions(c, yyjson_mut_obj_get(o, "matchConditions"),
			yyjson_mut_obj_get(old, "matchConditions"), scope_of(&w.now, &validation).names);
		read_variables(&w.before);
		check_variables(&w);
		terms(&w);
	} else {
		check_error(c, FIELD_INTERNAL, NULL, "", "out of memory");
	}
	cel_family_fini(&w.now.family);
	cel_family_fini(&w.before.family);
}

static void validating_terms(struct writing *w)
{
	yyjson_mut_val *validations = yyjson_mut_obj_get(w->now.spec, "validations"),
		       *notes = yyjson_mut_obj_get(w->now.spec, "auditAnnotations");

	if (!yyjson_mut_arr_size(validations) && !yyjson_mut_arr_size(notes))
		for (size_t i = 0; i < 2; i++)
			check_error(w->check, FIELD_REQUIRED, NULL, i ? ".auditAnnotations" : ".validations",
				"validations or auditAnnotations must contain at least one item");
	check_validations(w, validations);
	check_notes(w, notes);
}

void check_validating_policy(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	check_policy(c, o, old, validating_terms);
}

/* ---- those that change */

/* Of each of patches. */
static const char *const patch_types[] = {"ApplyConfiguration", "JSONPatch"};

/* It has the member that its type says, and not the other. */
void check_mutation(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	const char *type = text_of(o, "patchType");

	for (size_t i = 0; i < array_len(patches); i++) {
		const char *other = patches[array_len(patches) - 1 - i].in;

		if (strcmp(type, patch_types[i]) != 0)
			continue;
		if (!yyjson_mut_obj_get(o, patches[i].in))
			check_error(c, FIELD_REQUIRED, NULL, REL(".%s", patches[i].in),
				"must be specified when patchType is %s", type);
		if (yyjson_mut_obj_get(o, other))
			check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, other), REL(".%s", other),
				"must not be specified when patchType is %s", type);
	}
}

static void mutating_terms(struct writing *w)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(w->now.spec, "mutations"), *v;
	size_t i, n;

	if (!yyjson_mut_arr_size(list))
		check_error(w->check, FIELD_REQUIRED, NULL, ".mutations",
			"mutations must contain at least one item");
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		for (size_t p = 0; p < array_len(patches); p++)
			cel_free(check_expression(w, &patches[p], v, i));
	}
}

/* What is deleted cannot be changed. */
static void check_operations(struct check *c, yyjson_mut_val *match, const char *where)
{
	static const char *const supported[] = {"*", "CONNECT", "CREATE", "UPDATE", NULL};
	yyjson_mut_val *rule, *v;
	size_t i, n, j, m;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(match, "resourceRules"), i, n, rule)
	{
		yyjson_mut_arr_foreach(yyjson_mut_obj_get(rule, "operations"), j, m, v)
		{
			if (yyjson_mut_equals_str(v, "DELETE"))
				check_not_supported(c, v, where, supported);
		}
	}
}

void check_mutating_policy(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	check_policy(c, o, old, mutating_terms);
	check_operations(
		c, yyjson_mut_obj_get(o, "matchConstraints"), ".matchConstraints.resourceRules.operations");
}

void check_mutating_binding(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	check_operations(
		c, yyjson_mut_obj_get(o, "matchResources"), ".matchResources.resourceRules.operations");
}

/* ---- bindings */

void check_policy_param(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *name = yyjson_mut_obj_get(o, "name"), *selector = yyjson_mut_obj_get(o, "selector");

	if (yyjson_mut_get_len(name) && selector)
		check_error(c, FIELD_FORBIDDEN, NULL, ".name", "name and selector are mutually exclusive");
	if (!yyjson_mut_get_len(name) && !selector)
		check_error(c, FIELD_REQUIRED, NULL, "", "one of name or selector must be specified");
	if (strpbrk(text_of(o, "name"), "/%"))
		check_error(c, FIELD_INVALID, name, ".name", "may not contain '/' or '%%'");
}

void check_validating_binding(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *actions = yyjson_mut_obj_get(o, "validationActions"), *v;
	bool deny = false, warn = false;
	size_t i, n;

	yyjson_mut_arr_foreach(actions, i, n, v)
	{
		deny = deny || yyjson_mut_equals_str(v, "Deny");
		warn = warn || yyjson_mut_equals_str(v, "Warn");
	}
	if (!yyjson_mut_arr_size(actions))
		check_error(c, FIELD_REQUIRED, NULL, ".validationActions",
			"at least one validation action is required");
	if (deny && warn)
		check_error(c, FIELD_INVALID, actions, ".validationActions",
			"must not contain both Deny and Warn (the client would be told the same twice)");
}
