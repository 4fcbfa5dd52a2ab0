/* SPDX-License-Identifier: Apache-2.0 */

/* The state of each container: waiting, running or terminated, and what it was before. */

#include <stdio.h>
#include <string.h>

#include "agent/pod.h"
#include "agent/status_int.h"
#include "lib/json.h"

bool pod_container_started(const struct pod_container *c)
{
	return c->running && !c->beginning && (!json_obj(c->spec, "startupProbe") || c->probe_started);
}

bool pod_container_ready(const struct pod_container *c)
{
	return pod_container_started(c) && (!json_obj(c->spec, "readinessProbe") || c->probe_ready);
}

bool status_text_or_null(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text, yyjson_val *before)
{
	if (text)
		return yyjson_mut_obj_add_strcpy(doc, o, key, text);
	return !yyjson_obj_get(before, key) || yyjson_mut_obj_add_null(doc, o, key);
}

void pod_time(char out[40], const char *t)
{
	size_t n = strcspn(t, ".Z");

	snprintf(out, 40, *t ? "%.*sZ" : "%.*s", (int)(n < 36 ? n : 36), t);
}

/* ---- states */

static const char *reason_of(const struct container_run *r)
{
	return r->oom_killed ? "OOMKilled" : r->exit_code ? "Error" : "Completed";
}

static bool add_time(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *t)
{
	char text[40];

	pod_time(text, t);
	return !*text || yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

static bool add_id(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *id)
{
	char text[80];

	snprintf(text, sizeof(text), "wherry://%s", id);
	return !*id || yyjson_mut_obj_add_strcpy(doc, o, "containerID", text);
}

/* Text of the container's may be anything: what is no UTF-8 becomes '?'. */
static bool add_message(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *message)
{
	char *copy = message ? strdup(message) : NULL;
	bool ok;

	if (!message)
		return true;
	if (!copy)
		return false;
	for (unsigned char *s = (unsigned char *)copy; *s;) {
		size_t n = *s < 0x80		     ? 1
			   : *s >= 0xf0 && *s < 0xf5 ? 4
			   : *s >= 0xe0		     ? 3
			   : *s >= 0xc2		     ? 2
						     : 0,
		       i = 1;

		while (n > 1 && i < n && (s[i] & 0xc0) == 0x80)
			i++;
		/* overlong, a surrogate, or beyond the last code point */
		if (n != i || *s >= 0xf5 || (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
			(*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f)) {
			*s++ = '?';
			continue;
		}
		s += n;
	}
	ok = yyjson_mut_obj_add_strcpy(doc, o, "message", copy);
	free(copy);
	return ok;
}

static bool add_terminated(yyjson_mut_doc *doc, yyjson_mut_val *state, const struct container_run *r)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, state, "terminated");

	return o && yyjson_mut_obj_add_int(doc, o, "exitCode", r->exit_code) &&
	       yyjson_mut_obj_add_str(doc, o, "reason", reason_of(r)) && add_message(doc, o, r->message) &&
	       add_time(doc, o, "startedAt", r->started) && add_time(doc, o, "finishedAt", r->finished) &&
	       add_id(doc, o, r->id);
}

static bool add_waiting(yyjson_mut_doc *doc, yyjson_mut_val *state, const char *reason, const char *message)
{
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, state, "waiting");

	return o && yyjson_mut_obj_add_str(doc, o, "reason", reason) &&
	       (!*message || yyjson_mut_obj_add_str(doc, o, "message", message));
}

/* Waits for its next start, after an end: that end is the last state then. */
static bool waits_again(const struct pod *p, const struct pod_container *c)
{
	return c->exited && *c->waiting && !p->finished && !p->deleting;
}

