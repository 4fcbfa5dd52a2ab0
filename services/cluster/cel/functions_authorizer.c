/* SPDX-License-Identifier: Apache-2.0 */

/*
 * May somebody do something: authorizer.group("").resource("pods").namespace("default").check("create").allowed(). What is asked grows
 * from call to call, and check() asks it of whoever the evaluation was given to answer.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cel/cel_int.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/validate.h"

/* Bindings of the whole cluster are gone through: of CEL_BUDGET as much as upstream takes of what a policy may use there. */
enum { CHECK_COST = CEL_BUDGET / 1000 * 35 };

const struct cel_question cel_question_of_nothing = {.account_ns = "",
	.account = "",
	.path = "",
	.verb = "",
	.group = "",
	.resource = "",
	.subresource = "",
	.ns = "",
	.name = "",
	.field_selector = "",
	.label_selector = ""};

static bool is_blank(struct text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!isspace((unsigned char)t.s[i]))
			return false;
	return true;
}

/* Of the evaluation, ended by NUL. false: *error says why not. */
static bool plain(struct eval *e, struct value v, const char **out, struct value *error)
{
	*error = v.text.n && memchr(v.text.s, 0, v.text.n)
			 ? value_error(e, "a text with NUL in it is no name")
			 : value_text(e, v.text.s, v.text.n);
	*out = error->text.s;
	return !is_error(*error);
}

static struct value asked(struct eval *e, enum value_type type, const struct cel_question *q)
{
	struct cel_question *own = arena_get(&e->arena, sizeof(*own));

	if (!own)
		return value_no_room;
	*own = *q;
	return (struct value){.type = type, .question = own};
}

/* The text that goes on with a question of type @from. false: *error says why not. @blank: said of one that says nothing, which NULL may. */
static bool said(struct eval *e, const struct value *args, enum value_type from, const char *blank,
	const char **text, struct value *error)
{
	*error = args[0].type != from || args[1].type != VALUE_STRING ? value_overload()
		 : blank && is_blank(args[1].text)		      ? value_error(e, "%s", blank)
								      : (struct value){.type = VALUE_NULL};
	return !is_error(*error) && plain(e, args[1], text, error);
}

#define PART(name, from, to, member, blank)                                                                  \
	static struct value name(struct eval *e, const struct value *args, size_t n)                         \
	{                                                                                                    \
		struct cel_question q;                                                                       \
		struct value error;                                                                          \
		const char *text;                                                                            \
                                                                                                             \
		if (!said(e, args, VALUE_##from, blank, &text, &error))                                      \
			return error;                                                                        \
		q = *args[0].question;                                                                       \
		q.member = text;                                                                             \
		return asked(e, VALUE_##to, &q);                                                             \
	}

PART(path, AUTHORIZER, PATH_CHECK, path, "path must not be empty")
PART(group, AUTHORIZER, GROUP_CHECK, group, NULL)
PART(resource, GROUP_CHECK, RESOURCE_CHECK, resource, "resource must not be empty")
PART(subresource, RESOURCE_CHECK, RESOURCE_CHECK, subresource, NULL)
PART(namespace, RESOURCE_CHECK, RESOURCE_CHECK, ns, NULL)
PART(name, RESOURCE_CHECK, RESOURCE_CHECK, name, NULL)
PART(field_selector, RESOURCE_CHECK, RESOURCE_CHECK, field_selector, NULL)
PART(label_selector, RESOURCE_CHECK, RESOURCE_CHECK, label_selector, NULL)

static struct value service_account(struct eval *e, const struct value *args, size_t n)
{
	struct cel_question q;
	struct value error;

	if (args[0].type != VALUE_AUTHORIZER || args[1].type != VALUE_STRING || args[2].type != VALUE_STRING)
		return value_overload();
	q = *args[0].question;
	if (!plain(e, args[1], &q.account_ns, &error) || !plain(e, args[2], &q.account, &error))
		return error;
	if (validate_format(SCHEMA_DNS_SUBDOMAIN, q.account, args[2].text.n))
		return value_error(e, "Invalid service account name");
	if (validate_format(SCHEMA_DNS_LABEL, q.account_ns, args[1].text.n))
		return value_error(e, "Invalid service account namespace");
	return asked(e, VALUE_AUTHORIZER, &q);
}

static struct value check(struct eval *e, const struct value *args, size_t n)
{
	cleanup(freep) char *why = NULL;
	struct cel_question q;
	struct decision *d;
	struct value error, text;

	if ((args[0].type != VALUE_PATH_CHECK && args[0].type != VALUE_RESOURCE_CHECK) ||
		args[1].type != VALUE_STRING)
		return value_overload();
	q = *args[0].question;
	if (!plain(e, args[1], &q.verb, &error))
		return error;
	d = arena_get(&e->arena, sizeof(*d));
	if (!d || !eval_spend(e, CHECK_COST))
		return eval_too_much;
	d->answer = e->authorizer->allows(e->authorizer, &q, &why);
	if (!why && d->answer < 0)
		return value_no_room;
	text = value_text(e, why ? why : "", why ? strlen(why) : 0);
	d->why = text.text;
	return is_error(text) ? text : (struct value){.type = VALUE_DECISION, .decision = d};
}

static struct value allowed(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_DECISION ? value_bool(args[0].decision->answer > 0) : value_overload();
}

static struct value errored(struct eval *e, const struct value *args, size_t n)
{
	return args[0].type == VALUE_DECISION ? value_bool(args[0].decision->answer < 0) : value_overload();
}

/* Why it was answered, or why it was not. */
static struct value why_of(const struct value *args, bool no_answer)
{
	const struct decision *d = args[0].decision;

	if (args[0].type != VALUE_DECISION)
		return value_overload();
	return (d->answer < 0) == no_answer ? value_string(d->why.s, d->why.n) : value_string("", 0);
}

static struct value reason(struct eval *e, const struct value *args, size_t n)
{
	return why_of(args, false);
}

static struct value error_of(struct eval *e, const struct value *args, size_t n)
{
	return why_of(args, true);
}

const struct function cel_authorizers[] = {
	{"path", true, "ZS>p", path},
	{"group", true, "ZS>g", group},
	{"serviceAccount", true, "ZSS>Z", service_account},
	{"resource", true, "gS>r", resource},
	{"subresource", true, "rS>r", subresource},
	{"namespace", true, "rS>r", namespace},
	{"name", true, "rS>r", name},
	{"fieldSelector", true, "rS>r", field_selector},
	{"labelSelector", true, "rS>r", label_selector},
	{"check", true, "pS>d rS>d", check},
	{"allowed", true, "d>B", allowed},
	{"reason", true, "d>S", reason},
	{"errored", true, "d>B", errored},
	{"error", true, "d>S", error_of},
	{NULL},
};
