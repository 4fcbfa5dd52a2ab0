/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/container_env.h"
#include "agent/downward.h"
#include "agent/pod.h"
#include "agent/services.h"
#include "agent/sources.h"
#include "lib/json.h"

/* ---- the set */

const char *env_get(const struct env *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (!strcmp(e->entries[i].name, name))
			return e->entries[i].value;
	return NULL;
}

int env_set(struct env *e, const char *name, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < e->n; i++) {
		if (strcmp(e->entries[i].name, name) != 0)
			continue;
		free(e->entries[i].value);
		e->entries[i].value = copy;
		return 0;
	}
	if (e->n == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 32;
		struct env_entry *more = reallocarray(e->entries, cap, sizeof(*more));

		if (!more) {
			free(copy);
			return -ENOMEM;
		}
		e->entries = more;
		e->cap = cap;
	}
	e->entries[e->n] = (struct env_entry){strdup(name), copy};
	if (!e->entries[e->n].name) {
		free(copy);
		return -ENOMEM;
	}
	e->n++;
	return 0;
}

void env_fini(struct env *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->entries[i].name);
		free(e->entries[i].value);
	}
	free(e->entries);
	*e = (struct env){0};
}

char *env_expand(const struct env *e, const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		return NULL;
	while (*text) {
		const char *end = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
		cleanup(freep) char *name = end ? strndup(text + 2, (size_t)(end - text - 2)) : NULL;
		const char *value = name ? env_get(e, name) : NULL;

		if (text[0] == '$' && text[1] == '$') {
			fputc('$', f);
			text += 2;
		} else if (value) {
			fputs(value, f);
			text = end + 1;
		} else if (end) {
			/* a name nobody knows stays as it is written */
			fwrite(text, 1, (size_t)(end + 1 - text), f);
			text = end + 1;
		} else {
			fputc(*text++, f);
		}
	}
	if (fclose(f)) {
		free(out);
		return NULL;
	}
	return out;
}

/* ---- where values come from */

struct maker {
	struct env *e;
	const struct pod *p;
	const struct pod_container *c;
	char *why;
	size_t size;
	int err;
	const char *prefix;
	enum source_kind kind;
	const char *source;
};

static int printf_like(2, 3) wrong(struct maker *m, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(m->why, m->size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static void add_service(const char *name, const char *value, void *arg)
{
	struct maker *m = arg;

	if (!m->err)
		m->err = env_set(m->e, name, value);
}

static const char *word_of(enum source_kind kind)
{
	return kind == SOURCE_SECRET ? "secret" : "configmap";
}

/* The object is there, or it may be missing. 1: it is missing, and may be. */
static int check_source(struct maker *m, enum source_kind kind, yyjson_val *ref)
{
	const char *name = json_str(ref, "name") ?: "", *error;
	char text[480];

	if (sources_find(m->p->sources, kind, name))
		return 0;
	if (json_bool(ref, "optional"))
		return 1;
	error = sources_error(m->p->sources, text, sizeof(text));
	return strstr(error, name) && !strstr(error, "not found")
		       ? wrong(m, "%s", error)
		       : wrong(m, "%s \"%s\" not found", word_of(kind), name);
}

static bool add_key(const char *key, void *arg)
{
	struct maker *m = arg;
	char name[1024];
	size_t len;
	cleanup(freep) char *value = sources_value(m->p->sources, m->kind, m->source, key, &len);

	snprintf(name, sizeof(name), "%s%s", m->prefix, key);
	/* what is no name of a variable, or no text, cannot be one */
	if (value && *name && !strchr(name, '=') && strlen(value) == len)
		m->err = env_set(m->e, name, value);
	return !m->err;
}

static int add_all(struct maker *m, yyjson_val *from)
{
	yyjson_val *config = json_obj(from, "configMapRef"), *secret = json_obj(from, "secretRef");
	yyjson_val *ref = config ? config : secret;
	int missing;

	if (!ref)
		return 0;
	m->kind = config ? SOURCE_CONFIG_MAP : SOURCE_SECRET;
	m->source = json_str(ref, "name") ?: "";
	m->prefix = json_str(from, "prefix") ?: "";
	missing = check_source(m, m->kind, ref);
	if (missing)
		return missing < 0 ? missing : 0;
	sources_each_key(m->p->sources, m->kind, m->source, add_key, m);
	return m->err;
}

/* 1: there is none, and need not be. */
static int key_value(struct maker *m, enum source_kind kind, yyjson_val *ref, char **value)
{
	const char *name = json_str(ref, "name") ?: "", *key = json_str(ref, "key") ?: "";
	int missing = check_source(m, kind, ref);
	size_t len;

	if (missing)
		return missing;
	*value = sources_value(m->p->sources, kind, name, key, &len);
	if (*value)
		return 0;
	if (json_bool(ref, "optional"))
		return 1;
	return wrong(m, "couldn't find key %s in %s %s/%s", key,
		kind == SOURCE_SECRET ? "Secret" : "ConfigMap", m->p->ns, name);
}

static int value_from(struct maker *m, yyjson_val *from, char **value)
{
	yyjson_val *field = json_obj(from, "fieldRef"), *resource = json_obj(from, "resourceFieldRef"),
		   *config = json_obj(from, "configMapKeyRef"), *secret = json_obj(from, "secretKeyRef");

	if (config || secret)
		return key_value(
			m, config ? SOURCE_CONFIG_MAP : SOURCE_SECRET, config ? config : secret, value);
	if (field) {
		*value = downward_field(m->p, json_str(field, "fieldPath") ?: "");
		return *value ? 0 : wrong(m, "unsupported fieldPath: %s", json_str(field, "fieldPath") ?: "");
	}
	if (resource) {
		*value = downward_resource(m->p, resource, m->c->name);
		return *value ? 0
			      : wrong(m, "unsupported resourceFieldRef: %s",
					json_str(resource, "resource") ?: "");
	}
	return wrong(m, "valueFrom of a variable names a source that this node does not know (fileKeyRef)");
}

static int add_variable(struct maker *m, yyjson_val *each)
{
	yyjson_val *from = json_obj(each, "valueFrom");
	const char *name = json_str(each, "name") ?: "";
	cleanup(freep) char *value = NULL;
	int err = 0;

	if (from)
		err = value_from(m, from, &value);
	else
		value = env_expand(m->e, json_str(each, "value") ?: "");
	if (err)
		return err < 0 ? err : 0;
	return value ? env_set(m->e, name, value) : -ENOMEM;
}

int env_make(struct env *e, const struct pod *p, const struct pod_container *c, char *why, size_t size)
{
	yyjson_val *from = json_arr(c->spec, "envFrom"), *env = json_arr(c->spec, "env"), *each;
	struct maker m = {.e = e, .p = p, .c = c, .why = why, .size = size};
	bool links = !yyjson_is_false(yyjson_obj_get(p->spec, "enableServiceLinks"));
	size_t i, n;

	services_each_variable(p->agent->services, p->ns, links, add_service, &m);
	yyjson_arr_foreach (from, i, n, each)
		if (!m.err)
			m.err = add_all(&m, each);
	yyjson_arr_foreach (env, i, n, each)
		if (!m.err)
			m.err = add_variable(&m, each);
	return m.err;
}
