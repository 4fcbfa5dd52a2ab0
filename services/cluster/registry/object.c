/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One allocation an object: the struct, its arrays, its strings, its bytes. It is packed in two passes over the same code,
 * the first of which only counts.
 *
 * Stored bytes begin with kind, apiVersion and metadata.resourceVersion, the last one empty: the revision is known only when
 * the store has taken them, and is spliced in at that known place.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/registry/doc_memory.h"
#include "cluster/registry/object.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"

struct pack {
	char *base; /* NULL: counting */
	size_t used;
};

static void *pack_room(struct pack *p, size_t size, size_t align)
{
	void *at;

	p->used = (p->used + align - 1) & ~(align - 1);
	at = p->base ? p->base + p->used : NULL;
	p->used += size;
	return at;
}

static const char *pack_bytes(struct pack *p, const char *s, size_t len)
{
	char *at = pack_room(p, len + 1, 1);

	if (at) {
		memcpy(at, s, len);
		at[len] = '\0';
	}
	return at;
}

static const char *pack_text(struct pack *p, const char *s)
{
	return s ? pack_bytes(p, s, strlen(s)) : NULL;
}

static const char *pack_val(struct pack *p, yyjson_val *v)
{
	return yyjson_is_str(v) ? pack_bytes(p, yyjson_get_str(v), yyjson_get_len(v)) : NULL;
}

#define pack_array(p, type, n) ((type *)pack_room((p), (n) * sizeof(type), _Alignof(type)))

static void pack_labels(struct pack *p, struct object *o, yyjson_val *labels)
{
	size_t i, max, n = 0;
	yyjson_val *key, *val;
	struct object_pair *at = pack_array(p, struct object_pair, yyjson_obj_size(labels));

	json_obj_foreach (labels, i, max, key, val) {
		struct object_pair pair = {pack_val(p, key), yyjson_is_str(val) ? pack_val(p, val) : ""};

		if (at)
			at[n] = pair;
		n++;
	}
	o->labels = at;
	o->n_labels = n;
}

/* The member at a path such as spec.nodeName. */
static yyjson_val *walk(yyjson_val *v, const char *path)
{
	while (v && *path) {
		size_t n = strcspn(path, ".");

		v = yyjson_obj_getn(v, path, n);
		path += n + (path[n] == '.');
	}
	return v;
}

static const char *pack_scalar(struct pack *p, yyjson_val *v)
{
	char text[32];

	if (yyjson_is_str(v))
		return pack_val(p, v);
	if (yyjson_is_bool(v))
		return yyjson_get_bool(v) ? "true" : "false";
	if (yyjson_is_int(v)) {
		snprintf(text, sizeof(text), "%" PRId64, yyjson_get_sint(v));
		return pack_text(p, text);
	}
	return "";
}

static void pack_fields(struct pack *p, struct object *o, const struct schema_kind *kind, yyjson_val *root)
{
	struct object_pair *at;
	size_t n = 0;

	while (kind->selectable[n])
		n++;
	at = pack_array(p, struct object_pair, n);
	for (size_t i = 0; i < n; i++) {
		const char *value = pack_scalar(p, walk(root, kind->selectable[i]));

		if (at)
			at[i] = (struct object_pair){kind->selectable[i], value};
	}
	o->fields = at;
	o->n_fields = n;
}

static void pack_owners(struct pack *p, struct object *o, yyjson_val *owners)
{
	size_t i, max, n = 0;
	yyjson_val *v;
	struct object_owner *at = pack_array(p, struct object_owner, yyjson_arr_size(owners));

	yyjson_arr_foreach (owners, i, max, v) {
		struct object_owner owner = {
			.api_version = pack_val(p, yyjson_obj_get(v, "apiVersion")),
			.kind = pack_val(p, yyjson_obj_get(v, "kind")),
			.name = pack_val(p, yyjson_obj_get(v, "name")),
			.uid = pack_val(p, yyjson_obj_get(v, "uid")),
			.controller = json_bool(v, "controller"),
			.block_deletion = json_bool(v, "blockOwnerDeletion"),
		};

		if (!json_str(v, "apiVersion") || !json_str(v, "kind") || !json_str(v, "name") ||
			!json_str(v, "uid"))
			continue;
		if (at)
			at[n] = owner;
		n++;
	}
	o->owners = at;
	o->n_owners = n;
}

static void pack_finalizers(struct pack *p, struct object *o, yyjson_val *list)
{
	size_t i, max, n = 0;
	yyjson_val *v;
	const char **at = pack_array(p, const char *, yyjson_arr_size(list));

	yyjson_arr_foreach (list, i, max, v) {
		const char *s = pack_val(p, v);

		if (!yyjson_is_str(v))
			continue;
		if (at)
			at[n] = s;
		n++;
	}
	o->finalizers = at;
	o->n_finalizers = n;
}

