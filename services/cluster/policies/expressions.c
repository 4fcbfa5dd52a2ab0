/* SPDX-License-Identifier: Apache-2.0 */

/* What one policy says of one write with one parameter: conditions, then validations, then what is noted. */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/policies/policies_int.h"
#include "lib/json.h"
#include "lib/log.h"

enum { MESSAGE_MAX = 5 * 1024 };

struct hearing {
	const struct policy *policy;
	struct cel_round *round;
	void (*fn)(const struct objection *o, void *arg);
	void *arg;
	bool no_memory;
};

/* Without white space around it; in place. */
static char *trimmed(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

static void object_to(struct hearing *a, const char *reason, char *message)
{
	struct objection o = {.reason = reason, .message = message};

	if (message)
		a->fn(&o, a->arg);
	else
		a->no_memory = true;
	free(message);
}

static printf_like(1, 2) char *text(const char *format, ...)
{
	char *made;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&made, format, args);
	va_end(args);
	return n < 0 ? NULL : made;
}

/* The policy has no answer: that is one, as failurePolicy says. */
static void no_answer(struct hearing *a, const char *expression, const char *why)
{
	if (a->policy->ignore)
		log_warn("policy=%s msg=\"passed over\" error=\"%s\"", a->policy->entry.name, why);
	else
		object_to(a, NULL, text("expression '%s' resulted in error: %s", expression, why));
}

/* What messageExpression makes, if it is a message; else NULL, and the rule has others. */
static char *made_message(struct hearing *a, const struct term *r)
{
	char why[CEL_WHY_MAX] = "it makes no text";
	cleanup(freep) char *made = NULL;
	const char *said;

	if (!r->message)
		return NULL;
	if (cel_round_text(a->round, r->message, &made, why) <= 0) {
		log_warn("policy=%s field=messageExpression error=\"%s\"", a->policy->entry.name, why);
		return NULL;
	}
	said = trimmed(made);
	return *said && strlen(said) <= MESSAGE_MAX && !strchr(said, '\n') ? strdup(said) : NULL;
}

static char *message_of(struct hearing *a, const struct term *r)
{
	cleanup(freep) char *message = NULL;
	char *made = made_message(a, r);

	if (made)
		return made;
	message = strdup(json_text(r->root, "message") ?: "");
	if (message && *trimmed(message))
		return strdup(trimmed(message));
	free(message);
	message = strdup(json_str(r->root, "expression") ?: "");
	return message ? text("failed expression: %s", trimmed(message)) : NULL;
}

static void ask_rule(struct hearing *a, const struct term *r)
{
	char why[CEL_WHY_MAX];
	int holds = cel_round_test(a->round, r->program, why);

	if (holds < 0)
		no_answer(a, json_str(r->root, "expression") ?: "", why);
	else if (!holds)
		object_to(a, json_text(r->root, "reason"), message_of(a, r));
}

/* There is no audit log; the node's own takes what is noted. */
static void ask_note(struct hearing *a, const struct term *n)
{
	char why[CEL_WHY_MAX];
	cleanup(freep) char *made = NULL;
	int answer = cel_round_text(a->round, n->program, &made, why);
	struct objection o = {.message = why, .annotation = true};

	if (answer > 0 && *made)
		log_info("audit policy=%s key=%s value=\"%s\"", a->policy->entry.name,
			json_str(n->root, "key") ?: "", made);
	else if (answer < 0 && !a->policy->ignore)
		a->fn(&o, a->arg);
}

bool expressions_ask(const struct policy *p, yyjson_mut_val *const *values,
	const struct cel_authorizer *authorizer, size_t *budget,
	void (*fn)(const struct objection *o, void *arg), void *arg)
{
	struct hearing a = {.policy = p, .fn = fn, .arg = arg};
	char *why = NULL;
	int holds = conditions_hold(&p->conditions, values, authorizer, budget, &why);

	if (holds < 0 && !p->ignore)
		object_to(&a, NULL, take(why));
	free(why);
	if (holds <= 0)
		return !a.no_memory;
	a.round = cel_round_new(policy_names_of(p), values, &p->family, authorizer, budget);
	if (!a.round)
		return false;
	for (size_t i = 0; i < p->rules.n; i++)
		ask_rule(&a, &p->rules.items[i]);
	for (size_t i = 0; i < p->notes.n; i++)
		ask_note(&a, &p->notes.items[i]);
	cel_round_free(a.round);
	return !a.no_memory;
}
