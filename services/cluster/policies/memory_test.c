/* SPDX-License-Identifier: Apache-2.0 */

/* What stops a write stops it also when there is no memory to say why: strdup() and asprintf() fail here when they are told to. */

#include "cluster/policies/writes_testing.h"

#define MAPS_OF(phase, rest) MAPS ",\"" phase "\":[" rest "]"
#define SET_B                                                                                                \
	"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: '/data/b', value: 'x'}]\"}}"
#define CHANGES MAPS_OF("mutations", SET_B) ",\"reinvocationPolicy\":\"Never\""

/* What a text has in it that no memory is found for; NULL: it is found for all. */
static const char *lacking;

char *strdup(const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = lacking && strstr(text, lacking) ? NULL : malloc(n);

	return copy ? memcpy(copy, text, n) : NULL;
}

int asprintf(char **out, const char *format, ...)
{
	va_list args;
	int n;

	*out = NULL;
	if (lacking && strstr(format, lacking))
		return -1;
	va_start(args, format);
	n = vasprintf(out, format, args);
	va_end(args);
	return n;
}

static int forget_memory(void **state)
{
	lacking = NULL;
	return teardown(state);
}

static void holds(const char *spec, const char *binding)
{
	admits("MutatingAdmissionPolicy", "p", spec);
	admits("MutatingAdmissionPolicyBinding", "b", binding);
}

static void test_a_binding_without_its_parameter(void **state)
{
	holds("\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}," CHANGES,
		"\"policyName\":\"p\",\"paramRef\":{\"name\":\"none\",\"parameterNotFoundAction\":\"Deny\"}");
	lacking = "no params found";
	assert_int_equal(map("m", "c"), 403);
	says(outcome.message, "no params found for policy binding");
}

static void test_a_policy_whose_parameters_nobody_knows(void **state)
{
	holds("\"paramKind\":{\"apiVersion\":\"example.com/v1\",\"kind\":\"Limit\"}," CHANGES,
		"\"policyName\":\"p\"");
	lacking = "failed to find resource";
	assert_int_equal(map("m", "c"), 403);
	says(outcome.message, "failed to configure policy: out of memory");
}

/* One that another version accepted. Without it nobody goes on: it may be there to stop something. */
static void test_a_policy_that_is_wrong(void **state)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = doc_of(
		"{\"apiVersion\":\"" GROUP
		"\",\"kind\":\"MutatingAdmissionPolicy\",\"metadata\":{\"name\":\"w\",\"generation\":1},"
		"\"spec\":{" MAPS_OF("mutations",
			"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"- bad -\"}}") "}}");
	struct policies *p = registry_policies(r);
	struct informer *i = &p->informers[POLICY][POLICY_CHANGES];
	struct object *o;

	assert_int_equal(object_of(&o, doc, i->kind, "w", 1), 0);
	i->event(i, EVENT_ADDED, NULL, o);
	assert_non_null(p->first[POLICY][POLICY_CHANGES]);
	assert_non_null(container_of(p->first[POLICY][POLICY_CHANGES], struct policy, entry)->wrong);
	i->event(i, EVENT_DELETED, NULL, o);
	assert_null(p->first[POLICY][POLICY_CHANGES]);
	lacking = "compilation failed";
	i->event(i, EVENT_ADDED, NULL, o);
	object_unref(o);
	assert_null(p->first[POLICY][POLICY_CHANGES]);
	assert_int_equal(loop_run(l), 1);
}

#define SHORT(t) cmocka_unit_test_setup_teardown(t, setup, forget_memory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHORT(test_a_binding_without_its_parameter),
		SHORT(test_a_policy_whose_parameters_nobody_knows),
		SHORT(test_a_policy_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
