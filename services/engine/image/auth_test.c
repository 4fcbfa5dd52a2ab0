/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image/auth.h"

static void challenges(void **state)
{
	static const struct {
		const char *header;
		enum auth_scheme scheme;
		const char *realm, *service, *scope;
	} t[] = {
		{"Basic realm=\"Registry\"", AUTH_BASIC, "Registry", "", ""},
		{"basic", AUTH_BASIC, "", "", ""},
		{"Bearer realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"repository:a/b:pull,push\"",
			AUTH_BEARER, "https://auth.example/token", "registry.example",
			"repository:a/b:pull,push"},
		{"Bearer  realm = \"https://a/\" , service=x", AUTH_BEARER, "https://a/", "x", ""},
		{"Basic realm=\"one\", Bearer realm=\"https://two/\"", AUTH_BEARER, "https://two/", "", ""},
		{"Negotiate, Basic realm=\"one\"", AUTH_BASIC, "one", "", ""},
		{"Bearer error=\"x\", Basic realm=q", AUTH_BASIC, "q", "", ""},
		{"Bearer realm=\"a\\\"b\"", AUTH_BEARER, "a\"b", "", ""},
	};
	static const char *const bad[] = {"", ",", "Digest realm=\"x\"", "Bearer",
		"Bearer realm=", "Bearer realm=\"x", "Bearer realm=\"x\"y", "Basic realm=\"a\nb\"", "=",
		"Basic ="};
	struct auth_challenge c;
	char big[3000];

	for (size_t i = 0; i < array_len(t); i++) {
		if (auth_challenge_parse(t[i].header, &c) != 0)
			fail_msg("refused: %s", t[i].header);
		assert_int_equal(c.scheme, t[i].scheme);
		assert_string_equal(c.realm, t[i].realm);
		assert_string_equal(c.service, t[i].service);
		assert_string_equal(c.scope, t[i].scope);
	}
	for (size_t i = 0; i < array_len(bad); i++)
		if (auth_challenge_parse(bad[i], &c) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	memset(big, 'r', sizeof(big));
	memcpy(big, "Bearer realm=", 13);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(auth_challenge_parse(big, &c), -EINVAL);
}

static void credentials(void **state)
{
	struct auth_credentials c;
	char *token;

	assert_int_equal(
		auth_credentials_parse("{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"x\"}", &c),
		0);
	assert_string_equal(c.username, "u");
	assert_string_equal(c.password, "p");
	assert_null(c.identity_token);
	auth_credentials_fini(&c);
	assert_int_equal(auth_credentials_parse("{\"username\":\"\",\"identitytoken\":\"t\"}", &c), 0);
	assert_null(c.username);
	assert_string_equal(c.identity_token, "t");
	auth_credentials_fini(&c);
	assert_int_equal(auth_credentials_parse(NULL, &c), 0);
	assert_int_equal(auth_credentials_parse("{}", &c), 0);
	assert_int_equal(auth_credentials_parse("[]", &c), -EINVAL);
	assert_int_equal(auth_credentials_parse("{\"username\":\"a\\nb\"}", &c), -EINVAL);

	token = auth_token_parse("{\"access_token\":\"abc\"}", 22);
	assert_string_equal(token, "abc");
	free(token);
	token = auth_token_parse("{\"token\":\"t\",\"access_token\":\"abc\"}", 34);
	assert_string_equal(token, "t");
	free(token);
	assert_null(auth_token_parse("{\"token\":\"a b\"}", 15));
	assert_null(auth_token_parse("{}", 2));
	assert_null(auth_token_parse("", 0));
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(challenges),
		cmocka_unit_test(credentials),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
