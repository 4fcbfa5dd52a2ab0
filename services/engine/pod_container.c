/* SPDX-License-Identifier: Apache-2.0 */

/* What is different about a container that belongs to a pod: PODS.md, "Containers of a pod". */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/pod.h"
#include "engine/spec.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/stream.h"

bool pod_request_local(const struct http_req *r)
{
	return !stream_is_tls(http_stream(r));
}

struct pod *pod_of(const struct container *c)
{
	return pod_find(c->e, json_text(yyjson_doc_get_root(c->doc), "Pod"));
}

char *container_cgroup_name(const struct container *c)
{
	struct pod *p = pod_of(c);

	return text_make("%s/%s", p ? p->cgroup : container_cgroup_parent(c), c->id);
}

/* ---- create */

/* The pod decides these; what else may be said, if anything. */
static const struct {
	const char *key, *allowed;
} decided[] = {
	{"NetworkMode", "default"},
	{"Links", NULL},
	{"IpcMode", NULL},
	{"UTSMode", NULL},
	{"Dns", NULL},
	{"DnsOptions", NULL},
	{"DnsSearch", NULL},
	{"ExtraHosts", NULL},
	{"PortBindings", NULL},
	{"PublishAllPorts", NULL},
	{"Sysctls", NULL},
	{"ShmSize", NULL},
	{"AutoRemove", NULL},
	{"CgroupParent", NULL},
};

static bool no(int *err, int code, char **msg, char *text)
{
	*err = code;
	*msg = text;
	return false;
}

static bool check_own(yyjson_val *o, int *err, char **msg)
{
	size_t i, n;
	yyjson_val *k, *v;

	json_obj_foreach (o, i, n, k, v) {
		const char *name = yyjson_get_str(k);
		bool good = !strcmp(name, "StrictGroups")     ? yyjson_is_bool(v)
			    : !strcmp(name, "HugepageLimits") ? yyjson_is_arr(v)
			    : !strcmp(name, "MemoryMin") || !strcmp(name, "MemoryHigh")
				    ? yyjson_is_int(v) && yyjson_get_sint(v) >= 0
				    : false;

		if (!good)
			return no(err, -EINVAL, msg,
				text_make(
					"HostConfig.Pod.%.64s is no member that this engine knows, or of the wrong type",
					name));
	}
	yyjson_arr_foreach (json_arr(o, "HugepageLimits"), i, n, v) {
		const char *size = json_text(v, "PageSize");

		if (!size || strlen(size) > 15 || size[strspn(size, "0123456789KMGB")] ||
			json_int(v, "Limit", -1) < 0)
			return no(err, -EINVAL, msg,
				text_make(
					"HostConfig.Pod.HugepageLimits needs PageSize (as 2MB) and Limit in bytes"));
	}
	return true;
}

static bool check_pid_mode(struct pod *p, const char *mode, int *err, char **msg)
{
	struct container *other = NULL;

	if (!mode)
		return true;
	if (!strcmp(mode, "host"))
		return p->host_pid ||
		       no(err, -EINVAL, msg, text_make("HostConfig.PidMode host: the pod has no HostPID"));
	if (!strncmp(mode, "container:", 10) && !container_find(p->e, mode + 10, &other) &&
		pod_of(other) == p)
		return true;
	return no(err, -EINVAL, msg, text_make("HostConfig.PidMode %.80s: no container of this pod", mode));
}

bool pod_create_check(
	struct engine *e, struct http_req *r, yyjson_val *root, struct pod **out, int *err, char **msg)
{
	const char *uid = http_query(r, "pod");
	yyjson_val *host = json_obj(root, "HostConfig");
	const char *policy = json_text(json_obj(host, "RestartPolicy"), "Name");
	struct pod *p;

