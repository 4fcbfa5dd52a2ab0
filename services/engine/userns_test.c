/* SPDX-License-Identifier: Apache-2.0 */

/* User ids of a container that joins another one's namespaces, when it starts. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/userns.h"
#include "lib/json.h"

#define JOINS "\"NetworkMode\":\"container:later\""

static yyjson_doc *parse(const char *text)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

	assert_non_null(doc);
	return doc;
}

/* Whom it joins may have come after it: what could not be looked at then is looked at now. */
static void whom_it_joins_came_later(void **state)
{
	static const struct {
		const char *host, *labels;
		uint32_t others;  /* the ids of whom it joins */
		const char *said; /* NULL: it starts */
	} rows[] = {
		{"{" JOINS "}", "{}", 0, NULL},
		{"{" JOINS "}", "{}", USERNS_FIRST, NULL},
		{"{" JOINS "}", "{\"wherry.userns\":\"private\"}", USERNS_FIRST, NULL},
		{"{" JOINS "}", "{\"wherry.userns\":\"private\"}", 0,
			"later shares the node's user namespace"},
		{"{" JOINS ",\"UsernsMode\":\"private\"}", "{}", 0, "later shares the node's user namespace"},
		{"{" JOINS ",\"Privileged\":true}", "{}", 0, NULL},
		{"{" JOINS ",\"Privileged\":true}", "{}", USERNS_FIRST, "privileged mode is incompatible"},
		{"{" JOINS ",\"PidMode\":\"host\"}", "{}", USERNS_FIRST, "PidMode host cannot be combined"},
		{"{" JOINS ",\"PidMode\":\"container:third\"}", "{}", USERNS_FIRST,
			"containers later and third have different user namespaces"},
		/* the node's configuration is for those to come, and this one joins nobody */
		{"{\"Privileged\":true}", "{}", 0, NULL},
	};
	cleanup(json_docp) yyjson_doc *node = parse("{\"engine\":{\"userns\":\"private\"}}"),
				      *none = parse("{}");

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *host = parse(rows[i].host);
		cleanup(freep) char *text = text_make("{\"Labels\":%s}", rows[i].labels), *msg = NULL;
		cleanup(json_docp) yyjson_doc *config = parse(text);
		struct engine e = {.config = node};
		struct container c = {.e = &e,
					 .id = "c",
					 .name = (char *)(uintptr_t)"first",
					 .config = yyjson_doc_get_root(config),
					 .host = yyjson_doc_get_root(host)},
				 later = {.e = &e,
					 .id = "l",
					 .name = (char *)(uintptr_t)"later",
					 .host = yyjson_doc_get_root(none),
					 .id_base = rows[i].others,
					 .state = CONTAINER_RUNNING,
					 .pid = getpid()},
				 third = {.e = &e,
					 .id = "t",
					 .name = (char *)(uintptr_t)"third",
					 .host = yyjson_doc_get_root(none)};
		struct container *list[] = {&c, &later, &third};
		cleanup(closep) int fd = -1;
		int r;

		e.containers = list;
		e.n_containers = array_len(list);
		r = userns_open(&c, &fd, &msg);
		if (rows[i].said) {
			assert_int_equal(r, -EINVAL);
			if (!strstr(msg, rows[i].said))
				fail_msg("%s: %s", rows[i].host, msg);
			continue;
		}
		if (r)
			fail_msg("%s: %s", rows[i].host, msg);
		assert_int_equal(fd >= 0, rows[i].others != 0);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(whom_it_joins_came_later),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
