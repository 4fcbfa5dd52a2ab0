/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/archive/sizes.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/image.h"
#include "engine/inspect.h"
#include "engine/lifecycle.h"
#include "engine/mounts.h"
#include "engine/options.h"
#include "engine/spec.h"
#include "engine/system.h"
#include "lib/json.h"

const char *container_public_state(const struct container *c)
{
	if (lifecycle_restarts(c))
		return container_state_name(CONTAINER_RESTARTING);
	switch (c->state) {
	case CONTAINER_STARTING:
		return c->has_run ? "exited" : "created";
	case CONTAINER_EXITING:
		return "exited";
	default:
		return container_state_name(c->state);
	}
}

static void add_state(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *s = yyjson_mut_obj(doc);
	bool restarting = lifecycle_restarts(c);
	char text[36];

	yyjson_mut_obj_add_str(doc, s, "Status", container_public_state(c));
	yyjson_mut_obj_add_bool(doc, s, "Running", container_is_up(c) || restarting);
	yyjson_mut_obj_add_bool(doc, s, "Paused", c->state == CONTAINER_PAUSED);
	yyjson_mut_obj_add_bool(doc, s, "Restarting", restarting);
	yyjson_mut_obj_add_bool(doc, s, "OOMKilled", c->oom_killed);
	yyjson_mut_obj_add_bool(doc, s, "Dead", c->state == CONTAINER_DEAD);
	yyjson_mut_obj_add_int(doc, s, "Pid", container_is_up(c) ? c->pid : 0);
	yyjson_mut_obj_add_int(doc, s, "ExitCode", c->exit_code);
	yyjson_mut_obj_add_str(doc, s, "Error", c->error ? c->error : "");
	yyjson_mut_obj_add_strcpy(doc, s, "StartedAt", time_text(text, c->started_ns));
	yyjson_mut_obj_add_strcpy(doc, s, "FinishedAt", time_text(text, c->finished_ns));
	if (c->health)
		yyjson_mut_obj_add_val(doc, s, "Health", health_json(c, doc));
	yyjson_mut_obj_add_val(doc, o, "State", s);
}

static void add_file(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, struct container *c, const char *name)
{
	cleanup(freep) char *path = text_make("%s/%s", c->dir, name);

	yyjson_mut_obj_add(o, yyjson_mut_str(doc, key), yyjson_mut_strcpy(doc, path ? path : ""));
}

/* The program and its arguments, as if in one list. */
static void add_command(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *args = yyjson_mut_arr(doc);
	const char *path = NULL;
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (json_arr(c->config, "Entrypoint"), i, n, v) {
		if (path)
			yyjson_mut_arr_add_str(doc, args, yyjson_get_str(v));
		else
			path = yyjson_get_str(v);
	}
	yyjson_arr_foreach (json_arr(c->config, "Cmd"), i, n, v) {
		if (path)
			yyjson_mut_arr_add_str(doc, args, yyjson_get_str(v));
		else
			path = yyjson_get_str(v);
	}
	yyjson_mut_obj_add_str(doc, o, "Path", path ? path : "");
	yyjson_mut_obj_add_val(doc, o, "Args", args);
}

static void add_driver(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_mut_val *g = yyjson_mut_obj(doc), *data = yyjson_mut_obj(doc);
	cleanup(freep) char *merged = text_make("%s/rootfs", c->run);

	const struct image *img = NULL;

	yyjson_mut_obj_add_str(doc, g, "Name", "overlay2");
	if (!image_store_find(c->e->images, c->image_id, &img)) {
		image_add_dirs(img, doc, data, "LowerDir", img->n_layers);
		image_unref(img);
	}
	add_file(doc, data, "UpperDir", c, "upper");
	add_file(doc, data, "WorkDir", c, "work");
	yyjson_mut_obj_add_strcpy(doc, data, "MergedDir", merged ? merged : "");
	yyjson_mut_obj_add_val(doc, g, "Data", data);
	yyjson_mut_obj_add_val(doc, o, "GraphDriver", g);
}

