/* SPDX-License-Identifier: Apache-2.0 */

/* The platform-independent half of config.json: root, mounts, hooks, and the order in which parts are read.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/json.h"
#include "runtime/fail.h"
#include "runtime/spec.h"

ssize_t rt_read_fd(int fd, const char *name, size_t max, char **out)
{
	struct stat st;
	size_t len = 0, room = 4096;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((uintmax_t)st.st_size > max)
			return rt_refuse("%s is larger than %zu bytes", name, max);
		room = (size_t)st.st_size + 1;
	}
	char *buf = malloc(room + YYJSON_PADDING_SIZE);

	if (!buf)
		return rt_fail(ENOMEM, "read %s", name);
	for (;;) {
		ssize_t n = read(fd, buf + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			n = rt_fail(errno, "read %s", name);
			free(buf);
			return n;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max) {
			free(buf);
			return rt_refuse("%s is larger than %zu bytes", name, max);
		}
		if (len < room)
			continue;
		room = room * 2 + 1;
		char *bigger = realloc(buf, room + YYJSON_PADDING_SIZE);

		if (!bigger) {
			free(buf);
			return rt_fail(ENOMEM, "read %s", name);
		}
		buf = bigger;
	}
	memset(buf + len, 0, YYJSON_PADDING_SIZE);
	*out = buf;
	return (ssize_t)len;
}

ssize_t rt_read_file(int dir, const char *path, size_t max, char **out)
{
	cleanup(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return rt_fail(errno, "open %s", path);
	return rt_read_fd(fd, path, max, out);
}

int oci_string_map_check(yyjson_val *map, const char *where)
{
	yyjson_val *key, *val;
	size_t i, max;

	if (!map)
		return 0;
	json_obj_foreach (map, i, max, key, val) {
		if (!js_text(key) || !js_text(val))
			return rt_refuse("%s must map strings to strings", where);
	}
	return 0;
}

int oci_idmaps_parse(struct oci_idmaps *m, struct rt_arena *mem, struct js o, const char *key)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, key, &arr);

	if (r < 0 || !arr || !yyjson_arr_size(arr))
		return r;
	if (yyjson_arr_size(arr) > 340)
		return rt_refuse("%s.%s has more than 340 entries, the kernel's limit", o.where, key);
	m->v = rt_arena_zalloc(mem, yyjson_arr_size(arr) * sizeof(*m->v));
	if (!m->v)
		return rt_fail(ENOMEM, "%s.%s", o.where, key);
	yyjson_arr_foreach (arr, i, max, item) {
		struct js e = {item, key};

		if (!yyjson_is_obj(item) || !js_has(e, "containerID") || !js_has(e, "hostID") ||
			!js_has(e, "size"))
			return rt_refuse(
				"%s.%s: each entry needs containerID, hostID and size", o.where, key);
		r = js_u32(e, "containerID", &m->v[i].inside);
		if (r == 0)
			r = js_u32(e, "hostID", &m->v[i].outside);
		if (r == 0)
			r = js_u32(e, "size", &m->v[i].count);
		if (r < 0)
			return r;
		if (!m->v[i].count)
			return rt_refuse("%s.%s: size must not be zero", o.where, key);
	}
	m->n = yyjson_arr_size(arr);
	return 0;
}

static int mount_parse(struct oci_mount *m, struct rt_arena *mem, yyjson_val *v)
{
	struct js o = {v, "mounts[]"};
	int r;

	if (!yyjson_is_obj(v))
		return rt_refuse("mounts[] must be an object");
	r = js_str(o, "destination", &m->destination);
	if (r == 0)
		r = js_str(o, "source", &m->source);
	if (r == 0)
		r = js_str(o, "type", &m->type);
	if (r == 0)
		r = js_strs(o, "options", mem, &m->options, &m->n_options);
	if (r == 0)
		r = oci_idmaps_parse(&m->uids, mem, o, "uidMappings");
	if (r == 0)
		r = oci_idmaps_parse(&m->gids, mem, o, "gidMappings");
	if (r < 0)
		return r;
	if (!m->destination || !*m->destination)
		return rt_refuse("mounts[].destination is missing");
	if (!m->uids.n != !m->gids.n)
		return rt_refuse("mounts[] %s: uidMappings and gidMappings go together", m->destination);
	return 0;
}

static int mounts_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "mounts", &arr);

	if (r < 0 || !arr)
		return r;
	s->mounts = rt_arena_zalloc(&s->mem, yyjson_arr_size(arr) * sizeof(*s->mounts));
	if (!s->mounts)
		return rt_fail(ENOMEM, "mounts");
	yyjson_arr_foreach (arr, i, max, item) {
		r = mount_parse(&s->mounts[i], &s->mem, item);
		if (r < 0)
			return r;
	}
	s->n_mounts = yyjson_arr_size(arr);
	return 0;
}

int oci_hooks_parse(struct oci_hooks *h, struct rt_arena *mem, struct js hooks, const char *kind)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max, n;
	int r = js_arr(hooks, kind, &arr);

	if (r < 0 || !arr)
		return r;
	h->v = rt_arena_zalloc(mem, yyjson_arr_size(arr) * sizeof(*h->v));
	if (!h->v)
		return rt_fail(ENOMEM, "hooks");
	yyjson_arr_foreach (arr, i, max, item) {
		struct js o = {item, "hooks[]"};
		struct oci_hook *k = &h->v[i];

		if (!yyjson_is_obj(item))
			return rt_refuse("hooks.%s[] must be an object", kind);
		r = js_str(o, "path", &k->path);
		if (r == 0)
			r = js_strs(o, "args", mem, &k->args, &n);
		if (r == 0)
			r = js_strs(o, "env", mem, &k->env, &n);
		if (r == 0)
			r = js_i64(o, "timeout", &k->timeout_s);
		if (r < 0)
			return r;
		if (!k->path || k->path[0] != '/')
			return rt_refuse("hooks.%s[].path must be an absolute path", kind);
		if (js_has(o, "timeout") && (k->timeout_s < 1 || k->timeout_s > 1000000))
			return rt_refuse("hooks.%s[].timeout must be 1 to 1000000 seconds", kind);
	}
	h->n = yyjson_arr_size(arr);
	return 0;
}

static int all_hooks_parse(struct oci_spec *s, struct js o)
{
	int r = js_obj(o, "hooks", &s->hooks_raw);
	struct js h = {s->hooks_raw, "hooks"};

	if (r < 0 || !s->hooks_raw)
		return r;
	r = oci_hooks_parse(&s->prestart, &s->mem, h, "prestart");
	if (r == 0)
		r = oci_hooks_parse(&s->create_runtime, &s->mem, h, "createRuntime");
	if (r == 0)
		r = oci_hooks_parse(&s->create_container, &s->mem, h, "createContainer");
	if (r == 0)
		r = oci_hooks_parse(&s->start_container, &s->mem, h, "startContainer");
	if (r == 0)
		r = oci_hooks_parse(&s->poststart, &s->mem, h, "poststart");
	if (r == 0)
		r = oci_hooks_parse(&s->poststop, &s->mem, h, "poststop");
	return r;
}

/* Versions are compatible within a major number (specification, "ociVersion", by SemVer 2.0.0). */
static int version_check(const char *v)
{
	if (!v)
		return rt_refuse("ociVersion is missing");
	if (strncmp(v, "1.", 2) || v[2] < '0' || v[2] > '9')
		return rt_refuse("ociVersion %s: this runtime speaks version 1", v);
	return 0;
}

