/* SPDX-License-Identifier: Apache-2.0 */

/* GET /containers/json, as docker ps asks for it. */

#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/archive/sizes.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "engine/health.h"
#include "engine/image.h"
#include "engine/inspect.h"
#include "engine/lifecycle.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "lib/json.h"

enum { ANCESTORS_MAX = 256, ANNOTATIONS_MINOR = 46 /* clients before it do not know them of a list */ };

/* "3 minutes", "About an hour": how Docker rounds. */
static void duration_text(int64_t s, char *out, size_t size)
{
	int64_t m = s / 60, h = (s + 1800) / 3600;

	if (s < 1)
		snprintf(out, size, "Less than a second");
	else if (s == 1)
		snprintf(out, size, "1 second");
	else if (s < 60)
		snprintf(out, size, "%lld seconds", (long long)s);
	else if (m == 1)
		snprintf(out, size, "About a minute");
	else if (m < 60)
		snprintf(out, size, "%lld minutes", (long long)m);
	else if (h == 1)
		snprintf(out, size, "About an hour");
	else if (h < 48)
		snprintf(out, size, "%lld hours", (long long)h);
	else if (h < 24 * 14)
		snprintf(out, size, "%lld days", (long long)(h / 24));
	else if (h < 24 * 60)
		snprintf(out, size, "%lld weeks", (long long)(h / 24 / 7));
	else if (h < 24 * 365 * 2)
		snprintf(out, size, "%lld months", (long long)(h / 24 / 30));
	else
		snprintf(out, size, "%lld years", (long long)(h / 24 / 365));
}

void container_status_text(struct container *c, int64_t now_ns, char out[96])
{
	char d[32];

	if (lifecycle_restarts(c)) {
		duration_text((now_ns - c->finished_ns) / 1000000000, d, sizeof(d));
		snprintf(out, 96, "Restarting (%d) %s ago", c->exit_code, d);
		return;
	}
	switch (c->state) {
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		duration_text((now_ns - c->started_ns) / 1000000000, d, sizeof(d));
		if (c->state == CONTAINER_PAUSED)
			snprintf(out, 96, "Up %s (Paused)", d);
		else if (health_status(c) == HEALTH_NONE)
			snprintf(out, 96, "Up %s", d);
		else
			snprintf(out, 96, "Up %s (%s%s)", d,
				health_status(c) == HEALTH_STARTING ? "health: " : "",
				health_status_name(health_status(c)));
		return;
	case CONTAINER_REMOVING:
		snprintf(out, 96, "Removal In Progress");
		return;
	case CONTAINER_DEAD:
		snprintf(out, 96, "Dead");
		return;
	default:
		if (!c->has_run) {
			snprintf(out, 96, "Created");
			return;
		}
		duration_text((now_ns - c->finished_ns) / 1000000000, d, sizeof(d));
		snprintf(out, 96, "Exited (%d) %s ago", c->exit_code, d);
	}
}

/* The command as one line, as docker ps shows it. */
static char *command_text(struct container *c)
{
	char *text = strdup("");
	size_t i, n;
	yyjson_val *v;

	for (int part = 0; part < 2; part++) {
		yyjson_arr_foreach (json_arr(c->config, part ? "Cmd" : "Entrypoint"), i, n, v) {
			const char *s = yyjson_get_str(v);
			bool quote = strchr(s, ' ') != NULL;
			char *more = text ? text_make("%s%s%s%s%s", text, *text ? " " : "", quote ? "'" : "",
						    s, quote ? "'" : "")
					  : NULL;

			free(text);
			text = more;
		}
	}
	return text;
}

/* The name it was made with, as long as that is the same image's; then the id. */
static const char *image_text(struct container *c)
{
	const struct image *img = NULL;
	bool same;

	if (!c->image_name || image_store_find(c->e->images, c->image_name, &img))
		return c->image_id;
	same = !strcmp(img->id, c->image_id);
	image_unref(img);
	return same ? c->image_name : c->image_id;
}

