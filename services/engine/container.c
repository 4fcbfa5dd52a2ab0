/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The list of containers, and a container on disk.
 */

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/health.h"
#include "lib/json.h"
#include "engine/lifecycle.h"
#include "engine/output.h"
#include "lib/log.h"

enum { CONFIG_MAX = 8 << 20, STATE_MAX = 64 << 10 };

static const char *const state_names[CONTAINER_STATES] = {
	[CONTAINER_CREATED] = "created",
	[CONTAINER_STARTING] = "starting",
	[CONTAINER_RUNNING] = "running",
	[CONTAINER_PAUSED] = "paused",
	[CONTAINER_EXITING] = "exiting",
	[CONTAINER_EXITED] = "exited",
	[CONTAINER_RESTARTING] = "restarting",
	[CONTAINER_REMOVING] = "removing",
	[CONTAINER_DEAD] = "dead",
};

const char *container_state_name(enum container_state s)
{
	return state_names[s];
}

bool container_log_none(const struct container *c)
{
	const char *type = json_text(json_obj(c->host, "LogConfig"), "Type");

	return type && !strcmp(type, "none");
}

static int state_of_name(const char *name)
{
	for (int i = 0; name && i < CONTAINER_STATES; i++)
		if (!strcmp(state_names[i], name))
			return i;
	return -1;
}

int container_find(struct engine *e, const char *name, struct container **out)
{
	size_t len = strlen(name);
	struct container *found = NULL;

	if (*name == '/')
		name++;
	for (size_t i = 0; i < e->n_containers; i++) {
		struct container *c = e->containers[i];

		if (!strcmp(c->id, name) || !strcmp(c->name, name)) {
			*out = c;
			return 0;
		}
	}
	/* No name and no id has one inside. */
	if (strchr(name, '/'))
		return container_links_find(e, name, out);
	for (size_t i = 0; len && i < e->n_containers; i++) {
		if (strncmp(e->containers[i]->id, name, len) != 0)
			continue;
		if (found)
			return -ENOTUNIQ;
		found = e->containers[i];
	}
	if (!found)
		return -ENOENT;
	*out = found;
	return 0;
}

char *container_find_fault(int err, const char *name)
{
	return err == -ENOTUNIQ ? text_make("several containers have an id that begins with %s", name)
				: text_make("No such container: %s", name);
}

struct container *container_or_404(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = NULL;
	int err = container_find(e, name, &c);

	if (err) {
		cleanup(freep) char *why = container_find_fault(err, name);

		api_error(r, api_status_of(err), "%s", why ? why : "out of memory");
	}
	return err ? NULL : c;
}

bool container_name_taken(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_containers; i++)
		if (!strcmp(e->containers[i]->name, name))
			return true;
	return false;
}

bool container_name_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name);

	if (len < 2 || len > 200 || !strchr(first, name[0]))
		return false;
	return strspn(name + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	       len - 1;
}

/* false: without memory. */
static bool read_networks(struct container *c, yyjson_val *root)
{
	yyjson_doc *old = c->net_wishes_old;

	c->net_wishes_old = NULL;
	c->net_wishes = json_obj(root, "Networks");
	if (!c->net_wishes) {
		c->net_wishes_old =
			container_net_of_old(c->config, c->host, json_obj(root, "NetworkingConfig"));
		c->net_wishes = yyjson_doc_get_root(c->net_wishes_old);
	}
	yyjson_doc_free(old);
	return c->net_wishes;
}

/* Points the container's fields into its document. */
static int read_config(struct container *c)
{
	yyjson_val *root = yyjson_doc_get_root(c->doc);
	const char *name = json_str(root, "Name");
	cleanup(freep) char *copy = name ? strdup(name) : NULL;

	c->config = json_obj(root, "Config");
	c->host = json_obj(root, "HostConfig");
	c->mounts = json_arr(root, "Mounts");
	c->links = container_links_in(c->host);
	c->image_id = json_str(root, "Image");
	c->image_name = json_str(c->config, "Image");
	if (!name || !c->config || !c->host || !c->image_id)
		return -EBADMSG;
	if (!copy || !read_networks(c, root))
		return -ENOMEM;
	free(c->name);
	c->name = take(copy);
	c->created_ns = json_int(root, "Created", 0);
	c->id_base = (uint32_t)json_int(root, "IdBase", 0);
	c->tty = json_bool(c->config, "Tty");
	c->open_stdin = json_bool(c->config, "OpenStdin");
	c->stdin_once = json_bool(c->config, "StdinOnce");
	return 0;
}

int container_new(struct container **out, struct engine *e, const char *id, yyjson_doc *doc)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c) {
		yyjson_doc_free(doc);
		return -ENOMEM;
	}
	c->e = e;
	c->doc = doc;
	c->pidfd = -1;
	snprintf(c->id, sizeof(c->id), "%s", id);
	c->dir = text_make("%s/containers/%s", e->data_dir, id);
	c->run = text_make("%s/%s", e->run_dir, id);

	int err = c->dir && c->run ? read_config(c) : -ENOMEM;

	if (err) {
		container_free(c);
		return err;
	}
	*out = c;
	return 0;
}

