/* SPDX-License-Identifier: Apache-2.0 */

/* `linux` of config.json, without resources and seccomp. */

#include <errno.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/spec.h"

static const char *const ns_names[NS_KINDS] = {
	[NS_USER] = "user",
	[NS_MOUNT] = "mount",
	[NS_PID] = "pid",
	[NS_NET] = "network",
	[NS_IPC] = "ipc",
	[NS_UTS] = "uts",
	[NS_CGROUP] = "cgroup",
	[NS_TIME] = "time",
};

static int namespaces_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "namespaces", &arr);

	if (r < 0 || !arr)
		return r;
	yyjson_arr_foreach (arr, i, max, item) {
		struct js e = {item, "linux.namespaces[]"};
		const char *type = NULL, *path = NULL;
		size_t k;

		if (!yyjson_is_obj(item))
			return rt_refuse("linux.namespaces[] must be an object");
		r = js_str(e, "type", &type);
		if (r == 0)
			r = js_str(e, "path", &path);
		if (r < 0)
			return r;
		for (k = 0; k < NS_KINDS && (!type || strcmp(type, ns_names[k])); k++)
			;
		if (k == NS_KINDS)
			return rt_refuse("linux.namespaces[]: unknown type %s", type ? type : "(missing)");
		if (s->ns[k].listed)
			return rt_refuse("linux.namespaces[]: %s is given twice", type);
		if (path && *path && *path != '/')
			return rt_refuse("linux.namespaces[] %s: path must be absolute", type);
		s->ns[k].listed = true;
		s->ns[k].path = path && *path ? path : NULL;
	}
	return 0;
}

static int time_offset_parse(struct oci_time_offset *t, struct js o, const char *clock)
{
	yyjson_val *v = NULL;
	int r = js_obj(o, clock, &v);
	struct js c = {v, "linux.timeOffsets"};

	if (r < 0 || !v)
		return r;
	t->set = true;
	r = js_i64(c, "secs", &t->secs);
	if (r == 0)
		r = js_u32(c, "nanosecs", &t->nanosecs);
	if (r == 0 && t->nanosecs > 999999999)
		return rt_refuse("linux.timeOffsets.%s.nanosecs must be below 1000000000", clock);
	return r;
}

static int device_parse(struct oci_device *d, yyjson_val *v)
{
	struct js o = {v, "linux.devices[]"};
	const char *type = NULL;
	int64_t major = 0, minor = 0;
	int r;

	if (!yyjson_is_obj(v))
		return rt_refuse("linux.devices[] must be an object");
	d->mode = 0666;
	r = js_str(o, "path", &d->path);
	if (r == 0)
		r = js_str(o, "type", &type);
	if (r == 0)
		r = js_i64(o, "major", &major);
	if (r == 0)
		r = js_i64(o, "minor", &minor);
	if (r == 0)
		r = js_u32(o, "fileMode", &d->mode);
	if (r == 0)
		r = js_u32(o, "uid", &d->uid);
	if (r == 0)
		r = js_u32(o, "gid", &d->gid);
	if (r < 0)
		return r;
	if (!d->path || d->path[0] != '/')
		return rt_refuse("linux.devices[].path must be an absolute path");
	if (!type || strlen(type) != 1 || !strchr("cbup", type[0]))
		return rt_refuse("linux.devices[] %s: type must be c, b, u or p", d->path);
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return rt_refuse("linux.devices[] %s: numbers out of range", d->path);
	d->type = type[0] == 'u' ? 'c' : type[0];
	d->major = (uint32_t)major;
	d->minor = (uint32_t)minor;
	/* Go callers send the permission bits, some with the file type above them. */
	d->mode &= 07777;
	return 0;
}

static int devices_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *arr = NULL, *item;
	size_t i, max;
	int r = js_arr(o, "devices", &arr);

	if (r < 0 || !arr)
		return r;
	s->devices = rt_arena_zalloc(&s->mem, (yyjson_arr_size(arr) + 1) * sizeof(*s->devices));
	if (!s->devices)
		return rt_fail(ENOMEM, "linux.devices");
	yyjson_arr_foreach (arr, i, max, item) {
		r = device_parse(&s->devices[i], item);
		if (r < 0)
			return r;
	}
	s->n_devices = yyjson_arr_size(arr);
	return 0;
}

static int propagation_parse(struct oci_spec *s, struct js o)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} kinds[] = {
		{"private", MS_PRIVATE},
		{"rprivate", MS_PRIVATE},
		{"shared", MS_SHARED},
		{"rshared", MS_SHARED},
		{"slave", MS_SLAVE},
		{"rslave", MS_SLAVE},
		{"unbindable", MS_UNBINDABLE},
		{"runbindable", MS_UNBINDABLE},
	};
	const char *name = NULL;
	int r = js_str(o, "rootfsPropagation", &name);

	if (r < 0 || !name || !*name)
		return r;
	for (size_t i = 0; i < array_len(kinds); i++) {
		if (strcmp(kinds[i].name, name))
			continue;
		s->propagation = kinds[i].flag;
		return 0;
	}
	return rt_refuse("linux.rootfsPropagation: unknown value %s", name);
}

