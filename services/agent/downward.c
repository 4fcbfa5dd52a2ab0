/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/downward.h"
#include "agent/node.h"
#include "agent/pod.h"
#include "lib/json.h"
#include "lib/quantity.h"

/* ---- fields */

static int by_key(const void *a, const void *b)
{
	return strcmp(yyjson_get_str(*(yyjson_val *const *)a), yyjson_get_str(*(yyjson_val *const *)b));
}

/* A value as Go's %q writes it, as far as labels and annotations go. */
static void quoted(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '\t')
			fputs("\\t", f);
		else if (*text == '\r')
			fputs("\\r", f);
		else
			fputc(*text, f);
	}
	fputc('"', f);
}

static char *whole_map(yyjson_val *map)
{
	size_t n_keys = yyjson_obj_size(map), i, n, at = 0, len;
	yyjson_val **keys = calloc(n_keys + 1, sizeof(yyjson_val *)), *key, *value;
	char *text = NULL;
	FILE *f = keys ? open_memstream(&text, &len) : NULL;

	if (!f) {
		free((void *)keys);
		return NULL;
	}
	json_obj_foreach (map, i, n, key, value)
		keys[at++] = key;
	qsort((void *)keys, at, sizeof(yyjson_val *), by_key);
	for (i = 0; i < at; i++) {
		fprintf(f, "%s%s=", i ? "\n" : "", yyjson_get_str(keys[i]));
		quoted(f, yyjson_get_str(yyjson_obj_iter_get_val(keys[i])) ?: "");
	}
	free((void *)keys);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* metadata.labels['KEY']: "" when there is no such label. */
static char *one_of_map(yyjson_val *map, const char *subscript)
{
	size_t len = strlen(subscript);
	cleanup(freep) char *key = NULL;

	if (len < 5 || strncmp(subscript, "['", 2) != 0 || strcmp(subscript + len - 2, "']") != 0)
		return NULL;
	key = strndup(subscript + 2, len - 4);
	return key ? strdup(json_str(map, key) ?: "") : NULL;
}

static char *two(const char *first, const char *second)
{
	char *text;

	return asprintf(&text, "%s%s%s", first, *second ? "," : "", second) < 0 ? NULL : text;
}

char *downward_field(const struct pod *p, const char *path)
{
	static const char *const maps[] = {"labels", "annotations"};
	yyjson_val *meta = json_obj(p->root, "metadata");
	bool host = json_bool(p->spec, "hostNetwork");
	const char *ip = host ? p->agent->node_ip : p->ip;
	const struct {
		const char *path, *value;
	} plain[] = {
		{"metadata.name", p->name},
		{"metadata.namespace", p->ns},
		{"metadata.uid", p->uid},
		{"spec.nodeName", p->agent->node_name},
		{"spec.serviceAccountName", json_str(p->spec, "serviceAccountName") ?: ""},
		{"status.hostIP", p->agent->node_ip},
		{"status.hostIPs", p->agent->node_ip},
		{"status.podIP", ip},
	};

	for (size_t i = 0; i < array_len(plain); i++)
		if (!strcmp(path, plain[i].path))
			return strdup(plain[i].value);
	if (!strcmp(path, "status.podIPs"))
		return two(ip, host ? "" : p->ip2);
	for (size_t i = 0; i < array_len(maps); i++) {
		size_t n = strlen(maps[i]);

		if (strncmp(path, "metadata.", 9) != 0 || strncmp(path + 9, maps[i], n) != 0)
			continue;
		if (!path[9 + n])
			return whole_map(json_obj(meta, maps[i]));
		return one_of_map(json_obj(meta, maps[i]), path + 9 + n);
	}
	return NULL;
}

/* ---- resources */

/* What the node has of it, in billionths. */
static __int128 of_node(const struct pod *p, const char *resource)
{
	if (!strcmp(resource, "cpu"))
		return (__int128)node_cpus() * 1000000000;
	if (!strcmp(resource, "memory"))
		return (__int128)node_allocatable_memory(p->agent) * 1000000000;
	if (!strcmp(resource, "ephemeral-storage"))
		return (__int128)node_allocatable_storage(p->agent) * 1000000000;
	return 0;
}

static bool parse(struct quantity *q, const char *text)
{
	return text && !quantity_parse(q, text, strlen(text));
}

/* What a container says, or the pod as a whole. */
static bool says(yyjson_val *o, const char *list, const char *resource, struct quantity *q)
{
	return parse(q, json_str(json_obj(json_obj(o, "resources"), list), resource));
}

/* A limit that the container has not is the pod's, or else what the node has. */
char *downward_resource(const struct pod *p, yyjson_val *ref, const char *container)
{
	const char *path = json_str(ref, "resource") ?: "",
		   *name = json_text(ref, "containerName") ?: container;
	const struct pod_container *c = name ? pod_find_container(p, name) : NULL;
	bool limit = !strncmp(path, "limits.", 7), request = !strncmp(path, "requests.", 9);
	const char *resource = path + (limit ? 7 : 9), *divisor = json_text(ref, "divisor");
	struct quantity q = {0}, d = {0};
	__int128 result;
	char *text;

	if (!c || (!limit && !request))
		return NULL;
	if (limit && !(says(c->spec, "limits", resource, &q) && q.nano) &&
		!(says(p->spec, "limits", resource, &q) && q.nano))
		q.nano = of_node(p, resource);
	else if (request)
		(void)says(c->spec, "requests", resource, &q);
	if (!parse(&d, divisor) || d.nano <= 0)
		d.nano = 1000000000;
	result = (q.nano + d.nano - 1) / d.nano;
	return asprintf(&text, "%lld", (long long)result) < 0 ? NULL : text;
}
