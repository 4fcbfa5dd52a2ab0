/* SPDX-License-Identifier: Apache-2.0 */

/* Where a pod may go, and where it goes, by where others are: topology spread, affinity to pods and its opposite. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/scheduler/cycle.h"
#include "cluster/schema/schema.h"

enum { JSON_MAX = 65536, NODES_MAX = 16 };

static struct sched_cache cache;
static unsigned uids;

static int setup(void **state)
{
	cache = (struct sched_cache){0};
	uids = 0;
	return 0;
}

static int teardown(void **state)
{
	cache_fini(&cache);
	return 0;
}

static struct object *make(const char *kind, const char *json)
{
	struct object *o;

	assert_int_equal(object_new(&o, schema_find_kind("v1", kind), "key", json, strlen(json), 1), 0);
	return o;
}

#define HEAD(kind) "{\"kind\":\"" kind "\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"\","
#define ROOM	   "\"status\":{\"allocatable\":{\"cpu\":\"100\",\"memory\":\"100Gi\",\"pods\":\"110\"}}}"

/* @labels and @taints: what is between the brackets. */
static void add_tainted(const char *name, const char *labels, const char *taints)
{
	char json[JSON_MAX];
	struct object *o;

	snprintf(json, sizeof(json),
		HEAD("Node") "\"name\":\"%s\",\"labels\":{\"host\":\"%s\"%s%s}},\"spec\":{\"taints\":[%s]}," ROOM,
		name, name, *labels ? "," : "", labels, taints);
	o = make("Node", json);
	assert_int_equal(cache_set_node(&cache, o), 0);
	object_unref(o);
}

static void add_node(const char *name, const char *labels)
{
	add_tainted(name, labels, "");
}

/* @spec: members of it, with a comma behind the last. */
static struct sched_pod *make_pod(const char *ns, const char *labels, const char *meta, const char *spec)
{
	char json[JSON_MAX];
	struct sched_pod *p;
	struct object *o;
	int len = snprintf(json, sizeof(json),
		HEAD("Pod") "\"name\":\"p\",\"namespace\":\"%s\",\"uid\":\"u%u\",%s\"labels\":{%s}},"
			    "\"spec\":{%s\"containers\":[{\"name\":\"c\"}]}}",
		ns, uids++, meta, labels, spec);

	assert_in_range(len, 1, sizeof(json) - 1);
	o = make("Pod", json);
	assert_int_equal(sched_pod_new(&p, &cache, o), 0);
	object_unref(o);
	return p;
}

static void place(const char *node, struct sched_pod *p)
{
	assert_int_equal(cache_add_pod(&cache, p), 0);
	assert_int_equal(cache_place(&cache, p, node), 0);
	sched_pod_slim(p);
}

#define WEB "\"app\":\"web\""

static void add_pods(const char *node, size_t n, const char *labels)
{
	while (n--)
		place(node, make_pod("d", labels, "", ""));
}

/* The names of nodes that could take it (@best: and are as good as any other for it), and why the last that could not cannot. */
static void ask(struct sched_pod *p, bool best, char *names, size_t size, char *why, size_t why_size)
{
	struct sched_node *able[NODES_MAX];
	int64_t scores[NODES_MAX], most = INT64_MIN;
	struct cycle c;
	size_t n = 0, len = 0;

	*names = *why = 0;
	cycle_init(&c, &cache, NULL, p);
	for (size_t i = 0; i < cache.n_nodes && !*c.no_node; i++) {
		char buf[160];
		bool resolvable;
		const char *no = cycle_filter(&c, cache.nodes[i], buf, sizeof(buf), &resolvable);

		assert_int_equal(cycle_passes(&c, cache.nodes[i]), !no);
		if (no)
			snprintf(why, why_size, "%s", no);
		else
			able[n++] = cache.nodes[i];
	}
	if (*c.no_node)
		snprintf(why, why_size, "%s", c.no_node);
	cycle_score(&c, able, n, scores);
	for (size_t i = 0; i < n; i++)
		most = scores[i] > most ? scores[i] : most;
	for (size_t i = 0; i < n; i++)
		if (!best || scores[i] == most)
			len += (size_t)snprintf(
				names + len, size - len, "%s%s", len ? " " : "", able[i]->name);
	cycle_fini(&c);
}

static void expect(bool best, const char *labels, const char *spec, const char *nodes, const char *reason)
{
	char names[200], why[400];
	struct sched_pod *p = make_pod("d", labels, "", spec);

	ask(p, best, names, sizeof(names), why, sizeof(why));
	assert_string_equal(names, nodes);
	if (reason)
		assert_string_equal(why, reason);
	sched_pod_free(p);
}

