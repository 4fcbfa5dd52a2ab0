/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_AUTH_H
#define ENGINE_IMAGE_AUTH_H

#include "lib/util.h"

/*
 * How a registry asks for credentials (RFC 9110 section 11.6.1; the distribution specification's token flow)
 * and what the client gave (X-Registry-Auth).
 */
enum auth_scheme { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct auth_challenge {
	enum auth_scheme scheme;
	char realm[1024];
	char service[256];
	char scope[512];
};

/*
 * One WWW-Authenticate value; it may hold several challenges, of which the best known wins: bearer, then
 * basic. 0 or -EINVAL when there is none to be understood.
 */
must_check int auth_challenge_parse(const char *header, struct auth_challenge *out);

struct auth_credentials {
	char *username, *password; /* owned; NULL: none */
	char *identity_token;	   /* owned; NULL: none. Exchanged for access tokens */
	char *registry_token;	   /* owned; NULL: none. Already an access token */
};

/* The JSON of X-Registry-Auth; NULL and {} are no credentials. 0, -EINVAL or -ENOMEM. */
must_check int auth_credentials_parse(const char *json, struct auth_credentials *out);
void auth_credentials_fini(struct auth_credentials *c);

/* The token of a token server's answer, malloc'ed; NULL when there is none. */
char *auth_token_parse(const char *json, size_t len);

#endif
