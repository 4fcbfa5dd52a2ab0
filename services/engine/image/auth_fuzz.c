/* SPDX-License-Identifier: Apache-2.0 */

/* WWW-Authenticate, X-Registry-Auth and token answers. What is accepted goes into headers and log lines. */

#include <stdlib.h>
#include <string.h>

#include "engine/image/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void printable(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_challenge c;
	struct auth_credentials cred;
	char *text, *token;

	if (size < 1)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	switch (data[0] % 3) {
	case 0:
		if (auth_challenge_parse(text, &c) == 0) {
			if (c.scheme == AUTH_NONE || (c.scheme == AUTH_BEARER && !*c.realm))
				abort();
			printable(c.realm);
			printable(c.service);
			printable(c.scope);
		}
		break;
	case 1:
		if (auth_credentials_parse(text, &cred) == 0) {
			const char *all[] = {
				cred.username, cred.password, cred.identity_token, cred.registry_token};

			for (size_t i = 0; i < array_len(all); i++)
				if (all[i] && strpbrk(all[i], "\r\n"))
					abort();
			auth_credentials_fini(&cred);
		}
		break;
	default:
		token = auth_token_parse((const char *)data + 1, size - 1);
		printable(token);
		free(token);
	}
	free(text);
	return 0;
}
