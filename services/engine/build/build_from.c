/* SPDX-License-Identifier: Apache-2.0 */

/* FROM: an earlier stage, an image of the store, an image of a registry, or nothing. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/build/api_client.h"
#include "engine/build/build_int.h"
#include "engine/image/image_int.h"
#include "lib/errno_text.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/uri.h"

/* ---- pulling */

struct lines {
	struct build *b;
	char *text;
	size_t len;
	char error[1024];
};

/* The engine's own progress messages go on to the client; an error among them is ours. */
static int on_pull(const char *buf, size_t len, void *arg)
{
	struct lines *l = arg;
	char *more = realloc(l->text, l->len + len + 1), *line, *nl;

	if (!more)
		return -ENOMEM;
	l->text = more;
	memcpy(more + l->len, buf, len);
	l->len += len;
	more[l->len] = '\0';
	for (line = more; (nl = strchr(line, '\n')); line = nl + 1) {
		yyjson_doc *doc;
		const char *error;

		*nl = '\0';
		line[strcspn(line, "\r")] = '\0';
		doc = yyjson_read(line, strlen(line), 0);
		error = json_text(yyjson_doc_get_root(doc), "error");
		if (error)
			snprintf(l->error, sizeof(l->error), "%s", error);
		else if (doc && !l->b->quiet)
			(void)!dprintf(1, "%s\n", line);
		yyjson_doc_free(doc);
	}
	l->len = strlen(line);
	memmove(l->text, line, l->len + 1);
	return l->len > 1 << 20 ? -EMSGSIZE : 0;
}

/* Of X-Registry-Config: the hub is known by its old address. */
static char *auth_for(struct build *b, const char *domain)
{
	yyjson_val *auths = json_obj(b->w->orders, "auths");
	yyjson_val *v =
		json_obj(auths, !strcmp(domain, "docker.io") ? "https://index.docker.io/v1/" : domain);
	cleanup(freep) char *text = v ? yyjson_val_write(v, 0, NULL) : NULL;

	return text ? base64_make(text, strlen(text)) : NULL;
}

