/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See build_api.h. The parameters become the worker's orders; those that the classic protocol has and this engine has
 * not are refused by name.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/build/build_api.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/image_platform.h"
#include "engine/image.h"
#include "engine/image/task_int.h"
#include "engine/images_transfer.h"
#include "engine/lifecycle.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/log.h"

/* ---- what builds leave behind */

static void removed(struct container *c, int err, const char *msg, void *arg)
{
	if (err)
		log_errno(-err, "op=remove-build-container msg=\"%s\"", msg ? msg : "");
}

/* Of a step that failed: it was left on purpose, as Docker leaves it. */
static bool has_failed(const struct container *c)
{
	return c->state == CONTAINER_EXITED && c->exit_code != 0;
}

/* @id NULL: of any build that is over without a word. */
static void remove_containers(struct engine *e, const char *id)
{
	for (size_t i = e->n_containers; i > 0; i--) {
		struct container *c;
		const char *label;

		if (i > e->n_containers)
			continue;
		c = e->containers[i - 1];
		label = json_text(json_obj(c->config, "Labels"), BUILD_LABEL);
		if (!label && id)
			label = json_text(json_obj(c->config, "Labels"), BUILD_KEPT_LABEL);
		if (label && (id ? !strcmp(label, id) : !has_failed(c)))
			lifecycle_remove(c, true, true, removed, NULL);
	}
}

void build_sweep(struct engine *e)
{
	remove_containers(e, NULL);
}

static void given_up(struct engine *e, const char *id)
{
	remove_containers(e, id);
}

/* ---- parameters */

static bool refused(struct http_req *r)
{
	static const struct {
		const char *key, *why;
	} no[] = {
		{"squash",
			"--squash is not supported by this engine: layers are shared, one for all would not be"},
		{"outputs", "--output needs BuildKit, which this engine does not have"},
		{"session", "a BuildKit session is not supported by this engine: set DOCKER_BUILDKIT=0"},
		{"securityopt", "--security-opt is not supported by this engine's builder"},
	};
	const char *version = http_query(r, "version"), *isolation = http_query(r, "isolation");

	if (version && !strcmp(version, "2")) {
		api_error(r, 501, "BuildKit is not supported by this engine: set DOCKER_BUILDKIT=0");
		return true;
	}
	if (version && *version && strcmp(version, "1") != 0) {
		api_error(r, 400, "invalid version %.64s: this engine's builder is 1", version);
		return true;
	}
	if (isolation && *isolation && strcmp(isolation, "default") != 0) {
		api_error(r, 400, "invalid isolation %.64s: only default exists on Linux", isolation);
		return true;
	}
	for (size_t i = 0; i < array_len(no); i++) {
		const char *v = http_query(r, no[i].key);

		if (!v || !*v || !strcmp(v, "0") || !strcmp(v, "false") || !strcmp(v, "null") ||
			!strcmp(v, "[]"))
			continue;
		api_error(r, 501, "%s", no[i].why);
		return true;
	}
	return false;
}

/* A parameter that is JSON, of the type that is wanted. false: it was answered. */
static bool json_param(struct http_req *r, struct image_orders *o, const char *key, const char *as,
	bool (*type)(yyjson_val *))
{
	const char *text = http_query(r, key), *msg;
	yyjson_doc *doc;
	yyjson_val *root;
	bool good;

	if (!text || !*text)
		return true;
	doc = api_parse_json(text, strlen(text), &msg);
	root = yyjson_doc_get_root(doc);
	good = root && (yyjson_is_null(root) || type(root));
	if (!good)
		api_error(r, 400, "the parameter %s is malformed", key);
	else if (!yyjson_is_null(root))
		o->ok = o->ok &&
			yyjson_mut_obj_add_val(o->doc, o->root, as, yyjson_val_mut_copy(o->doc, root));
	yyjson_doc_free(doc);
	return good;
}

static bool is_list(yyjson_val *v)
{
	return yyjson_is_arr(v);
}

static bool is_map(yyjson_val *v)
{
	return yyjson_is_obj(v);
}