	*out = NULL;
	if (!uid && json_blank(yyjson_obj_get(host, "Pod")))
		return true;
	if (!uid)
		return no(err, -EINVAL, msg,
			text_make("HostConfig.Pod is for containers of a pod: pod= names none"));
	if (!pod_request_local(r))
		return no(err, -EACCES, msg, text_make("pods are served on the node's own socket only"));
	p = pod_find(e, uid);
	if (!p)
		return no(err, -ENOENT, msg, text_make("No such pod: %.80s", uid));
	if (p->stopping || p->removing)
		return no(err, -EBUSY, msg, text_make("pod %s is being stopped or removed", uid));
	for (size_t i = 0; i < array_len(decided); i++) {
		yyjson_val *v = yyjson_obj_get(host, decided[i].key);

		if (!json_blank(v) && !(decided[i].allowed && yyjson_equals_str(v, decided[i].allowed)))
			return no(err, -EINVAL, msg,
				text_make("HostConfig.%s is the pod's to decide", decided[i].key));
	}
	if (json_text(root, "Hostname") || json_text(root, "Domainname"))
		return no(err, -EINVAL, msg, text_make("Hostname and Domainname are the pod's to decide"));
	if (!json_blank(yyjson_obj_get(json_obj(root, "NetworkingConfig"), "EndpointsConfig")))
		return no(err, -EINVAL, msg, text_make("NetworkingConfig is the pod's to decide"));
	if (policy && strcmp(policy, "no"))
		return no(err, -EINVAL, msg,
			text_make(
				"HostConfig.RestartPolicy %.32s: a pod's containers are restarted by who made them",
				policy));
	*out = p;
	return check_pid_mode(p, json_text(host, "PidMode"), err, msg) &&
	       check_own(json_obj(host, "Pod"), err, msg);
}

void pod_create_fill(struct pod *p, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
	yyjson_mut_val *config = yyjson_mut_obj_get(root, "Config"),
		       *host = yyjson_mut_obj_get(root, "HostConfig");
	yyjson_mut_val *old = yyjson_mut_obj_get(config, "Labels"), *labels = yyjson_mut_obj(doc), *none;
	const char *name = json_str(p->spec, "Hostname"), *domain = json_str(p->spec, "Domainname");
	struct utsname node;
	size_t i, n;
	yyjson_mut_val *k, *v;

	uname(&node);
	yyjson_mut_obj_add_strcpy(doc, root, "Pod", p->uid);
	/* First, so that events, which carry a bounded number of labels, always carry these. */
	yyjson_mut_obj_add_strcpy(doc, labels, POD_LABEL_UID, p->uid);
	yyjson_mut_obj_add_strcpy(doc, labels, POD_LABEL_NAME, p->name);
	yyjson_mut_obj_add_strcpy(doc, labels, POD_LABEL_NAMESPACE, p->namespace);
	yyjson_mut_obj_foreach(old, i, n, k, v)
	{
		const char *key = yyjson_mut_get_str(k);

		if (strcmp(key, POD_LABEL_UID) && strcmp(key, POD_LABEL_NAME) &&
			strcmp(key, POD_LABEL_NAMESPACE))
			yyjson_mut_obj_add(
				labels, yyjson_mut_strcpy(doc, key), yyjson_mut_val_mut_copy(doc, v));
	}
	yyjson_mut_obj_put(config, yyjson_mut_str(doc, "Labels"), labels);
	yyjson_mut_obj_put(config, yyjson_mut_str(doc, "Hostname"),
		yyjson_mut_strcpy(doc, p->host_network ? node.nodename : name));
	yyjson_mut_obj_put(config, yyjson_mut_str(doc, "Domainname"), yyjson_mut_strcpy(doc, domain));
	/* A pod's containers are probed by who made them. */
	none = yyjson_mut_obj(doc);
	yyjson_mut_arr_add_str(doc, yyjson_mut_obj_add_arr(doc, none, "Test"), "NONE");
	yyjson_mut_obj_put(config, yyjson_mut_str(doc, "Healthcheck"), none);
	yyjson_mut_obj_put(host, yyjson_mut_str(doc, "NetworkMode"),
		yyjson_mut_str(doc, p->host_network ? "host" : "none"));
	yyjson_mut_obj_put(host, yyjson_mut_str(doc, "IpcMode"),
		yyjson_mut_str(doc, p->host_ipc ? "host" : "shareable"));
	if (p->host_network)
		yyjson_mut_obj_put(host, yyjson_mut_str(doc, "UTSMode"), yyjson_mut_str(doc, "host"));
	if (p->host_pid)
		yyjson_mut_obj_put(host, yyjson_mut_str(doc, "PidMode"), yyjson_mut_str(doc, "host"));
}

