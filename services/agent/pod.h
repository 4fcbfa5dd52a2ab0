/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_POD_H
#define AGENT_POD_H

/*
 * A pod on this node: what it should be (the API's object), what it is (the engine's), and the one thing that is being
 * done about the difference. pods.c keeps the set of them, pod.c takes the turns.
 *
 * A turn begins at most one thing that the next one waits for, and marks the pod busy; whoever has the answer clears busy
 * and wakes the pod. What the turns do not wait for (pulls, stops, hooks, probes) counts as pending: the pod is not freed
 * before it has been answered.
 */

#include <inttypes.h>
#include <yyjson.h>

#include "agent/agent.h"
#include "agent/resources.h"
#include "lib/loop.h"

struct image_pull;
struct probes;
struct sources;
struct volumes;

enum {
	POD_CONTAINERS_MAX = 128, /* of one pod, of all classes */
	POD_BACKOFF_MIN_MS = 10000,
	POD_BACKOFF_MAX_MS = 300000,
	POD_BACKOFF_RESET_MS = 600000,
	POD_MESSAGE_MAX = 4096, /* bytes of a termination message */
	POD_SAY_MIN_MS = 500,	/* between events of one failure, doubling */
	POD_SAY_MAX_MS = 122000,
};

/* What the agent labels a container with, beside the engine's labels for the pod. */
#define LABEL_CONTAINER "io.kubernetes.container.name"
#define LABEL_RESTARTS	"io.kubernetes.container.restartCount"
#define LABEL_ATTEMPT	"io.wherry.pod.attempt" /* the sandbox it was made for */
/* What it was made with: thousandths of processors requested and limited, bytes requested and limited. */
#define LABEL_MADE	  "io.wherry.made-with"
#define LABEL_MADE_FORMAT "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
/* And a pod's sandbox, to know its own again. */
#define ANNOTATION_AGENT "io.wherry.agent"

/* Which list of the specification it is in; a sidecar is an init container that is always restarted. */
enum container_class { CONTAINER_INIT, CONTAINER_SIDECAR, CONTAINER_APP, CONTAINER_EPHEMERAL };

/* One container that the engine made for one of the specification. */
struct container_run {
	char id[65];			/* "" none */
	char started[40], finished[40]; /* RFC 3339; "" */
	int64_t exit_code;
	bool oom_killed;
	int restarts;	       /* how many there were before it */
	unsigned attempt;      /* the sandbox it ran in */
	struct limits limits;  /* that the engine holds it to */
	struct resources made; /* with which it was made */
	bool made_known;
	bool message_known;
	char *message; /* owned: the termination message; NULL none */
};

/* One container of the specification, and the newest one the engine has for it. */
struct pod_container {
	const char *name; /* in the pod's document */
	enum container_class class;
	yyjson_val *spec; /* in the pod's document */

	bool seen; /* by the last look at the engine */
	bool running, exited;
	struct hook *beginning; /* its postStart hook, which is under way: it has not started yet */
	bool ill_begun;		/* that failed before the container was seen to run: hooks_seen() */
	struct container_run now,
		last; /* last: the one before it, for status.lastState and `kubectl logs --previous` */
	char image[300], image_id[100];
	int restarts; /* of the next one to be made */

	/* why it waits; "" it does not */
	char waiting[40], waiting_message[600];
	int64_t not_before_ms; /* back-off: of restarts, of pulls */
	int64_t backoff_ms;
	bool user_known;     /* image_user has been asked for */
	char image_user[64]; /* the image's, where that matters */
	bool planned;	     /* when it is started again is decided */
	bool at_once; /* it ends for a resize: it is started again, whatever its policy, without back-off */
	bool stale;   /* what it is made of is looked at again before it is made */
	bool image_checked;	 /* by the pull policy, for this start */
	struct image_pull *pull; /* under way */

	/* Its end, when it is asked to end while it runs. */
	bool killing;		  /* hook or stop are under way */
	bool killed;		  /* SIGKILL has been sent */
	int64_t kill_deadline_ms; /* when SIGKILL is sent */

	/* What probes.c found; meaningful while it runs. */
	bool probe_started; /* the startup probe has succeeded; without one: it runs */
	bool probe_ready;   /* the readiness probe succeeds; without one: it is started */
};

enum pod_sandbox { SANDBOX_UNKNOWN, SANDBOX_NONE, SANDBOX_READY, SANDBOX_NOT_READY };