static bool tags(struct http_req *r, struct image_orders *o)
{
	const char *names[64];
	yyjson_mut_val *list = o->ok ? yyjson_mut_obj_add_arr(o->doc, o->root, "tags") : NULL;
	size_t n;

	if (!api_query_all(r, "t", names, array_len(names), &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct image_ref ref;

		if (!*names[i])
			continue;
		if (!transfer_new_name(r, names[i], NULL, &ref))
			return false;
		o->ok = o->ok && list && yyjson_mut_arr_add_strcpy(o->doc, list, names[i]);
	}
	return true;
}

/* The limits of the containers that run the commands. */
static bool limits(struct http_req *r, struct image_orders *o)
{
	static const struct {
		const char *key, *member;
	} numbers[] = {{"memory", "Memory"}, {"memswap", "MemorySwap"}, {"cpushares", "CpuShares"},
		{"cpuperiod", "CpuPeriod"}, {"cpuquota", "CpuQuota"}, {"shmsize", "ShmSize"}},
	  texts[] = {{"cpusetcpus", "CpusetCpus"}, {"cpusetmems", "CpusetMems"},
		  {"cgroupparent", "CgroupParent"}};
	yyjson_mut_val *host = o->ok ? yyjson_mut_obj_add_obj(o->doc, o->root, "hostconfig") : NULL;
	const char *hosts = http_query(r, "extrahosts"), *ulimits = http_query(r, "ulimits"), *msg;
	yyjson_doc *doc;

	for (size_t i = 0; i < array_len(numbers); i++) {
		int64_t v = 0;

		if (api_query_int(r, numbers[i].key, &v)) {
			api_error(r, 400, "the parameter %s is no number", numbers[i].key);
			return false;
		}
		if (v)
			o->ok = o->ok && yyjson_mut_obj_add_int(o->doc, host, numbers[i].member, v);
	}
	for (size_t i = 0; i < array_len(texts); i++) {
		const char *v = http_query(r, texts[i].key);

		if (v && *v)
			o->ok = o->ok && yyjson_mut_obj_add_strcpy(o->doc, host, texts[i].member, v);
	}
	if (ulimits && *ulimits) {
		doc = api_parse_json(ulimits, strlen(ulimits), &msg);

		yyjson_val *list = yyjson_doc_get_root(doc);
		bool good = list && (yyjson_is_null(list) || yyjson_is_arr(list));

		if (good && yyjson_arr_size(list))
			o->ok = o->ok && yyjson_mut_obj_add_val(
						 o->doc, host, "Ulimits", yyjson_val_mut_copy(o->doc, list));
		yyjson_doc_free(doc);
		if (!good) {
			api_error(r, 400, "the parameter ulimits is malformed");
			return false;
		}
	}
	if (hosts && *hosts) {
		const char *all[64];
		yyjson_mut_val *list = o->ok ? yyjson_mut_obj_add_arr(o->doc, host, "ExtraHosts") : NULL;
		size_t n;

		if (!api_query_all(r, "extrahosts", all, array_len(all), &n))
			return false;
		/* one parameter each, or one with commas as old clients send it */
		for (size_t i = 0; i < n; i++) {
			cleanup(freep) char *copy = strdup(all[i]);
			char *save = NULL;

			for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w;
				w = strtok_r(NULL, ",", &save))
				o->ok = o->ok && list && yyjson_mut_arr_add_strcpy(o->doc, list, w);
		}
	}
	return true;
}

static bool credentials(struct http_req *r, struct image_orders *o)
{
	const char *header = http_header(r, "X-Registry-Config"), *msg;
	cleanup(freep) char *text = header && *header ? base64_text(header) : NULL;
	yyjson_doc *doc = text ? api_parse_json(text, strlen(text), &msg) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);

	/* as for a pull: what cannot be read is no credentials */
	if (yyjson_is_obj(root))
		o->ok = o->ok &&
			yyjson_mut_obj_add_val(o->doc, o->root, "auths", yyjson_val_mut_copy(o->doc, root));
	yyjson_doc_free(doc);
	return true;
}

static void flag(
	struct http_req *r, struct image_orders *o, const char *key, const char *as, bool absent, bool negate)
{
	o->ok = o->ok &&
		yyjson_mut_obj_add_bool(o->doc, o->root, as, api_query_bool(r, key, absent) != negate);
}

static void build(struct engine *e, struct http_req *r, const char *arg)
{
	const char *remote = http_query(r, "remote"), *platform;
	struct image_orders o;
	char id[65];

	if (refused(r) || !image_platform_specifier(r, &platform))
		return;
	if (random_id(id)) {
		api_error(r, 500, "no randomness for an id");
		return;
	}
	image_orders_init(&o, e->images, "build");
	image_orders_text(&o, "id", id);
	image_orders_text(&o, "socket", e->socket_path);
	image_orders_text(&o, "dockerfile", http_query(r, "dockerfile"));
	image_orders_text(&o, "target", http_query(r, "target"));
	image_orders_text(&o, "platform", platform);
	image_orders_text(&o, "network", http_query(r, "networkmode"));
	image_orders_text(&o, "remote", remote);
	flag(r, &o, "nocache", "nocache", false, false);
	flag(r, &o, "q", "quiet", false, false);
	flag(r, &o, "pull", "pull", false, false);
	flag(r, &o, "rm", "keep", true, true);
	flag(r, &o, "forcerm", "forcerm", false, false);
	if (!tags(r, &o) || !json_param(r, &o, "buildargs", "buildargs", is_map) ||
		!json_param(r, &o, "labels", "labels", is_map) ||
		!json_param(r, &o, "cachefrom", "cachefrom", is_list) || !limits(r, &o) ||
		!credentials(r, &o)) {
		image_orders_fini(&o);
		return;
	}
	transfer_build(e, r, &o, id, given_up);
}

static void cancel(struct engine *e, struct http_req *r, const char *arg)
{
	api_error(r, 501, "cancelling a build by its id is for BuildKit: end the client to end its build");
}

const struct api_route build_routes[] = {
	{HTTP_POST_, "build", build},
	{HTTP_POST_, "build/cancel", cancel},
	{0},
};
