/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an engine that was killed between two steps has left: devices that no file speaks of. Only names of the
 * engine's own making are looked at, and of veth pairs only those in the engine's own bridges: others on the
 * node have devices, too.
 */

#include <errno.h>
#include <string.h>

#include "engine/network_int.h"
#include "lib/log.h"

/* @prefix and then @digits hexadecimal digits, nothing else. */
static bool made_here(const char *name, const char *prefix, size_t digits)
{
	size_t n = strlen(prefix);

	return !strncmp(name, prefix, n) && strlen(name) == n + digits &&
	       strspn(name + n, "0123456789abcdef") == digits;
}

static bool is_network(const struct networks *ns, const char *device)
{
	for (const struct network *n = ns->list; n; n = n->next)
		if (!strcmp(n->bridge, device))
			return true;
	return false;
}

static bool is_endpoint(const struct networks *ns, const char *device)
{
	for (const struct network_endpoint *e = ns->endpoints; e; e = e->next)
		if (!strcmp(e->peer, device))
			return true;
	return false;
}

/* Whether the device with this index is a bridge of ours, of a network that is there or was. */
static bool is_our_bridge(const struct networks *ns, const struct link *links, ssize_t n, int index)
{
	for (ssize_t i = 0; i < n; i++)
		if (links[i].index == index)
			return !strcmp(links[i].kind, "bridge") &&
			       (made_here(links[i].name, "br-", 12) || is_network(ns, links[i].name));
	return false;
}

static bool left_over(const struct networks *ns, const struct link *links, ssize_t n, const struct link *l)
{
	if (!strcmp(l->kind, "veth"))
		return made_here(l->name, "veth", 8) && !is_endpoint(ns, l->name) &&
		       is_our_bridge(ns, links, n, l->master);
	if (!strcmp(l->kind, "bridge"))
		return made_here(l->name, "br-", 12) && !is_network(ns, l->name);
	return !strcmp(l->kind, "dummy") && made_here(l->name, "dm-", 12) && !is_network(ns, l->name);
}

void network_sweep(struct networks *ns)
{
	cleanup(freep) struct link *links = NULL;
	ssize_t n = link_list(&ns->route, &links);

	if (n < 0)
		log_errno((int)-n, "op=list-links");
	for (ssize_t i = 0; i < n; i++) {
		int r;

		if (!left_over(ns, links, n, &links[i]))
			continue;
		log_info("if=%s event=sweep msg=\"left by an engine that was killed\"", links[i].name);
		r = link_del(&ns->route, links[i].index);
		if (r < 0 && r != -ENODEV)
			log_errno(-r, "if=%s op=sweep kernel=\"%s\"", links[i].name, ns->route.text);
	}
}
