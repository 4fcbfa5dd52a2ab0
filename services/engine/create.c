/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/health.h"
#include "engine/image.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "engine/lifecycle.h"
#include "engine/names.h"
#include "engine/options.h"
#include "engine/paths.h"
#include "engine/pod.h"
#include "engine/userns.h"
#include "lib/log.h"

/* ---- merging with the image */

static void copy_member(yyjson_mut_doc *doc, yyjson_mut_val *out, const char *key, yyjson_val *v)
{
	yyjson_mut_obj_put(
		out, yyjson_mut_strcpy(doc, key), v ? yyjson_val_mut_copy(doc, v) : yyjson_mut_null(doc));
}

static bool same_variable(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return !strncmp(a, b, n) && (b[n] == '=' || !b[n]);
}

static void merge_env(yyjson_mut_doc *doc, yyjson_mut_val *out, yyjson_val *user, yyjson_val *image)
{
	yyjson_mut_val *env = yyjson_mut_arr(doc);
	size_t i, n, j, m;
	yyjson_val *v, *u;

	yyjson_arr_foreach (user, i, n, v)
		yyjson_mut_arr_append(env, yyjson_val_mut_copy(doc, v));
	yyjson_arr_foreach (image, i, n, v) {
		bool given = !yyjson_is_str(v);

		yyjson_arr_foreach (user, j, m, u)
			given = given || same_variable(yyjson_get_str(u), yyjson_get_str(v));
		if (!given)
			yyjson_mut_arr_append(env, yyjson_val_mut_copy(doc, v));
	}
	yyjson_mut_obj_put(out, yyjson_mut_str(doc, "Env"), env);
}

static void merge_map(
	yyjson_mut_doc *doc, yyjson_mut_val *out, const char *key, yyjson_val *user, yyjson_val *image)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (image, i, n, k, v)
		yyjson_mut_obj_put(o, yyjson_val_mut_copy(doc, k), yyjson_val_mut_copy(doc, v));
	json_obj_foreach (user, i, n, k, v)
		yyjson_mut_obj_put(o, yyjson_val_mut_copy(doc, k), yyjson_val_mut_copy(doc, v));
	yyjson_mut_obj_put(out, yyjson_mut_strcpy(doc, key), o);
}

/* A string stands for a list of one: the shell form of old clients. */
static yyjson_mut_val *as_list(yyjson_mut_doc *doc, yyjson_val *v)
{
	yyjson_mut_val *arr;

	if (!yyjson_is_str(v))
		return v && yyjson_is_arr(v) ? yyjson_val_mut_copy(doc, v) : yyjson_mut_null(doc);
	arr = yyjson_mut_arr(doc);
	yyjson_mut_arr_append(arr, yyjson_val_mut_copy(doc, v));
	return arr;
}

static bool empty_list(yyjson_val *v)
{
	return json_blank(v);
}

void create_merge(yyjson_mut_doc *doc, yyjson_mut_val *out, yyjson_val *user, yyjson_val *image)
{
	yyjson_val *entry = yyjson_obj_get(user, "Entrypoint"), *cmd = yyjson_obj_get(user, "Cmd");
	static const char *const texts[] = {"WorkingDir", "User", "StopSignal"};
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (user, i, n, k, v)
		if (!options_is_beside(yyjson_get_str(k)))
			copy_member(doc, out, yyjson_get_str(k), v);

	/* [""] is how a client says "no entrypoint at all". */
	if (yyjson_arr_size(entry) == 1 && json_blank(yyjson_arr_get_first(entry))) {
		entry = NULL;
	} else if (empty_list(entry)) {
		if (empty_list(cmd))
			cmd = json_arr(image, "Cmd");
		entry = json_arr(image, "Entrypoint");
	}
	yyjson_mut_obj_put(out, yyjson_mut_str(doc, "Entrypoint"), as_list(doc, entry));
	yyjson_mut_obj_put(out, yyjson_mut_str(doc, "Cmd"), as_list(doc, cmd));
	merge_env(doc, out, json_arr(user, "Env"), json_arr(image, "Env"));
	merge_map(doc, out, "ExposedPorts", json_obj(user, "ExposedPorts"), json_obj(image, "ExposedPorts"));
	merge_map(doc, out, "Labels", json_obj(user, "Labels"), json_obj(image, "Labels"));
	merge_map(doc, out, "Volumes", json_obj(user, "Volumes"), json_obj(image, "Volumes"));
	for (i = 0; i < array_len(texts); i++) {
		v = yyjson_obj_get(user, texts[i]);
		if (!json_text(user, texts[i]))
			v = json_text(image, texts[i]) ? yyjson_obj_get(image, texts[i]) : v;
		if (v)
			copy_member(doc, out, texts[i], v);
	}
	copy_member(doc, out, "OnBuild", json_arr(image, "OnBuild"));
	if (json_arr(image, "Shell") && !json_arr(user, "Shell"))
		copy_member(doc, out, "Shell", json_arr(image, "Shell"));

	yyjson_mut_val *health =
		health_config_merge(doc, json_obj(user, "Healthcheck"), json_obj(image, "Healthcheck"));

	yyjson_mut_obj_remove_key(out, "Healthcheck");
	if (health)
		yyjson_mut_obj_add_val(doc, out, "Healthcheck", health);
}

