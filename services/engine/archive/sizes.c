/* SPDX-License-Identifier: Apache-2.0 */

/* See sizes.h. The worker gets the paths as a file and answers in another: neither is bounded by a pipe. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/api.h"
#include "engine/archive/sizes.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/job.h"
#include "engine/volumes_int.h"
#include "lib/log.h"

enum { SIZES_TEXT_MAX = 4 << 20, SIZES_TIMEOUT_MS = 600000 };

struct size {
	char *name; /* owned: a container's id, a volume's name */
	int64_t bytes;
};

struct sizes {
	struct engine *e;
	struct http_req *r;
	void (*fn)(struct engine *e, struct http_req *r, const struct sizes *s);
	struct job *job; /* owned */
	int out;	 /* owned: the worker's answer */
	struct size *containers, *volumes;
	size_t n_containers, n_volumes;
};

static void sizes_free(struct sizes *s)
{
	job_free(s->job);
	closep(&s->out);
	for (size_t i = 0; i < s->n_containers; i++)
		free(s->containers[i].name);
	for (size_t i = 0; i < s->n_volumes; i++)
		free(s->volumes[i].name);
	free(s->containers);
	free(s->volumes);
	free(s);
}

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	sizes_free(arg);
}

static void read_answer(struct sizes *s)
{
	cleanup(freep) char *text = NULL;
	char path[40];
	char *p, *end;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->out);
	if (disk_read(path, SIZES_TEXT_MAX, &text, NULL))
		return;
	p = text;
	for (size_t i = 0; i < s->n_containers + s->n_volumes; i++) {
		int64_t bytes = strtoll(p, &end, 10);

		if (end == p)
			return;
		p = end;
		*(i < s->n_containers ? &s->containers[i].bytes : &s->volumes[i - s->n_containers].bytes) =
			bytes;
	}
}

static void on_done(void *arg, int status, const char *output)
{
	struct sizes *s = arg;

	s->job = NULL;
	if (status)
		log_error("op=sizes status=%d msg=\"%s\"", status, output);
	read_answer(s);
	s->fn(s->e, s->r, s);
}

/* Adopts @path. */
static int add(struct size *list, size_t *n, const char *name, char *path, int in)
{
	cleanup(freep) char *owned = path, *line = path ? text_make("%s\n", path) : NULL;

	list[*n] = (struct size){strdup(name), -1};
	if (!line || !list[*n].name) {
		free(list[*n].name);
		return -ENOMEM;
	}
	++*n;
	return file_write_all(in, line, strlen(line));
}

bool sizes_every_container(const struct container *c, void *arg)
{
	return true;
}

bool sizes_every_volume(const struct volume *v, void *arg)
{
	return true;
}

bool sizes_this_container(const struct container *c, void *arg)
{
	return c == arg;
}

static int collect(struct sizes *s, const struct sizes_wanted *w, int in)
{
	struct engine *e = s->e;
	int err = 0;

	s->containers = calloc(e->n_containers + 1, sizeof(*s->containers));
	s->volumes = calloc(e->volumes->n + 1, sizeof(*s->volumes));
	if (!s->containers || !s->volumes)
		return -ENOMEM;
	for (size_t i = 0; !err && w->container && i < e->n_containers; i++) {
		struct container *c = e->containers[i];

		if (w->container(c, w->arg))
			err = add(s->containers, &s->n_containers, c->id, text_make("%s/upper", c->dir), in);
	}
	for (size_t i = 0; !err && w->volume && i < e->volumes->n; i++) {
		const struct volume *v = e->volumes->list[i];

		if (w->volume(v, w->arg))
			err = add(s->volumes, &s->n_volumes, v->name, volume_path(e, v->name), in);
	}
	return err;
}

void sizes_count(struct engine *e, struct http_req *r, const struct sizes_wanted *wanted,
	void (*fn)(struct engine *e, struct http_req *r, const struct sizes *s))
{
	struct sizes *s = calloc(1, sizeof(*s));
	cleanup(closep) int in = memfd_create("sizes-in", MFD_CLOEXEC);
	char *argv[] = {(char *)(uintptr_t)e->worker, (char *)(uintptr_t)"engine_archive",
		(char *)(uintptr_t)"size", NULL};
	int err = s ? 0 : -ENOMEM;

	if (!err) {
		*s = (struct sizes){.e = e, .r = r, .fn = fn, .out = memfd_create("sizes-out", MFD_CLOEXEC)};
		if (in < 0 || s->out < 0)
			err = -errno;
	}
	if (!err)
		err = collect(s, wanted, in);
	if (!err && lseek(in, 0, SEEK_SET) < 0)
		err = -errno;
	if (!err) {
		int fds[3] = {in, s->out, JOB_CAPTURE};
		struct job_opts o = {.path = e->worker,
			.argv = argv,
			.fds = fds,
			.n_fds = 3,
			.timeout_ms = SIZES_TIMEOUT_MS};

		err = job_start(&s->job, e->loop, &o, on_done, s);
	}
	if (err) {
		if (s)
			sizes_free(s);
		api_errno(r, err, "the sizes cannot be counted");
		return;
	}
	http_on_closed(r, on_closed, s);
}

static const struct size *find(const struct size *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

const char *sizes_only(const struct sizes *s)
{
	return s->n_containers ? s->containers[0].name : "";
}

int64_t sizes_container(const struct sizes *s, const struct container *c)
{
	const struct size *found = s ? find(s->containers, s->n_containers, c->id) : NULL;

	return found ? found->bytes : -1;
}

int64_t sizes_volume(const struct sizes *s, const char *name)
{
	const struct size *found = s ? find(s->volumes, s->n_volumes, name) : NULL;

	return found ? found->bytes : -1;
}

bool sizes_asked_container(const struct sizes *s, const struct container *c)
{
	return find(s->containers, s->n_containers, c->id);
}

bool sizes_asked_volume(const struct sizes *s, const char *name)
{
	return find(s->volumes, s->n_volumes, name);
}
