/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OPTIONS_H
#define ENGINE_OPTIONS_H

/*
 * Every member of Config and HostConfig that Docker knows, with its type and whether this engine does it.
 * What it does not do is refused with a sentence unless it is at its default; a member that is not in the
 * table is refused, too.
 */

#include <yyjson.h>

#include "engine/shape.h"
#include "lib/util.h"

/* The members of what POST /containers/create takes, HostConfig and NetworkingConfig among them, and of HostConfig. */
extern const struct shape options_config[], options_host[];

/* The body of a create, or a Config alone; NULL is nothing. 0, or -EINVAL with *msg. */
must_check int options_check(yyjson_val *body, char **msg);
/* The table itself: the i-th member of Config or of HostConfig, NULL after the last; *refusal as the client hears it,
 * NULL when it is supported. */
const char *options_member(bool host, size_t i, const char **refusal);
/* A member of a request to create that lies beside those of its Config. */
bool options_is_beside(const char *name);
/* The sentence with which a container is made without what this member of HostConfig asks for; NULL: it is not one of these. */
const char *options_discarded(const char *name);
/* Takes such members away; @warnings gets a sentence for each that asked for something. */
void options_discard(yyjson_mut_doc *doc, yyjson_mut_val *host, yyjson_mut_val *warnings);
/* Adds what nobody said, as inspect shows it, so that clients find every member. @o: HostConfig, or Config. */
void options_fill(yyjson_mut_doc *doc, yyjson_mut_val *o, bool host);
/* What POST /containers/ID/update may change. */
must_check int options_check_update(yyjson_val *update, char **msg);
/* Whether it fits what the container's HostConfig has: 0, or -EBUSY with *msg. */
must_check int options_check_change(yyjson_val *update, yyjson_val *host, char **msg);
/* Memory alone brings as much swap, and is shown with it. */
void options_default_swap(yyjson_mut_doc *doc, yyjson_mut_val *host);

#endif
