/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each container gets its own stop signal and its own time, as `docker stop` would give it, but nobody has stopped it:
 * its restart policy brings it back on the next boot. All are asked at once, except that one whose namespaces or
 * volumes another one uses, or that another one links, is asked when that other has ended. Those that use each other, in a circle, are asked at once.
 */

#include <string.h>

#include "engine/container.h"
#include "engine/down.h"
#include "engine/engine.h"
#include "engine/lifecycle.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

/* After the kill at the limit, exits still have to be seen and written. */
enum { RECORD_LIMIT_S = 10 };

static bool names(const char *text, const char *id)
{
	size_t len = strlen(id);

	return text && !strncmp(text, id, len) && (!text[len] || text[len] == ':');
}

bool down_uses(const struct container *c, const struct container *other)
{
	static const char *const modes[] = {"NetworkMode", "IpcMode", "PidMode"};
	yyjson_val *from = json_arr(c->host, "VolumesFrom"), *v;
	size_t i, n;

	for (i = 0; i < array_len(modes); i++) {
		const char *mode = json_text(c->host, modes[i]);

		if (mode && !strncmp(mode, "container:", 10) &&
			(names(mode + 10, other->id) || names(mode + 10, other->name)))
			return true;
	}
	yyjson_arr_foreach (from, i, n, v)
		if (names(yyjson_get_str(v), other->id) || names(yyjson_get_str(v), other->name))
			return true;
	yyjson_arr_foreach (c->links, i, n, v)
		if (names(yyjson_get_str(v), other->id))
			return true;
	return false;
}

/* Does it still have something to be waited for? */
static bool busy(const struct container *c)
{
	return container_is_up(c) || c->state == CONTAINER_STARTING || c->state == CONTAINER_EXITING;
}

static bool needed(const struct engine *e, const struct container *c)
{
	for (size_t i = 0; i < e->n_containers; i++)
		if (e->containers[i] != c && busy(e->containers[i]) && down_uses(e->containers[i], c))
			return true;
	return false;
}

bool down_is_circle(const struct engine *e)
{
	for (size_t i = 0; i < e->n_containers; i++) {
		const struct container *c = e->containers[i];

		if (busy(c) && (!container_is_up(c) || !needed(e, c)))
			return false;
	}
	return true;
}

static int64_t left_s(const struct engine *e)
{
	int64_t ms = e->down_until_ms - loop_now_ms(e->loop);

	return ms > 0 ? (ms + 999) / 1000 : 0;
}

static void on_pass(struct loop_task *t)
{
	struct engine *e = container_of(t, struct engine, down_pass);
	bool all = down_is_circle(e);
	size_t n = 0;

	for (size_t i = 0; i < e->n_containers; i++) {
		struct container *c = e->containers[i];

		n += busy(c);
		if (container_is_up(c) && (all || !needed(e, c)))
			lifecycle_down(c, left_s(e));
	}
	if (n)
		return;
	log_info("op=down msg=\"no container runs any more\"");
	loop_timer_del(&e->down_timer);
	loop_quit(e->loop, 0);
}

void down_progress(struct engine *e)
{
	if (e->going_down)
		loop_defer(e->loop, &e->down_pass, on_pass);
}

static void on_recorded(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, down_timer);

	log_error("op=down msg=\"some containers are killed, and still there: going on without\"");
	loop_quit(e->loop, 0);
}

static void on_limit(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, down_timer);

	for (size_t i = 0; i < e->n_containers; i++) {
		if (!busy(e->containers[i]))
			continue;
		log_warn("container=%.12s op=down msg=\"did not end within %d s: killed\"",
			e->containers[i]->id, DOWN_LIMIT_S);
		lifecycle_down(e->containers[i], 0);
	}
	if (loop_timer_set(e->loop, t, loop_now_ms(e->loop) + RECORD_LIMIT_S * 1000, on_recorded))
		on_recorded(t);
}

void down_begin(struct engine *e)
{
	if (e->going_down)
		return;
	e->going_down = true;
	log_info("op=down containers=%zu", e->n_containers);
	e->down_until_ms = loop_now_ms(e->loop) + DOWN_LIMIT_S * 1000;
	if (loop_timer_set(e->loop, &e->down_timer, e->down_until_ms, on_limit))
		log_error("op=down msg=\"out of memory: init's limit holds\"");
	/* One that waits for its next start does so on disk, too: the next engine finds it there. */
	for (size_t i = 0; i < e->n_containers; i++)
		if (e->containers[i]->state == CONTAINER_RESTARTING)
			loop_timer_del(&e->containers[i]->restart_timer);
	down_progress(e);
}