static void may_go(const char *labels, const char *spec, const char *nodes)
{
	expect(false, labels, spec, nodes, NULL);
}

static void goes(const char *labels, const char *spec, const char *nodes)
{
	expect(true, labels, spec, nodes, NULL);
}

/* ---- topology spread */

#define ZONE(z)	      "\"zone\":\"" z "\""
#define SPREAD(list)  "\"topologySpreadConstraints\":[" list "],"
#define SELECT(pairs) "\"labelSelector\":{\"matchLabels\":{" pairs "}}"
#define BINDS(skew, key, more)                                                                               \
	"{\"maxSkew\":" skew ",\"topologyKey\":\"" key                                                       \
	"\",\"whenUnsatisfiable\":\"DoNotSchedule\"," SELECT(WEB) more "}"
#define ANYWAY(skew, key, more)                                                                              \
	"{\"maxSkew\":" skew ",\"topologyKey\":\"" key                                                       \
	"\",\"whenUnsatisfiable\":\"ScheduleAnyway\"," SELECT(WEB) more "}"

#define SKEWED "node(s) didn't match pod topology spread constraints"
#define NO_KEY SKEWED " (missing required label)"

/* a and b are one zone, c another; d is in none. */
static void add_zones(void)
{
	add_node("a", ZONE("1"));
	add_node("b", ZONE("1"));
	add_node("c", ZONE("2"));
	add_node("d", "");
}

static void test_no_more_than_the_skew(void **state)
{
	add_zones();
	add_pods("a", 1, WEB);
	expect(false, WEB, SPREAD(BINDS("1", "zone", "")), "c", NO_KEY);
	may_go(WEB, SPREAD(BINDS("2", "zone", "")), "a b c");
	add_pods("c", 1, WEB);
	may_go(WEB, SPREAD(BINDS("1", "zone", "")), "a b c");
	/* by host d is a place like the others, and has none yet, as b */
	expect(false, WEB, SPREAD(BINDS("1", "host", "")), "b d", SKEWED);
	/* who is not counted itself adds nothing */
	add_pods("b", 1, WEB);
	may_go(WEB, SPREAD(BINDS("1", "zone", "")), "c");
	may_go("\"app\":\"other\"", SPREAD(BINDS("1", "zone", "")), "a b c");
}

