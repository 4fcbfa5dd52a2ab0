/* SPDX-License-Identifier: Apache-2.0 */

/* See build_int.h. `wherry engine_build`: from the orders to the name of an image. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include "applets.h"
#include "engine/build/build_int.h"
#include "engine/image/image_int.h"
#include "engine/image/tree_tar.h"
#include "engine/build/copy.h"
#include "lib/errno_text.h"
#include "lib/json.h"

int build_fail(struct build *b, int err, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (b->step)
		return work_fail(b->w, err, "%s:%u: %s: %s%s", b->file, b->step->line,
			dockerfile_keyword(b->step->op), b->about, text);
	return work_fail(b->w, err, "%s", text);
}

void build_say(struct build *b, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!b->quiet)
		work_say("stream", text);
}

/* ---- arguments */

int build_arg_set(struct build_args *a, const char *name, const char *value)
{
	struct build_arg *arg = NULL, *more;

	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->list[i].name, name))
			arg = &a->list[i];
	if (!arg) {
		more = realloc(a->list, (a->n + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		a->list = more;
		arg = &more[a->n];
		*arg = (struct build_arg){strdup(name), NULL};
		if (!arg->name)
			return -ENOMEM;
		a->n++;
	}
	free(arg->value);
	arg->value = value ? strdup(value) : NULL;
	return value && !arg->value ? -ENOMEM : 0;
}

const char *build_arg_value(const struct build_args *a, const char *name, size_t len)
{
	for (size_t i = 0; i < a->n; i++)
		if (strlen(a->list[i].name) == len && !strncmp(a->list[i].name, name, len))
			return a->list[i].value;
	return NULL;
}

static void args_fini(struct build_args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].name);
		free(a->list[i].value);
	}
	free(a->list);
	*a = (struct build_args){NULL, 0};
}

static const char *lookup(const char *name, size_t len, void *ctx)
{
	struct build *b = ctx;

	return build_arg_value(b->n_stages ? &b->args : &b->global, name, len);
}

int build_expand(struct build *b, const char *word, char **out)
{
	struct settings_error e;
	int r = settings_expand(&b->st, word, b->df->escape, out, &e);

	return r < 0 ? build_fail(b, r, "%s", e.text) : 0;
}

/* What the command line says; marks it as used. */
static const char *given(struct build *b, const char *name)
{
	for (size_t i = 0; i < b->given.n; i++) {
		if (strcmp(b->given.list[i].name, name))
			continue;
		b->given_used[i] = true;
		return b->given.list[i].value;
	}
	return NULL;
}

/* ARG NAME[=DEFAULT]...: the command line's value, the one before the first FROM, the default. */
static int declare_args(struct build *b)
{
	bool global = b->n_stages == 0;
	int r = 0;

	for (size_t i = 0; i < b->step->n_words; i++) {
		cleanup(freep) char *word = NULL;
		const char *value;
		char *eq;

		r = build_expand(b, b->step->words[i], &word);
		if (r < 0)
			return r;
		eq = strchr(word, '=');
		if (eq)
			*eq = '\0';
		if (!*word)
			return build_fail(b, -EINVAL, "names can not be blank");
		value = given(b, word);
		if (!value && !eq && !global)
			value = build_arg_value(&b->global, word, strlen(word));
		if (!value && eq)
			value = eq + 1;
		r = build_arg_set(global ? &b->global : &b->args, word, value);
		if (r < 0)
			return build_fail(b, r, "out of memory");
	}
	if (global)
		return 0;
	/* in the history as any other; which value it has matters to what sees it */
	build_key(b, (const char *[]){"ARG", b->step->source}, 2);
	r = build_cached(b);
	return r ? (r < 0 ? r : 0) : build_commit(b, b->step->source, NULL);
}

/* Known before the first FROM without being declared there (Dockerfile reference, automatic platform ARGs). */
static int platform_args(struct build *b)
{
	struct image_platform here;
	char text[100];
	int r = image_platform_parse(&here, NULL, NULL);

	snprintf(text, sizeof(text), "%s/%s%s%s", here.os, here.architecture, *here.variant ? "/" : "",
		here.variant);
	for (int i = 0; r == 0 && i < 2; i++) {
		const char *who = i ? "BUILD" : "TARGET";
		const struct {
			const char *what, *value;
		} all[] = {{"PLATFORM", text}, {"OS", here.os}, {"ARCH", here.architecture},
			{"VARIANT", here.variant}};

		for (size_t k = 0; r == 0 && k < array_len(all); k++) {
			char name[32];

			snprintf(name, sizeof(name), "%s%s", who, all[k].what);
			r = build_arg_set(&b->global, name, all[k].value);
		}
	}
	return r;
}

/* ---- steps */

/* The directory that WORKDIR names is made when it is not there. */
static int make_workdir(struct build *b, struct new_layer *l)
{
	const char *path = yyjson_mut_get_str(yyjson_mut_obj_get(b->st.config, "WorkingDir"));
	struct build_root root = {.fd = -1};
	struct copy_result made;
	int r = build_root_open(b, &root);

	if (r == 0) {
		r = copy_mkdir(root.fd, path, &made);
		if (r < 0)
			build_fail(b, r, "%s", made.error);
	}
	if (r == 0 && made.entries)
		r = build_root_layer(b, &root, l);
	else
		l->empty = true;
	build_root_close(b, &root);
	return r;
}

