/* SPDX-License-Identifier: Apache-2.0 */

/* Flow schemas and priority levels. Those that every cluster has to have are what they are (flow/objects.h). */

#include <stdio.h>
#include <string.h>

#include "cluster/flow/objects.h"
#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"
#include "lib/json.h"

schema_check check_flow_schema, check_flow_rules, check_flow_subject, check_flow_resource_rule,
	check_flow_path_rule, check_flow_level;

enum { PRECEDENCE_MAX = 10000, QUEUES_MAX = 10 * 1000 * 1000, HASH_BITS = 60 };

static const char *name_of(const struct check *c)
{
	return meta_mut_text(c->object, "name") ?: "";
}

/* Mandatory objects keep the spec of the table. */
static void check_fixed(struct check *c, yyjson_mut_val *spec)
{
	const struct flow_object *fixed = flow_object_find(c->kind->kind, name_of(c));
	cleanup(json_docp) yyjson_doc *read = fixed && fixed->mandatory ? flow_object_spec(fixed) : NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *doc = read ? yyjson_doc_mut_copy(read, NULL) : NULL;

	if (!fixed || !fixed->mandatory)
		return;
	if (!doc)
		c->errors->no_memory = true;
	else if (!meta_equal(spec, yyjson_mut_doc_get_root(doc)))
		check_error(
			c, FIELD_INVALID, spec, "", "spec of '%s' must equal the fixed value", fixed->name);
}

/* ---- schemas */

void check_flow_schema(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *precedence = yyjson_mut_obj_get(spec, "matchingPrecedence");
	int64_t n = yyjson_mut_get_sint(precedence);

	if (n <= 0)
		check_error(c, FIELD_INVALID, precedence, ".matchingPrecedence", "must be a positive value");
	if (n > PRECEDENCE_MAX)
		check_error(c, FIELD_INVALID, precedence, ".matchingPrecedence",
			"must not be greater than %d", PRECEDENCE_MAX);
	if (n == 1 && strcmp(name_of(c), "exempt") != 0)
		check_error(c, FIELD_INVALID, precedence, ".matchingPrecedence",
			"only the schema named 'exempt' may have matchingPrecedence 1");
	check_fixed(c, spec);
}

void check_flow_rules(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(o, "subjects")))
		check_error(c, FIELD_REQUIRED, NULL, ".subjects", "subjects must contain at least one value");
	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(o, "resourceRules")) &&
		!yyjson_mut_arr_size(yyjson_mut_obj_get(o, "nonResourceRules")))
		check_error(c, FIELD_REQUIRED, NULL, "",
			"at least one of resourceRules and nonResourceRules has to be non-empty");
}

/* The member that goes with the kind is there, and no other. */
void check_flow_subject(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const members[][2] = {
		{"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}};
	yyjson_mut_val *account = yyjson_mut_obj_get(yyjson_mut_obj_get(o, "serviceAccount"), "name");
	const char *kind = text_of(o, "kind");

	for (size_t i = 0; *kind && i < array_len(members); i++) {
		bool is = !strcmp(kind, members[i][0]), there = yyjson_mut_obj_get(o, members[i][1]);

		if (is && !there)
			check_error(c, FIELD_REQUIRED, NULL, REL(".%s", members[i][1]),
				"%s is required when subject kind is '%s'", members[i][1], kind);
		if (!is && there)
			check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", members[i][1]),
				"%s is forbidden when subject kind is not '%s'", members[i][1],
				members[i][0]);
	}
	if (yyjson_mut_get_len(account) && !yyjson_mut_equals_str(account, "*"))
		check_format(c, account, ".serviceAccount.name", SCHEMA_DNS_SUBDOMAIN);
}

static bool has_star(yyjson_mut_val *list)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(list, i, n, v) if (yyjson_mut_equals_str(v, "*")) return true;
	return false;
}