int container_list_add(struct engine *e, struct container *c)
{
	if (e->n_containers == e->cap_containers) {
		size_t cap = e->cap_containers ? e->cap_containers * 2 : 32;
		struct container **more = realloc(e->containers, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->containers = more;
		e->cap_containers = cap;
	}

	size_t i = e->n_containers++;

	while (i && e->containers[i - 1]->created_ns > c->created_ns) {
		e->containers[i] = e->containers[i - 1];
		i--;
	}
	e->containers[i] = c;
	return 0;
}

void container_list_remove(struct container *c)
{
	struct engine *e = c->e;

	for (size_t i = 0; i < e->n_containers; i++) {
		if (e->containers[i] != c)
			continue;
		memmove(&e->containers[i], &e->containers[i + 1],
			(e->n_containers - i - 1) * sizeof(e->containers[0]));
		e->n_containers--;
		return;
	}
}

void container_free(struct container *c)
{
	if (!c)
		return;
	loop_timer_del(&c->restart_timer);
	health_free(c);
	lifecycle_forget(c);
	output_unref(c->output);
	closep(&c->pidfd);
	yyjson_doc_free(c->doc);
	yyjson_doc_free(c->net_wishes_old);
	free(c->name);
	free(c->dir);
	free(c->run);
	free(c->error);
	free(c);
}

void container_set_error(struct container *c, const char *fmt, ...)
{
	va_list ap;

	free(c->error);
	c->error = NULL;
	if (!fmt)
		return;
	va_start(ap, fmt);
	if (vasprintf(&c->error, fmt, ap) < 0)
		c->error = NULL;
	va_end(ap);
}

int container_save_state(struct container *c, unsigned flags)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;

	if (!o)
		return log_errno(ENOMEM, "container=%.12s op=save-state", c->id);
	yyjson_mut_doc_set_root(doc, o);

	bool ok = yyjson_mut_obj_add_str(doc, o, "State", state_names[c->state]) &&
		  yyjson_mut_obj_add_int(doc, o, "Pid", c->pid) &&
		  yyjson_mut_obj_add_int(doc, o, "ExitCode", c->exit_code) &&
		  yyjson_mut_obj_add_bool(doc, o, "OOMKilled", c->oom_killed) &&
		  yyjson_mut_obj_add_bool(doc, o, "StoppedByUser", c->stopped_by_user) &&
		  yyjson_mut_obj_add_bool(doc, o, "HasRun", c->has_run) &&
		  yyjson_mut_obj_add_uint(doc, o, "RestartCount", c->restarts) &&
		  yyjson_mut_obj_add_int(doc, o, "StartedAt", c->started_ns) &&
		  yyjson_mut_obj_add_int(doc, o, "FinishedAt", c->finished_ns) &&
		  (!c->error || yyjson_mut_obj_add_str(doc, o, "Error", c->error));

	if (!ok)
		return log_errno(ENOMEM, "container=%.12s op=save-state", c->id);
	return disk_replace_json(c->dir, "state.json", doc, flags);
}

static int read_state(struct container *c)
{
	char path[4200];
	cleanup(json_docp) yyjson_doc *doc = NULL;

	snprintf(path, sizeof(path), "%s/state.json", c->dir);

	int err = disk_read_json(path, STATE_MAX, &doc);

	if (err)
		return err;

	yyjson_val *o = yyjson_doc_get_root(doc);
	int state = state_of_name(json_str(o, "State"));

	if (state < 0)
		return -EBADMSG;
	c->state = (enum container_state)state;
	c->pid = (int)json_int(o, "Pid", 0);
	c->exit_code = (int)json_int(o, "ExitCode", 0);
	c->oom_killed = json_bool(o, "OOMKilled");
	c->stopped_by_user = json_bool(o, "StoppedByUser");
	c->has_run = json_bool(o, "HasRun");
	c->restarts = (unsigned)json_int(o, "RestartCount", 0);
	c->started_ns = json_int(o, "StartedAt", 0);
	c->finished_ns = json_int(o, "FinishedAt", 0);
	if (json_text(o, "Error"))
		container_set_error(c, "%s", json_text(o, "Error"));
	return 0;
}

yyjson_mut_doc *container_config_copy(struct container *c)
{
	return yyjson_doc_mut_copy(c->doc, NULL);
}

int container_save_config(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_doc *fresh = yyjson_mut_doc_imut_copy(doc, NULL);

	if (!fresh)
		return log_errno(ENOMEM, "container=%.12s op=save-config", c->id);

	int err = disk_replace_json(c->dir, "config.json", doc, FILE_DURABLE);

	if (err) {
		yyjson_doc_free(fresh);
		return err;
	}

	yyjson_doc *old = c->doc;

	c->doc = fresh;
	err = read_config(c);
	if (err) {
		c->doc = old;
		yyjson_doc_free(fresh);
		return read_config(c) ? -EBADMSG : err;
	}
	yyjson_doc_free(old);
	return 0;
}

static int load_one(struct engine *e, const char *id)
{
	cleanup(freep) char *path = text_make("%s/containers/%s/config.json", e->data_dir, id);
	struct container *c = NULL;
	yyjson_doc *doc = NULL;

	if (!path)
		return -ENOMEM;

	int err = disk_read_json(path, CONFIG_MAX, &doc);

	if (!err)
		err = container_new(&c, e, id, doc);
	if (!err)
		err = read_state(c);
	if (!err)
		err = container_list_add(e, c);
	if (err)
		container_free(c);
	return err;
}

int containers_load(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/containers", e->data_dir);
	DIR *d = dir ? opendir(dir) : NULL;

	if (!d)
		return log_errno(errno, "op=load-containers");
	for (struct dirent *ent; (ent = readdir(d));) {
		if (strlen(ent->d_name) != 64 || strspn(ent->d_name, "0123456789abcdef") != 64)
			continue;
		int err = load_one(e, ent->d_name);

		if (err)
			log_errno(-err, "container=%.12s op=load msg=\"left alone\"", ent->d_name);
	}
	closedir(d);
	return 0;
}

void containers_free(struct engine *e)
{
	for (size_t i = 0; i < e->n_containers; i++)
		container_free(e->containers[i]);
	free(e->containers);
	e->containers = NULL;
	e->n_containers = e->cap_containers = 0;
}