/* ---- one request */

struct creation {
	uint32_t id_base; /* userns.h */
	struct engine *e;
	char id[65];
	const char *name;
	char invented[NAME_TEXT_MAX];
	yyjson_val *root, *host, *networking;
	int minor;		 /* of the API version asked */
	struct pod *pod;	 /* it is to belong to, or NULL */
	const struct image *img; /* a reference */
	yyjson_doc *img_config;	 /* owned */
	yyjson_mut_doc *doc;	 /* owned */
	yyjson_mut_val *warnings;
	bool absent; /* the image, or the pod it is to belong to */
	int err;
	char *msg; /* owned */
};

static bool fail(struct creation *k, int err, char *msg)
{
	k->err = err;
	free(k->msg);
	k->msg = msg;
	return false;
}

static bool find_image(struct creation *k, const char *platform)
{
	const char *name = json_text(k->root, "Image");
	int err;

	if (!name)
		return fail(k, -EINVAL,
			text_make(json_blank(yyjson_obj_get(k->root, "Cmd")) &&
						  json_blank(yyjson_obj_get(k->root, "Entrypoint"))
					  ? "no command specified"
					  : "no image was named"));
	err = image_store_find(k->e->images, name, &k->img);
	k->absent = err == -ENOENT;
	if (err)
		return fail(k, err == -ENOENT ? -ENOENT : -EINVAL,
			err == -ENOENT ? text_make("No such image: %s", name)
				       : text_make("invalid reference format: %.256s", name));
	if (platform && *platform) {
		cleanup(freep) char *ours = text_make("%s/%s", k->img->os, k->img->architecture);
		size_t n = ours ? strlen(ours) : 0;

		/* "linux/arm64" fits an image for linux/arm64/v8, and "arm64" alone is taken for the
		 * architecture. */
		k->absent = ours && strncmp(platform, ours, n) != 0 &&
			    strcmp(platform, k->img->architecture) != 0 && strcmp(platform, k->img->os) != 0;
		if (k->absent)
			return fail(k, -ENOENT,
				text_make(
					"image with reference %s was found but its platform (%s) does not match the "
					"specified platform (%s)",
					name, ours, platform));
	}
	err = image_config(k->img, &k->img_config);
	return !err ||
	       fail(k, err,
		       text_make("the configuration of image %s cannot be read: %s", name, errno_text(-err)));
}

static void default_member(struct creation *k, yyjson_mut_val *o, const char *key, yyjson_mut_val *v)
{
	yyjson_mut_val *old = yyjson_mut_obj_get(o, key);

	if (!old || yyjson_mut_is_null(old) || (yyjson_mut_is_str(old) && !yyjson_mut_get_len(old)))
		yyjson_mut_obj_put(o, yyjson_mut_str(k->doc, key), v);
}

