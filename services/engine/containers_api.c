/* SPDX-License-Identifier: Apache-2.0 */

/* The endpoints under /containers that act: each reads its parameters, asks lifecycle.c, and answers when
 * that is done. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/api.h"
#include "engine/archive/copy.h"
#include "engine/archive/sizes.h"
#include "engine/attach.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/exec.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "engine/inspect.h"
#include "lib/json.h"
#include "engine/lifecycle.h"
#include "engine/logs.h"
#include "engine/network.h"
#include "engine/options.h"
#include "engine/pod.h"
#include "engine/stats.h"
#include "engine/stdio.h"
#include "engine/top.h"
#include "engine/update.h"
#include "engine/wait.h"

enum { STOP_TIMEOUT_S = 10 };

/* ---- signals and times */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"ABRT", SIGABRT},
	{"ALRM", SIGALRM},
	{"BUS", SIGBUS},
	{"CHLD", SIGCHLD},
	{"CLD", SIGCHLD},
	{"CONT", SIGCONT},
	{"FPE", SIGFPE},
	{"HUP", SIGHUP},
	{"ILL", SIGILL},
	{"INT", SIGINT},
	{"IO", SIGIO},
	{"IOT", SIGIOT},
	{"KILL", SIGKILL},
	{"PIPE", SIGPIPE},
	{"POLL", SIGPOLL},
	{"PROF", SIGPROF},
	{"PWR", SIGPWR},
	{"QUIT", SIGQUIT},
	{"SEGV", SIGSEGV},
	{"STKFLT", 16},
	{"STOP", SIGSTOP},
	{"SYS", SIGSYS},
	{"TERM", SIGTERM},
	{"TRAP", SIGTRAP},
	{"TSTP", SIGTSTP},
	{"TTIN", SIGTTIN},
	{"TTOU", SIGTTOU},
	{"URG", SIGURG},
	{"USR1", SIGUSR1},
	{"USR2", SIGUSR2},
	{"VTALRM", SIGVTALRM},
	{"WINCH", SIGWINCH},
	{"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ},
};

int signal_parse(const char *s, int *out)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (end != s && !*end) {
		if (n < 1 || n > 64)
			return -EINVAL;
		*out = (int)n;
		return 0;
	}
	if (!strncasecmp(s, "SIG", 3))
		s += 3;
	for (size_t i = 0; i < array_len(signals); i++) {
		if (strcasecmp(signals[i].name, s) != 0)
			continue;
		*out = signals[i].number;
		return 0;
	}
	/* RTMIN is 34 for every program a user runs, whatever C library this engine is linked with. */
	if (!strncasecmp(s, "RTMIN", 5) || !strncasecmp(s, "RTMAX", 5)) {
		int base = !strncasecmp(s, "RTMIN", 5) ? 34 : 64;

		n = s[5] ? strtol(s + 5, &end, 10) : 0;
		if ((s[5] && (*end || end == s + 5)) || base + n < 34 || base + n > 64)
			return -EINVAL;
		*out = base + (int)n;
		return 0;
	}
	return -EINVAL;
}

int container_stop_signal(const struct container *c)
{
	const char *s = json_text(c->config, "StopSignal");
	int n;

	return s && !signal_parse(s, &n) ? n : SIGTERM;
}

int64_t container_stop_timeout_s(const struct container *c)
{
	return json_int(c->config, "StopTimeout", STOP_TIMEOUT_S);
}

bool container_auto_remove(const struct container *c)
{
	return json_bool(c->host, "AutoRemove");
}

/* ---- answers that come later */

static int status_of(int err)
{
	return err == -EBUSY							      ? 409
	       : err == -ENOENT || err == -EINVAL || err == -ENOSPC || err == -EDQUOT ? api_status_of(err)
										      : 500;
}

static void later_done(struct container *c, int err, const char *msg, void *arg)
{
	api_later_answer(arg, err, status_of(err), msg);
}

static void start(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	struct api_later *l;

	if (!c || !pod_may_start(c, r))
		return;
	if (http_query(r, "checkpoint") && *http_query(r, "checkpoint")) {
		api_error(r, 501, "checkpoints are not supported by this engine");
		return;
	}
	l = api_later_new(r);
	if (l)
		lifecycle_start(c, later_done, l);
}

/* signal= and t= of stop and restart. */
static bool stop_options(struct container *c, struct http_req *r, int *signal, int64_t *timeout_s)
{
	const char *s = http_query(r, "signal");

	*signal = container_stop_signal(c);
	*timeout_s = container_stop_timeout_s(c);
	if (s && *s && signal_parse(s, signal)) {
		api_error(r, 400, "Invalid signal: %s", s);
		return false;
	}
	if (api_query_int(r, "t", timeout_s)) {
		api_error(r, 400, "t is no number of seconds: %s", http_query(r, "t"));
		return false;
	}
	return true;
}

