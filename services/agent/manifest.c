/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/manifest.h"
#include "lib/json.h"
#include "lib/sha256.h"
#include "lib/yaml_json.h"

enum { NAME_MAX_ = 253, UID_BYTES = 16 };

struct reader {
	yyjson_mut_doc *doc;
	yyjson_mut_val *root, *meta, *spec;
	char *why;
	size_t why_size;
	bool no_memory;
};

static int printf_like(2, 3) wrong(struct reader *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->why, r->why_size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *text(yyjson_mut_val *o, const char *key)
{
	return yyjson_mut_get_str(yyjson_mut_obj_get(o, key));
}

/* ---- what is filled in, as the API server does */

static void put_text(struct reader *r, yyjson_mut_val *o, const char *key, const char *value)
{
	yyjson_mut_obj_remove_key(o, key);
	r->no_memory |= !yyjson_mut_obj_add_strcpy(r->doc, o, key, value);
}

static void fill_text(struct reader *r, yyjson_mut_val *o, const char *key, const char *value)
{
	if (!yyjson_mut_obj_get(o, key))
		put_text(r, o, key, value);
}

static bool is_latest(const char *image)
{
	const char *slash = strrchr(image, '/'), *colon = strrchr(image, ':');

	return !strchr(image, '@') && (!colon || (slash && colon < slash) || !strcmp(colon, ":latest"));
}

static void fill_container(struct reader *r, yyjson_mut_val *c)
{
	fill_text(r, c, "terminationMessagePath", "/dev/termination-log");
	fill_text(r, c, "terminationMessagePolicy", "File");
	fill_text(r, c, "imagePullPolicy", is_latest(text(c, "image") ?: "") ? "Always" : "IfNotPresent");
}

static void fill(struct reader *r, const char *node)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(r->spec, "tolerations"), *o;

	fill_text(r, r->spec, "restartPolicy", "Always");
	fill_text(r, r->spec, "dnsPolicy", "ClusterFirst");
	put_text(r, r->spec, "nodeName", node);
	if (!list)
		list = yyjson_mut_obj_add_arr(r->doc, r->spec, "tolerations");
	/* nothing that happens to the node makes it leave */
	o = yyjson_mut_arr_add_obj(r->doc, list);
	r->no_memory |= !o || !yyjson_mut_obj_add_str(r->doc, o, "operator", "Exists") ||
			!yyjson_mut_obj_add_str(r->doc, o, "effect", "NoExecute");
}

/* ---- what cannot be had without an API server */

static int check_env(struct reader *r, yyjson_mut_val *c, const char *name)
{
	static const char *const refused[] = {"configMapKeyRef", "secretKeyRef", "fileKeyRef"};
	yyjson_mut_val *each;
	size_t i, n;

	if (yyjson_mut_arr_size(yyjson_mut_obj_get(c, "envFrom")))
		return wrong(r, "container %.63s: a static pod cannot have envFrom", name);
	yyjson_mut_arr_foreach(yyjson_mut_obj_get(c, "env"), i, n, each)
	{
		for (size_t k = 0; k < array_len(refused); k++)
			if (yyjson_mut_obj_get(yyjson_mut_obj_get(each, "valueFrom"), refused[k]))
				return wrong(r, "container %.63s: a static pod cannot have env with %s", name,
					refused[k]);
	}
	return 0;
}

static int check_containers(struct reader *r, const char *key)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(r->spec, key), *each;
	size_t i, n;
	int err = 0;

	if (list && !yyjson_mut_is_arr(list))
		return wrong(r, "spec.%s is no list", key);
	yyjson_mut_arr_foreach(list, i, n, each)
	{
		const char *name = text(each, "name");

		if (!name || !*name || !text(each, "image"))
			return wrong(r, "spec.%s[%zu] has no name or no image", key, i);
		err = err ? err : check_env(r, each, name);
		fill_container(r, each);
	}
	return err;
}

static int check_volumes(struct reader *r)
{
	static const char *const good[] = {"emptyDir", "hostPath", "downwardAPI", "name"};
	yyjson_mut_val *each, *key, *value;
	size_t i, n, k, m;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(r->spec, "volumes"), i, n, each)
	{
		yyjson_mut_obj_foreach(each, k, m, key, value)
		{
			size_t at = 0;

			while (at < array_len(good) && !yyjson_mut_equals_str(key, good[at]))
				at++;
			if (at == array_len(good))
				return wrong(r, "volume %.63s: a static pod cannot have %.40s",
					text(each, "name") ?: "", yyjson_mut_get_str(key));
		}
	}
	return 0;
}