/* Clients before API 1.44 look for it here, whoever asked for it where. */
static void add_mac(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *config)
{
	const char *mac = container_net_mac(c);

	if (mac)
		yyjson_mut_obj_put(config, yyjson_mut_str(doc, "MacAddress"), yyjson_mut_strcpy(doc, mac));
}

yyjson_mut_val *container_json(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	cleanup(freep) char *name = text_make("/%s", c->name);
	char text[36];

	yyjson_mut_obj_add_strcpy(doc, o, "Id", c->id);
	yyjson_mut_obj_add_strcpy(doc, o, "Created", time_text(text, c->created_ns));
	add_command(c, doc, o);
	add_state(c, doc, o);
	yyjson_mut_obj_add_str(doc, o, "Image", c->image_id);
	add_file(doc, o, "ResolvConfPath", c, "resolv.conf");
	add_file(doc, o, "HostnamePath", c, "hostname");
	add_file(doc, o, "HostsPath", c, "hosts");
	add_file(doc, o, "LogPath", c, "log");
	yyjson_mut_obj_add_strcpy(doc, o, "Name", name ? name : "");
	yyjson_mut_obj_add_uint(doc, o, "RestartCount", c->restarts);
	yyjson_mut_obj_add_str(doc, o, "Driver", "overlay2");
	yyjson_mut_obj_add_str(doc, o, "Platform", "linux");
	yyjson_mut_obj_add_str(doc, o, "MountLabel", "");
	yyjson_mut_obj_add_str(doc, o, "ProcessLabel", "");
	yyjson_mut_obj_add_str(doc, o, "AppArmorProfile", "");
	yyjson_mut_obj_add_val(doc, o, "ExecIDs", exec_ids(c, doc));
	json_copy(doc, o, "HostConfig", c->host);
	container_links_show(c, doc, yyjson_mut_obj_get(o, "HostConfig"));
	spec_paths_fill(doc, yyjson_mut_obj_get(o, "HostConfig"));
	options_fill(doc, yyjson_mut_obj_get(o, "HostConfig"), true);
	add_driver(c, doc, o);
	yyjson_mut_obj_add_val(doc, o, "Mounts", mounts_json(c, doc));
	json_copy(doc, o, "Config", c->config);
	options_fill(doc, yyjson_mut_obj_get(o, "Config"), false);
	add_mac(c, doc, yyjson_mut_obj_get(o, "Config"));
	yyjson_mut_obj_add_val(doc, o, "NetworkSettings", container_net_settings(c, doc, false));
	return o;
}

void container_add_sizes(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *o, const struct sizes *s)
{
	int64_t rw = sizes_container(s, c);
	const struct image *img = NULL;

	if (rw < 0)
		return;
	yyjson_mut_obj_add_int(doc, o, "SizeRw", rw);
	if (image_store_find(c->e->images, c->image_id, &img))
		return;
	yyjson_mut_obj_add_int(doc, o, "SizeRootFs", rw + (int64_t)img->size_bytes);
	image_unref(img);
}

static void answer(struct http_req *r, struct container *c, const struct sizes *s)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = container_json(c, doc);

	if (s)
		container_add_sizes(c, doc, o, s);
	yyjson_mut_doc_set_root(doc, o);
	api_json(r, 200, doc);
}

static void answer_sized(struct engine *e, struct http_req *r, const struct sizes *s)
{
	struct container *c = container_or_404(e, r, sizes_only(s));

	if (c)
		answer(r, c, s);
}

void container_inspect(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);

	if (!c)
		return;
	if (api_query_bool(r, "size", false))
		sizes_count(e, r, &(struct sizes_wanted){.container = sizes_this_container, .arg = c},
			answer_sized);
	else
		answer(r, c, NULL);
}
