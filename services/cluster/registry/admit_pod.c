/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods as they are created: the service account they run as, with its token, the cluster's CA and the namespace at hand in
 * every container (ServiceAccount); five minutes' patience with a node that is not ready or not reachable
 * (DefaultTolerationSeconds); a quality of service; pending.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/admission.h"
#include "cluster/registry/registry_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/qos.h"
#include "lib/quantity.h"
#include "lib/json.h"

#define TOKEN_VOLUME	"kube-api-access-"
#define TOKEN_PATH	"/var/run/secrets/kubernetes.io/serviceaccount"
#define MIRROR		"kubernetes.io/config.mirror"
#define CA_CONFIGMAP	"kube-root-ca.crt"
#define DEFAULT_ACCOUNT "default" /* of each namespace, made by the service account controller */
enum { TOKEN_SECONDS = 3607 };

static struct status *no_memory(void)
{
	return status_errno(-ENOMEM, "pod");
}

static bool is_new_pod(const struct attempt *a)
{
	return a->verb == ADMIT_CREATE && attempt_is(a, "", "Pod");
}

static bool is_mirror(const struct attempt *a)
{
	return meta_mut_get(a->root, "metadata", "annotations", MIRROR, NULL) != NULL;
}

/* ---- the service account */

static bool has_member(yyjson_mut_val *list, const char *key, const char *value)
{
	size_t i, max;
	yyjson_mut_val *v;

	yyjson_mut_arr_foreach(
		list, i, max, v) if (yyjson_mut_equals_str(yyjson_mut_obj_get(v, key), value)) return true;
	return false;
}

/* Its list under @key, made when it is not there. */
static yyjson_mut_val *list_of(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(obj, key);

	return list ? list : yyjson_mut_obj_add_arr(doc, obj, key);
}

static bool add_volume(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *name)
{
	yyjson_mut_val *volumes = list_of(doc, spec, "volumes");
	yyjson_mut_val *volume = volumes ? yyjson_mut_arr_add_obj(doc, volumes) : NULL;
	yyjson_mut_val *projected, *sources, *s, *items, *item, *ref;

	if (!volume || !yyjson_mut_obj_add_strcpy(doc, volume, "name", name))
		return false;
	projected = yyjson_mut_obj_add_obj(doc, volume, "projected");
	if (!projected)
		return false;
	sources = yyjson_mut_obj_add_arr(doc, projected, "sources");
	yyjson_mut_obj_add_int(doc, projected, "defaultMode", 0644);

	s = yyjson_mut_obj_add_obj(doc, yyjson_mut_arr_add_obj(doc, sources), "serviceAccountToken");
	yyjson_mut_obj_add_int(doc, s, "expirationSeconds", TOKEN_SECONDS);
	yyjson_mut_obj_add_str(doc, s, "path", "token");

	s = yyjson_mut_obj_add_obj(doc, yyjson_mut_arr_add_obj(doc, sources), "configMap");
	yyjson_mut_obj_add_str(doc, s, "name", CA_CONFIGMAP);
	items = yyjson_mut_obj_add_arr(doc, s, "items");
	item = yyjson_mut_arr_add_obj(doc, items);
	yyjson_mut_obj_add_str(doc, item, "key", "ca.crt");
	yyjson_mut_obj_add_str(doc, item, "path", "ca.crt");

	s = yyjson_mut_obj_add_obj(doc, yyjson_mut_arr_add_obj(doc, sources), "downwardAPI");
	items = yyjson_mut_obj_add_arr(doc, s, "items");
	item = yyjson_mut_arr_add_obj(doc, items);
	yyjson_mut_obj_add_str(doc, item, "path", "namespace");
	ref = yyjson_mut_obj_add_obj(doc, item, "fieldRef");
	return yyjson_mut_obj_add_str(doc, ref, "apiVersion", "v1") &&
	       yyjson_mut_obj_add_str(doc, ref, "fieldPath", "metadata.namespace");
}

/* In every container that has nothing at that path. How many got it, or -1. */
static int add_mounts(yyjson_mut_doc *doc, yyjson_mut_val *containers, const char *volume)
{
	size_t i, max;
	yyjson_mut_val *c;
	int n = 0;

	yyjson_mut_arr_foreach(containers, i, max, c)
	{
		yyjson_mut_val *mounts = list_of(doc, c, "volumeMounts"), *m;

		if (!mounts)
			return -1;
		if (has_member(mounts, "mountPath", TOKEN_PATH))
			continue;
		m = yyjson_mut_arr_add_obj(doc, mounts);
		if (!m || !yyjson_mut_obj_add_strcpy(doc, m, "name", volume) ||
			!yyjson_mut_obj_add_bool(doc, m, "readOnly", true) ||
			!yyjson_mut_obj_add_str(doc, m, "mountPath", TOKEN_PATH))
			return -1;
		n++;
	}
	return n;
}

/* The volume of the token that is there already, or NULL. */
static const char *token_volume(yyjson_mut_val *spec)
{
	yyjson_mut_val *v;
	size_t i, n;

	yyjson_mut_arr_foreach(yyjson_mut_obj_get(spec, "volumes"), i, n, v)
	{
		const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(v, "name")) ?: "";

		if (!strncmp(name, TOKEN_VOLUME, strlen(TOKEN_VOLUME)))
			return name;
	}
	return NULL;
}