/* How far a change of resources has come (resize.h). */
struct pod_resize {
	char pending[12]; /* why it has not been set aside: "Deferred", "Infeasible"; "" nothing waits */
	char why[300];
	int64_t generation; /* that waits */
	int64_t since_ms;   /* it waits */
	bool woken;	    /* to be considered again */

	bool under_way;	       /* the engine's containers do not have yet what is set aside */
	char error[400];       /* why the next step was not taken; "" */
	int64_t not_before_ms; /* the next step */
	struct limits last;    /* what was asked for last, and of which container, "" the pod */
	char last_id[65];
};

struct pod {
	struct agent *agent;
	char *ns, *name, *uid; /* owned */
	yyjson_doc *doc;       /* owned: the API's object, with the resources that are set aside */
	yyjson_val *root, *spec;
	yyjson_doc *asked;	/* owned: the API's object, when it asks for other resources; NULL */
	yyjson_doc *allocated;	/* owned: what is set aside (allocation.h); NULL: not known yet */
	yyjson_doc *allocating; /* owned: of which the engine is being told */
	struct pod_resize resize;
	bool is_static;	    /* the object is a file's */
	yyjson_doc *mirror; /* owned: what the API has in its place; NULL none yet */

	enum pod_sandbox sandbox;
	unsigned attempt;		  /* of the sandbox */
	struct limits limits;		  /* of the pod's group; no shares: not known */
	char ip[46], ip2[46];		  /* "" none yet */
	bool networked;			  /* in this sandbox */
	bool network_given_back;	  /* on its way down */
	struct pod_container *containers; /* owned, n_containers: in the order of the specification */
	size_t n_containers;
	struct sources *sources; /* owned by sources.c; NULL before they are begun */
	struct volumes *volumes; /* owned by volumes.c */
	struct probes *probes;	 /* owned by probes.c */

	bool admitted;		 /* it may begin */
	int64_t refused_from_ms; /* since when it is known that it may not; 0 */
	bool busy;		 /* something was started that the next turn waits for */
	unsigned pending;	 /* calls that it does not wait for */
	bool look_again;	 /* what is known of the engine is old */
	bool deleting;		 /* deletionTimestamp is set, or it is gone from the API */
	bool gone;		 /* from the API: nobody is told of it any more */
	bool finished;		 /* its phase is final: nothing of it is started again */
	bool freed;		 /* finished, and its volumes, and evicted also its containers, are gone */
	char end_reason[40],
		end_message[600]; /* why it is Failed as a whole: Evicted, DeadlineExceeded; "" */
	int64_t end_deadline_ms;  /* of its grace; 0: not begun */
	char started[40];	  /* when the agent first saw it, RFC 3339 */
	char error[600];	  /* why it does not go on; "" */
	int64_t said_ms, say_ms;  /* when an event said so last, and how long the next one waits */
	char *told,
		*told_version; /* owned: the last patch of its status; the version it was for, then made */
	unsigned failures;
	int64_t not_before_ms; /* after something failed; 0 */
	struct loop_task task;
	struct loop_timer timer;

	struct pod *next;
};

/* ---- pod.c */

/* @object is copied. NULL: no memory. */
must_check struct pod *agent_pod_new(struct agent *a, yyjson_val *object);
/* Another state of the same object. 0 or -ENOMEM. */
must_check int pod_set(struct pod *p, yyjson_val *object);
/* Of a static pod: what the API has of it now, copied; NULL: nothing. */
void pod_set_mirror(struct pod *p, yyjson_val *object);
/* The API's object of it; NULL: it has none. */
yyjson_val *pod_in_api(const struct pod *p);
void pod_gone(struct pod *p);	    /* deleted in the API: what is left of it goes */
void agent_pod_free(struct pod *p); /* accepts NULL; nothing of it may be under way */

/* It has a turn when the loop comes to it. */
void pod_wake(struct pod *p);
void pod_wake_at(struct pod *p, int64_t at_ms);
/* Something happened to it in the engine. */
void pod_stale(struct pod *p);
/* Something did not work: it has another turn later, each time later. */
void pod_retry(struct pod *p, const char *why);
void pod_went_on(struct pod *p); /* it works again */
/*
 * Is @why, for which it is tried again, worth an event at @now_ms? What is new is; what stays the same ever more seldom, although
 * it is tried at a quicker pace.
 */
bool pod_say_failure(struct pod *p, const char *why, int64_t now_ms);
/* It was admitted, or the engine has something of it, or it may have. */
bool pod_has_begun(const struct pod *p);
/* It ends here, Failed: "Evicted", "DeadlineExceeded". Once. */
void pod_fail(struct pod *p, const char *reason, const char *message);

