/* SPDX-License-Identifier: Apache-2.0 */

/* The pods there are, and their place on disk. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "lib/json.h"
#include "lib/log.h"

enum { POD_JSON_MAX = 1 << 20 };

static const char *const state_names[POD_STATES] = {"making", "ready", "notready"};

struct pods {
	struct pod **list; /* owned */
	size_t n, cap;
};

size_t pods_count(const struct engine *e)
{
	return e->pods ? e->pods->n : 0;
}

struct pod *pod_at(const struct engine *e, size_t i)
{
	return e->pods->list[i];
}

struct pod *pod_find(struct engine *e, const char *uid)
{
	for (size_t i = 0; uid && i < pods_count(e); i++)
		if (!strcmp(e->pods->list[i]->uid, uid))
			return e->pods->list[i];
	return NULL;
}

void pod_set_reason(struct pod *p, const char *reason)
{
	char *copy = strdup(reason);

	if (!copy)
		return;
	free(p->reason);
	p->reason = copy;
}

static void read_spec(struct pod *p)
{
	p->spec = yyjson_doc_get_root(p->doc);
	p->name = json_str(p->spec, "Name");
	p->namespace = json_str(p->spec, "Namespace");
	p->host_network = json_bool(p->spec, "HostNetwork");
	p->host_ipc = json_bool(p->spec, "HostIPC");
	p->host_pid = json_bool(p->spec, "HostPID");
	p->share_pid = json_bool(p->spec, "SharePID");
}

int pod_new(struct pod **out, struct engine *e, yyjson_doc *doc)
{
	struct pod *p = calloc(1, sizeof(*p));
	const char *uid = json_str(yyjson_doc_get_root(doc), "UID");
	const char *qos = json_str(yyjson_doc_get_root(doc), "QOS");

	if (!p || !uid || strlen(uid) > POD_UID_MAX || !qos) {
		free(p);
		yyjson_doc_free(doc);
		return p ? -EINVAL : -ENOMEM;
	}
	p->e = e;
	p->doc = doc;
	strcpy(p->uid, uid);
	p->dir = text_make("%s/pods/%s", e->data_dir, uid);
	p->run = text_make("%s/pods/%s", e->run_dir, uid);
	p->cgroup = text_make("/pods/%s/%s", qos, uid);
	p->reason = strdup("");
	p->created_ns = wall_ns();
	if (!p->dir || !p->run || !p->cgroup || !p->reason) {
		pod_free(p);
		return -ENOMEM;
	}
	read_spec(p);
	*out = p;
	return 0;
}

void pod_free(struct pod *p)
{
	if (!p)
		return;
	loop_timer_del(&p->timer);
	pod_forget_asks(p);
	yyjson_doc_free(p->doc);
	free(p->dir);
	free(p->run);
	free(p->cgroup);
	free(p->reason);
	free(p);
}

int pod_add(struct pod *p)
{
	struct pods *all = p->e->pods;

	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 16;
		struct pod **bigger = realloc(all->list, cap * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		all->list = bigger;
		all->cap = cap;
	}
	all->list[all->n++] = p;
	return 0;
}

static void take_out(struct pod *p)
{
	struct pods *all = p->e->pods;

	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i] != p)
			continue;
		memmove(&all->list[i], &all->list[i + 1], (all->n - i - 1) * sizeof(struct pod *));
		all->n--;
		return;
	}
}

static int save_in(struct pod *p, const char *dir)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;

	if (!o)
		return -ENOMEM;
	yyjson_mut_doc_set_root(doc, o);
	json_copy(doc, o, "Pod", p->spec);
	yyjson_mut_obj_add_str(doc, o, "State", state_names[p->state]);
	yyjson_mut_obj_add_str(doc, o, "Reason", p->reason);
	yyjson_mut_obj_add_bool(doc, o, "Stopping", p->stopping);
	yyjson_mut_obj_add_uint(doc, o, "Attempt", p->attempt);
	yyjson_mut_obj_add_int(doc, o, "Created", p->created_ns);
	if (p->id_base)
		yyjson_mut_obj_add_uint(doc, o, "IdBase", p->id_base);
	return disk_replace_json(dir, "pod.json", doc, FILE_DURABLE);
}

int pod_save(struct pod *p)
{
	return save_in(p, p->dir);
}

int pod_change(struct pod *p, yyjson_doc *doc)
{
	yyjson_doc *old = p->doc;

	p->doc = doc;
	read_spec(p);

	int err = pod_save(p);

	if (err) {
		p->doc = old;
		read_spec(p);
		yyjson_doc_free(doc);
		return err;
	}
	yyjson_doc_free(old);
	return 0;
}

/* In place, because a container has this very file bound. A cut leaves it short; the next start writes it anew. */
static int write_file(const char *dir, const char *name, const char *text)
{
	cleanup(freep) char *path = text_make("%s/%s", dir, name);
	cleanup(closep) int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, len, 0) != (ssize_t)len || ftruncate(fd, (off_t)len) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