static int pull(struct build *b, const struct image_ref *ref)
{
	char name[IMAGE_NAME_MAX + 1];
	cleanup(freep) char *encoded = NULL, *path = NULL, *auth = auth_for(b, ref->domain), *words = NULL;
	struct lines lines = {.b = b};
	struct api_call c = {
		.socket = b->socket, .method = "POST", .auth = auth, .data = on_pull, .arg = &lines};
	int r;

	image_ref_canonical(ref, name);
	encoded = uri_encode(name);
	if (!encoded || asprintf(&path, "/v1.51/images/create?fromImage=%s", encoded) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	c.path = path;
	r = api_call(&c);
	if (r == 0 && c.status >= 300)
		words = api_call_message(&c);
	free(lines.text);
	free(c.answer);
	if (r < 0)
		return build_fail(b, r, "pull of %.200s: %s", name, errno_text(-r));
	if (*lines.error || c.status >= 300)
		return build_fail(b, -ENOENT, "%s",
			*lines.error ? lines.error
			: words	     ? words
				     : "the pull failed");
	r = store_reload(b->w->store);
	return r < 0 ? build_fail(b, r, "the image store cannot be read") : 0;
}

/* ---- finding */

/* Of the store, or of a registry. */
static int find_image(struct build *b, const char *name, const struct image **img)
{
	struct image_ref ref;
	int r;

	if (!strcmp(name, "scratch"))
		return 0;
	r = image_ref_parse(&ref, name);
	if (r == 0 && json_bool(b->w->orders, "pull")) {
		image_ref_default_tag(&ref);
		r = pull(b, &ref);
		if (r < 0)
			return r;
	}
	r = image_store_find(b->w->store, name, img);
	if (r != -ENOENT || image_ref_parse(&ref, name) < 0)
		return r < 0 ? build_fail(b, r, "invalid reference format: %.300s", name) : 0;
	image_ref_default_tag(&ref);
	r = pull(b, &ref);
	return r < 0 ? r : work_find(b->w, name, img);
}

/* Among the first @n. */
static const struct build_stage *named_stage(const struct build *b, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (b->stages[i].name && !strcasecmp(b->stages[i].name, name))
			return &b->stages[i];
	return NULL;
}

/* A number is one of a stage before this one, and never an image. 1, 0: it is no number, or -EINVAL. */
static int numbered_stage(struct build *b, const char *text, const struct build_stage **out)
{
	char *end;
	unsigned long i;

	if (!*text || text[strspn(text, "0123456789")])
		return 0;
	errno = 0;
	i = strtoul(text, &end, 10);
	if (errno || i >= b->n_stages)
		return build_fail(b, -EINVAL, "index out of bounds");
	if (i == b->n_stages - 1)
		return build_fail(b, -EINVAL, "refers to current build stage");
	*out = &b->stages[i];
	return 1;
}

static void take_stage(const struct build_stage *s, const struct image **img)
{
	*img = s->img;
	if (*img)
		image_get(*img);
}

int build_find(struct build *b, const char *name, const struct image **img)
{
	const struct build_stage *s = named_stage(b, b->n_stages - 1, name);
	int r;

	*img = NULL;
	snprintf(b->about, sizeof(b->about), "invalid from flag value %.300s: ", name);
	r = s ? 1 : numbered_stage(b, name, &s);
	if (r == 0)
		r = find_image(b, name, img);
	else if (r == 1)
		take_stage(s, img);
	*b->about = '\0';
	return r < 0 ? r : 0;
}

static int from_image(struct build *b, const char *name, const struct image **img)
{
	const struct build_stage *s = named_stage(b, b->n_stages, name);

	*img = NULL;
	if (!s)
		return find_image(b, name, img);
	take_stage(s, img);
	return 0;
}

/* ---- the stage */

static int begin_settings(struct build *b, const struct image *img)
{
	yyjson_doc *config = NULL;
	yyjson_val *old;
	int r = img ? image_config(img, &config) : 0;

	if (r < 0)
		return build_fail(b, r, "the configuration of image %s cannot be read", img->id);
	yyjson_mut_doc_free(b->st.doc);
	b->st.doc = yyjson_mut_doc_new(NULL);
	old = json_obj(yyjson_doc_get_root(config), "config");
	b->st.config = !b->st.doc ? NULL
		       : old	  ? yyjson_val_mut_copy(b->st.doc, old)
				  : yyjson_mut_obj(b->st.doc);
	b->st.cmd_given = false;
	*b->st.author = '\0';
	yyjson_doc_free(config);
	if (!b->st.config)
		return build_fail(b, -ENOMEM, "out of memory");
	/* docker: what is built from scratch has a PATH too */
	if (!img) {
		yyjson_mut_val *env = yyjson_mut_obj_add_arr(b->st.doc, b->st.config, "Env");

		yyjson_mut_arr_add_str(
			b->st.doc, env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	}
	return 0;
}

/* What the base image's author put off until now. */
static int run_triggers(struct build *b)
{
	yyjson_mut_val *list = yyjson_mut_obj_remove_key(b->st.config, "OnBuild"), *v;
	size_t i, n = yyjson_mut_arr_size(list), max;
	int r = 0;

	if (n)
		build_say(b, "# Executing %zu build trigger%s\n", n, n == 1 ? "" : "s");
	yyjson_mut_arr_foreach(list, i, max, v)
	{
		const char *text = yyjson_mut_get_str(v);
		struct dockerfile_error e;
		struct dockerfile *d;

		if (r < 0 || !text)
			continue;
		if (dockerfile_parse_line(&d, text, '\\', &e) < 0)
			return build_fail(b, -EINVAL, "trigger of the base image: %s", e.text);
		if (d->steps[0].op == DF_FROM || d->steps[0].op == DF_ONBUILD)
			r = build_fail(
				b, -EINVAL, "the base image has a trigger that is not allowed: %.200s", text);
		d->steps[0].line = b->step->line;
		if (r == 0)
			r = dockerfile_check_step(&d->steps[0], &e) < 0
				    ? build_fail(b, -EINVAL, "trigger of the base image: %s", e.text)
				    : build_step_run(b, &d->steps[0]);
		dockerfile_free(d);
	}
	return r;
}

static int check_platform(struct build *b, const struct image *img)
{
	const char *flag = dockerfile_flag(b->step, "platform"), *order = work_text(b->w, "platform");
	cleanup(freep) char *text = NULL;
	struct image_platform want, here;
	struct image_reason why = {0};
	int r;

	r = flag ? build_expand(b, flag, &text) : 0;
	if (r < 0)
		return r;
	if (image_platform_parse(&here, NULL, &why) < 0 ||
		image_platform_parse(&want, text && *text ? text : order, &why) < 0)
		return build_fail(b, -EINVAL, "failed to parse platform : %s", why.text);
	if (strcmp(want.os, here.os) || strcmp(want.architecture, here.architecture))
		return build_fail(b, -ENOTSUP,
			"platform %s/%s is not this node's (%s/%s): an image is built on a node of its own platform",
			want.os, want.architecture, here.os, here.architecture);
	if (img && (strcmp(img->os, here.os) || strcmp(img->architecture, here.architecture)))
		return build_fail(b, -ENOTSUP, "the base image is for %s/%s, this node is %s/%s", img->os,
			img->architecture, here.os, here.architecture);
	return 0;
}

int build_from(struct build *b)
{
	const struct dockerfile_step *s = b->step;
	const struct image *img = NULL;
	cleanup(freep) char *name = NULL;
	struct build_stage *more;
	int r;

	/* only what was declared before the first FROM counts here */
	{
		size_t n = b->n_stages;
		yyjson_mut_val *config = b->st.config;

		b->n_stages = 0;
		b->st.config = NULL;
		r = build_expand(b, s->words[0], &name);
		b->n_stages = n;
		b->st.config = config;
	}
	if (r == 0 && !*name)
		r = build_fail(b, -EINVAL, "base name (%.100s) should not be blank", s->words[0]);
	if (r == 0)
		r = from_image(b, name, &img);
	if (r == 0)
		r = check_platform(b, img);
	if (r < 0) {
		image_unref(img);
		return r;
	}
	if (s->n_words == 3 && named_stage(b, b->n_stages, s->words[2])) {
		image_unref(img);
		return build_fail(b, -EINVAL, "%.64s stage name already used", s->words[2]);
	}
	more = realloc(b->stages, (b->n_stages + 1) * sizeof(*more));
	if (!more) {
		image_unref(img);
		return build_fail(b, -ENOMEM, "out of memory");
	}
	b->stages = more;
	b->stages[b->n_stages++] = (struct build_stage){s->n_words == 3 ? strdup(s->words[2]) : NULL, img};
	for (size_t i = 0; i < b->args.n; i++) {
		free(b->args.list[i].name);
		free(b->args.list[i].value);
	}
	b->args.n = 0;
	b->missed = false;
	snprintf(b->key, sizeof(b->key), "%s", img ? img->id : "scratch");
	r = begin_settings(b, img);
	return r < 0 ? r : run_triggers(b);
}