struct source {
	const struct schema_kind *kind;
	const char *key, *json;
	size_t json_len;
	yyjson_val *root;
};

/* The struct itself is first in the block. */
static void pack_object(struct pack *p, const struct source *s)
{
	struct object *o = pack_room(p, sizeof(*o), _Alignof(struct object)), scratch;
	yyjson_val *meta = json_obj(s->root, "metadata");

	if (!o)
		o = &scratch;
	memset(o, 0, sizeof(*o));
	o->kind = s->kind;
	pack_labels(p, o, json_obj(meta, "labels"));
	pack_fields(p, o, s->kind, s->root);
	pack_owners(p, o, json_arr(meta, "ownerReferences"));
	pack_finalizers(p, o, json_arr(meta, "finalizers"));
	o->key = pack_text(p, s->key);
	o->name = pack_val(p, yyjson_obj_get(meta, "name"));
	o->ns = pack_text(p, json_str(meta, "namespace") ? json_str(meta, "namespace") : "");
	o->uid = pack_text(p, json_str(meta, "uid") ? json_str(meta, "uid") : "");
	o->created = pack_val(p, yyjson_obj_get(meta, "creationTimestamp"));
	o->deleted = pack_val(p, yyjson_obj_get(meta, "deletionTimestamp"));
	o->generation = json_int(meta, "generation", 0);
	o->deletion_grace = json_int(meta, "deletionGracePeriodSeconds", -1);
	o->json = pack_bytes(p, s->json, s->json_len);
	o->json_len = s->json_len;
	o->refs = 1;
}

/* What stored bytes begin with, up to where the revision goes. */
static size_t head_of(const struct schema_kind *kind, char *buf, size_t size)
{
	const char *const pieces[] = {"{\"kind\":\"", kind->kind, "\",\"apiVersion\":\"", kind->api_version,
		"\",\"metadata\":{\"resourceVersion\":\""};
	size_t at = 0;

	for (size_t i = 0; i < array_len(pieces); i++) {
		size_t n = strlen(pieces[i]);

		if (n > size - at)
			return 0;
		memcpy(buf + at, pieces[i], n);
		at += n;
	}
	return at;
}

enum { HEAD_MAX = 1024, SCRATCH_BYTES = 128 << 10 };

/*
 * What is parsed only to be packed is parsed in one place, over and over: at this rate an allocator that gives pages back
 * costs more than the parser. What does not fit is parsed in memory of its own.
 */
static yyjson_doc *parse_for_now(char *json, size_t len)
{
	static _Alignas(16) char scratch[SCRATCH_BYTES];
	yyjson_alc alc;

	if (yyjson_read_max_memory_usage(len, YYJSON_READ_NOFLAG) > sizeof(scratch) ||
		!yyjson_alc_pool_init(&alc, scratch, sizeof(scratch)))
		return yyjson_read(json, len, YYJSON_READ_NOFLAG);
	return yyjson_read_opts(json, len, YYJSON_READ_NOFLAG, &alc, NULL);
}

static void doc_textp(char **text)
{
	if (*text)
		doc_alc()->free(doc_alc()->ctx, *text);
}

static int from_pieces(struct object **out, const struct schema_kind *kind, const char *key, const char *head,
	size_t head_len, const char *rest, size_t rest_len, int64_t revision)
{
	static const char name[] = "\"resourceVersion\":\"";
	cleanup(json_docp) yyjson_doc *doc = NULL;
	cleanup(doc_textp) char *json = NULL;
	char number[24] = "";
	size_t n, len;

	/* A dry run's creation has no revision: then the member is not there at all. */
	if (revision) {
		n = (size_t)snprintf(number, sizeof(number), "%" PRId64, revision);
	} else {
		n = 0;
		head_len -= sizeof(name) - 1;
		rest += 1;
		rest_len -= 1;
		if (*rest == ',') {
			rest++;
			rest_len--;
		}
	}
	len = head_len + n + rest_len;
	json = doc_alc()->malloc(doc_alc()->ctx, len + 1);
	if (!json)
		return -ENOMEM;
	memcpy(json, head, head_len);
	memcpy(json + head_len, number, n);
	memcpy(json + head_len + n, rest, rest_len);
	json[len] = '\0';
	doc = parse_for_now(json, len);

	struct source s = {kind, key, json, len, yyjson_doc_get_root(doc)};

	if (!doc || !json_text(json_obj(s.root, "metadata"), "name"))
		return -EINVAL;

	struct pack p = {0};

	pack_object(&p, &s);
	p.base = malloc(p.used);
	if (!p.base)
		return -ENOMEM;
	p.used = 0;
	pack_object(&p, &s);
	*out = (struct object *)(void *)p.base;
	(*out)->revision = revision;
	return 0;
}

