/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_POD_H
#define ENGINE_POD_H

/*
 * A pod: namespaces, a control group and files that its containers share. PODS.md is the contract with the agent;
 * this is the inside. There is no process in it, unless its containers share their processes: a namespace is pinned by
 * binding its nsfs file below the pod's run directory, where it outlives the engine, and where whoever gives the pod its network
 * finds it.
 *
 *	making --sandbox made--> ready --stop, all ended--> notready --start--> ready
 *	   |cut: swept                |boot -----------------^
 *
 * pod.json is written first, as `making`; what the sandbox takes can be released again and again, so a kill at any
 * point leaves a pod that the next start of the engine sweeps, finishes stopping, or finds as it was.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/loop.h"
#include "lib/util.h"

struct container;
struct engine;
struct http_req;
struct pods;

enum pod_state { POD_MAKING, POD_READY, POD_NOTREADY, POD_STATES };

enum { POD_UID_MAX = 63, POD_TEXT_MAX = 64 << 10, POD_STOP_S = 30 };

/* Labels that the engine sets on a pod's containers; the names are those of Kubernetes' runtimes. */
#define POD_LABEL_UID	    "io.kubernetes.pod.uid"
#define POD_LABEL_NAME	    "io.kubernetes.pod.name"
#define POD_LABEL_NAMESPACE "io.kubernetes.pod.namespace"

struct pod_ask; /* somebody who waits for the end of a stop or a removal */

struct pod {
	struct engine *e;
	char uid[POD_UID_MAX + 1];
	char *dir, *run; /* owned: DATA/engine/pods/UID, RUN/engine/pods/UID */
	char *cgroup;	 /* owned: /pods/QOS/UID */
	yyjson_doc *doc; /* owned: the request, checked and complete; what follows points into it */
	yyjson_val *spec;
	const char *name, *namespace;
	bool host_network, host_ipc, host_pid, share_pid;

	enum pod_state state;
	char *reason; /* owned, never NULL: why it is not ready */
	bool stopping, removing;
	unsigned attempt;
	int64_t created_ns;
	uint32_t id_base;	 /* of the ids of its own, with HostUsers false: userns.h; 0: the node's */
	struct pod_ask *asks;	 /* owned */
	struct loop_timer timer; /* the next step of a stop or removal, never inside a container's own */
	int64_t stop_timeout_s;
};

/* ---- the list of all (pod.c) */

must_check int pods_open(struct engine *e); /* loads; before containers are recovered */
void pods_close(struct engine *e);
struct pod *pod_find(struct engine *e, const char *uid); /* NULL: none */
size_t pods_count(const struct engine *e);
struct pod *pod_at(const struct engine *e, size_t i);

/**
 * pod_new() - a pod from a checked request; nothing is written, and it is not in the list
 * @doc: adopted, also on failure
 */
must_check int pod_new(struct pod **out, struct engine *e, yyjson_doc *doc);
must_check int pod_add(struct pod *p); /* to the list */
/* Its directory, whole or not at all. 0 or -errno, logged. */
must_check int pod_write_new(struct pod *p);
/* pod.json anew. 0 or -errno, logged. */
must_check int pod_save(struct pod *p);
/* Replaces what was asked for; @doc is adopted, also on failure. */
must_check int pod_change(struct pod *p, yyjson_doc *doc);
/* hosts, resolv.conf, hostname from the request, written in place: containers have them bound. 0 or -errno. */
must_check int pod_files(struct pod *p);
void pod_discard(struct pod *p); /* out of the list, off the disk, freed */
void pod_free(struct pod *p);	 /* accepts NULL */
void pod_set_reason(struct pod *p, const char *reason);

/* ---- what a request may say (pod_request.c) */

/**
 * pod_request_check() - a body of POST /pods, or of update when @old is given
 * @out: the complete request, every member there; owned by the caller
 *
 * Return: 0, -EINVAL or -ENOTSUP with *msg.
 */
must_check int pod_request_check(yyjson_val *body, const struct pod *old, yyjson_doc **out, char **msg);

/* ---- namespaces, /dev/shm, control group (pod_sandbox.c, pod_cgroup.c) */