/* ---- the runtime's specification */

void pod_spec_resources(const struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *resources)
{
	static const struct {
		const char *key, *file;
	} files[] = {{"MemoryMin", "memory.min"}, {"MemoryHigh", "memory.high"}};
	yyjson_val *own = json_obj(c->host, "Pod"), *v;
	yyjson_mut_val *unified, *huge, *h;
	char text[32];
	size_t i, n;

	if (!own)
		return;
	unified = yyjson_mut_obj_add_obj(doc, resources, "unified");
	for (i = 0; i < array_len(files); i++) {
		int64_t bytes = json_int(own, files[i].key, 0);

		snprintf(text, sizeof(text), "%lld", (long long)bytes);
		if (bytes > 0)
			yyjson_mut_obj_add_strcpy(doc, unified, files[i].file, text);
	}
	huge = yyjson_mut_obj_add_arr(doc, resources, "hugepageLimits");
	yyjson_arr_foreach (json_arr(own, "HugepageLimits"), i, n, v) {
		h = yyjson_mut_arr_add_obj(doc, huge);
		yyjson_mut_obj_add_strcpy(doc, h, "pageSize", json_str(v, "PageSize"));
		yyjson_mut_obj_add_int(doc, h, "limit", json_int(v, "Limit", 0));
	}
}

static int add_groups(struct spec_user *user, const struct spec_user *more)
{
	for (size_t i = 0; i < more->n_groups; i++) {
		bool have = false;

		for (size_t k = 0; k < user->n_groups; k++)
			have = have || user->groups[k] == more->groups[i];
		if (have)
			continue;
		if (user->n_groups == SPEC_GROUPS_MAX)
			return -E2BIG;
		user->groups[user->n_groups++] = more->groups[i];
	}
	return 0;
}

int pod_spec_groups(const struct container *c, int rootfd, struct spec_user *user, char **msg)
{
	const char *who = json_str(c->config, "User");
	bool strict = json_bool(json_obj(c->host, "Pod"), "StrictGroups");
	cleanup(freep) char *alone = NULL;
	struct spec_user found;
	int err;

	if (!pod_of(c))
		return 0;
	/* A group that is named switches memberships off in Docker's reading of "user:group", and only there. */
	alone = strict ? text_make("%u:%u", user->uid, user->gid)
		       : strndup(who ? who : "", who ? strcspn(who, ":") : 0);
	if (!alone)
		return -ENOMEM;
	err = spec_user_resolve(rootfd, alone, json_arr(c->host, "GroupAdd"), &found, msg);
	if (err)
		return err;
	if (strict)
		user->n_groups = 0;
	err = add_groups(user, &found);
	if (err)
		*msg = text_make("the container's user is in more than %d groups", SPEC_GROUPS_MAX);
	return err;
}

/* ---- who may touch it */

bool pod_may_touch(struct container *c, struct http_req *r)
{
	struct pod *p = pod_of(c);
	const char *uid = http_query(r, "pod");

	if (uid && !pod_request_local(r)) {
		api_error(r, 403, "pods are served on the node's own socket only");
		return false;
	}
	if (uid && (!p || strcmp(p->uid, uid) != 0)) {
		api_error(r, 409, "container %s does not belong to pod %s", c->name, uid);
		return false;
	}
	if (p && !uid) {
		api_error(r, 409,
			"container %s belongs to pod %s/%s: it is changed and removed with the pod, by the cluster (kubectl)",
			c->name, p->namespace, p->name);
		return false;
	}
	return true;
}

bool pod_may_start(struct container *c, struct http_req *r)
{
	struct pod *p = pod_of(c);

	if (!p || (p->state == POD_READY && !p->stopping && !p->removing && pod_still_whole(p)))
		return true;
	api_error(r, 409, "pod %s/%s is not ready: %s", p->namespace, p->name,
		p->stopping || p->removing ? "it is being stopped" : p->reason);
	return false;
}
