/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "cluster/controllers/controllers.h"

static const struct controller_type *const types[] = {
#define X(name) &name,
	CONTROLLERS(X)
#undef X
};

struct controllers {
	struct controller *running[array_len(types)];
};

int controllers_start(struct controllers **out, struct registry *r, const struct cluster_context *context)
{
	struct controllers *c = calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < array_len(types); i++)
		err = controller_start(&c->running[i], r, types[i], context);
	if (err)
		controllers_stop(c);
	else
		*out = c;
	return err;
}

void controllers_stop(struct controllers *c)
{
	for (size_t i = 0; c && i < array_len(types); i++)
		controller_stop(c->running[i]);
	free(c);
}
