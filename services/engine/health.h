/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

/*
 * Health checks: a program run in the container now and then, whose exit code says whether the container does
 * its work. Docker's rules: after Retries failures in a row it is unhealthy, after one success healthy; failures
 * within StartPeriod do not count until the first success.
 *
 * An unhealthy container is left alone unless it carries the label HEALTH_RESTART_LABEL=true: then it is
 * restarted, as `docker restart` would.
 *
 * What is known lies in RUN/engine/ID/health.json while the container runs, and beside its config.json when it
 * has ended: an engine that comes back goes on counting.
 */

#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct container;

#define HEALTH_RESTART_LABEL "wherry.restart-unhealthy"

enum health_status { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
enum { HEALTH_LOG_MAX = 5, HEALTH_OUTPUT_MAX = 4096 };

/* Config.Healthcheck with Docker's defaults filled in. */
struct health_config {
	bool checked; /* there is a check */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	int64_t retries;
};
void health_config_read(yyjson_val *healthcheck, struct health_config *out);
/* Is it one that can be run? 0, or -EINVAL with *msg. NULL is. */
must_check int health_config_check(yyjson_val *healthcheck, char **msg);
/* The words of the check in @config, a container's Config: what is to be run. Its own, or those of its shell. */
yyjson_mut_val *health_config_command(yyjson_mut_doc *doc, yyjson_val *config);
/* At create: what the user left open is the image's. */
yyjson_mut_val *health_config_merge(yyjson_mut_doc *doc, yyjson_val *user, yyjson_val *image);

/* One result judged: the new status, and the streak of failures. For tests, too. */
enum health_status health_judge(enum health_status now, const struct health_config *h, int64_t since_start_ns,
	int exit_code, int *streak);

void health_start(struct container *c);	 /* it has been started: counting begins anew */
void health_resume(struct container *c); /* it runs on: after unpause, after the engine came back */
void health_pause(struct container *c);
void health_stop(struct container *c); /* it has ended; the last status stays */
void health_free(struct container *c);

enum health_status health_status(struct container *c);
const char *health_status_name(enum health_status s);
/* "State.Health" of inspect; NULL when it has no check. */
yyjson_mut_val *health_json(struct container *c, yyjson_mut_doc *doc);

#endif