/* A list that has a * has nothing else. true: what is in it is to be looked at. */
static bool check_words(
	struct check *c, yyjson_mut_val *o, const char *key, const char *none, const char *what)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(o, key);
	size_t n = yyjson_mut_arr_size(list);

	if (!n && none)
		check_error(c, FIELD_REQUIRED, NULL, REL(".%s", key), "%s", none);
	if (n > 1 && has_star(list))
		check_error(c, FIELD_INVALID, list, REL(".%s", key),
			"if '*' is present, must not specify other %s", what);
	return n && !has_star(list);
}

static void check_verbs(struct check *c, yyjson_mut_val *o)
{
	static const char *const known[] = {"create", "delete", "deletecollection", "get", "list", "patch",
		"proxy", "update", "watch", NULL};
	yyjson_mut_val *verbs = yyjson_mut_obj_get(o, "verbs"), *v;
	size_t i, n;

	if (!check_words(c, o, "verbs", "verbs must contain at least one value", "verbs"))
		return;
	yyjson_mut_arr_foreach(verbs, i, n, v)
	{
		size_t k = 0;

		while (known[k] && !yyjson_mut_equals_str(v, known[k]))
			k++;
		if (!known[k]) {
			check_not_supported(c, verbs, ".verbs", known);
			return;
		}
	}
}

void check_flow_resource_rule(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	bool everywhere = yyjson_mut_get_bool(yyjson_mut_obj_get(o, "clusterScope"));
	yyjson_mut_val *v;
	size_t i, n;

	check_verbs(c, o);
	check_words(c, o, "apiGroups", "resource rules must supply at least one api group", "api groups");
	check_words(c, o, "resources", "resource rules must supply at least one resource", "resources");
	if (!check_words(c, o, "namespaces",
		    everywhere
			    ? NULL
			    : "resource rules that are not cluster scoped must supply at least one namespace",
		    "namespaces"))
		return;
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "namespaces"), i, n, v)
	{
		const char *why =
			validate_format(SCHEMA_DNS_LABEL, yyjson_mut_get_str(v) ?: "", yyjson_mut_get_len(v));

		if (why)
			check_error(c, FIELD_INVALID, v, REL(".namespaces[%zu]", i),
				"each member of this list must be '*' or a DNS-1123 label; %s", why);
	}
}

static const char *path_fault(const char *path)
{
	const char *star = strchr(path, '*');
	size_t n = strlen(path);

	if (!*path)
		return "must not be empty";
	if (*path != '/')
		return "must start with slash";
	if (strchr(path, ' '))
		return "must not contain white-space";
	if (strstr(path, "//"))
		return "must not contain double slash";
	if (star && (star != path + n - 1 || star[-1] != '/'))
		return "wildcard can only do suffix matching";
	return NULL;
}

void check_flow_path_rule(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *v;
	size_t i, n;

	check_verbs(c, o);
	if (!check_words(c, o, "nonResourceURLs", "nonResourceURLs must contain at least one value",
		    "non-resource URLs"))
		return;
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(o, "nonResourceURLs"), i, n, v)
	{
		const char *why = path_fault(yyjson_mut_get_str(v) ?: "");

		if (why)
			check_error(c, FIELD_INVALID, v, REL(".nonResourceURLs[%zu]", i), "%s", why);
	}
}

/* ---- levels */

/* A hand of this size is dealt from one hash: are there enough bits in it for every one that there is? */
static bool fits_hash(int64_t queues, int64_t hand)
{
	uint64_t hands = 1;

	for (int64_t i = 0; i < hand && hands <= UINT64_C(1) << HASH_BITS; i++)
		if (__builtin_mul_overflow(hands, (uint64_t)queues, &hands))
			return false;
	return hands <= UINT64_C(1) << HASH_BITS;
}

