/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container of Kubernetes as Docker's body (services/engine/PODS.md, "Containers of a pod"): command, environment, resources and
 * labels here, security in container_security.c, mounts in container_mounts.c.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/container_env.h"
#include "agent/container_int.h"
#include "agent/pod.h"
#include "agent/resources.h"
#include "lib/json.h"

int body_wrong(struct body *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(b->why, b->why_size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int ok(bool done)
{
	return done ? 0 : -ENOMEM;
}

/* ---- what it runs */

static bool add_words(struct body *b, const char *key, const char *member)
{
	yyjson_val *list = json_arr(b->c->spec, key), *each;
	yyjson_mut_val *words;
	size_t i, n;

	if (!yyjson_arr_size(list))
		return true;
	words = yyjson_mut_obj_add_arr(b->doc, b->root, member);
	yyjson_arr_foreach (list, i, n, each) {
		cleanup(freep) char *word = env_expand(b->env, yyjson_get_str(each) ?: "");

		if (!words || !word || !yyjson_mut_arr_add_strcpy(b->doc, words, word))
			return false;
	}
	return words;
}

static bool add_environment(struct body *b)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(b->doc, b->root, "Env");

	for (size_t i = 0; list && i < b->env->n; i++) {
		cleanup(freep) char *text = NULL;

		if (asprintf(&text, "%s=%s", b->env->entries[i].name, b->env->entries[i].value) < 0 ||
			!yyjson_mut_arr_add_strcpy(b->doc, list, text))
			return false;
	}
	return list;
}

static bool add_text(struct body *b, const char *member, const char *value)
{
	return !value || yyjson_mut_obj_add_strcpy(b->doc, b->root, member, value);
}

/* StopTimeout is what the engine gives it when the machine goes down; at any other time the agent says how long. */
static int add_program(struct body *b)
{
	yyjson_val *spec = b->c->spec;

	return ok(add_text(b, "Image", json_str(spec, "image") ?: "") &&
		  add_words(b, "command", "Entrypoint") && add_words(b, "args", "Cmd") &&
		  add_environment(b) && add_text(b, "WorkingDir", json_text(spec, "workingDir")) &&
		  add_text(b, "StopSignal", json_text(json_obj(spec, "lifecycle"), "stopSignal")) &&
		  yyjson_mut_obj_add_int(b->doc, b->root, "StopTimeout", pod_grace_s(b->p)) &&
		  yyjson_mut_obj_add_bool(b->doc, b->root, "OpenStdin", json_bool(spec, "stdin")) &&
		  yyjson_mut_obj_add_bool(b->doc, b->root, "StdinOnce", json_bool(spec, "stdinOnce")) &&
		  yyjson_mut_obj_add_bool(b->doc, b->root, "Tty", json_bool(spec, "tty")));
}

static int add_labels(struct body *b)
{
	yyjson_mut_val *labels = yyjson_mut_obj_add_obj(b->doc, b->root, "Labels");
	struct resources r = resources_in_pod(b->p->spec, b->c->spec);
	char restarts[16], attempt[16], made[96];

	snprintf(restarts, sizeof(restarts), "%d", b->c->restarts);
	snprintf(attempt, sizeof(attempt), "%u", b->p->attempt);
	snprintf(made, sizeof(made), LABEL_MADE_FORMAT, r.cpu_request_milli, r.cpu_limit_milli,
		r.memory_request_bytes, r.memory_limit_bytes);
	return ok(labels && yyjson_mut_obj_add_str(b->doc, labels, LABEL_CONTAINER, b->c->name) &&
		  yyjson_mut_obj_add_strcpy(b->doc, labels, LABEL_RESTARTS, restarts) &&
		  /* only who has such a policy is asked later what it was made with */
		  (!json_arr(b->c->spec, "resizePolicy") ||
			  yyjson_mut_obj_add_strcpy(b->doc, labels, LABEL_MADE, made)) &&
		  yyjson_mut_obj_add_strcpy(b->doc, labels, LABEL_ATTEMPT, attempt));
}

/* ---- resources */

static bool add_number(struct body *b, const char *member, int64_t n)
{
	return yyjson_mut_obj_add_int(b->doc, b->host, member, n);
}

/* Of sizes that the container does not limit it may use as many as the pod. */
static int add_hugepages(struct body *b)
{
	yyjson_val *own = json_obj(json_obj(b->c->spec, "resources"), "limits"),
		   *whole = json_obj(json_obj(b->p->spec, "resources"), "limits");
	yyjson_mut_val *list = yyjson_mut_arr(b->doc), *pod;
	const char *wrong = NULL;

	if (!list || !hugepages_add(b->doc, list, own, NULL, &wrong) ||
		!hugepages_add(b->doc, list, whole, own, &wrong))
		return wrong ? body_wrong(b, "%s is no size of pages", wrong) : -ENOMEM;
	if (!yyjson_mut_arr_size(list))
		return 0;
	pod = yyjson_mut_obj_add_obj(b->doc, b->host, "Pod");
	return ok(pod && yyjson_mut_obj_add_val(b->doc, pod, "HugepageLimits", list));
}

static int add_resources(struct body *b)
{
	struct resources r = resources_in_pod(b->p->spec, b->c->spec);
	int64_t score = oom_score_adj(resources_qos(b->p->spec), oom_memory_bytes(b->p->spec, b->c->spec),
		b->p->agent->memory_bytes);

	if (!add_number(b, "CpuShares", cpu_shares(r.cpu_request_milli)) ||
		!add_number(b, "OomScoreAdj", score) ||
		(r.cpu_limit_milli && (!add_number(b, "CpuQuota", cpu_quota_us(r.cpu_limit_milli)) ||
					      !add_number(b, "CpuPeriod", CPU_PERIOD_US))) ||
		(r.memory_limit_bytes && (!add_number(b, "Memory", r.memory_limit_bytes) ||
						 !add_number(b, "MemorySwap", r.memory_limit_bytes))))
		return -ENOMEM;
	return add_hugepages(b);
}

/* ---- the rest */

static int add_logs(struct body *b)
{
	yyjson_mut_val *log = yyjson_mut_obj_add_obj(b->doc, b->host, "LogConfig");
	yyjson_mut_val *config = log ? yyjson_mut_obj_add_obj(b->doc, log, "Config") : NULL;

	return ok(config && yyjson_mut_obj_add_str(b->doc, log, "Type", "json-file") &&
		  yyjson_mut_obj_add_str(b->doc, config, "max-size", "10m") &&
		  yyjson_mut_obj_add_str(b->doc, config, "max-file", "5"));
}

static int add_pid_mode(struct body *b)
{
	const char *target = json_text(b->c->spec, "targetContainerName");
	const struct pod_container *other = target ? pod_find_container(b->p, target) : NULL;
	char mode[80];

	if (target && (!other || !other->running))
		return body_wrong(b, "unable to find target container %s: it does not run", target);
	if (!target && !json_bool(b->p->spec, "hostPID"))
		return 0;
	snprintf(mode, sizeof(mode), other ? "container:%s" : "host", other ? other->now.id : "");
	return ok(yyjson_mut_obj_add_strcpy(b->doc, b->host, "PidMode", mode));
}

static int check(struct body *b)
{
	if (yyjson_arr_size(json_arr(b->c->spec, "volumeDevices")))
		return body_wrong(b, "volumeDevices: this node has no block volumes");
	if (yyjson_arr_size(json_arr(json_obj(b->c->spec, "resources"), "claims")))
		return body_wrong(b, "resources.claims: this node has no dynamic resources");
	return 0;
}

static int fill(struct body *b)
{
	static int (*const parts[])(struct body *) = {check, add_program, add_labels, add_resources, add_logs,
		add_pid_mode, container_security, container_mounts};
	int err = 0;

	for (size_t i = 0; !err && i < array_len(parts); i++)
		err = parts[i](b);
	return err;
}

yyjson_mut_doc *container_spec(const struct pod *p, const struct pod_container *c, char *why, size_t why_size)
{
	struct env env = {0};
	struct body b = {.doc = yyjson_mut_doc_new(NULL),
		.p = p,
		.c = c,
		.env = &env,
		.why = why,
		.why_size = why_size};
	int err;

	why[0] = 0;
	b.root = b.doc ? yyjson_mut_obj(b.doc) : NULL;
	b.host = b.root ? yyjson_mut_obj_add_obj(b.doc, b.root, "HostConfig") : NULL;
	err = b.host ? env_make(&env, p, c, why, why_size) : -ENOMEM;
	if (!err)
		err = fill(&b);
	env_fini(&env);
	if (!err) {
		yyjson_mut_doc_set_root(b.doc, b.root);
		return b.doc;
	}
	yyjson_mut_doc_free(b.doc);
	return NULL;
}
