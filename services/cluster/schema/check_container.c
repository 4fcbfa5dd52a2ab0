/* SPDX-License-Identifier: Apache-2.0 */

/* Parts of containers and volumes: of several ways to say a thing, exactly one. */

#include <string.h>

#include "cluster/schema/check_int.h"
#include "cluster/schema/meta.h"

schema_check check_container, check_env_var, check_env_source, check_env_from, check_volume,
	check_volume_mount, check_probe, check_lifecycle;

void check_container(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	yyjson_mut_val *image = yyjson_mut_obj_get(o, "image");
	const char *s = yyjson_mut_get_str(image);

	if (!yyjson_mut_get_len(image))
		check_error(c, FIELD_REQUIRED, NULL, ".image", "%s", "");
	else if (s && (s[0] == ' ' || s[strlen(s) - 1] == ' '))
		check_error(
			c, FIELD_INVALID, image, ".image", "must not have leading or trailing whitespace");
}

void check_env_var(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	if (yyjson_mut_obj_get(o, "valueFrom") && *text_of(o, "value"))
		check_error(c, FIELD_INVALID, NULL, ".valueFrom",
			"may not be specified when `value` is not empty");
}

static void exactly_one(
	struct check *c, yyjson_mut_val *o, const char *const *names, const char *none, const char *many)
{
	const char *which = "";
	size_t n = check_count(o, names, &which);

	if (!n)
		check_error(c, FIELD_REQUIRED, NULL, "", "%s", none);
	else if (n > 1)
		check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", which), "%s", many);
}

void check_env_source(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {
		"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef", NULL};
	static const char *const refs[] = {"configMapKeyRef", "secretKeyRef"};
	const char *which = "";
	size_t n = check_count(o, names, &which);

	if (!n)
		check_error(c, FIELD_INVALID, o, "",
			"must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
	else if (n > 1)
		check_error(c, FIELD_INVALID, o, "", "may not have more than one field specified at a time");
	for (size_t i = 0; i < array_len(refs); i++) {
		yyjson_mut_val *ref = yyjson_mut_obj_get(o, refs[i]);

		if (ref && !*text_of(ref, "name"))
			check_error(c, FIELD_REQUIRED, NULL, REL(".%s.name", refs[i]), "%s", "");
		if (ref && *text_of(ref, "key"))
			check_format(c, yyjson_mut_obj_get(ref, "key"), REL(".%s.key", refs[i]),
				SCHEMA_CONFIG_KEY);
	}
}

void check_env_from(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {"configMapRef", "secretRef", NULL};
	const char *which = "";
	size_t n = check_count(o, names, &which);

	if (!n)
		check_error(c, FIELD_INVALID, o, "", "must specify one of: `configMapRef` or `secretRef`");
	else if (n > 1)
		check_error(c, FIELD_INVALID, o, "", "may not have more than one field specified at a time");
	else if (!*text_of(yyjson_mut_obj_get(o, which), "name"))
		check_error(c, FIELD_REQUIRED, NULL, REL(".%s.name", which), "%s", "");
}

void check_volume(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	size_t n = yyjson_mut_obj_size(o) - (yyjson_mut_obj_get(o, "name") != NULL), i, max;
	yyjson_mut_val *key, *v, *last = NULL;

	if (!n)
		check_error(c, FIELD_REQUIRED, NULL, "", "must specify a volume type");
	if (n < 2)
		return;
	yyjson_mut_obj_foreach(o, i, max, key, v) if (!yyjson_mut_equals_str(key, "name")) last = key;
	check_error(c, FIELD_FORBIDDEN, NULL, REL(".%s", yyjson_mut_get_str(last)),
		"may not specify more than 1 volume type");
}

void check_volume_mount(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	if (*text_of(o, "subPath") && *text_of(o, "subPathExpr"))
		check_error(c, FIELD_INVALID, yyjson_mut_obj_get(o, "subPathExpr"), ".subPathExpr",
			"subPathExpr and subPath are mutually exclusive");
	if (yyjson_mut_obj_get(o, "recursiveReadOnly") &&
		strcmp(text_of(o, "recursiveReadOnly"), "Disabled") != 0 &&
		!yyjson_mut_is_true(yyjson_mut_obj_get(o, "readOnly")))
		check_error(c, FIELD_FORBIDDEN, NULL, ".recursiveReadOnly",
			"may only be specified when readOnly is true");
}

void check_probe(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {"exec", "httpGet", "tcpSocket", "grpc", NULL};

	exactly_one(c, o, names, "must specify a handler type", "may not specify more than 1 handler type");
}

void check_lifecycle(struct check *c, yyjson_mut_val *o, yyjson_mut_val *old)
{
	static const char *const names[] = {"exec", "httpGet", "tcpSocket", "sleep", NULL};
	static const char *const hooks[] = {"postStart", "preStop"};

	for (size_t i = 0; i < array_len(hooks); i++) {
		yyjson_mut_val *h = yyjson_mut_obj_get(o, hooks[i]);
		struct path step = {.up = c->path, .name = hooks[i], .len = strlen(hooks[i])};
		struct check in = *c;

		in.path = &step;
		if (h)
			exactly_one(&in, h, names, "must specify a handler type",
				"may not specify more than 1 handler type");
	}
}
