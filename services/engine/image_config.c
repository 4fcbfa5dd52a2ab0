/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See image_config.h. What is empty in an image is shown as if it were not there: with Docker's value for "nothing", which
 * clients read without asking whether the member is there, or not at all. What older images have beside the table belonged
 * to the container that they were made of, and is not shown.
 */

#include "engine/image_config.h"
#include "lib/json.h"

/* API 1.50 took what is a container's own out of an image's. */
enum { LAST_WITH_CONTAINERS_OWN = 49 };

static const struct {
	const char *name;
	enum { LEFT_OUT, AS_NULL, AS_TEXT, AS_FALSE } empty;
	bool of_container;
} members[] = {
	{"ArgsEscaped", LEFT_OUT},
	{"AttachStderr", AS_FALSE, true},
	{"AttachStdin", AS_FALSE, true},
	{"AttachStdout", AS_FALSE, true},
	{"Cmd", AS_NULL},
	{"Domainname", AS_TEXT, true},
	{"Entrypoint", AS_NULL},
	{"Env", AS_NULL},
	{"ExposedPorts", LEFT_OUT},
	{"Healthcheck", LEFT_OUT},
	{"Hostname", AS_TEXT, true},
	{"Image", AS_TEXT, true},
	{"Labels", AS_NULL},
	{"OnBuild", AS_NULL},
	{"OpenStdin", AS_FALSE, true},
	{"Shell", LEFT_OUT},
	{"StdinOnce", AS_FALSE, true},
	{"StopSignal", LEFT_OUT},
	{"Tty", AS_FALSE, true},
	{"User", AS_TEXT},
	{"Volumes", AS_NULL},
	{"WorkingDir", AS_TEXT},
};

yyjson_mut_val *image_config_shown(yyjson_mut_doc *doc, yyjson_val *stored, int minor)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	bool ok = o != NULL;

	for (size_t i = 0; i < array_len(members) && ok; i++) {
		const char *name = members[i].name;
		yyjson_val *v = members[i].of_container ? NULL : yyjson_obj_get(stored, name);

		if (members[i].of_container && minor > LAST_WITH_CONTAINERS_OWN)
			continue;
		if (!json_blank(v)) {
			ok = json_copy(doc, o, name, v);
			continue;
		}
		switch (members[i].empty) {
		case LEFT_OUT:
			break;
		case AS_NULL:
			ok = yyjson_mut_obj_add_null(doc, o, name);
			break;
		case AS_TEXT:
			ok = yyjson_mut_obj_add_str(doc, o, name, "");
			break;
		case AS_FALSE:
			ok = yyjson_mut_obj_add_bool(doc, o, name, false);
			break;
		}
	}
	return ok ? o : NULL;
}
