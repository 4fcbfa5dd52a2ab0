/* SPDX-License-Identifier: Apache-2.0 */

/* What an objection of a policy becomes: a refusal, a warning, a line in the log, as its binding says. */

#include <stdio.h>

#include "cluster/policies/policies_int.h"
#include "cluster/schema/schema.h"
#include "lib/log.h"

static void warn(const struct asking *k, const char *why)
{
	cleanup(freep) char *text = NULL;

	if (asprintf(&text, "Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s",
		    k->policy->entry.name, k->binding->entry.name, why) < 0)
		text = NULL;
	if (text)
		attempt_warn(k->a, text);
}

static void on_objection(const struct objection *o, void *arg)
{
	struct asking *k = arg;

	if (k->binding->deny || o->annotation)
		asking_refuse(k, o->reason, o->message);
	if (k->binding->warn && !o->annotation)
		warn(k, o->message);
	/* there is no audit log but the node's own */
	if (k->binding->audit && !o->annotation)
		log_info("audit policy=%s binding=%s user=%s operation=%s resource=%s namespace=%s name=%s "
			 "validation_failure=\"%s\"",
			k->policy->entry.name, k->binding->entry.name, k->a->who->user, match_operation(k->a),
			k->a->kind->plural, k->a->ns, k->a->name, o->message);
}

bool judge_write(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param)
{
	yyjson_mut_val *values[N_POLICY_NAMES];

	return asking_values(k, as, param, values) &&
	       expressions_ask(k->policy, values, &k->authorizer.cel, &k->budget, on_objection, k);
}