/* A volume cannot lie over what is a file in the image. */
static int check_volumes(struct build *b)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	yyjson_mut_val *volumes = yyjson_mut_obj_get(b->st.config, "Volumes"), *k, *v;
	struct build_root root = {.fd = -1};
	size_t i, n;
	int r = build_root_open(b, &root);

	yyjson_mut_obj_foreach(volumes, i, n, k, v)
	{
		const char *path = yyjson_mut_get_str(k);
		cleanup(closep) int fd = -1;
		struct stat st;

		if (r < 0 || !path)
			continue;
		path += strspn(path, "/");
		fd = (int)syscall(SYS_openat2, root.fd, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
			r = build_fail(b, -EEXIST,
				"cannot mount volume over existing file, file exists /%.300s", path);
	}
	build_root_close(b, &root);
	return r;
}

static int change_settings(struct build *b)
{
	struct new_layer l = {.empty = true};
	cleanup(freep) char *config = NULL;
	struct settings_error e;
	int r = settings_apply(&b->st, b->step, b->df->escape, &e);

	if (r < 0)
		return build_fail(b, r, "%s", e.text);
	config = yyjson_mut_val_write(b->st.config, 0, NULL);
	if (!config)
		return build_fail(b, -ENOMEM, "out of memory");
	build_key(b, (const char *[]){dockerfile_keyword(b->step->op), config, b->st.author}, 3);
	r = build_cached(b);
	if (r)
		return r < 0 ? r : 0;
	if (b->step->op == DF_WORKDIR)
		r = make_workdir(b, &l);
	else if (b->step->op == DF_VOLUME)
		r = check_volumes(b);
	if (r == 0)
		r = build_commit(b, b->step->source, &l);
	new_layer_fini(b->w, &l);
	return r;
}

int build_step_run(struct build *b, const struct dockerfile_step *step)
{
	const struct dockerfile_step *outer = b->step;
	int r;

	b->step = step;
	switch (step->op) {
	case DF_FROM:
		r = build_from(b);
		break;
	case DF_ARG:
		r = declare_args(b);
		break;
	case DF_RUN:
		r = build_run(b);
		break;
	case DF_COPY:
	case DF_ADD:
		r = build_copy(b);
		break;
	default:
		r = change_settings(b);
	}
	if (r == 0)
		b->step = outer;
	return r;
}

static void say_id(struct build *b)
{
	const struct image *img = b->n_stages ? b->stages[b->n_stages - 1].img : NULL;

	if (img)
		build_say(b, " ---> %.12s\n", img->id + 7);
	else if (b->n_stages)
		build_say(b, " ---> \n");
}

/* How many steps there are to the end of the stage that is wanted; -errno when there is no such stage. */
static ssize_t steps_wanted(struct build *b)
{
	const char *target = work_text(b->w, "target");
	size_t stage = 0;
	bool found = false;

	if (!target || !*target)
		return (ssize_t)b->df->n_steps;
	for (size_t i = 0; i < b->df->n_steps; i++) {
		const struct dockerfile_step *s = &b->df->steps[i];
		char number[24];

		if (s->op != DF_FROM)
			continue;
		if (found)
			return (ssize_t)i;
		snprintf(number, sizeof(number), "%zu", stage++);
		found = !strcmp(number, target) || (s->n_words == 3 && !strcasecmp(s->words[1], "as") &&
							   !strcasecmp(s->words[2], target));
	}
	return found ? (ssize_t)b->df->n_steps
		     : work_fail(b->w, -ENOENT, "target stage \"%.200s\" could not be found", target);
}

/* --label: one step more, as if it stood in the file. */
static int add_labels(struct build *b)
{
	yyjson_val *labels = json_obj(b->w->orders, "labels"), *k, *v;
	cleanup(freep) char *config = NULL;
	yyjson_mut_val *o;
	size_t i, n;
	int r;

	if (!yyjson_obj_size(labels))
		return 0;
	o = yyjson_mut_obj_get(b->st.config, "Labels");
	if (!yyjson_mut_is_obj(o)) {
		o = yyjson_mut_obj(b->st.doc);
		yyjson_mut_obj_put(b->st.config, yyjson_mut_str(b->st.doc, "Labels"), o);
	}
	json_obj_foreach (labels, i, n, k, v)
		yyjson_mut_obj_put(o, yyjson_val_mut_copy(b->st.doc, k), yyjson_val_mut_copy(b->st.doc, v));
	config = yyjson_mut_val_write(b->st.config, 0, NULL);
	if (!config)
		return -ENOMEM;
	build_key(b, (const char *[]){"LABEL", config}, 2);
	r = build_cached(b);
	return r ? (r < 0 ? r : 0) : build_commit(b, "LABEL (of the command line)", NULL);
}