/* A bundle for another kind of container is not one for this. */
static int platform_check(struct js o)
{
	static const char *const others[] = {"vm", "windows", "solaris", "zos", "freebsd"};

	for (size_t i = 0; i < array_len(others); i++)
		if (js_has(o, others[i]))
			return rt_refuse("config.json has a section %s: this runtime makes Linux containers",
				others[i]);
	return 0;
}

static int root_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *root = NULL;
	int r = js_obj(o, "root", &root);
	struct js ro = {root, "root"};

	if (r == 0)
		r = js_str(ro, "path", &s->root_path);
	if (r == 0)
		r = js_bool(ro, "readonly", &s->root_readonly);
	if (r < 0)
		return r;
	if (!s->root_path || !*s->root_path)
		return rt_refuse("root.path is missing");
	return 0;
}

static int parse(struct oci_spec *s, size_t len)
{
	yyjson_read_err err;
	yyjson_val *process = NULL, *lin = NULL;
	int r;

	s->ns[NS_MOUNT].listed = false;
	s->personality = -1;
	s->process.ioprio = -1;
	s->doc = yyjson_read_opts(s->text, len, YYJSON_READ_INSITU, NULL, &err);
	if (!s->doc)
		return rt_refuse("config.json: %s at byte %zu", err.msg, err.pos);
	struct js o = {yyjson_doc_get_root(s->doc), ""};

	if (!yyjson_is_obj(o.v))
		return rt_refuse("config.json must hold an object");
	r = js_str(o, "ociVersion", &s->version);
	if (r == 0)
		r = version_check(s->version);
	if (r == 0)
		r = platform_check(o);
	if (r == 0)
		r = js_str(o, "hostname", &s->hostname);
	if (r == 0)
		r = js_str(o, "domainname", &s->domainname);
	if (r == 0)
		r = js_obj(o, "annotations", &s->annotations);
	if (r == 0)
		r = oci_string_map_check(s->annotations, "annotations");
	if (r == 0)
		r = root_parse(s, o);
	if (r == 0)
		r = mounts_parse(s, o);
	if (r == 0)
		r = all_hooks_parse(s, o);
	if (r == 0)
		r = js_obj(o, "process", &process);
	if (r < 0)
		return r;
	if (process) {
		s->has_process = true;
		r = oci_process_parse(&s->process, &s->mem, (struct js){process, "process"});
	}
	if (r == 0)
		r = js_obj(o, "linux", &lin);
	if (r == 0)
		r = oci_linux_parse(s, (struct js){lin, "linux"});
	return r;
}

int oci_spec_parse(struct oci_spec *s, char *text, size_t len)
{
	memset(s, 0, sizeof(*s));
	s->text = text;
	return parse(s, len);
}

int oci_spec_load(struct oci_spec *s, int dir, const char *path)
{
	char *text;
	ssize_t len = rt_read_file(dir, path, OCI_CONFIG_MAX, &text);

	if (len < 0) {
		memset(s, 0, sizeof(*s));
		return (int)len;
	}
	return oci_spec_parse(s, text, (size_t)len);
}

void oci_spec_fini(struct oci_spec *s)
{
	yyjson_doc_free(s->doc);
	free(s->text);
	rt_arena_fini(&s->mem);
	memset(s, 0, sizeof(*s));
}
