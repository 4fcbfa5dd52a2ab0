/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/agent.h"
#include "agent/image_gc.h"
#include "agent/node.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/uri.h"

enum { LOOK_MS = 300 * 1000 };

#define BUILTIN "wherry/hello:latest"

struct image {
	char *id; /* owned */
	int64_t size, used_ms;
	bool used, there, kept;
	struct image *next;
};

struct image_gc {
	struct agent *a;
	struct loop_timer timer;
	struct image *first;
	yyjson_doc *images; /* owned, between two answers */
	char going[100];
	int64_t to_free;
	bool busy;
	void (*reclaimed)(void *arg); /* somebody waits until all are gone that may go; NULL */
	void *reclaimed_arg;
};

/* ---- what is known */

static void image_free(struct image *i)
{
	free(i->id);
	free(i);
}

static struct image *find(struct image_gc *g, const char *id)
{
	for (struct image *i = g->first; i; i = i->next)
		if (!strcmp(i->id, id))
			return i;
	return NULL;
}

static int learn(struct image_gc *g, yyjson_val *each, int64_t now_ms)
{
	const char *id = json_str(each, "Id") ?: "";
	struct image *i = find(g, id);

	if (!i) {
		i = calloc(1, sizeof(*i));
		if (i)
			i->id = strdup(id);
		if (!i || !i->id) {
			free(i);
			return -ENOMEM;
		}
		i->used_ms = now_ms;
		i->next = g->first;
		g->first = i;
	}
	i->there = true;
	i->size = json_int(each, "Size", 0);
	i->kept = json_arr_has(json_arr(each, "RepoTags"), BUILTIN);
	return 0;
}

static void drop_vanished(struct image_gc *g)
{
	for (struct image **at = &g->first; *at;) {
		struct image *i = *at;

		if (i->there) {
			at = &i->next;
			continue;
		}
		*at = i->next;
		image_free(i);
	}
}

int image_gc_look(struct image_gc *g, yyjson_val *images, yyjson_val *containers, int64_t now_ms)
{
	yyjson_val *each;
	size_t i, n;

	for (struct image *known = g->first; known; known = known->next)
		known->used = known->there = false;
	yyjson_arr_foreach (images, i, n, each)
		if (learn(g, each, now_ms))
			return -ENOMEM;
	drop_vanished(g);
	yyjson_arr_foreach (containers, i, n, each) {
		struct image *used = find(g, json_str(each, "ImageID") ?: "");

		if (!used)
			continue;
		used->used = true;
		used->used_ms = now_ms;
	}
	return 0;
}

const char *image_gc_next(struct image_gc *g, int64_t now_ms, int64_t *size)
{
	struct image *oldest = NULL, **at = &g->first;

	for (struct image *i = g->first; i; i = i->next)
		if (!i->used && !i->kept && now_ms - i->used_ms >= IMAGE_GC_AGE_MS &&
			(!oldest || i->used_ms < oldest->used_ms))
			oldest = i;
	if (!oldest)
		return NULL;
	while (*at != oldest)
		at = &(*at)->next;
	*at = oldest->next;
	*size = oldest->size;
	snprintf(g->going, sizeof(g->going), "%s", oldest->id);
	image_free(oldest);
	return g->going;
}

/* ---- doing it */

static void later(struct image_gc *g);

/* Bytes to free for the disk to be at IMAGE_GC_LOW again; 0: it is not too full. */
static int64_t too_much(const struct image_gc *g)
{
	struct statvfs f;
	uint64_t used, all;

	if (statvfs(g->a->data_dir, &f))
		return 0;
	used = (uint64_t)(f.f_blocks - f.f_bfree);
	all = used + f.f_bavail;
	if (used * 100 < all * IMAGE_GC_HIGH)
		return 0;
	return (int64_t)((used - all * IMAGE_GC_LOW / 100) * f.f_frsize);
}

static void remove_next(struct image_gc *g);

