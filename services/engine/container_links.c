/* SPDX-License-Identifier: Apache-2.0 */

/* See container_links.h: links as they are asked for, on record, and as clients see them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/* An alias becomes a word of /etc/hosts and of a path. */
static bool alias_valid(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

int container_link_parse(const char *text, struct container_link *out)
{
	size_t len = strcspn(text, ":");

	if (!len || len >= sizeof(out->target) || (text[len] && strchr(text + len + 1, ':')))
		return -EINVAL;
	memcpy(out->target, text, len);
	out->target[len] = 0;
	out->alias = last_part(text[len] ? text + len + 1 : text);
	return alias_valid(out->alias) ? 0 : -EINVAL;
}

/* ---- at create */

/* Whoever is in another's network has the other's address. */
static int owner_of_network(struct engine *e, const char *name, struct container **out, char **msg)
{
	const char *asked = name;

	for (size_t i = 0; i <= e->n_containers; i++) {
		int err = container_find(e, name, out);

		if (err == -ENOTUNIQ)
			*msg = text_make(
				"could not get container for %s: several have an id that begins so", name);
		else if (err)
			*msg = text_make("could not get container for %s: No such container: %s", name, name);
		if (err)
			return -EINVAL;
		if (strncmp(container_net_mode(*out), "container:", 10) != 0)
			return 0;
		name = container_net_mode(*out) + 10;
	}
	*msg = text_make(
		"cannot link to %s: it and those whose network it joins go round in a circle", asked);
	return -EINVAL;
}

static int resolve(struct engine *e, const char *text, struct container_link *link, struct container **target,
	char **msg)
{
	if (container_link_parse(text, link)) {
		*msg = text_make("invalid link \"%.200s\": CONTAINER or CONTAINER:NAME is needed", text);
		return -EINVAL;
	}
	if (owner_of_network(e, link->target, target, msg))
		return -EINVAL;
	if (strcmp(container_net_mode(*target), "host") != 0)
		return 0;
	*msg = text_make("%s", CONTAINER_LINKS_HOST);
	return -EINVAL;
}

int container_links_check(struct engine *e, yyjson_val *links, char **msg)
{
	struct container_link link;
	struct container *target;
	size_t i, n;
	yyjson_val *v;

	if (yyjson_arr_size(links) > CONTAINER_NET_LIST_MAX) {
		*msg = text_make("more than %d links", CONTAINER_NET_LIST_MAX);
		return -EINVAL;
	}
	yyjson_arr_foreach (links, i, n, v)
		if (resolve(e, yyjson_get_str(v), &link, &target, msg))
			return -EINVAL;
	return 0;
}

static bool has_alias(yyjson_mut_val *links, const char *alias)
{
	size_t i, n;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(links, i, n, v)
	{
		if (!strcmp(strchr(yyjson_mut_get_str(v), ':') + 1, alias))
			return true;
	}
	return false;
}

void container_links_pin(struct engine *e, yyjson_mut_doc *doc, yyjson_val *links, yyjson_mut_val *host,
	yyjson_mut_val *warnings)
{
	yyjson_mut_val *pinned = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	yyjson_arr_foreach (links, i, n, v) {
		cleanup(freep) char *msg = NULL, *text = NULL;
		struct container_link link;
		struct container *target;

		if (resolve(e, yyjson_get_str(v), &link, &target, &msg))
			continue;
		if (has_alias(pinned, link.alias)) {
			text = text_make(
				"Link %s discarded: another one before it has that name", yyjson_get_str(v));
			yyjson_mut_arr_add_strcpy(doc, warnings, text ? text : "");
			continue;
		}
		text = text_make("%s:%s", target->id, link.alias);
		if (text)
			yyjson_mut_arr_add_strcpy(doc, pinned, text);
	}
	if (yyjson_mut_arr_size(pinned))
		yyjson_mut_obj_put(host, yyjson_mut_str(doc, "Links"), pinned);
}

/* ---- on record */

yyjson_val *container_links_in(yyjson_val *host)
{
	const char *mode = json_text(host, "NetworkMode");
	yyjson_val *links = json_arr(host, "Links");

	return mode && !strcmp(mode, "bridge") && yyjson_arr_size(links) ? links : NULL;
}

const char *container_links_alias(yyjson_val *link)
{
	const char *text = yyjson_get_str(link), *colon = text ? strchr(text, ':') : NULL;

	return colon ? colon + 1 : "";
}

struct container *container_links_target(struct engine *e, yyjson_val *link)
{
	const char *text = yyjson_get_str(link);
	size_t len = text ? strcspn(text, ":") : 0;

	for (size_t i = 0; i < e->n_containers && len; i++)
		if (!strncmp(e->containers[i]->id, text, len) && !e->containers[i]->id[len])
			return e->containers[i];
	return NULL;
}

/* The container that has the link "PARENT/ALIAS", and which it is; NULL: there is none. */
static struct container *parent_of(struct engine *e, const char *name, yyjson_val **link)
{
	const char *slash;
	size_t i, n;

	name += *name == '/';
	slash = strchr(name, '/');
	for (size_t k = 0; slash && k < e->n_containers; k++) {
		struct container *c = e->containers[k];
		size_t len = strlen(c->name);

		if ((size_t)(slash - name) != len || strncmp(c->name, name, len) != 0)
			continue;
		yyjson_arr_foreach (c->links, i, n, *link)
			if (!strcmp(container_links_alias(*link), slash + 1))
				return c;
	}
	return NULL;
}

int container_links_find(struct engine *e, const char *name, struct container **out)
{
	yyjson_val *link;
	struct container *c = parent_of(e, name, &link) ? container_links_target(e, link) : NULL;

	if (!c)
		return -ENOENT;
	*out = c;
	return 0;
}

static int save_without(struct container *c, const char *alias)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	yyjson_mut_val *host = doc ? yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "HostConfig") : NULL,
		       *links = yyjson_mut_obj_get(host, "Links"), *v;
	size_t i, n;

	if (!doc)
		return -ENOMEM;
	yyjson_mut_arr_foreach(links, i, n, v)
	{
		if (strcmp(strchr(yyjson_mut_get_str(v), ':') + 1, alias) != 0)
			continue;
		yyjson_mut_arr_remove(links, i);
		break;
	}
	if (!yyjson_mut_arr_size(links))
		yyjson_mut_obj_remove_key(host, "Links");
	return container_save_config(c, doc);
}

