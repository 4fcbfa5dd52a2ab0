/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A claim to a directory of this node: the claim says which volume it is bound to, the volume where that is. Whether the pod may
 * be on this node at all has been the scheduler's to see (the volume's node affinity).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/local_volume.h"
#include "agent/pod.h"
#include "agent/volumes_int.h"
#include "lib/json.h"
#include "lib/json_call.h"
#include "lib/uri.h"

static bool has_mode(yyjson_val *spec, const char *mode)
{
	return json_arr_has(json_arr(spec, "accessModes"), mode);
}

static int ask(struct volume *v, const char *format, const char *ns, const char *name, json_answer *fn)
{
	cleanup(freep) char *ns_part = uri_encode(ns), *name_part = uri_encode(name);
	char target[1024];
	struct json_request rq = {.method = "GET", .target = target};
	int r = ns_part && name_part ? 0 : -ENOMEM;

	if (!r && *ns)
		snprintf(target, sizeof(target), "%s/%s/persistentvolumeclaims/%s", format, ns_part,
			name_part);
	else if (!r)
		snprintf(target, sizeof(target), "%s/%s", format, name_part);
	if (!r)
		r = json_call(&v->call, v->set->p->agent->api, &rq, fn, v);
	if (r)
		v->call = NULL;
	return r ? volume_fail(v, r, "claim: %s", strerror(-r)) : -EINPROGRESS;
}

/* ---- the volume that it is bound to */

/* What our own provisioner promised to make here: whoever the pod runs as may write to what was made for it. */
static int make_local(struct volume *v, yyjson_val *pv, const char *path)
{
	const struct pod *p = v->set->p;
	int r = volume_make_dirs(path, 0777);

	if (!r && local_volume_in_place(pv))
		r = local_volume_bound(pv);
	if (r == -EOPNOTSUPP || r == -ENOTEMPTY) {
		agent_event(p->agent, p->root, true, "SizeLimitNotEnforced",
			"the size of volume %s is not enforced: %s", v->claimed,
			r == -ENOTEMPTY ? "it is older than such limits"
					: "the data file system has no project quotas");
		r = 0;
	}
	return r ? volume_fail(v, r, "%s cannot be made: %s", path, strerror(-r)) : 0;
}

static int take_local(struct volume *v, yyjson_val *pv, yyjson_val *local)
{
	const char *path = json_text(local, "path"), *mode = json_str(json_obj(pv, "spec"), "volumeMode");
	int r;

	if (!path)
		return volume_fail(v, -EINVAL, "volume \"%s\" has no path", v->claimed);
	if (mode && strcmp(mode, "Filesystem") != 0)
		return volume_fail(v, -ENOTSUP, "volume \"%s\": volumeMode %s is not supported by this node",
			v->claimed, mode);
	r = local_volume_is_ours(pv) ? make_local(v, pv, path) : 0;
	return r ? r : volume_host(v, path, "Directory");
}

static int take_volume(struct volume *v, yyjson_val *pv)
{
	static const char *const plain[] = {"capacity", "accessModes", "claimRef",
		"persistentVolumeReclaimPolicy", "storageClassName", "volumeMode", "nodeAffinity",
		"mountOptions", "volumeAttributesClassName"};
	yyjson_val *spec = json_obj(pv, "spec"), *host = json_obj(spec, "hostPath"),
		   *local = json_obj(spec, "local"), *key, *value;
	const char *kind = "of no kind", *type = json_str(host, "type");
	size_t i, n;

	/* Writable only if one of its modes says so. */
	v->read_only |= has_mode(spec, "ReadOnlyMany") && !has_mode(spec, "ReadWriteOnce") &&
			!has_mode(spec, "ReadWriteMany") && !has_mode(spec, "ReadWriteOncePod");
	if (local)
		return take_local(v, pv, local);
	if (host) {
		const char *path = json_text(host, "path");

		v->owned_now = true; /* the group of a hostPath is its owner's, as with the kubelet */
		return path ? volume_host(v, path, type ? type : "")
			    : volume_fail(v, -EINVAL, "volume \"%s\" has no path", v->claimed);
	}
	json_obj_foreach (spec, i, n, key, value) {
		bool other = true;

		for (size_t k = 0; k < array_len(plain); k++)
			other &= !yyjson_equals_str(key, plain[k]);
		if (other)
			kind = yyjson_get_str(key);
	}
	return volume_fail(v, -ENOTSUP, "volume \"%s\" is of kind %s, which is not supported by this node",
		v->claimed, kind);
}