yyjson_mut_val *container_summary(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *host = yyjson_mut_obj(doc);
	cleanup(freep) char *command = command_text(c);
	char status[96];

	container_status_text(c, wall_ns(), status);
	yyjson_mut_obj_add_strcpy(doc, o, "Id", c->id);
	yyjson_mut_obj_add_val(doc, o, "Names", container_links_names(c, doc));
	yyjson_mut_obj_add_str(doc, o, "Image", image_text(c));
	yyjson_mut_obj_add_str(doc, o, "ImageID", c->image_id);
	yyjson_mut_obj_add_strcpy(doc, o, "Command", command ? command : "");
	yyjson_mut_obj_add_int(doc, o, "Created", c->created_ns / 1000000000);
	yyjson_mut_obj_add_val(doc, o, "Ports", container_net_ports(c, doc));
	json_copy(doc, o, "Labels", json_obj(c->config, "Labels"));
	yyjson_mut_obj_add_str(doc, o, "State", container_public_state(c));
	yyjson_mut_obj_add_strcpy(doc, o, "Status", status);
	yyjson_mut_obj_add_strcpy(doc, host, "NetworkMode", container_net_mode(c));
	if (yyjson_obj_size(json_obj(c->host, "Annotations")))
		json_copy(doc, host, "Annotations", json_obj(c->host, "Annotations"));
	yyjson_mut_obj_add_val(doc, o, "HostConfig", host);
	yyjson_mut_obj_add_val(doc, o, "NetworkSettings", container_net_settings(c, doc, true));
	yyjson_mut_obj_add_val(doc, o, "Mounts", mounts_json(c, doc));
	return o;
}

/* Does any value of the key fit this container? */
static bool any_value(struct container *c, const struct filters *f, const char *key,
	bool (*fits)(struct container *c, const char *value))
{
	const char *v;

	if (!filters_has(f, key))
		return true;
	for (size_t i = 0; (v = filters_value(f, key, i)); i++)
		if (fits(c, v))
			return true;
	return false;
}

static bool fits_id(struct container *c, const char *v)
{
	return !strncmp(c->id, v, strlen(v));
}

static bool fits_status(struct container *c, const char *v)
{
	return !strcmp(container_public_state(c), v);
}

static bool fits_exited(struct container *c, const char *v)
{
	return c->has_run && !container_is_up(c) && atoi(v) == c->exit_code;
}

/* Is it made from that image, or from one that was made from it here? */
static bool fits_ancestor(struct container *c, const char *v)
{
	const struct image *wanted = NULL, *img = NULL;
	char id[IMAGE_DIGEST_LEN + 1];
	bool found = false;

	if (image_store_find(c->e->images, v, &wanted))
		return false;
	snprintf(id, sizeof(id), "%s", c->image_id);
	for (int depth = 0; *id && depth < ANCESTORS_MAX; depth++) {
		found = !strcmp(id, wanted->id);
		if (found || image_store_find(c->e->images, id, &img))
			break;
		snprintf(id, sizeof(id), "%s", img->parent);
		image_unref(take(img));
	}
	image_unref(wanted);
	return found;
}

static bool fits_network(struct container *c, const char *v)
{
	for (struct network_endpoint *ep = networks_endpoints(c->e->networks); ep; ep = ep->next)
		if (!strcmp(ep->container, c->id) &&
			(!strcmp(ep->network->name, v) || !strncmp(ep->network->id, v, strlen(v))))
			return true;
	return yyjson_obj_get(c->net_wishes, v);
}

static bool fits_volume(struct container *c, const char *v)
{
	size_t i, n;
	yyjson_val *m;

	yyjson_arr_foreach (c->mounts, i, n, m)
		if (yyjson_equals_str(yyjson_obj_get(m, "Name"), v) ||
			yyjson_equals_str(yyjson_obj_get(m, "Destination"), v))
			return true;
	return false;
}

static bool fits_port(struct container *c, const char *v)
{
	return filters_port_fits(v, json_obj(c->config, "ExposedPorts"));
}