static int files_in(const struct pod *p, const char *dir)
{
	const char *hosts = json_str(p->spec, "Hosts"), *resolv = json_text(p->spec, "ResolvConf");
	const char *hostname = json_str(p->spec, "Hostname");
	cleanup(freep) char *line = text_make("%s\n", hostname ? hostname : ""), *node = NULL, *own = NULL;
	int err = line ? 0 : -ENOMEM;

	if (!err && !*hostname) {
		free(line);
		line = NULL;
		err = disk_read("/etc/hostname", POD_TEXT_MAX, &line, NULL);
		if (err == -ENOENT)
			err = (line = text_make("localhost\n")) ? 0 : -ENOMEM;
	}
	if (!err && !resolv) {
		err = disk_read("/etc/resolv.conf", POD_TEXT_MAX, &node, NULL);
		resolv = err ? "" : node;
		err = err == -ENOENT ? 0 : err;
	}
	if (!err && (!hosts || !*hosts)) {
		own = text_make("127.0.0.1\tlocalhost\n::1\tlocalhost\n%s%s%s",
			*hostname ? "127.0.0.1\t" : "", hostname, *hostname ? "\n" : "");
		hosts = own;
		err = own ? 0 : -ENOMEM;
	}
	if (!err)
		err = write_file(dir, "hostname", line);
	if (!err)
		err = write_file(dir, "resolv.conf", resolv);
	if (!err)
		err = write_file(dir, "hosts", hosts);
	return err ? log_errno(-err, "pod=%s op=files", p->uid) : 0;
}

int pod_files(struct pod *p)
{
	return files_in(p, p->dir);
}

int pod_write_new(struct pod *p)
{
	cleanup(freep) char *tmp = text_make("%s/pods/.new.%s", p->e->data_dir, p->uid);
	int err = tmp ? dir_make(tmp, 0711) : -ENOMEM;

	if (!err)
		err = files_in(p, tmp);
	if (!err)
		err = save_in(p, tmp);
	fault_point("pod-written");
	if (!err && rename(tmp, p->dir) < 0)
		err = log_errno(errno, "pod=%s op=create", p->uid);
	if (err && tmp)
		dir_remove(tmp);
	return err;
}

void pod_discard(struct pod *p)
{
	cleanup(freep) char *gone = text_make("%s/pods/.gone.%s", p->e->data_dir, p->uid);

	/* Out of sight by one rename; what is left of it then is swept also after a cut. */
	if (gone && rename(p->dir, gone) == 0)
		dir_remove(gone);
	else if (errno != ENOENT)
		log_errno(errno, "pod=%s op=remove", p->uid);
	take_out(p);
	pod_free(p);
}

static int load_one(struct engine *e, const char *uid)
{
	cleanup(freep) char *path = text_make("%s/pods/%s/pod.json", e->data_dir, uid);
	yyjson_doc *doc = NULL;
	struct pod *p = NULL;
	int err = path ? disk_read_json(path, POD_JSON_MAX, &doc) : -ENOMEM;
	yyjson_val *o = yyjson_doc_get_root(doc);
	const char *state = json_str(o, "State"), *reason = json_str(o, "Reason");
	yyjson_mut_doc *copy = err ? NULL : yyjson_mut_doc_new(NULL);

	if (copy) {
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, json_obj(o, "Pod")));
		err = pod_new(&p, e, yyjson_mut_doc_imut_copy(copy, NULL));
	}
	yyjson_mut_doc_free(copy);
	if (!err && p && strcmp(p->uid, uid) != 0)
		err = -EINVAL;
	if (!err && p) {
		for (int s = 0; s < POD_STATES; s++)
			if (state && !strcmp(state, state_names[s]))
				p->state = (enum pod_state)s;
		pod_set_reason(p, reason ? reason : "");
		p->stopping = json_bool(o, "Stopping");
		p->attempt = (unsigned)json_int(o, "Attempt", 0);
		p->created_ns = json_int(o, "Created", 0);
		p->id_base = (uint32_t)json_int(o, "IdBase", 0);
		err = pod_add(p);
	}
	yyjson_doc_free(doc);
	if (err)
		pod_free(p);
	return err;
}

int pods_open(struct engine *e)
{
	cleanup(freep) char *dir = text_make("%s/pods", e->data_dir);
	DIR *d;
	int err = dir ? dir_make(dir, 0711) : -ENOMEM;

	e->pods = calloc(1, sizeof(*e->pods));
	if (err || !e->pods)
		return err ? err : -ENOMEM;
	dir_sweep_hidden(dir);
	d = opendir(dir);
	if (!d)
		return log_errno(errno, "op=pods dir=%s", dir);
	for (struct dirent *ent; (ent = readdir(d));) {
		if (ent->d_name[0] == '.')
			continue;
		err = load_one(e, ent->d_name);
		if (err)
			log_errno(-err, "pod=%s op=load msg=\"left alone\"", ent->d_name);
	}
	closedir(d);
	return 0;
}

void pods_close(struct engine *e)
{
	for (size_t i = 0; i < pods_count(e); i++)
		pod_free(e->pods->list[i]);
	if (e->pods)
		free(e->pods->list);
	free(e->pods);
	e->pods = NULL;
}