static void check_queuing(struct check *c, yyjson_mut_val *q)
{
	static const char *const positive[] = {"queues", "handSize", "queueLengthLimit"};
	int64_t queues = int_of(q, "queues"), hand = int_of(q, "handSize");
	yyjson_mut_val *v = yyjson_mut_obj_get(q, "handSize");

	for (size_t i = 0; i < array_len(positive); i++)
		if (int_of(q, positive[i]) <= 0)
			check_error(c, FIELD_INVALID, yyjson_mut_obj_get(q, positive[i]),
				REL(".limited.limitResponse.queuing.%s", positive[i]), "must be positive");
	if (queues <= 0 || hand <= 0)
		return;
	if (queues > QUEUES_MAX)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(q, "queues"),
			".limited.limitResponse.queuing.queues", "must not be greater than %d", QUEUES_MAX);
	if (hand > queues)
		check_error(c, FIELD_INVALID, v, ".limited.limitResponse.queuing.handSize",
			"should not be greater than queues (%lld)", (long long)queues);
	else if (!fits_hash(queues, hand))
		check_error(c, FIELD_INVALID, v, ".limited.limitResponse.queuing.handSize",
			"required entropy bits of deckSize %lld and handSize %lld should not be greater than %d",
			(long long)queues, (long long)hand, HASH_BITS);
}

static void check_response(struct check *c, yyjson_mut_val *response)
{
	static const char *const known[] = {"Queue", "Reject", NULL};
	yyjson_mut_val *type = yyjson_mut_obj_get(response, "type");
	yyjson_mut_val *queuing = yyjson_mut_obj_get(response, "queuing");

	if (yyjson_mut_equals_str(type, "Reject")) {
		if (queuing)
			check_error(c, FIELD_FORBIDDEN, NULL, ".limited.limitResponse.queuing",
				"must be nil if limited.limitResponse.type is not Limited");
	} else if (!yyjson_mut_equals_str(type, "Queue")) {
		check_not_supported(c, type, ".limited.limitResponse.type", known);
	} else if (!queuing) {
		check_error(c, FIELD_REQUIRED, NULL, ".limited.limitResponse.queuing",
			"must not be empty if limited.limitResponse.type is Limited");
	} else {
		check_queuing(c, queuing);
	}
}

static void check_part(struct check *c, yyjson_mut_val *part, const char *where)
{
	int64_t lendable = int_of(part, "lendablePercent"), borrow = int_of(part, "borrowingLimitPercent");

	if (int_of(part, "nominalConcurrencyShares") < 0)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(part, "nominalConcurrencyShares"),
			REL(".%s.nominalConcurrencyShares", where), "must be a non-negative integer");
	if (lendable < 0 || lendable > 100)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(part, "lendablePercent"),
			REL(".%s.lendablePercent", where), "must be between 0 and 100, inclusive");
	if (borrow < 0)
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(part, "borrowingLimitPercent"),
			REL(".%s.borrowingLimitPercent", where),
			"if specified, must be a non-negative integer");
}

void check_flow_level(struct check *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *type = yyjson_mut_obj_get(spec, "type");
	yyjson_mut_val *limited = yyjson_mut_obj_get(spec, "limited"),
		       *exempt = yyjson_mut_obj_get(spec, "exempt");
	bool is_exempt = yyjson_mut_equals_str(type, "Exempt"), named = !strcmp(name_of(c), "exempt");

	if (named != is_exempt)
		check_error(c, FIELD_INVALID, type, ".type",
			"type must be 'Exempt' if and only if name is 'exempt'");
	if (is_exempt && limited)
		check_error(c, FIELD_FORBIDDEN, NULL, ".limited", "must be nil if the type is not Limited");
	if (!is_exempt && exempt)
		check_error(c, FIELD_FORBIDDEN, NULL, ".exempt", "must be nil if the type is Limited");
	check_part(c, exempt, "exempt");
	check_part(c, limited, "limited");
	if (yyjson_mut_equals_str(type, "Limited") && !limited)
		check_error(c, FIELD_REQUIRED, NULL, ".limited", "must not be empty when type is Limited");
	if (!is_exempt && limited)
		check_response(c, yyjson_mut_obj_get(limited, "limitResponse"));
	/* of the exempt level it may be said how much of it others can have */
	if (!named)
		check_fixed(c, spec);
}