static int check(struct reader *r)
{
	static const char *const accounts[] = {"serviceAccountName", "serviceAccount"};
	int err;

	if (!yyjson_mut_equals_str(yyjson_mut_obj_get(r->root, "kind"), "Pod") ||
		!yyjson_mut_equals_str(yyjson_mut_obj_get(r->root, "apiVersion"), "v1"))
		return wrong(r, "it is no Pod of apiVersion v1");
	if (!yyjson_mut_is_obj(r->meta) || !yyjson_mut_is_obj(r->spec))
		return wrong(r, "it has no metadata or no spec");
	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(r->spec, "containers")))
		return wrong(r, "spec.containers is empty");
	for (size_t i = 0; i < array_len(accounts); i++)
		if (text(r->spec, accounts[i]))
			return wrong(r, "a static pod cannot have %s", accounts[i]);
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(r->spec, "imagePullSecrets")))
		return wrong(r, "a static pod cannot have imagePullSecrets");
	if (yyjson_mut_arr_size(yyjson_mut_obj_get(r->spec, "resourceClaims")))
		return wrong(r, "a static pod cannot have resourceClaims");
	if (yyjson_mut_obj_get(yyjson_mut_obj_get(r->spec, "resources"), "claims"))
		return wrong(r, "a static pod cannot have resources.claims");
	if (yyjson_mut_obj_get(r->spec, "ephemeralContainers"))
		return wrong(r, "a static pod cannot have ephemeralContainers");
	err = check_containers(r, "initContainers");
	if (!err)
		err = check_containers(r, "containers");
	return err ? err : check_volumes(r);
}

/* ---- names */

static bool is_name(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return n && n <= NAME_MAX_ && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n &&
	       s[0] != '-' && s[0] != '.' && s[n - 1] != '-' && s[n - 1] != '.';
}

static void uid_of(
	const char *content, size_t len, const char *node, const char *file, char out[2 * UID_BYTES + 1])
{
	unsigned char hash[SHA256_SIZE];
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, node, strlen(node) + 1);
	sha256_update(&s, file, strlen(file) + 1);
	sha256_update(&s, content, len);
	sha256_final(&s, hash);
	for (size_t i = 0; i < UID_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static int name_it(struct reader *r, const char *node, const char *uid)
{
	static const char *const servers[] = {"generateName", "resourceVersion", "creationTimestamp",
		"deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers",
		"managedFields", "generation", "selfLink"};
	const char *name = text(r->meta, "name"), *ns = text(r->meta, "namespace") ?: "default";
	yyjson_mut_val *annotations = yyjson_mut_obj_get(r->meta, "annotations");
	char whole[2 * NAME_MAX_];

	snprintf(whole, sizeof(whole), "%.253s-%.253s", name ? name : "", node);
	if (!is_name(name) || !is_name(whole))
		return wrong(r, "metadata.name is no name, or too long with the node's behind it");
	if (!is_name(ns) || strchr(ns, '.'))
		return wrong(r, "metadata.namespace is no name of a namespace");
	for (size_t i = 0; i < array_len(servers); i++)
		yyjson_mut_obj_remove_key(r->meta, servers[i]);
	fill_text(r, r->meta, "namespace", ns);
	put_text(r, r->meta, "name", whole);
	put_text(r, r->meta, "uid", uid);
	if (!yyjson_mut_is_obj(annotations)) {
		yyjson_mut_obj_remove_key(r->meta, "annotations");
		annotations = yyjson_mut_obj_add_obj(r->doc, r->meta, "annotations");
	}
	put_text(r, annotations, MANIFEST_HASH, uid);
	put_text(r, annotations, MANIFEST_SOURCE, "file");
	return 0;
}

int manifest_read(yyjson_doc **out, const char *content, size_t len, const char *node, const char *file,
	char *why, size_t why_size)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;
	int err = yaml_json(&doc, content, len, why, why_size);
	struct reader r = {.doc = doc, .why = why, .why_size = why_size};
	char uid[2 * UID_BYTES + 1];

	if (err)
		return err;
	r.root = yyjson_mut_doc_get_root(doc);
	r.meta = yyjson_mut_obj_get(r.root, "metadata");
	r.spec = yyjson_mut_obj_get(r.root, "spec");
	uid_of(content, len, node, file, uid);
	err = check(&r);
	if (!err)
		err = name_it(&r, node, uid);
	if (err)
		return err;
	fill(&r, node);
	yyjson_mut_obj_remove_key(r.root, "status");
	*out = r.no_memory ? NULL : yyjson_mut_doc_imut_copy(doc, NULL);
	return *out ? 0 : -ENOMEM;
}
