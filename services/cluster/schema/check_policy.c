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

/* The expression, if it is one that makes @what. NULL: it is none, which is said. */
static struct cel *check_expression(struct check *c, yyjson_mut_val *text, const struct cel_scope *scope,
	enum cel_result what, const char *where)
{
	char why[CEL_WHY_MAX];
	struct cel *read;

	if (!yyjson_mut_get_len(text))
		return NULL; /* that it is required is said elsewhere */
	if (is_blank(yyjson_mut_get_str(text))) {
		check_error(c, FIELD_REQUIRED, NULL, where, "the expression is not specified");
		return NULL;
	}
	read = cel_write(yyjson_mut_get_str(text), yyjson_mut_get_len(text), scope, policy_shapes, what, why);
	if (!read)
		check_error(c, FIELD_INVALID, text, where, "%s", why);
	return read;
}

/* Those that are read are the family's, who frees them; @scope has it. */
static void check_variables(
	struct check *c, yyjson_mut_val *list, const struct cel_scope *scope, struct cel_family *family)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		yyjson_mut_val *name = yyjson_mut_obj_get(v, "name");

		if (yyjson_mut_get_len(name) &&
			!cel_is_name(yyjson_mut_get_str(name), yyjson_mut_get_len(name)))
			check_error(c, FIELD_INVALID, name, REL(".variables[%zu].name", i),
				"name is not a valid CEL identifier");
		cel_family_add(family, text_of(v, "name"),
			check_expression(c, yyjson_mut_obj_get(v, "expression"), scope, CEL_ANYTHING,
				REL(".variables[%zu].expression", i)));
	}
	check_names_once(c, list, ".variables");
}

static void check_message(struct check *c, yyjson_mut_val *v, size_t i)
{
	yyjson_mut_val *message = yyjson_mut_obj_get(v, "message");
	const char *text = yyjson_mut_get_str(message) ?: "";
	size_t end = strlen(text);

	if (*text && is_blank(text))
		check_error(c, FIELD_INVALID, message, REL(".validations[%zu].message", i),
			"message must be non-empty if specified");
	while (end && isspace((unsigned char)text[end - 1]))
		end--;
	if (memchr(text, '\n', end) || memchr(text, '\r', end))
		check_error(c, FIELD_INVALID, message, REL(".validations[%zu].message", i),
			"message must not contain line breaks");
}

static void check_validations(struct check *c, yyjson_mut_val *list, const struct cel_scope *scope)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v)
	{
		cel_free(check_expression(c, yyjson_mut_obj_get(v, "expression"), scope, CEL_TRUTH,
			REL(".validations[%zu].expression", i)));
		cel_free(check_expression(c, yyjson_mut_obj_get(v, "messageExpression"), scope, CEL_TEXT,
			REL(".validations[%zu].messageExpression", i)));
		check_message(c, v, i);
	}
}

static void check_notes(struct check *c, yyjson_mut_val *list, const struct cel_scope *scope)
{
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
			cel_free(check_expression(c, text, scope, CEL_TEXT_OR_NULL,
				REL(".auditAnnotations[%zu].valueExpression", i)));
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
static void check_policy(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old,
	void (*terms)(struct check *c, yyjson_mut_val *o, const struct cel_scope *scope))
{
	yyjson_mut_val *kind = yyjson_mut_obj_get(o, "paramKind"),
		       *constraints = yyjson_mut_obj_get(o, "matchConstraints"),
		       *variables = yyjson_mut_obj_get(o, "variables");
	struct cel_family family;
	const struct cel_scope scope = {
		.names = kind ? policy_names_params : policy_names, .family = &family};

	/* what has not changed was looked at when it was written */
	if (old && meta_equal(o, old))
		return;
	if (cel_family_init(&family, "variables", yyjson_mut_arr_size(variables))) {
		check_param_kind(c, kind);
		if (constraints && !yyjson_mut_arr_size(yyjson_mut_obj_get(constraints, "resourceRules")))
			check_error(c, FIELD_REQUIRED, NULL, ".matchConstraints.resourceRules", "%s", "");
		check_conditions(c, yyjson_mut_obj_get(o, "matchConditions"), scope.names);
		check_variables(c, variables, &scope, &family);
		terms(c, o, &scope);
	} else {
		check_error(c, FIELD_INTERNAL, NULL, "", "out of memory");
	}
	cel_family_fini(&family);
}

static void validating_terms(struct check *c, yyjson_mut_val *o, const struct cel_scope *scope)
{
	yyjson_mut_val *validations = yyjson_mut_obj_get(o, "validations"),
		       *notes = yyjson_mut_obj_get(o, "auditAnnotations");

	if (!yyjson_mut_arr_size(validations) && !yyjson_mut_arr_size(notes))
		for (size_t i = 0; i < 2; i++)
			check_error(c, FIELD_REQUIRED, NULL, i ? ".auditAnnotations" : ".validations",
				"validations or auditAnnotations must contain at least one item");
	check_validations(c, validations, scope);
	check_notes(c, notes, scope);
}

void check_validating_policy(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	check_policy(c, o, old, validating_terms);
}

/* ---- those that change */

/* By type of patch. */
static const struct {
	const char *type, *member;
	enum cel_result makes;
} patches[] = {
	{"ApplyConfiguration", "applyConfiguration", CEL_OBJECT}, {"JSONPatch", "jsonPatch", CEL_JSON_PATCH}};

/* It has the member that its type says, and not the other. */
void check_mutation(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	const char *type = text_of(o, "patchType");

	for (size_t i = 0; i < array_len(patches); i++) {
		const char *other = patches[array_len(patches) - 1 - i].member;

		if (strcmp(type, patches[i].type) != 0)
			continue;
		if (!yyjson_mut_obj_get(o, patches[i].member))
			check_error(c, FIELD_REQUIRED, NULL, REL(".%s", patches[i].member),
				"must be specified when patchType is %s", type);
		if (yyjson_mut_obj_get(o, other))
			check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, other), REL(".%s", other),
				"must not be specified when patchType is %s", type);
	}
}

static void mutating_terms(struct check *c, yyjson_mut_val *o, const struct cel_scope *scope)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(o, "mutations"), *v;
	struct cel_scope with_patches = *scope;
	size_t i, n;

	with_patches.patches = true;
	if (!yyjson_mut_arr_size(list))
		check_error(
			c, FIELD_REQUIRED, NULL, ".mutations", "mutations must contain at least one item");
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		for (size_t p = 0; p < array_len(patches); p++)
			cel_free(check_expression(c,
				yyjson_mut_obj_get(yyjson_mut_obj_get(v, patches[p].member), "expression"),
				&with_patches, patches[p].makes,
				REL(".mutations[%zu].%s.expression", i, patches[p].member)));
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