static void test_who_counts(void **state)
{
	add_zones();
	/* other labels, another namespace, on its way out */
	add_pods("a", 3, "\"app\":\"other\"");
	place("a", make_pod("elsewhere", WEB, "", ""));
	place("a", make_pod("d", WEB, "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",", ""));
	may_go(WEB, SPREAD(BINDS("1", "zone", "")), "a b c");
	add_pods("a", 1, WEB);
	may_go(WEB, SPREAD(BINDS("1", "zone", "")), "c");
	/* no selector counts nobody */
	may_go(WEB,
		SPREAD("{\"maxSkew\":1,\"topologyKey\":\"zone\",\"whenUnsatisfiable\":\"DoNotSchedule\"}"),
		"a b c");
}

static void test_domains_that_are_to_come(void **state)
{
	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_pods("a", 1, WEB);
	add_pods("b", 1, WEB);
	may_go(WEB, SPREAD(BINDS("1", "zone", ",\"minDomains\":2")), "a b");
	/* the third is empty, wherever it may be */
	expect(false, WEB, SPREAD(BINDS("1", "zone", ",\"minDomains\":3")), "", SKEWED);
	may_go(WEB, SPREAD(BINDS("2", "zone", ",\"minDomains\":3")), "a b");
	add_node("c", ZONE("3"));
	may_go(WEB, SPREAD(BINDS("1", "zone", ",\"minDomains\":3")), "c");
}

/* Nodes that the pod's own selector rules out are no places, unless it says so. */
static void test_policy_of_node_affinity(void **state)
{
#define SSD "\"nodeSelector\":{\"disk\":\"ssd\"},"
	add_node("a", ZONE("1") ",\"disk\":\"ssd\"");
	add_node("b", ZONE("2") ",\"disk\":\"ssd\"");
	add_node("c", ZONE("3"));
	add_pods("a", 1, WEB);
	add_pods("b", 1, WEB);
	may_go(WEB, SSD SPREAD(BINDS("1", "zone", "")), "a b");
	may_go(WEB, SSD SPREAD(BINDS("1", "zone", ",\"nodeAffinityPolicy\":\"Honor\"")), "a b");
	expect(false, WEB, SSD SPREAD(BINDS("1", "zone", ",\"nodeAffinityPolicy\":\"Ignore\"")), "", NULL);
#undef SSD
}

/* Tainted nodes are places, unless it says so; and then those it tolerates are. */
static void test_policy_of_taints(void **state)
{
#define TAINT "{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}"
	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_tainted("c", ZONE("3"), TAINT);
	add_pods("a", 1, WEB);
	add_pods("b", 1, WEB);
	may_go(WEB, SPREAD(BINDS("1", "zone", "")), "");
	may_go(WEB, SPREAD(BINDS("1", "zone", ",\"nodeTaintsPolicy\":\"Ignore\"")), "");
	may_go(WEB, SPREAD(BINDS("1", "zone", ",\"nodeTaintsPolicy\":\"Honor\"")), "a b");
	may_go(WEB,
		"\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]," SPREAD(
			BINDS("1", "zone", ",\"nodeTaintsPolicy\":\"Honor\"")),
		"c");
	/* a taint that only advises is none */
	add_tainted("c", ZONE("3"), "{\"key\":\"k\",\"value\":\"v\",\"effect\":\"PreferNoSchedule\"}");
	may_go(WEB, SPREAD(BINDS("1", "zone", ",\"nodeTaintsPolicy\":\"Honor\"")), "c");
#undef TAINT
}

/* Each revision of a Deployment is spread by itself. */
static void test_labels_of_its_own(void **state)
{
#define REVISION(r) WEB ",\"rev\":\"" r "\""
#define BY_REVISION SPREAD(BINDS("1", "zone", ",\"matchLabelKeys\":[\"rev\",\"absent\"]"))
	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_pods("a", 4, REVISION("old"));
	may_go(REVISION("new"), BY_REVISION, "a b");
	may_go(REVISION("old"), BY_REVISION, "b");
	add_pods("b", 1, REVISION("new"));
	may_go(REVISION("new"), BY_REVISION, "a");
	/* a key that the pod has no label of says nothing */
	may_go(WEB, BY_REVISION, "b");
#undef BY_REVISION
#undef REVISION
}

/* All of them hold; and a node that lacks the key of one of them counts for none. */
static void test_several(void **state)
{
	add_zones();
	add_pods("a", 1, WEB);
	add_pods("c", 1, WEB);
	/* zone: 1, 1; host: a 1, b 0, c 1, and d, which is nowhere */
	expect(false, WEB, SPREAD(BINDS("1", "zone", "") "," BINDS("1", "host", "")), "b", NO_KEY);
	add_pods("b", 1, WEB);
	/* zone: 2, 1; host: 1, 1, 1: would d count, with none, no other host could take one */
	may_go(WEB, SPREAD(BINDS("1", "zone", "") "," BINDS("1", "host", "")), "c");
	/* one that does not bind takes nobody's count away */
	may_go(WEB, SPREAD(ANYWAY("1", "zone", "") "," BINDS("1", "host", "")), "d");
}

static void test_anyway(void **state)
{
	add_zones();
	add_pods("a", 1, WEB);
	may_go(WEB, SPREAD(ANYWAY("1", "zone", "")), "a b c d");
	/* where no zone is, is not the emptiest one */
	goes(WEB, SPREAD(ANYWAY("1", "zone", "")), "c");
	goes(WEB, SPREAD(ANYWAY("1", "zone", "") "," ANYWAY("1", "host", "")), "c");
	add_pods("c", 3, WEB);
	goes(WEB, SPREAD(ANYWAY("1", "zone", "") "," ANYWAY("1", "host", "")), "b");
	/* who is in no zone is in a place of its own by host */
	goes(WEB, SPREAD(ANYWAY("1", "host", "")), "b d");
}

/* As many as somebody writes: the last of them binds like the first. */
static void test_as_many_as_there_are(void **state)
{
	char spec[JSON_MAX / 2];
	size_t len = 0;

	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_pods("a", 1, WEB);
	len = (size_t)snprintf(spec, sizeof(spec), "\"topologySpreadConstraints\":[");
	for (int i = 0; i < 20; i++)
		len += (size_t)snprintf(spec + len, sizeof(spec) - len, BINDS("9", "zone", "") ",");
	snprintf(spec + len, sizeof(spec) - len, BINDS("1", "zone", "") "],");
	may_go(WEB, spec, "b");
}

/* ---- affinity */

#define TERM(pairs, key, more) "{" SELECT(pairs) ",\"topologyKey\":\"" key "\"" more "}"
#define NEAR(list)	       "\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" list "]}"
#define FAR(list)	       "\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" list "]}"
#define WEIGHED(w, term)       "{\"weight\":" w ",\"podAffinityTerm\":" term "}"
#define LIKES(list)	       "\"podAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[" list "]}"
#define DISLIKES(list)	       "\"podAntiAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[" list "]}"
#define AFFINITY(list)	       "\"affinity\":{" list "},"
#define DB		       "\"app\":\"db\""

static void test_near(void **state)
{
	add_zones();
	expect(false, WEB, AFFINITY(NEAR(TERM(DB, "zone", ""))), "",
		"node(s) didn't match pod affinity rules");
	/* outside every zone it is in nobody's */
	add_pods("d", 1, DB);
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", ""))), "");
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "host", ""))), "d");
	add_pods("a", 1, DB);
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", ""))), "a b");
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "host", ""))), "a d");
	/* one pod that all terms are about */
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", "") "," TERM(WEB, "host", ""))), "");
	add_pods("c", 1, DB ",\"tier\":\"1\"");
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", "") "," TERM("\"tier\":\"1\"", "host", ""))), "c");
}

