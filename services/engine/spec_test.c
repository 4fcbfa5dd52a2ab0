/* SPDX-License-Identifier: Apache-2.0 */

/* What a container's process is told: its variables, its ids, its /dev/shm. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/shm.h"
#include "engine/spec.h"

/* The lines one after the other, with a blank between. */
static void variables_are(const char *config, const char *more, bool tty, const char *wanted)
{
	yyjson_doc *own = yyjson_read(config, strlen(config), 0),
		   *exec = more ? yyjson_read(more, strlen(more), 0) : NULL;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	struct container c = {.id = "0123456789abcdef", .config = yyjson_doc_get_root(own)};
	yyjson_mut_val *v, *env = spec_environment(doc, &c, yyjson_doc_get_root(exec), tty, "/srv");
	char seen[512] = "";
	size_t i, n;

	yyjson_mut_arr_foreach(env, i, n, v)
	{
		size_t at = strlen(seen);

		snprintf(seen + at, sizeof(seen) - at, "%s%s", i ? " " : "", yyjson_mut_get_str(v));
	}
	assert_string_equal(seen, wanted);
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(exec);
	yyjson_doc_free(own);
}

static void size_is(unsigned rows, unsigned cols, const char *wanted)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *process = yyjson_mut_obj(doc);
	char *text;

	spec_console_size(doc, process, rows, cols);
	text = yyjson_mut_val_write(process, 0, NULL);
	assert_string_equal(text, wanted);
	free(text);
	yyjson_mut_doc_free(doc);
}

static void sizes_of_terminals(void **state)
{
	size_is(0, 0, "{}");
	size_is(57, 123, "{\"consoleSize\":{\"height\":57,\"width\":123}}");
	size_is(0, 80, "{\"consoleSize\":{\"height\":0,\"width\":80}}");
}

static void variables(void **state)
{
#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	variables_are("{}", NULL, false, PATH " HOSTNAME=0123456789ab HOME=/srv");
	variables_are("{\"Hostname\":\"box\",\"Env\":[\"A=1\",\"B=\",\"A=2\"]}", NULL, true,
		PATH " HOSTNAME=box TERM=xterm A=2 B= HOME=/srv");
	variables_are("{\"Env\":[\"PATH=/bin\",\"HOSTNAME=h\",\"TERM=vt\",\"HOME=/\"]}", NULL, true,
		"PATH=/bin HOSTNAME=h TERM=vt HOME=/");
	/* a name alone takes away; HOME is the user's then */
	variables_are("{\"Env\":[\"PATH\",\"HOSTNAME\",\"TERM\",\"HOME\",\"A=1\",\"A\",\"NONE\"]}", NULL,
		true, "HOME=/srv");
	variables_are("{\"Env\":[\"HOSTNAME\"]}", "[]", false, PATH " HOME=/srv");
	variables_are("{\"Env\":[\"A=1\",\"B=1\"]}", "[\"A\",\"HOSTNAME=x\",\"B=2\",\"PATH\"]", true,
		"HOSTNAME=x TERM=xterm B=2 HOME=/srv");
	variables_are("{\"Env\":[\"AB=1\"]}", "[\"A\"]", false, PATH " HOSTNAME=0123456789ab AB=1 HOME=/srv");
#undef PATH
}

/* 2^32 must not wrap round to root. */
static void ids_out_of_range(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n",
			  said[] = "uids and gids must be in range 0-2147483647";
	static const char *const users[] = {"4294967296", "2147483648", "-1", "root:2147483648", "root:-1",
		":-1", "99999999999999999999"};
	yyjson_doc *add = yyjson_read("[\"2147483648\"]", 14, 0);
	struct spec_user u;
	char *msg = NULL;

	for (size_t i = 0; i < array_len(users); i++) {
		assert_int_equal(spec_user_parse(passwd, NULL, users[i], NULL, &u, &msg), -EINVAL);
		assert_string_equal(msg, said);
		free(msg);
	}
	assert_int_equal(spec_user_parse(passwd, NULL, "root", yyjson_doc_get_root(add), &u, &msg), -EINVAL);
	assert_string_equal(msg, said);
	free(msg);
	yyjson_doc_free(add);
}

/* Where /dev/shm is that others may join; whom somebody joins that does not run has none. */
static void shared_memory(void **state)
{
	static struct {
		char id[65], host[160];
		bool up;
		const char *path;
	} rows[] = {
		{"a", "{\"IpcMode\":\"shareable\"}", true, "/run/a/shm"},
		{"b", "{\"IpcMode\":\"private\"}", true, NULL},
		{"c", "{\"IpcMode\":\"none\"}", true, NULL},
		{"d", "{\"IpcMode\":\"host\"}", true, "/dev/shm"},
		{"e", "{\"IpcMode\":\"container:a\"}", true, "/run/a/shm"},
		{"f", "{\"IpcMode\":\"container:e\"}", true, "/run/a/shm"},
		{"g", "{\"IpcMode\":\"container:b\"}", true, NULL},
		{"h", "{\"IpcMode\":\"shareable\",\"Tmpfs\":{\"/dev/shm\":\"\"}}", true, NULL},
		{"i", "{\"IpcMode\":\"shareable\"}", false, "/run/i/shm"},
		{"j", "{\"IpcMode\":\"container:i\"}", true, NULL},
		{"k", "{\"IpcMode\":\"container:gone\"}", true, NULL},
		{"l", "{}", true, NULL},
		/* ids that have become names of others */
		{"m", "{\"IpcMode\":\"container:n\"}", true, NULL},
		{"n", "{\"IpcMode\":\"container:m\"}", true, NULL},
		{"o", "{\"IpcMode\":\"container:n\"}", true, NULL},
	};
	struct container c[array_len(rows)] = {0}, *list[array_len(rows)];
	struct engine e = {.containers = list, .n_containers = array_len(rows)};
	yyjson_doc *docs[array_len(rows)];

	for (size_t i = 0; i < array_len(rows); i++) {
		docs[i] = yyjson_read(rows[i].host, strlen(rows[i].host), 0);
		c[i] = (struct container){.e = &e,
			.name = rows[i].id,
			.run = text_make("/run/%s", rows[i].id),
			.host = yyjson_doc_get_root(docs[i]),
			.state = rows[i].up ? CONTAINER_RUNNING : CONTAINER_EXITED};
		strcpy(c[i].id, rows[i].id);
		list[i] = &c[i];
	}
	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *path = shm_path(&c[i]);

		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		else
			assert_null(path);
	}
	for (size_t i = 0; i < array_len(rows); i++) {
		yyjson_doc_free(docs[i]);
		free(c[i].run);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(sizes_of_terminals),
		cmocka_unit_test(variables),
		cmocka_unit_test(ids_out_of_range),
		cmocka_unit_test(shared_memory),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