static void host_defaults(struct creation *k, yyjson_mut_val *host)
{
	yyjson_mut_doc *d = k->doc;
	yyjson_mut_val *log = yyjson_mut_obj_get(host, "LogConfig"),
		       *policy = yyjson_mut_obj_get(host, "RestartPolicy");
	int64_t shm = json_int(k->host, "ShmSize", 0);

	default_member(k, host, "NetworkMode", yyjson_mut_str(d, "bridge"));
	if (yyjson_mut_equals_str(yyjson_mut_obj_get(host, "NetworkMode"), "default"))
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "NetworkMode"), yyjson_mut_str(d, "bridge"));
	/* clients from before 1.40 expect that others can join */
	default_member(k, host, "IpcMode", yyjson_mut_str(d, k->minor < 40 ? "shareable" : "private"));
	default_member(k, host, "CgroupnsMode", yyjson_mut_str(d, "private"));
	if (json_text(k->root, "Runtime"))
		default_member(k, host, "Runtime", yyjson_mut_strcpy(d, json_text(k->root, "Runtime")));
	default_member(k, host, "Runtime", yyjson_mut_str(d, "wherry"));
	options_default_swap(d, host);
	if (shm <= 0)
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "ShmSize"), yyjson_mut_int(d, 64 << 20));
	if (!yyjson_mut_is_obj(log)) {
		log = yyjson_mut_obj(d);
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "LogConfig"), log);
	}
	default_member(k, log, "Type", yyjson_mut_str(d, "json-file"));
	default_member(k, log, "Config", yyjson_mut_obj(d));
	if (!yyjson_mut_is_obj(policy)) {
		policy = yyjson_mut_obj(d);
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "RestartPolicy"), policy);
		yyjson_mut_obj_add_int(d, policy, "MaximumRetryCount", 0);
	}
	default_member(k, policy, "Name", yyjson_mut_str(d, "no"));
}

/*
 * "container:NAME" becomes "container:ID", which survives renaming. As in Docker, whose network is joined may be made later;
 * whose IPC or processes are has to be there.
 */
static bool pin_modes(struct creation *k, yyjson_mut_val *host)
{
	static const struct {
		const char *key;
		bool needed;
	} modes[] = {{"NetworkMode", false}, {"IpcMode", true}, {"PidMode", true}};

	for (size_t i = 0; i < array_len(modes); i++) {
		const char *mode = json_text(k->host, modes[i].key);
		cleanup(freep) char *text = NULL;
		struct container *c = NULL;

		if (!mode || strncmp(mode, "container:", 10) != 0)
			continue;
		if (container_find(k->e, mode + 10, &c)) {
			if (modes[i].needed)
				return fail(k, -EINVAL, text_make("No such container: %.256s", mode + 10));
			continue;
		}
		text = text_make("container:%s", c->id);
		if (!text)
			return fail(k, -ENOMEM, NULL);
		yyjson_mut_obj_put(
			host, yyjson_mut_str(k->doc, modes[i].key), yyjson_mut_strcpy(k->doc, text));
	}
	return true;
}

static bool has_arguments(yyjson_mut_val *config)
{
	yyjson_mut_val *e = yyjson_mut_obj_get(config, "Entrypoint"), *c = yyjson_mut_obj_get(config, "Cmd");

	return yyjson_mut_arr_size(e) || yyjson_mut_arr_size(c);
}

/* As Docker keeps it: "/a//b/../c/" is /a/c. */
static bool clean_workdir(struct creation *k, yyjson_mut_val *config)
{
	const char *given = yyjson_mut_get_str(yyjson_mut_obj_get(config, "WorkingDir"));
	cleanup(freep) char *path = given && *given ? strdup(given) : NULL;

	if (!given || !*given)
		return true;
	if (!path)
		return fail(k, -ENOMEM, NULL);
	if (!path_clean(path))
		return fail(k, -EINVAL,
			text_make(
				"the working directory '%.256s' is invalid, it needs to be an absolute path",
				given));
	yyjson_mut_obj_put(config, yyjson_mut_str(k->doc, "WorkingDir"), yyjson_mut_strcpy(k->doc, path));
	return true;
}