int container_links_remove(struct engine *e, const char *name, char **msg)
{
	yyjson_val *link;
	struct container *c = parent_of(e, name, &link);
	cleanup(freep) char *alias = c ? strdup(container_links_alias(link)) : NULL;
	int err;

	if (!c)
		return -ENOENT;
	err = alias ? 0 : -ENOMEM;
	/* the record is the last: an end between the two leaves a link that can be removed, not a line that nobody's is */
	if (!err && network_endpoint_of(e->networks, c->id, NULL))
		err = container_net_files_renew(c, alias, msg);
	if (!err)
		err = save_without(c, alias);
	if (err && !*msg)
		*msg = text_make("link %s cannot be removed: %s", name, errno_text(-err));
	return err;
}

/* ---- as clients see them */

void container_links_show(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *host)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	if (!c->links)
		return;
	yyjson_arr_foreach (c->links, i, n, v) {
		struct container *target = container_links_target(c->e, v);
		cleanup(freep) char *text =
			target ? text_make("/%s:/%s/%s", target->name, c->name, container_links_alias(v))
			       : text_make("/%.12s:/%s/%s", yyjson_get_str(v), c->name,
					 container_links_alias(v));

		yyjson_mut_arr_add_strcpy(doc, arr, text ? text : "");
	}
	yyjson_mut_obj_put(host, yyjson_mut_str(doc, "Links"), arr);
}

static void add_name(yyjson_mut_doc *doc, yyjson_mut_val *names, const char *parent, const char *name)
{
	cleanup(freep) char *text = text_make("%s/%s", parent, name);
	size_t at = 0;

	if (!text)
		return;
	while (at < yyjson_mut_arr_size(names) &&
		strcmp(yyjson_mut_get_str(yyjson_mut_arr_get(names, at)), text) < 0)
		at++;
	yyjson_mut_arr_insert(names, yyjson_mut_strcpy(doc, text), at);
}

yyjson_mut_val *container_links_names(struct container *c, yyjson_mut_doc *doc)
{
	yyjson_mut_val *names = yyjson_mut_arr(doc);
	size_t i, n;
	yyjson_val *v;

	add_name(doc, names, "", c->name);
	for (size_t k = 0; k < c->e->n_containers; k++) {
		struct container *other = c->e->containers[k];
		cleanup(freep) char *parent = other->links ? text_make("/%s", other->name) : NULL;

		yyjson_arr_foreach (parent ? other->links : NULL, i, n, v)
			if (container_links_target(c->e, v) == c)
				add_name(doc, names, parent, container_links_alias(v));
	}
	return names;
}