static bool fits_publish(struct container *c, const char *v)
{
	return filters_port_fits(v, json_obj(c->host, "PortBindings"));
}

static bool fits_health(struct container *c, const char *v)
{
	return !strcmp(v, health_status_name(health_status(c)));
}

static bool fits_task(struct container *c, const char *v)
{
	return !strcmp(v, "false") || !strcmp(v, "0"); /* tasks are swarm's */
}

static const struct {
	const char *key;
	bool (*fits)(struct container *c, const char *value);
} tests[] = {
	{"id", fits_id},
	{"status", fits_status},
	{"exited", fits_exited},
	{"ancestor", fits_ancestor},
	{"network", fits_network},
	{"volume", fits_volume},
	{"expose", fits_port},
	{"publish", fits_publish},
	{"health", fits_health},
	{"is-task", fits_task},
};

/* By any of its names, as it is written, and as Docker keeps it. */
static bool fits_name(struct container *c, const struct filters *f)
{
	size_t i, n;
	yyjson_mut_val *v;

	if (!filters_has(f, "name"))
		return true;

	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	yyjson_mut_arr_foreach(container_links_names(c, doc), i, n, v)
	{
		const char *name = yyjson_mut_get_str(v);

		if (filters_match_name(f, "name", name) || filters_match_name(f, "name", name + 1))
			return true;
	}
	return false;
}

/* before and since name a container, which must exist. */
static bool reference(
	struct engine *e, struct http_req *r, const struct filters *f, const char *key, int64_t *ns)
{
	const char *name = filters_value(f, key, 0);
	struct container *c = name ? container_or_404(e, r, name) : NULL;

	*ns = c ? c->created_ns : 0;
	return !name || c;
}

static void send_list(struct engine *e, struct http_req *r, const struct filters *f, const struct sizes *s)
{
	bool all = api_query_bool(r, "all", false) || filters_has(f, "status");
	int64_t limit = 0, before, since;

	if (api_query_int(r, "limit", &limit)) {
		api_error(r, 400, "limit is no number: %s", http_query(r, "limit"));
		return;
	}
	if (!reference(e, r, f, "before", &before) || !reference(e, r, f, "since", &since))
		return;

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, arr);
	for (size_t i = e->n_containers; i-- > 0;) {
		struct container *c = e->containers[i];
		yyjson_val *labels = json_obj(c->config, "Labels");
		bool fits = all || limit > 0 || container_is_up(c) || lifecycle_restarts(c);

		fits = fits && fits_name(c, f);
		for (size_t t = 0; fits && t < array_len(tests); t++)
			fits = any_value(c, f, tests[t].key, tests[t].fits);
		if (!fits || !filters_match_labels(f, "label", labels) ||
			!filters_match_labels(f, "label!", labels) || (before && c->created_ns >= before) ||
			(since && c->created_ns <= since))
			continue;
		yyjson_mut_val *o = container_summary(c, doc);

		if (api_minor(r) < ANNOTATIONS_MINOR)
			yyjson_mut_obj_remove_key(yyjson_mut_obj_get(o, "HostConfig"), "Annotations");
		if (s)
			container_add_sizes(c, doc, o, s);
		yyjson_mut_arr_append(arr, o);
		if (limit > 0 && !--limit)
			break;
	}
	api_json(r, 200, doc);
}

static void list(struct engine *e, struct http_req *r, const struct sizes *s)
{
	static const char *const known[] = {"name", "id", "status", "exited", "ancestor", "network", "volume",
		"expose", "publish", "health", "is-task", "label", "label!", "before", "since", "isolation",
		NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;

	if (filters_parse(&f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	send_list(e, r, f, s);
	filters_free(f);
}

void containers_list(struct engine *e, struct http_req *r, const char *arg)
{
	if (api_query_bool(r, "size", false))
		sizes_count(e, r, &(struct sizes_wanted){.container = sizes_every_container}, list);
	else
		list(e, r, NULL);
}
