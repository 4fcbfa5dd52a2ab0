/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/manifest.h"
#include "agent/node.h"
#include "agent/pod.h"
#include "agent/pods.h"
#include "agent/static_pods.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/kube.h"
#include "lib/log.h"
#include "lib/loop.h"

enum {
	FILES_MAX = 64,
	FILE_BYTES_MAX = 256 << 10,
	SETTLE_MS = 200, /* after the last change of a file */
	RETRY_MS = 5000, /* of what the API refused */
	TARGET_BYTES = 700,
};

struct manifest {
	char *file; /* owned */
	char uid[64];
	bool seen;
	struct manifest *next;
};

/* A pod of the API's that stands for one of ours. */
struct mirror {
	char *ns, *name, *uid; /* owned */
	char hash[64];	       /* the uid of whom it stands for */
	bool leaving;	       /* somebody has asked for its deletion */
	struct mirror *next;
};

struct static_pods {
	struct agent *a;
	const char *folder;
	struct loop_io watch; /* inotify */
	struct loop_timer scan_timer, mirror_timer;
	struct manifest *files;
	struct mirror *mirrors;
	bool synced, busy;
	char going[64]; /* the uid of the mirror whose deletion is under way; "" one is being made */
	bool untold;	/* a file was refused when there was no Node yet that an event could be about */
};

/* ---- files */