static void on_removed(int status, const char *why, yyjson_val *root, void *arg)
{
	struct image_gc *g = arg;

	if (why && status != 404)
		log_warn("op=image-gc image=%s error=\"%s\"", g->going, why);
	remove_next(g);
}

static void remove_next(struct image_gc *g)
{
	char target[300];
	struct json_request rq = {.method = "DELETE", .target = target};
	int64_t size = 0;
	const char *id = g->to_free > 0 ? image_gc_next(g, loop_now_ms(g->a->loop), &size) : NULL;
	cleanup(freep) char *name = id ? uri_encode(id) : NULL;

	if (!id && g->to_free > 0 && !g->reclaimed)
		agent_event(g->a, node_object(g->a->node), true, "FreeDiskSpaceFailed",
			"the disk is over %d %% full, and no image is left that could be removed",
			IMAGE_GC_HIGH);
	g->to_free -= size;
	snprintf(target, sizeof(target), "/images/%s", name ? name : "");
	if (!name || json_call(NULL, g->a->engine, &rq, on_removed, g) < 0) {
		later(g);
		return;
	}
	log_info("op=image-gc image=%s size_bytes=%lld", id, (long long)size);
}

static void on_containers(int status, const char *why, yyjson_val *root, void *arg)
{
	struct image_gc *g = arg;
	yyjson_doc *images = take(g->images);
	bool looked = status == 200 &&
		      !image_gc_look(g, yyjson_doc_get_root(images), root, loop_now_ms(g->a->loop));

	yyjson_doc_free(images);
	g->to_free = !looked ? 0 : g->reclaimed ? INT64_MAX : too_much(g);
	if (g->to_free)
		remove_next(g);
	else
		later(g);
}

static void on_images(int status, const char *why, yyjson_val *root, void *arg)
{
	struct image_gc *g = arg;
	struct json_request rq = {.method = "GET", .target = "/containers/json?all=1"};
	yyjson_mut_doc *copy = status == 200 ? yyjson_mut_doc_new(NULL) : NULL;

	if (copy) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, root));
		g->images = yyjson_mut_doc_imut_copy(copy, NULL);
	}
	yyjson_mut_doc_free(copy);
	if (!g->images || json_call(NULL, g->a->engine, &rq, on_containers, g) < 0) {
		yyjson_doc_free(take(g->images));
		later(g);
	}
}

static void begin(struct image_gc *g)
{
	struct json_request rq = {.method = "GET", .target = "/images/json"};

	g->busy = true;
	if (json_call(NULL, g->a->engine, &rq, on_images, g) < 0)
		later(g);
}

static void on_timer(struct loop_timer *t)
{
	begin(container_of(t, struct image_gc, timer));
}

/* A round is over. Who asked for more room during it is told: what could go, but for what that round kept, is gone. */
static void later(struct image_gc *g)
{
	void (*done)(void *arg) = take(g->reclaimed);

	g->busy = false;
	if (loop_timer_set(g->a->loop, &g->timer, loop_now_ms(g->a->loop) + LOOK_MS, on_timer) < 0)
		log_error("op=image-gc msg=\"out of memory\"");
	if (done)
		done(g->reclaimed_arg);
}

void image_gc_reclaim(struct image_gc *g, void (*done)(void *arg), void *arg)
{
	g->reclaimed = done;
	g->reclaimed_arg = arg;
	if (!g->busy)
		begin(g);
}

int image_gc_new(struct image_gc **out, struct agent *a)
{
	struct image_gc *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->a = a;
	*out = g;
	return 0;
}

int image_gc_start(struct image_gc **out, struct agent *a)
{
	int err = image_gc_new(out, a);

	if (!err)
		later(*out);
	return err;
}

void image_gc_stop(struct image_gc *g)
{
	if (!g)
		return;
	loop_timer_del(&g->timer);
	yyjson_doc_free(g->images);
	while (g->first) {
		struct image *i = g->first;

		g->first = i->next;
		image_free(i);
	}
	free(g);
}