static bool add_state(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p, const struct pod_container *c)
{
	yyjson_mut_val *state = yyjson_mut_obj_add_obj(doc, o, "state"), *running;
	bool init_first = c->class == CONTAINER_APP && !pod_initialized(p);

	if (!state)
		return false;
	if (c->running && !c->beginning) {
		running = yyjson_mut_obj_add_obj(doc, state, "running");
		return running && add_time(doc, running, "startedAt", c->now.started);
	}
	if (c->exited && !waits_again(p, c))
		return add_terminated(doc, state, &c->now);
	if (*c->waiting)
		return add_waiting(doc, state, c->waiting, c->waiting_message);
	return add_waiting(doc, state, init_first ? "PodInitializing" : "ContainerCreating", "");
}

static bool add_last(
	yyjson_mut_doc *doc, yyjson_mut_val *o, const struct pod *p, const struct pod_container *c)
{
	yyjson_mut_val *state = yyjson_mut_obj_add_obj(doc, o, "lastState");

	if (!state)
		return false;
	if (waits_again(p, c))
		return add_terminated(doc, state, &c->now);
	return !*c->last.id || add_terminated(doc, state, &c->last);
}

/* ---- one container */

/* Of a pod that has ended: what was told of the container's end holds when the engine has it no more. NULL: nothing was. */
static yyjson_val *told_end(const struct pod *p, const struct pod_container *c, yyjson_val *before)
{
	yyjson_val *each;
	size_t i, n;

	yyjson_arr_foreach (p->finished && !c->seen ? before : NULL, i, n, each)
		if (yyjson_equals_str(yyjson_obj_get(each, "name"), c->name) &&
			json_obj(json_obj(each, "state"), "terminated"))
			return each;
	return NULL;
}

static bool add_container(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct pod *p,
	const struct pod_container *c, yyjson_val *before)
{
	yyjson_val *end = told_end(p, c, before);
	yyjson_mut_val *o = end ? NULL : yyjson_mut_arr_add_obj(doc, list);
	int restarts = c->seen ? c->now.restarts : c->restarts ? c->restarts - 1 : 0;
	/* an init container is ready when it is over */
	bool ready = c->class == CONTAINER_INIT ? c->exited && !c->now.exit_code : pod_container_ready(c);

	if (end)
		return yyjson_mut_arr_append(list, yyjson_val_mut_copy(doc, end));
	return o && yyjson_mut_obj_add_str(doc, o, "name", c->name) && add_state(doc, o, p, c) && add_last(doc, o, p, c) &&
	       yyjson_mut_obj_add_bool(doc, o, "ready", c->class != CONTAINER_EPHEMERAL && ready) &&
	       yyjson_mut_obj_add_int(doc, o, "restartCount", restarts) &&
	       yyjson_mut_obj_add_strcpy(doc, o, "image", *c->image ? c->image : json_str(c->spec, "image") ?: "") &&
	       yyjson_mut_obj_add_str(doc, o, "imageID", c->image_id) && add_id(doc, o, c->now.id) &&
	       (c->class == CONTAINER_EPHEMERAL ||
		       (yyjson_mut_obj_add_bool(doc, o, "started", pod_container_started(c)) &&
			       status_resources(doc, o, p, c)));
}

bool status_containers(yyjson_mut_doc *doc, yyjson_mut_val *status, const struct pod *p, yyjson_val *before)
{
	static const struct {
		const char *key;
		unsigned classes;
	} lists[] = {
		{"initContainerStatuses", 1 << CONTAINER_INIT | 1 << CONTAINER_SIDECAR},
		{"containerStatuses", 1 << CONTAINER_APP},
		{"ephemeralContainerStatuses", 1 << CONTAINER_EPHEMERAL},
	};

	for (size_t l = 0; l < array_len(lists); l++) {
		yyjson_mut_val *list = yyjson_mut_arr(doc);

		for (size_t i = 0; list && i < p->n_containers; i++)
			if (lists[l].classes & 1u << p->containers[i].class &&
				!add_container(
					doc, list, p, &p->containers[i], json_arr(before, lists[l].key)))
				return false;
		if (!list || ((yyjson_mut_arr_size(list) || yyjson_obj_get(before, lists[l].key)) &&
				     !yyjson_mut_obj_add_val(doc, status, lists[l].key, list)))
			return false;
	}
	return true;
}