/* The first of a group that keeps together may begin anywhere; the next follow it. */
static void test_the_first_of_a_group(void **state)
{
	add_zones();
	may_go(WEB, AFFINITY(NEAR(TERM(WEB, "zone", ""))), "a b c");
	/* one of them is there, and in no zone */
	add_pods("d", 1, WEB);
	may_go(WEB, AFFINITY(NEAR(TERM(WEB, "zone", ""))), "a b c");
	add_pods("c", 1, WEB);
	may_go(WEB, AFFINITY(NEAR(TERM(WEB, "zone", ""))), "c");
}

static void test_far(void **state)
{
	add_zones();
	add_pods("a", 1, DB);
	expect(false, WEB, AFFINITY(FAR(TERM(DB, "zone", ""))), "c d",
		"node(s) didn't match pod anti-affinity rules");
	may_go(WEB, AFFINITY(FAR(TERM(DB, "host", ""))), "b c d");
	/* any of them keeps it off */
	add_pods("d", 1, "\"app\":\"cache\"");
	may_go(WEB, AFFINITY(FAR(TERM(DB, "zone", "") "," TERM("\"app\":\"cache\"", "host", ""))), "c");
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", "")) "," FAR(TERM(DB, "host", ""))), "b");
}

/* Who is there already keeps others off, be they of any mind. */
static void test_whom_those_who_are_there_keep_off(void **state)
{
	add_zones();
	place("a", make_pod("d", DB, "", AFFINITY(FAR(TERM(WEB, "zone", "")))));
	expect(false, WEB, "", "c d", "node(s) didn't satisfy existing pods anti-affinity rules");
	may_go(DB, "", "a b c d");
}

static void test_namespaces(void **state)
{
	add_zones();
	place("a", make_pod("other", DB, "", ""));
	place("c", make_pod("third", DB, "", ""));
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", ""))), "");
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", ",\"namespaces\":[\"other\",\"none\"]"))), "a b");
	may_go(WEB, AFFINITY(FAR(TERM(DB, "zone", ",\"namespaces\":[\"other\"]"))), "c d");
	/* its own is not one of those that are named */
	place("c", make_pod("d", DB, "", ""));
	may_go(WEB, AFFINITY(NEAR(TERM(DB, "zone", ",\"namespaces\":[\"other\"]"))), "a b");
}

/* Tenants apart, and those of one tenant and revision together. */
static void test_labels_of_its_own_in_terms(void **state)
{
#define TENANT(t) "\"tenant\":\"" t "\""
#define SOMEBODY                                                                                             \
	"{\"labelSelector\":{\"matchExpressions\":[{\"key\":\"tenant\",\"operator\":\"Exists\"}]},"          \
	"\"topologyKey\":\"zone\","
	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_node("c", ZONE("3"));
	add_pods("a", 1, TENANT("x"));
	add_pods("b", 1, TENANT("y"));
	may_go(TENANT("x"), AFFINITY(NEAR(SOMEBODY "\"matchLabelKeys\":[\"tenant\"]}")), "a");
	may_go(TENANT("y"), AFFINITY(NEAR(SOMEBODY "\"matchLabelKeys\":[\"tenant\"]}")), "b");
	may_go(TENANT("x"), AFFINITY(FAR(SOMEBODY "\"mismatchLabelKeys\":[\"tenant\"]}")), "a c");
	may_go(TENANT("z"), AFFINITY(FAR(SOMEBODY "\"mismatchLabelKeys\":[\"tenant\"]}")), "c");
	/* those who are there compare with their own */
	place("c", make_pod("d", TENANT("z"), "",
			   AFFINITY(FAR(SOMEBODY "\"mismatchLabelKeys\":[\"tenant\"]}"))));
	may_go(TENANT("x"), "", "a b");
	may_go(TENANT("z"), "", "a b c");
#undef SOMEBODY
#undef TENANT
}

