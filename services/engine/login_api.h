/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOGIN_API_H
#define ENGINE_LOGIN_API_H

struct engine;
struct http_req;

/* An api_fn: POST /auth. */
void login_api(struct engine *e, struct http_req *r, const char *arg);

#endif
