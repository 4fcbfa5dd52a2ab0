/* SPDX-License-Identifier: Apache-2.0 */

/* POST /auth, docker login: the registry is asked whether it takes the credentials; nothing of them is kept
 * here. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "engine/login_api.h"
#include "engine/shape.h"

struct login {
	struct http_req *r;
	struct image_task *check;
};

static void no_line(const char *json, size_t len, void *arg) {}

static void on_done(int err, const char *message, void *arg)
{
	struct login *l = arg;
	yyjson_mut_doc *doc;
	yyjson_mut_val *o;

	http_on_closed(l->r, NULL, NULL);
	if (err) {
		api_error(l->r, err == -EACCES ? 401 : 500, "%s", message);
	} else {
		doc = yyjson_mut_doc_new(NULL);
		o = yyjson_mut_obj(doc);
		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(doc, o, "Status", "Login Succeeded");
		yyjson_mut_obj_add_str(doc, o, "IdentityToken", "");
		api_json(l->r, 200, doc);
	}
	free(l);
}

static const struct image_task_events events = {.line = no_line, .done = on_done};

static void on_closed(struct http_req *r, bool ok, void *arg)
{
	struct login *l = arg;

	image_task_free(l->check);
	free(l);
}

static void with_body(struct engine *e, struct http_req *r, const char *arg, yyjson_val *root)
{
	const char *server = yyjson_get_str(yyjson_obj_get(root, "serveraddress"));
	struct login *l;
	char *auth;
	int err;

	if (!yyjson_is_obj(root)) {
		api_error(r, 400, "the credentials are missing");
		return;
	}
	if (!server || !*server)
		server = "docker.io";
	l = calloc(1, sizeof(*l));
	auth = yyjson_val_write(root, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
	if (!l || !auth) {
		free(l);
		free(auth);
		api_error(r, 500, "out of memory");
		return;
	}
	l->r = r;
	err = image_login_start(&l->check, e->images, e->loop, server, auth, &events, l);
	explicit_bzero(auth, strlen(auth));
	free(auth);
	if (err == -EINVAL)
		api_error(r, 400, "%.256s is not the address of a registry", server);
	else if (err)
		api_errno(r, err, "the login at %.256s cannot be started", server);
	if (err)
		free(l);
	else
		http_on_closed(r, on_closed, l);
}

void login_api(struct engine *e, struct http_req *r, const char *arg)
{
	static const struct shape members[] = {{"username", SHAPE_STR}, {"password", SHAPE_STR},
		{"auth", SHAPE_STR}, {"email", SHAPE_STR}, {"serveraddress", SHAPE_STR},
		{"identitytoken", SHAPE_STR}, {"registrytoken", SHAPE_STR}, {.type = SHAPE_OPEN}};

	/* Docker does not look at its label */
	api_body_any(e, r, NULL, members, with_body);
}