static bool assemble(struct creation *k)
{
	yyjson_val *img = json_obj(yyjson_doc_get_root(k->img_config), "config");
	yyjson_mut_doc *d = k->doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *config, *host, *mounts;
	const char *mode = json_text(k->host, "NetworkMode"), *signal;
	char short_id[13], node_name[HOST_NAME_MAX + 1] = "";
	struct container *other;
	int n;

	if (!o)
		return fail(k, -ENOMEM, NULL);
	yyjson_mut_doc_set_root(d, o);
	config = yyjson_mut_obj(d);
	host = k->host ? yyjson_val_mut_copy(d, k->host) : yyjson_mut_obj(d);
	k->warnings = yyjson_mut_arr(d);
	options_discard(d, host, k->warnings);
	create_merge(d, config, k->root, img);
	if (!has_arguments(config))
		return fail(k, -EINVAL, text_make("no command specified"));
	signal = yyjson_mut_get_str(yyjson_mut_obj_get(config, "StopSignal"));
	if (signal && *signal && signal_parse(signal, &n))
		return fail(k, -EINVAL, text_make("Invalid signal: %.64s", signal));
	if (!clean_workdir(k, config))
		return false;
	snprintf(short_id, sizeof(short_id), "%.12s", k->id);
	/* As in Docker, who is in another's network has the other's name, too: the node's, or a container's. */
	if (mode && !strcmp(mode, "host") && !gethostname(node_name, sizeof(node_name) - 1))
		default_member(k, config, "Hostname", yyjson_mut_strcpy(d, node_name));
	if (mode && !strncmp(mode, "container:", 10)) {
		if (!container_find(k->e, mode + 10, &other) && json_text(other->config, "Hostname"))
			default_member(k, config, "Hostname",
				yyjson_mut_strcpy(d, json_text(other->config, "Hostname")));
	} else {
		default_member(k, config, "Hostname", yyjson_mut_strcpy(d, short_id));
	}
	host_defaults(k, host);
	if (json_text(k->host, "CgroupParent")) {
		char path[CGROUP_PARENT_MAX + 2];

		snprintf(path, sizeof(path), "/%s", json_text(k->host, "CgroupParent"));
		(void)path_clean(path);
		yyjson_mut_obj_put(host, yyjson_mut_str(d, "CgroupParent"), yyjson_mut_strcpy(d, path));
	}
	if (!pin_modes(k, host))
		return false;
	if (yyjson_mut_equals_str(yyjson_mut_obj_get(host, "NetworkMode"), "bridge"))
		container_links_pin(k->e, d, json_arr(k->host, "Links"), host, k->warnings);
	if (yyjson_mut_equals_str(yyjson_mut_obj_get(host, "NetworkMode"), "host") &&
		yyjson_mut_obj_size(yyjson_mut_obj_get(host, "PortBindings")))
		yyjson_mut_arr_add_str(
			d, k->warnings, "Published ports are discarded when using host network mode");
	mounts = mounts_resolve(
		k->e, d, k->host, yyjson_mut_obj_get(config, "Volumes"), true, &k->err, &k->msg);
	if (!mounts)
		return false;

	yyjson_mut_obj_add_strcpy(d, o, "Name", k->name);
	yyjson_mut_obj_add_int(d, o, "Created", wall_ns());
	yyjson_mut_obj_add_strcpy(d, o, "Image", k->img->id);
	if (k->id_base)
		yyjson_mut_obj_add_uint(d, o, "IdBase", k->id_base);
	yyjson_mut_obj_add_val(d, o, "Config", config);
	yyjson_mut_obj_add_val(d, o, "HostConfig", host);
	/* a pod's are the cluster's */
	yyjson_mut_obj_add_val(d, o, "Networks",
		k->pod ? yyjson_mut_obj(d)
		       : container_net_wanted(k->e->networks, d, k->root, k->host, k->networking));
	yyjson_mut_obj_add_val(d, o, "Mounts", mounts);
	if (k->pod)
		pod_create_fill(k->pod, d, o);
	return true;
}

/* Everything under a hidden name, then one rename: a container is there whole or not at all. */
static bool write_out(struct creation *k, struct container **out)
{
	struct engine *e = k->e;
	cleanup(freep) char *tmp = text_make("%s/containers/.new.%s", e->data_dir, k->id);
	cleanup(freep) char *dir = text_make("%s/containers/%s", e->data_dir, k->id);
	yyjson_doc *fixed = yyjson_mut_doc_imut_copy(k->doc, NULL);
	struct container *c = NULL;
	int err = tmp && dir && fixed ? 0 : -ENOMEM;

	if (err)
		yyjson_doc_free(fixed);
	else
		err = container_new(&c, e, k->id, fixed);
	if (!err)
		err = dir_make(tmp, 0711);
	fault_point("create-dir");
	if (!err)
		err = disk_replace_json(tmp, "config.json", k->doc, FILE_DURABLE);
	if (!err) {
		char *real = c->dir;

		c->dir = tmp;
		err = container_save_state(c, FILE_DURABLE);
		c->dir = real;
	}
	fault_point("create-written");
	if (!err && rename(tmp, dir) < 0)
		err = -errno;
	fault_point("create-renamed");
	if (!err)
		err = container_list_add(e, c);
	if (err) {
		if (tmp)
			dir_remove(tmp);
		container_free(c);
		return fail(
			k, err, text_make("the container cannot be written to disk: %s", errno_text(-err)));
	}
	*out = c;
	return true;
}

