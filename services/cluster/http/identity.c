/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/http/identity.h"
#include "cluster/registry/registry.h"

#define EXTRA "X-Remote-Extra-"

static bool put(struct identity *i, const char *name, const char *value)
{
	if (i->n == IDENTITY_MAX)
		return false;
	i->fields[i->n++] = (struct http_header_field){name, value};
	return true;
}

/* What is no letter of a header's name is written %XX, as extensions read it; a capital letter, too, since case is lost. */
static char *header_of(const char *key)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789!#$&'*+-.^_`|~";
	char *name = malloc(sizeof(EXTRA) + 3 * strlen(key)), *at;

	if (!name)
		return NULL;
	strcpy(name, EXTRA);
	at = name + strlen(EXTRA);
	for (; *key; key++)
		if (strchr(plain, *key))
			*at++ = *key;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*key);
	*at = '\0';
	return name;
}

static int put_extra(struct identity *i, const struct caller_extra *extra)
{
	char *name;

	if (i->n_keys == IDENTITY_KEYS_MAX)
		return -E2BIG;
	name = header_of(extra->key);
	if (!name)
		return -ENOMEM;
	i->keys[i->n_keys++] = name;
	for (size_t k = 0; k < extra->n_values; k++)
		if (!put(i, name, extra->values[k]))
			return -E2BIG;
	return 0;
}

int identity_of(struct identity *out, const struct caller *who)
{
	int err = 0;

	*out = (struct identity){0};
	if (!put(out, "X-Remote-User", who->user) || (*who->uid && !put(out, "X-Remote-Uid", who->uid)))
		return -E2BIG;
	for (size_t i = 0; i < who->n_groups; i++)
		if (!put(out, "X-Remote-Group", who->groups[i]))
			return -E2BIG;
	for (size_t i = 0; !err && i < who->n_extra; i++)
		err = put_extra(out, &who->extra[i]);
	return err;
}

void identity_fini(struct identity *i)
{
	while (i->n_keys)
		free(i->keys[--i->n_keys]);
}