static void keep_failure(struct volume *v)
{
	snprintf(v->failed, sizeof(v->failed), "%s", v->set->error);
}

static void on_volume(int status, const char *why, yyjson_val *root, void *arg)
{
	struct volume *v = arg;

	v->call = NULL;
	if (why)
		volume_fail(v, -EIO, "volume \"%s\": %s", v->claimed, why);
	if (why || take_volume(v, root))
		keep_failure(v);
	pod_wake(v->set->p);
}

/* One that was made for this pod says so. */
static bool is_own(const struct pod *p, yyjson_val *claim)
{
	yyjson_val *owner;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(claim, "metadata"), "ownerReferences"), i, n, owner)
		if (json_bool(owner, "controller") && yyjson_equals_str(yyjson_obj_get(owner, "uid"), p->uid))
			return true;
	return false;
}

static void on_claim(int status, const char *why, yyjson_val *root, void *arg)
{
	struct volume *v = arg;
	const struct pod *p = v->set->p;
	const char *bound = json_text(json_obj(root, "spec"), "volumeName");
	const char *phase = json_str(json_obj(root, "status"), "phase");
	const char *name = json_str(json_obj(root, "metadata"), "name");

	v->call = NULL;
	if (why) {
		volume_fail(v, -EIO, "claim: %s", why);
		keep_failure(v);
	} else if (v->own && !is_own(p, root)) {
		volume_fail(v, -EPERM, "PVC %s/%s was not created for pod %s/%s (pod is not owner)", p->ns,
			name ? name : "", p->ns, p->name);
		keep_failure(v);
	} else if (!bound || !phase || strcmp(phase, "Bound") != 0) {
		volume_fail(v, -EAGAIN, "claim \"%s\" is not bound yet", name ? name : "");
		keep_failure(v);
	} else {
		v->claimed = strdup(bound);
	}
	pod_wake(v->set->p);
}

/* ---- its group */

static void on_owned(bool ok, const char *output, void *arg)
{
	struct volume *v = arg;

	v->work = NULL;
	v->owned_now = ok;
	if (!ok) {
		volume_fail(v, -EIO, "fsGroup cannot be given: %s", output);
		keep_failure(v);
	}
	pod_wake(v->set->p);
}

static int own(struct volume *v)
{
	const char *policy = json_str(json_obj(v->set->p->spec, "securityContext"), "fsGroupChangePolicy");
	gid_t gid = volume_group(v->set->p);
	char number[24];
	const char *const argv[] = {"agent_volumes", "own", number, v->path, NULL};
	struct stat st;
	int r;

	if (gid == (gid_t)-1 || v->read_only)
		return 0;
	if (policy && !strcmp(policy, "OnRootMismatch") && stat(v->path, &st) == 0 && st.st_gid == gid &&
		(st.st_mode & 02770) == 02770)
		return 0;
	snprintf(number, sizeof(number), "%u", (unsigned)gid);
	r = volume_work_start(&v->work, v->set->p->agent->loop, argv, on_owned, v);
	return r ? volume_fail(v, r, "fsGroup cannot be given: %s", strerror(-r)) : -EINPROGRESS;
}

/* ---- one step after the other */

int volume_claim(struct volume *v, yyjson_val *source)
{
	const struct pod *p = v->set->p;
	const char *claim = json_text(source, "claimName");
	char of_pod[512];

	v->read_only |= json_bool(source, "readOnly");
	v->own = json_obj(source, "volumeClaimTemplate");
	if (v->own) {
		snprintf(of_pod, sizeof(of_pod), "%s-%s", p->name, v->name);
		claim = of_pod;
	}
	if (v->call || v->work)
		return -EINPROGRESS;
	if (*v->failed) {
		snprintf(v->set->error, sizeof(v->set->error), "%s", v->failed);
		*v->failed = 0;
		free(take(v->claimed)); /* the next time from the beginning */
		return -EIO;
	}
	if (!claim)
		return volume_fail(v, -EINVAL, "a claim without a name");
	if (!v->claimed)
		return ask(v, "/api/v1/namespaces", p->ns, claim, on_claim);
	if (!v->path)
		return ask(v, "/api/v1/persistentvolumes", "", v->claimed, on_volume);
	return v->owned_now ? 0 : own(v);
}