static int personality_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *v = NULL, *flags = NULL;
	const char *domain = NULL;
	int r = js_obj(o, "personality", &v);
	struct js p = {v, "linux.personality"};

	if (r < 0 || !v)
		return r;
	r = js_str(p, "domain", &domain);
	if (r == 0)
		r = js_arr(p, "flags", &flags);
	if (r < 0)
		return r;
	if (flags && yyjson_arr_size(flags))
		return rt_refuse("linux.personality.flags: the specification names none");
	if (domain && !strcmp(domain, "LINUX"))
		s->personality = 0;
	else if (domain && !strcmp(domain, "LINUX32"))
		s->personality = 8;
	else
		return rt_refuse("linux.personality.domain must be LINUX or LINUX32");
	return 0;
}

/* What this system has no counterpart for is refused, never dropped silently. */
static int unsupported(struct js o)
{
	yyjson_val *rdt = NULL, *policy = NULL, *net = NULL;
	const char *label = NULL;
	int r = js_str(o, "mountLabel", &label);

	if (r == 0)
		r = js_obj(o, "intelRdt", &rdt);
	if (r == 0)
		r = js_obj(o, "memoryPolicy", &policy);
	if (r == 0)
		r = js_obj(o, "netDevices", &net);
	if (r < 0)
		return r;
	if (label && *label)
		return rt_refuse("linux.mountLabel: this runtime has no SELinux");
	if (rdt)
		return rt_refuse("linux.intelRdt: this runtime does not drive Intel RDT");
	if (policy)
		return rt_refuse("linux.memoryPolicy: this runtime sets no NUMA memory policy");
	if (net && yyjson_obj_size(net))
		return rt_refuse("linux.netDevices: this runtime moves no network devices");
	return 0;
}

int oci_linux_parse(struct oci_spec *s, struct js o)
{
	yyjson_val *v = NULL, *offsets = NULL;
	int r = unsupported(o);

	if (r == 0)
		r = namespaces_parse(s, o);
	if (r == 0)
		r = oci_idmaps_parse(&s->uids, &s->mem, o, "uidMappings");
	if (r == 0)
		r = oci_idmaps_parse(&s->gids, &s->mem, o, "gidMappings");
	if (r == 0)
		r = js_obj(o, "timeOffsets", &offsets);
	if (r == 0)
		r = time_offset_parse(&s->monotonic, (struct js){offsets, "linux.timeOffsets"}, "monotonic");
	if (r == 0)
		r = time_offset_parse(&s->boottime, (struct js){offsets, "linux.timeOffsets"}, "boottime");
	if (r == 0)
		r = devices_parse(s, o);
	if (r == 0)
		r = js_str(o, "cgroupsPath", &s->cgroups_path);
	if (r == 0)
		r = propagation_parse(s, o);
	if (r == 0)
		r = personality_parse(s, o);
	if (r == 0)
		r = js_strs(o, "maskedPaths", &s->mem, &s->masked, &s->n_masked);
	if (r == 0)
		r = js_strs(o, "readonlyPaths", &s->mem, &s->readonly, &s->n_readonly);
	if (r == 0)
		r = js_obj(o, "sysctl", &s->sysctl);
	if (r == 0)
		r = oci_string_map_check(s->sysctl, "linux.sysctl");
	if (r == 0)
		r = js_obj(o, "resources", &v);
	if (r == 0)
		r = oci_resources_parse(&s->resources, &s->mem, (struct js){v, "linux.resources"});
	v = NULL;
	if (r == 0)
		r = js_obj(o, "seccomp", &v);
	if (r == 0 && v)
		r = oci_seccomp_parse(&s->seccomp, &s->mem, (struct js){v, "linux.seccomp"});
	if (r < 0)
		return r;
	if ((s->monotonic.set || s->boottime.set) && (!s->ns[NS_TIME].listed || s->ns[NS_TIME].path))
		return rt_refuse("linux.timeOffsets needs a new time namespace");
	if ((s->uids.n || s->gids.n) && !s->ns[NS_USER].listed)
		return rt_refuse("linux.uidMappings and gidMappings need a user namespace");
	if (s->ns[NS_USER].listed && !s->ns[NS_USER].path && (!s->uids.n || !s->gids.n))
		return rt_refuse("a new user namespace needs linux.uidMappings and gidMappings");
	return 0;
}