static bool is_manifest(const char *name)
{
	static const char *const ends[] = {".yaml", ".yml", ".json"};
	size_t n = strlen(name);

	for (size_t i = 0; name[0] != '.' && i < array_len(ends); i++)
		if (n > strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

static struct manifest *find_file(struct static_pods *s, const char *file)
{
	for (struct manifest *m = s->files; m; m = m->next)
		if (!strcmp(m->file, file))
			return m;
	return NULL;
}

static void end_pod(struct static_pods *s, const char *uid)
{
	struct pod *p = pods_find_uid(s->a, uid);

	if (p)
		pod_gone(p);
}

static void refuse(struct static_pods *s, const char *file, const char *why)
{
	log_error("file=%s/%s op=static-pod error=\"%s\"", s->folder, file, why);
	if (!node_object(s->a->node)) {
		s->untold = true;
		return;
	}
	agent_event(
		s->a, node_object(s->a->node), true, "InvalidStaticPod", "%s/%s: %s", s->folder, file, why);
}

/* Another file has a pod of this name. */
static bool is_taken(struct static_pods *s, yyjson_val *pod, const char *file)
{
	yyjson_val *meta = json_obj(pod, "metadata");

	for (struct manifest *m = s->files; m; m = m->next) {
		const struct pod *p = strcmp(m->file, file) != 0 ? pods_find_uid(s->a, m->uid) : NULL;

		if (p && !strcmp(p->name, json_str(meta, "name")) &&
			!strcmp(p->ns, json_str(meta, "namespace")))
			return true;
	}
	return false;
}

/* The object, with the time at which it was seen first. */
static yyjson_doc *seen_now(yyjson_doc *doc)
{
	yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
	yyjson_mut_val *annotations = yyjson_mut_doc_ptr_get(mut, "/metadata/annotations");
	char now[KUBE_TIME_MAX];
	yyjson_doc *out = NULL;

	kube_time(now, time(NULL));
	if (mut && yyjson_mut_obj_add_strcpy(mut, annotations, MANIFEST_SEEN, now))
		out = yyjson_mut_doc_imut_copy(mut, NULL);
	yyjson_mut_doc_free(mut);
	return out;
}

static int take_pod(struct static_pods *s, const char *file, yyjson_doc *doc)
{
	const char *uid = json_str(json_obj(yyjson_doc_get_root(doc), "metadata"), "uid");
	struct manifest *m = find_file(s, file);
	yyjson_doc *whole;

	if (m && !strcmp(m->uid, uid))
		return 0;
	if (is_taken(s, yyjson_doc_get_root(doc), file)) {
		refuse(s, file, "another file describes a pod of this name");
		return 0;
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (m)
			m->file = strdup(file);
		if (!m || !m->file) {
			free(m);
			return -ENOMEM;
		}
		m->next = s->files;
		s->files = m;
	}
	m->seen = true;
	end_pod(s, m->uid);
	snprintf(m->uid, sizeof(m->uid), "%s", uid);
	whole = seen_now(doc);
	if (!whole || !pods_add_static(s->a, yyjson_doc_get_root(whole))) {
		yyjson_doc_free(whole);
		m->uid[0] = 0; /* the next scan tries again */
		return -ENOMEM;
	}
	yyjson_doc_free(whole);
	log_info("file=%s/%s op=static-pod uid=%s", s->folder, file, uid);
	return 0;
}

static void take_file(struct static_pods *s, int dir, const char *file)
{
	cleanup(freep) char *text = NULL;
	struct manifest *m = find_file(s, file);
	yyjson_doc *doc = NULL;
	char why[300] = "";
	size_t len;
	int err = file_read(dir, file, FILE_BYTES_MAX, &text, &len);

	if (m)
		m->seen = true;
	if (!err)
		err = manifest_read(&doc, text, len, s->a->node_name, file, why, sizeof(why));
	if (!err)
		err = take_pod(s, file, doc);
	yyjson_doc_free(doc);
	if (err == -ENOENT && m)
		m->seen = false;
	else if (err)
		refuse(s, file, *why ? why : strerror(-err));
}

static void drop_files(struct static_pods *s)
{
	for (struct manifest **at = &s->files; *at;) {
		struct manifest *m = *at;

		if (m->seen) {
			at = &m->next;
			continue;
		}
		log_info("file=%s/%s op=static-pod msg=\"it is gone\"", s->folder, m->file);
		end_pod(s, m->uid);
		*at = m->next;
		free(m->file);
		free(m);
	}
}

static void scan(struct static_pods *s)
{
	DIR *dir = opendir(s->folder);
	struct dirent *e;
	size_t n = 0;

	if (!dir) {
		log_errno(errno, "folder=%s op=static-pods", s->folder);
		return; /* what runs runs on */
	}
	for (struct manifest *m = s->files; m; m = m->next)
		m->seen = false;
	while ((e = readdir(dir)))
		if (is_manifest(e->d_name) && n++ < FILES_MAX)
			take_file(s, dirfd(dir), e->d_name);
	if (n > FILES_MAX)
		log_warn("folder=%s op=static-pods msg=\"there are %zu files, %d are looked at\"", s->folder,
			n, FILES_MAX);
	closedir(dir);
	drop_files(s);
	static_pods_look(s);
}

static void on_settled(struct loop_timer *t)
{
	scan(container_of(t, struct static_pods, scan_timer));
}

static void on_change(struct loop_io *io, uint32_t events)
{
	struct static_pods *s = container_of(io, struct static_pods, watch);
	_Alignas(struct inotify_event) char buf[4096];

	while (read(io->fd, buf, sizeof(buf)) > 0)
		;
	if (loop_timer_set(s->a->loop, &s->scan_timer, loop_now_ms(s->a->loop) + SETTLE_MS, on_settled) < 0)
		log_error("op=static-pods msg=\"out of memory\"");
}

/* ---- mirrors */

bool static_pods_is_mirror(yyjson_val *object)
{
	return json_text(json_obj(json_obj(object, "metadata"), "annotations"), MANIFEST_MIRROR);
}

static void mirror_free(struct mirror *m)
{
	free(m->ns);
	free(m->name);
	free(m->uid);
	free(m);
}

static struct mirror **find_mirror(struct static_pods *s, const char *uid)
{
	struct mirror **at = &s->mirrors;

	while (*at && strcmp((*at)->uid, uid) != 0)
		at = &(*at)->next;
	return at;
}

static void forget(struct static_pods *s, const char *uid)
{
	struct mirror **at = find_mirror(s, uid), *m = *at;
	struct pod *p = m ? pods_find_uid(s->a, m->hash) : NULL;
	yyjson_val *told = p && p->is_static ? json_obj(pod_in_api(p), "metadata") : NULL;

	if (!m)
		return;
	/* it may have another one by now */
	if (yyjson_equals_str(yyjson_obj_get(told, "uid"), uid))
		pod_set_mirror(p, NULL);
	*at = m->next;
	mirror_free(m);
}

void static_pods_mirror(struct static_pods *s, yyjson_val *object, bool gone)
{
	yyjson_val *meta = json_obj(object, "metadata");
	const char *uid = json_str(meta, "uid") ?: "",
		   *hash = json_text(json_obj(meta, "annotations"), MANIFEST_MIRROR) ?: "";
	struct mirror **at = find_mirror(s, uid), *m = *at;
	struct pod *p;

	if (gone) {
		forget(s, uid);
		static_pods_look(s);
		return;
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return;
		m->ns = strdup(json_str(meta, "namespace") ?: "");
		m->name = strdup(json_str(meta, "name") ?: "");
		m->uid = strdup(uid);
		if (!m->ns || !m->name || !m->uid) {
			mirror_free(m);
			log_error("op=static-pods msg=\"out of memory\"");
			return;
		}
		m->next = s->mirrors;
		s->mirrors = m;
	}
	snprintf(m->hash, sizeof(m->hash), "%s", hash);
	m->leaving = json_str(meta, "deletionTimestamp");
	p = pods_find_uid(s->a, m->hash);
	if (p && p->is_static && !p->gone && !m->leaving)
		pod_set_mirror(p, object);
	static_pods_look(s);
}

void static_pods_synced(struct static_pods *s)
{
	s->synced = true;
	static_pods_look(s);
}

static void on_mirrors(struct loop_timer *t);

static void look_in(struct static_pods *s, int64_t ms)
{
	if (loop_timer_set(s->a->loop, &s->mirror_timer, loop_now_ms(s->a->loop) + ms, on_mirrors) < 0)
		log_error("op=static-pods msg=\"out of memory\"");
}

static void on_asked(int status, const char *why, yyjson_val *root, void *arg)
{
	struct static_pods *s = arg;
	bool fine = status >= 200 && status <= 299;

	s->busy = false;
	if (*s->going && (fine || status == 404 || status == 409))
		forget(s,
			s->going); /* or somebody else was faster; if the watch shows it yet, it is asked for again */
	else if (fine && root)
		static_pods_mirror(s, root, false);
	else if (!fine && status != 404)
		log_warn("op=mirror error=\"%s\"", why ? why : "the API does not answer");
	look_in(s, fine ? 0 : RETRY_MS);
}

static void ask(struct static_pods *s, const char *method, const char *target, yyjson_mut_doc *doc)
{
	struct json_request rq = {.method = method, .target = target, .doc = doc};

	s->busy = doc && !json_call(NULL, s->a->api, &rq, on_asked, s);
	yyjson_mut_doc_free(doc);
	if (!s->busy)
		look_in(s, RETRY_MS);
}

static void remove_mirror(struct static_pods *s, const struct mirror *m)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *pre = root ? yyjson_mut_obj_add_obj(doc, root, "preconditions") : NULL;
	char target[TARGET_BYTES];

	snprintf(s->going, sizeof(s->going), "%s", m->uid);
	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/pods/%s", m->ns, m->name);
	if (pre && yyjson_mut_obj_add_str(doc, root, "kind", "DeleteOptions") &&
		yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1") &&
		yyjson_mut_obj_add_int(doc, root, "gracePeriodSeconds", 0) &&
		yyjson_mut_obj_add_strcpy(doc, pre, "uid", m->uid))
		yyjson_mut_doc_set_root(doc, root);
	ask(s, "DELETE", target, doc);
}

/* The pod as it is, with what makes it a mirror: whose it is, and that its node answers for it. */
static void make_mirror(struct static_pods *s, const struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_doc_mut_copy(p->doc, NULL);
	yyjson_mut_val *meta = yyjson_mut_doc_ptr_get(doc, "/metadata");
	yyjson_mut_val *owners = meta ? yyjson_mut_obj_add_arr(doc, meta, "ownerReferences") : NULL;
	yyjson_mut_val *owner = owners ? yyjson_mut_arr_add_obj(doc, owners) : NULL;
	const char *node = json_str(json_obj(node_object(s->a->node), "metadata"), "uid") ?: "";
	char target[TARGET_BYTES];
	bool ok =
		owner && yyjson_mut_obj_add_str(doc, owner, "apiVersion", "v1") &&
		yyjson_mut_obj_add_str(doc, owner, "kind", "Node") &&
		yyjson_mut_obj_add_str(doc, owner, "name", s->a->node_name) &&
		yyjson_mut_obj_add_strcpy(doc, owner, "uid", node) &&
		yyjson_mut_obj_add_bool(doc, owner, "controller", true) &&
		yyjson_mut_obj_add_str(doc, yyjson_mut_obj_get(meta, "annotations"), MANIFEST_MIRROR, p->uid);

	s->going[0] = 0;
	yyjson_mut_obj_remove_key(meta, "uid");
	snprintf(target, sizeof(target), "/api/v1/namespaces/%s/pods", p->ns);
	if (!ok)
		yyjson_mut_doc_free(take(doc));
	ask(s, "POST", target, doc);
}

static bool has_mirror(const struct static_pods *s, const struct pod *p)
{
	for (const struct mirror *m = s->mirrors; m; m = m->next)
		if (!strcmp(m->hash, p->uid))
			return true;
	return false;
}

/* One thing at a time: mirrors of nobody go, and those that somebody deletes; then pods without one get theirs. */
static void on_mirrors(struct loop_timer *t)
{
	struct static_pods *s = container_of(t, struct static_pods, mirror_timer);

	if (s->busy || !s->synced)
		return; /* whoever ends that looks again */
	if (!node_object(s->a->node)) {
		look_in(s, RETRY_MS);
		return;
	}
	if (s->untold) {
		s->untold = false;
		scan(s);
	}
	for (const struct mirror *m = s->mirrors; m; m = m->next) {
		const struct pod *p = pods_find_uid(s->a, m->hash);

		if (m->leaving || !p || p->gone) {
			remove_mirror(s, m);
			return;
		}
	}
	for (const struct pod *p = pods_first(s->a); p; p = p->next)
		if (p->is_static && !p->gone && !has_mirror(s, p)) {
			make_mirror(s, p);
			return;
		}
}

void static_pods_look(struct static_pods *s)
{
	if (s && !s->mirror_timer.loop)
		look_in(s, 0);
}

/* ---- life */

int static_pods_start(struct static_pods **out, struct agent *a, const char *folder)
{
	struct static_pods *s = calloc(1, sizeof(*s));
	int fd, err;

	if (!s)
		return -ENOMEM;
	s->a = a;
	s->folder = folder;
	*out = s;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		log_errno(errno, "folder=%s op=static-pods msg=\"there are none\"", folder);
		return 0;
	}
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = inotify_add_watch(
		      fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0
		      ? -errno
		      : loop_io_add(a->loop, &s->watch, fd, EPOLLIN, on_change);
	if (err) {
		close(fd);
		return err;
	}
	scan(s);
	return 0;
}