static bool choose_name(struct creation *k, const char *wanted)
{
	struct container *other;

	if (!wanted || !*wanted) {
		name_invent(k->e, k->invented);
		k->name = k->invented;
		return true;
	}
	k->name = *wanted == '/' ? wanted + 1 : wanted;
	if (!container_name_valid(k->name))
		return fail(k, -EINVAL,
			text_make(
				"Invalid container name (%.256s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
				wanted));
	if (container_name_taken(k->e, k->name) && !container_find(k->e, k->name, &other))
		return fail(k, -EEXIST,
			text_make(
				"Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to "
				"remove (or rename) that container to be able to reuse that name.",
				k->name, other->id));
	return true;
}

/* Until 1.44 the others were joined by requests of their own. */
static bool one_endpoint(struct creation *k)
{
	yyjson_val *all = json_obj(k->networking, "EndpointsConfig"), *key, *ep;
	cleanup(freep) char *names = NULL;
	size_t i, n;

	if (k->minor >= 44 || yyjson_obj_size(all) < 2)
		return true;
	json_obj_foreach (all, i, n, key, ep) {
		char *more = text_make("%s%s%s", names ? names : "", names ? ", " : "", yyjson_get_str(key));

		free(names);
		names = more;
	}
	return fail(k, -EINVAL,
		text_make("Container cannot be created with multiple network endpoints: %.512s",
			names ? names : ""));
}

static bool create(struct creation *k, struct http_req *r, struct container **out)
{
	int err = options_check(k->root, &k->msg);

	if (err) {
		k->err = err;
		return false;
	}
	if (!one_endpoint(k))
		return false;
	if (!pod_create_check(k->e, r, k->root, &k->pod, &k->err, &k->msg)) {
		k->absent = k->err == -ENOENT;
		return false;
	}
	if (random_id(k->id))
		return fail(k, -EIO, text_make("no randomness for an id"));
	if (!choose_name(k, http_query(r, "name")) || !find_image(k, http_query(r, "platform")))
		return false;
	if (!k->pod)
		err = container_net_check(k->e, k->root, k->host, k->networking, &k->msg);
	if (k->pod && json_text(k->host, "UsernsMode"))
		return fail(
			k, -EINVAL, text_make("HostConfig.UsernsMode: the pod decides, by its HostUsers"));
	if (!err && !k->pod)
		err = userns_check(k->e, k->host, json_obj(k->root, "Labels"), &k->msg);
	if (!err && !k->pod)
		err = userns_choose(k->e, k->host, json_obj(k->root, "Labels"), &k->id_base, &k->msg);
	if (err) {
		k->err = err;
		return false;
	}
	return assemble(k) && write_out(k, out);
}

static void on_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root)
{
	struct creation k = {.e = e,
		.minor = api_minor(r),
		.root = root,
		.host = json_obj(root, "HostConfig"),
		.networking = json_obj(root, "NetworkingConfig")};
	struct container *c = NULL;

	if (!yyjson_is_obj(root)) {
		api_error(r, 400, "config cannot be empty in order to create a container");
		return;
	}
	if (create(&k, r, &c)) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_mut_obj(doc);

		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_strcpy(doc, o, "Id", c->id);
		yyjson_mut_obj_add_val(doc, o, "Warnings", yyjson_mut_val_mut_copy(doc, k.warnings));
		events_container(c, "create", NULL);
		api_json(r, 201, doc);
	} else {
		/* To a 404 clients answer with a pull and a second try: of a network or volume that helps nobody. */
		api_error(r, k.err == -ENOENT && !k.absent ? 400 : api_status_of(k.err), "%s",
			k.msg ? k.msg : "out of memory");
	}
	image_unref(k.img);
	yyjson_doc_free(k.img_config);
	yyjson_mut_doc_free(k.doc);
	free(k.msg);
}

void create_handle(struct engine *e, struct http_req *r, const char *arg)
{
	api_body_json(e, r, NULL, options_config, on_body);
}