/* Makes all of it; undone after a failure. 0 or -errno with *msg. */
must_check int pod_sandbox_up(struct pod *p, char **msg);
void pod_sandbox_down(struct pod *p); /* also of what was half made, or of an earlier engine */
bool pod_sandbox_there(const struct pod *p);
/* Path of a namespace's file, or NULL when the pod has the node's. @kind: "user", "net", "uts", "ipc", "pid". malloc'ed. */
char *pod_ns_path(const struct pod *p, const char *kind);

must_check int pod_cgroup_up(const struct pod *p, char **msg); /* made, limits set; also to change them */
void pod_cgroup_down(const struct pod *p);
/* A file of the pod's group; malloc'ed, or NULL. */
char *pod_cgroup_read(const struct pod *p, const char *file);

/* ---- the first process of a PID namespace that the containers share (pod_first.c) */

#define POD_FIRST_GROUP "first"	 /* its group, below the pod's */
#define POD_FIRST_NAME	"/pause" /* as everybody's is called; container_init_main.c knows it by this name */

/* In a child, as long as it may do all that the engine may: into that group, with *program open. 0 or -errno. */
must_check int pod_first_prepare(const struct pod *p, int *program);
/* In a child of that child, the first of its namespace. Returns only to say what failed, with errno. */
const char *pod_first_become(int program);
bool pod_first_alive(const struct pod *p);

/* ---- verbs (pod_verbs.c); asks are answered when it is over */

typedef void pod_done(struct pod *p, int err, const char *msg, void *arg);

void pods_recover(struct engine *e); /* after containers are: finishes what was cut */
void pod_start(struct pod *p, pod_done *done, void *arg);
void pod_stop(struct pod *p, int64_t timeout_s, pod_done *done, void *arg);
/* After done() with 0 the pod is gone. */
void pod_remove(struct pod *p, bool force, pod_done *done, void *arg);
/* false: the first process of its namespace has ended, and so it stops. */
bool pod_still_whole(struct pod *p);
void pod_event(struct pod *p, const char *action);
void pod_forget_asks(struct pod *p); /* unanswered; from pod_free() */

/* ---- a pod's containers (pod_container.c) */

struct pod *pod_of(const struct container *c); /* NULL: it belongs to none */
/* The name of its group below the hierarchy's root: "/docker/ID", "/pods/QOS/UID/ID". malloc'ed. */
char *container_cgroup_name(const struct container *c);

/**
 * pod_create_check() - the pod of ?pod= at create, and what may not be said with it
 * @out: NULL when the request names none
 *
 * Return: true, or false with *err and *msg.
 */
bool pod_create_check(
	struct engine *e, struct http_req *r, yyjson_val *root, struct pod **out, int *err, char **msg);
/* Into the container's configuration: its pod, the labels, the modes. */
void pod_create_fill(struct pod *p, yyjson_mut_doc *doc, yyjson_mut_val *root);
/* HostConfig.Pod into linux.resources. */
void pod_spec_resources(const struct container *c, yyjson_mut_doc *doc, yyjson_mut_val *resources);
/* Kubernetes' rule for the image's group memberships (supplementalGroupsPolicy). 0 or -errno with *msg. */
struct spec_user;
must_check int pod_spec_groups(const struct container *c, int rootfd, struct spec_user *user, char **msg);
/* Whether a request may change or remove this container; answers it itself otherwise. */
bool pod_may_touch(struct container *c, struct http_req *r);
/* Whether its pod lets it start; answers the request itself otherwise. */
bool pod_may_start(struct container *c, struct http_req *r);
/* The life of a container that may be a pod's: it runs, it has ended, it is being removed. */
void pods_container_running(struct container *c);
void pods_container_ended(struct container *c);
void pods_container_gone(struct container *c);

/* ---- as the API shows it (pod_show.c, pod_stats.c) */

yyjson_mut_val *pod_json(struct pod *p, yyjson_mut_doc *doc);
yyjson_mut_val *pod_stats_json(struct pod *p, yyjson_mut_doc *doc);

/* The Unix socket, not TCP. */
bool pod_request_local(const struct http_req *r);

#endif
