/* SPDX-License-Identifier: Apache-2.0 */

/* The variables of a process: the engine's and those of links, the container's over them, an exec's over both. */

#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/files.h"
#include "engine/spec.h"
#include "lib/json.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Where the variable of this name is; the array's size: nowhere. */
static size_t place_of(yyjson_mut_val *env, const char *name, size_t len)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(env, i, n, v)
	{
		const char *s = yyjson_mut_get_str(v);

		if (!strncmp(s, name, len) && s[len] == '=')
			return i;
	}
	return n;
}

/* A name without a value takes the variable away. */
static void put(yyjson_mut_doc *doc, yyjson_mut_val *env, const char *line)
{
	size_t len = strcspn(line, "="), at = place_of(env, line, len);
	bool there = at < yyjson_mut_arr_size(env);

	if (line[len] && there)
		yyjson_mut_arr_replace(env, at, yyjson_mut_strcpy(doc, line));
	else if (line[len])
		yyjson_mut_arr_add_strcpy(doc, env, line);
	else if (there)
		yyjson_mut_arr_remove(env, at);
}

static void put_value(yyjson_mut_doc *doc, yyjson_mut_val *env, const char *name, const char *value)
{
	cleanup(freep) char *line = text_make("%s=%s", name, value);

	if (line)
		put(doc, env, line);
}

yyjson_mut_val *spec_environment(
	yyjson_mut_doc *doc, const struct container *c, yyjson_val *more, bool tty, const char *home)
{
	yyjson_val *const lists[] = {json_arr(c->config, "Env"), more};
	const char *hostname = json_text(c->config, "Hostname");
	yyjson_mut_val *env = yyjson_mut_arr(doc);
	char short_id[13];
	yyjson_val *v;
	size_t i, n;

	snprintf(short_id, sizeof(short_id), "%.12s", c->id);
	put(doc, env, DEFAULT_PATH);
	put_value(doc, env, "HOSTNAME", hostname ? hostname : short_id);
	if (tty)
		put(doc, env, "TERM=xterm");
	container_links_env(c, doc, env);
	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (lists[l], i, n, v)
			if (yyjson_is_str(v))
				put(doc, env, yyjson_get_str(v));
	if (place_of(env, "HOME", 4) == yyjson_mut_arr_size(env))
		put_value(doc, env, "HOME", home);
	return env;
}