static void stop(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	int64_t timeout_s;
	struct api_later *l;
	int signal;

	if (!c || !stop_options(c, r, &signal, &timeout_s))
		return;
	l = api_later_new(r);
	if (l)
		lifecycle_stop(c, signal, timeout_s, later_done, l);
}

static void restart(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	int64_t timeout_s;
	struct api_later *l;
	int signal;

	if (!c || !pod_may_start(c, r) || !stop_options(c, r, &signal, &timeout_s))
		return;
	l = api_later_new(r);
	if (l)
		lifecycle_restart(c, signal, timeout_s, later_done, l);
}

static void kill_(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	const char *s = http_query(r, "signal");
	struct api_later *l;
	int signal = SIGKILL;

	if (!c)
		return;
	if (s && *s && signal_parse(s, &signal)) {
		api_error(r, 400, "Invalid signal: %s", s);
		return;
	}
	l = api_later_new(r);
	if (l)
		lifecycle_kill(c, signal, later_done, l);
}

static void freeze(struct engine *e, struct http_req *r, const char *name, bool frozen)
{
	struct container *c = container_or_404(e, r, name);
	cleanup(freep) char *msg = NULL;
	int err = c ? lifecycle_freeze(c, frozen, &msg) : 0;

	if (err)
		api_error(r, status_of(err), "%s", msg ? msg : "out of memory");
	else if (c)
		api_empty(r, 204);
}

static void pause_(struct engine *e, struct http_req *r, const char *name)
{
	freeze(e, r, name, true);
}

static void unpause(struct engine *e, struct http_req *r, const char *name)
{
	freeze(e, r, name, false);
}

static void remove_link(struct engine *e, struct http_req *r, const char *name)
{
	cleanup(freep) char *msg = NULL;
	int err = container_links_remove(e, name, &msg);

	if (!err)
		api_empty(r, 204);
	else if (err != -ENOENT)
		api_error(r, status_of(err), "%s", msg ? msg : "out of memory");
	else if (container_or_404(e, r, name))
		api_error(r, 409, "Conflict, cannot remove the default link name of the container");
}

static void remove_(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c;
	struct api_later *l;

	if (api_query_bool(r, "link", false)) {
		remove_link(e, r, name);
		return;
	}
	c = container_or_404(e, r, name);
	if (!c || !pod_may_touch(c, r))
		return;
	l = api_later_new(r);
	if (l)
		lifecycle_remove(
			c, api_query_bool(r, "force", false), api_query_bool(r, "v", false), later_done, l);
}

static void resize(struct engine *e, struct http_req *r, const char *name)
{
	unsigned rows, cols;
	struct container *c = api_query_size(r, &rows, &cols) ? container_or_404(e, r, name) : NULL;

	if (!c)
		return;
	if (!container_is_up(c) || !c->io) {
		api_error(r, 409, "container %s is not running", c->id);
		return;
	}

	/* One without terminal takes any size, as in Docker. */
	char height[12], width[12];
	const struct event_attribute size[] = {{"height", height}, {"width", width}};
	int err = c->tty ? stdio_resize(c->io, rows, cols) : 0;

	if (err) {
		api_errno(r, err, "cannot resize the terminal of container %s", c->name);
		return;
	}
	snprintf(height, sizeof(height), "%u", rows);
	snprintf(width, sizeof(width), "%u", cols);
	events_container_more(c, "resize", size, array_len(size));
	api_empty(r, 200);
}