/* ---- has it been told */

static bool same(yyjson_mut_val *a, yyjson_val *b);

static bool same_object(yyjson_mut_val *a, yyjson_val *b, bool whole)
{
	yyjson_mut_val *key, *value;
	size_t i, n, present = 0;

	yyjson_mut_obj_foreach(a, i, n, key, value)
	{
		yyjson_val *there = yyjson_obj_getn(b, yyjson_mut_get_str(key), yyjson_mut_get_len(key));

		if (yyjson_mut_is_null(value) ? there != NULL : !there || !same(value, there))
			return false;
		present += there != NULL;
	}
	return !whole || present == yyjson_obj_size(b);
}

static bool same_list(yyjson_mut_val *a, yyjson_val *b)
{
	yyjson_mut_val *each;
	size_t i, n;

	if (yyjson_mut_arr_size(a) != yyjson_arr_size(b))
		return false;
	yyjson_mut_arr_foreach(a, i, n, each) if (!same(each, yyjson_arr_get(b, i))) return false;
	return true;
}

static bool same(yyjson_mut_val *a, yyjson_val *b)
{
	if (yyjson_mut_is_obj(a))
		return yyjson_is_obj(b) && same_object(a, b, true);
	if (yyjson_mut_is_arr(a))
		return yyjson_is_arr(b) && same_list(a, b);
	if (yyjson_mut_is_str(a))
		return yyjson_is_str(b) && yyjson_mut_get_len(a) == yyjson_get_len(b) &&
		       !memcmp(yyjson_mut_get_str(a), yyjson_get_str(b), yyjson_get_len(b));
	if (yyjson_mut_is_bool(a))
		return yyjson_is_bool(b) && yyjson_mut_get_bool(a) == yyjson_get_bool(b);
	return yyjson_mut_is_int(a) && yyjson_is_int(b) && yyjson_mut_get_sint(a) == yyjson_get_sint(b);
}

/* Each element of @a is, as far as it goes, the one of @b that has the same @key; one to be deleted is none. */
static bool merged(yyjson_mut_val *a, yyjson_val *b, const char *key)
{
	yyjson_mut_val *each;
	size_t i, n, k, m;

	yyjson_mut_arr_foreach(a, i, n, each)
	{
		yyjson_val *there, *found = NULL;

		yyjson_arr_foreach (b, k, m, there)
			if (yyjson_equals_str(yyjson_obj_get(there, key),
				    yyjson_mut_get_str(yyjson_mut_obj_get(each, key))))
				found = there;
		if (yyjson_mut_obj_get(each, "$patch") ? found != NULL
						       : !found || !same_object(each, found, false))
			return false;
	}
	return true;
}

/* The list without its "$patch": "replace". */
static bool replaced(yyjson_mut_val *a, yyjson_val *b)
{
	yyjson_mut_val *each;
	size_t i, n, k = 0;

	yyjson_mut_arr_foreach(a, i, n, each)
	{
		if (yyjson_mut_obj_get(each, "$patch"))
			continue;
		if (!same(each, yyjson_arr_get(b, k++)))
			return false;
	}
	return k == yyjson_arr_size(b);
}

bool status_is_told(yyjson_mut_val *patch, yyjson_val *status)
{
	yyjson_mut_val *key, *value;
	size_t i, n;

	yyjson_mut_obj_foreach(patch, i, n, key, value)
	{
		const char *name = yyjson_mut_get_str(key);
		yyjson_val *there = yyjson_obj_get(status, name);
		bool told = !strcmp(name, "conditions") ? merged(value, there, "type")
			    : !strcmp(name, "podIPs") || !strcmp(name, "hostIPs")
				    ? replaced(value, there)
				    : there && same(value, there);

		if (!told)
			return false;
	}
	return true;
}
