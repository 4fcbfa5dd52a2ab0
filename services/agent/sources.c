/* SPDX-License-Identifier: Apache-2.0 */

/* See sources.h. What is needed is read from the specification once; objects.h keeps the objects, the tokens are ours alone. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/pod.h"
#include "agent/sources.h"
#include "agent/volumes.h"
#include "lib/base64.h"
#include "lib/http_client.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { TOKEN_LIFE_MAX_S = 24 * 3600, TOKEN_RETRY_MS = 60 * 1000 };

struct source {
	enum source_kind kind;
	char *name;	     /* owned */
	bool optional, told; /* told: of its last failure */
	struct objects_ref *ref;
	struct source *next;
};

struct token {
	struct sources *s;
	char *audience; /* owned */
	int64_t seconds;
	char *text; /* owned; NULL until it is there */
	bool failed;
	char why[400];
	struct http_call *call;
	struct loop_timer timer; /* to renew it */
	struct token *next;
};

struct sources {
	struct pod *p;
	char *account; /* owned */
	struct source *first;
	struct token *tokens;
	char error[480];
};

/* ---- what is needed */

static struct source *get(const struct sources *s, enum source_kind kind, const char *name)
{
	for (struct source *each = s->first; each; each = each->next)
		if (each->kind == kind && !strcmp(each->name, name))
			return each;
	return NULL;
}

static void on_news(void *arg)
{
	struct sources *s = arg;

	volumes_refresh(s->p);
	pod_wake(s->p);
}

/* @follow: its files are written anew when it changes; else it is looked at when something is begun with it. */
static bool need(struct sources *s, enum source_kind kind, const char *name, bool optional, bool follow)
{
	struct source *each = name ? get(s, kind, name) : NULL;

	if (!name)
		return true;
	if (each) {
		each->optional &= optional;
		if (follow && each->ref)
			objects_follow(each->ref);
		return true;
	}
	each = calloc(1, sizeof(*each));
	if (!each)
		return false;
	*each = (struct source){.kind = kind, .name = strdup(name), .optional = optional, .next = s->first};
	s->first = each;
	if (each->name)
		each->ref = objects_get(s->p->agent->objects, kind, s->p->ns, name, on_news, s);
	if (follow && each->ref)
		objects_follow(each->ref);
	return each->ref;
}

static bool need_for_env(struct sources *s, enum source_kind kind, yyjson_val *ref)
{
	return !ref || need(s, kind, json_text(ref, "name"), json_bool(ref, "optional"), false);
}

static bool need_for_files(struct sources *s, enum source_kind kind, yyjson_val *ref, const char *name_key)
{
	return !ref || need(s, kind, json_text(ref, name_key), json_bool(ref, "optional"), true);
}

static struct token *token_of(const struct sources *s, const char *audience, int64_t seconds)
{
	for (struct token *t = s->tokens; t; t = t->next)
		if (!strcmp(t->audience, audience) && t->seconds == seconds)
			return t;
	return NULL;
}

static bool need_token(struct sources *s, yyjson_val *projection)
{
	const char *audience = json_str(projection, "audience");
	int64_t seconds = json_int(projection, "expirationSeconds", SOURCES_TOKEN_SECONDS);
	struct token *t;

	audience = audience ? audience : "";
	if (token_of(s, audience, seconds))
		return true;
	t = calloc(1, sizeof(*t));
	if (!t)
		return false;
	*t = (struct token){.s = s, .audience = strdup(audience), .seconds = seconds, .next = s->tokens};
	s->tokens = t;
	return t->audience;
}

static bool gather_env(struct sources *s, yyjson_val *container)
{
	yyjson_val *each;
	bool ok = true;
	size_t i, n;

	yyjson_arr_foreach (json_arr(container, "env"), i, n, each) {
		yyjson_val *v = json_obj(each, "valueFrom");

		ok = ok && need_for_env(s, SOURCE_CONFIG_MAP, json_obj(v, "configMapKeyRef")) &&
		     need_for_env(s, SOURCE_SECRET, json_obj(v, "secretKeyRef"));
	}
	yyjson_arr_foreach (json_arr(container, "envFrom"), i, n, each)
		ok = ok && need_for_env(s, SOURCE_CONFIG_MAP, json_obj(each, "configMapRef")) &&
		     need_for_env(s, SOURCE_SECRET, json_obj(each, "secretRef"));
	return ok;
}

static bool gather_projected(struct sources *s, yyjson_val *volume)
{
	yyjson_val *each;
	bool ok = true;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(volume, "projected"), "sources"), i, n, each) {
		yyjson_val *token = json_obj(each, "serviceAccountToken");

		ok = ok && need_for_files(s, SOURCE_CONFIG_MAP, json_obj(each, "configMap"), "name") &&
		     need_for_files(s, SOURCE_SECRET, json_obj(each, "secret"), "name") &&
		     (!token || need_token(s, token));
	}
	return ok;
}