/* Of each stage that is over, as Docker tells it. */
static void say_result(struct build *b)
{
	const struct image *img = b->n_stages ? b->stages[b->n_stages - 1].img : NULL;

	if (img && !b->quiet)
		(void)!dprintf(1, "{\"aux\":{\"ID\":\"%s\"}}\n", img->id);
}

static int run_all(struct build *b, size_t n)
{
	int r = 0;

	b->total = n;
	for (b->at = 0; b->at < n && r == 0; b->at++) {
		if (b->df->steps[b->at].op == DF_FROM)
			say_result(b);
		build_say(b, "Step %zu/%zu : %.3000s\n", b->at + 1, n, b->df->steps[b->at].source);
		r = build_step_run(b, &b->df->steps[b->at]);
		if (r == 0)
			say_id(b);
	}
	if (r < 0)
		return r;
	b->step = NULL;
	r = b->n_stages ? add_labels(b) : 0;
	if (r == 0 && (!b->n_stages || !b->stages[b->n_stages - 1].img))
		r = work_fail(b->w, -EINVAL, "No image was generated. Is your Dockerfile empty?");
	return r;
}

static int finish(struct build *b)
{
	const struct image *img = b->stages[b->n_stages - 1].img;
	yyjson_val *tags = json_arr(b->w->orders, "tags"), *v;
	char text[IMAGE_NAME_MAX + 64];
	size_t i, n;
	int r = 0;

	for (i = 0; i < b->given.n; i++)
		if (!b->given_used[i] && strcmp(b->given.list[i].name, "SOURCE_DATE_EPOCH"))
			build_say(b, "[Warning] One or more build-args [%.200s] were not consumed\n",
				b->given.list[i].name);
	say_result(b);
	build_say(b, "Successfully built %.12s\n", img->id + 7);
	yyjson_arr_foreach (tags, i, n, v) {
		char canonical[IMAGE_NAME_MAX + 1], familiar[IMAGE_NAME_MAX + 1];
		struct image_ref ref;

		if (r < 0 || image_ref_parse(&ref, yyjson_get_str(v)) < 0)
			continue;
		image_ref_default_tag(&ref);
		image_ref_canonical(&ref, canonical);
		image_ref_familiar(&ref, familiar);
		r = image_name_write(&b->w->store->disk, canonical, img->id);
		if (r < 0)
			return work_fail(
				b->w, r, "the name %s cannot be written: %s", familiar, errno_text(-r));
		work_event("tag", img->id, familiar);
		build_say(b, "Successfully tagged %s\n", familiar);
	}
	if (b->quiet) {
		snprintf(text, sizeof(text), "%s\n", img->id);
		work_say("stream", text);
	}
	strcpy(b->w->result, img->id);
	return r;
}

/* ---- the whole */

static int read_arguments(struct build *b)
{
	yyjson_val *args = json_obj(b->w->orders, "buildargs"), *k, *v;
	const char *epoch;
	size_t i, n;
	int r = platform_args(b);

	json_obj_foreach (args, i, n, k, v)
		if (r == 0)
			r = build_arg_set(&b->given, yyjson_get_str(k), yyjson_get_str(v));
	b->given_used = calloc(b->given.n + 1, sizeof(bool));
	if (r < 0 || !b->given_used)
		return -ENOMEM;
	b->epoch = -1;
	epoch = build_arg_value(&b->given, "SOURCE_DATE_EPOCH", strlen("SOURCE_DATE_EPOCH"));
	if (epoch && *epoch) {
		char *end;

		errno = 0;
		b->epoch = strtoll(epoch, &end, 10);
		if (errno || *end || b->epoch < 0)
			return work_fail(
				b->w, -EINVAL, "SOURCE_DATE_EPOCH=%.64s is no number of seconds", epoch);
	}
	return 0;
}

static int work_build(struct work *w)
{
	struct build b = {.w = w,
		.context = -1,
		.id = work_text(w, "id"),
		.socket = work_text(w, "socket"),
		.network = work_text(w, "network"),
		.no_cache = json_bool(w->orders, "nocache"),
		.quiet = json_bool(w->orders, "quiet"),
		.keep_containers = json_bool(w->orders, "keep"),
		.force_rm = json_bool(w->orders, "forcerm")};
	ssize_t n = 0;
	int r;

	b.st.arg = lookup;
	b.st.ctx = &b;
	r = read_arguments(&b);
	if (r == 0)
		r = build_context_open(&b, &b.df);
	if (r == 0) {
		n = steps_wanted(&b);
		r = n < 0 ? (int)n : run_all(&b, (size_t)n);
	}
	if (r == 0)
		r = finish(&b);
	build_context_close(&b);
	for (size_t i = 0; i < b.n_stages; i++) {
		free(b.stages[i].name);
		image_unref(b.stages[i].img);
	}
	free(b.stages);
	args_fini(&b.given);
	args_fini(&b.global);
	args_fini(&b.args);
	free(b.given_used);
	free(b.file);
	yyjson_mut_doc_free(b.st.doc);
	dockerfile_free(b.df);
	return r;
}

static work_fn *build_verb(const char *name)
{
	return !strcmp(name, "build") ? work_build : NULL;
}

int engine_build_main(int argc, char **argv)
{
	return work_main(build_verb);
}
