/* SPDX-License-Identifier: Apache-2.0 */

/* Bodies in YAML, with upstream's sentence about what is wrong in them. */

#include <errno.h>
#include <string.h>

#include "cluster/schema/decode.h"
#include "cluster/schema/status.h"
#include "lib/yaml_json.h"

_Static_assert((int)YAML_JSON_DEPTH_MAX == (int)DECODE_DEPTH_MAX, "YAML is as deep as JSON");

struct status *decode_yaml(yyjson_mut_doc **out, const void *body, size_t len)
{
	const unsigned char *p = body;
	struct status *err;
	char why[300];
	size_t i = 0;
	int r;

	if (len > DECODE_BODY_MAX)
		return status_too_large("limit is %d", DECODE_BODY_MAX);
	/* most of what is called YAML is JSON, and JSON is read faster */
	while (i < len && strchr(" \t\r\n", p[i]) && p[i])
		i++;
	if (i < len && p[i] == '{') {
		err = decode_json(out, body, len);
		if (!err)
			return NULL;
		status_free(err);
	}
	r = yaml_json(out, body, len, why, sizeof(why));
	return !r	      ? NULL
	       : r == -EINVAL ? status_bad_request("error converting YAML to JSON: %s", why)
			      : status_internal("out of memory");
}
