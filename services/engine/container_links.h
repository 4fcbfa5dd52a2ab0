/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONTAINER_LINKS_H
#define ENGINE_CONTAINER_LINKS_H

/*
 * Links on the default bridge (docker run --link): nobody serves names there, so what a container links is written into
 * its /etc/hosts and its environment, and is called PARENT/ALIAS beside its own name. On a network of the user's making
 * a link is one more name, and network_dns.c's.
 *
 * config.json has each as "ID:ALIAS", which survives the renaming of both; clients see "/NAME:/PARENT/ALIAS". Of several
 * with one alias the first counts, and it is the only one on record.
 */

#include <yyjson.h>

#include "lib/util.h"

struct container;
struct engine;

#define CONTAINER_LINKS_HOST                                                                                 \
	"conflicting options: host type networking can't be used with links. This would result in undefined behavior"

/* A link as it is asked for: "NAME", "NAME:ALIAS", or as inspect shows it. */
struct container_link {
	char target[256];
	const char *alias; /* in the text that was read */
};

/* 0 or -EINVAL. */
must_check int container_link_parse(const char *text, struct container_link *out);

/* ---- at create */

/* Are all of them there, and can they be linked? For a container on the default bridge. 0 or -EINVAL with *msg. */
must_check int container_links_check(struct engine *e, yyjson_val *links, char **msg);
/* Puts @links into @host, a HostConfig of the default bridge, in the form of the record. Checked before. */
void container_links_pin(struct engine *e, yyjson_mut_doc *doc, yyjson_val *links, yyjson_mut_val *host,
	yyjson_mut_val *warnings);

/* ---- on record */

/* Those in a HostConfig that are of the default bridge, for struct container; NULL: none. */
yyjson_val *container_links_in(yyjson_val *host);
const char *container_links_alias(yyjson_val *link);
/* NULL: it is gone. */
struct container *container_links_target(struct engine *e, yyjson_val *link);
/* By "PARENT/ALIAS", with or without '/' in front. 0 or -ENOENT. */
must_check int container_links_find(struct engine *e, const char *name, struct container **out);
/* Takes the link "PARENT/ALIAS" away, out of the /etc/hosts of one that runs, too. 0, -ENOENT, or -errno with *msg. */
must_check int container_links_remove(struct engine *e, const char *name, char **msg);

/* HostConfig.Links as clients see them, into a copy of HostConfig. */
void container_links_show(struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *host);
/* All that it is called, in order: "/NAME", and "/PARENT/ALIAS" of each that links it. */
yyjson_mut_val *container_links_names(struct container *c, yyjson_mut_doc *doc);

/* ---- at work */

/* May it start: does all that it links run? 0 or -errno with *msg. */
must_check int container_links_ready(struct container *c, char **msg);
/* Its lines for /etc/hosts, without those of the link @unlinked (NULL: all), malloc'ed; "" without any. NULL without memory. */
char *container_links_hosts(struct container *c, const char *unlinked);
/* Its address or its name is another one: whoever links it reads that in /etc/hosts. */
void container_links_tell(struct container *c);
/* Adds variables about what it links and what is there now; whoever puts them together sees to names that are there twice. */
void container_links_env(const struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *env);
/* Those of one link. @name: "/PARENT/ALIAS"; @config: what is linked. */
void container_link_variables(
	const char *name, const char *ip, yyjson_val *config, yyjson_mut_doc *doc, yyjson_mut_val *env);

#endif
