/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A probe asks for the resources of the group and version, which is both whether the extension answers and what discovery says of
 * it, and then for the index of its OpenAPI documents, which it need not have. It has several tries, each with another endpoint where
 * there are some: one that is broken does not make an extension unavailable.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/extensions/extensions_int.h"
#include "lib/json.h"

enum {
	TRY_MS = 5000,
	TRIES_MS = 10 * 1000,
	TRIES_MAX = 5,
	ANSWER_MAX = 8 << 20, /* a list of resources has about 300 bytes for each */
	HASH_MAX_BYTES = 128
};

struct probe {
	struct extensions *x;
	struct extension *of;
	struct extension_line line;
	struct loop_task task;
	void (*fn)(void *arg, const char *name);
	void *arg;
	bool answered;
	int tries;
	int64_t began_ms;
	char target[600];
};

void probe_cancel(struct probe *p)
{
	if (!p)
		return;
	loop_defer_del(&p->task);
	extension_line_close(&p->line);
	free(p);
}

static struct loop *loop_of(const struct probe *p)
{
	return registry_loop(p->x->r);
}

static void try_once(struct probe *p);

static bool try_again(struct probe *p)
{
	if (p->answered || p->of->moved || ++p->tries == TRIES_MAX ||
		loop_now_ms(loop_of(p)) - p->began_ms >= TRIES_MS)
		return false;
	extension_line_close(&p->line);
	try_once(p);
	return true;
}

/* Not from inside of the client, which goes with the probe. */
static void on_over(struct loop_task *t)
{
	struct probe *p = container_of(t, struct probe, task);
	struct extension *e = p->of;
	void (*fn)(void *arg, const char *name) = p->fn;
	void *arg = p->arg;

	if (try_again(p))
		return;
	e->probed_ms = e->moved ? 0 : loop_now_ms(loop_of(p));
	e->moved = false;
	e->probe = NULL;
	probe_cancel(p);
	fn(arg, e->name);
}

static void over(struct probe *p)
{
	loop_timer_del(&p->line.limit);
	loop_defer(loop_of(p), &p->task, on_over);
}

static void failed(struct probe *p, const char *why)
{
	snprintf(p->of->why, sizeof(p->of->why), "failing or missing response from %.120s: %.200s",
		p->line.url, why);
	over(p);
}

static void on_limit(struct loop_timer *t)
{
	struct probe *p = container_of(t, struct probe, line.limit);

	if (p->answered)
		over(p); /* only its documents are not to be had */
	else
		failed(p, "context deadline exceeded");
}

/* ---- the index of its documents */

/* The hash of an address, as "/openapi/v3/apis/GROUP/VERSION?hash=..."; malloc'ed, or NULL. */
static char *hash_of(const char *address)
{
	static const char safe[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_=";
	const char *hash = address ? strstr(address, "?hash=") : NULL;
	size_t len;

	hash = hash ? hash + strlen("?hash=") : "";
	len = strspn(hash, safe);
	return len && len <= HASH_MAX_BYTES && !hash[len] ? strdup(hash) : NULL;
}

static void on_index(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct probe *p = arg;
	cleanup(json_docp) yyjson_doc *doc = !err && status == 200 ? yyjson_read(body, len, 0) : NULL;
	yyjson_val *path = json_obj(json_obj(yyjson_doc_get_root(doc), "paths"), p->target + 1);

	free(p->of->openapi);
	p->of->openapi = hash_of(json_str(path, "serverRelativeURL"));
	over(p);
}

static int ask(struct probe *p, const char *target, http_call_answer *fn)
{
	static const struct http_header_field headers[] = {{"Accept", "application/json"},
		{"X-Remote-User", "system:kube-aggregator"}, {"X-Remote-Group", "system:masters"}};

	return extension_line_get(&p->line, target, headers, array_len(headers), ANSWER_MAX, fn, p);
}

/* ---- its resources */

/* NULL, or why the list is none of this group and version. */
static const char *read_resources(struct probe *p, const char *body, size_t len)
{
	yyjson_doc *doc = yyjson_read(body, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (!json_arr(root, "resources") ||
		!yyjson_equals_str(yyjson_obj_get(root, "groupVersion"), p->target + strlen("/apis/"))) {
		yyjson_doc_free(doc);
		return "the answer is no APIResourceList of this group and version";
	}
	yyjson_doc_free(p->of->resources);
	p->of->resources = doc;
	return NULL;
}

static void on_resources(int err, const char *why, int status, const char *body, size_t len, void *arg)
{
	struct probe *p = arg;
	char text[64];

	if (!err && status != 200) {
		snprintf(text, sizeof(text), "bad status from %d", status);
		why = text;
	} else if (!err) {
		why = read_resources(p, body, len);
	}
	if (why) {
		failed(p, why);
		return;
	}
	p->of->why[0] = '\0';
	p->answered = true;
	if (ask(p, "/openapi/v3", on_index))
		over(p);
}

static const char *begin(struct probe *p)
{
	struct extension *e = p->of;
	const char *why = extension_line_open(&p->line, p->x, e, TRY_MS, on_limit);
	int err;

	if (why)
		return why;
	snprintf(p->target, sizeof(p->target), "/apis/%s/%s", e->group, e->version);
	err = ask(p, p->target, on_resources);
	return err ? strerror(-err) : NULL;
}

static void try_once(struct probe *p)
{
	const char *why = begin(p);

	if (why)
		failed(p, why);
}

void extension_probe(
	struct extensions *x, const char *name, void (*fn)(void *arg, const char *name), void *arg)
{
	struct extension *e = extensions_named(x, name);
	struct probe *p;

	if (!e || e->probe)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	*p = (struct probe){
		.x = x, .of = e, .fn = fn, .arg = arg, .began_ms = loop_now_ms(registry_loop(x->r))};
	e->probe = p;
	try_once(p);
}
