/* SPDX-License-Identifier: Apache-2.0 */

/* See work.h: orders in, the verb, its last word out. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "applets.h"
#include "engine/image/image_int.h"
#include "engine/image/work.h"
#include "lib/errno_text.h"
#include "lib/rfc3339.h"

enum { ORDERS_MAX = 4 << 20 };

int work_fail(struct work *w, int err, const char *fmt, ...)
{
	va_list ap;

	if (!*w->error) {
		va_start(ap, fmt);
		vsnprintf(w->error, sizeof(w->error), fmt, ap);
		va_end(ap);
	}
	return err;
}

const char *work_text(const struct work *w, const char *key)
{
	return yyjson_get_str(yyjson_obj_get(w->orders, key));
}

void work_say(const char *key, const char *text)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
	char *line = NULL;

	if (o && yyjson_mut_obj_add(o, yyjson_mut_str(doc, key), yyjson_mut_str(doc, text))) {
		yyjson_mut_doc_set_root(doc, o);
		line = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
	}
	/* nobody listens: the engine ends this process then, not this line */
	if (line)
		(void)!dprintf(1, "%s\n", line);
	free(line);
	yyjson_mut_doc_free(doc);
}

void work_event(const char *action, const char *id, const char *name)
{
	(void)!dprintf(1, "*%s %s %s\n", action, id, name);
}

const char *created_text(int64_t s, char buf[40])
{
	return s < 0 ? rfc3339_now(buf, 9) : rfc3339_text(buf, &(struct timespec){.tv_sec = s}, 0);
}

int work_find(struct work *w, const char *name, const struct image **out)
{
	int r = image_store_find(w->store, name, out);

	if (r == -ENOENT)
		return work_fail(w, r, "No such image: %.300s", name);
	if (r == -ENOTUNIQ)
		return work_fail(w, -EINVAL, "several images have an id that begins with %.64s", name);
	return r < 0 ? work_fail(w, r, "invalid reference format: %.300s", name) : 0;
}

static int read_orders(struct work *w)
{
	char *buf = malloc(ORDERS_MAX);
	size_t len = 0;
	ssize_t n = buf ? 0 : -1;

	while (buf && len < ORDERS_MAX && (n = read(0, buf + len, ORDERS_MAX - len)) > 0)
		len += (size_t)n;
	if (n == 0)
		w->doc = yyjson_read(buf, len, 0);
	if (buf)
		explicit_bzero(buf, len);
	free(buf);
	w->orders = yyjson_doc_get_root(w->doc);
	return work_text(w, "verb") && work_text(w, "dir")
		       ? 0
		       : work_fail(w, -EINVAL, "this program is for the engine");
}

static int open_store(struct work *w)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/images/lock", work_text(w, "dir"));
	w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock < 0 || flock(w->lock, LOCK_SH) < 0)
		return work_fail(w, -errno, "the image store cannot be locked: %s", errno_text(errno));
	r = store_open_reader(&w->store, work_text(w, "dir"), work_text(w, "builtin"));
	return r < 0 ? work_fail(w, r, "the image store cannot be opened: %s", errno_text(-r)) : 0;
}

int work_main(work_fn *(*verb)(const char *name))
{
	struct work w = {.lock = -1};
	work_fn *fn = NULL;
	int r;

	signal(SIGPIPE, SIG_IGN);
	umask(022);
	r = read_orders(&w);
	if (r == 0) {
		fn = verb(work_text(&w, "verb"));
		r = fn ? open_store(&w) : work_fail(&w, -EINVAL, "this program is for the engine");
	}
	if (r == 0)
		r = fn(&w);
	if (r < 0)
		work_fail(&w, r, "%s", errno_text(-r));
	image_store_free(w.store);
	closep(&w.lock);
	yyjson_doc_free(w.doc);
	for (char *p = w.error; *p; p++)
		if (*p == '\n')
			*p = ' ';
	dprintf(1, "!%d %s\n", r, r ? w.error : w.result);
	return r ? 1 : 0;
}

static work_fn *image_verb(const char *name)
{
	static const struct {
		const char *name;
		work_fn *fn;
	} verbs[] = {{"push", work_push}, {"load", work_load}, {"save", work_save}, {"make", work_make}};

	for (size_t i = 0; i < array_len(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return verbs[i].fn;
	return NULL;
}

int engine_image_main(int argc, char **argv)
{
	return work_main(image_verb);
}