static void test_likes_and_dislikes(void **state)
{
	/* by this alone: the pods that are there ask for nothing, and every node has some */
	for (int i = 0; i < 4; i++)
		add_node((const char *[]){"a", "b", "c", "d"}[i],
			(const char *[]){ZONE("1"), ZONE("1"), ZONE("2"), ""}[i]);
	add_pods("a", 1, DB);
	add_pods("b", 1, "\"app\":\"none\"");
	add_pods("c", 1, "\"app\":\"cache\"");
	add_pods("d", 1, "\"app\":\"none\"");
	goes(WEB, "", "a b c d");
	may_go(WEB, AFFINITY(LIKES(WEIGHED("5", TERM(DB, "zone", "")))), "a b c d");
	goes(WEB, AFFINITY(LIKES(WEIGHED("5", TERM(DB, "zone", "")))), "a b");
	goes(WEB, AFFINITY(DISLIKES(WEIGHED("5", TERM(DB, "zone", "")))), "c d");
	goes(WEB,
		AFFINITY(LIKES(WEIGHED("5", TERM(DB, "zone", "")) "," WEIGHED(
			"6", TERM("\"app\":\"cache\"", "zone", "")))),
		"c");
	goes(WEB,
		AFFINITY(LIKES(WEIGHED("5", TERM(DB, "zone", ""))) "," DISLIKES(
			WEIGHED("4", TERM(DB, "host", "")))),
		"b");
}

/* The one that is liked least counts nothing, so what is liked half as much does not count half: two likes of one weight are even. */
static void test_the_least_is_nothing(void **state)
{
	add_node("a", ZONE("1"));
	add_node("b", ZONE("2"));
	add_pods("a", 1, DB);
	add_pods("b", 2, DB);
	goes(WEB,
		AFFINITY(LIKES(WEIGHED("5",
			TERM(DB, "zone",
				""))) ",\"nodeAffinity\":{"
				      "\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,\"preference\":{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\","
				      "\"values\":[\"1\"]}]}}]}"),
		"a b");
}

/* Who is there draws others to itself, or off; the one that could not go without another likes it a little. */
static void test_whom_those_who_are_there_like(void **state)
{
	for (int i = 0; i < 3; i++)
		add_node((const char *[]){"a", "b", "c"}[i],
			(const char *[]){ZONE("1"), ZONE("2"), ZONE("3")}[i]);
	place("a", make_pod("d", DB, "", AFFINITY(LIKES(WEIGHED("5", TERM(WEB, "zone", ""))))));
	place("b",
		make_pod("d", DB, "", AFFINITY(DISLIKES(WEIGHED("5", TERM("\"app\":\"log\"", "zone", ""))))));
	place("c", make_pod("d", DB, "", AFFINITY(NEAR(TERM("\"app\":\"cache\"", "zone", "")))));
	goes("\"app\":\"none\"", "", "a b c");
	goes(WEB, "", "a");
	goes("\"app\":\"log\"", "", "a c");
	goes("\"app\":\"cache\"", "", "c");
}

static void test_as_many_terms_as_there_are(void **state)
{
	char spec[JSON_MAX / 2];
	size_t len = 0;

	add_node("a", "");
	add_node("b", "");
	add_pods("a", 1, DB);
	len = (size_t)snprintf(spec, sizeof(spec),
		"\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[");
	for (int i = 0; i < 20; i++)
		len += (size_t)snprintf(
			spec + len, sizeof(spec) - len, TERM("\"app\":\"none%d\"", "host", "") ",", i);
	snprintf(spec + len, sizeof(spec) - len, TERM(DB, "host", "") "]}},");
	may_go(WEB, spec, "b");
	/* nor do those who are there lose the last of theirs */
	snprintf(spec + len, sizeof(spec) - len, TERM(WEB, "host", "") "]}},");
	place("b", make_pod("d", "\"app\":\"none\"", "", spec));
	may_go(WEB, "", "a");
}