static void rename_(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	const char *wanted = http_query(r, "name");
	cleanup(freep) char *old = c ? strdup(c->name) : NULL;

	if (!c || !pod_may_touch(c, r))
		return;
	if (wanted && *wanted == '/')
		wanted++;
	if (!wanted || !container_name_valid(wanted)) {
		api_error(r, 400, "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			wanted ? wanted : "");
		return;
	}
	if (container_name_taken(e, wanted)) {
		api_error(r, 409,
			"Conflict. The container name \"/%s\" is already in use. You have to remove (or rename) that "
			"container to be able to reuse that name.",
			wanted);
		return;
	}

	cleanup(json_mut_docp) yyjson_mut_doc *doc = container_config_copy(c);
	int err = doc ? 0 : -ENOMEM;

	if (!err) {
		yyjson_mut_obj_put(yyjson_mut_doc_get_root(doc), yyjson_mut_str(doc, "Name"),
			yyjson_mut_strcpy(doc, wanted));
		err = container_save_config(c, doc);
	}
	if (err) {
		api_errno(r, err, "container %s cannot be renamed", old);
		return;
	}
	network_rename(e->networks, c->id, c->name);
	container_links_tell(c);
	events_container_with(c, "rename", "oldName", old ? old : "");
	api_empty(r, 204);
}

/* ---- prune */

struct prune {
	struct filters *f; /* owned */
	int64_t until_ns;  /* 0: none */
};

/* false: it was answered. */
static bool prune_read(struct http_req *r, struct prune *p)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	cleanup(freep) char *msg = NULL;

	*p = (struct prune){0};
	if (filters_parse(&p->f, http_query(r, "filters"), known, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return false;
	}
	if (filters_has(p->f, "until") && until_parse(filters_value(p->f, "until", 0), &p->until_ns)) {
		api_error(r, 400, "invalid until: %s is neither a time nor a duration",
			filters_value(p->f, "until", 0));
		filters_free(p->f);
		return false;
	}
	return true;
}

static bool prunable(const struct container *c, void *arg)
{
	const struct prune *p = arg;
	yyjson_val *labels = json_obj(c->config, "Labels");

	return (c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED ||
		       c->state == CONTAINER_DEAD) &&
	       !pod_of(c) && (!p->until_ns || c->created_ns <= p->until_ns) &&
	       filters_match_labels(p->f, "label", labels) && filters_match_labels(p->f, "label!", labels);
}

static void prune_counted(struct engine *e, struct http_req *r, const struct sizes *s)
{
	struct prune p;

	if (!prune_read(r, &p))
		return;

	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *gone = yyjson_mut_arr(doc);
	uint64_t freed = 0;

	yyjson_mut_doc_set_root(doc, o);
	for (size_t i = e->n_containers; i-- > 0;) {
		struct container *c = e->containers[i];
		int64_t bytes = sizes_container(s, c);

		/* what came to its end while the others were counted waits for the next prune */
		if (!sizes_asked_container(s, c) || !prunable(c, &p))
			continue;
		freed += bytes > 0 ? (uint64_t)bytes : 0;
		yyjson_mut_arr_add_strcpy(doc, gone, c->id);
		lifecycle_remove(c, false, false, NULL, NULL);
	}
	filters_free(p.f);
	yyjson_mut_obj_add_val(doc, o, "ContainersDeleted", gone);
	yyjson_mut_obj_add_uint(doc, o, "SpaceReclaimed", freed);
	events_prune(e, "container", freed);
	api_json(r, 200, doc);
}

/* What they hold is counted before: deleting runs beside, and the answer does not wait for it. */
static void prune(struct engine *e, struct http_req *r, const char *arg)
{
	struct prune p;

	if (!prune_read(r, &p))
		return;
	sizes_count(e, r, &(struct sizes_wanted){.container = prunable, .arg = &p}, prune_counted);
	filters_free(p.f);
}

/* `**`: a container is found by its links, too, whose names have a slash. */
const struct api_route container_routes[] = {
	{HTTP_GET_, "containers/json", containers_list},
	{HTTP_POST_, "containers/create", create_handle},
	{HTTP_POST_, "containers/prune", prune},
	{HTTP_GET_, "containers/**/json", container_inspect},
	{HTTP_GET_, "containers/**/logs", logs_handle},
	{HTTP_HEAD_, "containers/**/archive", copy_head},
	{HTTP_GET_, "containers/**/archive", copy_get},
	{HTTP_PUT_, "containers/**/archive", copy_put},
	{HTTP_GET_, "containers/**/export", copy_export},
	{HTTP_GET_, "containers/**/changes", copy_changes},
	{HTTP_GET_, "containers/**/top", top_handle},
	{HTTP_GET_, "containers/**/stats", stats_handle},
	{HTTP_POST_, "containers/**/start", start},
	{HTTP_POST_, "containers/**/stop", stop},
	{HTTP_POST_, "containers/**/restart", restart},
	{HTTP_POST_, "containers/**/kill", kill_},
	{HTTP_POST_, "containers/**/pause", pause_},
	{HTTP_POST_, "containers/**/unpause", unpause},
	{HTTP_POST_, "containers/**/wait", wait_handle},
	{HTTP_POST_, "containers/**/attach", attach_handle},
	{HTTP_GET_, "containers/**/attach/ws", attach_websocket},
	{HTTP_POST_, "containers/**/resize", resize},
	{HTTP_POST_, "containers/**/rename", rename_},
	{HTTP_POST_, "containers/**/update", container_update},
	{HTTP_DELETE_, "containers/**", remove_},
	{0},
};