static bool gather(struct sources *s, yyjson_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	yyjson_val *each;
	bool ok = true;
	size_t i, n;

	for (size_t l = 0; l < array_len(lists); l++)
		yyjson_arr_foreach (json_arr(spec, lists[l]), i, n, each)
			ok = ok && gather_env(s, each);
	yyjson_arr_foreach (json_arr(spec, "volumes"), i, n, each)
		ok = ok && need_for_files(s, SOURCE_CONFIG_MAP, json_obj(each, "configMap"), "name") &&
		     need_for_files(s, SOURCE_SECRET, json_obj(each, "secret"), "secretName") &&
		     gather_projected(s, each);
	/* A pull secret that is not there is passed over, as everywhere. */
	yyjson_arr_foreach (json_arr(spec, "imagePullSecrets"), i, n, each)
		ok = ok && need(s, SOURCE_SECRET, json_text(each, "name"), true, false);
	return ok;
}

/* ---- tokens */

/* Bound to the pod: it is worth nothing when the pod is gone. */
static yyjson_mut_doc *token_request(const struct token *t)
{
	const struct pod *p = t->s->p;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *spec = root ? yyjson_mut_obj_add_obj(doc, root, "spec") : NULL;
	yyjson_mut_val *bound = spec ? yyjson_mut_obj_add_obj(doc, spec, "boundObjectRef") : NULL;
	yyjson_mut_val *audiences =
		spec && *t->audience ? yyjson_mut_obj_add_arr(doc, spec, "audiences") : NULL;

	if (bound && yyjson_mut_obj_add_str(doc, root, "kind", "TokenRequest") &&
		yyjson_mut_obj_add_str(doc, root, "apiVersion", "authentication.k8s.io/v1") &&
		yyjson_mut_obj_add_int(doc, spec, "expirationSeconds", t->seconds) &&
		yyjson_mut_obj_add_str(doc, bound, "kind", "Pod") &&
		yyjson_mut_obj_add_str(doc, bound, "apiVersion", "v1") &&
		yyjson_mut_obj_add_strcpy(doc, bound, "name", p->name) &&
		yyjson_mut_obj_add_strcpy(doc, bound, "uid", p->uid) &&
		(*t->audience == 0 ||
			(audiences && yyjson_mut_arr_add_strcpy(doc, audiences, t->audience)))) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

/* How long it lives by the API's word, which may be shorter than what was asked for. */
static int64_t life_of(const struct token *t, yyjson_val *status)
{
	const char *text = json_str(status, "expirationTimestamp");
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t left = end ? (int64_t)timegm(&tm) - (int64_t)time(NULL) : 0;

	return left > 0 && left < t->seconds ? left : t->seconds;
}

static void ask(struct token *t);

static void on_renew(struct loop_timer *timer)
{
	ask(container_of(timer, struct token, timer));
}

static void renew_in(struct token *t, int64_t ms)
{
	struct loop *l = t->s->p->agent->loop;

	if (loop_timer_set(l, &t->timer, loop_now_ms(l) + ms, on_renew))
		log_errno(ENOMEM, "agent op=token pod=%s/%s msg=\"it will not be renewed\"", t->s->p->ns,
			t->s->p->name);
}

static void failed(struct token *t, const char *why)
{
	t->failed = true;
	snprintf(t->why, sizeof(t->why), "token of service account \"%s\": %s", t->s->account, why);
	if (t->text) {
		log_warn("agent op=renew-token pod=%s/%s error=\"%s\"", t->s->p->ns, t->s->p->name, why);
		renew_in(t, TOKEN_RETRY_MS);
	}
}

static void on_token(int status, const char *why, yyjson_val *root, void *arg)
{
	struct token *t = arg;
	const char *text = json_text(json_obj(root, "status"), "token");
	char *copy = status >= 200 && status < 300 && text ? strdup(text) : NULL;
	int64_t life_s = life_of(t, json_obj(root, "status"));

	t->call = NULL;
	if (copy) {
		free(t->text);
		t->text = copy;
		t->failed = false;
		life_s = life_s * 4 / 5;
		renew_in(t, (life_s < TOKEN_LIFE_MAX_S ? life_s : TOKEN_LIFE_MAX_S) * 1000);
	} else {
		failed(t, why ? why : "the answer has none");
	}
	on_news(t->s);
}

static void ask(struct token *t)
{
	char target[1024];
	cleanup(json_mut_docp) yyjson_mut_doc *doc = token_request(t);
	struct json_request rq = {.method = "POST", .target = target, .doc = doc};
	int err = -ENOMEM;

	if (t->call)
		return;
	t->failed = false;
	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/serviceaccounts/%s/token", t->s->p->ns,
		t->s->account);
	if (doc)
		err = json_call(&t->call, t->s->p->agent->api, &rq, on_token, t);
	if (err) {
		t->call = NULL;
		failed(t, strerror(-err));
	}
}

/* ---- the state of it all */

static enum sources_state source_state(struct sources *s, struct source *each)
{
	enum objects_state state = objects_state(each->ref);