bool object_is_of(const struct schema_kind *kind, const char *json, size_t len)
{
	char head[HEAD_MAX];
	size_t n = head_of(kind, head, sizeof(head));

	return n && len > n && !memcmp(json, head, n);
}

int object_new(struct object **out, const struct schema_kind *kind, const char *key, const char *json,
	size_t len, int64_t revision)
{
	char head[HEAD_MAX];
	size_t n = head_of(kind, head, sizeof(head));

	if (!n || len <= n || memcmp(json, head, n) != 0 || json[n] != '"')
		return -EINVAL;
	return from_pieces(out, kind, key, head, n, json + n, len - n, revision);
}

int object_at(struct object **out, const struct object *o, int64_t revision)
{
	char head[HEAD_MAX];
	size_t n = head_of(o->kind, head, sizeof(head)), digits;

	if (!n || o->json_len <= n || memcmp(o->json, head, n) != 0)
		return -EINVAL;
	digits = strspn(o->json + n, "0123456789");
	return from_pieces(
		out, o->kind, o->key, head, n, o->json + n + digits, o->json_len - n - digits, revision);
}

bool object_same(const struct object *o, const char *json, size_t len)
{
	char head[HEAD_MAX];
	size_t n = head_of(o->kind, head, sizeof(head)), digits;

	if (!n || len < n || o->json_len < n)
		return false;
	digits = strspn(o->json + n, "0123456789");
	return len == o->json_len - digits && !memcmp(json, o->json, n) &&
	       !memcmp(json + n, o->json + n + digits, len - n);
}

void object_unref(struct object *o)
{
	if (o && !--o->refs)
		free(o);
}

const char *object_label(const struct object *o, const char *key)
{
	for (size_t i = 0; i < o->n_labels; i++)
		if (!strcmp(o->labels[i].key, key))
			return o->labels[i].value;
	return NULL;
}

const char *object_label_of(const void *object, const char *key)
{
	return object_label(object, key);
}

const char *object_field(const struct object *o, const char *path)
{
	if (!strcmp(path, "metadata.name"))
		return o->name;
	if (!strcmp(path, "metadata.namespace"))
		return o->ns;
	for (size_t i = 0; i < o->n_fields; i++)
		if (!strcmp(o->fields[i].key, path))
			return o->fields[i].value;
	return "";
}

const struct object_owner *object_controller(const struct object *o)
{
	for (size_t i = 0; i < o->n_owners; i++)
		if (o->owners[i].controller)
			return &o->owners[i];
	return NULL;
}

bool object_has_finalizer(const struct object *o, const char *finalizer)
{
	for (size_t i = 0; i < o->n_finalizers; i++)
		if (!strcmp(o->finalizers[i], finalizer))
			return true;
	return false;
}

yyjson_doc *object_doc(const struct object *o)
{
	/* nothing is written there without YYJSON_READ_INSITU */
	return yyjson_read_opts((char *)(uintptr_t)o->json, o->json_len, YYJSON_READ_NOFLAG, doc_alc(), NULL);
}

yyjson_mut_doc *object_mut_doc(const struct object *o)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(o);

	return doc ? json_mut_copy_in(doc, doc_alc()) : NULL;
}

int object_of(struct object **out, const yyjson_mut_doc *doc, const struct schema_kind *kind, const char *key,
	int64_t revision)
{
	cleanup(json_mut_docp) yyjson_mut_doc *copy =
		yyjson_mut_doc_mut_copy((yyjson_mut_doc *)(uintptr_t)doc, NULL);
	size_t len;
	cleanup(freep) char *json = copy ? object_encode(copy, kind, &len) : NULL;

	return json ? object_new(out, kind, key, json, len, revision) : -ENOMEM;
}

/* Moves a member to the front; what is absent becomes @otherwise. */
static bool to_front(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, yyjson_mut_val *otherwise)
{
	yyjson_mut_val *was = yyjson_mut_obj_remove_key(obj, key);

	if (!was || otherwise)
		was = otherwise;
	return was && yyjson_mut_obj_insert(obj, yyjson_mut_str(doc, key), was, 0);
}

char *object_encode(yyjson_mut_doc *doc, const struct schema_kind *kind, size_t *len)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *meta = yyjson_mut_obj_get(root, "metadata");
	cleanup(doc_textp) char *text = NULL;
	char *exact;

	if (!meta || !to_front(doc, meta, "resourceVersion", yyjson_mut_str(doc, "")) ||
		!to_front(doc, root, "metadata", NULL) ||
		!to_front(doc, root, "apiVersion", yyjson_mut_str(doc, kind->api_version)) ||
		!to_front(doc, root, "kind", yyjson_mut_str(doc, kind->kind)))
		return NULL;
	/* written into far more room than it needs, kept in what it needs */
	text = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, doc_alc(), len, NULL);
	exact = text ? malloc(*len + 1) : NULL;
	return exact ? memcpy(exact, text, *len + 1) : NULL;
}
