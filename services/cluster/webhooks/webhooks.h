/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_WEBHOOKS_H
#define CLUSTER_WEBHOOKS_H

/*
 * Admission by webhooks: MutatingWebhookConfiguration and ValidatingWebhookConfiguration (admissionregistration.k8s.io/v1). Whoever
 * writes an object that their rules mean waits until they have answered; the loop does not.
 *
 *	attempt --match--> review --call (TLS)--> webhook --answer--> patch, warnings, or a refusal
 *
 * Those that change are asked one after the other, in order of their configurations' names; one with reinvocationPolicy IfNeeded is
 * asked once more when a later one has changed the object. Those that judge are asked all at once. Nobody is asked about webhook
 * configurations, so that a wrong one can be taken away, nor about what the API server does for itself.
 *
 * Policies (policies/policies.h) of the same phase are asked first. When policies or webhooks have changed the object, there is a second
 * round: the server's own rules look at it again, then policies that want to be asked once more, then webhooks that want to.
 */

#include "cluster/registry/registry.h"

struct webhooks;
struct webhook_run;

/* Knows the configurations there are from here on. 0 or -ENOMEM. */
must_check int webhooks_open(struct webhooks **out, struct registry *r);
void webhooks_close(struct webhooks *w); /* accepts NULL; runs must be over */

enum webhook_phase { WEBHOOK_MUTATING, WEBHOOK_VALIDATING, N_WEBHOOK_PHASES };

/* @error: taken; NULL: nobody objects. */
typedef void webhook_done(struct status *error, void *arg);
/* The server's own rules, between the rounds; a->changes has grown if they have changed something. NULL, or the refusal, the caller's. */
typedef struct status *webhook_rules(void *arg);

/**
 * webhooks_ask()
 * @a:		borrowed until @done; a->doc is changed in place, and a->root with it, by those that change
 * @out:	receives the run, for webhook_run_cancel(); gone once @done is called
 * @rules:	also called from inside; NULL: it has none
 *
 * Return: true: @done is called, later, or from inside when a policy refuses; false: nobody is to be waited for, and nothing is
 * called.
 */
must_check bool webhooks_ask(struct webhooks *w, enum webhook_phase phase, struct attempt *a,
	struct webhook_run **out, webhook_rules *rules, webhook_done *done, void *arg);
void webhook_run_cancel(struct webhook_run *run); /* accepts NULL */

#endif