static struct status *give_token(struct attempt *a, yyjson_mut_val *spec)
{
	const char *there = token_volume(spec), *volume = there;
	char made[64];
	int inits, mains;

	if (!there) {
		if (meta_generate_name(made, sizeof(made), TOKEN_VOLUME))
			return status_internal("no random numbers");
		volume = made;
	}
	inits = add_mounts(a->doc, yyjson_mut_obj_get(spec, "initContainers"), volume);
	mains = add_mounts(a->doc, yyjson_mut_obj_get(spec, "containers"), volume);
	if (inits < 0 || mains < 0)
		return no_memory();
	return there || inits + mains == 0 || add_volume(a->doc, spec, volume) ? NULL : no_memory();
}

static struct status *service_account(struct attempt *a)
{
	yyjson_mut_val *spec = meta_make(a->doc, a->root, "spec", NULL), *own;
	const struct schema_kind *kind = schema_find("", "v1", "serviceaccounts");
	const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "serviceAccountName"));
	const struct object *account;
	cleanup(json_docp) yyjson_doc *doc = NULL;
	yyjson_val *root, *secrets;
	bool mount;

	if (!name || !*name)
		name = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "serviceAccount"));
	if (!name || !*name)
		name = DEFAULT_ACCOUNT;
	account = registry_get(a->registry, kind, a->ns, name);
	if (!account) {
		a->early = !strcmp(name, DEFAULT_ACCOUNT);
		return status_forbidden(a->kind, a->name,
			"error looking up service account %s/%s: serviceaccount \"%s\" not found", a->ns,
			name, name);
	}
	if (!meta_put(a->doc, spec, "serviceAccountName", yyjson_mut_strcpy(a->doc, name)) ||
		!meta_put(a->doc, spec, "serviceAccount", yyjson_mut_strcpy(a->doc, name)))
		return no_memory();
	doc = object_doc(account);
	if (!doc)
		return no_memory();
	root = yyjson_doc_get_root(doc);
	secrets = json_arr(root, "imagePullSecrets");
	if (!yyjson_mut_arr_size(yyjson_mut_obj_get(spec, "imagePullSecrets")) && yyjson_arr_size(secrets) &&
		!meta_put(a->doc, spec, "imagePullSecrets", yyjson_val_mut_copy(a->doc, secrets)))
		return no_memory();
	own = yyjson_mut_obj_get(spec, "automountServiceAccountToken");
	mount = own ? yyjson_mut_get_bool(own)
		    : !yyjson_is_false(yyjson_obj_get(root, "automountServiceAccountToken"));
	return mount ? give_token(a, spec) : NULL;
}

/* ---- tolerations */

static bool tolerates(yyjson_mut_val *tolerations, const char *key)
{
	size_t i, max;
	yyjson_mut_val *t;

	yyjson_mut_arr_foreach(tolerations, i, max, t)
	{
		const char *k = yyjson_mut_get_str(yyjson_mut_obj_get(t, "key"));
		const char *effect = yyjson_mut_get_str(yyjson_mut_obj_get(t, "effect"));

		if ((!k || !*k || !strcmp(k, key)) && (!effect || !*effect || !strcmp(effect, "NoExecute")))
			return true;
	}
	return false;
}

static struct status *tolerations(struct attempt *a)
{
	static const char *const keys[] = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"};
	yyjson_mut_val *spec = meta_make(a->doc, a->root, "spec", NULL);
	yyjson_mut_val *list = list_of(a->doc, spec, "tolerations");

	for (size_t i = 0; i < array_len(keys); i++) {
		yyjson_mut_val *t;

		if (tolerates(list, keys[i]))
			continue;
		t = yyjson_mut_arr_add_obj(a->doc, list);
		if (!t || !yyjson_mut_obj_add_str(a->doc, t, "key", keys[i]) ||
			!yyjson_mut_obj_add_str(a->doc, t, "operator", "Exists") ||
			!yyjson_mut_obj_add_str(a->doc, t, "effect", "NoExecute") ||
			!yyjson_mut_obj_add_int(a->doc, t, "tolerationSeconds", 300))
			return no_memory();
	}
	return NULL;
}

/* ---- quality of service */

static struct status *begin(struct attempt *a)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(a->root, "spec");
	yyjson_mut_val *status = meta_make(a->doc, a->root, "status", NULL);

	if (!status || !meta_put(a->doc, status, "phase", yyjson_mut_str(a->doc, "Pending")) ||
		!meta_put(a->doc, status, "qosClass", yyjson_mut_str(a->doc, pod_qos(spec))))
		return no_memory();
	return NULL;
}

static struct status *change(struct attempt *a)
{
	struct status *err;

	if (!is_new_pod(a))
		return NULL;
	err = begin(a);
	if (!err)
		err = tolerations(a);
	if (!err && !is_mirror(a))
		err = service_account(a);
	return err;
}

const struct admission admission_pod = {.name = "Pod", .change = change};
