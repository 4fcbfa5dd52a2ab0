/* SPDX-License-Identifier: Apache-2.0 */

/* Whose a request is: flow schemas in order of precedence, and the flow within one. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/flow/flow_int.h"
#include "cluster/flow/objects.h"
#include "lib/json.h"

#define ACCOUNT_USER "system:serviceaccount:"

/* ---- does it match */

static bool is_account(const char *user, const char *ns, const char *name)
{
	size_t n = strlen(ns);

	if (strncmp(user, ACCOUNT_USER, strlen(ACCOUNT_USER)) != 0)
		return false;
	user += strlen(ACCOUNT_USER);
	return !strncmp(user, ns, n) && user[n] == ':' && (!strcmp(name, "*") || !strcmp(user + n + 1, name));
}

static bool is_subject(yyjson_val *subject, const struct caller *who)
{
	yyjson_val *user = json_obj(subject, "user"), *group = json_obj(subject, "group"),
		   *account = json_obj(subject, "serviceAccount");
	const char *name = json_str(user ?: group ?: account, "name") ?: "";

	if (account)
		return is_account(who->user, json_str(account, "namespace") ?: "", name);
	if (!strcmp(name, "*"))
		return true;
	return user ? !strcmp(name, who->user) : group && caller_in_group(who, name);
}

static bool has(yyjson_val *list, const char *text)
{
	return json_arr_has(list, "*") || json_arr_has(list, text);
}

static bool covers_resource(yyjson_val *rule, const struct access_question *q)
{
	char with_sub[320];

	snprintf(with_sub, sizeof(with_sub), "%s%s%s", q->resource, *q->subresource ? "/" : "",
		q->subresource);
	return has(json_arr(rule, "verbs"), q->verb) && has(json_arr(rule, "apiGroups"), q->group) &&
	       has(json_arr(rule, "resources"), with_sub) &&
	       (*q->ns ? has(json_arr(rule, "namespaces"), q->ns) : json_bool(rule, "clusterScope"));
}

static bool covers(yyjson_val *rules, const struct access_question *q)
{
	yyjson_val *rule;
	size_t i, n;

	yyjson_arr_foreach (json_arr(rules, q->path ? "nonResourceRules" : "resourceRules"), i, n, rule)
		if (q->path ? has(json_arr(rule, "verbs"), q->verb) && access_covers_path(rule, q->path)
			    : covers_resource(rule, q))
			return true;
	return false;
}

static bool matches(const struct flow_schema *s, const struct access_question *q)
{
	yyjson_val *rules, *subject;
	size_t i, n, k, max;

	yyjson_arr_foreach (json_arr(yyjson_doc_get_root(s->spec), "rules"), i, n, rules)
		yyjson_arr_foreach (json_arr(rules, "subjects"), k, max, subject)
			if (is_subject(subject, q->who)) {
				if (covers(rules, q))
					return true;
				break;
			}
	return false;
}

const struct flow_schema *flow_classify(const struct flow *f, const struct access_question *q)
{
	const struct flow_schema *s = f->schemas, *rest = NULL;

	for (; s; s = s->next) {
		if (s->level && matches(s, q))
			return s;
		if (!strcmp(s->name, "catch-all"))
			rest = s;
	}
	return rest;
}

uint64_t flow_hash(const struct flow_schema *s, const struct access_question *q)
{
	const char *flow = s->by == FLOW_BY_USER ? q->who->user : s->by == FLOW_BY_NAMESPACE ? q->ns : "";
	uint32_t high = hash_bytes(HASH_BEGIN, s->name, strlen(s->name) + 1), low;

	high = hash_bytes(high, flow, strlen(flow));
	low = hash_bytes(high, s->name, strlen(s->name) + 1);
	low = hash_bytes(low, flow, strlen(flow));
	return (uint64_t)high << 32 | low;
}

/* ---- coming and going */

static void schema_free(struct flow_schema *s)
{
	if (!s)
		return;
	yyjson_doc_free(s->spec);
	free(s->level_name);
	free(s->name);
	free(s);
}

static void remove_schema(struct flow *f, const char *name)
{
	struct flow_schema **at = &f->schemas, *s;

	while ((s = *at) && strcmp(s->name, name) != 0)
		at = &s->next;
	if (!s)
		return;
	*at = s->next;
	schema_free(s);
}

static bool comes_before(const struct flow_schema *a, const struct flow_schema *b)
{
	return a->precedence < b->precedence ||
	       (a->precedence == b->precedence && strcmp(a->name, b->name) < 0);
}

int flow_set_schema(struct flow *f, const char *name, const char *uid, yyjson_val *spec)
{
	struct flow_schema *s = calloc(1, sizeof(*s)), **at = &f->schemas;
	const char *level = json_str(json_obj(spec, "priorityLevelConfiguration"), "name") ?: "";
	const char *by = json_str(json_obj(spec, "distinguisherMethod"), "type") ?: "";
	size_t len;
	cleanup(freep) char *text = yyjson_val_write(spec, YYJSON_WRITE_NOFLAG, &len);

	if (!s)
		return -ENOMEM;
	s->name = strdup(name);
	s->level_name = strdup(level);
	s->spec = text ? yyjson_read(text, len, YYJSON_READ_NOFLAG) : NULL;
	if (!s->name || !s->level_name || !s->spec) {
		schema_free(s);
		return -ENOMEM;
	}
	snprintf(s->uid, sizeof(s->uid), "%s", uid);
	s->precedence = (int)json_int(spec, "matchingPrecedence", 0);
	s->by = !strcmp(by, "ByUser")	     ? FLOW_BY_USER
		: !strcmp(by, "ByNamespace") ? FLOW_BY_NAMESPACE
					     : FLOW_ONE;
	s->level = flow_find_level(f, level);
	remove_schema(f, name);
	while (*at && comes_before(*at, s))
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	return 0;
}

int flow_unset_schema(struct flow *f, const char *name)
{
	const struct flow_object *fixed = flow_object_find("FlowSchema", name);
	cleanup(json_docp) yyjson_doc *spec = NULL;

	if (!fixed || !fixed->mandatory) {
		remove_schema(f, name);
		return 0;
	}
	spec = flow_object_spec(fixed);
	return spec ? flow_set_schema(f, name, "", yyjson_doc_get_root(spec)) : -ENOMEM;
}

void flow_link_schemas(struct flow *f)
{
	for (struct flow_schema *s = f->schemas; s; s = s->next)
		s->level = flow_find_level(f, s->level_name);
}

void flow_free_schemas(struct flow *f)
{
	struct flow_schema *s;

	while ((s = f->schemas)) {
		f->schemas = s->next;
		schema_free(s);
	}
}
