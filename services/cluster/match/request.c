/* SPDX-License-Identifier: Apache-2.0 */

/* AdmissionRequest of admission.k8s.io/v1, out of an attempt. */

#include <string.h>

#include "cluster/match/match.h"
#include "cluster/match/request.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/convert.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/webhooks/forms.h"
#include "lib/json.h"

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
	return yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

/* {group, version, kind} or {group, version, resource} */
static bool add_name(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const struct schema_kind *k,
	const char *last, const char *text)
{
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, o, key);

	return v && add_text(doc, v, "group", k->group) && add_text(doc, v, "version", k->version) &&
	       add_text(doc, v, last, text);
}

static bool add_texts(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *const *texts, size_t n)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);
	bool ok = list && name && yyjson_mut_obj_add(o, name, list);

	for (size_t i = 0; ok && i < n; i++)
		ok = yyjson_mut_arr_add_strcpy(doc, list, texts[i]);
	return ok;
}

static bool add_user(yyjson_mut_doc *doc, yyjson_mut_val *request, const struct caller *who)
{
	yyjson_mut_val *user = yyjson_mut_obj_add_obj(doc, request, "userInfo"), *extra;

	if (!user || !add_text(doc, user, "username", who->user) ||
		(*who->uid && !add_text(doc, user, "uid", who->uid)) ||
		!add_texts(doc, user, "groups", who->groups, who->n_groups))
		return false;
	extra = who->n_extra ? yyjson_mut_obj_add_obj(doc, user, "extra") : NULL;
	for (size_t i = 0; i < who->n_extra; i++)
		if (!extra || !add_texts(doc, extra, who->extra[i].key, who->extra[i].values,
				      who->extra[i].n_values))
			return false;
	return true;
}

/* {group, version, kind} of a foreign object, as it says itself. */
static bool add_own_name(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_mut_val *foreign)
{
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(doc, o, key);
	const char *api = yyjson_mut_get_str(yyjson_mut_obj_get(foreign, "apiVersion")) ?: "",
		   *kind = yyjson_mut_get_str(yyjson_mut_obj_get(foreign, "kind")) ?: "",
		   *slash = strchr(api, '/');
	yyjson_mut_val *group = yyjson_mut_strncpy(doc, api, slash ? (size_t)(slash - api) : 0);

	return v && group && yyjson_mut_obj_add_val(doc, v, "group", group) &&
	       add_text(doc, v, "version", slash ? slash + 1 : api) && add_text(doc, v, "kind", kind);
}

bool request_convert(yyjson_mut_doc *object, const struct schema_kind *from, const struct schema_kind *as)
{
	return convert_object(object, from, as) &&
	       meta_put(object, yyjson_mut_doc_get_root(object), "apiVersion",
		       yyjson_mut_strcpy(object, as->api_version)) &&
	       meta_put(object, yyjson_mut_doc_get_root(object), "kind", yyjson_mut_strcpy(object, as->kind));
}

/* An object in the version as which it is shown; @from NULL: it stays as it is. @object NULL is null. */
static bool add_object(yyjson_mut_doc *doc, yyjson_mut_val *request, const char *key, yyjson_mut_doc *object,
	const struct schema_kind *from, const struct schema_kind *as)
{
	yyjson_mut_val *copy;

	if (!object)
		return yyjson_mut_obj_add_null(doc, request, key);
	if (from && !request_convert(object, from, as))
		return false;
	copy = yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(object));
	return copy && yyjson_mut_obj_add_val(doc, request, key, copy);
}

static bool add_objects(
	yyjson_mut_doc *doc, yyjson_mut_val *request, const struct attempt *a, const struct schema_kind *as)
{
	const struct attempt_form *made = form_find(a, as);
	const struct object *was = made ? made->old : a->old;
	cleanup(json_mut_docp) yyjson_mut_doc *now = made && made->now ? object_mut_doc(made->now)
						     : a->doc	       ? yyjson_mut_doc_mut_copy(a->doc, NULL)
								       : NULL;
	cleanup(json_mut_docp) yyjson_mut_doc *old = was ? object_mut_doc(was) : NULL;

	return (now || !a->doc) && (old || !was) &&
	       add_object(doc, request, "object", now, made || a->foreign ? NULL : a->kind, as) &&
	       add_object(doc, request, "oldObject", old, made || a->foreign || !was ? NULL : was->kind, as);
}

static bool add_options(yyjson_mut_doc *doc, yyjson_mut_val *request, const struct attempt *a)
{
	static const char *const kinds[] = {[ADMIT_CREATE] = "CreateOptions",
		[ADMIT_UPDATE] = "UpdateOptions",
		[ADMIT_DELETE] = "DeleteOptions"};
	yyjson_mut_val *options, *dry;

	if (a->verb == ADMIT_CONNECT)
		return yyjson_mut_obj_add_null(doc, request, "options");
	options = yyjson_mut_obj_add_obj(doc, request, "options");
	if (!options || !add_text(doc, options, "kind", kinds[a->verb]) ||
		!add_text(doc, options, "apiVersion", "meta.k8s.io/v1"))
		return false;
	dry = a->dry_run ? yyjson_mut_obj_add_arr(doc, options, "dryRun") : NULL;
	return !a->dry_run || (dry && yyjson_mut_arr_add_str(doc, dry, "All"));
}

bool request_add(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct attempt *a,
	const struct schema_kind *as, const char *uid)
{
	yyjson_mut_val *request = yyjson_mut_obj_add_obj(doc, root, "request");
	const struct schema_kind *asked = a->asked ? a->asked : a->kind;

	return request && add_text(doc, request, "uid", uid) &&
	       (a->foreign ? add_own_name(doc, request, "kind", a->root)
			   : add_name(doc, request, "kind", as, "kind", as->kind)) &&
	       add_name(doc, request, "resource", as, "resource", as->plural) &&
	       (a->foreign ? add_own_name(doc, request, "requestKind", a->root)
			   : add_name(doc, request, "requestKind", asked, "kind", asked->kind)) &&
	       add_name(doc, request, "requestResource", asked, "resource", asked->plural) &&
	       (!*a->subresource || (add_text(doc, request, "subResource", a->subresource) &&
					    add_text(doc, request, "requestSubResource", a->subresource))) &&
	       (!*a->name || add_text(doc, request, "name", a->name)) &&
	       (!*a->ns || add_text(doc, request, "namespace", a->ns)) &&
	       add_text(doc, request, "operation", match_operation(a)) && add_user(doc, request, a->who) &&
	       add_objects(doc, request, a, as) &&
	       yyjson_mut_obj_add_bool(doc, request, "dryRun", a->dry_run) && add_options(doc, request, a);
}