	if (state == OBJECTS_WAITING)
		return SOURCES_WAITING;
	if (state == OBJECTS_READY || (state == OBJECTS_ABSENT && each->optional)) {
		each->told = false;
		return SOURCES_READY;
	}
	if (each->told) {
		each->told = false;
		objects_again(each->ref);
		return objects_state(each->ref) == OBJECTS_WAITING ? SOURCES_WAITING : SOURCES_FAILED;
	}
	each->told = true;
	snprintf(s->error, sizeof(s->error), "%s", objects_why(each->ref));
	return SOURCES_FAILED;
}

static enum sources_state token_state(struct sources *s, struct token *t)
{
	if (t->text)
		return SOURCES_READY;
	if (!t->failed) {
		ask(t);
		return t->failed ? SOURCES_FAILED : SOURCES_WAITING;
	}
	snprintf(s->error, sizeof(s->error), "%s", t->why);
	t->failed = false;
	return SOURCES_FAILED;
}

static struct sources *sources_new(struct pod *p)
{
	const char *account = json_text(p->spec, "serviceAccountName");
	struct sources *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->p = p;
	s->account = strdup(account ? account : "default");
	if (s->account && gather(s, p->spec))
		return s;
	sources_free(s);
	return NULL;
}

/* All are asked for before one that fails counts. */
static void count(enum sources_state one, bool *waiting, bool *failed)
{
	*waiting |= one == SOURCES_WAITING;
	*failed |= one == SOURCES_FAILED;
}

enum sources_state sources_ready(struct pod *p)
{
	bool waiting = false, failed = false;
	struct sources *s;

	if (!p->agent->objects && objects_new(&p->agent->objects, p->agent->loop, p->agent->api, 0))
		return SOURCES_FAILED;
	if (!p->sources)
		p->sources = sources_new(p);
	s = p->sources;
	/* Again, for ephemeral containers that came later. */
	if (!s || !gather(s, p->spec))
		return SOURCES_FAILED;
	for (struct source *each = s->first; each; each = each->next)
		count(source_state(s, each), &waiting, &failed);
	for (struct token *t = s->tokens; t; t = t->next)
		count(token_state(s, t), &waiting, &failed);
	return waiting ? SOURCES_WAITING : failed ? SOURCES_FAILED : SOURCES_READY;
}

void sources_again(struct pod *p)
{
	for (struct source *each = p->sources ? p->sources->first : NULL; each; each = each->next)
		if (each->ref)
			objects_again(each->ref);
}

void sources_renew_tokens(struct sources *s)
{
	bool failed = false;

	for (struct token *t = s ? s->tokens : NULL; t; t = t->next) {
		if (!t->text && !t->call)
			continue; /* asked for when they are needed */
		http_call_cancel(take(t->call));
		ask(t);
		failed |= t->failed;
	}
	if (failed)
		on_news(s);
}

const char *sources_error(const struct sources *s, char *buf, size_t size)
{
	snprintf(buf, size, "%s", s ? s->error : "out of memory");
	return buf;
}

/* ---- reading */

yyjson_val *sources_find(const struct sources *s, enum source_kind kind, const char *name)
{
	struct source *each = s ? get(s, kind, name) : NULL;

	return each && each->ref ? objects_root(each->ref) : NULL;
}

char *sources_value(
	const struct sources *s, enum source_kind kind, const char *name, const char *key, size_t *len)
{
	yyjson_val *root = sources_find(s, kind, name);
	yyjson_val *plain = kind == SOURCE_CONFIG_MAP ? yyjson_obj_get(json_obj(root, "data"), key) : NULL;
	const char *coded = json_str(json_obj(root, kind == SOURCE_SECRET ? "data" : "binaryData"), key);
	char *copy;

	if (!yyjson_is_str(plain))
		return coded ? base64_bytes(coded, len) : NULL;
	*len = yyjson_get_len(plain);
	copy = malloc(*len + 1);
	if (copy)
		memcpy(copy, yyjson_get_str(plain), *len + 1);
	return copy;
}

void sources_each_key(const struct sources *s, enum source_kind kind, const char *name,
	bool (*fn)(const char *key, void *arg), void *arg)
{
	static const char *const maps[] = {"data", "binaryData"};
	yyjson_val *root = sources_find(s, kind, name), *key, *value;
	size_t i, n;

	for (size_t m = 0; m < array_len(maps); m++)
		json_obj_foreach (json_obj(root, maps[m]), i, n, key, value)
			if (!fn(yyjson_get_str(key), arg))
				return;
}

const char *sources_token(const struct sources *s, const char *audience, int64_t seconds)
{
	struct token *t = token_of(s, audience, seconds);

	return t ? t->text : NULL;
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	while (s->first) {
		struct source *each = s->first;

		s->first = each->next;
		objects_put(each->ref);
		free(each->name);
		free(each);
	}
	while (s->tokens) {
		struct token *t = s->tokens;

		s->tokens = t->next;
		http_call_cancel(t->call);
		loop_timer_del(&t->timer);
		free(t->audience);
		free(t->text);
		free(t);
	}
	free(s->account);
	free(s);
}
