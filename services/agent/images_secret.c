/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Secrets of type kubernetes.io/dockerconfigjson: {"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}; the older .dockercfg is
 * the inner object alone. The longest entry that is the registry, with or without a path of the image, counts.
 */

#include <stdio.h>
#include <string.h>

#include "agent/images.h"
#include "lib/base64.h"
#include "lib/json.h"

/* "docker.io/library/x" of "x", as references are read. */
static void full_name(const char *image, char *out, size_t size)
{
	const char *slash = strchr(image, '/');
	size_t first = slash ? (size_t)(slash - image) : 0;
	bool host = slash && (memchr(image, '.', first) || memchr(image, ':', first) ||
				     (first == 9 && !strncmp(image, "localhost", 9)));

	snprintf(out, size, "%s%s", host ? "" : slash ? "docker.io/" : "docker.io/library/", image);
}

/* How much of @name the key covers: 0 it is another registry. */
static size_t covers(const char *key, const char *name)
{
	static const char *const hub[] = {"index.docker.io", "registry-1.docker.io"};
	char text[256];
	size_t n;

	if (!strncmp(key, "https://", 8))
		key += 8;
	else if (!strncmp(key, "http://", 7))
		key += 7;
	snprintf(text, sizeof(text), "%s", key);
	n = strlen(text);
	while (n && text[n - 1] == '/')
		text[--n] = 0;
	/* what clients write for the registry's own versions */
	if (n > 3 && (!strcmp(text + n - 3, "/v1") || !strcmp(text + n - 3, "/v2")))
		text[n -= 3] = 0;
	for (size_t i = 0; i < array_len(hub); i++)
		if (!strcmp(text, hub[i]))
			n = (size_t)snprintf(text, sizeof(text), "docker.io");
	return n && !strncmp(name, text, n) &&
			       (name[n] == '/' || name[n] == ':' || name[n] == '@' || !name[n])
		       ? n
		       : 0;
}

static bool add(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *key, const char *value)
{
	return !value || yyjson_mut_obj_add_strcpy(doc, root, key, value);
}

static char *header_of(yyjson_val *entry, const char *server)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	const char *auth = json_text(entry, "auth"), *user = json_text(entry, "username"),
		   *password = json_text(entry, "password");
	cleanup(freep) char *both = auth ? base64_text(auth) : NULL;
	cleanup(freep) char *json = NULL;
	char *colon = both ? strchr(both, ':') : NULL;

	if (colon) {
		*colon = 0;
		user = both;
		password = colon + 1;
	}
	yyjson_mut_doc_set_root(doc, root);
	if (root && add(doc, root, "username", user) && add(doc, root, "password", password) &&
		add(doc, root, "identitytoken", json_text(entry, "identitytoken")) &&
		add(doc, root, "registrytoken", json_text(entry, "registrytoken")) &&
		add(doc, root, "serveraddress", server))
		json = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return json ? base64_make(json, strlen(json)) : NULL;
}

char *image_credentials(const char *config, size_t len, const char *image)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(config, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *auths = json_obj(root, "auths"), *key, *entry,
		   *best = NULL;
	size_t i, n, most = 0;
	char name[600];

	if (!auths && yyjson_is_obj(root))
		auths = root;
	full_name(image, name, sizeof(name));
	json_obj_foreach (auths, i, n, key, entry) {
		size_t much = covers(yyjson_get_str(key), name);

		if (much > most && yyjson_is_obj(entry)) {
			most = much;
			best = entry;
		}
	}
	if (!best)
		return NULL;
	*strchrnul(name, '/') = 0;
	return header_of(best, name);
}
