/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_VOLUMES_INT_H
#define ENGINE_VOLUMES_INT_H

#include "engine/volumes.h"

struct volumes {
	struct volume **list; /* owned */
	size_t n;
};

yyjson_mut_val *volume_json(struct engine *e, struct volume *v, yyjson_mut_doc *doc);
bool volume_in_use(struct engine *e, const char *name);
must_check int volume_remove(struct engine *e, struct volume *v); /* frees @v when 0 */

#endif