/* What could not be read, as when there is no memory for it, is no leave to go anywhere. */
static void test_what_could_not_be_read(void **state)
{
#define WRONG                                                                                                \
	"{\"labelSelector\":{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Likes\"}]},\"topologyKey\":\"host\"}"
	static const char *const specs[] = {AFFINITY(NEAR(WRONG)),
		AFFINITY(FAR(TERM(DB, "host", "") "," WRONG)), AFFINITY(LIKES(WEIGHED("1", WRONG))),
		AFFINITY(DISLIKES(WEIGHED("1", WRONG))), SPREAD(WRONG)};

	add_node("a", "");
	may_go(WEB, "", "a");
	for (size_t i = 0; i < array_len(specs); i++)
		expect(false, WEB, specs[i], "",
			"what the pod asks for could not be read: out of memory, or a label selector is wrong");
#undef WRONG
}

/* @n things like @item, with commas between them, behind @before and before @after. */
static const char *many(const char *before, size_t n, const char *item, const char *after)
{
	static char spec[JSON_MAX / 2 + JSON_MAX / 4];
	size_t len = (size_t)snprintf(spec, sizeof(spec), "%s", before);

	for (size_t i = 0; i < n && len < sizeof(spec); i++)
		len += (size_t)snprintf(spec + len, sizeof(spec) - len, "%s%s", i ? "," : "", item);
	assert_in_range(len + strlen(after), 1, sizeof(spec) - 1);
	memcpy(spec + len, after, strlen(after) + 1);
	return spec;
}

/* What somebody else wrote wrongly is passed over, and the rest of what they say is heard. */
static void test_what_others_have_wrong(void **state)
{
#define FAR_HEAD "\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":["
	add_node("a", "");
	add_node("b", "");
	place("a",
		make_pod("d", "\"app\":\"none\"", "",
			many(FAR_HEAD "{\"topologyKey\":\"host\",\"labelSelector\":{\"matchExpressions\":[",
				1001, "{\"key\":\"k\",\"operator\":\"Exists\"}",
				"]}}," TERM(WEB, "host", "") "]}},")));
	may_go(DB, "", "a b");
	may_go(WEB, "", "b");
	/* and the pod itself is found as ever */
	may_go(DB, AFFINITY(NEAR(TERM("\"app\":\"none\"", "host", ""))), "a");
}

static void test_too_many(void **state)
{
#define NONE	 TERM("\"app\":\"none\"", "host", "")
#define TOO_MANY "the pod has more than 128 affinity terms, or topology spread constraints, in one list"
	add_node("a", "");
	add_node("b", "");
	/* of others the first are heard */
	place("a", make_pod("d", DB, "", many(FAR_HEAD, 127, NONE, "," TERM(WEB, "host", "") "]}},")));
	place("b", make_pod("d", DB, "", many(FAR_HEAD, 128, NONE, "," TERM(WEB, "host", "") "]}},")));
	may_go(WEB, "", "b");
	expect(false, DB, many(FAR_HEAD, 128, NONE, "]}},"), "a b", NULL);
	expect(false, DB, many(FAR_HEAD, 129, NONE, "]}},"), "", TOO_MANY);
	expect(false, DB,
		many("\"affinity\":{\"podAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[",
			129, WEIGHED("1", NONE), "]}},"),
		"", TOO_MANY);
	expect(false, DB, many("\"topologySpreadConstraints\":[", 128, BINDS("9", "host", ""), "],"), "a b",
		NULL);
	expect(false, DB, many("\"topologySpreadConstraints\":[", 129, BINDS("9", "host", ""), "],"), "",
		TOO_MANY);
#undef NONE
#undef TOO_MANY
}
#undef FAR_HEAD

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_no_more_than_the_skew),
		T(test_who_counts),
		T(test_domains_that_are_to_come),
		T(test_policy_of_node_affinity),
		T(test_policy_of_taints),
		T(test_labels_of_its_own),
		T(test_several),
		T(test_anyway),
		T(test_as_many_as_there_are),
		T(test_near),
		T(test_the_first_of_a_group),
		T(test_far),
		T(test_whom_those_who_are_there_keep_off),
		T(test_namespaces),
		T(test_labels_of_its_own_in_terms),
		T(test_likes_and_dislikes),
		T(test_the_least_is_nothing),
		T(test_whom_those_who_are_there_like),
		T(test_as_many_terms_as_there_are),
		T(test_what_could_not_be_read),
		T(test_what_others_have_wrong),
		T(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