struct pod_container *pod_find_container(const struct pod *p, const char *name); /* NULL: none */

/* ---- pod_engine.c: calls to the engine, and what it knows of the pod */

typedef void pod_answer(
	struct pod *p, struct pod_container *c, int status, const char *why, yyjson_val *root);

/**
 * pod_ask() - a step that the next turn waits for
 * @c:		NULL, or the container it is about; the answer gets it by name, NULL when it has left the specification
 * @timeout_ms:	as http_request's
 */
void pod_ask(struct pod *p, struct pod_container *c, const char *method, const char *target,
	yyjson_mut_doc *doc, int64_t timeout_ms, pod_answer *fn);
/* Likewise, but nothing waits for it: it is pending. false: no memory. */
bool pod_ask_aside(struct pod *p, struct pod_container *c, const char *method, const char *target,
	int64_t timeout_ms, pod_answer *fn);
void pod_look(struct pod *p);

/* ---- pod_run.c: containers come up, in their order */

void pod_run_containers(struct pod *p);
bool pod_wants_restart(const struct pod *p, const struct pod_container *c);
bool pod_is_over(const struct pod *p);	   /* everything ended for good */
bool pod_initialized(const struct pod *p); /* init containers are over, sidecars started */

/* ---- message.c: what containers left as their last words */

/* The file that is mounted for the next run of @c, made empty. 0 or -errno. */
must_check int message_prepare(const struct pod *p, const struct pod_container *c, char *path, size_t size);
/* Reads those of containers that ended. true: the engine was asked for a log, and the pod is busy. */
bool message_collect(struct pod *p);
/* Removes the pod's folder with all that is left in it. 0 or -errno. */
must_check int message_remove_folder(const struct pod *p);

/* ---- pod_end.c: containers go down */

/**
 * pod_kill_container() - end one that runs: hook, stop signal, grace, SIGKILL
 * @grace_s:	for all of it
 *
 * Its restart policy decides what comes after. Again with less grace: it ends earlier. The caller sends the event.
 */
void pod_kill_container(struct pod *p, struct pod_container *c, int64_t grace_s);
int64_t pod_grace_s(const struct pod *p); /* terminationGracePeriodSeconds */
/* A turn of a pod that is being deleted. */
void pod_terminate(struct pod *p);
/* A turn of a pod that has finished: what is left running is ended. */
void pod_wind_down(struct pod *p);

/* ---- status.c: what the API is to be told; a document to free. NULL: no memory. */
must_check yyjson_mut_doc *pod_status(const struct pod *p);
const char *pod_phase(const struct pod *p);
bool pod_container_ready(const struct pod_container *c);
bool pod_container_started(const struct pod_container *c);
/* "2026-01-02T03:04:05Z" of the engine's time. */
void pod_time(char out[40], const char *t);

/* ---- container_spec.c: the body of POST /containers/create, to free. NULL: @why says what is wrong, "" for no memory. */
must_check yyjson_mut_doc *container_spec(
	const struct pod *p, const struct pod_container *c, char *why, size_t why_size);

/* ---- sandbox_spec.c: the body of POST /wherry/v1/pods. NULL: no memory. */
must_check yyjson_mut_doc *sandbox_spec(const struct pod *p);
/* The body of POST /wherry/v1/pods/UID/update that keeps what is set aside with the sandbox. NULL: no memory. */
must_check yyjson_mut_doc *sandbox_annotations(const struct pod *p, yyjson_doc *allocated);
/* The text of its /etc/hosts, malloc'ed; NULL: no memory. */
must_check char *pod_hosts(const struct pod *p);

/* ---- pods.c */

struct pod *pods_find(const struct agent *a, const char *ns, const char *name); /* NULL: none */
struct pod *pods_find_uid(const struct agent *a, const char *uid);
struct pod *pods_first(const struct agent *a); /* then by next */
bool pods_has_elder(const struct pod *p);      /* one of its name is still on its way out */
/* Nothing of it is left: it is freed. */
void pods_forget(struct pod *p);

/* ---- pod_tell.c: the API is told */

/*
 * Tells the API of the pod's status, if it has changed. true: a request is under way, and the pod is busy. What is told holds for
 * the version of the object that it was made from: when somebody else has written since, the newer object is taken first.
 */
bool pod_tell(struct pod *p);
const char *pod_version(yyjson_val *object); /* metadata.resourceVersion; NULL: none */
/* Versions of one object are numbers that grow. */
bool pod_is_older(yyjson_val *object, yyjson_val *than);

#endif
